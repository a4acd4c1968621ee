"""Pictures in files of several formats, by other writers, for the tests of reading and writing."""

import io
import struct
import warnings
import zlib

import numpy as np
import png
from PIL import Image, ImageCms

from codec.pixels.write import save

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_ICC = SRGB[:16] + b"GRAY" + SRGB[20:]
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'


def photo(height, width, channels, depth=8, seed=0):
    """Smooth colours with some noise, [H, W, C]: compresses like a photograph."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = [0.5 + 0.3 * np.sin(7 * x + 5 * y * (c + 1) + c) for c in range(channels)]
    noise = np.random.default_rng(seed).normal(0, 0.02, (height, width, channels))
    return (np.clip(np.dstack(planes) + noise, 0, 1) * (2**depth - 1)).astype(f"u{depth // 8}")


def ramps():
    """A colour picture of 40 x 56 samples without noise."""
    y, x = np.mgrid[:40, :56]
    return np.dstack([x * 4, y * 5, x + y]).astype(np.uint8)


def exif(orientation=6, extra=()):
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x0100] = orientation, "Maker", 17  # phones write an ImageWidth here
    tags[0x8769] = {0x829D: 2.8, 0x9003: "2026:11:20 12:00:00"}
    tags[0x8825] = {1: "N", 2: (48.0, 12.0, 3.0)}
    return tags.tobytes()[6:]


def encoded(samples, format, **options):
    file = io.BytesIO()
    Image.fromarray(samples.squeeze()).save(file, format, **options)
    return file.getvalue()


def written(picture, suffix):
    """(the bytes of a file, what of the picture is not in it)."""
    file = io.BytesIO()
    notes = save(picture, file, suffix)
    return file.getvalue(), notes


def saved(picture, suffix):
    return written(picture, suffix)[0]


def png_file(samples, bitdepth, interlace=False, **options):
    height, width, channels = samples.shape
    file = io.BytesIO()
    writer = png.Writer(
        width,
        height,
        greyscale=channels < 3,
        alpha=channels in (2, 4),
        bitdepth=bitdepth,
        interlace=interlace,
        **options,
    )
    writer.write_array(file, samples.reshape(-1).tolist())
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def one_sentence(error):
    text = str(error)
    assert text and "\n" not in text and len(text) < 300 and not text.endswith("."), text
    return text


def samples_of(picture):
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])


def _png_of(source):
    file = io.BytesIO()
    source.save(file, "PNG")
    return file.getvalue()


def silence(capfd):
    """Nothing may be printed and no warning may get out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [str(warning.message) for warning in caught] == []
    assert capfd.readouterr() == ("", "")
