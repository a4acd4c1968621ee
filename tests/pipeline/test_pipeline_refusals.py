"""Bad input to the whole path: files, pictures and options, and the state of the caller."""

import dataclasses
import io
import os
import time

import numpy as np
import pytest
import torch
from conftest import photograph
from PIL import Image, ImageCms
from pipeline_files import picture_file

from codec.bitstream import container, layout
from codec.errors import BadOption, CodecError, Corrupt, NotAec, TooLarge, Truncated, UnknownModel, UnsupportedVersion
from codec.pixels.picture import Picture


@pytest.fixture(scope="module")
def rich(coder):
    """A file with every section, and its parts."""
    alpha = photograph(72, 88, 2, 1)[..., 0]
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Picture(photograph(72, 88, 1), alpha, icc=profile, exif=b"II*\0" + bytes(60), xmp=b"<x/>", suffix="webp")
    file = coder.encode(picture, 50)
    return file, container.unpack(file)


def refused(coder, file, kinds=CodecError, seconds=2):
    """The sentence with which both readers refuse a file."""
    started = time.perf_counter()
    for read in (coder.decode, coder.verify):
        with pytest.raises(kinds) as caught:
            read(file)
    assert time.perf_counter() - started < 2 * seconds
    sentence = str(caught.value)
    assert 10 < len(sentence) < 250 and "\n" not in sentence
    return sentence


def test_truncated_files(rich, coder):
    file, _ = rich
    for length in [*range(0, len(file), 97), len(file) - 1]:
        sentence = refused(coder, file[:length], (Truncated,))
        assert f"got {length}" in sentence


def test_flipped_bytes(rich, coder):
    file = bytearray(rich[0])
    for place in range(0, len(file), 13):
        for flip in (1, 128, 255):
            file[place] ^= flip
            refused(coder, bytes(file))
            file[place] ^= flip
    coder.verify(bytes(file))


def test_foreign_files_versions_and_models(rich, coder):
    file, aec = rich
    refused(coder, picture_file("PNG"), NotAec)
    refused(coder, file[:4] + bytes([layout.VERSION + 1]) + file[5:], UnsupportedVersion)
    other = container.pack(dataclasses.replace(aec, header=dataclasses.replace(aec.header, model=b"none")))
    assert b"none".hex() in refused(coder, other, UnknownModel)
    refused(coder, file + b"\0", Corrupt)


def repacked(aec, payloads=None, **header):
    tiles = aec.tiles if payloads is None else [container.Tile(payload, 0) for payload in payloads]
    return container.pack(container.Aec(dataclasses.replace(aec.header, **header), tiles, aec.sections))


def test_bombs(coder):
    """Small files that claim much are refused before memory is touched; thin pictures count with the
    blocks they fill.
    """
    aec = container.unpack(coder.encode(photograph(40, 40), 50))
    for width, height in ((16385, 16384), (1, 2**26)):
        file = repacked(aec, [b""] * (-(-width // 1024) * -(-height // 1024)), width=width, height=height)
        assert "--max-pixels" in refused(coder, file, TooLarge, seconds=1)
    refused(coder, repacked(aec, [b""] * 256, width=16384, height=16384), Corrupt, seconds=0.2)


def test_limit_of_pixels(coder):
    file = coder.encode(photograph(40, 40), 50)
    for read in (coder.decode, coder.verify, coder.decode_picture):
        read(file, max_pixels=1600)
        read(file, max_pixels=0)
        with pytest.raises(TooLarge, match="--max-pixels"):
            read(file, max_pixels=1599)


def test_random_payloads_under_right_checksums(rich, coder):
    """Whatever the container vouches for, the symbols are still checked; nothing but CodecError comes
    of it, in time.
    """
    _, aec = rich
    rng = np.random.default_rng(1)
    payload = aec.tiles[0].payload
    state = bytes([0, 0, 0, 128, 0, 0, 0, 0])
    for trial in range(120):
        noise = rng.bytes(4 * int(rng.integers(0, 3 * len(payload) // 4)))
        cut = 4 * int(rng.integers(0, len(payload) // 4))
        bad = [
            noise,
            state + noise,
            payload[:cut] + noise,
            payload[:cut],
            payload + noise + b"\0\0\0\0",
            b"\xff" * len(noise) + state,
            payload[:8] + noise,
            b"",
        ][trial % 8]
        refused(coder, repacked(aec, [bad]))
    for change in (
        {"width": 89},
        {"height": 71},
        {"width": 300, "height": 900},
        {"quality": 4900},
        {"quality": 10000},
        {"quality": 100},
    ):
        alone = dataclasses.replace(aec, sections={})
        refused(coder, repacked(alone, [payload], alpha=False, **change))


def test_large_tiles_of_noise_end_in_time(coder):
    aec = container.unpack(coder.encode(photograph(40, 40), 50))
    for noise, quality in (
        (b"", 100),
        (os.urandom(4), 5000),
        (os.urandom(4000), 100),
        (os.urandom(400_000), 10000),
        (b"\xff" * 400_000, 100),
        (bytes(400_000), 10000),
    ):
        file = repacked(aec, [bytes([0, 0, 0, 128, 0, 0, 0, 0]) + noise], width=1024, height=1024, quality=quality)
        started = time.perf_counter()
        with pytest.raises(Corrupt):
            coder.verify(file)
        assert time.perf_counter() - started < 6


def test_wrong_checksum_of_the_symbols(rich, coder):
    _, aec = rich
    tile = aec.tiles[0]
    assert "checksum" in refused(
        coder,
        container.pack(dataclasses.replace(aec, tiles=[container.Tile(tile.payload, tile.symbols_crc ^ 1)])),
        Corrupt,
    )


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_hostile_sections(rich, coder):
    _, aec = rich
    rng = np.random.default_rng(2)
    bomb = io.BytesIO()
    Image.new("L", (9000, 9000)).save(bomb, "PNG")
    for alpha in (
        b"x",
        rng.bytes(500),
        bomb.getvalue(),
        picture_file("PNG", "L"),
        aec.sections["alpha"][:-20],
        aec.sections["alpha"] + b"x",
    ):
        refused(coder, container.pack(dataclasses.replace(aec, sections=aec.sections | {"alpha": alpha})), Corrupt)
    for kind in ("icc", "exif", "xmp"):
        for content in (b"x", rng.bytes(3000), b"II*\0" + rng.bytes(300), b"MM\0*" + b"\xff" * 300):
            picture = coder.decode(container.pack(dataclasses.replace(aec, sections=aec.sections | {kind: content})))
            assert picture.size == (88, 72)
            dict(picture.getexif())
            picture.save(io.BytesIO(), "PNG")


def test_bad_pictures_and_options(coder, tmp_path):
    for picture in (
        np.zeros((4, 4)),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        b"no picture",
        tmp_path / "none.png",
        7,
        None,
    ):
        with pytest.raises(CodecError):
            coder.encode(picture, 50)
    for quality in (0, 0.99, 100.01, -5, float("nan"), float("inf"), "high", None, [50]):
        with pytest.raises(BadOption):
            coder.encode(photograph(8, 8), quality)
    with pytest.raises(BadOption):
        coder.encode(photograph(8, 8), 50, strip=["gps"])
    with pytest.raises(TooLarge, match="max-pixels"):
        coder.encode(photograph(8, 8), 50, max_pixels=63)


def test_state_of_the_caller_is_left_alone(coder):
    before = (
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_rng_state().sum(),
    )
    coder.decode(coder.encode(photograph(40, 40), 50))
    assert before == (
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_rng_state().sum(),
    )


def test_the_bits_map_adds_up_to_the_payload(coder):
    """Bits per latent position: together the file's payload, more where there is texture than where there is none."""
    picture = np.full((1088, 160, 3), 128, np.uint8)  # two tiles
    picture[:512] = photograph(512, 160, seed=4)
    data = coder.encode(picture, 70)
    bits = coder.bits_map(data)
    assert bits.shape == (68, 10) and bits.min() >= 0
    payload = 8 * sum(len(tile.payload) for tile in container.unpack(data).tiles)
    assert bits.sum() == pytest.approx(payload, rel=0.02, abs=200)
    assert bits[:30].mean() > 10 * bits[36:].mean()
