"""Files made in WebAssembly under Node: byte for byte those of the native engine, where that codes photographs."""

import base64

import numpy as np
import pytest
from conftest import photograph

import codec
from codec.bitstream import container
from codec.pixels.read import load
from tests.web import node


@pytest.fixture(scope="module")
def native():
    return codec.Codec("default", engine="native")


def encoded(pictures, models, folder, **more):
    """What Node makes of [(samples, options, metadata)]: the bytes of the file, or {error, message}."""
    given = []
    for number, (samples, options, metadata) in enumerate(pictures):
        path = folder / f"{number}"
        path.write_bytes(np.ascontiguousarray(samples).tobytes())
        texts = {kind: base64.b64encode(content).decode() for kind, content in metadata.items()}
        height, width = samples.shape[:2]
        given.append({"samples": path, "width": width, "height": height, "metadata": texts, "options": options})
    found = node.run("encode.mjs", models, pictures=given, **more)
    return [(folder / f"{number}.aec").read_bytes() if "bytes" in one else one for number, one in enumerate(found)]


def test_pictures_of_odd_sizes_and_several_tiles(native, web_models, tmp_path):
    rng, pictures, expected = np.random.default_rng(7), [], []
    sizes = [tuple(map(int, rng.integers(1, 150, 2))) for _ in range(16)] + [(1100, 90), (50, 2100), (1040, 1090)]
    for seed, size in enumerate(sizes):
        samples, quality = photograph(*size, seed, (1, 3)[seed % 2]), int(rng.integers(100, 10001)) / 100
        expected.append(native.encode(samples, quality, lossless=False))
        if seed % 4 == 1:
            samples = np.pad(samples, ((0, 0), (0, 0), (0, 1)), constant_values=255)
        pictures.append((samples, {"quality": quality}, {}))
    found = encoded(pictures, web_models, tmp_path)
    assert [one == file for one, file in zip(found, expected, strict=True)] == [True] * len(found)


def test_real_photographs(native, kodak, web_models, tmp_path):
    """As the encoder itself decides: photographs it codes as such."""
    pictures = [load(path).pixels for path in kodak[::3]]
    found = encoded([(pixels, {}, {}) for pixels in pictures], web_models, tmp_path)
    assert found == [native.encode(pixels) for pixels in pictures]


def test_alpha_and_metadata(native, web_models, tmp_path):
    samples, alpha = photograph(40, 70), photograph(40, 70, 1, 1)
    metadata = {"icc": bytes(range(140)), "exif": b"II*\0\x08\0\0\0\0\0", "xmp": b"<x/>", "cicp": b"\x09\x10\0\1"}
    (file,) = encoded([(np.dstack([samples, alpha]), {"quality": 71.5}, metadata)], web_models, tmp_path)
    found = native.decode_picture(file)
    assert np.array_equal(found.alpha, alpha[..., 0])
    assert {kind: getattr(found, kind) for kind in metadata} == metadata
    plain = container.unpack(native.encode(samples, 71.5, lossless=False))
    assert container.unpack(file).tiles == plain.tiles


def test_what_is_no_picture_is_refused(web_models, tmp_path):
    samples = photograph(10, 10)
    cases = [
        (samples, {"quality": 0.5}, {}),
        (samples, {"quality": 101}, {}),
        (samples, {"quality": "high"}, {}),
        (samples[..., :2], {}, {}),
    ]
    for one in encoded(cases, web_models, tmp_path):
        assert one["error"] == "BadOption" and 10 < len(one["message"]) < 250


def test_a_model_that_only_decodes_says_so(native, web_models, tmp_path):
    decoder = (web_models / f"{native.model.id.hex()}.decoder.gz").as_uri()
    (found,) = encoded([(photograph(10, 10), {}, {})], web_models, tmp_path, opening={"model": {"decoder": decoder}})
    assert found == {"error": "BadOption", "message": "the model was opened without the part that encodes"}
