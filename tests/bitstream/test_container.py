"""The container against its specification, against damage, and against files that lie."""

import contextlib
import io
import random
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace

import pytest
from container_files import EXAMPLE, EXAMPLE_BYTES, random_aec, sealed, varint

from codec.bitstream.container import Aec, Header, Tile, pack, read_header, unpack
from codec.errors import BadOption, CodecError, Corrupt, NotAec, Truncated, UnsupportedVersion

PLAIN = Header(width=200, height=150, quality=6000, channels=3, depth=8, alpha=False, model=b"abcd", suffix="png")


def liar(described: bytes) -> bytes:
    return sealed(b"\xaeAEC\x02" + bytes([len(described)]) + described)


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
