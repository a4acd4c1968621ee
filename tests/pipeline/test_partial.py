"""Files that end too early: a picture of what there is where that is asked for, of every length, and else a refusal."""

import io
import json
from contextlib import contextmanager

import numpy as np
import pytest
import region_files
from click.testing import CliRunner
from conftest import photograph, psnr
from PIL import Image, ImageFile

import codec.pillow  # noqa: F401
from codec.app.cli import cli
from codec.bitstream import container
from codec.errors import BadOption, Corrupt, Truncated
from codec.pipeline.damage import Damage
from tests.golden.make import GOOD, coder_of

small_tiles = pytest.fixture(region_files.small_tiles)


@pytest.fixture(scope="module")
def tiled(coder):
    with contextmanager(region_files.small_tiles)():
        return region_files.pictures(coder)


@pytest.fixture
def pictures(small_tiles, tiled):
    return tiled


@pytest.fixture(scope="module")
def photo(coder):
    return coder.encode(photograph(240, 320), 60, lossless=False)


def begun(coder, file, **options):
    """The picture of a cut file, and what is missing."""
    damage = Damage(recover=False)
    return coder.decode_picture(file, damage=damage, partial=True, **options), damage.missing


@pytest.mark.parametrize("name", sorted(path.stem for path in GOOD.glob("*.aec")))
def test_every_length_of_golden_files(name):
    """No picture up to some length and pictures of the right kind from there on, the last of them the file's."""
    coder, file = coder_of(name, "native"), (GOOD / f"{name}.aec").read_bytes()
    whole, shown = coder.decode_picture(file), False
    header = container.read_header(file)[1]["header"]
    for length in [*range(0, len(file), 1 if name.startswith(("tiny", "exact")) else 23), len(file)]:
        if length < len(file):
            with pytest.raises(Truncated):
                coder.decode_picture(file[:length])
        try:
            found, missing = begun(coder, file[:length])
        except Truncated as error:
            assert not shown and (length < header or "ends before its picture begins" in str(error))
            continue
        shown = True
        assert found.pixels.shape == whole.pixels.shape and found.pixels.dtype == whole.pixels.dtype
        assert missing.bytes == len(file) - length and bool(missing.sentence(1)) == (length < len(file))
    assert shown and np.array_equal(found.pixels, whole.pixels) and (found.alpha is None) == (whole.alpha is None)


@pytest.mark.parametrize("quality", [1, 10, 60, 95])
def test_a_quarter_of_the_bytes_is_a_picture_and_more_are_a_better_one(quality, coder):
    picture = photograph(240, 320)
    file, last = coder.encode(picture, quality, lossless=False), 0
    for share in (0.25, 0.4, 0.6, 0.8, 1):
        found, missing = begun(coder, file[: round(share * len(file))])
        assert missing.coarse == ([0] if share < 1 else []) and not missing.tiles
        now = psnr(found.pixels, picture)
        assert now > max(last, 15)
        last = now


def test_tiles_before_the_end_are_those_of_the_file(pictures, coder):
    file, whole = pictures["rgb"]
    start, size, _ = container.Reader(file)._places[4]
    cut = file[: start + size // 2]
    found, missing = begun(coder, cut)
    assert (missing.coarse, missing.tiles, missing.sections) == ([4], [5, 6, 7, 8], [])
    assert missing.sentence(9) == (
        f"the last {len(file) - len(cut):,} of {len(file):,} bytes are missing "
        f"({100 * (len(file) - len(cut)) / len(file):.2g} %): tile 5 is coarse; tiles 6-9 of 9 are painted gray"
    )
    assert np.array_equal(found.pixels[:176], whole.pixels[:176]) and (found.pixels[512:] == 128).all()
    coarse = np.s_[256:512, 256:512]
    assert 15 < psnr(found.pixels[coarse], whole.pixels[coarse]) < 40
    part, _ = begun(coder, cut, crop=(300, 300, 80, 90), scale=0.5)
    assert part.pixels.shape == (45, 40, 3)
    with pytest.raises(Truncated, match="ends before its picture begins"):
        begun(coder, cut, crop=(600, 520, 80, 60))
    kept, exact = pictures["exact"]
    start, size, _ = container.Reader(kept)._places[1]
    found, missing = begun(coder, kept[: start + size - 1])
    assert missing.tiles == [*range(1, 9)] and np.array_equal(found.pixels[:256, :256], exact.pixels[:256, :256])


def test_sections_that_have_not_come_are_left_out(pictures, coder):
    file, whole = pictures["rich"]
    alpha = container.Reader(file)._places[9][0]
    found, missing = begun(coder, file[: alpha + 9])
    assert np.array_equal(found.pixels, whole.pixels) and found.alpha is found.icc is found.exif is found.xmp is None
    assert missing.sections == ["alpha", "icc", "exif", "xmp"] and not missing.tiles and not missing.coarse
    assert missing.sentence(9).endswith("without the sections alpha, icc, exif, xmp, the picture is opaque")


def test_what_is_damaged_is_no_less_an_error(photo, coder):
    header = container.read_header(photo)[1]["header"]
    state = photo[: header + 4] + bytes([photo[header + 4] ^ 255] * 4) + photo[header + 8 :]
    for broken in (photo + b"more", photo[:-1] + bytes([photo[-1] ^ 1]), photo[:9] + b"\xff" + photo[10:], b"x" * 99):
        with pytest.raises(codec.CodecError):
            coder.decode(broken, partial=True)
    with pytest.raises(Corrupt):
        coder.decode(state[: header + 7] + b"\x80" + state[header + 8 : -5], partial=True)
    damage = Damage()  # of both kinds
    coder.decode(photo[: header + 7] + b"\x80" + photo[header + 8 : -5], damage=damage, partial=True)
    assert set(damage.tiles) == {0} and damage.missing.bytes == 5
    with pytest.raises(BadOption):
        coder.decode(photo[:-1], partial=True, scale=3)


def test_the_engine_on_torch_shows_the_same(photo, coder, on_torch):
    cut = photo[: len(photo) // 2]
    assert np.array_equal(coder.decode(cut, partial=True), on_torch.decode(cut, partial=True))
    one, other = coder.decode_batch([photo, cut], partial=True)
    assert one.size == other.size and np.array_equal(other, coder.decode(cut, partial=True))


def test_pillow_shows_what_there_is_where_it_is_told_to(coder, pictures, monkeypatch):
    cut = pictures["rgb"][0][:-9000]
    with pytest.raises(OSError, match="ends too early"):
        Image.open(io.BytesIO(cut)).load()
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert np.array_equal(Image.open(io.BytesIO(cut)), coder.decode(cut, partial=True))
    with Image.open(io.BytesIO(pictures["rich"][0][:-3000])) as opaque:
        assert opaque.mode == "RGBA" and np.asarray(opaque)[..., 3].min() == 255


def test_partial_on_the_command_line(tmp_path, monkeypatch, photo):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut.aec").write_bytes(photo[: len(photo) // 2])
    (tmp_path / "none.aec").write_bytes(photo[:45])
    (tmp_path / "whole.aec").write_bytes(photo)
    run = lambda *arguments: CliRunner().invoke(cli, ["decompress", *arguments], prog_name="aecodec")
    refused = run("cut.aec")
    assert refused.exit_code == 1 and "the file ends too early" in refused.stderr
    assert not (tmp_path / "cut.png").exists()
    result = run("--partial", "--json", "cut.aec", "whole.aec")
    missing, percent = len(photo) - len(photo) // 2, 100 * (1 - len(photo) // 2 / len(photo))
    assert result.exit_code == 0 and result.stderr == (
        f"aecodec: cut.aec: the last {missing:,} of {len(photo):,} bytes are missing ({percent:.2g} %): "
        "the picture is coarse\n"
    )
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["missing"] == {
        "bytes": missing,
        "percent": round(percent, 2),
        "coarse": [1],
        "tiles": [],
        "sections": [],
    }
    assert "missing" not in second and Image.open("cut.png").size == (320, 240)
    none = run("--partial", "none.aec", "cut.aec", "-f", "--quiet")
    assert none.exit_code == 1 and none.stderr == (
        f"aecodec: none.aec: the file ends before its picture begins: 45 of {len(photo):,} bytes are there\n"
    )
    assert not (tmp_path / "none.png").exists()
    piped = CliRunner().invoke(cli, ["decompress", "--partial", "-"], input=photo[: len(photo) // 2])
    assert piped.exit_code == 0 and piped.stdout_bytes == (tmp_path / "cut.png").read_bytes()
    assert run("--partial", "--rm", "cut.aec").exit_code == 2
