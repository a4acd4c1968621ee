"""What HDR displays are told beside a picture: code points, gain maps, levels of light; kept, or said to be lost."""

import base64
import io
import re
import struct

import numpy as np
import pytest
from image_files import ramps
from PIL import Image

from codec.pixels.formats import av1, avif
from codec.pixels.picture import Picture
from codec.pixels.read import load
from codec.pixels.write import save

GAIN_MAP = "its gain map (what HDR displays add to it)"
P3_PQ = bytes([12, 16, 0, 1])


def written(format, **options):
    file = io.BytesIO()
    Image.fromarray(ramps()).save(file, format, **options)
    return file.getvalue()


def test_gain_map_of_an_ultra_hdr_jpeg():
    codecs = pytest.importorskip("imagecodecs")
    samples = np.dstack([ramps() / np.float16(64), np.ones((40, 56), np.float16)]).astype(np.float16)
    picture = load(codecs.ultrahdr_encode(samples))
    assert picture.notes == (GAIN_MAP,) and picture.pixels.shape == (40, 56, 3)


def test_gain_map_of_an_iso_jpeg():
    data = written("JPEG")
    assert load(data).notes == ()
    said = b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"
    segment = b"\xff\xe2" + (len(said) + 2).to_bytes(2, "big") + said
    assert load(data[:2] + segment + data[2:]).notes == (GAIN_MAP,)


def test_other_pictures_of_a_jpeg():
    file = io.BytesIO()
    first, second = Image.fromarray(ramps()), Image.fromarray(ramps()[::2, ::2])
    first.save(file, "MPO", save_all=True, append_images=[second])
    plain = file.getvalue()
    assert load(plain).notes == ()  # nothing is known of the other one
    table = plain.find(b"\x02\xb0\x07\0")
    place = plain.find(b"\0\0\x03\0", table) + 16  # of the kind of the second, behind that of the first
    views = plain[:place] + b"\x02\0\x02\0" + plain[place + 4 :]
    assert load(views).notes == ("the other pictures in it",)
    preview = plain[:place] + b"\x02\0\x01\0" + plain[place + 4 :]
    assert load(preview).notes == ()
    second.info["xmp"] = b'<x:xmpmeta><d x="urn:com:apple:photo:2020:aux:hdrgainmap"/></x:xmpmeta>'
    file = io.BytesIO()
    first.save(file, "MPO", save_all=True, append_images=[second], xmp=second.info["xmp"])
    assert load(file.getvalue()).notes == (GAIN_MAP,)


# An AVIF of 8x8 pixels whose stream says P3 and PQ too, as imagecodecs 2026.3.6 writes it; older ones leave that out.
OF_STREAM = base64.b85decode(
    "0000WW^{RQVRmU|00000VRmU|ZE0pPZE0a<O+hh10002%ZDn*}000000000XXk=`10000000000aA{+7000000000000000000004sdC7Z2$"
    "lO000310016oY;R)#0000)000310RR910RR926951JB>(^bC~0YKW&i*H00031000_kZf0cy000000RRADb}%tRZ)|UJ00000YH4tCZ~y=RO"
    "KEUpZvX%Q6lrsCWdHyG000002mk;82mk;85O8UDX#fBK00RgJ2mk;83}JRLLxCUw000006Ju{|a&BX6cmNCl5C8#y0000NX>e^}000000000"
    "1009I60)qqq001p*WMOm?015~=2)}I%5CM=f7Z-wK1i%3D0001xK5WBS`@*?!2&-Cv"
)


def without_colours(data, kind=b"free"):
    """An AVIF whose box of colours is one of another kind."""
    assert data.count(b"colrnclx") == 1
    return data.replace(b"colrnclx", kind + b"nclx")


def test_colours_that_only_the_stream_says():
    data = OF_STREAM
    assert load(data).cicp == P3_PQ
    assert load(without_colours(data)).cicp == P3_PQ
    assert load(Image.open(io.BytesIO(without_colours(data)))).cicp == P3_PQ
    assert load(without_colours(written("AVIF"))).cicp is None


def box(kind, *contents):
    body = b"".join(contents)
    return struct.pack(">I4s", 8 + len(body), kind) + body


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("inside", [False, True])
def test_colours_of_a_grid_are_those_of_its_first_tile(version, inside):
    """However its places are written, in a box of data or in the file."""
    if inside and not version:
        return  # has no word for it
    header = Bits().put((0, 3), (3, 2), (9, 5), (5, 4), (5, 4), (0, 12), (0, 8), (1, 1), (9, 8), (16, 8))
    stream = b"\x12\0" + header.obu()
    number = ">I" if version == 2 else ">H"
    entry = lambda item, kind: box(b"infe", struct.pack(">IHH4s", 2 << 24, item, 0, kind))

    def file(start):
        method = struct.pack(">H", inside) if version else b""
        length = len(stream)
        place = lambda item, offset: struct.pack(number, item) + method + struct.pack(">HHII", 0, 1, offset, length)
        places = box(b"iloc", bytes([version, 0, 0, 0, 0x44, 0]), struct.pack(number, 2), place(1, 3), place(2, start))
        meta = box(
            b"meta",
            bytes(4),
            box(b"pitm", bytes(4), struct.pack(">H", 1)),
            box(b"iinf", bytes(4), struct.pack(">H", 2), entry(1, b"grid"), entry(2, b"av01")),
            box(b"iref", bytes(4), box(b"dimg", struct.pack(">HHH", 1, 1, 2))),
            box(b"idat", b"??", stream),
            places,
        )
        return box(b"ftyp", b"avif", bytes(4)) + meta + box(b"mdat", stream)

    start = 2 if inside else file(0).find(b"mdat") + 4
    assert avif.described(file(start)) == ((9, 16), 8, [])


def test_colours_of_a_stream_of_frames():
    """Whose header is the long one."""
    file = io.BytesIO()
    Image.fromarray(ramps()).save(file, "AVIF", save_all=True, append_images=[Image.fromarray(ramps()[::-1].copy())])
    data = file.getvalue()
    assert av1.colours(data[data.find(b"\x12\0\x0a") :]) == (1, 13)


class Bits:
    def __init__(self):
        self.text = ""

    def put(self, *pairs):
        for value, count in pairs:
            self.text += f"{value:0{count}b}" if count else ""
        return self

    def obu(self, kind=1):
        text = self.text + "0" * (-len(self.text) % 8)
        body = int(text, 2).to_bytes(len(text) // 8, "big")
        return bytes([kind << 3 | 2, len(body)]) + body


@pytest.mark.parametrize("seed", range(40))
def test_every_sequence_header(seed):
    """Written by the specification, with its options drawn at random."""
    rng = np.random.default_rng(seed)
    flag = lambda: int(rng.integers(2))
    profile, reduced = int(rng.integers(3)), flag()
    bits = Bits().put((profile, 3), (1, 1), (reduced, 1))
    if reduced:
        bits.put((9, 5))
    else:
        timing, equal, model, late = flag(), flag(), flag(), flag()
        bits.put((timing, 1))
        if timing:
            bits.put((1, 32), (30, 32), (equal, 1))
            if equal:
                bits.put((0, 3), (1, 1), (5, 3))  # 8 + 5 - 1
            bits.put((model, 1))
            if model:
                bits.put((17, 5), (1, 32), (9, 5), (8, 5))
        points = int(rng.integers(3))
        bits.put((late, 1), (points, 5))
        for _ in range(points + 1):
            level, said = int(rng.integers(32)), flag()
            bits.put((0, 12), (level, 5), (0, 1 if level > 7 else 0))
            if timing and model:
                bits.put((said, 1), *[(3, 18), (4, 18), (1, 1)][: 3 * said])
            if late:
                bits.put((said, 1), (7, 4 * said))
    wide, high = int(rng.integers(1, 17)), int(rng.integers(1, 17))
    bits.put((wide - 1, 4), (high - 1, 4), (0, wide), (0, high))
    if not reduced:
        numbered = flag()
        bits.put((numbered, 1), (1, 4 * numbered), (1, 3 * numbered))
    bits.put((5, 3))
    if not reduced:
        ordered, chosen, forced, integer = flag(), flag(), flag(), flag()
        bits.put((9, 4), (ordered, 1), (1, 2 * ordered), (chosen, 1))
        if not chosen:
            bits.put((forced, 1))
        if chosen or forced:
            bits.put((integer, 1), (1, 0 if integer else 1))
        bits.put((6, 3 * ordered))
    deep, described = flag(), flag()
    bits.put((3, 3), (deep, 1), (1, 1 if profile == 2 and deep else 0), (0, 0 if profile == 1 else 1), (described, 1))
    bits.put(*[(9, 8), (18, 8), (9, 8)][: 3 * described], (1, 1))
    data = b"\x12\0" + Bits().put((1, 8)).obu(5) + bits.obu()
    assert av1.colours(data) == ((9, 18) if described else None)
    for cut in range(1, len(data)):
        try:
            assert av1.colours(data[:cut]) in (None, (9, 18))
        except ValueError:
            pass


@pytest.mark.parametrize("kind", [b"mdcv", b"clli", b"cclv", b"amve"])
def test_levels_of_light_of_an_avif(kind):
    code, depth, lost = avif.described(without_colours(written("AVIF"), kind))
    assert (code, depth) == ((1, 13), 8) and lost == [f"its {kind.decode()} (levels of light for HDR displays)"]
    if kind == b"clli":
        assert load(without_colours(written("AVIF"), kind)).notes == tuple(lost)


def test_gain_map_of_an_avif():
    exif = Image.Exif()
    exif[271] = "Maker"
    data = written("AVIF", exif=exif)
    mapped, count = re.subn(rb"(infe\x02.{3}.{4})Exif", rb"\1tmap", data, flags=re.DOTALL)
    assert load(data).notes == () and count == 1
    assert load(mapped).notes == (GAIN_MAP,)


def test_broken_boxes_are_read_or_refused():
    file = io.BytesIO()
    save(Picture(ramps(), cicp=P3_PQ), file, "avif")
    data = without_colours(file.getvalue())
    for place in range(data.find(b"mdat")):
        for value in (0, 1, 0x7F, 0xFF):
            code, depth, lost = avif.described(data[:place] + bytes([value]) + data[place + 1 :])
            assert (code is None or max(code) < 256) and depth >= 8 and isinstance(lost, list)


def test_the_command_says_it(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from codec.app.cli import cli

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.avif").write_bytes(without_colours(written("AVIF"), b"clli"))
    done = CliRunner().invoke(cli, ["compress", "a.avif"])
    assert (done.exit_code, done.stderr) == (0, "aecodec: a.avif: lost its clli (levels of light for HDR displays)\n")
