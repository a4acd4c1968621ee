"""Hostile .aec files: taken apart without trust, changed, and sealed again, so that wrong content comes under right
checksums.
"""

import contextlib
import io
import itertools
import random
import zlib
from dataclasses import replace
from unittest.mock import patch
from zlib import crc32

import numpy as np

from codec.bitstream import container, layout
from codec.bitstream.layout import LAYOUT, SECTIONS, Cursor
from codec.coding import lossless
from codec.errors import CodecError

MOST_TILES = 16  # that `repair` makes
VALID, HOSTILE, NEIGHBOURS = 20, 42, 2  # files of a `bunch`
FLAGS = (1 << sum(bits for _, bits in layout.FLAGS)) - 1  # those that exist
# The lowest bit of each field, by name.
BITS = dict(zip(dict(layout.FLAGS), itertools.accumulate(dict(layout.FLAGS).values(), initial=0)))
SECTION_BITS = [BITS[kind] for kind in SECTIONS]
INTERESTING = (
    0,
    1,
    2,
    15,
    16,
    17,
    63,
    64,
    65,
    127,
    128,
    255,
    256,
    1023,
    1024,
    1025,
    10000,
    16384,
    65535,
    65536,
    2**28 - 1,
    2**30,
    2**31 - 1,
    2**32 - 1,
)


def encode(group, *values):
    """A group of FORMAT.md's table, without its range checks."""
    out = b""
    for field, value in zip(LAYOUT[group], values, strict=True):
        if field.coding == "varint":
            while value > 127:
                out, value = out + bytes([value & 127 | 128]), value >> 7
            out += bytes([value])
        elif field.coding == "bytes":
            out += value if field.low == field.high else bytes([len(value)]) + value
        else:
            out += value.to_bytes({"u8": 1, "u32": 4}[field.coding], "little")
    return out


def seal(described, contents, start=b"\xaeAEC\x02"):
    """The file whose header is `described`, bytes between header_size and header_crc, under a right checksum."""
    size, head = len(described), start
    while size > 127:
        head, size = head + bytes([size & 127 | 128]), size >> 7
    head += bytes([size]) + described
    return head + crc32(head).to_bytes(4, "little") + contents


def build(picture, suffix, tiles, sections):
    """File of the values of a `picture` group, a spelled suffix or None, [(payload, symbols_crc)] and [content]."""
    described = encode("picture", *picture) + (b"" if suffix is None else encode("suffix", suffix))
    described += b"".join(encode("tile", len(payload), crc32(payload), crc) for payload, crc in tiles)
    described += b"".join(encode("section", len(content), crc32(content)) for content in sections)
    return seal(described, b"".join(payload for payload, _ in tiles) + b"".join(sections))


def take_apart(data):
    """What `build` takes, from bytes whose sizes and checksums need not be right.

    Raises CodecError where even the header cannot be read.
    """
    cursor = Cursor(memoryview(data))
    cursor.read("start")
    picture = cursor.read("picture")
    _, flags, width, height, _ = picture
    suffix = cursor.read("suffix")[0] if flags >> 2 & 3 == 3 else None
    count = min(MOST_TILES, -(-width // layout.TILE) * -(-height // layout.TILE))
    described = [cursor.read("tile") for _ in range(count)]
    sections = [cursor.read("section") for bit in SECTION_BITS if flags >> bit & 1]
    rest = io.BytesIO(bytes(data[cursor.position + 4 :]))
    tiles = [(rest.read(size), crc) for size, _, crc in described]
    return picture, suffix, tiles, [rest.read(size) for size, _ in sections]


def repair(data):
    """`data` under right sizes and checksums, or as it is where its header cannot be read."""
    try:
        return build(*take_apart(data))
    except CodecError:
        return data


def reseal(data):
    """`data` with the checksum of its header made right and nothing else."""
    size, place = 0, 5
    for byte in data[5:10]:
        size |= (byte & 127) << 7 * (place - 5)
        place += 1
        if byte < 128:
            break
    end = max(0, min(place + size, len(data) - 4))
    return data[:end] + crc32(data[:end]).to_bytes(4, "little") + data[end + 4 :]


def edit(data, rng):
    """A few random edits of bytes, as a fuzzer without coverage makes them."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place, kind = rng.randrange(len(data) + 1), rng.randrange(6)
        if kind == 0:
            data[place:place] = rng.randbytes(rng.choice((1, 1, 4, 8)))
        elif kind == 1:
            del data[place : place + rng.choice((1, 1, 4, 40))]
        elif kind == 2:
            stop = min(len(data), place + rng.randrange(30))
            data[place:stop] = bytes([rng.choice((0, 255, rng.randrange(256)))]) * (stop - place)
        elif kind == 3:
            data[place:place] = data[rng.randrange(len(data) + 1) :][: rng.randrange(20)]
        elif place < len(data):
            data[place] = (
                data[place] ^ 1 << rng.randrange(8)
                if kind == 4
                else rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            )
    return bytes(data)


def mutate(data, rng, edit=edit, sealed=False):
    """A hostile neighbour of the file `data`: its parts are changed and sealed again.

    `edit(bytes, rng)` changes bytes; `sealed`: no other bytes.
    """
    kind = rng.randrange(3 if sealed else 0, 16)
    if kind == 0 or not data:
        return edit(data, rng)
    if kind == 1:
        return reseal(edit(data, rng))
    if kind == 2:
        return repair(edit(data, rng))
    try:
        picture, suffix, tiles, sections = take_apart(data)
    except CodecError:
        return repair(edit(data, rng))
    if kind <= 4:
        place = rng.randrange(1, 5)
        picture[place] = abs(
            rng.choice(
                (
                    rng.choice(INTERESTING),
                    picture[place] + rng.choice((-16, -1, 1, 16)),
                    picture[place] ^ 1 << rng.randrange(8),
                )
            )
        )
        if place == 1 and rng.random() < 0.8:
            picture[1] &= FLAGS
            picture[0] = layout.NO_MODEL if picture[1] >> 8 & 3 else picture[0] if any(picture[0]) else b"none"
        if place in (2, 3) and rng.random() < 0.9:
            picture[place] = picture[place] % 80 + 1
        if place == 4:
            picture[4] = min(10000, max(100, picture[4]))
        wanted = sum(picture[1] >> bit & 1 for bit in SECTION_BITS)
        sections = (sections + [rng.randbytes(9)] * wanted)[:wanted]
        suffix = (suffix or b"webp") if picture[1] >> 2 & 3 == 3 else None
        tiles = (tiles * MOST_TILES)[
            : max(1, min(MOST_TILES, -(-picture[2] // layout.TILE) * -(-picture[3] // layout.TILE)))
        ]
    elif kind <= 6 and sections:
        i = rng.randrange(len(sections))
        sections[i] = edit(sections[i], rng) or b"\0"
    else:
        i = rng.randrange(len(tiles))
        payload, crc = tiles[i]
        if kind <= 8:
            payload = rng.choice((payload[:8], b"\0\0\0\x80\0\0\0\0", bytes(7) + b"\x40")) + rng.choice(
                (rng.randbytes, lambda n: b"\xff" * n, bytes)
            )(4 * rng.randrange(40))
        elif kind == 9:
            crc ^= 1 << rng.randrange(32)
        else:
            payload = edit(payload, rng)
        tiles[i] = payload + bytes(-len(payload) % 4 if rng.random() < 0.9 else 0), crc
    return build(picture, suffix, tiles, sections)


def by_hand(reads):
    """The stream of a list of reads, ("symbol", start, frequency) or ("bits", value), as the page says to write it."""
    state, words = 1 << 31, []
    for kind, value, frequency in [(*read, 0)[:3] for read in reversed(reads)]:
        if state >= (frequency << 47 if kind == "symbol" else 1 << 59):
            state, words = state >> 32, [state & 0xFFFFFFFF, *words]
        state = state // frequency << 16 | state % frequency + value if kind == "symbol" else state << 4 | value
    return np.array([state & 0xFFFFFFFF, state >> 32, *words], "<u4").tobytes()


def mutate_tile(data, rng, edit=edit):
    """A hostile neighbour of an input of targets.tile: the sizes at its beginning stay right in most, and so do the
    checksums of a PNG.
    """
    how, data = data[-3:], data[:-3]
    kind = rng.random()
    if kind < 0.2:
        return edit(data, rng) + how
    if data[:4] != b"\x89PNG":
        return data[:5] + edit(data[5:], rng) + how
    out, place = data[:33], 33
    while place + 12 <= len(data):
        size, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        content = edit(data[place + 8 : place + 8 + size], rng) if kind < 0.7 else data[place + 8 : place + 8 + size]
        if kind >= 0.7 and name == b"IDAT":
            with contextlib.suppress(zlib.error):
                content = (
                    zlib.compress(edit(zlib.decompress(content), rng)) if kind < 0.9 else content + rng.randbytes(5)
                )
        out += len(content).to_bytes(4, "big") + name + content + crc32(name + content).to_bytes(4, "big")
        place += 12 + size
    return out + how


def mutate_weights(data, rng, edit=edit):
    """A hostile neighbour of a weight file: its text or its numbers are changed, the size of the text stays right in
    most.
    """
    size = int.from_bytes(data[:8], "little")
    text, numbers = data[8 : 8 + size], data[8 + size :]
    kind = rng.random()
    if kind < 0.1 or not text or len(numbers) < 4:
        return edit(data, rng)
    if kind < 0.5:
        place = rng.randrange(len(text))
        text = text[:place] + edit(text[place : place + 60], rng) + text[place + 60 :]
        return len(text).to_bytes(8, "little") + text + numbers
    for _ in range(rng.choice((1, 1, 3))):
        place = rng.randrange(len(numbers) // 4) * 4
        value = rng.choice((0, 1, -1, 127, -128, 2**15, 2**16, 2**23, 2**31 - 1, -(2**31), rng.randrange(2**31)))
        numbers = numbers[:place] + value.to_bytes(4, "little", signed=True) + numbers[place + 4 :]
    return data[:8] + text + numbers


def forge(coder, rng):
    """A whole file whose symbols no picture has, under right checksums throughout: the encoder is lied to about its own
    networks.
    """
    return forge_siblings(coder, rng, 1)[0]


def forge_siblings(coder, rng, count):
    """So many files as `forge` makes, all of one size and quality."""
    import torch

    from codec.model.fixed import HYPER, SAMPLE
    from codec.pixels.picture import Picture

    numbers = np.random.default_rng(rng.getrandbits(32))
    height, width = rng.choice((1, 5, 16, 17, 33, 64, 70)), rng.choice((1, 5, 16, 17, 33, 64, 70))
    depth = rng.choice((np.uint8, np.uint16))
    picture = Picture(
        np.zeros((height, width, rng.choice((1, 3))), depth),
        alpha=np.zeros((height, width), depth) if rng.random() < 0.2 else None,
    )
    scale = rng.choice((0, 0.5, 3, 100, 5000, 1e6))
    extreme = lambda bits, *shape: torch.from_numpy(
        np.rint(numbers.laplace(0, scale, shape) * 2**bits).clip(-(2**30), 2**30)
    ).contiguous(memory_format=torch.channels_last)
    networks, config = coder.model.networks, coder.model.config
    of_picture = lambda x, q, **options: extreme(SAMPLE, 1, config.latent, x.shape[2] // 16, x.shape[3] // 16)
    of_latent = lambda y: extreme(HYPER, len(y), config.hyper, -(-y.shape[2] // 4), -(-y.shape[3] // 4))
    with (
        patch.object(networks.analysis, "forward", of_picture),
        patch.object(networks.hyper_analysis, "forward", of_latent),
    ):
        return coder.encode_batch([picture] * count, rng.choice((1, 100, rng.uniform(1, 100))), lossless=False)


def bunch(coder, data, rng, edit=edit):
    """Files for one batch, most of one size and quality so that they are decoded side by side:
    [(file, whether it is valid)].

    Some are valid, some have a hostile payload under right checksums, some are hostile neighbours of the file `data`.
    """
    files = [(file, True) for file in forge_siblings(coder, rng, VALID)]
    for _ in range(HOSTILE):
        picture, suffix, [(payload, crc)], sections = take_apart(rng.choice(files[:VALID])[0])
        how = rng.random()
        if how < 0.6:
            payload = edit(payload, rng)
        elif how < 0.8:
            payload = payload[:8] + rng.randbytes(4 * rng.randrange(40))
        elif how < 0.9:
            payload = rng.choice((b"", bytes(8), b"\0\0\0\x80" + bytes(4), b"\xff" * 8, payload + bytes(4)))
        else:
            crc ^= 1 << rng.randrange(32)
        files.append((build(picture, suffix, [(payload + bytes(-len(payload) % 4), crc)], sections), False))
    files += [(mutate(data, rng, edit, sealed=True), False) for _ in range(NEIGHBOURS)]
    rng.shuffle(files)
    return files


def seeds(coder):
    """Small valid files of all kinds, to start from: {name: bytes}."""
    from codec.pixels.picture import Picture

    rng, files = random.Random(0), {}
    for height, width, channels, depth in (
        (1, 1, 3, 8),
        (16, 16, 3, 8),
        (17, 33, 1, 8),
        (5, 40, 3, 16),
        (1, 1025, 1, 8),
        (70, 66, 3, 8),
    ):
        peak = 2**depth - 1
        pixels = (
            np.linspace(0, peak, width)[None, :, None] * np.linspace(0.3, 1, height)[:, None, None] * np.ones(channels)
        ).astype(f"u{depth // 8}")
        files[f"{height}x{width}x{channels}-{depth}"] = coder.encode(
            pixels, rng.choice((1, 30, 61.5, 100)), lossless=False
        )
    alpha = np.full((16, 20), 255, np.uint8)
    alpha[:4] = 7
    everything = Picture(
        np.full((16, 20, 3), 90, np.uint8),
        alpha,
        icc=bytes(128),
        exif=b"II*\0\x08\0\0\0" + bytes(6),
        xmp=b"<x/>",
        suffix="webp",
        cicp=b"\x0c\x0d\0\1",
    )
    files["everything"] = coder.encode(everything, 50, lossless=False)
    files["alpha16"] = coder.encode(
        replace(
            everything,
            pixels=np.full((16, 20, 1), 900, np.uint16),
            alpha=alpha.astype(np.uint16) * 257,
            icc=None,
            suffix="png",
        ),
        75,
        lossless=False,
    )
    over = np.zeros((17, 33, 4), np.uint8)
    over[3:9, 5:] = 40, 90, 40, 255
    gray = container.unpack(files["17x33x1-8"])
    files["drawn"] = container.pack(replace(gray, sections={"drawn": lossless.webp(over)}))
    files["lossless-8"] = coder.encode(replace(everything, icc=None), lossless=True)
    files["lossless-16"] = coder.encode(np.arange(320, dtype=np.uint16).reshape(16, 20) * 200, lossless=True)
    return files | {f"forged-{i}": forge(coder, rng) for i in range(12)}
