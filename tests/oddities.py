"""Odd and broken picture files, made here: every class that PngSuite has and more, and the like of JPEG, TIFF, GIF,
BMP, WebP, AVIF and PPM.

`ODD` and `BROKEN` map names to files. An odd file must load, with the samples given where its format is lossless; a
broken one must be refused.
"""

import base64
import io
import itertools
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image, ImageCms

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type: samples per pixel
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# The passes of Adam7: x, y, and the steps along both.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

# Arithmetic coding, which Pillow reads but does not write: 24 x 16 px by libjpeg-turbo's cjpeg, gray sequential and
# progressive in colour.
ARITHMETIC = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYnKSopGR8tMC0o"
    "MCUoKSj/yQALCAAQABgBAREA/8wABgAQEAX/2gAIAQEAAD8A0ox3704VWk5nxBhED2SRGO62FAReKtuH08TFoW+lYOK33cCs8VKvG4elXF6VWu4X"
    "a8ZCdZxPSK7yC8Qoiyaah3UnIP/Z",
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYnKSopGR8tMC0o"
    "MCUoKSj/2wBDAQcHBwoIChMKChMoGhYaKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCj/ygARCAAQABgD"
    "ASIAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAAAdIUtjIejFusBH2XtP/MAAQQBf/aAAgBAQABBQI5KRt41kehfGgc8imSxQQQZv/MAAQRBf/a"
    "AAgBAwEBPwE43encRN90mgv/zAAEEQX/2gAIAQIBAT8BFaOtXLlhOv/MAAQQBf/aAAgBAQAGPwJwbP/MAAQQBf/aAAgBAQABPyHJIX0+yUZWTQO0"
    "HP/aAAwDAQACAAMAAAAQsf/MAAQRBf/aAAgBAwEBPxD9Rt+A/8wABBEF/9oACAECAQE/EHjUj+//zAAEEAX/2gAIAQEAAT8QK3AkoY+w1d9KBO9D"
    "VOKRIP/Z",
)

ODD, BROKEN = {}, {}  # name: (bytes, samples [H,W,1..4] or None where lossy); name: bytes


# PNG, written by hand: an independent writer for every bit of the format


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def header(width, height, depth, colour, interlaced=0, compression=0, filtering=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, compression, filtering, interlaced))


def scanlines(levels, depth, filters=(0,)):
    """Filtered rows of levels [H, W, C]."""
    if not levels.size:
        return b""
    height, _, channels = levels.shape
    bits = np.unpackbits(levels[..., None].astype(">u2").view(np.uint8), axis=-1).reshape(*levels.shape, 16)[
        ..., 16 - depth :
    ]
    rows = np.packbits(bits.reshape(height, -1), axis=1).astype(int)
    step = max(1, depth * channels // 8)
    out, above = [], np.zeros_like(rows[0])
    for row, kind in zip(rows, itertools.cycle(filters)):
        left, corner = (np.pad(line, (step, 0))[:-step] for line in (row, above))
        estimate = left + above - corner
        near = np.abs(np.stack([estimate - left, estimate - above, estimate - corner])).argmin(0)
        guess = (0 * row, left, above, (left + above) // 2, np.choose(near, (left, above, corner)))[kind]
        out.append(bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes())
        above = row
    return b"".join(out)


def png(
    levels, depth, colour, before=b"", after=b"", interlaced=False, filters=(0,), level=6, splits=None, palette=None
):
    """A whole file of levels [H, W, C]; `before` and `after` are chunks around the IDAT, of `splits` bytes each."""
    height, width = levels.shape[:2]
    parts = [levels[y::down, x::across] for x, y, across, down in PASSES] if interlaced else [levels]
    data = zlib.compress(b"".join(scanlines(part, depth, filters) for part in parts), level)
    pieces = [data[i : i + splits] for i in range(0, len(data), splits)] if splits else [data]
    plte = chunk(b"PLTE", palette.astype(np.uint8).tobytes()) if palette is not None else b""
    body = b"".join(chunk(b"IDAT", piece) for piece in pieces)
    return SIGNATURE + header(width, height, depth, colour, interlaced) + plte + before + body + after + chunk(b"IEND")


def noise(shape, top, seed=0):
    return np.random.default_rng(seed).integers(0, top + 1, shape)


def widened(levels, depth):
    """The samples of levels of `depth` bits: 16 bits stay, fewer become 8."""
    return levels.astype(np.uint16) if depth == 16 else (levels * (255 // (2**depth - 1))).astype(np.uint8)


def _png_basics():
    for colour, depths in DEPTHS.items():
        for depth, interlaced in itertools.product(depths, (False, True)):
            name = f"png-basic-{colour}-{depth}{'-interlaced' * interlaced}"
            levels = noise((32, 32, SAMPLES[colour]), 2**depth - 1, colour + depth)
            palette = noise((2**depth, 3), 255) if colour == 3 else None
            samples = palette[levels[..., 0]].astype(np.uint8) if colour == 3 else widened(levels, depth)
            ODD[name] = png(levels, depth, colour, interlaced=interlaced, palette=palette), samples


def _png_sizes():
    for side, interlaced in itertools.product((*range(1, 10), 32, 33, 35, 37, 40), (False, True)):
        levels, palette = noise((side, side, 1), 15, side), noise((16, 3), 255)
        file = png(levels, 4, 3, interlaced=interlaced, palette=palette)
        ODD[f"png-size-{side}{'-interlaced' * interlaced}"] = file, palette[levels[..., 0]].astype(np.uint8)
    for height, width in ((1, 7), (5, 1), (2, 300)):
        levels = noise((height, width, 1), 1)
        ODD[f"png-size-{height}x{width}"] = png(levels, 1, 0, interlaced=True), widened(levels, 1)


def _png_transparency():
    for depth in DEPTHS[0]:
        levels = noise((32, 32, 1), 2**depth - 1)
        key, full = int(levels[5, 5, 0]), 65535 if depth == 16 else 255
        samples = np.dstack(
            [widened(levels, depth), np.where(levels == key, 0, full).astype(widened(levels, depth).dtype)]
        )
        for extra in (b"", chunk(b"bKGD", struct.pack(">H", 1))):
            ODD[f"png-trns-gray-{depth}{'-bkgd' * bool(extra)}"] = (
                png(levels, depth, 0, chunk(b"tRNS", struct.pack(">H", key)) + extra),
                samples,
            )
    for depth in DEPTHS[2]:
        levels = noise((32, 32, 3), 2**depth - 1)
        full = 65535 if depth == 16 else 255
        alpha = np.where((levels == levels[4, 4]).all(2), 0, full)[..., None]
        file = png(levels, depth, 2, chunk(b"tRNS", struct.pack(">HHH", *levels[4, 4].tolist())))
        ODD[f"png-trns-rgb-{depth}"] = (
            file,
            np.dstack([widened(levels, depth), alpha.astype(widened(levels, depth).dtype)]),
        )
    for depth in DEPTHS[3]:
        levels, palette = noise((32, 32, 1), 2**depth - 1), noise((2**depth, 3), 255)
        for count in sorted({1, 2**depth // 2, 2**depth}):
            alpha = np.full(2**depth, 255)
            alpha[:count] = noise(count, 254, 3)
            file = png(levels, depth, 3, chunk(b"tRNS", alpha[:count].astype(np.uint8).tobytes()), palette=palette)
            ODD[f"png-trns-palette-{depth}-{count}"] = (
                file,
                np.dstack([palette[levels[..., 0]], alpha[levels[..., 0]]]).astype(np.uint8),
            )


def _png_chunks():
    levels = noise((32, 32, 3), 255)
    samples, palette = levels.astype(np.uint8), noise((16, 3), 255)
    text = b"Title\0" + b"a title"
    ancillary = {
        **{
            f"gama-{gamma}": chunk(b"gAMA", struct.pack(">I", gamma))
            for gamma in (35000, 45455, 55555, 100000, 250000, 0, 2**31)
        },
        "chrm": chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
        "srgb": chunk(b"sRGB", b"\0"),
        "cicp": chunk(b"cICP", bytes([1, 13, 0, 1])),
        "sbit": chunk(b"sBIT", bytes([5, 6, 5])),
        "sbit-13": chunk(b"sBIT", bytes([13, 13, 13])),
        "bkgd": chunk(b"bKGD", struct.pack(">HHH", 1, 2, 3)),
        **{
            f"phys-{unit}": chunk(b"pHYs", struct.pack(">IIB", x, y, unit))
            for x, y, unit in ((1, 4, 0), (1000, 1000, 1), (0, 0, 9))
        },
        "time": chunk(b"tIME", struct.pack(">HBBBBB", 2000, 1, 1, 12, 34, 56)),
        "time-lie": chunk(b"tIME", struct.pack(">HBBBBB", 65535, 99, 99, 99, 99, 99)),
        "splt": chunk(b"sPLT", b"six-cube\0\x08" + bytes(6) * 5),
        "suggested-palette": chunk(b"PLTE", palette.astype(np.uint8).tobytes()),
        "hist": chunk(b"PLTE", palette.astype(np.uint8).tobytes()) + chunk(b"hIST", bytes(32)),
        "text": chunk(b"tEXt", text)
        + chunk(b"zTXt", b"Author\0\0" + zlib.compress(b"name"))
        + chunk(b"iTXt", b"T\0\0\0en\0T\0" + "Grüße".encode()),
        "text-without-a-nul": chunk(b"tEXt", b"no keyword"),
        "text-broken-deflate": chunk(b"zTXt", b"Author\0\0" + b"not deflate"),
        "itxt-no-utf8": chunk(b"iTXt", b"T\0\0\0en\0T\0\xff\xfe"),
        "unknown": chunk(b"prVt", b"private"),
        "exif": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
        "exif-broken": chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"),
        "icc": chunk(b"iCCP", b"profile\0\0" + zlib.compress(SRGB)),
        "icc-broken-deflate": chunk(b"iCCP", b"profile\0\0" + b"x" * 50),
        "icc-empty": chunk(b"iCCP", b"p\0\0" + zlib.compress(b"")),
        "offs": chunk(b"oFFs", struct.pack(">iiB", -5, 7, 0)),
    }
    for name, extra in ancillary.items():
        ODD[f"png-chunk-{name}"] = png(levels, 8, 2, extra), samples
    for name in ("text", "time", "exif", "unknown"):
        ODD[f"png-chunk-{name}-after"] = png(levels, 8, 2, after=ancillary[name]), samples
    ODD["png-chunks-all"] = (
        png(
            levels,
            8,
            2,
            b"".join(ancillary[n] for n in ("chrm", "gama-45455", "sbit", "icc", "bkgd", "phys-1", "time", "text")),
        ),
        samples,
    )
    for splits in (1, 2, 4, 9, 100):
        ODD[f"png-idat-{splits}"] = png(levels, 8, 2, splits=splits), samples
    empty = chunk(b"IDAT")
    ODD["png-idat-empty-ones"] = png(levels, 8, 2, empty * 3, empty * 2), samples
    control = struct.pack(">IIIIIHHBB", 0, 32, 32, 0, 0, 1, 10, 0, 0)
    ODD["png-apng-of-one-frame"] = (
        png(levels, 8, 2, chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(b"fcTL", control)),
        samples,
    )
    for level in range(10):
        ODD[f"png-zlib-{level}"] = png(levels, 8, 2, level=level), samples
    for filters in ((0,), (1,), (2,), (3,), (4,), range(5), (4, 3, 2, 1, 0)):
        for depth, colour in ((1, 0), (8, 2), (16, 6), (4, 3), (16, 4)):
            odd = noise((17, 13, SAMPLES[colour]), 2**depth - 1)
            shown = palette[odd[..., 0]].astype(np.uint8) if colour == 3 else widened(odd, depth)
            ODD[f"png-filter-{colour}-{depth}-{'-'.join(map(str, filters))}"] = (
                png(odd, depth, colour, filters=filters, palette=palette if colour == 3 else None),
                shown,
            )
    longest = noise((32, 32, 1), 255)
    ODD["png-palette-of-256"] = (
        png(longest, 8, 3, palette=noise((256, 3), 255)),
        noise((256, 3), 255)[longest[..., 0]].astype(np.uint8),
    )
    ODD["png-bytes-after-the-end"] = png(levels, 8, 2) + b"trailing" * 20, samples


def _png_broken():
    levels = noise((32, 32, 3), 255)
    good = png(levels, 8, 2)
    body = good[33:]
    crc = lambda data, place: data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    idat = good.index(b"IDAT")
    BROKEN.update(
        {f"png-signature-{place}": crc(good, place) for place in range(8)}
        | {
            "png-lf-added": good.replace(b"\n", b"\r\n"),
            "png-cr-lost": good.replace(b"\r\n", b"\n"),
            "png-eighth-bit-lost": bytes(b & 127 for b in good),
        }
        | {f"png-colour-{colour}": SIGNATURE + header(32, 32, 8, colour) + body for colour in (1, 5, 7, 9, 255)}
        | {f"png-depth-{depth}": SIGNATURE + header(32, 32, depth, 0) + body for depth in (0, 3, 5, 7, 9, 32, 99)}
        | {
            f"png-colour-{colour}-depth-{depth}": SIGNATURE + header(32, 32, depth, colour) + body
            for colour, depth in ((2, 1), (2, 4), (3, 16), (4, 1), (4, 4), (6, 2))
        }
        | {
            "png-no-width": SIGNATURE + header(0, 32, 8, 2) + body,
            "png-no-height": SIGNATURE + header(32, 0, 8, 2) + body,
        }
        | {
            "png-negative": SIGNATURE + header(2**32 - 1, 32, 8, 2) + body,
            "png-compression": SIGNATURE + header(32, 32, 8, 2, 0, 1) + body,
        }
        | {
            "png-filtering": SIGNATURE + header(32, 32, 8, 2, 0, 0, 1) + body,
            "png-interlace-2": SIGNATURE + header(32, 32, 8, 2, 2) + body,
        }
        | {
            "png-no-header": SIGNATURE + body,
            "png-header-late": SIGNATURE + chunk(b"tIME", bytes(7)) + good[8:],
            "png-two-headers": good[:33] + good[8:33] + body,
        }
        | {
            "png-header-checksum": crc(good, 30),
            "png-data-checksum": crc(good, -13),
            "png-data-bit": crc(good, idat + 40),
            "png-end-checksum": crc(good, -1),
        }
        | {
            "png-no-data": good[:33] + chunk(b"IEND"),
            "png-empty-data": good[:33] + chunk(b"IDAT") + chunk(b"IEND"),
            "png-no-end": good[:-12],
        }
        | {
            "png-signature-only": SIGNATURE,
            "png-header-only": good[:33],
            "png-half": good[: len(good) // 2],
            "png-no-palette": png(levels[..., :1] % 16, 4, 3),
        }
        | {
            "png-data-too-short": SIGNATURE + header(32, 33, 8, 2) + body,
            "png-filter-5": good[:33] + chunk(b"IDAT", zlib.compress(b"\5" * 97 * 32)) + chunk(b"IEND"),
        }
        | {
            "png-no-deflate": good[:33] + chunk(b"IDAT", b"no deflate") + chunk(b"IEND"),
            "png-zlib-header": good[:33] + chunk(b"IDAT", b"\x79" + good[idat + 5 : -16]) + chunk(b"IEND"),
        }
        | {
            "png-unknown-critical": good[:33] + chunk(b"ABCD") + body,
            "png-length-lies": good[:33] + b"\x7f\xff\xff\xff" + good[37:],
        }
        | {
            "png-text-between-data": good[:33]
            + chunk(b"IDAT", good[idat + 4 : idat + 50])
            + chunk(b"tIME", bytes(7))
            + chunk(b"IDAT", good[idat + 50 : -16])
            + chunk(b"IEND")
        }
    )
    frames = [Image.fromarray(noise((8, 8, 3), 255, seed).astype(np.uint8)) for seed in range(3)]
    long = zlib.compress(bytes(3 << 20))
    for name, extra in {
        "text-of-another-method": chunk(b"zTXt", b"Author\0\7" + zlib.compress(b"name")),
        "long-text": chunk(b"zTXt", b"Comment\0\0" + long),
        "long-itxt": chunk(b"iTXt", b"Comment\0\1\0\0\0" + long),
        "long-profile": chunk(b"iCCP", b"x\0\0" + long),
    }.items():
        ODD[f"png-{name}"] = good[:33] + extra + body, levels.astype(np.uint8)
        ODD[f"png-{name}-after"] = good[:-12] + extra + good[-12:], levels.astype(np.uint8)
    BROKEN["apng"] = _saved(frames[0], "PNG", save_all=True, append_images=frames[1:])


# The other formats, by their writers and by hand


def _saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def smooth(channels=3, seed=0, top=255):
    rows, columns = np.mgrid[:32, :40] / 40
    planes = [0.5 + 0.4 * np.sin(5 * rows + 7 * columns * (c + 1) + seed) for c in range(channels)]
    return np.rint(np.dstack(planes) * top).astype(np.uint16 if top > 255 else np.uint8)


def segment(marker, data):
    return bytes([255, marker]) + struct.pack(">H", len(data) + 2) + data


def _jpeg():
    picture = Image.fromarray(smooth())
    plain = _saved(picture, "JPEG", quality=95)
    start = plain.index(b"\xff\xdb")
    scan = plain.index(b"\xff\xda")
    frame = plain.index(b"\xff\xc0")
    for name, options in {
        "progressive": {"progressive": True},
        "optimised": {"optimize": True},
        "4:2:0": {"subsampling": 2},
        "4:2:2": {"subsampling": 1},
        "4:4:4": {"subsampling": 0},
        "restarts": {"restart_marker_blocks": 1},
        "rgb": {"keep_rgb": True},
        "quality-1": {"quality": 1},
        "comment": {"comment": b"\xff" * 65000},
        "dpi": {"dpi": (1, 60000)},
    }.items():
        ODD[f"jpeg-{name}"] = _saved(picture, "JPEG", **options), None
    for mode in ("L", "CMYK", "YCbCr", "1"):
        ODD[f"jpeg-{mode}"] = _saved(picture.convert(mode), "JPEG"), None
    cmyk = _saved(picture.convert("CMYK"), "JPEG", quality=95)
    adobe = cmyk.index(b"Adobe")
    ODD["jpeg-cmyk-without-adobe"] = cmyk[: adobe - 4] + cmyk[adobe + 12 :], None
    ODD["jpeg-ycck"] = cmyk[: adobe + 11] + b"\2" + cmyk[adobe + 12 :], None
    ODD["jpeg-adobe-rgb-transform"] = plain[:start] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\0") + plain[start:], None
    for orientation in (0, 1, 3, 6, 8, 9, 65535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        ODD[f"jpeg-orientation-{orientation}"] = _saved(picture, "JPEG", exif=exif), None
    lies = {
        "empty": b"Exif\0\0",
        "no-header": b"Exif\0\0nothing",
        "offset-beyond": b"Exif\0\0II*\0\xff\xff\xff\x7f",
        "loop": b"Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0",
        "count-lies": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 0x0112, 3, 2**31, 6),
        "type-99": b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x0112, 99, 1, 6) + bytes(4),
        "size-lies": b"Exif\0\0II*\0\x08\0\0\0\2\0"
        + struct.pack("<HHII", 256, 4, 1, 10**9)
        + struct.pack("<HHII", 257, 4, 1, 10**9)
        + bytes(4),
        "thumbnail-beyond": b"Exif\0\0II*\0\x08\0\0\0\2\0"
        + struct.pack("<HHII", 513, 4, 1, 10**9)
        + struct.pack("<HHII", 514, 4, 1, 10**9)
        + bytes(4),
        "sub-loop": b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + bytes(4),
    }
    for name, lie in lies.items():
        ODD[f"jpeg-exif-{name}"] = plain[:2] + segment(0xE1, lie) + plain[2:], None
    huge = bytearray(SRGB + np.random.default_rng(0).bytes(3 << 20))
    huge[:4] = struct.pack(">I", len(huge))
    ODD["jpeg-icc-3-mib"] = _saved(picture, "JPEG", icc_profile=bytes(huge)), None
    ODD["jpeg-icc-part-missing"] = plain[:2] + segment(0xE2, b"ICC_PROFILE\0\1\2" + SRGB) + plain[2:], None
    ODD["jpeg-icc-part-0-of-0"] = plain[:2] + segment(0xE2, b"ICC_PROFILE\0\0\0" + SRGB) + plain[2:], None
    ODD["jpeg-icc-garbage"] = plain[:2] + segment(0xE2, b"ICC_PROFILE\0\1\1" + b"garbage" * 50) + plain[2:], None
    ODD["jpeg-fill-bytes"] = plain[:start] + b"\xff" * 20 + plain[start:], None
    ODD["jpeg-bytes-after-the-end"] = plain + b"trailing" * 50, None
    ODD["jpeg-unknown-app"] = plain[:2] + segment(0xE9, bytes(60000)) + plain[2:], None
    ODD["jpeg-jfif-lies"] = (
        plain[:2] + segment(0xE0, b"JFIF\0\xff\xff\xff\xff\xff\xff\xff\xff\xff") + plain[start:],
        None,
    )
    for number, text in enumerate(ARITHMETIC):
        ODD[f"jpeg-arithmetic-{number}"] = base64.b64decode(text), None
    # As in AVI files, where the usual tables are understood.
    ODD["jpeg-without-huffman-tables"] = (plain[: plain.index(b"\xff\xc4")] + plain[scan:], None)
    previews = [Image.fromarray(smooth(seed=seed)) for seed in range(2)]
    ODD["mpo"] = _saved(previews[0], "MPO", save_all=True, append_images=previews[1:]), None
    head = lambda change: plain[: frame + 4] + change + plain[frame + 4 + len(change) :]
    BROKEN.update(
        {
            f"jpeg-cut-{end}": plain[:end]
            for end in (
                2,
                3,
                start + 9,
                frame + 3,
                frame + 9,
                scan,
                scan + 4,
                scan + 14,
                (scan + len(plain)) // 2,
                len(plain) - 2,
                len(plain) - 1,
            )
        }
        | {
            "jpeg-12-bit": head(b"\x0c"),
            "jpeg-16-bit": head(b"\x10"),
            "jpeg-no-height": head(b"\x08\0\0"),
            "jpeg-no-width": head(b"\x08\0\x20\0\0"),
        }
        | {
            "jpeg-5-components": head(b"\x08\0\x20\0\x28\x05"),
            "jpeg-no-components": head(b"\x08\0\x20\0\x28\0"),
            "jpeg-sampling-0": head(b"\x08\0\x20\0\x28\x03\x01\0"),
        }
        | {
            "jpeg-table-missing": plain[:start] + plain[frame:],
            "jpeg-scan-missing": plain[:scan] + b"\xff\xd9",
            "jpeg-frame-missing": plain[:frame] + plain[frame + 19 :],
        }
        | {
            f"jpeg-sof-{kind:x}": plain[: frame + 1] + bytes([kind]) + plain[frame + 2 :]
            for kind in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)
        }
        | {"jpeg-segment-too-long": plain[:2] + b"\xff\xe1\xff\xff" + plain[2:]}
    )


def _tiff():
    colours, gray, deep = smooth(), smooth(1), smooth(3, top=65535)
    picture = Image.fromarray(colours)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "zstd", "lzma"):
        ODD[f"tiff-{compression}"] = _saved(picture, "TIFF", compression=compression), colours
    for compression in ("group3", "group4", "tiff_ccitt", "raw", "packbits"):
        bits = Image.fromarray((gray[..., 0] > 127).astype(np.uint8) * 255).convert("1")
        ODD[f"tiff-1-bit-{compression}"] = (
            _saved(bits, "TIFF", compression=compression),
            (gray > 127).astype(np.uint8) * 255,
        )
    for mode in ("L", "LA", "P", "RGBA", "CMYK", "LAB", "YCbCr"):
        source = Image.new(mode, (40, 32), 77) if mode == "LAB" else picture.convert(mode)
        ODD[f"tiff-mode-{mode}"] = (
            _saved(source, "TIFF"),
            np.asarray(source).reshape(32, 40, -1) if mode in ("L", "LA", "RGBA") else None,
        )
    ODD["tiff-jpeg"] = _saved(picture, "TIFF", compression="jpeg"), None
    ODD["tiff-big"] = _saved(picture, "TIFF", big_tiff=True), colours

    def written(samples, **options):
        file = io.BytesIO()
        tifffile.imwrite(file, samples, **options)
        return file.getvalue()

    for order, big in itertools.product("<>", (False, True)):
        options = {"byteorder": order, "bigtiff": big}
        if (order, big) == (">", True):  # Pillow takes its header for that of a small one
            BROKEN["tiff-big-of-another-order"] = written(colours, photometric="rgb", **options)
            continue
        ODD[f"tiff-8-{order}{big}"] = written(colours, photometric="rgb", **options), colours
        ODD[f"tiff-16-{order}{big}"] = written(deep, photometric="rgb", **options), deep
        ODD[f"tiff-16-gray-{order}{big}"] = written(deep[..., 0], photometric="minisblack", **options), deep[..., :1]
    ODD["tiff-predictor-8"] = written(colours, photometric="rgb", compression="zlib", predictor=True), colours
    ODD["tiff-predictor-16"] = written(deep, photometric="rgb", compression="zlib", predictor=True), deep
    ODD["tiff-tiled-with-edges"] = written(colours, photometric="rgb", tile=(16, 16)), colours
    ODD["tiff-many-strips"] = written(colours, photometric="rgb", rowsperstrip=1), colours
    ODD["tiff-planes-8"] = written(np.moveaxis(colours, 2, 0), photometric="rgb", planarconfig="separate"), colours
    ODD["tiff-white-is-zero"] = written(gray[..., 0], photometric="miniswhite"), 255 - gray
    ODD["tiff-lossless-alpha"] = (
        written(np.dstack([colours, gray]), photometric="rgb", extrasamples=["unassalpha"]),
        np.dstack([colours, gray]),
    )
    ODD["tiff-extra-unspecified"] = (
        written(np.dstack([colours, gray]), photometric="rgb", extrasamples=["unspecified"]),
        None,
    )
    ODD["tiff-preview-after"] = _pages(colours, 0, 1), colours
    upright = {
        1: colours,
        2: colours[:, ::-1],
        3: colours[::-1, ::-1],
        4: colours[::-1],
        6: np.rot90(colours, -1),
        8: np.rot90(colours),
    }
    upright |= {5: colours.transpose(1, 0, 2), 7: colours[::-1, ::-1].transpose(1, 0, 2)}
    for orientation, shown in upright.items():
        ODD[f"tiff-orientation-{orientation}"] = (
            written(colours, photometric="rgb", extratags=[(274, 3, 1, orientation, True)]),
            shown,
        )
    plain = written(colours, photometric="rgb", metadata=None)

    def retagged(tag, value, kind=None, count=None):
        """The plain file with another value in a directory entry."""
        data = bytearray(plain)
        (place,) = struct.unpack_from("<I", data, 4)
        for entry in range(place + 2, place + 2 + 12 * struct.unpack_from("<H", data, place)[0], 12):
            if struct.unpack_from("<H", data, entry)[0] == tag:
                struct.pack_into(
                    "<HI",
                    data,
                    entry + 2,
                    kind or struct.unpack_from("<H", data, entry + 2)[0],
                    count or struct.unpack_from("<I", data, entry + 4)[0],
                )
                struct.pack_into("<I", data, entry + 8, value)
                return bytes(data)
        raise KeyError(tag)

    ODD["tiff-strip-length-lies"], ODD["tiff-directory-is-itself"] = (
        (retagged(279, 10), colours),
        (_looped(plain), colours),
    )
    BROKEN.update(
        {
            "tiff-pages": _pages(colours, 0, 0),
            "tiff-preview-first": _pages(colours, 1, 0),
            "tiff-planes-16": written(np.moveaxis(deep, 2, 0), photometric="rgb", planarconfig="separate"),
        }
        | {
            "tiff-float": written(colours.astype(np.float32), photometric="rgb"),
            "tiff-float-gray": written(gray[..., 0].astype(np.float32)),
            "tiff-64-bit": written(gray[..., 0].astype(np.uint64)),
        }
        | {
            "tiff-float-16": written(gray[..., 0].astype(np.float16)),
            "tiff-double": written(gray[..., 0].astype(np.float64)),
            "tiff-complex": written(gray[..., 0].astype(np.complex64)),
        }
        | {
            "tiff-8-samples": written(
                np.dstack([colours, colours, gray, gray]), photometric="minisblack", planarconfig="contig"
            )
        }
        | {
            "tiff-no-width": retagged(256, 0),
            "tiff-no-height": retagged(257, 0),
            "tiff-wider": retagged(256, 400),
            "tiff-higher": retagged(257, 3200),
        }
        | {
            "tiff-compression-99": retagged(259, 99),
            "tiff-photometric-99": retagged(262, 99),
            "tiff-strip-beyond": retagged(273, 10**8),
        }
        | {
            "tiff-0-samples": retagged(277, 0),
            "tiff-9-samples": retagged(277, 9),
            "tiff-width-a-string": retagged(256, 40, 2),
        }
        | {
            "tiff-directory-beyond": plain[:4] + struct.pack("<I", 10**8) + plain[8:],
            "tiff-no-directory": plain[:4] + bytes(4),
            "tiff-directory-of-0": plain[:4] + struct.pack("<I", 8) + bytes(6),
        }
        | {"tiff-half": plain[: len(plain) // 2], "tiff-header-only": plain[:8]}
    )


def _pages(samples, *subfiles):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for number, subfile in enumerate(subfiles):
            writer.write(samples[number:], photometric="rgb", subfiletype=subfile)
    return file.getvalue()


def _looped(plain):
    """Whose next directory is the first once more."""
    data = bytearray(plain)
    (place,) = struct.unpack_from("<I", data, 4)
    struct.pack_into("<I", data, place + 2 + 12 * struct.unpack_from("<H", data, place)[0], place)
    return bytes(data)


def _gif():
    palette = Image.fromarray(smooth()).quantize(16)
    shown = np.asarray(palette.convert("RGB"))
    for name, options in {
        "plain": {},
        "interlaced": {"interlace": True},
        "not-interlaced": {"interlace": False},
        "comment": {"comment": b"x" * 2000},
    }.items():
        ODD[f"gif-{name}"] = _saved(palette, "GIF", **options), shown
    alpha = np.where(np.asarray(palette) == 3, 0, 255)
    ODD["gif-transparent"] = _saved(palette, "GIF", transparency=3), np.dstack([shown, alpha]).astype(np.uint8)
    ODD["gif-gray"] = _saved(Image.fromarray(smooth(1)[..., 0]), "GIF"), smooth(1).repeat(3, 2)
    ODD["gif-1-bit"] = _saved(Image.fromarray(smooth(1)[..., 0] > 127), "GIF"), None
    plain = ODD["gif-plain"][0]
    descriptor = plain.index(b",\0\0\0\0")
    frames = [Image.fromarray(smooth(seed=seed)).quantize(16) for seed in range(3)]
    BROKEN.update(
        {
            f"gif-cut-{end}": plain[:end]
            for end in (6, 10, 13, 20, descriptor, descriptor + 5, descriptor + 12, len(plain) // 2, len(plain) - 3)
        }
        | {
            "gif-animated": _saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
            "gif-no-frame": plain[:descriptor] + b";",
        }
        | {
            "gif-no-size": plain[:6] + bytes(4) + plain[10:descriptor] + b",\0\0\0\0\0\0\0\0\0\2\0;",
            "gif-version": b"GIF90z" + plain[6:],
        }
        | {"gif-code-size-13": plain[: descriptor + 10] + b"\x0d" + plain[descriptor + 11 :]}
    )


def _bmp():
    colours = smooth()
    ODD["bmp-24"] = _saved(Image.fromarray(colours), "BMP"), colours
    ODD["bmp-32"] = _saved(Image.fromarray(np.dstack([colours, smooth(1)])), "BMP"), None
    ODD["bmp-8"] = _saved(Image.fromarray(smooth(1)[..., 0]), "BMP"), smooth(1)
    bits = (smooth(1) > 127).astype(np.uint8) * 255
    ODD["bmp-1"] = _saved(Image.fromarray(bits[..., 0]).convert("1"), "BMP"), bits
    palette = noise((16, 3), 255).astype(np.uint8)
    levels = noise((8, 8), 15).astype(np.uint8)
    quads = np.concatenate([palette[:, ::-1], np.zeros((16, 1), np.uint8)], 1).tobytes()
    start = lambda size, body: b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, size)
    info = lambda width, height, depth, compression=0, count=0: struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, depth, compression, 0, 2835, 2835, count, 0
    )
    packed = (levels[:, ::2] << 4 | levels[:, 1::2]).astype(np.uint8)
    ODD["bmp-4"] = start(118, b"") + info(8, 8, 4, 0, 16) + quads + packed[::-1].tobytes(), palette[levels]
    ODD["bmp-4-top-down"] = start(118, b"") + info(8, -8, 4, 0, 16) + quads + packed.tobytes(), palette[levels]
    runs = b"".join(bytes([1, value]) for value in levels[0]) + b"\0\0"
    rle = b"".join(b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in levels[::-1]) + b"\0\1"
    ODD["bmp-rle-8"] = start(118, b"") + info(8, 8, 8, 1, 16) + quads + rle, palette[levels]
    five = noise((8, 8, 3), 31)
    words = (five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]).astype("<u2")
    ODD["bmp-16-555"] = start(54, b"") + info(8, 8, 16) + words[::-1].tobytes(), None
    os2 = b"BM" + struct.pack("<IHHI", 0, 0, 0, 26 + 48) + struct.pack("<IHHHH", 12, 8, 8, 1, 4)
    ODD["bmp-os2"] = os2 + np.ascontiguousarray(palette[:, ::-1]).tobytes() + packed[::-1].tobytes(), palette[levels]
    plain = ODD["bmp-24"][0]
    BROKEN.update(
        {f"bmp-cut-{end}": plain[:end] for end in (2, 14, 20, 53, 54, len(plain) // 2)}
        | {
            "bmp-depth-3": plain[:28] + b"\3" + plain[29:],
            "bmp-compression-9": plain[:30] + b"\x09" + plain[31:],
            "bmp-header-of-7": plain[:14] + b"\7" + plain[15:],
        }
        | {
            "bmp-no-width": plain[:18] + bytes(4) + plain[22:],
            "bmp-offset-beyond": plain[:10] + b"\xff\xff\xff\x7f" + plain[14:],
            "bmp-jpeg-inside": plain[:30] + b"\4" + plain[31:],
        }
        | {"bmp-rle-cut": start(118, b"") + info(8, 8, 8, 1, 16) + quads + runs}
    )


def _modern():
    colours, alpha = smooth(), np.dstack([smooth(), smooth(1)])
    picture, clear = Image.fromarray(colours), Image.fromarray(alpha)
    frames = [Image.fromarray(smooth(seed=seed)) for seed in range(3)]
    exif = Image.Exif()
    exif[0x0112] = 6
    for format, lossless in (
        ("WEBP", {"lossless": True, "exact": True}),
        ("AVIF", None),
        ("JPEG2000", {"irreversible": False}),
    ):
        name = format.lower()
        ODD[f"{name}-lossy"], ODD[f"{name}-alpha"] = (
            (_saved(picture, format), None),
            (_saved(clear, format), alpha if format == "JPEG2000" else None),
        )
        if lossless:
            ODD[f"{name}-lossless"] = _saved(picture, format, **lossless), colours
        if format != "JPEG2000":
            ODD[f"{name}-metadata"] = _saved(picture, format, exif=exif, icc_profile=SRGB, xmp=b"<x/>"), None
            BROKEN[f"{name}-animated"] = _saved(frames[0], format, save_all=True, append_images=frames[1:])
        data = ODD[f"{name}-lossy"][0]
        BROKEN.update(
            {
                f"{name}-cut-{end}": data[:end]
                for end in (12, 15, 16, 25, 40, len(data) // 4, len(data) // 2, len(data) - 5)
            }
        )
        BROKEN[f"{name}-random"] = data[:16] + np.random.default_rng(1).bytes(300)
    ODD["avif-gray"] = _saved(Image.fromarray(smooth(1)[..., 0]), "AVIF"), None
    ODD["jpeg2000-codestream"] = _saved(picture, "JPEG2000", no_jp2=True), colours
    ODD["jpeg2000-gray"] = _saved(Image.fromarray(smooth(1)[..., 0]), "JPEG2000"), smooth(1)
    ODD["jpeg2000-tiles"] = _saved(picture, "JPEG2000", tile_size=(16, 16)), colours
    deep = smooth(1, top=65535)
    ODD["jpeg2000-16"] = _saved(Image.fromarray(deep[..., 0]), "JPEG2000"), deep
    ODD["png-16-gray-alpha"] = png(noise((9, 7, 2), 65535), 16, 4), noise((9, 7, 2), 65535).astype(np.uint16)
    rows, columns = 6, 5
    ODD["ppm-p1"] = (
        b"P1\n# a comment\n5 6\n" + b"1 0 1 0 1\n" * 6,
        np.tile(np.array([0, 255, 0, 255, 0], np.uint8)[:, None], (6, 1, 1)),
    )
    ODD["ppm-p2"] = b"P2 5 6 9\n" + b"0 1 2 3 9 " * 6, None
    ODD["ppm-p3"] = b"P3 1 2 255 1 2 3 4 5 6", np.array([[[1, 2, 3]], [[4, 5, 6]]], np.uint8)
    ODD["ppm-p4"] = b"P4 5 6\n" + b"\xa8" * 6, np.tile(np.array([0, 255, 0, 255, 0], np.uint8)[:, None], (6, 1, 1))
    ODD["ppm-p5"] = (
        b"P5\n5\n# between\n6\n255\n" + bytes(range(30)),
        np.arange(30, dtype=np.uint8).reshape(rows, columns, 1),
    )
    ODD["ppm-p6-16"] = b"P6 1 1 65535\n\x01\x02\x03\x04\x05\x06", np.array([[[0x102, 0x304, 0x506]]], np.uint16)
    BROKEN.update(
        {
            "ppm-cut": b"P5 5 6 255\n" + bytes(29),
            "ppm-no-maximum": b"P5 5 6 0\n" + bytes(30),
            "ppm-maximum-65536": b"P5 5 6 65536\n" + bytes(60),
            "ppm-no-width": b"P5 0 6 255\n",
        }
        | {
            "ppm-words": b"P6 five six 255\n",
            "ppm-negative": b"P5 -5 6 255\n" + bytes(30),
            "ppm-long-token": b"P5 " + b"1" * 5000 + b" 6 255\n",
            "ppm-p2-cut": b"P2 5 6 9\n1 2 3",
        }
        | {
            "ppm-p3-too-large": b"P3 1 1 9 1 2 10",
            "pfm": b"Pf 1 1 -1.0\n" + bytes(4),
            "ppm-p9": b"P9 1 1 1\n0",
            "ppm-comment-for-ever": b"P5 #" + b"x" * 5000,
        }
        | {
            "empty": b"",
            "one-byte": b"\x89",
            "text": b"no picture\n" * 99,
            "zeros": bytes(5000),
            "ones": b"\xff" * 5000,
            "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        }
        | {
            "ico": _saved(picture, "ICO"),
            "tga": _saved(picture, "TGA"),
            "pdf": _saved(picture, "PDF"),
            "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
            "html": b"<!doctype html><title>404</title>",
        }
        | {"qoi-cut": b"qoif" + struct.pack(">IIBB", 9, 9, 3, 0) + bytes(5)}
    )


for _make in (_png_basics, _png_sizes, _png_transparency, _png_chunks, _png_broken, _jpeg, _tiff, _gif, _bmp, _modern):
    _make()
