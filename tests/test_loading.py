"""Packages that cannot be loaded: one sentence, exit code 1, no traceback, from the command line and from the
library.
"""

import functools
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from conftest import photograph
from PIL import Image

import codec
from codec import loading
from codec.errors import Missing

COMMAND = [sys.executable, "-m", "codec"]
BROKEN = {
    "a library is missing": (
        "torch",
        'raise ImportError("libx.so: cannot open shared object file")',
        "libx.so: cannot open",
    ),
    "the loader fails": ("torch", 'raise OSError(2, "libcudart.so: cannot open shared object file")', "libcudart.so"),
    "cut off": ("torch", "def f(:", "invalid syntax"),
    "empty": ("torch", "", "torch"),
    "of another build": ("numpy", 'raise RuntimeError("module compiled against ABI version 9")', "ABI version 9"),
    "no coder": ("compressai", 'raise ImportError("_CXX.so: undefined symbol: x\\nmore")', "undefined symbol: x"),
    "no weights": (
        "safetensors",
        'raise ModuleNotFoundError("No module named 1", name="safetensors")',
        "No module named",
    ),
    "pictures": ("PIL", 'raise ImportError("libjpeg.so.62")', "libjpeg.so.62"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph(40, 56)).save("p.png")
    return tmp_path


def run(*command, path=(), **more):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, path), os.getcwd(), *filter(None, sys.path)])}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200, **more)


def said(done, package, reason):
    assert done.returncode == 1 and done.stdout == "", done
    (line,) = done.stderr.splitlines()
    assert line.startswith("aecodec: ") and f"{package} cannot be loaded: " in line and reason in line, line


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_packages(folder, kind):
    package, code, reason = BROKEN[kind]
    (folder / "broken" / package).mkdir(parents=True)
    for module in ("__init__", "ans"):  # of compressai its coder alone is loaded
        (folder / "broken" / package / f"{module}.py").write_text(code)
    said(run(*COMMAND, "compress", "--engine", "torch", "p.png", path=["broken"]), package, reason)
    assert sorted(os.listdir()) == ["broken", "p.png"]
    done = run(*COMMAND, "--help", path=["broken"])
    assert done.returncode == 0 and not done.stderr


def test_what_an_extra_brings_may_be_broken_too(folder):
    (folder / "broken" / "pyarrow").mkdir(parents=True)
    (folder / "broken" / "pyarrow" / "__init__.py").write_text('raise RuntimeError("built for another numpy")')
    for line in ("embed p.png -o e.parquet", "batch . out"):
        said(run(*COMMAND, *line.split(), path=["broken"]), "pyarrow", "built for another numpy")
    assert sorted(os.listdir()) == ["broken", "p.png"]


def test_every_way_in(folder):
    """Worker processes, commands that import elsewhere, the library and the plugin."""
    (folder / "broken" / "torch").mkdir(parents=True)
    (folder / "broken" / "torch" / "__init__.py").write_text('raise ImportError("libx.so")')
    (folder / "q.aec").write_bytes(codec.compress("p.png", device="cpu"))
    on_torch = "compress -j 2 --engine torch p.png", "decompress --engine torch -o r.png q.aec"
    for line in (*on_torch, "train", "sample -o x.png"):
        said(run(*COMMAND, *line.split(), path=["broken"]), "torch", "libx.so")
    assert run(*COMMAND, "info", "q.aec", path=["broken"]).returncode == 0
    if find_spec("sklearn"):
        said(run(*COMMAND, "ae", "fit", "digits", path=["broken"]), "torch", "libx.so")
    code = """
import codec, codec.pillow
from PIL import Image
for kind, call in (
    (codec.CodecError, lambda: codec.compress("p.png", effort=1)), (ImportError, lambda: codec.Codec(engine="torch")),
):
    try:
        call()
    except kind as error:
        print(error)
"""
    done = run(sys.executable, "-c", code, path=["broken"])
    assert done.stdout == "torch cannot be loaded: libx.so\n" * 2 and done.stderr == "", done


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the address space")
def test_little_address_space(folder):
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9, 2 * 10**9))

    done = run(*COMMAND, "compress", "--engine", "torch", "p.png", preexec_fn=limit)
    said(done, "torch", "(this process's address space is limited to 2.0 GB)")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the address space")
def test_little_memory_is_said_and_nobody_waits(folder):
    """Libraries that are refused memory may try for ever: of each limit, from none that is enough to one that is."""
    import resource

    ends = set()
    Image.fromarray(photograph(64, 64)).save("p.png")
    (folder / "q.aec").write_bytes(codec.compress("p.png"))
    lines = [(size, "compress -f p.png") for size in (*range(100, 220, 10), 103, 104)]
    for size, line in [*lines, (100, "decompress -f q.aec -o q.jpg"), (106, "verify q.aec")]:
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (size * 10**6, size * 10**6))
        done = run(*COMMAND, *line.split(), preexec_fn=limit)
        assert done.returncode in (0, 1) and len(done.stderr.splitlines()) == done.returncode, (size, done)
        assert "Traceback" not in done.stderr and "unexpected" not in done.stderr, (size, done)
        assert not done.returncode or re.search("(not enough|no) memory", done.stderr), (size, done)
        ends.add(done.returncode)
    assert 1 in ends


def test_other_errors_stay_what_they_are():
    for error in (ValueError("x"), OSError("y"), MemoryError(), KeyError("numpy")):
        assert loading.sentence(error) is None
        with pytest.raises(type(error)):
            with loading.loading():
                raise error
    with pytest.raises(Missing, match="a part of the codec cannot be loaded: x"):
        with loading.loading():
            raise ImportError("x")
