"""Odd and broken picture files, made here: every class that PngSuite has and more, and the like of JPEG, TIFF, GIF,
BMP, WebP, AVIF and PPM, those of PNG in `odd_png`, of JPEG and TIFF in `odd_jpeg_tiff`.

`ODD` and `BROKEN` map names to files. An odd file must load, with the samples given where its format is lossless; a
broken one must be refused.
"""

import struct

import numpy as np
import odd_jpeg_tiff  # noqa: F401  fills the two
import odd_png  # noqa: F401  fills the two
from odd_files import BROKEN, ODD, SRGB, noise, png, saved, smooth
from PIL import Image


def _gif():
    palette = Image.fromarray(smooth()).quantize(16)
    shown = np.asarray(palette.convert("RGB"))
    for name, options in {
        "plain": {},
        "interlaced": {"interlace": True},
        "not-interlaced": {"interlace": False},
        "comment": {"comment": b"x" * 2000},
    }.items():
        ODD[f"gif-{name}"] = saved(palette, "GIF", **options), shown
    alpha = np.where(np.asarray(palette) == 3, 0, 255)
    ODD["gif-transparent"] = saved(palette, "GIF", transparency=3), np.dstack([shown, alpha]).astype(np.uint8)
    ODD["gif-gray"] = saved(Image.fromarray(smooth(1)[..., 0]), "GIF"), smooth(1).repeat(3, 2)
    ODD["gif-1-bit"] = saved(Image.fromarray(smooth(1)[..., 0] > 127), "GIF"), None
    plain = ODD["gif-plain"][0]
    descriptor = plain.index(b",\0\0\0\0")
    frames = [Image.fromarray(smooth(seed=seed)).quantize(16) for seed in range(3)]
    BROKEN.update(
        {
            f"gif-cut-{end}": plain[:end]
            for end in (6, 10, 13, 20, descriptor, descriptor + 5, descriptor + 12, len(plain) // 2, len(plain) - 3)
        }
        | {
            "gif-animated": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
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
    ODD["bmp-24"] = saved(Image.fromarray(colours), "BMP"), colours
    ODD["bmp-32"] = saved(Image.fromarray(np.dstack([colours, smooth(1)])), "BMP"), None
    ODD["bmp-8"] = saved(Image.fromarray(smooth(1)[..., 0]), "BMP"), smooth(1)
    bits = (smooth(1) > 127).astype(np.uint8) * 255
    ODD["bmp-1"] = saved(Image.fromarray(bits[..., 0]).convert("1"), "BMP"), bits
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
            (saved(picture, format), None),
            (saved(clear, format), alpha if format == "JPEG2000" else None),
        )
        if lossless:
            ODD[f"{name}-lossless"] = saved(picture, format, **lossless), colours
        if format != "JPEG2000":
            ODD[f"{name}-metadata"] = saved(picture, format, exif=exif, icc_profile=SRGB, xmp=b"<x/>"), None
            BROKEN[f"{name}-animated"] = saved(frames[0], format, save_all=True, append_images=frames[1:])
        data = ODD[f"{name}-lossy"][0]
        BROKEN.update(
            {
                f"{name}-cut-{end}": data[:end]
                for end in (12, 15, 16, 25, 40, len(data) // 4, len(data) // 2, len(data) - 5)
            }
        )
        BROKEN[f"{name}-random"] = data[:16] + np.random.default_rng(1).bytes(300)
    ODD["avif-gray"] = saved(Image.fromarray(smooth(1)[..., 0]), "AVIF"), None
    ODD["jpeg2000-codestream"] = saved(picture, "JPEG2000", no_jp2=True), colours
    ODD["jpeg2000-gray"] = saved(Image.fromarray(smooth(1)[..., 0]), "JPEG2000"), smooth(1)
    ODD["jpeg2000-tiles"] = saved(picture, "JPEG2000", tile_size=(16, 16)), colours
    deep = smooth(1, top=65535)
    ODD["jpeg2000-16"] = saved(Image.fromarray(deep[..., 0]), "JPEG2000"), deep
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
            "ico": saved(picture, "ICO"),
            "tga": saved(picture, "TGA"),
            "pdf": saved(picture, "PDF"),
            "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
            "html": b"<!doctype html><title>404</title>",
        }
        | {"qoi-cut": b"qoif" + struct.pack(">IIBB", 9, 9, 3, 0) + bytes(5)}
    )


for _make in (_gif, _bmp, _modern):
    _make()
