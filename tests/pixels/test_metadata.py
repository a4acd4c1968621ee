"""Metadata never stand in the way of pixels: what a format cannot hold is left out and said, and pixels lie as they
should.
"""

import io
import re
import struct
import time
import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from image_files import SRGB, chunk, exif, photo, written
from PIL import Image, ImageOps

import codec
from codec.app.cli import cli
from codec.errors import BadImage
from codec.pixels import exif as blocks
from codec.pixels import metadata, scanner, write
from codec.pixels import xmp as packets
from codec.pixels.formats import jpeg
from codec.pixels.picture import Picture, without
from codec.pixels.read import load
from codec.pixels.strips import Scan

HEAD, TAIL = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">', b"</x:xmpmeta>"
RDF = (
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"%s>'
    b'<rdf:Description rdf:about=""%s>%s</rdf:Description></rdf:RDF>'
)
GUID = b"0123456789ABCDEF0123456789abcdef"
FORMATS = ["png", "jpg", "webp", "avif", "tif", "bmp", "ppm"]


def upright(data):
    """Pixels as a viewer shows them."""
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"), int)


# Orientation


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_format_shows_a_picture_upright(suffix, orientation):
    ramp = np.add.outer(np.arange(24) * 9, np.arange(40)).astype(np.uint8)
    picture = Picture(np.dstack([ramp, ramp[::-1], ramp]), exif=exif(orientation))
    plain, _ = written(picture, "png")
    data, notes = written(picture, suffix)
    assert upright(data).shape == upright(plain).shape and np.abs(upright(data) - upright(plain)).mean() < 3
    assert notes == (("its EXIF",) if suffix in ("bmp", "ppm") else ())


def test_a_scan_is_turned_too():
    pixels = photo(30, 20, 3)
    rows = [Picture(pixels[top : top + 7]) for top in range(0, 30, 7)]
    scan = Scan(20, 30, 3, 8, False, lambda: iter(rows), exif=exif(6), xmp=HEAD + b'<d tiff:Orientation="6"/>' + TAIL)
    data, _ = written(scan, "ppm")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), np.rot90(pixels, -1))


def test_bad_tags_beside_the_orientation():
    """One that no writer takes costs itself; a block that nobody can read turns the pixels."""
    entries = struct.pack(">HHIHxx", 274, 3, 1, 6) + struct.pack(">HHII", 296, 4, 1, 70000)
    bad = b"MM\0*\0\0\0\x08\0\2" + entries + bytes(4)
    pixels = photo(20, 30, 3)
    for suffix in ("tif", "avif"):
        data, notes = written(Picture(pixels, exif=bad), suffix)
        assert upright(data).shape == (30, 20, 3)
        assert [note for note in notes if "EXIF" in note] == list(notes)
    good = blocks.packed({271: "Maker", 274: 6, 0x8769: {36867: "2020:01:01 00:00:00", 37386: 50.0}})
    assert blocks.rewritable(good) == good and set(blocks.describe(good)) == {271, 274, 0x8769}


@pytest.mark.parametrize("suffix", ["bmp", "ppm"])
def test_rm_after_turning(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    coded = codec.compress(Picture(photo(20, 30, 3), exif=exif(6), icc=SRGB), lossless=True)
    (tmp_path / "a.aec").write_bytes(coded)
    result = CliRunner().invoke(cli, ["decompress", "--rm", "a.aec", "-o", f"a.{suffix}"])
    assert result.exit_code == 0 and not (tmp_path / "a.aec").exists()
    assert result.stderr == "aecodec: a.aec: lost its EXIF and ICC profile\n"
    with Image.open(tmp_path / f"a.{suffix}") as found:
        assert np.array_equal(np.asarray(found), np.rot90(photo(20, 30, 3), -1))


SPELLINGS = [
    b'<d tiff:Orientation="6"/>',
    b"<d tiff:Orientation='6'/>",
    b'<d tiff:Orientation = "6"/>',
    b"<tiff:Orientation>6</tiff:Orientation>",
    b"<tiff:Orientation> 6\n</tiff:Orientation>",
    b'<tiff:Orientation xml:lang="x">6</tiff:Orientation>',
    b'<d xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6"/>',
    b'<d xmlns:n1="http://ns.adobe.com/tiff/1.0/"><n1:Orientation>6</n1:Orientation></d>',
    b'<Orientation xmlns="http://ns.adobe.com/tiff/1.0/">6</Orientation>',
]
SPACE = b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
PLAIN, WHOLE = b"<tiff:Orientation>1</tiff:Orientation>", b"<tiff:Orientation %s>1</tiff:Orientation>" % SPACE
ODD_SPELLINGS = {
    b"<tiff:Orientation>&#54;</tiff:Orientation>": PLAIN,
    b"<tiff:Orientation>&#x36;</tiff:Orientation >": b"<tiff:Orientation>1</tiff:Orientation >",
    b"<tiff:Orientation><![CDATA[6]]></tiff:Orientation>": PLAIN,
    b"<tiff:Orientation><!-- > -->6</tiff:Orientation>": PLAIN,
    b"<tiff:Orientation>6<?q?></tiff:Orientation>": PLAIN,
    b'<tiff:Orientation rdf:value="6"/>': WHOLE,
    b'<tiff:Orientation r:q=">" rdf:value = "6" ></tiff:Orientation >': WHOLE,
    b'<tiff:Orientation rdf:parseType="Resource"><rdf:value>6</rdf:value><a/></tiff:Orientation>': WHOLE,
    b"<tiff:Orientation><rdf:Description><rdf:value>6</rdf:value></rdf:Description></tiff:Orientation>": WHOLE,
    b'<t:Orientation xmlns:t="http://ns.adobe.com/tiff/1.0/"><r:value>6</r:value></t:Orientation>': WHOLE.replace(
        b"tiff:O", b"t:O"
    ).replace(b":tiff=", b":t="),
    b"<d q:a='>' tiff:Orientation='&#54;'/>": b"<d q:a='>' tiff:Orientation='1'/>",
    b'<d xmlns:tiff="another"><tiff:Orientation>6</tiff:Orientation></d>': None,
    b"<!-- <tiff:Orientation>6</tiff:Orientation> -->": None,
}


@pytest.mark.parametrize("spelling", ODD_SPELLINGS)
def test_xmp_is_read_as_xml(spelling):
    for behind in (b"", b'\n  <?xpacket end="w"?>', b"\0\0"):
        again = b"<d><tiff:Orientation>8</tiff:Orientation></d>"
        right = (ODD_SPELLINGS[spelling] or spelling) + again.replace(b"8", b"1")
        assert packets.upright(HEAD + spelling + again + TAIL + behind) == HEAD + right + TAIL + behind


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_xmp_is_kept_in_utf8(coding):
    xmp = f'<?xml version="1.0" encoding="{coding}"?>{HEAD.decode()}<d a="ü" tiff:Orientation="6"/>{TAIL.decode()}'
    data, _ = written(Picture(photo(20, 30, 3), xmp=xmp.encode(coding), exif=exif(6)), "webp")
    kept = load(data)
    assert kept.xmp == xmp.replace(coding, "UTF-8").encode()
    assert b'Orientation="1"' in without(kept, "exif").xmp


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_xmp_repeats_no_orientation_that_is_gone(spelling):
    other = b'<q:Orientation>6</q:Orientation><d q:Orientation="6" tiff:ImageWidth="6"/>'
    xmp = HEAD + spelling + other + TAIL
    stripped = without(Picture(photo(4, 6, 3), exif=exif(6), xmp=xmp), "exif")
    assert stripped.xmp == HEAD + spelling.replace(b"6", b"1") + other + TAIL and stripped.pixels.shape == (6, 4, 3)
    assert without(Picture(photo(4, 6, 3), exif=exif(1), xmp=xmp), "exif").xmp == xmp


def test_a_tiff_turned_by_xmp_says_so_no_more():
    xmp = HEAD + b"<d><tiff:Orientation>6 </tiff:Orientation></d>" + TAIL
    data, _ = written(Picture(photo(20, 30, 3), xmp=xmp), "tif")
    picture = load(data)
    assert (picture.width, picture.height) == (20, 30) and picture.xmp == packets.upright(xmp)


# Lengths


def test_xmp_of_any_length_in_jpeg():
    for length in (jpeg.MOST_XMP - 100, jpeg.MOST_XMP + 1, 200_000):
        xmp = HEAD + b"x" * length + TAIL
        data, notes = written(Picture(photo(20, 30, 3), exif=exif(6), icc=SRGB, xmp=xmp), "jpg")
        again = load(data)
        assert notes == () and again.xmp == xmp and again.icc == SRGB and again.exif == exif(6) and not again.notes
        Image.open(io.BytesIO(data)).load()


def extended(main, more, pieces=None):
    """A JPEG with a packet and an extension in pieces of 1000 bytes."""
    data, _ = written(Picture(photo(20, 30, 3)), "jpg")
    parts = [jpeg.STANDARD + main]
    for start in pieces if pieces is not None else range(0, len(more), 1000):
        parts.append(jpeg.EXTENSION + GUID.upper() + struct.pack(">II", len(more), start) + more[start : start + 1000])
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts)
    return data[:2] + segments + data[2:]


@pytest.mark.parametrize("attribute", [True, False])
def test_extended_xmp_is_merged(attribute):
    note = b' xmpNote:HasExtendedXMP="' + GUID + b'"'
    element = b"<xmpNote:HasExtendedXMP>" + GUID + b"</xmpNote:HasExtendedXMP>"
    spaces = b' xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmlns:a="urn:a"'
    main = HEAD + RDF % (spaces, note * attribute, element * (not attribute) + b"<a:b>1</a:b>") + TAIL
    more = HEAD + RDF % (b' xmlns:big="urn:big"', b"", b"<big:data>" + b"e" * 5000 + b"</big:data>") + TAIL
    for order in (None, [3000, 0, 5000, 1000, 4000, 2000]):
        picture = load(extended(main, more, order))
        assert b"HasExtendedXMP" not in picture.xmp and b"e" * 5000 in picture.xmp and not picture.notes
        import xml.etree.ElementTree as tree  # of a packet made here

        root = tree.fromstring(picture.xmp)
        assert root.find(".//{urn:a}b").text == "1" and len(root.find(".//{urn:big}data").text) == 5000
        assert len(root.findall("*/{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")) == 2


def test_an_extension_that_is_not_whole_is_said():
    main = HEAD + b'<d n:HasExtendedXMP="' + GUID + b'" a="1"/>' + TAIL
    for pieces in ([], [0, 2000], [1000, 2000]):
        picture = load(extended(main, b"m" * 2500, pieces))
        assert picture.xmp == HEAD + b'<d a="1"/>' + TAIL and len(picture.notes) == 1


def test_exif_beyond_a_segment_of_jpeg():
    tags = {270: "z" * 70000, 271: "Maker", 274: 6, 0x8769: {36867: "2020:01:01 00:00:00", 37500: b"n" * 40000}}
    data, notes = written(Picture(photo(20, 30, 3), exif=blocks.packed(tags)), "jpg")
    assert notes == ("a part of its EXIF",) and upright(data).shape == (30, 20, 3)
    kept = Image.open(io.BytesIO(data)).getexif()
    assert kept[271] == "Maker" and kept.get_ifd(0x8769)[37500] == b"n" * 40000 and 270 not in kept
    nonsense = b"II*\0" + struct.pack("<I", 10**6) + bytes(70000)
    data, notes = written(Picture(photo(20, 30, 3), exif=nonsense), "jpg")
    assert notes == ("its EXIF",) and upright(data).shape == (20, 30, 3)


@pytest.mark.parametrize("suffix", FORMATS)
def test_long_metadata_in_every_format(suffix):
    icc = SRGB[:128] + np.random.default_rng(0).bytes(3 << 20)
    picture = Picture(photo(20, 30, 3), icc=icc, exif=blocks.packed({270: "z" * 10**6, 274: 6}), xmp=b"<x/>" * 10**6)
    data, notes = written(picture, suffix)
    assert upright(data).shape == (30, 20, 3) and len(notes) <= 2
    again = load(data)
    lost = " ".join(notes)
    for kind, name in (("icc", "ICC profile"), ("exif", "EXIF"), ("xmp", "XMP")):
        assert (getattr(again, kind) == getattr(picture, kind)) == (name not in lost) or suffix in ("tif", "avif")


# PNG


def raw_profile(kind, data):
    text = f"\n{kind}\n{len(data):8}\n" + re.sub("(.{72})", r"\1\n", data.hex()) + "\n"
    return chunk(b"zTXt", b"Raw profile type %s\0\0" % kind.encode() + zlib.compress(text.encode()))


def with_chunks(*chunks, before=True):
    file = io.BytesIO()
    Image.fromarray(photo(20, 30, 3)).save(file, "PNG")
    data = file.getvalue()
    place = 33 if before else -12
    return data[:place] + b"".join(chunks) + data[place:]


@pytest.mark.parametrize("before", [True, False])
def test_raw_profiles_of_png(before):
    xmp = HEAD + b"<d/>" + TAIL
    for kinds, found in (
        (("exif", b"Exif\0\0" + exif()), {"exif": exif()}),
        (("APP1", b"Exif\0\0" + exif()), {"exif": exif()}),
        (("app1", b"http://ns.adobe.com/xap/1.0/\0" + xmp), {"xmp": xmp}),
        (("xmp", xmp), {"xmp": xmp}),
        (("icc", SRGB), {"icc": SRGB}),
        (("iptc", b"nothing that is kept"), {}),
        (("exif", b"no EXIF"), {}),
    ):
        picture = load(with_chunks(raw_profile(*kinds), before=before))
        assert {kind: data for kind in ("exif", "icc", "xmp") if (data := getattr(picture, kind))} == found
        file = Image.open(io.BytesIO(with_chunks(raw_profile(*kinds))))  # Pillow's own reading of it
        assert load(file).exif == found.get("exif") and load(file).xmp == found.get("xmp")


def test_long_and_broken_texts_of_png(monkeypatch):
    deflated = zlib.compress(b"x" * (3 << 20))
    long = SRGB[:128] + np.random.default_rng(0).bytes(2 << 20)
    for before in (True, False):
        for pieces, xmp, lost in (
            ((chunk(b"zTXt", b"Comment\0\0" + deflated), chunk(b"iTXt", b"a\0\1\0\0\0" + deflated)), None, 1),
            ((chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + deflated),), b"x" * (3 << 20), 0),
            ((chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + deflated[:-20]),), None, 1),
            ((chunk(b"iCCP", b"p\0\0" + zlib.compress(long)),), None, 0),
            ((chunk(b"iCCP", b"p\0\7" + zlib.compress(SRGB)),), None, 1),
        ):
            data = with_chunks(*pieces, before=before)
            picture = load(data)
            assert np.array_equal(picture.pixels, photo(20, 30, 3)) and picture.xmp == xmp
            assert len(picture.notes) == lost and (picture.icc == long) == (pieces[0][4:8] == b"iCCP" and not lost)
            with monkeypatch.context() as patch:
                patch.setattr(scanner, "SMALL_PIXELS", 0)
                with scanner.opened(data) as scan:
                    assert isinstance(scan, Scan) and (scan.xmp, scan.icc, scan.notes) == (
                        xmp,
                        picture.icc,
                        picture.notes,
                    )


# Limits


@pytest.mark.parametrize(
    "suffix, width, height",
    [("jpg", 65501, 1), ("webp", 1, 16384), ("avif", 32769, 1), ("avif", 1, 32769), ("avif", 16385, 16384)]
    + [("bmp", 2**16, 2**16)],
)
def test_what_no_reader_takes_is_refused_at_once(suffix, width, height, tmp_path):
    picture = Picture(np.broadcast_to(np.uint8(9), (height, width, 1)))
    with pytest.raises(BadImage, match=f"{write.SUFFIXES[suffix]} holds at most [0-9]+ (pixels|bytes).* this picture"):
        write.save(picture, tmp_path / f"a.{suffix}", suffix)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "suffix, side", [("jpg", 65500), ("webp", 16383), ("avif", 32768), ("bmp", 70000), ("png", 70000), ("tif", 70000)]
)
def test_what_is_written_can_be_read(suffix, side):
    for shape in ((2, side, 3), (side, 2, 3)):
        data, _ = written(Picture(np.full(shape, 128, np.uint8)), suffix)
        with Image.open(io.BytesIO(data)) as found:
            found.load()
            assert found.size == shape[1::-1]


def test_strip_when_decompressing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture = Picture(photo(20, 30, 3), icc=SRGB, exif=exif(6), xmp=HEAD + b'<d tiff:Orientation="6"/>' + TAIL)
    (tmp_path / "a.aec").write_bytes(codec.compress(picture, lossless=True))
    for strip, kept in (("exif", {"icc", "xmp"}), ("icc,xmp", {"exif"}), ("all", set())):
        assert CliRunner().invoke(cli, ["decompress", "-f", "--strip", strip, "a.aec", "-o", "b.png"]).exit_code == 0
        again = load(tmp_path / "b.png")
        assert {kind for kind in ("icc", "exif", "xmp") if getattr(again, kind)} == kept
        assert again.width == (30 if "exif" in kept else 20) and (not again.xmp or b'"1"' in again.xmp)
    assert CliRunner().invoke(cli, ["decompress", "-f", "--strip", "gps", "a.aec"]).exit_code == 2


@pytest.mark.parametrize(
    "piece",
    [
        b" ",
        b"<",
        b"<a",
        b"a",
        b"<x:RDF ",
        b"<tiff:Orientation ",
        b' tiff:Orientation="6',
        b"<tiff:Orientation>" + b"1" * 50,
        b' xmlns:q="http://ns.adobe.com/tiff/1.0/"',
        b" n:HasExtendedXMP=",
        b" xmlns:a =",
        b"<tiff:Orientation>",
        b"<a><tiff:Orientation>6</tiff:Orientation></a>",
        b'<a xmlns:b="http://ns.adobe.com/tiff/1.0/">',
        b'<a xmlns:b="c">',
        b" \n",
    ],
)
def test_no_packet_takes_long(piece):
    xmp = piece * (2_000_000 // len(piece))
    started = time.process_time()
    packets.upright(xmp)
    packets.upright(HEAD + xmp + TAIL)
    packets.extension(xmp)
    packets.without_note(xmp)
    packets.merged(xmp[:65000], xmp)
    packets.merged(HEAD + b"<d/>" + TAIL, HEAD + xmp + TAIL)
    metadata.raw({"Raw profile type exif": xmp.decode()})
    assert time.process_time() - started < 3


def test_exif_of_very_many_tags():
    many = blocks.packed({274: 6, 271: "Maker"} | {40000 + number: number for number in range(20000)})
    started = time.process_time()
    data, notes = written(Picture(photo(20, 30, 3), exif=many), "jpg")
    assert time.process_time() - started < 10 and notes == ("a part of its EXIF",)
    assert upright(data).shape == (30, 20, 3) and len(load(data).exif) > 20000
