"""The 16-bit formats Pillow has no mode for: reads PNG, TIFF and PPM at full depth and writes PNG, TIFF and PPM; `image` calls it.

Pillow keeps 8 bits of 16-bit colour, but its decoders can be asked for either byte of a sample. So a file is decoded twice, once
for the high and once for the low bytes, and every compression, predictor, tiling and interlace Pillow knows works at full depth.
"""

import struct
import sys
import zlib

import numpy as np
from PIL import TiffImagePlugin

from . import metadata, pil
from .errors import BadImage

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type (gray, RGB, palette, gray + alpha, RGBA): samples per pixel
PNG_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}  # of the types with a capital first letter, which no reader may skip
PNG_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # Adam7: x, y, steps
PNG_AVERAGE = 3  # filter type: of the five the smallest files on 16-bit photographs, and whole rows at once in numpy
PNG_LEVEL = 3  # zlib: 5 % larger than level 6 in a third of the time
PNG_BLOCK = 1 << 18  # bytes inflated at a time, which bounds the memory
PNG_ROWS = 64  # filtered and deflated at a time, which bounds the memory


def png_header(file):
    """(width, height, bit depth, colour type, interlaced) as a PNG begins with them; raises BadImage for another file."""
    file.seek(0)
    head = file.read(33)
    if head[:16] != PNG_SIGNATURE + b"\0\0\0\rIHDR" or len(head) < 33:
        raise BadImage("the picture is not a PNG file, or has a broken header")
    if head[26:28] != b"\0\0" or head[28] > 1:
        raise BadImage("the picture is a PNG file with a compression, filtering or interlacing that is not known")
    return struct.unpack(">IIBBxx?", head[16:29])


def check_png(file):
    """Checks what Pillow does not: the CRC-32 of every chunk up to the last, and that the data suffice for all pixels.

    Decodes no pixel, but inflates as many bytes as the header asks for: check the size first. Returns the set of chunk types,
    leaves `file` after the last chunk; raises BadImage.
    """
    width, height, depth, colour, interlaced = png_header(file)
    missing = _png_bytes(width, height, depth * PNG_SAMPLES.get(colour, 0), interlaced)
    inflate = zlib.decompressobj()
    size = file.seek(0, 2)
    file.seek(len(PNG_SIGNATURE))
    kinds = set()
    while b"IEND" not in kinds:
        head = file.read(8)
        length, kind = struct.unpack(">I4s", head) if len(head) == 8 else (0, b"")
        if len(head) < 8 or length + 4 > size - file.tell():
            raise BadImage("the picture is a truncated PNG file")
        data = file.read(length)
        if file.read(4) != struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))):
            raise BadImage("the picture is a broken PNG file (a checksum is wrong)")
        if kind == b"IHDR" and kinds:
            raise BadImage("the picture is a broken PNG file (it has two headers)")
        if not kind[0] & 32 and kind not in PNG_CRITICAL:
            raise BadImage(f"the picture is a PNG file with a kind of data that is not known ({ascii(kind.decode('latin-1'))})")
        if kind == b"IDAT" and colour == 3 and b"PLTE" not in kinds:
            raise BadImage("the picture is a broken PNG file (it has no palette)")
        kinds.add(kind)
        try:
            for start in range(0, len(data) if kind == b"IDAT" else 0, PNG_BLOCK):
                block = data[start : start + PNG_BLOCK]
                while block and missing > 0 and not inflate.eof:
                    missing -= len(inflate.decompress(block, PNG_BLOCK))
                    block = inflate.unconsumed_tail
        except zlib.error as error:
            raise BadImage("the picture is a broken PNG file (its pixels cannot be inflated)") from error
    if missing > 0:
        raise BadImage(f"the picture is a truncated PNG file ({missing} bytes of pixels are missing)")
    return kinds


def _png_bytes(width, height, bits, interlaced):
    """Inflated size of a PNG's pixels: in each pass, each row has a filter type and whole bytes."""
    rows = 0
    for left, top, across, down in PNG_PASSES if interlaced else ((0, 0, 1, 1),):
        columns, lines = -((left - width) // across), -((top - height) // down)
        rows += lines * (1 + (columns * bits + 7) // 8) if columns > 0 else 0
    return rows


def read(file, image):
    """Samples [H, W, 1..4] uint16 (uint8 from a PPM that needs no more) of the opened but not yet decoded `image`, or None when
    Pillow itself reads all of its bits.

    `file` is the seekable binary file under it. Decodes `image` too, unless it is a PPM; raises BadImage for what it cannot read.
    """
    if image.format not in ("PNG", "TIFF", "PPM") or not image.tile:
        return None
    codec, _, offset, arguments = image.tile[0]
    rawmode = arguments if isinstance(arguments, str) else arguments[0]
    if image.format == "PPM" and codec == "ppm":
        return _read_ppm(file, image, offset, arguments[1])
    if image.format == "TIFF" and image.mode.startswith("I;16"):
        return _read_gray_tiff(image, rawmode)
    if image.mode not in ("RGB", "RGBA"):
        return None
    if image.format == "TIFF" and image.tag_v2.get(284) == 2 and max(image.tag_v2.get(258, (8,))) > 8:
        raise BadImage("the picture is a TIFF file that keeps 16-bit colours in separate planes, which is not supported")
    if rawmode == "LA;16B":  # as many bytes per pixel as RGBA
        return _decode(image, "RGBA").view(">u2").astype(np.uint16)
    layout, deep, order = rawmode.partition(";16")
    if not deep:
        return None
    high = {"N": {"little": "L", "big": "B"}[sys.byteorder]}.get(order, order)  # libtiff hands out native order
    low = "BL"[high == "B"]
    plain = "RGBA" if layout == "RGBa" else layout
    samples = _decode(image, f"{plain};16{high}").astype(np.uint16) << 8
    samples |= _decode(pil.reopen(image, file), f"{plain};16{low}")
    if layout == "RGBa":  # colours are stored multiplied by alpha
        alpha = samples[..., 3:].astype(np.uint32)
        colours = (samples[..., :3].astype(np.uint32) * 65535 + alpha // 2) // np.maximum(alpha, 1)
        samples[..., :3] = np.minimum(colours, 65535)
    return samples


def _decode(image, rawmode):
    """Decodes with `rawmode` in place of the file's own; [H, W, C] uint8."""
    image.tile = [
        tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *tile.args[1:])) for tile in image.tile
    ]
    return np.asarray(pil.decode(image))


def _read_gray_tiff(image, rawmode):
    """16-bit and 12-bit gray, whose white level and polarity Pillow leaves as they are in the file."""
    samples = np.asarray(pil.decode(image)).astype(np.uint16)[..., None]
    if rawmode == "I;12":
        samples = samples << 4 | samples >> 8
    return ~samples if image.tag_v2.get(262, 0) == 0 else samples


def _read_ppm(file, image, offset, maximum):
    """Binary PGM and PPM with any maximum, scaled to 8 or 16 bits; uint8 where that holds it."""
    stored, full = (">u2", 65535) if maximum > 255 else ("u1", 255)
    shape = (image.height, image.width, 3 if image.mode == "RGB" else 1)
    file.seek(offset)
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(stored).itemsize
    data = file.read(size)
    if len(data) < size:
        raise BadImage(f"the picture is a truncated PPM file ({size} bytes of pixels expected, {len(data)} there)")
    samples = np.minimum(np.frombuffer(data, stored).reshape(shape), maximum).astype(np.uint32)
    return ((samples * full + maximum // 2) // maximum).astype(np.uint16 if full > 255 else np.uint8)


def write_png(file, samples, icc=None, exif=None, xmp=None):
    """Writes samples [H, W, 1..4] uint16 as a PNG with its metadata; `exif` is the bare TIFF block."""
    height, width, channels = samples.shape

    def chunk(kind, data):
        file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))

    file.write(PNG_SIGNATURE)
    chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0))
    if icc:
        chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if exif:
        chunk(b"eXIf", exif)
    if xmp:
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    deflate = zlib.compressobj(PNG_LEVEL)
    pixel = 2 * channels  # bytes
    above = np.zeros((1, width * pixel), np.uint8)
    for top in range(0, height, PNG_ROWS):
        rows = np.ascontiguousarray(samples[top : top + PNG_ROWS], ">u2").view(np.uint8).reshape(-1, width * pixel)
        above = np.concatenate([above[-1:], rows])
        left = np.pad(rows, ((0, 0), (pixel, 0)))[:, :-pixel]
        up = above[:-1]
        filtered = np.full((len(rows), 1 + width * pixel), PNG_AVERAGE, np.uint8)
        filtered[:, 1:] = rows - ((left >> 1) + (up >> 1) + (left & up & 1))  # floor((left + up) / 2) within 8 bits
        if data := deflate.compress(filtered):
            chunk(b"IDAT", data)
    chunk(b"IDAT", deflate.flush())
    chunk(b"IEND", b"")


def write_tiff(file, samples, alpha, icc=None, exif=None, xmp=None):
    """Writes samples [H, W, 1..4] uint8 or uint16, the last one being alpha if `alpha`, as an uncompressed TIFF with its metadata."""
    if samples.shape[2] == 2 and samples.dtype == np.uint16:
        samples = samples[..., [0, 0, 0, 1]]  # Pillow and others, this module too, read no 16-bit gray with alpha
    height, width, channels = samples.shape
    data = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    directory = TiffImagePlugin.ImageFileDirectory_v2()  # little-endian
    for tag, value in (exif and metadata.describe(exif) or {}).items():
        directory[tag] = value
    directory[256], directory[257] = width, height
    directory[258] = (8 * samples.itemsize,) * channels
    directory[259], directory[284] = 1, 1  # no compression, samples side by side
    directory[262] = 2 if channels > 2 else 1  # RGB, or gray where 0 is black
    directory[273], directory[278], directory[279] = 0, height, len(data)  # one strip; the writer adds its offset to the 0
    directory[277] = channels
    if alpha:
        directory[338] = 2  # not multiplied into the colours
    if icc:
        directory[34675] = icc
    if xmp:
        directory[700] = xmp
    directory.save(file)
    file.write(data)


def write_ppm(file, samples):
    """Writes samples [H, W, 1 or 3] uint16 as PGM or PPM."""
    height, width, channels = samples.shape
    file.write(b"P%d\n%d %d\n65535\n" % (6 if channels == 3 else 5, width, height))
    file.write(samples.astype(">u2").tobytes())
