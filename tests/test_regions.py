"""Parts of a picture: crops and reductions equal those of the whole and decode no more than they need; rows flow;
damaged files give their rest.
"""

import dataclasses
import io
import json
from unittest.mock import patch

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import photograph, psnr
from PIL import Image
from test_image import SRGB, XMP, exif, saved

import codec
from codec.app.cli import cli
from codec.bitstream import container
from codec.coding import exact, tiles
from codec.engine.torch.engine import TorchEngine
from codec.errors import BadImage, BadOption, Corrupt, NotAec, TooLarge, Truncated
from codec.model.config import STRIDE
from codec.pipeline.damage import Damage
from codec.pixels import image, scanner
from codec.pixels.formats import png
from codec.pixels.image import Picture
from codec.pixels.strips import Region, Scan

SIDE = 256  # px: tiles of the tests
HEIGHT, WIDTH = 580, 700  # 3 x 3 tiles


@pytest.fixture(scope="module", autouse=True)
def small_tiles():
    with patch.object(container, "TILE", SIDE), patch.object(tiles, "LATENTS", SIDE // STRIDE):
        yield


@pytest.fixture(scope="module")
def pictures(coder):
    """By name: the file and everything of it decoded at once."""
    rgb = photograph(HEIGHT, WIDTH, 1)
    alpha = photograph(HEIGHT, WIDTH, 2, 1)[..., 0]
    sources = {
        "rgb": Picture(rgb),
        "rich": Picture(rgb, alpha, SRGB, exif(6), XMP),
        "gray": Picture(photograph(HEIGHT, WIDTH, 3, 1)),
        "deep": Picture(photograph(HEIGHT, WIDTH, 4, 3, 16), (alpha.astype(np.uint16) * 257)),
    }
    files = {name: coder.encode(picture, 50) for name, picture in sources.items()}
    files["exact"] = coder.encode(sources["rich"], lossless=True)
    return {name: (file, coder.decode_picture(file)) for name, file in files.items()}


@pytest.fixture
def decoded(monkeypatch):
    """The sizes of the tiles that get decoded."""
    seen, read, exact_tile = [], TorchEngine.read, exact.decode

    def reading(self, tiles, rows, columns, qualities):
        seen.extend([(rows, columns)] * len(tiles))
        return read(self, tiles, rows, columns, qualities)

    def decoding(data, height, width, *kind):
        seen.append((-(-height // STRIDE), -(-width // STRIDE)))
        return exact_tile(data, height, width, *kind)

    monkeypatch.setattr(TorchEngine, "read", reading)
    monkeypatch.setattr(exact, "decode", decoding)
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
def test_a_crop_is_cut_out_of_the_whole_and_decodes_only_its_tiles(name, pictures, coder, decoded):
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
        same(coder.decode_picture(file, crop=crop), whole, *crop)
        # Lossless tiles need no neighbours.
        assert len(decoded) == needed(*map(int, crop), *([0] if name == "exact" else []))
    decoded.clear()
    coder.decode(file, crop=(96 + 256, 96 + 256, 60, 60))
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
            small.setattr(scanner, "SMALL", 0)
            assert coder.encode(source, 40) == expected
            assert coder.encode(source, 40, strip="exif") == coder.encode(image.strip(image.load(source), "exif"), 40)
            with pytest.raises(BadImage, match="checksum|inflated"):
                coder.encode(source[:-30] + bytes([source[-30] ^ 1]) + source[-29:], 40)


def test_few_rows_are_held(coder, monkeypatch):
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
    file = coder.encode(Scan(64, height, 3, 8, False, strips), 30)
    assert len(ahead) == 12 and max(ahead) <= 2 * SIDE

    window = tiles.Mosaic.window

    def listening(self, row, column):
        nonlocal most
        most = max(most, sum(y.shape[1] for *_, y in self._parts))
        return window(self, row, column)

    monkeypatch.setattr(tiles.Mosaic, "window", listening)
    with coder.scan(file) as scan:
        heights = [strip.height for strip in scan.strips()]
    assert heights == [SIDE] * 12 and most <= 2 * SIDE // STRIDE + 5


def test_a_file_is_read_to_its_end(pictures, coder, monkeypatch):
    """Behind the last row too, where that row ends a stretch."""
    monkeypatch.setattr(scanner, "SMALL", 0)
    monkeypatch.setattr(png, "STRETCH", (1 + WIDTH) * HEIGHT // 10)
    source = saved(pictures["gray"][1], "png")
    for broken in (source[:-12], source[:-1] + b"x"):
        with pytest.raises(BadImage, match="truncated|checksum"):
            coder.encode(broken, 1)


# Damage


def damaged(file, *numbers):
    reader, file = container.Reader(file), bytearray(file)
    for number in numbers:
        start, size, _ = reader._places[number]
        file[start + size // 2] ^= 1
    return bytes(file)


def recovered(coder, file, **options):
    damage = Damage()
    with coder.scan(file, damage=damage, **options) as scan:
        return scan.whole(), damage


def test_recovery_keeps_the_undamaged_tiles(pictures, coder):
    for name in ("rgb", "deep"):
        file, whole = pictures[name]
        picture, damage = recovered(coder, damaged(file, 4, 5))
        assert set(damage.tiles) == {4, 5} and list(damage.sentences()) == [
            "tiles 5-6 of 9 are damaged and painted gray (3 in a row, counted from 1)"
        ]
        assert (picture.pixels[256:512, 256:] == 128 * (257 if name == "deep" else 1)).all()
        reach = 5 * STRIDE  # as far as pixels depend on the neighbours' latents
        far = np.ones((HEIGHT, WIDTH), bool)
        far[256 - reach : 512 + reach, 256 - reach :] = False
        assert far.any() and np.array_equal(picture.pixels[far], whole.pixels[far])
        far[256:512, 256:] = True  # the rim between
        assert psnr(picture.pixels[~far], whole.pixels[~far], 2**whole.depth - 1) > 25
        assert whole.alpha is None or np.array_equal(picture.alpha, whole.alpha)
    kept, exact = pictures["exact"]
    picture, damage = recovered(coder, damaged(kept, 4))
    assert set(damage.tiles) == {4} and (picture.pixels[256:512, 256:512] == 128).all()
    picture.pixels[256:512, 256:512] = exact.pixels[256:512, 256:512]
    assert np.array_equal(picture.pixels, exact.pixels)
    picture, damage = recovered(coder, file)
    assert not list(damage.sentences()) and np.array_equal(picture.pixels, whole.pixels)


def test_recovery_of_truncated_files_and_of_sections(pictures, coder):
    file, whole = pictures["rich"]
    reader = container.Reader(file)
    alpha, icc, exif_, xmp = (place[0] for place in reader._places[9:])
    picture, damage = recovered(coder, file[: alpha - 1])
    assert set(damage.tiles) == {8} and set(damage.sections) == {"alpha", "icc", "exif", "xmp"}
    assert picture.alpha is picture.icc is picture.exif is picture.xmp is None and np.array_equal(
        picture.pixels[:400, :400], whole.pixels[:400, :400]
    )
    assert [sentence.split(" is ")[0] for sentence in damage.sentences()] == [
        "tile 9 of 9",
        *(f"the {kind} section" for kind in ("alpha", "icc", "exif", "xmp")),
    ]
    picture, damage = recovered(coder, file[:exif_] + b"\0" + file[exif_ + 1 :] + b"more")
    assert list(damage.sentences()) == [
        "the exif section is damaged and left out",
        "4 bytes after the end of the file are ignored",
    ]
    assert picture.icc == SRGB and picture.exif is None and np.array_equal(picture.alpha, whole.alpha)
    aec = container.unpack(file)
    # The checksum is right.
    broken = container.pack(dataclasses.replace(aec, sections=aec.sections | {"alpha": aec.sections["alpha"][:-30]}))
    picture, damage = recovered(coder, broken)
    assert picture.alpha is None and list(damage.sentences()) == [
        "the alpha section is damaged and left out: the picture is opaque"
    ]
    picture, damage = recovered(coder, file[: reader._places[0][0]], scale=1 / 8, crop=(0, 0, 300, 300))
    assert len(damage.tiles) == 9 - 5 and (picture.pixels == 128).all()


def test_without_a_header_there_is_nothing_to_recover(pictures, coder):
    file, _ = pictures["rgb"]
    for broken, kind in (
        (b"", Truncated),
        (file[:20], Truncated),
        (b"x" + file[1:], NotAec),
        (file[:9] + bytes([file[9] ^ 1]) + file[10:], Corrupt),
    ):
        with pytest.raises(kind):
            recovered(coder, broken)
    with pytest.raises(TooLarge):
        recovered(coder, damaged(file, 1), max_pixels=5)


# Command line


@pytest.fixture
def folder(tmp_path, monkeypatch, pictures):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.aec").write_bytes(pictures["rgb"][0])
    (tmp_path / "bad.aec").write_bytes(damaged(pictures["rgb"][0], 0))
    return tmp_path


def aecodec(*arguments, input=None):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=input, prog_name="aecodec")


def test_crop_and_scale_on_the_command_line(folder, pictures):
    file, whole = pictures["rgb"]
    result = aecodec("decompress", "a.aec", "--crop", "300,40,50,60", "-o", "part.png", "--json")
    record = json.loads(result.stdout)
    assert result.exit_code == 0 and (record["width"], record["height"], record["bytes"]) == (50, 60, len(file))
    assert record["bpp"] == codec.info(file)["bpp"] and "damage" not in record
    assert np.array_equal(Image.open("part.png"), whole.pixels[40:100, 300:350])
    piped = aecodec("decompress", "-", "--crop", "300,40,50,60", input=file)
    assert piped.stdout_bytes == (folder / "part.png").read_bytes()
    for suffix in ("jpg", "tiff", "ppm"):
        assert aecodec("decompress", "a.aec", "--scale", "1/4", "-o", f"small.{suffix}").exit_code == 0
        assert Image.open(f"small.{suffix}").size == (175, 145)
    outside = aecodec("decompress", "a.aec", "--crop", "690,0,11,1", "-o", "none.png")
    assert (
        outside.exit_code == 1
        and "not inside the picture of 700 x 580" in outside.stderr
        and not (folder / "none.png").exists()
    )
    for wrong in (
        ("--crop", "1,2,3"),
        ("--crop", "1,2,3,-4"),
        ("--crop", "1,2,0,4"),
        ("--crop", "a"),
        ("--scale", "1/3"),
        ("--scale", "0.5"),
        ("--crop", "0,0,5,5", "--rm"),
        ("--scale", "1/2", "--rm"),
        ("--recover", "--rm"),
    ):
        result = aecodec("decompress", "a.aec", "-o", "none.png", *wrong)
        assert result.exit_code == 2 and result.stdout == "" and not (folder / "none.png").exists()


def test_recover_on_the_command_line(folder, pictures):
    _, whole = pictures["rgb"]
    assert aecodec("decompress", "bad.aec").exit_code == 1 and not (folder / "bad.png").exists()
    result = aecodec("decompress", "--recover", "--json", "bad.aec", "a.aec")
    assert (
        result.exit_code == 1
        and result.stderr == "aecodec: bad.aec: tile 1 of 9 is damaged and painted gray (3 in a row, counted from 1)\n"
    )
    first, second = map(json.loads, result.stdout.splitlines())
    assert (
        first["damage"] == ["tile 1 of 9 is damaged and painted gray (3 in a row, counted from 1)"]
        and "damage" not in second
    )
    bad, good = (np.asarray(Image.open(name)) for name in ("bad.png", "a.png"))
    assert (
        (bad[:256, :256] == 128).all() and np.array_equal(bad[400:], good[400:]) and np.array_equal(good, whole.pixels)
    )
    (folder / "cut.aec").write_bytes((folder / "a.aec").read_bytes()[:30])
    result = aecodec("decompress", "--recover", "cut.aec")
    assert result.exit_code == 1 and "ends too early" in result.stderr and not (folder / "cut.png").exists()
    assert aecodec("decompress", "--recover", "-f", "a.aec").exit_code == 0


def test_rm_compares_what_was_written_by_rows(folder, pictures, monkeypatch):
    monkeypatch.setattr(scanner, "SMALL", 0)
    (folder / "b.aec").write_bytes(pictures["deep"][0])
    result = aecodec("decompress", "--rm", "a.aec", "b.aec")
    assert result.exit_code == 0 and sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png", "bad.aec"]
    result = aecodec("decompress", "--rm", "bad.aec", "-o", "c.png")
    assert result.exit_code == 1 and sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png", "bad.aec"]
    source = io.BytesIO()
    Image.open("a.png").save(source, "TIFF")
    (folder / "d.tif").write_bytes(source.getvalue())
    assert aecodec("compress", "--rm", "d.tif").exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png", "bad.aec", "d.aec"]
