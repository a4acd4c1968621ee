"""Damage of every kind, which must always be an error, never a picture; each function is one campaign and returns its
figures.

    python -m tests.fuzz.damage [CAMPAIGN ...] [--log FILE]

All of them in full take about an hour; tests/test_damage.py runs parts.

Files are read by `Codec.decode_picture`, so what slipped past the checksums would go on to the networks. Figures of a
campaign: how many damaged files there were, how they were refused, and `silent`, how many were not, which is 0 or the
campaign raises.
"""

import argparse
import importlib.metadata
import json
import platform
import random
import time
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import numpy as np

import codec
from codec.bitstream import container, layout
from codec.errors import CodecError, Corrupt, Truncated
from codec.model.prior import ROWS
from codec.pixels.picture import Picture
from tests.fuzz import hostile, tiny
from tests.fuzz.targets import READER, sentence


class Silent(AssertionError):
    """A damaged file was accepted."""


def refusals(read, files, kinds=READER):
    """Counts how each of the damaged `files` is refused. Raises Silent where one is not."""
    outcomes = Counter()
    for data in files:
        try:
            read(data)
        except kinds as error:
            outcomes[sentence(error, kinds)] += 1
        else:
            raise Silent(bytes(data)[:2000].hex())
    return {"tried": sum(outcomes.values()), "silent": 0, "refused": dict(outcomes)}


def every_byte(read, file, values=255):
    """Every byte of a file changed to `values` other values."""

    def files():
        for place, byte in enumerate(file):
            for step in range(1, 256, 255 // values):
                yield file[:place] + bytes([byte + step & 255]) + file[place + 1 :]

    return refusals(read, files()) | {"bytes": len(file)}


def every_bit(read, file, stride=1):
    """Every bit, or every `stride`-th, flipped."""
    damaged = bytearray(file)

    def files():
        for bit in range(0, 8 * len(file), stride):
            damaged[bit >> 3] ^= 1 << (bit & 7)
            yield damaged
            damaged[bit >> 3] ^= 1 << (bit & 7)

    return refusals(read, files()) | {"bytes": len(file)}


def every_length(read, file, stride=1):
    """The file cut at every length; the error names the bytes that are there and those that should be."""
    whole, header = len(file), container.read_header(file)[1]["header"]
    for length in range(0, whole, stride):
        expected = (
            f"at least {layout.SMALLEST_FILE}"
            if length < layout.SMALLEST_FILE
            else f"at least {header}"
            if length < header
            else whole
        )
        try:
            read(file[:length])
        except Truncated as error:
            assert str(error) == f"the file ends too early: expected {expected} bytes, got {length}", str(error)
        else:
            raise Silent(f"cut to {length} bytes")
    return {"tried": -(-whole // stride), "silent": 0, "bytes": whole}


def splices(read, known, count, seed=0):
    """Two valid files cut and joined, at boundaries of their parts or anywhere; parts swapped, doubled, left out; bytes
    after the end.
    """
    rng = random.Random(seed)

    def pieces(data):
        """The file in its parts: header, payloads, sections."""
        aec = container.unpack(data)
        sizes = [
            container.read_header(data)[1]["header"],
            *(len(tile.payload) for tile in aec.tiles),
            *map(len, aec.sections.values()),
        ]
        edges = np.cumsum([0, *sizes]).tolist()
        return [data[a:b] for a, b in zip(edges, edges[1:]) if b > a]

    def files():
        made = 0
        while made < count:
            one, two = rng.choice(known), rng.choice(known)
            parts, others = pieces(one), pieces(two)
            kind = rng.randrange(6)
            if kind == 0:
                data = one[: rng.randrange(len(one) + 1)] + two[rng.randrange(len(two) + 1) :]
            elif kind == 1:
                data = b"".join(parts[: rng.randrange(len(parts) + 1)] + others[rng.randrange(len(others) + 1) :])
            elif kind == 2:
                data = b"".join(rng.sample(parts, len(parts)))
            elif kind == 3:
                data = b"".join(part * rng.choice((1, 1, 1, 0, 2)) for part in parts)
            elif kind == 4:
                i, j = rng.randrange(1, len(parts)), rng.randrange(1, len(others))
                data = b"".join([*parts[:i], others[j], *parts[i + 1 :]])
            else:
                data = one + rng.choice((b"\0", b"\n", two, rng.randbytes(rng.randrange(1, 50))))
            if data not in known:
                made += 1
                yield data

    return refusals(read, files())


def bursts(read, known, count, seed=0):
    """Runs of bytes overwritten by noise, zeros or other parts of the file, deleted, inserted or moved, up to three at
    once.
    """
    rng = random.Random(seed)

    def files():
        made = 0
        while made < count:
            data = bytearray(file := rng.choice(known))
            for _ in range(rng.choice((1, 1, 2, 3))):
                size = min(len(data), rng.choice((2, 3, 4, 5, 8, 16, 64, 512)))
                place = rng.randrange(len(data) - size + 1)
                kind, noise = rng.randrange(6), rng.randbytes(size)
                if kind <= 1:
                    data[place : place + size] = noise
                elif kind == 2:
                    data[place : place + size] = bytes([rng.choice((0, 255))]) * size
                elif kind == 3:
                    del data[place : place + size]
                elif kind == 4:
                    data[place:place] = noise
                else:
                    other = rng.randrange(len(data) - size + 1)
                    data[place : place + size] = data[other : other + size]
            if data != file:
                made += 1
                yield bytes(data)

    return refusals(read, files())


def mismatches(coder, count, seed=0):
    """A machine that computes otherwise: one table row or one mean of one decoding is off by one unit.

    `same`: a wrong row was not noticed because it gave the symbol the same place, as two rows may give their escapes;
    then all symbols are right, and pixels within a level.
    """
    rng, prior = np.random.default_rng(seed), coder.model.networks.prior
    walk, outcomes = prior.walk, Counter()
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    files = [coder.encode(pixels, quality, lossless=False) for quality in (20, 60, 100)]
    right = [coder.decode_picture(file).pixels.astype(int) for file in files]
    for trial in range(count):
        which, step, place, sign = ("row", "mean")[trial % 2], rng.integers(4), rng.random(), int(rng.choice((-1, 1)))

        def erring(z, quality, code):
            def err(t, mean, rows):
                if t == step:
                    integers = rows if which == "row" else mean
                    i = np.unravel_index(int(place * integers.numel()), integers.shape)
                    integers[i] += sign if which == "mean" or 0 <= rows[i] + sign < ROWS else -sign
                return code(t, mean, rows)

            return walk(z, quality, err)

        with patch.object(prior, "walk", erring):
            try:
                found = coder.decode_picture(files[trial % len(files)]).pixels
            except CodecError as error:
                outcomes[which, sentence(error, (Corrupt,))] += 1
            else:
                if which == "mean" or np.abs(found - right[trial % len(files)]).max() > 1:
                    raise Silent(f"trial {trial}: a wrong {which} in step {step}")
                outcomes["same"] += 1
    return {
        "tried": count,
        "silent": 0,
        "same": outcomes.pop("same", 0),
        "refused": {" ".join(key): n for key, n in outcomes.items()},
    }


def bombs():
    """Small files that claim much, under right checksums: {name: bytes}."""
    model, empty, tile = tiny_id(), b"\0\0\0\x80\0\0\0\0", hostile.encode("tile", 0, 0, 0)
    described = lambda width, height, rest, flags=0: hostile.encode("picture", model, flags, width, height, 5000) + rest
    claim = lambda size: hostile.encode("tile", size, 0, 0)
    return {
        "2^30 x 2^30 pixels": hostile.seal(described(2**30, 2**30, tile), b""),
        "2^31 x 2^31 pixels": hostile.seal(described(2**31, 2**31, tile), b""),
        "10^6 tiles": hostile.seal(described(1024000, 1024000, tile), b""),
        "2^18 tiles, all described": hostile.seal(described(2**19, 2**19, tile * 2**18), b""),
        "a payload of 256 MiB": hostile.seal(described(5, 3, claim(2**28 - 1)), b""),
        "a section of 4 GiB": hostile.seal(described(5, 3, tile + hostile.encode("section", 2**32 - 1, 0), 32), b""),
        "a header of 256 MiB": b"\xaeAEC\x02" + b"\xff\xff\xff\x7f" + bytes(100),
        "16384 x 16384 pixels in nothing": hostile.build((model, 0, 16384, 16384, 5000), None, [(b"", 0)] * 256, []),
        "262144 x 1024 pixels in nothing": hostile.build((model, 0, 2**18, 1024, 5000), None, [(b"", 0)] * 256, []),
        "the same without loss": hostile.build((bytes(4), 256, 2**18, 1024, 5000), None, [(b"", 0)] * 256, []),
        "2^26 x 1 pixels": hostile.build((model, 0, 2**26, 1, 5000), None, [(b"", 0)] * 2**16, []),
        "a million symbols in 8 bytes": hostile.build((model, 0, 1024, 1024, 5000), None, [(empty, 0)], []),
        "an alpha plane of 9000 x 9000": hostile.build((model, 0x10, 5, 3, 5000), None, [(empty, 0)], [png_bomb()]),
    }


def tiny_id():
    import hashlib

    return hashlib.sha256(tiny.PATH.read_bytes()).digest()[:4]


def png_bomb():
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (9000, 9000)).save(file, "PNG")
    return file.getvalue()


def memory():
    """Resident bytes of this process now, and the most there were since the last call (Linux)."""
    status = Path("/proc/self/status").read_text()
    now, peak = [int(status.split(name)[1].split()[0]) * 1024 for name in ("VmRSS:", "VmHWM:")]
    Path("/proc/self/clear_refs").write_text("5")
    return now, peak


def refuse_bombs(read):
    """Per bomb its size, the seconds of processor time and the bytes of memory that refusing it took (the second time:
    nothing is imported then).
    """
    figures = {}
    for name, data in bombs().items():
        for _ in range(1 + (len(data) < 100_000)):
            before, _ = memory()
            started = time.process_time()
            try:
                read(data)
            except READER as error:
                reason = sentence(error, READER)
            else:
                raise Silent(name)
            seconds, (_, peak) = time.process_time() - started, memory()
        figures[name] = {
            "bytes": len(data),
            "refused": reason,
            "ms": round(1000 * seconds, 1),
            "MB": round(max(0, peak - before) / 1e6, 1),
        }
    return figures


def unpacked_first(coder):
    """`decode_picture` after the whole container was checked: a reader that goes tile by tile would run the networks up
    to the damage each time.
    """
    return lambda data: container.unpack(data) and coder.decode_picture(data)


def known_files(coder):
    """Valid files with everything in them, the smallest first: one of 2 kB at most, several tiles, alpha, metadata."""
    rng = np.random.default_rng(5)
    small = rng.integers(0, 256, (70, 90, 3), np.uint8)
    rich = Picture(
        small,
        alpha=(small[..., 0] > 200).astype(np.uint8) * 255,
        icc=bytes(range(200)),
        exif=b"II*\0\x08\0\0\0" + bytes(6),
        xmp=b"<x/>",
        suffix="webp",
    )
    wide = rng.integers(0, 256, (20, 2100, 1), np.uint8)
    files = [
        coder.encode(picture, 50, lossless=False)
        for picture in (rich, small[..., :1], wide, small.astype(np.uint16) * 257)
    ]
    files.append(coder.encode(small[:40, :40] & 192, lossless=True))
    assert len(files[0]) <= 2000
    return files


def file_of_100_kb(coder):
    """A valid file of 100,000 bytes or a little more."""
    rng = np.random.default_rng(6)
    file = coder.encode(
        Picture(rng.integers(0, 256, (1300, 1500, 3), np.uint8), icc=rng.bytes(40_000)), 100, lossless=False
    )
    assert 100_000 <= len(file) < 150_000
    return file


def main():
    coder = codec.Codec(str(tiny.PATH), device="cpu", threads=1, engine="torch")
    read, known = coder.decode_picture, known_files(coder)
    for file in known:
        read(file)
    campaigns = {
        "every byte, 255 values": lambda: every_byte(read, known[0]),
        "every bit": lambda: every_bit(unpacked_first(coder), file_of_100_kb(coder)),
        "every length": lambda: every_length(unpacked_first(coder), file_of_100_kb(coder)),
        "splices": lambda: splices(read, known, 10_000),
        "bursts": lambda: bursts(read, known, 100_000),
        "mismatches": lambda: mismatches(coder, 10_000),
        "bombs": lambda: refuse_bombs(read),
    }
    parser = argparse.ArgumentParser(
        "python -m tests.fuzz.damage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", help=f"{', '.join(campaigns)} (default: all)")
    parser.add_argument("--log", help="file to add the lines of figures to")
    options = parser.parse_args()
    for name in options.campaigns or campaigns:
        started = time.monotonic()
        figures = {
            "campaign": name,
            "figures": campaigns[name](),
            "seconds": round(time.monotonic() - started),
            "date": time.strftime("%Y-%m-%d"),
            "python": platform.python_version(),
            "torch": importlib.metadata.version("torch"),
        }
        print(json.dumps(figures), flush=True)
        if options.log:
            with open(options.log, "a") as log:
                log.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
