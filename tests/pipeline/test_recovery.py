"""What is left of damaged files, and regions on the command line."""

import dataclasses
import io
import json

import numpy as np
import pytest
import region_files
from conftest import psnr
from image_files import SRGB
from PIL import Image
from region_files import HEIGHT, WIDTH

import codec
from codec.bitstream import container
from codec.errors import Corrupt, NotAec, TooLarge, Truncated
from codec.model.config import STRIDE
from codec.pipeline.damage import Damage
from codec.pixels import scanner
from tests.app.cli_files import aecodec

small_tiles = pytest.fixture(scope="module", autouse=True)(region_files.small_tiles)
pictures = pytest.fixture(scope="module")(region_files.pictures)


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
    monkeypatch.setattr(scanner, "SMALL_PIXELS", 0)
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
