"""The container as FORMAT.md describes it: a second reader written from the page, its tables and its example."""

import random
import re
from zlib import crc32

import pytest
from container_files import EXAMPLE, EXAMPLE_BYTES, FORMAT, random_aec, sealed, table, varint

from codec.bitstream import layout
from codec.bitstream.container import Aec, pack, unpack
from codec.errors import CodecError


def read_by_the_page(data: bytes) -> dict:
    """A second reader, written from FORMAT.md and not from container.py; ValueError for whatever the page does not
    describe.
    """

    def must(condition):
        if not condition:
            raise ValueError

    place, stop = 0, len(data)

    def take(count):
        nonlocal place
        must(place + count <= stop)
        place += count
        return data[place - count : place]

    def u32():
        return int.from_bytes(take(4), "little")

    def number(low, high):
        value, count = 0, 0
        while True:
            byte = take(1)[0]
            value += (byte % 128) * 128**count
            count += 1
            if byte < 128:
                must(count <= 5 and (byte > 0 or count == 1) and low <= value <= high)
                return value

    must(take(4) == bytes.fromhex("ae414543"))
    must(take(1)[0] == 2)
    header_size = number(1, 2**28 - 1)
    stop = place + header_size
    must(stop <= len(data))
    out = {"model": take(4)}
    flags = number(0, 2**32 - 1)
    must(flags < 8192)
    out["lossless"], out["rounded"] = flags >> 8 & 1 == 1, flags >> 9 & 1 == 1
    must(out["lossless"] or not out["rounded"])
    must(out["lossless"] == (out["model"] == bytes(4)))
    out["width"], out["height"], out["quality"] = number(1, 2**30), number(1, 2**30), number(100, 10000)
    out["channels"], out["depth"] = (1 if flags & 1 else 3), (16 if flags & 2 else 8)
    must(not flags >> 10 & 1 or not out["lossless"] and out["depth"] == 8 and out["width"] * out["height"] <= 16777216)
    named = flags >> 2 & 3
    if named == 3:
        count = take(1)[0]
        must(1 <= count <= 8)
        spelled = take(count)
        must(
            all(byte in b"abcdefghijklmnopqrstuvwxyz0123456789" for byte in spelled) and spelled not in (b"png", b"jpg")
        )
    out["suffix"] = spelled.decode() if named == 3 else ("", "png", "jpg")[named]
    count = ((out["width"] + 1023) // 1024) * ((out["height"] + 1023) // 1024)
    must(count * 9 <= stop - place)
    tiles = [(number(0, 2**28 - 1), u32(), u32()) for _ in range(count)]
    kinds = [
        kind
        for bit, kind in enumerate("alpha icc exif xmp lossless rounded drawn cicp range".split(), 4)
        if flags >> bit & 1 and kind not in ("lossless", "rounded")
    ]
    sections = [(number(1, 2**32 - 1), u32()) for _ in kinds]
    must(place == stop)
    stop = len(data)
    must(crc32(data[:place]) == u32())

    def content(size, crc):
        found = take(size)
        must(crc32(found) == crc)
        return found

    out["tiles"] = [(content(size, crc), symbols) for size, crc, symbols in tiles]
    out["sections"] = {kind: content(*section) for kind, section in zip(kinds, sections)}
    must(place == stop)
    code = out["sections"].get("cicp", bytes(4))
    must(len(code) == 4 and code[2] == 0 and code[3] in (0, 1))
    ends = out["sections"].get("range", bytes(4))
    must(len(ends) == 4 and ends[0] + 256 * ends[1] <= ends[2] + 256 * ends[3])
    must("range" not in out["sections"] or out["depth"] == 16)
    return out


def by_the_page(aec: Aec) -> dict:
    fields = {name: value for name, value in vars(aec.header).items() if name != "alpha"}
    return fields | {"tiles": [(tile.payload, tile.symbols_crc) for tile in aec.tiles], "sections": aec.sections}


def test_two_readers_agree_on_valid_files():
    rng = random.Random(1)
    for _ in range(1000):
        aec = random_aec(rng)
        data = pack(aec)
        assert unpack(data) == aec
        assert read_by_the_page(data) == by_the_page(aec)


def test_two_readers_agree_on_headers_that_lie_under_a_right_checksum():
    """Random edits of the header, sealed again: both readers accept the same files, and what is accepted has this one
    encoding.
    """
    rng = random.Random(2)
    accepted = 0
    for _ in range(20000):
        described, rest = bytearray(EXAMPLE_BYTES[6:40]), EXAMPLE_BYTES[44:]
        for _ in range(rng.randint(1, 2)):
            place = rng.randrange(len(described))
            old, new = described[place], rng.choice((0, 1, 2, 127, 128, 129, 255, rng.randrange(256)))
            edits = [], [new], [old ^ 1 << rng.randrange(8)], [old, new]
            described[place : place + 1] = bytes(rng.choice(edits))
        data = sealed(b"\xaeAEC\x02" + varint(len(described)) + described, rest)
        try:
            aec = unpack(data)
        except CodecError:
            with pytest.raises(ValueError):
                read_by_the_page(data)
        else:
            accepted += 1
            assert read_by_the_page(data) == by_the_page(aec)
            assert pack(aec) == data
    assert accepted > 500


def test_the_tables_of_the_page_are_those_of_the_code():
    fields = [[group, f.name, f.coding, str(f.low), str(f.high)] for group, fs in layout.LAYOUT.items() for f in fs]
    assert table("Group", "Field", "Coding", "From", "To") == fields
    flags = [
        [name, str(sum(bits for _, bits in layout.FLAGS[:i])), str(bits)] for i, (name, bits) in enumerate(layout.FLAGS)
    ]
    assert table("Flag", "First bit", "Bits") == flags
    assert f"at least {layout.SMALLEST_FILE} bytes" in FORMAT
    assert f"at least {layout.SMALLEST['tile']} bytes" in FORMAT


def test_the_example_of_the_page_is_what_pack_writes():
    (block,) = re.findall(r"```\n(.*?)```", FORMAT, re.DOTALL)
    golden = bytes.fromhex(" ".join(re.split(r" {3,}", line)[0] for line in block.splitlines()))
    assert pack(EXAMPLE) == golden
    assert unpack(golden) == EXAMPLE
