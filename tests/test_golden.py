"""Golden files: what was written once is read the same for ever, and what was refused once is refused for ever."""

import hashlib
import json
import time

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors

import codec
from codec import errors
from codec.pixels.read import load
from tests.fuzz import tiny
from tests.golden.make import BAD, COMMAND, GOOD, coder_of, digest, of_pixels, pictures

GOLDEN = json.loads((GOOD / "golden.json").read_text())
ERRORS = json.loads((BAD / "errors.json").read_text())


def test_there_are_enough_of_them():
    assert sorted(path.stem for path in GOOD.glob("*.aec")) == sorted(GOLDEN) == sorted(pictures())
    assert (
        sorted(path.name for path in BAD.iterdir() if path.name != "errors.json") == sorted(ERRORS)
        and len(ERRORS) >= 30
    )
    assert len(set(map(tuple, (path.read_bytes() for path in BAD.iterdir())))) == len(ERRORS) + 1


@pytest.mark.parametrize("name", GOLDEN)
def test_symbols_and_pixels_are_those_of_old(name):
    """The integers of the parse and all samples to the last bit, and the metadata."""
    coder, golden, file = coder_of(name), GOLDEN[name], (GOOD / f"{name}.aec").read_bytes()
    assert hashlib.sha256(file).hexdigest() == golden["sha256"]
    kind = name.split("-")[0]
    assert golden["model"] == (bytes(4) if kind in ("exact", "rounded") else coder.model.id).hex(), (
        f"the {kind} model is another than the golden files'; if it was replaced on purpose, run: {COMMAND} {kind}"
    )
    assert digest(coder, file) == golden["parse"]
    native = coder_of(name, "native")
    assert native.checksum(file) == golden["pixels"]
    found, expected = coder.decode_picture(file), load(GOOD / f"{name}.png")
    assert found.depth == expected.depth and np.array_equal(found.pixels, expected.pixels)
    assert coder.checksum(file) == of_pixels(found.pixels) == golden["pixels"]
    picture = pictures()[name][0]
    assert (found.alpha is None and picture.alpha is None) or np.array_equal(found.alpha, picture.alpha)
    assert (found.icc, found.exif, found.xmp, found.cicp) == (picture.icc, picture.exif, picture.xmp, picture.cicp)
    assert found.suffix == picture.suffix


@pytest.fixture(scope="module", params=["native", "torch"])
def tiny_coder(request):
    return coder_of("tiny", request.param)


@pytest.mark.parametrize("name", ERRORS)
def test_bad_files_are_refused(name, tiny_coder):
    """With the class of error they were refused with when they were made (`tests.golden.make bad` makes them anew), in
    a sentence, at once.
    """
    file = (BAD / name).read_bytes()
    started = time.process_time()
    for read in (tiny_coder.decode_picture, tiny_coder.decode, tiny_coder.verify):
        with pytest.raises(codec.CodecError) as caught:
            read(file)
        assert type(caught.value) is getattr(errors, ERRORS[name]), str(caught.value)
        assert 10 < len(str(caught.value)) < 250 and "\n" not in str(caught.value)
    assert time.process_time() - started < 3


def test_the_tiny_model_is_what_its_script_makes():
    made, committed = load_tensors(tiny.build()), load_tensors(tiny.PATH.read_bytes())
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in made.items()} == {
        name: (tensor.dtype, tensor.shape) for name, tensor in committed.items()
    }
    for name, tensor in made.items():
        # The basis of the linear ones comes from cosines, whose last bit is the library's.
        assert np.abs(tensor.astype(int) - committed[name]).max() <= (name.endswith("linear.weight")), name
