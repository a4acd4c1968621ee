"""What is built for the web: aec.wasm of the sources, models in parts, the package."""

import gzip
import importlib.util
import json

import pytest

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
