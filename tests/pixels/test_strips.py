"""Large files by rows: read and written as when they are whole in memory, with rows that stay few; and the geometry of
regions.

Pictures here are small and the limits are made smaller still. pypng and tifffile write what Pillow does not.
"""

import io
import struct
import zlib

import numpy as np
import png
import pytest
import tifffile
from image_files import GRAY_ICC, SRGB, XMP, chunk, exif, photo, png_file, samples_of, saved
from PIL import Image
from tiff_files import by_tifffile

from codec.errors import BadImage, BadOption, Corrupt, TooLarge
from codec.pixels import scanner, write
from codec.pixels.formats import png as png_rows
from codec.pixels.formats import ppm, tiff
from codec.pixels.picture import Picture
from codec.pixels.read import _split, load
from codec.pixels.strips import Region, Scan, Window


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Every file counts as large, and comes in many pieces."""
    monkeypatch.setattr(scanner, "SMALL_PIXELS", 0)
    for module in (png_rows, tiff, ppm):
        monkeypatch.setattr(module, "STRETCH", 500)
    monkeypatch.setattr(png_rows, "BLOCK", 700)


def scanned(data, cut=True):
    """The Picture put together from a file's strips, which is what `load` gives of it."""
    whole = load(data)
    with scanner.opened(data) as scan:
        assert isinstance(scan, Scan) == cut
        assert (scan.height, scan.width, scan.channels, scan.depth, scan.has_alpha) == (
            whole.height,
            whole.width,
            whole.channels,
            whole.depth,
            whole.alpha is not None,
        )
        strips = list(scan.strips())
        assert (len(strips) > 1) == cut and sum(strip.height for strip in strips) == whole.height
        again = scan.whole()
    assert np.array_equal(again.pixels, whole.pixels) and again.pixels.dtype == whole.pixels.dtype
    assert np.array_equal(samples_of(again), samples_of(whole))
    assert (again.icc, again.exif, again.xmp, again.suffix) == (whole.icc, whole.exif, whole.xmp, whole.suffix)
    return again


# Reading


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_of_another_writer(bits, channels):
    samples = photo(71, 53, channels, bits)
    assert np.array_equal(samples_of(scanned(png_file(samples, bits))), samples)
    scanned(png_file(samples, bits, interlace=True), cut=False)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_png_with_a_transparent_level_and_with_few_bits(bits):
    levels = np.random.default_rng(1).integers(0, 2**bits, (300, 97, 1))
    scanned(png_file(levels, bits))
    scanned(png_file(levels, bits, transparent=int(levels[3, 3, 0])))
    if bits <= 8:
        palette = [tuple(colour) for colour in np.random.default_rng(2).integers(0, 256, (2**bits, 4)).tolist()]
        for colours in (palette, [colour[:3] for colour in palette]):
            file = io.BytesIO()
            png.Writer(97, 300, palette=colours, bitdepth=bits).write_array(file, levels.reshape(-1).tolist())
            assert scanned(file.getvalue()).channels == 3


@pytest.mark.parametrize("pixel", [1, 2, 3, 4, 6, 8])
def test_every_filter_of_png(pixel):
    """Rows filtered at random by the definition in the PNG specification, without numpy."""
    rng = np.random.default_rng(pixel)
    raw = rng.integers(0, 256, (40, 19 * pixel), dtype=np.uint8)
    raw[10:20] = np.cumsum(rng.integers(0, 2, raw[10:20].shape), 1)
    above, lines = [0] * raw.shape[1], []
    for number, row in enumerate(raw.tolist()):
        kind, line = number % 5, []
        for x, value in enumerate(row):
            a, b, c = row[x - pixel] if x >= pixel else 0, above[x], above[x - pixel] if x >= pixel else 0
            distances = [abs(b - c), abs(a - c), abs(a + b - 2 * c)]
            line.append((value - [0, a, b, (a + b) // 2, (a, b, c)[distances.index(min(distances))]][kind]) % 256)
        lines.append(bytes([kind, *line]))
        above = row
    depth, colour = (8, {1: 0, 2: 4, 3: 2, 4: 6}[pixel]) if pixel <= 4 else (16, {6: 2, 8: 6}[pixel])
    head = struct.pack(">IIBBBBB", 19, 40, depth, colour, 0, 0, 0)
    data = (
        png_rows.SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(lines))) + chunk(b"IEND", b"")
    )
    assert np.array_equal(np.concatenate(list(png_rows.rows(io.BytesIO(data), set()))), raw)
    scanned(data)
    broken = b"".join(lines[:30]) + b"\5" + b"".join(lines[30:])[1:]
    broken = png_rows.SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(broken)) + chunk(b"IEND", b"")
    with pytest.raises(BadImage, match="unknown filter"):
        list(png_rows.rows(io.BytesIO(broken), set()))


def test_png_metadata_before_and_behind_the_pixels():
    for channels, icc in ((1, GRAY_ICC), (3, SRGB), (4, SRGB)):
        picture = Picture(*_split(photo(50, 60, channels)), icc, exif(3), XMP)
        data = saved(picture, "png")
        assert scanned(data).exif == exif(3)
        moved = data[data.index(b"eXIf") - 4 : data.index(b"iTXt") - 4]
        data = data.replace(moved, b"")[:-12] + moved + data[-12:]
        assert scanned(data).exif == exif(3)


def broken_png():
    """(what must be said, file) for every way to break a PNG behind its header."""
    data = saved(load(photo(70, 60, 3)), "png")
    for at in (60, len(data) // 2, len(data) - 20):
        yield "checksum|inflated", data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        yield "truncated", data[:at]
    head = data[:33]
    body = zlib.compress(bytes(70 * 181))
    yield "truncated", head + chunk(b"IDAT", body[:-9]) + data[-12:]
    yield "truncated", head + chunk(b"IDAT", zlib.compress(bytes(60 * 181))) + data[-12:]
    yield "two headers", head + head[8:] + chunk(b"IDAT", body) + data[-12:]
    yield "inflated", head + chunk(b"IDAT", b"no zlib") + data[-12:]


@pytest.mark.parametrize("said, data", list(broken_png()))
def test_broken_png_is_refused_by_its_strips(said, data):
    with pytest.raises(BadImage, match=said):
        with scanner.opened(data) as scan:
            assert isinstance(scan, Scan)
            scan.whole()


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "jpeg"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiff_in_strips_and_tiles(channels, depth, compression):
    if compression == "jpeg":
        if depth == 16 or channels == 4:
            return
        file = io.BytesIO()
        Image.fromarray(photo(90, 70, channels).squeeze()).save(
            file, "TIFF", compression="jpeg", strip_size=70 * 16 * channels, quality=90
        )
        scanned(file.getvalue())
        return
    if compression in ("lzw", "packbits"):  # tifffile writes them with a further package only
        if depth == 16:
            return
        file = io.BytesIO()
        Image.fromarray(photo(90, 70, channels).squeeze()).save(
            file, "TIFF", compression=f"tiff_{compression}" if compression == "lzw" else compression, strip_size=4000
        )
        scanned(file.getvalue())
        return
    samples = photo(131, 70, channels, depth)
    for layout in ({"tile": (16, 32)}, {"rowsperstrip": 7}, {"rowsperstrip": 131}):
        for byteorder, predictor, big in (("<", False, True), (">", True, False)):
            words = {"bigtiff": big, "predictor": predictor and compression is not None, **layout}
            file = by_tifffile(samples, compression=compression, byteorder=byteorder, **words)
            again = scanned(file, cut=compression is None or layout != {"rowsperstrip": 131})
            assert np.array_equal(samples_of(again), samples)


def test_tiff_of_odd_kinds():
    samples = photo(131, 70, 4, 16)
    file = io.BytesIO()
    stored = np.dstack([np.round(samples[..., :3] * (samples[..., 3:] / 65535)), samples[..., 3]]).astype("u2")
    tifffile.imwrite(file, stored, photometric="rgb", extrasamples=["assocalpha"], rowsperstrip=20)
    scanned(file.getvalue())
    file = io.BytesIO()
    tifffile.imwrite(file, samples[..., 0], photometric="miniswhite", rowsperstrip=9)
    scanned(file.getvalue())
    for mode in ("1", "P", "CMYK"):
        file = io.BytesIO()
        Image.fromarray(photo(131, 70, 3)).convert(mode).save(file, "TIFF")
        scanned(file.getvalue(), cut=True)
    picture = Picture(photo(131, 70, 3), None, SRGB, exif(1), XMP)
    assert scanned(saved(picture, "tiff")).icc == SRGB
    picture.exif = exif(6)  # Pillow turns it, which takes all of it
    scanned(saved(picture, "tiff"), cut=False)
    with pytest.raises(BadImage, match="truncated|end of file"):
        with scanner.opened(saved(Picture(photo(131, 70, 3)), "tiff")[:-1]) as scan:
            scan.whole()


@pytest.mark.parametrize("maximum", [1, 255, 1000, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_ppm(channels, maximum):
    samples = np.random.default_rng(2).integers(0, maximum + 1, (91, 66, channels))
    data = (
        b"P%d # a comment\n# another\n66\n91 %d\n" % (6 if channels == 3 else 5, maximum)
        + samples.astype(">u2" if maximum > 255 else "u1").tobytes()
    )
    scanned(data)
    with pytest.raises(BadImage, match="truncated PPM"):
        with scanner.opened(data[:-1]):
            pass
    file = io.BytesIO()
    Image.fromarray(photo(40, 40, 1)[..., 0]).convert("1").save(file, "PPM")
    scanned(file.getvalue(), cut=False)


def test_other_sources_and_the_limit_of_pixels(tmp_path):
    picture = Picture(photo(60, 50, 3))
    (tmp_path / "a.png").write_bytes(saved(picture, "png"))
    with open(tmp_path / "a.png", "rb") as file:
        for source in (tmp_path / "a.png", str(tmp_path / "a.png"), file, (tmp_path / "a.png").read_bytes()):
            with scanner.opened(source) as scan:
                assert isinstance(scan, Scan) and np.array_equal(scan.whole().pixels, picture.pixels)
                assert scan.suffix == ("png" if isinstance(source, (str, type(tmp_path))) else "")
                with scanner.opened(scan) as same:
                    assert same is scan
    for source in (picture, picture.pixels, Image.fromarray(picture.pixels), saved(picture, "bmp")):
        with scanner.opened(source) as scan:
            assert isinstance(scan, Picture) and scan.whole() is scan
    with pytest.raises(TooLarge, match="max-pixels"), scanner.opened(saved(picture, "png"), 2999):
        pass
    for nothing in ("none.png", b"", 7):
        with pytest.raises(BadImage), scanner.opened(nothing):
            pass


# Windows


def test_window_gives_rows_and_holds_few():
    rows = np.arange(1000)[:, None] * np.ones(3, int)
    rng = np.random.default_rng(0)
    given = 0

    def pieces():
        nonlocal given
        while given < 1000:
            count = int(rng.integers(1, 40))
            given, first = min(1000, given + count), given
            yield rows[first:given]

    window = Window(pieces())
    for top in range(0, 1000, 64):
        low, high = max(0, top - 10), min(1000, top + 74)
        assert np.array_equal(window.rows(low, high), rows[low:high])
        assert given < high + 40 and sum(len(piece) for _, piece in window._held) < 170
    whole = Window([rows])
    assert np.shares_memory(whole.rows(3, 900), rows)


# Regions


def test_region_of_a_picture():
    assert Region.of(30, 20) == Region(0, 0, 30, 20, 1) and Region.of(30, 20, (5, 6, 7, 8), 1 / 4).size == (2, 2)
    for wrong in (
        (0, 0, 31, 20),
        (0, 0, 0, 1),
        (-1, 0, 5, 5),
        (29, 19, 2, 1),
        (1, 2, 3),
        (1, 2, 3.5, 4),
        ("a", 0, 1, 1),
        7,
        (0, 0, float("nan"), 1),
    ):
        with pytest.raises(BadOption, match="crop"):
            Region.of(30, 20, wrong)
    for wrong in (0, 2, 1 / 3, "1/2", None):
        with pytest.raises(BadOption, match="scale"):
            Region.of(30, 20, None, wrong)


@pytest.mark.parametrize("step", [2, 4, 8, 16])
@pytest.mark.parametrize("depth", [8, 16])
def test_reduction_is_the_mean_of_squares(step, depth):
    """Against Pillow's own box filter, and however the rows are cut."""
    rng = np.random.default_rng(step)
    for height, width in ((64, 48), (131, 77), (1, 50), (33, 1)):
        for channels in (1, 3, 4):
            picture = load(rng.integers(0, 2**depth, (height, width, channels)).astype(f"u{depth // 8}"))
            region = Region.of(width, height, None, 1 / step)
            cuts = sorted({0, height, *rng.integers(0, height, 5).tolist()})
            strips = [
                Picture(picture.pixels[a:b], None if picture.alpha is None else picture.alpha[a:b])
                for a, b in zip(cuts, cuts[1:])
            ]
            reduced = Scan(
                *region.size, picture.channels, depth, picture.has_alpha, lambda: region.reduce(strips)
            ).whole()
            assert reduced.pixels.shape[:2] == region.size[::-1] and reduced.depth == depth
            weights = np.ones((height, width)) if picture.alpha is None else picture.alpha.astype(float)
            for y, x in {(0, 0), (reduced.height - 1, reduced.width - 1), (reduced.height // 2, reduced.width // 2)}:
                square = np.s_[y * step : (y + 1) * step, x * step : (x + 1) * step]
                mean = np.average(
                    picture.pixels[square].reshape(-1, picture.channels), 0, weights[square].reshape(-1) + 1e-12
                )
                assert np.abs(reduced.pixels[y, x] - mean).max() <= 0.5 + 1e-6
                assert picture.alpha is None or abs(reduced.alpha[y, x] - weights[square].mean()) <= 0.5
            if depth == 8 and channels == 3:
                expected = np.asarray(Image.fromarray(picture.pixels).reduce(step), int)
                assert np.abs(reduced.pixels - expected).max() <= 1 and (reduced.pixels == expected).mean() > 0.99


# Writing


@pytest.mark.parametrize("suffix", ["png", "tiff", "ppm"])
@pytest.mark.parametrize("depth", [8, 16])
def test_written_by_rows_as_whole(suffix, depth):
    for channels in (1, 3) if suffix == "ppm" else (1, 2, 3, 4):
        picture = load(photo(133, 41, channels, depth))
        strips = [
            Picture(picture.pixels[a : a + 29], None if picture.alpha is None else picture.alpha[a : a + 29])
            for a in range(0, 133, 29)
        ]
        scan = Scan(41, 133, picture.channels, depth, picture.has_alpha, lambda: iter(strips))
        again = load(saved(scan, suffix))
        assert np.array_equal(samples_of(again), samples_of(load(saved(picture, suffix))))
        assert np.array_equal(again.pixels[..., :1], picture.pixels[..., :1])


def test_tiff_beyond_4_gib_is_big(monkeypatch):
    monkeypatch.setattr(tiff, "CLASSIC", 1000)
    picture = Picture(photo(133, 41, 3), icc=SRGB, exif=exif(1))
    data = saved(picture, "tiff")
    assert data[:4] == b"II+\0"
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert file.is_bigtiff and np.array_equal(file.asarray(), picture.pixels)
    assert np.array_equal(load(data).pixels, picture.pixels) and load(data).icc == SRGB


def test_save_to_a_path_leaves_nothing_when_a_strip_fails(tmp_path):
    def strips():
        yield Picture(photo(9, 41, 3))
        raise Corrupt("a tile is damaged")

    (tmp_path / "a.png").write_bytes(b"old")
    for name in ("a.png", "b.tiff", "c.jpg"):
        with pytest.raises(Corrupt):
            write.save(Scan(41, 20, 3, 8, False, strips), tmp_path / name, name[2:])
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"] and (tmp_path / "a.png").read_bytes() == b"old"
