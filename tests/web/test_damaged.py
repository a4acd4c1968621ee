"""Hostile files in WebAssembly and JavaScript under Node: of each the pixels that Python makes, or its refusal."""

import os
import random
from pathlib import Path

import pytest

import codec
from codec.coding import lossless
from codec.errors import Corrupt
from tests.fuzz import hostile, tiny
from tests.web import node
from tests.web.test_decoding import sha256

CORPUS = Path(hostile.__file__).parent / "corpus"
MOST_PIXELS = 100_000
COUNT = int(os.environ.get("AECODEC_WEB_FUZZ", "400"))  # mutations of the corpus


@pytest.fixture(scope="module")
def coder():
    return codec.Codec(str(tiny.PATH), engine="native", threads=1)


def outcome(coder, file):
    """What Python makes of a file: SHA-256 of samples and alpha, or the kind of error."""
    try:
        found = coder.decode_picture(file, max_pixels=MOST_PIXELS)
    except codec.CodecError as error:
        return type(error).__name__
    return sha256(found.pixels), None if found.alpha is None else sha256(found.alpha)


def check(coder, files, models, folder):
    """Node's outcomes are Python's. Returns them."""
    for number, file in enumerate(files):
        (folder / f"{number}").write_bytes(file)
    paths, options = [folder / f"{number}" for number in range(len(files))], {"format": "samples"}
    found = node.run("decode.mjs", models, files=paths, options=options | {"maxPixels": MOST_PIXELS})
    outcomes = []
    for file, one in zip(files, found, strict=True):
        outcomes.append(one["error"] if "error" in one else (one["data"], one["alpha"]))
        assert outcomes[-1] == outcome(coder, file), (file.hex()[:2000], one)
        assert "error" not in one or (10 < len(one["message"]) < 250 and "\n" not in one["message"])
    return outcomes


def test_the_corpus_of_the_fuzzers_and_what_becomes_of_it(coder, web_models, tmp_path):
    rng = random.Random(2026)
    files = [path.read_bytes()[:-2] for path in sorted((CORPUS / "decode").iterdir())]
    files += [path.read_bytes()[:-1] for path in sorted((CORPUS / "parser").iterdir())]
    files += [hostile.mutate(rng.choice(files), rng, sealed=rng.random() < 0.8) for _ in range(COUNT)]
    outcomes = check(coder, files, web_models, tmp_path)
    assert len({one for one in outcomes if type(one) is tuple}) >= 10
    assert {"Corrupt", "Truncated", "UnknownModel"} <= set(outcomes)


def test_lossless_tiles_under_right_checksums(coder, web_models, tmp_path):
    rng, files = random.Random(2027), []
    corpus = [path.read_bytes() for path in sorted((CORPUS / "tile").iterdir())]
    for data in corpus + [hostile.mutate_tile(rng.choice(corpus), rng) for _ in range(COUNT)]:
        how, height, width, payload = data[-1], data[-2] % 70 + 1, data[-3] % 70 + 1, data[:-3]
        channels, depth, crc = 3 if how & 1 else 1, 16 if how & 2 else 8, 0
        try:
            crc = lossless.checksum(lossless.decode(payload, height, width, channels, depth))
        except Corrupt:
            pass
        flags = 256 | (channels == 1) | (depth == 16) << 1
        files.append(hostile.build((bytes(4), flags, width, height, 6000), None, [(payload, crc)], []))
    outcomes = check(coder, files, web_models, tmp_path)
    assert len({one for one in outcomes if type(one) is tuple}) >= 10 and "Corrupt" in outcomes
