"""A codec's life under Node: jobs that are cancelled, a worker that dies, tiles as they come, what it refuses."""

import hashlib

import numpy as np
from conftest import photograph

import codec
from tests.fuzz import tiny
from tests.web import node


def test_a_codec_that_is_used_and_goes_on(web_models, tmp_path):
    coder = codec.Codec(str(tiny.PATH), engine="native")
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(coder.encode(photograph(40, 50), lossless=False))
    large.write_bytes(coder.encode(photograph(1040, 1060, 2), 30, lossless=False))
    found = node.run("living.mjs", web_models, small=small, large=large)
    shown = np.pad(coder.decode_picture(large.read_bytes()).pixels, ((0, 0), (0, 0), (0, 1)), constant_values=255)
    pixels = hashlib.sha256(shown.tobytes()).hexdigest()
    assert found["pixels"] == 1 and found["after"] == found["again"] == pixels
    assert found["cancelled"] == found["cancelledBefore"] == "AbortError" and found["seen"] == 1
    assert found["died"] == "Failed" and found["closed"] == ["Closed", "Closed"]
    sizes = [(0, 0, 1024, 1024), (1024, 0, 36, 1024), (0, 1024, 1024, 16), (1024, 1024, 36, 16)]
    assert found["tiles"] == [[i + 1, 4, *size, 4 * size[2] * size[3]] for i, size in enumerate(sizes)]
    assert found["whole"] is None


def test_what_pages_give_by_mistake(web_models, tmp_path):
    """Is refused in place of being read as something else."""
    path = tmp_path / "file"
    path.write_bytes(codec.Codec(str(tiny.PATH), engine="native").encode(photograph(40, 50), lossless=False))
    found = node.run("refused.mjs", web_models, path=path)
    assert found["found"] == ["BadOption"] * 28 + ["TooLarge"] * 2 + ["Corrupt"]
    assert found["exif"] == 3 and found["last"] == "Closed"
