"""What is built for the web: aec.wasm of the sources, models in parts, the package."""

import gzip
import importlib.util
import json
import re
import shutil
import subprocess
import tomllib

import pytest

import codec
from codec.model import weights
from codec.web import build, parts
from tests.fuzz import tiny
from tests.web import node


@pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="pip install ziglang")
@pytest.mark.parametrize("name", build.MODULES)
def test_the_committed_wasm_is_that_of_the_sources(name):
    made, committed = build.wasm(build.MODULES[name]), (build.FOLDER / name).read_bytes()
    assert made == committed, "run: python -m codec.web.build"


def test_a_damaged_model_is_refused(web_models, tmp_path):
    """By the checksums of gzip, of the data, and of the file's size."""
    data = tiny.PATH.read_bytes()
    decoder, name = parts.split(data)["decoder"], f"{parts.model_id(data)}.decoder.gz"
    (tmp_path / "models.json").write_text(json.dumps({"default": parts.model_id(data)}))
    plain = gzip.decompress(decoder)
    changed = gzip.compress(plain[:-1] + bytes([plain[-1] ^ 1]))
    for damaged in (decoder[:-50], decoder[:999] + b"!" + decoder[1000:], changed, b"", decoder + b"!"):
        (tmp_path / name).write_bytes(damaged)
        found = node.run("opening.mjs", tmp_path)
        assert found["error"] == "BadWeights", found
    (tmp_path / name).write_bytes(decoder)
    assert node.run("opening.mjs", tmp_path) == {"model": parts.model_id(data)}
    assert node.run("opening.mjs", tmp_path, opening={"model": "other"})["error"] == "UnknownModel"


def test_the_code_is_small():
    """What a page with img.js loads to show a picture: without comments and spaces, and with gzip."""
    later = {"alpha.js", "bits.js", "encode.js", "pack.js", "webp.js"}  # for what few pictures have, or nobody shows
    scripts = [path.read_text() for path in build.FOLDER.glob("*.js") if path.name not in later]
    code = re.sub(r"(?m)/\*\*[^/]*\*/|^\s*//.*$| // [^\"'`]*$", "", "\n".join(sorted(scripts)))
    code = re.sub(r"\s*([^\w\s$'\"`])\s*", r"\1", code)
    sizes = [len(gzip.compress(part)) for part in (code.encode(), (build.FOLDER / "aec.wasm").read_bytes())]
    assert sum(sizes) <= 40_000, sizes


def test_the_models_are_small():
    for path in weights.FOLDER.glob("*.safetensors"):
        assert all(len(packed) <= 4_500_000 for packed in parts.split(path.read_bytes(), level=4).values())


def test_the_package_for_npm_is_whole(tmp_path):
    if not shutil.which("npm"):
        pytest.skip("install npm")
    done = subprocess.run(["npm", "pack", "--dry-run", "--json"], cwd=build.FOLDER, capture_output=True, text=True)
    packed = {file["path"] for file in json.loads(done.stdout)[0]["files"]}
    wanted = {path.name for kind in ("*.js", "*.wasm", "*.d.ts") for path in build.FOLDER.glob(kind)}
    assert wanted | {"README.md", "package.json"} <= packed and not any(name.endswith(".py") for name in packed)
    assert json.loads((build.FOLDER / "package.json").read_text())["version"] == codec.__version__


def test_the_package_of_python_has_all_of_it():
    """As package-data, so that an installed package can build pages."""
    settings = tomllib.loads((build.FOLDER.parents[1] / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["codec"]
    for path in build.FOLDER.rglob("*.*"):
        name = path.relative_to(build.FOLDER.parent)
        if path.is_file() and not {"__pycache__", "models", "dist"} & set(name.parts) and path.suffix != ".py":
            assert any(name.match(pattern) for pattern in patterns), name
