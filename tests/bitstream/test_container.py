"""The container against its specification, against damage, and against files that lie."""

import contextlib
import io
import random
import re
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest

from codec.bitstream import container
from codec.bitstream.container import Aec, Header, Tile, pack, read_header, unpack
from codec.errors import BadOption, CodecError, Corrupt, NotAec, Truncated, UnsupportedVersion

FORMAT = Path(container.__file__).with_name("FORMAT.md").read_text("utf-8")
PLAIN = Header(width=200, height=150, quality=6000, channels=3, depth=8, alpha=False, model=b"abcd", suffix="png")
EXAMPLE_HEADER = Header(5, 3, 155, channels=1, depth=16, alpha=True, model=b"\xde\xad\xbe\xef", suffix="webp")
EXAMPLE = Aec(EXAMPLE_HEADER, [Tile(b"0123", 7)], {"alpha": b"PNG", "xmp": b"<x/>"})
EXAMPLE_BYTES = pack(EXAMPLE)  # header 44 bytes, payload 4, alpha 3, xmp 4


def random_aec(rng: random.Random) -> Aec:
    width, height = (rng.choice((1, 127, 128, 1024, 1025, rng.randint(1, 5000))) for _ in "wh")
    quality = rng.choice((100, 127, 128, 10000, rng.randint(100, 10000)))
    channels, depth, alpha = rng.choice((1, 3)), rng.choice((8, 16)), rng.random() < 0.5
    suffix = rng.choice(("", "png", "jpg", "jpeg", "a", "abcdefg8"))
    lossless = rng.random() < 0.3
    header = Header(
        width,
        height,
        quality,
        channels,
        depth,
        alpha,
        bytes(4) if lossless else rng.randbytes(4),
        suffix,
        lossless,
        lossless and rng.random() < 0.5,
    )
    tiles = [
        Tile(rng.randbytes(rng.choice((0, 4, 127, 128, 300))), rng.getrandbits(32)) for _ in range(header.tile_count)
    ]
    kinds = (
        [kind for kind in ("icc", "exif", "xmp") if rng.random() < 0.4]
        + ["alpha"] * header.alpha
        + ["drawn"] * (header.may_be_drawn and rng.random() < 0.5)
    )
    sections = {kind: rng.randbytes(rng.randint(1, 200)) for kind in kinds}
    if rng.random() < 0.3:
        sections["cicp"] = rng.randbytes(2) + bytes([0, rng.randint(0, 1)])
    if header.depth == 16 and rng.random() < 0.5:
        low = rng.randrange(65536)
        sections["range"] = low.to_bytes(2, "little") + rng.randrange(low, 65536).to_bytes(2, "little")
    return Aec(header, tiles, sections)


def sealed(start_to_section: bytes, rest: bytes = b"") -> bytes:
    """A file whose header checksum is right, whatever the header says."""
    return start_to_section + crc32(start_to_section).to_bytes(4, "little") + rest


def liar(described: bytes) -> bytes:
    return sealed(b"\xaeAEC\x02" + bytes([len(described)]) + described)


def varint(value: int) -> bytes:
    groups = [value >> shift & 127 | 128 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes(groups[:-1] + [groups[-1] & 127])


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


def table(*columns: str) -> list[list[str]]:
    """Rows of the table of FORMAT.md that begins with these columns, cut to them."""
    (rows,) = re.findall(rf"^\| {re.escape(' | '.join(columns))} \|.*\n\|[-|]+\n((?:\|.*\n)+)", FORMAT, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")[1 : len(columns) + 1]] for row in rows.splitlines()]


def test_the_tables_of_the_page_are_those_of_the_code():
    fields = [[group, f.name, f.coding, str(f.low), str(f.high)] for group, fs in container.LAYOUT.items() for f in fs]
    assert table("Group", "Field", "Coding", "From", "To") == fields
    flags = [
        [name, str(sum(bits for _, bits in container.FLAGS[:i])), str(bits)]
        for i, (name, bits) in enumerate(container.FLAGS)
    ]
    assert table("Flag", "First bit", "Bits") == flags
    assert f"at least {container.SMALLEST_FILE} bytes" in FORMAT
    assert f"at least {container.SMALLEST['tile']} bytes" in FORMAT


def test_the_example_of_the_page_is_what_pack_writes():
    (block,) = re.findall(r"```\n(.*?)```", FORMAT, re.DOTALL)
    golden = bytes.fromhex(" ".join(re.split(r" {3,}", line)[0] for line in block.splitlines()))
    assert pack(EXAMPLE) == golden
    assert unpack(golden) == EXAMPLE


def test_overhead_of_a_small_rgb_picture():
    assert [len(pack(Aec(PLAIN, [Tile(bytes(size), 0)]))) - size for size in (0, 12000, 60000)] == [30, 31, 32]


def test_every_change_of_a_byte_is_an_error():
    for place, byte in enumerate(EXAMPLE_BYTES):
        for other in set(range(256)) - {byte}:
            with pytest.raises((NotAec, UnsupportedVersion, Truncated, Corrupt)):
                unpack(EXAMPLE_BYTES[:place] + bytes([other]) + EXAMPLE_BYTES[place + 1 :])


@pytest.mark.parametrize("aec", [EXAMPLE, random_aec(random.Random(3))])
def test_every_truncation_names_both_sizes(aec):
    data = pack(aec)
    header_end = read_header(data)[1]["header"]
    for size in range(len(data)):
        expected = "at least 27" if size < 27 else f"at least {header_end}" if size < header_end else len(data)
        with pytest.raises(Truncated, match=f"expected {expected} bytes, got {size}$"):
            unpack(data[:size])


def test_splices_of_two_files_are_errors():
    rng, tried = random.Random(4), 0
    while tried < 300:
        one, two = pack(random_aec(rng)), pack(random_aec(rng))
        sizes = read_header(one)[1], read_header(two)[1]
        cuts = [
            rng.choice((0, size["header"], size["header"] + size["tiles"], rng.randrange(size["file"])))
            for size in sizes
        ]
        spliced = one[: cuts[0]] + two[cuts[1] :]
        if spliced not in (one, two):
            tried += 1
            with pytest.raises(CodecError):
                unpack(spliced)


@pytest.mark.parametrize(
    ("data", "error", "sentence"),
    [
        (
            b"\x89PNG\r\n\x1a\n" + bytes(50),
            NotAec,
            "this is not an .aec file: it does not begin with the signature of one",
        ),
        (b"P", NotAec, "this is not an .aec file"),
        (
            EXAMPLE_BYTES[:4] + b"\x03" + EXAMPLE_BYTES[5:],
            UnsupportedVersion,
            "format version 3 and this package reads version 2",
        ),
        (EXAMPLE_BYTES + b"\0", Corrupt, "the file goes on after its end: expected 55 bytes, got 56"),
        (EXAMPLE_BYTES[:8] + b"!" + EXAMPLE_BYTES[9:], Corrupt, "the header is damaged"),
        (EXAMPLE_BYTES[:44] + b"!" + EXAMPLE_BYTES[45:], Corrupt, "tile 1 of 1 is damaged"),
        (EXAMPLE_BYTES[:-1] + b"!", Corrupt, "section xmp is damaged"),
        (
            liar(b"abcd" + varint(0x2001) + b"\5\3" + varint(155) + bytes(9)),
            UnsupportedVersion,
            r"features .* \(flags 0x2001\)",
        ),
        (liar(b"abcd" + varint(0x201) + b"\5\3" + varint(155) + bytes(9)), Corrupt, "flag rounded without lossless"),
        (
            liar(b"abcd" + varint(0x101) + b"\5\3" + varint(155) + bytes(9)),
            Corrupt,
            "names model 61626364 for a picture whose flag lossless is True",
        ),
        (
            liar(bytes(4) + varint(1) + b"\5\3" + varint(155) + bytes(9)),
            Corrupt,
            "names model 00000000 for a picture whose flag lossless is False",
        ),
        (
            liar(b"abcd" + b"\0" + b"\0\3" + varint(155) + bytes(9)),
            Corrupt,
            "field width is 0, outside 1 to 1073741824",
        ),
        (
            liar(b"abcd" + b"\0" + b"\5\3" + varint(10001) + bytes(9)),
            Corrupt,
            "field quality is 10001, outside 100 to 10000",
        ),
        (liar(b"abcd" + b"\0" + b"\x85\0\3" + varint(155) + bytes(9)), Corrupt, "shortest form"),
        (liar(b"abcd" + b"\x0c" + b"\5\3" + varint(155) + b"\3png" + bytes(9)), Corrupt, "the suffix b'png'"),
        (liar(b"abcd" + b"\x0c" + b"\5\3" + varint(155) + b"\3../" + bytes(9)), Corrupt, "the suffix b'../'"),
        (
            liar(b"abcd" + b"\0" + b"\5\3" + varint(155) + bytes(10)),
            Corrupt,
            "the header is longer than what it describes",
        ),
        (
            liar(b"abcd" + b"\x20" + b"\5\3" + varint(155) + bytes(9)),
            Corrupt,
            "the header is shorter than what it describes",
        ),
        (
            liar(b"abcd" + b"\0" + varint(1025) + b"\3" + varint(155) + bytes(17)),
            Corrupt,
            "need 2 tiles, more than the header has room for",
        ),
    ],
)
def test_each_fault_has_its_error_and_sentence(data, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        unpack(data)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (liar(b"abcd" + b"\0" + varint(2**30) * 2 + varint(155) + bytes(9)), Corrupt),  # 2^40 tiles
        (liar(b"abcd" + b"\0" + varint(1024000) * 2 + varint(155) + bytes(9)), Corrupt),  # 10^6 tiles
        (liar(b"abcd" + b"\0" + b"\5\3" + varint(155) + varint(2**28 - 1) + bytes(8)), Truncated),  # a 256 MiB payload
        # A section of 4 GiB.
        (liar(b"abcd" + b"\x20" + b"\5\3" + varint(155) + bytes(9) + varint(2**32 - 1) + bytes(4)), Truncated),
        (b"\xaeAEC\x02" + varint(2**28 - 1) + bytes(100), Truncated),  # a 256 MiB header
    ],
)
def test_bombs_are_refused_at_once(data, error):
    tracemalloc.start()
    began = time.perf_counter()
    with contextlib.suppress(CodecError):  # a header whose contents are missing can still be shown
        read_header(io.BytesIO(data))
    with pytest.raises(error):
        unpack(data)
    assert time.perf_counter() - began < 0.05
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_read_header_reads_the_header_only():
    for aec in (
        EXAMPLE,
        random_aec(random.Random(5)),
        Aec(replace(PLAIN, width=9999, height=9999), [Tile(b"", 0)] * 100),
    ):
        data = pack(aec)
        file = io.BytesIO(data)
        header, sizes = read_header(file)
        contents = {kind: len(content) for kind, content in aec.sections.items()}
        assert header == aec.header
        assert (
            sizes
            == {"header": file.tell(), "tiles": sum(len(t.payload) for t in aec.tiles), "file": len(data)} | contents
        )
        assert read_header(memoryview(data)[: sizes["header"]]) == (header, sizes)


def test_read_header_of_a_pipe_that_gives_one_byte_at_a_time():
    class Slow(io.BytesIO):
        def read(self, count):
            assert count <= 2**16  # Python allocates what it is asked for
            return super().read(min(count, 1))

    assert read_header(Slow(EXAMPLE_BYTES))[0] == EXAMPLE.header
    with pytest.raises(Truncated, match="expected at least 268435468 bytes, got 109$"):
        read_header(Slow(b"\xaeAEC\x02" + varint(2**28 - 1) + bytes(100)))
    with pytest.raises(Truncated, match="expected at least 44 bytes, got 40$"):
        read_header(Slow(EXAMPLE_BYTES[:40]))


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"width": 2**30 + 1},
        {"width": 1025},
        {"height": 0},
        {"quality": 99},
        {"quality": 10001},
        {"channels": 2},
        {"depth": 12},
        {"alpha": True},
        {"model": b"abc"},
        {"suffix": "PNG"},
        {"suffix": "a.b"},
        {"suffix": "ninechars"},
        {"suffix": "é"},
    ],
)
def test_pack_refuses_headers_outside_the_format(change):
    with pytest.raises(BadOption):
        pack(Aec(replace(PLAIN, **change), [Tile(b"", 0)]))


def test_pack_refuses_tiles_and_sections_outside_the_format():
    for tiles, sections in (
        ([], {}),
        ([Tile(b"", 0)] * 2, {}),
        ([Tile(b"", 2**32)], {}),
        ([Tile(b"", -1)], {}),
        ([Tile(b"", 0)], {"icc": b""}),
        ([Tile(b"", 0)], {"alpha": b"x"}),
        ([Tile(b"", 0)], {"iptc": b"x"}),
        ([Tile(b"", 0)], {"cicp": b"\x09\x10\0"}),
        ([Tile(b"", 0)], {"cicp": b"\x09\x10\x01\x01"}),
        ([Tile(b"", 0)], {"cicp": b"\x09\x10\0\x02"}),
        ([Tile(b"", 0)], {"range": b"\0\0\1\0"}),
    ):
        with pytest.raises(BadOption):
            pack(Aec(PLAIN, tiles, sections))


@pytest.mark.parametrize(
    "change", [{"depth": 16}, {"lossless": True, "model": bytes(4)}, {"width": 4097, "height": 4096}]
)
def test_only_some_pictures_have_drawn_parts(change):
    """Shallow ones of latents and of no more pixels than a reader likes to hold at once."""
    largest = Aec(replace(PLAIN, width=4096, height=4096), [Tile(b"", 0)] * 16, {"drawn": b"x"})
    assert unpack(pack(largest)) == largest
    header = replace(PLAIN, **change)
    with pytest.raises(BadOption, match="drawn"):
        pack(Aec(header, [Tile(b"", 0)] * header.tile_count, {"drawn": b"x"}))


def test_the_container_knows_no_tensors():
    code = "import sys, codec.bitstream.container; print(*{'torch', 'numpy', 'PIL', 'compressai'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
