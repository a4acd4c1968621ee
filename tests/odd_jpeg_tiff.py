"""Odd and broken JPEG and TIFF files, by their writers and by hand."""

import base64
import io
import itertools
import struct

import numpy as np
import tifffile
from odd_files import BROKEN, ODD, SRGB, saved, smooth
from PIL import Image

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


def segment(marker, data):
    return bytes([255, marker]) + struct.pack(">H", len(data) + 2) + data


def _jpeg():
    picture = Image.fromarray(smooth())
    plain = saved(picture, "JPEG", quality=95)
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
        ODD[f"jpeg-{name}"] = saved(picture, "JPEG", **options), None
    for mode in ("L", "CMYK", "YCbCr", "1"):
        ODD[f"jpeg-{mode}"] = saved(picture.convert(mode), "JPEG"), None
    cmyk = saved(picture.convert("CMYK"), "JPEG", quality=95)
    adobe = cmyk.index(b"Adobe")
    ODD["jpeg-cmyk-without-adobe"] = cmyk[: adobe - 4] + cmyk[adobe + 12 :], None
    ODD["jpeg-ycck"] = cmyk[: adobe + 11] + b"\2" + cmyk[adobe + 12 :], None
    ODD["jpeg-adobe-rgb-transform"] = plain[:start] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\0") + plain[start:], None
    for orientation in (0, 1, 3, 6, 8, 9, 65535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        ODD[f"jpeg-orientation-{orientation}"] = saved(picture, "JPEG", exif=exif), None
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
    ODD["jpeg-icc-3-mib"] = saved(picture, "JPEG", icc_profile=bytes(huge)), None
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
    ODD["mpo"] = saved(previews[0], "MPO", save_all=True, append_images=previews[1:]), None
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
        ODD[f"tiff-{compression}"] = saved(picture, "TIFF", compression=compression), colours
    for compression in ("group3", "group4", "tiff_ccitt", "raw", "packbits"):
        bits = Image.fromarray((gray[..., 0] > 127).astype(np.uint8) * 255).convert("1")
        ODD[f"tiff-1-bit-{compression}"] = (
            saved(bits, "TIFF", compression=compression),
            (gray > 127).astype(np.uint8) * 255,
        )
    for mode in ("L", "LA", "P", "RGBA", "CMYK", "LAB", "YCbCr"):
        source = Image.new(mode, (40, 32), 77) if mode == "LAB" else picture.convert(mode)
        ODD[f"tiff-mode-{mode}"] = (
            saved(source, "TIFF"),
            np.asarray(source).reshape(32, 40, -1) if mode in ("L", "LA", "RGBA") else None,
        )
    ODD["tiff-jpeg"] = saved(picture, "TIFF", compression="jpeg"), None
    ODD["tiff-big"] = saved(picture, "TIFF", big_tiff=True), colours

    def written(samples, **options):
        file = io.BytesIO()
        tifffile.imwrite(file, samples, **options)
        return file.getvalue()

    for order, big in itertools.product("<>", (False, True)):
        options = {"byteorder": order, "bigtiff": big}
        ODD[f"tiff-8-{order}{big}"] = written(colours, photometric="rgb", **options), colours
        ODD[f"tiff-16-{order}{big}"] = written(deep, photometric="rgb", **options), deep
        ODD[f"tiff-16-gray-{order}{big}"] = written(deep[..., 0], photometric="minisblack", **options), deep[..., :1]
    ODD["tiff-predictor-8"] = written(colours, photometric="rgb", compression="zlib", predictor=True), colours
    ODD["tiff-predictor-16"] = written(deep, photometric="rgb", compression="zlib", predictor=True), deep
    ODD["tiff-tiled-with-edges"] = written(colours, photometric="rgb", tile=(16, 16)), colours
    ODD["tiff-many-strips"] = written(colours, photometric="rgb", rowsperstrip=1), colours
    ODD["tiff-planes-8"] = written(np.moveaxis(colours, 2, 0), photometric="rgb", planarconfig="separate"), colours
    ODD["tiff-planes-16"] = written(np.moveaxis(deep, 2, 0), photometric="rgb", planarconfig="separate"), deep
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
        {"tiff-pages": _pages(colours, 0, 0), "tiff-preview-first": _pages(colours, 1, 0)}
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


for _make in (_jpeg, _tiff):
    _make()
