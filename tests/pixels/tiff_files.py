"""TIFF files made here, by a writer that knows nothing of what readers like.

They are the product of layouts, compressions, colours and whatever tags say of them. The samples are noise, which any
predictor, colour space and bit depth can hold, so that nothing has to be encoded but the compression.
"""

import functools
import io
import lzma
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image, ImageCms

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 1, 2, 3, 4, 5, 7, 16
FORMATS = {BYTE: "B", SHORT: "H", LONG: "I", LONG8: "Q"}
NONE, LZW, JPEG, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA = 1, 5, 7, 8, 32773, 32946, 34925
WHITE, BLACK, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
SAMPLES = {WHITE: 1, BLACK: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, LAB: 3}
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="%d"/></x:xmpmeta>'


def by_tifffile(samples, **options):
    """The file that the package tifffile makes of samples [H, W, 1, 3 or 4], as its own words say."""

    file, channels = io.BytesIO(), samples.shape[2]
    colours = {"photometric": "rgb" if channels > 1 else "minisblack"}
    colours |= {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    tifffile.imwrite(file, samples.squeeze(), **colours, **options)
    return file.getvalue()


def tiff(data, tags, order="<", big=False):
    """A file of segments and {tag: (type, values or bytes)}; where the values are None, they are the
    segments' places.
    """
    start, word = (16, "Q") if big else (8, "I")
    places = np.cumsum([start, *map(len, data)])[:-1].tolist()
    tags = {tag: (kind, places if values is None else values) for tag, (kind, values) in tags.items()}
    body = b"".join(data)
    body += bytes(-len(body) % 8)
    directory = start + len(body)
    entry_size, fits = (20, 8) if big else (12, 4)
    extra_start = directory + (8 if big else 2) + entry_size * len(tags) + fits
    entries, extra = [struct.pack(order + ("Q" if big else "H"), len(tags))], b""
    for tag, (kind, values) in sorted(tags.items()):
        if isinstance(values, bytes):
            count, value = len(values), values
        elif kind == RATIONAL:
            count = len(values)
            value = b"".join(struct.pack(order + "II", round(number * 10000), 10000) for number in values)
        else:
            count, value = len(values), struct.pack(f"{order}{len(values)}{FORMATS[kind]}", *values)
        if len(value) > fits:
            extra, value = extra + value + bytes(-len(value) % 8), struct.pack(order + word, extra_start + len(extra))
        entries.append(struct.pack(order + "HH" + word, tag, kind, count) + value.ljust(fits, b"\0"))
    mark = b"II" if order == "<" else b"MM"
    head = mark + (
        struct.pack(order + "HHHQ", 43, 8, 0, directory) if big else struct.pack(order + "HI", 42, directory)
    )
    return b"".join([head, body, *entries, bytes(fits), extra])


def lzw(data):
    """Codes of 9 bits only: the table is cleared before they would have to grow."""
    codes = []
    for start in range(0, len(data), 250):
        codes += [256, *data[start : start + 250]]
    bits = np.unpackbits(np.array([*codes, 257], ">u2").view(np.uint8).reshape(-1, 2), axis=1)[:, 7:]
    return np.packbits(bits.reshape(-1)).tobytes()


def packbits(data):
    return b"".join(bytes([len(data[i : i + 128]) - 1]) + data[i : i + 128] for i in range(0, len(data), 128))


COMPRESSORS = {
    NONE: bytes,
    LZW: lzw,
    DEFLATE: zlib.compress,
    OLD_DEFLATE: zlib.compress,
    PACKBITS: packbits,
    LZMA: lzma.compress,
}


def jpeg(rng, width, height, photometric, subsampling):
    file = io.BytesIO()
    shape = (height, width) if SAMPLES[photometric] == 1 else (height, width, SAMPLES[photometric])
    samples = rng.integers(0, 256, shape, dtype=np.uint8)
    image = Image.fromarray(samples, "CMYK" if photometric == CMYK else None)
    options = (
        {"keep_rgb": True}
        if photometric == RGB
        else {"subsampling": {(1, 1): 0, (2, 1): 1, (2, 2): 2}[subsampling]}
        if photometric == YCBCR
        else {}
    )
    image.save(file, "JPEG", **options)
    return file.getvalue()


@functools.cache
def profile(space):
    """An ICC profile of a colour space; that of CMYK gives each corner of the cube of inks a colour of its own."""
    if space == "RGB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    corners = np.random.default_rng(5).integers(40, 60000, (16, 3)).astype(">u2")
    curve = np.array([0, 65535], ">u2").tobytes()
    matrix = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table = (
        b"mft2"
        + bytes(4)
        + bytes([4, 3, 2, 0])
        + matrix
        + struct.pack(">HH", 2, 2)
        + curve * 4
        + corners.tobytes()
        + curve * 3
    )
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"inks\0" + bytes(78)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    contents = {b"desc": text, b"cprt": b"text" + bytes(4) + b"none\0", b"wtpt": white, b"A2B0": table}
    place, directory, body = 128 + 4 + 12 * len(contents), [struct.pack(">I", len(contents))], b""
    for name, content in contents.items():
        directory.append(struct.pack(">4sII", name, place + len(body), len(content)))
        body += content + bytes(-len(content) % 4)
    size = place + len(body)
    head = (
        struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
        + bytes(12)
        + b"acsp"
        + bytes(28)
    )
    return head + struct.pack(">3i", 63190, 65536, 54061) + bytes(48) + b"".join(directory) + body


def drawn(rng, compression=None):
    """(what it is, file) of a TIFF whose every property is drawn at random; not predicted if the
    compression is given.
    """
    pick = lambda *values: values[rng.integers(len(values))]
    photometric = pick(WHITE, BLACK, BLACK, RGB, RGB, RGB, PALETTE, CMYK, YCBCR, YCBCR, LAB)
    plain, compression = (
        compression is not None,
        pick(NONE, NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, JPEG) if compression is None else compression,
    )
    bits = (
        8
        if compression == JPEG
        else pick(1, 2, 4, 8, 8, 12, 16, 16)
        if SAMPLES[photometric] == 1
        else pick(8, 8, 8, 16)
    )
    extra = (
        []
        if compression == JPEG
        else {
            RGB: pick([], [], [], [0], [1], [2], [0, 0], [999]),
            BLACK: pick([], [], [2]),
            CMYK: pick([], [], [0]),
        }.get(photometric, [])
    )
    samples = SAMPLES[photometric] + len(extra)
    planar = pick(1, 1, 1, 1, 2)
    order, big = pick(("<", False), ("<", False), (">", False), ("<", True), (">", True))
    width, height = (int(side) for side in rng.integers(17, 90, 2))
    subsampling = pick((1, 1), (2, 1), (2, 2)) if photometric == YCBCR else (1, 1)
    tiled = rng.random() < 0.35
    wide, high = (
        pick((16, 16), (32, 48), (64, 32), (96, 96)) if tiled else (width, pick(1, 2, 5, 8, 16, 30, height, 2**31))
    )
    kind = {False: SHORT, True: pick(LONG8, LONG)}[big]
    counted = [bits] * pick(samples, samples, samples, samples, 1, samples + 1)
    tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, counted),
        259: (SHORT, [compression]),
        262: (SHORT, [photometric]),
        266: (SHORT, [pick(*[1] * 9, 2)]),
        277: (SHORT, [samples]),
        284: (SHORT, [planar]),
    }
    if extra:
        tags[338] = SHORT, extra
    if compression in (LZW, DEFLATE, OLD_DEFLATE, PACKBITS) and bits in (8, 16) and not plain:
        tags[317] = SHORT, [pick(1, 2)]
    if photometric == PALETTE:
        tags[320] = SHORT, rng.integers(0, 65536, 3 * 2**bits if bits <= 8 else 768).tolist()
    if photometric == YCBCR:
        if subsampling != (2, 2) or rng.random() < 0.5:
            tags[530] = SHORT, list(subsampling)
        for tag, values in ((529, [0.2126, 0.7152, 0.0722]), (532, [16, 235, 128, 240, 128, 240])):
            if rng.random() < 0.3:
                tags[tag] = RATIONAL, values
        tags[531] = SHORT, [pick(1, 2)]
    if rng.random() < 0.3:
        tags[34675] = UNDEFINED, profile("CMYK" if photometric == CMYK else "RGB")
    if rng.random() < 0.1:
        tags[274] = SHORT, [pick(*range(1, 9))]
    if rng.random() < 0.1:
        tags[700] = BYTE, XMP % pick(1, 3, 6)
    if rng.random() < 0.03:
        tags[339] = SHORT, [pick(1, 2, 4)] * samples
    if rng.random() < 0.1:
        tags[32995 if rng.random() < 0.3 else 65000] = SHORT, [pick(0, 1)]
    if rng.random() < 0.2:
        tags[282], tags[283], tags[305] = (RATIONAL, [72]), (RATIONAL, [72]), (ASCII, b"a writer\0")
    across, rows = -(-width // wide), min(high, height) if not tiled else high
    down, data = -(-height // rows), []
    for _ in range(samples if planar == 2 else 1):
        for i in range(down):
            for _ in range(across):
                tall = rows if tiled else min(rows, height - i * rows)
                if compression == JPEG:
                    data.append(jpeg(rng, wide, tall, BLACK if planar == 2 else photometric, subsampling))
                    continue
                if photometric == YCBCR and planar == 1:
                    x, y = subsampling
                    size = -(-wide // x) * -(-tall // y) * (x * y + 2) * bits // 8
                else:
                    size = tall * -(-wide * bits * (1 if planar == 2 else samples) // 8)
                data.append(COMPRESSORS[compression](rng.bytes(size)))
    if rng.random() < 0.1:
        data.append(rng.bytes(20000))  # behind the pixels, so that no wrong place is one beyond the end
    lengths = list(map(len, data[: down * across * (samples if planar == 2 else 1)]))
    places = np.cumsum([16 if big else 8, *lengths])[:-1].tolist()
    tags |= {322: (LONG, [wide]), 323: (LONG, [high])} if tiled else {278: (LONG, [high])}
    tags |= {324 if tiled else 273: (kind if kind != SHORT else LONG, places), 325 if tiled else 279: (LONG, lengths)}
    shown = {
        tag: values for tag, (_, values) in tags.items() if tag not in (273, 279, 320, 324, 325) and len(values) < 20
    }
    return f"{order}{'big ' if big else ' '}{shown}", tiff(data, tags, order, big)
