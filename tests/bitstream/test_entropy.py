"""The fence around the rANS coder: what goes in comes out, at the ideal cost, and nothing a caller or a file does can
crash it.
"""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import entropy_streams
import numpy as np
import pytest
from entropy_streams import decode, draw, encode, gaussian_parts, independent_decode, lopsided
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.bitstream.entropy import Decoder, Encoder
from codec.bitstream.tables import MAX_SYMBOL, TOTAL, Tables, pmf_to_cdf
from codec.errors import BadOption

gaussian = pytest.fixture(scope="module")(entropy_streams.gaussian)
ROOT = Path(__file__).resolve().parents[2]


def ideal_bits(symbols, indexes, cdfs, sizes, offsets):
    place = symbols - offsets[indexes]
    last = sizes[indexes] - 2
    place = np.where((place < 0) | (place > last), last, place)
    return float(np.sum(16 - np.log2(cdfs[indexes, place + 1] - cdfs[indexes, place])))


# What goes in comes out


def test_puts_and_gets_need_not_match_in_size_and_tables_may_alternate(gaussian):
    symbols, indexes = draw(5000)
    counts = np.random.default_rng(1).integers(-2, 1, 300)
    small = Tables([[0, 20000, 40000, 65000, 65536]], [5], [-2])
    encoder = Encoder()
    for part in np.split(np.arange(5000), [0, 1, 1, 17, 4000]):  # empty puts among them
        encoder.put(symbols[part], indexes[part], gaussian)
    encoder.put(counts, np.zeros(300, np.uint8), small)
    encoder.put(symbols[:50], indexes[:50], gaussian)
    decoder = Decoder(encoder.finish(), 5350)
    got = [decoder.get(indexes[part], gaussian) for part in np.split(np.arange(5000), [3, 3, 2500])]
    assert np.array_equal(np.concatenate(got), symbols)
    assert np.array_equal(decoder.get([0] * 300, small), counts)
    assert np.array_equal(decoder.get(indexes[:50].astype(np.int64), gaussian), symbols[:50])
    decoder.finish()
    assert {part.dtype for part in got} == {np.dtype(np.int32)}


def test_symbols_outside_their_row_are_escaped(gaussian):
    far = [
        0,
        1,
        -1,
        2,
        -2,
        15,
        -16,
        17,
        255,
        -256,
        4097,
        -70000,
        MAX_SYMBOL,
        -MAX_SYMBOL,
        1 - MAX_SYMBOL,
        MAX_SYMBOL - 1,
    ]
    symbols = np.tile(far, len(gaussian)).astype(np.int32)
    indexes = np.repeat(np.arange(len(gaussian)), len(far))
    assert np.array_equal(decode(encode(symbols, indexes, gaussian), indexes, gaussian), symbols)


def test_every_distance_around_every_edge_of_a_row():
    tables = lopsided()
    symbols = np.tile(np.arange(-300, 300), 2)
    indexes = np.repeat([0, 1], 600)
    assert np.array_equal(decode(encode(symbols, indexes, tables), indexes, tables), symbols)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-MAX_SYMBOL, MAX_SYMBOL) | st.integers(-4, 8), st.integers(0, 1)), max_size=40))
def test_any_short_stream_comes_back(pairs):
    tables = lopsided()
    symbols, indexes = np.array(pairs, np.int64).reshape(-1, 2).T
    data = encode(symbols, indexes, tables)
    assert len(data) % 4 == 0 and (len(data) >= 8 if pairs else data == b"")
    assert np.array_equal(decode(data, indexes, tables), symbols)


def test_subset_is_the_same_rows_numbered_anew(gaussian):
    symbols, indexes = draw(2000)
    part = (indexes >= 30) & (indexes < 60)
    data = encode(symbols[part], indexes[part], gaussian)
    assert encode(symbols[part], indexes[part] - 30, gaussian.subset(slice(30, 60))) == data
    assert encode(symbols[part], 59 - indexes[part], gaussian.subset(np.arange(59, 29, -1))) == data
    assert len(gaussian.subset([3, 3])) == 2
    with pytest.raises(BadOption):
        gaussian.subset([90])


def test_threads_share_one_table(gaussian):
    def round_trip(seed):
        symbols, indexes = draw(3000, seed)
        return np.array_equal(decode(encode(symbols, indexes, gaussian), indexes, gaussian), symbols)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(round_trip, range(24)))


# The bytes


def test_golden_bytes():
    """These bytes are the format: a change here makes every existing file unreadable."""
    tables = lopsided()
    symbols, indexes = [6, 5, 7, -3, -2, 40, -900], [0, 0, 0, 1, 1, 0, 1]
    assert encode(symbols, indexes, tables).hex() == "e275f23a799dc804005b19b2223435df"
    assert encode([6], [0], tables).hex() == "0680028000000000"


def test_an_independent_decoder_agrees():
    sigmas = np.geomspace(0.11, 30, 12)
    parts = gaussian_parts(sigmas, reach=2)  # 5 % of the symbols are escapes
    symbols, indexes = draw(2000, 3, sigmas)
    symbols[::100] *= 5000
    data = encode(symbols, indexes, Tables(*parts))
    assert independent_decode(data, indexes, *parts) == (symbols.tolist(), 1 << 31, len(data) // 4)


def test_cost_is_ideal_within_a_thousandth():
    parts = gaussian_parts(reach=8)  # no escapes
    symbols, indexes = draw(60_000)
    ideal = ideal_bits(symbols, indexes, *parts)
    size = 8 * len(encode(symbols, indexes, Tables(*parts)))
    assert ideal <= size <= 1.001 * ideal + 64


def test_certain_symbols_cost_nothing():
    tables = Tables([[0, 65535, 65536]], [3], [0])
    zeros = np.zeros(10_000, np.int32)
    assert len(encode(zeros, zeros, tables)) == 8


# Rows from probabilities


def test_rows_add_up_and_hold_every_symbol():
    for pmf, escape in (
        ([1.0], 0.0),
        ([0.0] * 3000 + [1.0], 0.0),
        (np.ones(65535), 1),
        ([1e-300, 1e299], 0),
        ([5e-324], 0),
    ):
        cdf = pmf_to_cdf(pmf, escape)
        assert cdf.dtype == np.int32 and len(cdf) == len(pmf) + 2
        assert cdf[0] == 0 and cdf[-1] == TOTAL and np.diff(cdf).min() >= 1
    assert pmf_to_cdf([1, 2, 1], 0).tolist() == [0, 16384, 49151, 65535, 65536]
    assert pmf_to_cdf([1, 1], 2).tolist() == [0, 16384, 32768, 65536]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.floats(0, 10))
def test_no_unit_moved_between_two_symbols_would_serve_them_better(pmf, escape):
    shares = np.array([*pmf, escape])
    if not shares.any():
        return
    frequencies = np.diff(pmf_to_cdf(pmf, escape)).astype(float)
    most_wanted = np.max(shares / (frequencies + 0.5))
    can_give = frequencies > 1
    assert np.min(shares[can_give] / (frequencies[can_give] - 0.5)) >= most_wanted * (1 - 1e-9)


@pytest.mark.parametrize(
    "pmf, escape",
    [
        ([], 1),
        ([0.0], 0),
        ([-1.0, 2], 0),
        ([math.nan], 0),
        ([math.inf], 0),
        ([1], math.nan),
        ([1], -1),
        (np.ones(65536), 1),
    ],
)
def test_what_is_no_distribution_is_refused(pmf, escape):
    with pytest.raises(BadOption):
        pmf_to_cdf(pmf, escape)


# The extension behind the fence


def run(code):
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def outcome(process):
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output


def test_short_streams_do_not_write_outside_the_coder():
    """Two symbols of 16 bits make three words, one more than the coder has room for: glibc would abort within a few."""
    outcome(
        run(
            """
from codec.bitstream.entropy import Encoder, Decoder
from codec.bitstream.tables import Tables
tables = Tables([[0, 1, 65535, 65536]], [4], [0])
for count in (1, 2, 3, 4, 5) * 400:
    for symbol in (0, 1, 2, 2**20):
        encoder = Encoder()
        encoder.put([symbol] * count, [0] * count, tables)
        decoder = Decoder(encoder.finish(), count)
        assert decoder.get([0] * count, tables).tolist() == [symbol] * count
        decoder.finish()
        blocks = [bytearray(n) for n in range(16)]
"""
        )
    )


def test_either_import_order_works_and_the_fence_stays_light():
    """pybind11 aborts when the extension is loaded twice; torch must not come along with it."""
    use = "BufferedRansEncoder().encode_with_indexes([0], [0], [[0, 1, 65536]], [3], [0])"
    fence = (
        "import codec.bitstream.entropy, numpy; codec.bitstream.entropy.Encoder().put([0], [0], "
        "codec.bitstream.tables.Tables([[0, 1, 65536]], [3], [0]))"
    )
    first = run(
        f"import sys; {fence}; assert not {{'torch', 'compressai'}} & set(sys.modules);"
        f"import compressai; from compressai import ans; import compressai.ans; ans.{use};"
        "from compressai.entropy_models import EntropyBottleneck; EntropyBottleneck(2).update();"
        "assert ans is codec.bitstream.entropy._rans()"
    )
    second = run(
        f"import compressai; from compressai import ans; {fence}; ans.{use}; "
        "assert ans is codec.bitstream.entropy._rans()"
    )
    outcome(first)
    outcome(second)


def test_nothing_else_in_the_package_touches_the_coder():
    for path in (ROOT / "codec").rglob("*.py"):
        if path.name != "entropy.py":
            text = path.read_text()
            assert "compressai.ans" not in text and "compressai import ans" not in text, path
