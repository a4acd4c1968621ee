"""Colours described outside of an ICC profile: PNG's chunks and AVIF's boxes, kept as they are or as a profile that
says the same.
"""

import io
import struct
import zlib

import numpy as np
import pytest
from image_files import SRGB, chunk, photo, written
from PIL import Image, ImageCms

import codec
import codec.pillow  # noqa: F401, the plugin
from codec.pixels import colour
from codec.pixels.formats import avif
from codec.pixels.picture import Picture, to_pil, without
from codec.pixels.read import load

P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)  # white, red, green, blue as in cHRM
SRGB_CORNERS = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
REC2020_PQ = b"\x09\x10\0\1"


def png(samples, *chunks):
    file = io.BytesIO()
    Image.fromarray(samples.squeeze()).save(file, "PNG")
    data = file.getvalue()
    return data[:33] + b"".join(chunk(*each) for each in chunks) + data[33:]


def gamma(value):
    return b"gAMA", struct.pack(">I", round(100000 * value))


def corners(values):
    return b"cHRM", struct.pack(">8I", *(round(100000 * value) for value in values))


def linear(values):
    """sRGB's samples 0..1 as light."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def light(point):
    x, y = point
    return np.array([x / y, 1, (1 - x - y) / y])


def matrix(values):
    """XYZ of the corners' linear colours, by the book."""
    white, *points = [light(pair) for pair in zip(values[::2], values[1::2])]
    columns = np.stack(points, 1)
    return columns * np.linalg.solve(columns, white)


def shown(icc, samples):
    """What a screen of sRGB shows of samples [N, 3] of a profile, clipped."""
    pixels = Image.fromarray(samples[None])
    source, screen = ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(pixels, source, screen, renderingIntent=1))[0]


COLOURS = np.random.default_rng(3).integers(60, 190, (40, 3), dtype=np.uint8)


@pytest.mark.parametrize("values, power", [(P3, None), (SRGB_CORNERS, 1 / 1.8), (P3, 1 / 2.2), (SRGB_CORNERS, 1.0)])
def test_a_profile_shows_what_gamma_and_chromaticities_say(values, power):
    chunks = [corners(values)] + ([gamma(power)] if power else [])
    icc = load(png(photo(9, 8, 3), *chunks)).icc
    assert icc and codec.pixels.metadata.profile_space(icc) == b"RGB "
    samples = COLOURS / 255
    expected = linear(samples) if power is None else samples ** (1 / power)
    expected = np.linalg.inv(matrix(SRGB_CORNERS)) @ matrix(values) @ expected.T
    inside = ((expected > 0.01) & (expected < 0.99)).all(0)
    assert inside.sum() > 10
    assert np.abs(linear(shown(icc, COLOURS) / 255) - expected.T)[inside].max() < 0.012


def test_what_says_srgb_needs_no_profile():
    for chunks in (
        [gamma(0.45455)],
        [gamma(0.45455), corners(SRGB_CORNERS)],
        [(b"sRGB", b"\0"), gamma(0.7)],
        [(b"cICP", b"\1\x0d\0\1"), gamma(1.0)],
        [(b"iCCP", b"x\0\0" + zlib.compress(SRGB)), gamma(1.0)],
    ):
        picture = load(png(photo(9, 8, 3), *chunks))
        assert picture.icc in (None, SRGB) and not picture.cicp and not picture.notes


def test_gray_has_a_profile_of_gray():
    picture = load(png(photo(9, 8, 1), gamma(1.0), corners(P3)))
    assert picture.icc[16:20] == b"GRAY" and picture.channels == 1
    ImageCms.getOpenProfile(io.BytesIO(picture.icc))
    assert load(written(picture, "png")[0]).icc == picture.icc


@pytest.mark.parametrize("chunks", [[gamma(0)], [gamma(20000)], [corners([0] * 8)], [corners([0.3] * 8), gamma(1)]])
def test_what_no_picture_means_is_said_and_left_out(chunks):
    picture = load(png(photo(9, 8, 3), *chunks))
    assert picture.icc is None and len(picture.notes) == 1


@pytest.mark.parametrize("code", [REC2020_PQ, b"\x0c\x0d\0\1", b"\x09\x12\0\1", b"\x09\x01\0\0"])
def test_code_points_survive_in_aec_and_png(code):
    source = photo(33, 21, 3)
    picture = load(png(source, (b"cICP", code), gamma(0.45455)))
    assert picture.cicp == code and picture.icc is None and picture.notes == ()
    coder = codec.Codec(device="cpu")
    decoded = coder.decode_picture(coder.encode(picture, 90))
    assert decoded.cicp == code
    data, notes = written(decoded, "png")
    assert chunk(b"cICP", code) in data and data.index(b"cICP") < data.index(b"IDAT") and notes == ()
    assert without(decoded, "cicp").cicp is None and without(decoded, "all").cicp is None


@pytest.mark.parametrize("shape", [(33, 21, 3), (33, 21)])
def test_code_points_survive_as_pil_image(shape):
    """No profile says what HDR's mean, so `info` does, of what was decoded and of what the plugin opened."""
    source = np.ascontiguousarray(photo(33, 21, 3).reshape(33, 21, 3)[..., : len(shape) * 2 - 3].squeeze())
    coder = codec.Codec(device="cpu")
    data = coder.encode(load(png(source, (b"cICP", REC2020_PQ))), 60)
    opened, saved = Image.open(io.BytesIO(data)), io.BytesIO()
    opened.save(saved, "AEC")
    for image in (coder.decode(data), opened, Image.open(saved)):
        assert image.info["cicp"] == REC2020_PQ and load(image).cicp == REC2020_PQ
        image.save(io.BytesIO(), "PNG")
    opened, saved = Image.open(io.BytesIO(data)), io.BytesIO()
    opened.save(saved, "AEC", icc_profile=None)
    assert "cicp" not in Image.open(saved).info
    assert "cicp" not in to_pil(Picture(photo(9, 9, 3), cicp=REC2020_PQ, icc=SRGB)).info  # the profile comes first
    assert "cicp" not in to_pil(Picture(photo(9, 9, 3), cicp=b"\x0c\x0d\0\1")).info


def test_code_points_in_avif():
    for code in (REC2020_PQ, b"\x0c\x0d\0\1"):
        data, notes = written(Picture(photo(40, 50, 3), cicp=code), "avif")
        assert avif.described(data) == (tuple(code[:2]), 8, []) and notes == ()
        again = load(data)
        assert again.cicp == code and again.icc is None
        plain, _ = written(Picture(photo(40, 50, 3)), "avif")
        assert np.array_equal(again.pixels, load(plain).pixels)
    assert avif.described(plain)[0] in colour.PLAIN and load(plain).cicp is None


def test_a_profile_in_the_place_of_code_points():
    """Where there is no place for them; what a profile cannot say is said."""
    for suffix in ("jpg", "webp", "tif"):
        data, notes = written(Picture(photo(40, 50, 3), cicp=b"\x0c\x0d\0\1"), suffix)
        icc = load(data).icc
        assert icc == colour.profile_of(b"\x0c\x0d\0\1", False) and notes == ()
        data, notes = written(Picture(photo(40, 50, 3), cicp=REC2020_PQ), suffix)
        assert load(data).icc is None and notes == ("the meaning of its colours (Rec. 2020, PQ)",)
        data, notes = written(Picture(photo(40, 50, 3), cicp=REC2020_PQ, icc=SRGB), suffix)
        assert load(data).icc == SRGB and notes == ()
    assert to_pil(Picture(photo(40, 50, 3), cicp=b"\x0c\x0d\0\1")).info["icc_profile"]
    samples = COLOURS / 255
    for code, curve in ((b"\x0c\x0d\0\1", linear), (b"\x0c\x08\0\1", lambda v: v), (b"\x0c\x04\0\1", lambda v: v**2.2)):
        expected = np.linalg.inv(matrix(SRGB_CORNERS)) @ matrix(P3) @ curve(samples).T
        inside = ((expected > 0.01) & (expected < 0.99)).all(0)
        found = linear(shown(colour.profile_of(code, False), COLOURS) / 255)
        assert np.abs(found - expected.T)[inside].max() < 0.012


def test_every_code_point_is_a_profile_or_none():
    for primaries in range(256):
        for transfer in (*range(20), 255):
            for gray in (False, True):
                icc = colour.profile_of(bytes([primaries, transfer, 0, 1]), gray)
                known = primaries in (*colour.PRIMARIES, 2) and transfer in (*colour.TRANSFERS, 2)
                assert (icc is not None) == known
                if icc and (primaries + transfer) % 7 == 0:
                    ImageCms.getOpenProfile(io.BytesIO(icc))


def test_broken_boxes_say_nothing():
    data, _ = written(Picture(photo(40, 50, 3), cicp=REC2020_PQ), "avif")
    rng = np.random.default_rng(5)
    for _ in range(300):
        broken = bytearray(data[: rng.integers(20, 600)])
        for place in rng.integers(0, len(broken), rng.integers(1, 6)):
            broken[place] = rng.integers(256)
        code, depth, _ = avif.described(bytes(broken))
        assert (code is None or len(code) == 2) and 0 <= depth < 256


def test_the_profile_in_a_bmp():
    samples = photo(9, 8, 3)
    info = struct.pack("<IiiHHIIiiII", 124, 8, 9, 1, 24, 0, 0, 2835, 2835, 0, 0) + bytes(16) + b"DEBM" + bytes(48)
    rows = samples[::-1, :, ::-1].tobytes()
    info += struct.pack("<IIII", 4, 124 + len(rows), len(SRGB), 0)
    for kind, found in ((b"DEBM", SRGB), (b"BGRs", None)):
        data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + 124) + info.replace(b"DEBM", kind) + rows + SRGB
        picture = load(data)
        assert picture.icc == found and np.array_equal(picture.pixels, samples)


def test_opened_by_pillow():
    """What Pillow knows of a file's colours, and what it does not tell; through the plugin too."""
    import codec.pillow  # noqa: F401

    plain = png(photo(33, 21, 3), gamma(1.0), corners(P3))
    expected = load(plain).icc
    assert load(Image.open(io.BytesIO(plain))).icc == expected
    for options, kept in (({}, expected), ({"icc_profile": None}, None)):
        file = io.BytesIO()
        Image.open(io.BytesIO(plain)).save(file, "AEC", lossless=True, **options)
        assert Image.open(file).info.get("icc_profile") == kept
    for data in (
        png(photo(33, 21, 3), (b"cICP", REC2020_PQ)),
        written(Picture(photo(40, 50, 3), cicp=REC2020_PQ), "avif")[0],
    ):
        opened = Image.open(io.BytesIO(data))
        found = load(opened)
        assert found.cicp == REC2020_PQ and np.array_equal(found.pixels, load(data).pixels)
        assert "cicp" not in opened.info


@pytest.mark.parametrize("suffix", ["png", "avif"])
def test_decoded_by_pillow(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(written(Picture(photo(40, 50, 3), cicp=REC2020_PQ), suffix)[0])
    opened = Image.open(path)
    opened.load()
    assert load(opened).cicp == REC2020_PQ
    opened.info["icc_profile"] = SRGB  # converted in place
    assert (load(opened).cicp, load(opened).icc) == (None, SRGB)
    del opened.info["icc_profile"]
    path.write_bytes(written(Picture(photo(9, 9, 3), cicp=REC2020_PQ), suffix)[0])  # another picture by now
    assert load(opened).cicp is None
    path.unlink()
    assert load(opened).cicp is None


def test_the_command_line_says_what_is_lost(tmp_path, monkeypatch, capfd):
    from click.testing import CliRunner

    from codec.app.cli import cli

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(png(photo(33, 21, 3), (b"cICP", REC2020_PQ)))
    (tmp_path / "b.png").write_bytes(png(photo(33, 21, 3), gamma(20000)))
    result = CliRunner().invoke(cli, ["compress", "a.png", "b.png"])
    assert result.exit_code == 0
    assert result.stderr == "aecodec: b.png: lost its gamma and chromaticities (those of no picture)\n"
    result = CliRunner().invoke(cli, ["decompress", "a.aec", "-o", "a.jpg"])
    assert result.exit_code == 0
    assert result.stderr == "aecodec: a.aec: lost the meaning of its colours (Rec. 2020, PQ)\n"
    result = CliRunner().invoke(cli, ["decompress", "-f", "--quiet", "--json", "a.aec", "-o", "a.jpg"])
    assert result.exit_code == 0 and result.stderr == "" and '"lost": ["the meaning' in result.stdout
    for strip in ("all", "cicp"):
        result = CliRunner().invoke(cli, ["decompress", "-f", "--strip", strip, "a.aec", "-o", "a.jpg"])
        assert result.exit_code == 0 and result.stderr == ""


def test_a_tree_of_files_says_what_is_lost(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from codec.app.cli import cli

    pyarrow = pytest.importorskip("pyarrow.parquet")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png(photo(33, 21, 3), (b"cICP", REC2020_PQ)))
    (tmp_path / "in" / "b.png").write_bytes(png(photo(33, 21, 3), gamma(20000)))
    result = CliRunner().invoke(cli, ["batch", "in", "out"])
    assert result.exit_code == 0
    assert result.stderr.endswith("/in/b.png: lost its gamma and chromaticities (those of no picture)\n")
    result = CliRunner().invoke(cli, ["batch", "out", "back", "--decompress", "--format", "jpg"])
    assert result.exit_code == 0
    assert result.stderr.endswith("/out/a.aec: lost the meaning of its colours (Rec. 2020, PQ)\n")
    assert result.stderr.count("\n") == 1
    lost = pyarrow.read_table("back/manifest.parquet")["lost"].to_pylist()
    assert sorted(map(str, lost)) == ["None", "the meaning of its colours (Rec. 2020, PQ)"]


def test_levels_of_light_are_lost_aloud():
    chunks = (b"cICP", REC2020_PQ), (b"mDCV", bytes(24)), (b"cLLI", bytes(8))
    picture = load(png(photo(33, 21, 3), *chunks))
    assert picture.cicp == REC2020_PQ
    assert picture.notes == tuple(f"its {name} (levels of light for HDR displays)" for name in ("mDCV", "cLLI"))
