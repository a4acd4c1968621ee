"""The seam: whatever answers the four questions of an Engine can be put behind a Codec, here one of a few lines of
numpy that averages blocks; no torch is needed for it.
"""

import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import codec
from codec.bitstream import container
from codec.bitstream.container import Tile
from codec.coding import tiles
from codec.engine.seam import NO_HALO
from codec.errors import BadOption, Corrupt, UnknownModel
from codec.model.config import STRIDE, Config
from codec.pipeline.codec import Codec


class Blocks:
    """An Engine: latents are the colours of 16 x 16 blocks, pixels are these a little blurred.

    `calls` counts what it was asked, {operation: [tiles at once]}.
    """

    device = "paper"

    def __init__(self):
        self.model = SimpleNamespace(id=b"toys", config=Config(latent=4), path=Path("blocks"))
        self.calls = {"write": [], "read": [], "render": []}

    def analyse(self, pixels, quality, halo=NO_HALO):
        rows, columns, channels = pixels.shape[0] // STRIDE, pixels.shape[1] // STRIDE, pixels.shape[2]
        means = pixels.reshape(rows, STRIDE, columns, STRIDE, channels).mean((1, 3)) / np.iinfo(pixels.dtype).max
        latents = np.zeros((4, rows, columns), np.float32)
        latents[:channels] = means.transpose(2, 0, 1)
        return self._without(latents, halo, 1)

    def write(self, latents, qualities, effort=None):
        self.calls["write"].append(len(latents))
        coded = [np.rint(np.asarray(y) * q).astype("<i2").tobytes() for y, q in zip(latents, qualities, strict=True)]
        payloads = [zlib.compress(data) for data in coded]
        return [Tile(p + bytes(-len(p) % 4), zlib.crc32(data)) for p, data in zip(payloads, coded, strict=True)]

    def read(self, tiles, rows, columns, qualities):
        self.calls["read"].append(len(tiles))
        return [self._read(tile, rows, columns, q) for tile, q in zip(tiles, qualities, strict=True)]

    def _read(self, tile, rows, columns, quality):
        try:
            data = zlib.decompressobj().decompress(tile.payload)
            if zlib.crc32(data) != tile.symbols_crc:
                raise Corrupt("these are no blocks")
            return np.frombuffer(data, "<i2").reshape(4, rows, columns).astype(np.float32) / quality
        except (zlib.error, ValueError, Corrupt) as error:
            return Corrupt(str(error))

    def render(self, latents, qualities, channels, depth, halo=NO_HALO, fast=False):
        self.calls["render"].append(len(latents))
        return [self._rendered(np.asarray(y), channels, depth, halo) for y in latents]

    def _rendered(self, y, channels, depth, halo):
        _, rows, columns = y.shape
        padded = np.pad(y[:channels], ((0, 0), (1, 1), (1, 1)), "edge")
        blurred = sum(padded[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)) / 9
        planes = np.rint(blurred * (2**depth - 1)).astype(f"u{depth // 8}").repeat(STRIDE, 1).repeat(STRIDE, 2)
        return self._without(planes, halo, STRIDE).transpose(1, 2, 0)

    def _without(self, planes, halo, unit):
        top, bottom, left, right = (unit * side for side in halo)
        return planes[:, top : planes.shape[1] - bottom, left : planes.shape[2] - right]

    def blank(self, rows, columns):
        return np.zeros((4, rows, columns), np.float32)

    def array(self, latents):
        return np.array(latents)

    def bits(self, tile, rows, columns, quality):
        return np.full((rows, columns), 8 * len(tile.payload) / rows / columns)

    def together(self, rows, columns):
        return 3

    def sibling(self, model):
        raise UnknownModel(f"there is no {model}")


def smooth(height, width, seed=0):
    """[H, W, 3] uint8: four colours and what lies between them."""
    corners = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), np.uint8)
    return np.asarray(Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR))


@pytest.fixture
def coder():
    return Codec.over(Blocks())


@pytest.mark.parametrize("size", [(300, 430), (128, 128), (129, 17), (1, 400)])
def test_tiles_meet_as_if_there_were_none(size, coder, monkeypatch):
    """Whatever the latents are, halos and the mosaic give an engine what it needs of a tile's neighbours."""
    picture = smooth(*size)
    whole = coder.decode_picture(coder.encode(picture, 90, lossless=False)).pixels
    monkeypatch.setattr(container, "TILE", 64)
    monkeypatch.setattr(tiles, "LATENTS", 64 // STRIDE)
    file = coder.encode(picture, 90, lossless=False)
    assert codec.info(file)["tiles"] == -(-size[0] // 64) * -(-size[1] // 64)
    assert np.array_equal(coder.decode_picture(file).pixels, whole)
    crop = coder.decode_picture(file, crop=(0, 0, min(70, size[1]), 1)).pixels
    assert np.array_equal(crop, whole[:1, :70])
    latent = coder.latent(file)
    assert latent.shape == (4, -(-size[0] // STRIDE), -(-size[1] // STRIDE)) and not latent[3].any()


def test_everything_that_a_codec_does(coder):
    picture = smooth(90, 120)
    for options in ({}, {"lossless": True}, {"target_size": 500}, {"psnr": 25}, {"lossless": False, "effort": 3}):
        file = coder.encode(picture, **options)
        coder.verify(file)
        assert coder.decode(file).size == (120, 90) and coder.bits_map(file).shape == (6, 8)
    assert np.array_equal(coder.decode(coder.encode(picture, lossless=True)), picture)
    with pytest.raises(BadOption, match="smallest"):
        coder.encode(picture, target_size=50, lossless=False)
    with pytest.raises(UnknownModel):
        coder.decode(codec.compress(picture, device="cpu"))


def test_small_pictures_come_together_as_many_as_the_engine_wants(coder):
    pictures = [smooth(40, 50, seed) for seed in range(7)]
    files = coder.encode_batch(pictures, 80, lossless=False)
    assert coder.engine.calls["write"] == [3, 3, 1]
    assert files == [coder.encode(picture, 80, lossless=False) for picture in pictures]
    coder.engine.calls["read"].clear()
    bad = files[1][:-3] + bytes([files[1][-3] ^ 1]) + files[1][-2:]
    decoded = coder.decode_batch([files[0], bad, *files[2:]], return_exceptions=True)
    assert isinstance(decoded[1], Corrupt) and coder.engine.calls["read"] in ([3, 3, 1], [3, 3])
    assert all(np.array_equal(decoded[i], coder.decode(files[i])) for i in range(7) if i != 1)


def test_without_torch():
    """Nothing of the path imports it, whatever is asked."""
    code = (
        "import sys; sys.modules['torch'] = sys.modules['compressai'] = None\n"
        "from tests.engine.test_seam import *\n"
        "test_small_pictures_come_together_as_many_as_the_engine_wants(Codec.over(Blocks()))\n"
        "coder = Codec.over(Blocks()); picture = smooth(1100, 1100)\n"
        "for options in ({}, {'lossless': True}, {'psnr': 25}):\n"
        "    coder.decode(coder.encode(picture, **options), scale=1 / 2)\n"
        "print(sorted(name for name in sys.modules if name.startswith('codec.engine')))"
    )
    root = Path(codec.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout == "['codec.engine', 'codec.engine.seam']\n", done.stderr
