"""Pictures of every kind but TIFF, drawn at random: (what it is, file, samples [H, W, C] that it says, None where
Pillow has to say them).

PNG, PPM and BMP are written by hand, as no library writes all that may be read.
"""

import io
import struct

import numpy as np
from odd_files import chunk, png, saved
from odd_png import DEPTHS, SAMPLES, widened
from PIL import Image


class Drawer:
    """Draws from a seed: one of some values, sides, levels [H, W, C] up to a number in patterns or noise."""

    def __init__(self, *seed):
        self.rng = np.random.default_rng(seed)

    def pick(self, *values):
        return values[self.rng.integers(len(values))]

    def chance(self, share):
        return self.rng.random() < share

    def size(self, most=40):
        return tuple(int(side) for side in self.rng.integers(1, most, 2))

    def levels(self, height, width, channels, top):
        y, x = np.mgrid[:height, :width]
        slope = np.stack([(x * (3 + i) + y * (5 - i)) % (top + 1) for i in range(channels)], 2)
        noise = self.rng.integers(0, top + 1, slope.shape)
        striped = np.where(self.rng.random((height, width, 1)) < 0.5, slope, slope[:1, :1])
        return self.pick(slope, noise, striped)

    def palette(self, count):
        gray = np.linspace(0, 255, count).astype(np.uint8)[:, None].repeat(3, 1)
        return gray if self.chance(0.2) else self.rng.integers(0, 256, (count, 3)).astype(np.uint8)


def _png(draw):
    colour = draw.pick(*DEPTHS)
    depth, (height, width) = draw.pick(*DEPTHS[colour]), draw.size()
    levels, palette, before = draw.levels(height, width, SAMPLES[colour], 2**depth - 1), None, b""
    if colour == 3:
        count = int(draw.rng.integers(1, 2**depth + 1))
        levels, palette = levels % count, draw.palette(count)
        samples = palette[levels[..., 0]]
        if draw.chance(0.5):
            alpha = np.full(count, 255, np.uint8)
            some = draw.rng.integers(0, 256, draw.rng.integers(1, count + 1)).astype(np.uint8)
            some[0], alpha[: len(some)] = 0, some
            alpha[0], before = 0, chunk(b"tRNS", some.tobytes())
            samples = np.dstack([samples, alpha[levels[..., 0]]])
    else:
        samples = widened(levels, depth)
        if colour in (0, 2) and draw.chance(0.5):
            before = chunk(b"tRNS", levels[0, 0].astype(">u2").tobytes())
            seen = (levels != levels[0, 0]).any(2)
            samples = np.dstack([samples, seen * np.iinfo(samples.dtype).max]).astype(samples.dtype)
    filters, interlaced = tuple(draw.rng.integers(0, 5, 3)), draw.chance(0.5)
    file = png(levels, depth, colour, before, b"", interlaced, filters, 6, draw.pick(None, 7, 100), palette)
    return f"colour {colour}, {depth} bits{', interlaced' * interlaced}", file, samples


def _ppm(draw):
    kind, (height, width) = int(draw.rng.integers(1, 7)), draw.size(30)
    top = 1 if kind in (1, 4) else draw.pick(1, 2, 9, 100, 254, 255, 256, 300, 1023, 4095, 65534, 65535)
    levels = draw.levels(height, width, 3 if kind in (3, 6) else 1, top)
    space = lambda *more: draw.pick(b" ", b"\n", b"\t", b"\r\n", b" # 1 2 3\n", b"\n#\r", *more)
    head = [b"P%d" % kind, b"%d" % width, b"%d" % height, *([] if kind in (1, 4) else [b"%d" % top])]
    file = b"".join(word + space() for word in head[:-1]) + head[-1]
    if kind < 4:
        file += b"".join(
            (b"" if kind == 1 and i else space(*[b"#2\n"][:i])) + b"%d" % n for i, n in enumerate(levels.ravel())
        )
    elif kind == 4:
        file += b"\n" + np.packbits(levels[..., 0].astype(bool), axis=1).tobytes()
    else:
        file += draw.pick(b" ", b"\n") + levels.astype(">u2" if top > 255 else "u1").tobytes()
    full = 65535 if top > 255 else 255
    samples = (levels * full + top // 2) // top if kind not in (1, 4) else (1 - levels) * 255
    return f"P{kind} up to {top}", file, samples.astype(np.uint16 if full > 255 else np.uint8)


def _runs(draw, row, depth):
    """A row of a BMP in runs and stretches of numbers of 4 or 8 bits."""
    packed = lambda numbers: bytes(numbers) if depth == 8 else bytes(a << 4 | b for a, b in zip(*[iter(numbers)] * 2))
    out, place, row = b"", 0, row.tolist()
    while place < len(row):
        if draw.chance(0.5) or len(row) - place < 3:
            pair, count = (row[place : place + 2] * 2)[:2] if depth == 4 else row[place : place + 1] * 2, 1
            while place + count < len(row) and count < 255 and row[place + count] == pair[count % 2]:
                count += 1
            out += bytes([count]) + packed(pair[:1] if depth == 8 else pair)
        else:
            count = int(draw.rng.integers(3, min(255, len(row) - place) + 1))
            data = packed(row[place : place + count] + [0] * (count % 2 if depth == 4 else 0))
            out += bytes([0, count]) + data + bytes(len(data) % 2)
        place += count
    return out + b"\0\0"


# Bits per pixel, compression, masks of red, green, blue and alpha.
FIVES = (0x7C00, 0x3E0, 0x1F, 0)
MASKS = (
    (16, 0, FIVES),
    (16, 3, FIVES),
    (16, 3, (0xF800, 0x7E0, 0x1F, 0)),
    (32, 0, (0xFF0000, 0xFF00, 0xFF, 0)),
    (32, 3, (0xFF0000, 0xFF00, 0xFF, 0)),
    (32, 3, (0xFF000000, 0xFF0000, 0xFF00, 0)),
    (32, 3, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    (32, 3, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
)


def _bmp(draw):
    size, (height, width) = draw.pick(12, 40, 40, 64, 108, 124), draw.size(30)
    depth, compression, masks = draw.pick(1, 4, 8, 24), 0, (0,) * 4
    if size > 12 and size != 64 and draw.chance(0.4):
        depth, compression, masks = draw.pick(*(mask for mask in MASKS if size > 40 or not mask[2][3]))
    down, palette, table = size > 12 and draw.chance(0.3), None, b""
    if depth <= 8:
        palette = draw.palette(2**depth)
        numbers = draw.levels(height, width, 1, len(palette) - 1)[..., 0]
        samples, rows = palette[numbers], numbers
        table = np.pad(palette[:, ::-1], [(0, 0), (0, size > 12)]).tobytes()
        if depth in (4, 8) and size not in (12, 64) and not down and draw.chance(0.4):
            compression = {8: 1, 4: 2}[depth]
    elif depth == 24:
        samples = draw.levels(height, width, 3, 255).astype(np.uint8)
        rows = samples[..., ::-1]
    else:
        used = [mask for mask in masks if mask]
        shifts = [(mask & -mask).bit_length() - 1 for mask in used]
        tops = [mask >> shift for mask, shift in zip(used, shifts)]
        parts = [draw.rng.integers(0, top + 1, (height, width)) for top in tops]
        samples = np.dstack([part * 255 // top for part, top in zip(parts, tops)]).astype(np.uint8)
        rows = sum(part << shift for part, shift in zip(parts, shifts)).astype(f"<u{depth // 8}")
    body = b""
    for row in rows if down else rows[::-1]:
        if compression in (1, 2):
            body += _runs(draw, row, depth)
            continue
        if depth < 8:
            bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth :]
            row = np.packbits(bits.ravel())
        data = (row.astype(np.uint8) if depth <= 8 else row).tobytes()
        body += data + bytes(-len(data) % 4)
    body += b"\0\1" if compression in (1, 2) else b""
    head = struct.pack("<IHHHH", 12, width, height, 1, depth)
    if size > 12:
        sides = width, -height if down else height
        head = struct.pack("<IiiHHIIiiII", size, *sides, 1, depth, compression, len(body), 2835, 2835, 0, 0)
        if size > 64:
            head += struct.pack("<4I", *masks)
        head = head.ljust(size, b"\0") + (struct.pack("<3I", *masks[:3]) if size == 40 and compression == 3 else b"")
    start = 14 + len(head) + len(table) + (gap := draw.pick(0, 0, 4, 10))
    file = b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + head + table + bytes(gap) + body
    return f"header of {size}, {depth} bits, compression {compression}{', top-down' * down}", file, samples


def _jpeg(draw):
    mode, (height, width) = draw.pick("L", "RGB", "RGB", "CMYK"), draw.size(60)
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / 7 + i) + 20 * np.cos(y / 5) for i in range({"L": 1, "RGB": 3, "CMYK": 4}[mode])]
    options = {"quality": int(draw.rng.integers(5, 101)), "progressive": draw.chance(0.5)}
    if mode == "RGB":
        options |= draw.pick({"keep_rgb": True}, {"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2})
    if draw.chance(0.5):
        options |= {draw.pick("restart_marker_blocks", "restart_marker_rows"): draw.pick(1, 2, 5)}
    samples = np.dstack(waves).astype(np.uint8)
    file = saved(Image.fromarray(samples[..., 0] if mode == "L" else samples, mode), "JPEG", **options)
    return f"{mode} {options}", file, None


def _gif(draw):
    (height, width), palette = draw.size(30), draw.palette(int(draw.rng.integers(1, 257)))
    numbers = draw.levels(height, width, 1, len(palette) - 1)[..., 0].astype(np.uint8)
    image, options, samples = Image.fromarray(numbers, "P"), {"interlace": draw.pick(0, 1)}, palette[numbers]
    image.putpalette(palette.tobytes())
    if draw.chance(0.5):
        options |= {"transparency": int(numbers[0, 0]), "disposal": draw.pick(0, 1, 2, 3)}
        samples = np.dstack([samples, (numbers != numbers[0, 0]) * 255]).astype(np.uint8)
    return str(options), saved(image, "GIF", optimize=False, **options), samples


def _webp(draw):
    samples = draw.levels(*draw.size(), draw.pick(3, 4), 255).astype(np.uint8)
    lossless = draw.chance(0.7)
    file = saved(Image.fromarray(samples), "WEBP", lossless=lossless, exact=True, method=draw.pick(0, 4))
    samples = samples[..., :3] if samples[..., 3:].all() and (samples[..., 3:] == 255).all() else samples
    return f"lossless {lossless}", file, samples if lossless else None


def _avif(draw):
    samples = draw.levels(*draw.size(), draw.pick(1, 3, 4), 255).astype(np.uint8)
    options = {"quality": int(draw.rng.integers(30, 101)), "subsampling": draw.pick("4:4:4", "4:2:0", "4:2:2")}
    return (
        str(options),
        saved(Image.fromarray(samples.squeeze(2) if samples.shape[2] == 1 else samples), "AVIF", **options),
        None,
    )


def _qoi(draw):
    import imagecodecs

    samples = draw.levels(*draw.size(), draw.pick(3, 4), 255).astype(np.uint8)
    return "", imagecodecs.qoi_encode(samples), samples


def _jpeg2000(draw):
    import imagecodecs

    bits, kind = draw.pick(8, 8, 10, 12, 16), draw.pick("jp2", "j2k")
    samples = draw.levels(*draw.size(50), draw.pick(1, 3, 4), 2**bits - 1).astype(np.uint8 if bits == 8 else np.uint16)
    plain = samples.squeeze(2) if samples.shape[2] == 1 else samples
    file = imagecodecs.jpeg2k_encode(plain, level=0, reversible=True, bitspersample=bits, codecformat=kind)
    if bits > 8:
        samples = np.rint(samples / (2**bits - 1) * 65535).astype(np.uint16)
    return f"{kind} of {bits} bits", file, samples


KINDS = {
    "png": _png,
    "ppm": _ppm,
    "bmp": _bmp,
    "jpeg": _jpeg,
    "gif": _gif,
    "webp": _webp,
    "avif": _avif,
    "qoi": _qoi,
    "jpeg2000": _jpeg2000,
}


def of_pillow(file):
    """Samples [H, W, C] as Pillow alone gives them, inks as RGB."""
    with Image.open(io.BytesIO(file)) as image:
        return np.atleast_3d(np.asarray(image.convert("RGB") if image.mode in ("CMYK", "YCbCr") else image))
