"""Helpers of the engine with threads that end in the middle of their work, under Node."""

from conftest import photograph

import codec
from tests.fuzz import tiny
from tests.web import node
from tests.web.test_decoding import sha256


def test_a_helper_that_fails_ends_what_waits_for_it(web_models, tmp_path):
    """Which is an error in place of waiting for ever; what is asked for next goes well."""
    path, coder = tmp_path / "file", codec.Codec(str(tiny.PATH), engine="native")
    path.write_bytes(coder.encode(photograph(700, 800), lossless=False))
    found = node.run("failing.mjs", web_models, path=path)
    pixels = sha256(coder.decode_picture(path.read_bytes()).pixels)
    assert found["failed"] == "Failed" and set(found["pixels"]) == {pixels} and len(found["pixels"]) >= 3
