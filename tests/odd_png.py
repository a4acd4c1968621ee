"""Odd and broken PNG files, written by hand: an independent writer for every bit of the format."""

import itertools
import struct
import zlib

import numpy as np
from odd_files import BROKEN, ODD, SIGNATURE, SRGB, chunk, header, noise, png, saved
from PIL import Image

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type: samples per pixel
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


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
    BROKEN["apng"] = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])


for _make in (_png_basics, _png_sizes, _png_transparency, _png_chunks, _png_broken):
    _make()
