"""Parts of a picture: crops and reductions equal those of the whole and decode no more than they need; rows flow;
damaged files give their rest.
"""

import numpy as np
import pytest
import region_files
from conftest import photograph
from image_files import saved
from PIL import Image
from region_files import HEIGHT, SIDE, WIDTH

import codec
from codec.bitstream import container
from codec.coding import lossless, tiles
from codec.engine.torch.engine import TorchEngine
from codec.errors import BadImage, BadOption, Corrupt, TooLarge, Truncated
from codec.model.config import STRIDE
from codec.pixels import scanner
from codec.pixels.formats import png
from codec.pixels.picture import Picture, without
from codec.pixels.read import load
from codec.pixels.strips import Region, Scan

pictures = pytest.fixture(scope="module")(region_files.pictures)
small_tiles = pytest.fixture(scope="module", autouse=True)(region_files.small_tiles)


@pytest.fixture
def decoded(monkeypatch):
    """The sizes of the tiles that get decoded."""
    seen, read, exact_tile = [], TorchEngine.read, lossless.decode

    def reading(self, tiles, rows, columns, qualities):
        seen.extend([(rows, columns)] * len(tiles))
        return read(self, tiles, rows, columns, qualities)

    def decoding(data, height, width, *kind):
        seen.append((-(-height // STRIDE), -(-width // STRIDE)))
        return exact_tile(data, height, width, *kind)

    monkeypatch.setattr(TorchEngine, "read", reading)
    monkeypatch.setattr(lossless, "decode", decoding)
    return seen


def needed(left, top, width, height, halo=5):
    """How many tiles a crop needs, by the receptive field of 5 positions that the shipped model's synthesis has."""
    low = lambda start: max(0, (start // STRIDE - halo) * STRIDE) // SIDE
    high = lambda stop, size: (min(size, (-(-stop // STRIDE) + halo) * STRIDE) - 1) // SIDE + 1
    return (high(left + width, WIDTH) - low(left)) * (high(top + height, HEIGHT) - low(top))


def same(picture, whole, left, top, width, height):
    assert np.array_equal(picture.pixels, whole.pixels[top : top + height, left : left + width])
    assert (picture.alpha is None) == (whole.alpha is None)
    assert picture.alpha is None or np.array_equal(picture.alpha, whole.alpha[top : top + height, left : left + width])
    assert (picture.icc, picture.exif, picture.xmp, picture.depth) == (whole.icc, whole.exif, whole.xmp, whole.depth)


CROPS = [
    (0, 0, WIDTH, HEIGHT),
    (0, 0, 1, 1),
    (WIDTH - 1, HEIGHT - 1, 1, 1),
    (350, 350, 60, 60),
    (255, 255, 2, 2),
    (256, 256, 256, 256),
    (0, 500, 700, 80),
    (90, 90, 300, 70),
]


@pytest.mark.parametrize("name", ["rgb", "rich", "gray", "deep", "exact"])
def test_a_crop_is_cut_out_of_the_whole_and_decodes_only_its_tiles(name, pictures, on_torch, decoded):
    file, whole = pictures[name]
    rng = np.random.default_rng(5)
    crops = CROPS if name == "rich" else CROPS[3:5]
    for crop in [
        *crops,
        *(
            (x, y, rng.integers(1, min(60, WIDTH - x) + 1), rng.integers(1, HEIGHT - y + 1))
            for x, y in rng.integers(0, (WIDTH, HEIGHT), (2, 2))
        ),
    ]:
        decoded.clear()
        same(on_torch.decode_picture(file, crop=crop), whole, *crop)
        # Lossless tiles need no neighbours.
        assert len(decoded) == needed(*map(int, crop), *([0] if name == "exact" else []))
    decoded.clear()
    on_torch.decode(file, crop=(96 + 256, 96 + 256, 60, 60))
    assert decoded == [(16, 16)]  # well inside one tile


def test_the_rest_of_the_file_is_not_read(pictures, coder, tmp_path):
    file, whole = pictures["rgb"]
    path = tmp_path / "a.aec"
    reader = container.Reader(file)
    start, size, _ = reader._places[8]  # the lower right tile
    path.write_bytes(file[:start] + bytes(size) + file[start + size :])
    crop = (10, 20, 100, 30)
    same(coder.decode_picture(path, crop=crop), whole, *crop)
    with pytest.raises(Corrupt, match="tile 9 of 9"):
        coder.decode(path, crop=(600, 500, 9, 9))
    with open(path, "rb") as opened:
        opened.seek(0)
        same(coder.decode_picture(opened, crop=crop), whole, *crop)
    with pytest.raises(Truncated):
        coder.decode(file[:-1], crop=crop)
    assert np.array_equal(
        codec.decompress(path, crop=crop, scale=1 / 2, device="cpu"), coder.decode(file, crop=crop, scale=1 / 2)
    )
    assert [image.size for image in coder.decode_batch([file, path], crop=crop)] == [(100, 30)] * 2


@pytest.mark.parametrize("scale", [1 / 2, 1 / 4, 1 / 8, 1 / 16])
def test_a_scaled_picture_is_the_reduced_whole(scale, pictures, coder):
    """The reduction itself is tested with strips; here, that nothing else happens, whatever tiles and crops the squares
    lie across.
    """
    for name, crop in (
        ("rgb", None),
        ("gray", (3, 250, 555, 18)),
        ("rich", (111, 7, 300, 400)),
        ("deep", (0, 0, 257, 257)),
        ("exact", (250, 1, 99, 400)),
    ):
        file, whole = pictures[name]
        left, top, width, height = crop or (0, 0, WIDTH, HEIGHT)
        cut = Picture(
            whole.pixels[top : top + height, left : left + width],
            None if whole.alpha is None else whole.alpha[top : top + height, left : left + width],
        )
        region = Region(0, 0, width, height, round(1 / scale))
        expected = Scan(
            *region.size,
            cut.channels,
            cut.depth,
            cut.has_alpha,
            lambda: region.reduce([cut]),
            whole.icc,
            whole.exif,
            whole.xmp,
        ).whole()
        got = coder.decode_picture(file, crop=crop, scale=scale)
        assert (got.width, got.height) == (-(-width * scale // 1), -(-height * scale // 1))
        same(got, expected, 0, 0, *region.size)
        if name == "rgb":
            reference = np.asarray(Image.fromarray(whole.pixels).reduce(round(1 / scale)), int)
            assert np.abs(got.pixels - reference).max() <= 1  # Pillow's rounding differs where a mean ends in a half


def test_wrong_regions_and_the_limit_of_pixels(pictures, coder):
    file, _ = pictures["rgb"]
    for crop in ((0, 0, WIDTH + 1, 5), (WIDTH, 0, 1, 1), (0, 0, 0, 5), (1, 2, 3), "all"):
        with pytest.raises(BadOption, match="crop"):
            coder.decode(file, crop=crop)
    with pytest.raises(BadOption, match="scale"):
        coder.decode(file, scale=3)
    coder.decode(file, crop=(0, 0, 10, 10), max_pixels=100)  # what is decoded counts
    with pytest.raises(TooLarge, match="--max-pixels"):
        coder.decode(file, crop=(0, 0, 10, 11), max_pixels=100)
    with pytest.raises(TooLarge):
        coder.decode(file, scale=1 / 16, max_pixels=WIDTH * HEIGHT - 1)


# Rows


def test_a_file_read_by_rows_gives_the_bytes_of_the_whole(pictures, coder, monkeypatch):
    monkeypatch.setattr(png, "STRETCH", 100_000)
    for name in ("rich", "gray", "deep"):
        source = saved(pictures[name][1], "png")
        expected = coder.encode(source, 40)
        with monkeypatch.context() as small:
            small.setattr(scanner, "SMALL_PIXELS", 0)
            assert coder.encode(source, 40) == expected
            assert coder.encode(source, 40, strip="exif") == coder.encode(without(load(source), "exif"), 40)
            with pytest.raises(BadImage, match="checksum|inflated"):
                coder.encode(source[:-30] + bytes([source[-30] ^ 1]) + source[-29:], 40)


def test_few_rows_are_held(on_torch, monkeypatch):
    """A tall picture: the rows read ahead, and the latents kept, stay those of about two tiles."""
    height, read, most = 12 * SIDE, 0, 0
    rows = photograph(SIDE, 64, 5)

    def strips():
        nonlocal read
        for _ in range(height // SIDE):
            read += SIDE
            yield Picture(rows)

    analyse, ahead = TorchEngine.analyse, []

    def listening_to_rows(self, *arguments):
        ahead.append(read - len(ahead) * SIDE)
        return analyse(self, *arguments)

    monkeypatch.setattr(TorchEngine, "analyse", listening_to_rows)
    file = on_torch.encode(Scan(64, height, 3, 8, False, strips), 30)
    assert len(ahead) == 12 and max(ahead) <= 2 * SIDE

    window = tiles.Mosaic.window

    def listening(self, row, column):
        nonlocal most
        most = max(most, sum(y.shape[1] for *_, y in self._parts))
        return window(self, row, column)

    monkeypatch.setattr(tiles.Mosaic, "window", listening)
    with on_torch.scan(file) as scan:
        heights = [strip.height for strip in scan.strips()]
    assert heights == [SIDE] * 12 and most <= 2 * SIDE // STRIDE + 5


def test_a_file_is_read_to_its_end(pictures, coder, monkeypatch):
    """Behind the last row too, where that row ends a stretch."""
    monkeypatch.setattr(scanner, "SMALL_PIXELS", 0)
    monkeypatch.setattr(png, "STRETCH", (1 + WIDTH) * HEIGHT // 10)
    source = saved(pictures["gray"][1], "png")
    for broken in (source[:-12], source[:-1] + b"x"):
        with pytest.raises(BadImage, match="truncated|checksum"):
            coder.encode(broken, 1)
