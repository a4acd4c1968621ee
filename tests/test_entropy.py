"""The fence around the rANS coder: what goes in comes out, at the ideal cost, and nothing a caller or a file does can
crash it.
"""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.bitstream import entropy
from codec.bitstream.entropy import MAX_SYMBOL, TOTAL, Decoder, Encoder, Tables, pmf_to_cdf
from codec.errors import BadOption, BadWeights, Corrupt
from tests.fuzz.hostile import by_hand

ROOT = Path(__file__).resolve().parents[1]
SIGMAS = np.geomspace(0.11, 256, 90)


def normal_cdf(x):
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def gaussian_parts(sigmas=SIGMAS, reach=4.5):
    """cdfs, sizes and offsets of rows that hold ±reach·sigma; the padding is garbage on purpose."""
    rows, offsets = [], []
    for sigma in sigmas:
        half = max(1, math.ceil(reach * sigma))
        edges = [normal_cdf(x / sigma) for x in np.arange(-half - 0.5, half + 1)]
        rows.append(pmf_to_cdf(np.diff(edges), 2 * edges[0]))
        offsets.append(-half)
    sizes = [len(row) for row in rows]
    cdfs = np.full((len(rows), max(sizes)), -7, np.int32)
    for row, cdf in zip(cdfs, rows):
        row[: len(cdf)] = cdf
    return cdfs, np.array(sizes, np.int32), np.array(offsets, np.int32)


@pytest.fixture(scope="module")
def gaussian():
    return Tables(*gaussian_parts())


def lopsided():
    """Two rows with tails of 1/65536, offsets of both signs."""
    return Tables([[0, 1, 65535, 65536], [0, 60000, 65536, 0]], [4, 3], [5, -3])


def draw(count, seed=0, sigmas=SIGMAS):
    rng = np.random.default_rng(seed)
    indexes = rng.integers(0, len(sigmas), count).astype(np.int32)
    return np.rint(rng.normal(size=count) * sigmas[indexes]).astype(np.int32), indexes


def encode(symbols, indexes, tables):
    encoder = Encoder()
    encoder.put(symbols, indexes, tables)
    return encoder.finish()


def decode(data, indexes, tables):
    decoder = Decoder(data, len(indexes))
    symbols = decoder.get(indexes, tables)
    decoder.finish()
    return symbols


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


def independent_decode(data, indexes, cdfs, sizes, offsets):
    """rANS as the format describes it, one symbol at a time, sharing no code with the module.

    Returns the symbols, the state at the end and the number of 32-bit words read; past its end `data` goes on with
    zeros.
    """
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    state, at = words[0] | words[1] << 32, 2

    def refill():
        nonlocal state, at
        if state < 1 << 31:
            state, at = state << 32 | (words[at] if at < len(words) else 0), at + 1

    def nibble():
        nonlocal state
        value, state = state & 15, state >> 4
        refill()
        return value

    symbols = []
    for index in indexes:
        count = int(sizes[index]) - 2
        freqs = [int(b) - int(a) for a, b in zip(cdfs[index], cdfs[index][1 : count + 2])]
        order = [*sorted(range(count), key=lambda s: (-freqs[s], s)), count]  # by falling frequency, the escape last
        low, rank, start = state & 0xFFFF, 0, 0
        while start + freqs[order[rank]] <= low:
            start += freqs[order[rank]]
            rank += 1
        state = freqs[order[rank]] * (state >> 16) + low - start
        refill()
        place = order[rank]
        if place == count:
            groups = last = nibble()
            while last == 15:
                last = nibble()
                groups += last
            raw = sum(nibble() << 4 * k for k in range(groups))
            place = -(raw >> 1) - 1 if raw & 1 else count + (raw >> 1)
        symbols.append(place + int(offsets[index]))
    return symbols, state, at


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


# What callers do wrong


@pytest.mark.parametrize(
    "symbols, indexes",
    [
        ([0, 0], [0, 2]),  # an index beyond the table: a segmentation fault in the coder
        ([0, 0], [0, -1]),
        ([0, 0], [0, 2**40]),
        ([0, 0], [0]),  # fewer indexes than symbols: another
        ([0], [0, 0]),
        ([2**28], [0]),  # an endless loop in the coder
        ([MAX_SYMBOL + 1], [0]),
        ([-MAX_SYMBOL - 1], [0]),
        ([2**40], [0]),
        ([1.0], [0]),
        ([0], [0.0]),
        ([True], [0]),
        ([[0, 0]], [[0, 0]]),
    ],
)
def test_a_bad_put_is_refused_and_leaves_the_stream_as_it_was(symbols, indexes):
    tables = lopsided()
    encoder = Encoder()
    encoder.put([6, -2], [0, 1], tables)
    with pytest.raises(BadOption):
        encoder.put(np.array(symbols), np.array(indexes), tables)
    encoder.put([7], [0], tables)
    assert decode(encoder.finish(), [0, 1, 0], tables).tolist() == [6, -2, 7]


def test_an_encoder_finishes_once():
    encoder = Encoder()
    encoder.put([6], [0], lopsided())
    encoder.finish()
    with pytest.raises(BadOption, match="only once"):
        encoder.finish()
    with pytest.raises(BadOption, match="finished"):
        encoder.put([6], [0], lopsided())


def test_unread_symbols_are_noticed_at_the_end():
    tables = lopsided()
    decoder = Decoder(encode([6, 5, 7], [0, 0, 0], tables), 3)
    decoder.get([0, 0], tables)
    with pytest.raises(Corrupt, match="after 2 symbols"):
        decoder.finish()


def test_a_decoder_gives_at_most_its_limit():
    tables = lopsided()
    decoder = Decoder(encode([6, 5, 7], [0, 0, 0], tables), 3)
    assert decoder.get([0, 0], tables).tolist() == [6, 5]
    with pytest.raises(BadOption, match="1 left"):
        decoder.get([0, 0], tables)
    for bad in ([2], [-1], [0.5], [[0]]):
        with pytest.raises(BadOption):
            decoder.get(bad, tables)
    assert decoder.get([0], tables).tolist() == [7]
    decoder.finish()
    assert decoder.get([], tables).tolist() == []
    with pytest.raises(BadOption, match="twice"):
        decoder.finish()
    with pytest.raises(BadOption):
        decoder.get([0], tables)
    with pytest.raises(BadOption):
        Decoder(b"", -1)


@pytest.mark.parametrize(
    "cdfs, sizes, offsets",
    [
        ([[0, 1, 65536]], [3], [0, 0]),
        ([[0, 1, 65536]], [3, 3], [0]),
        (np.zeros((0, 3), int), np.zeros(0, int), np.zeros(0, int)),
        ([[0, 65536, 0]], [2], [0]),  # an escape without a symbol
        ([[0, 1, 65536]], [4], [0]),
        ([[0, 1, 65536]], [-3], [0]),
        ([[1, 2, 65536]], [3], [0]),
        ([[0, 1, 65535]], [3], [0]),
        ([[0, 1, 1, 65536]], [4], [0]),
        ([[0, 2, 1, 65536]], [4], [0]),
        ([[0, 1, 65536, 65537]], [4], [0]),
        (np.array([[0, 2**62, 2**63 - 1, -(2**63) + 9, -(2**62), 65536]]), [6], [0]),  # rises strictly modulo 2^64
        ([[0, 1, 65536]], [3], [MAX_SYMBOL]),
        ([[0, 1, 65536]], [3], [-MAX_SYMBOL - 1]),
        ([[0, 1, 65536]], [3], [-(2**63)]),
        ([[0.0, 1.0, 65536.0]], [3], [0]),
        ([0, 1, 65536], [3], [0]),
        ([[0, 1, 65536]], 3, [0]),
    ],
)
def test_broken_tables_are_refused(cdfs, sizes, offsets):
    with pytest.raises(BadWeights):
        Tables(cdfs, sizes, offsets)


# What files do wrong


@pytest.mark.parametrize(
    "data, total", [(b"", 1), (b"\0" * 4, 1), (b"\0" * 7, 1), (b"\0" * 9, 1), (b"\0" * 8, 0), (b"\0", 0)]
)
def test_a_size_that_cannot_be(data, total):
    with pytest.raises(Corrupt):
        Decoder(data, total)


@pytest.mark.parametrize("state", [0, 2**31 - 1, 2**63, 2**64 - 1])
def test_a_state_that_cannot_be(state):
    with pytest.raises(Corrupt, match="state"):
        Decoder(state.to_bytes(8, "little"), 1)


def damaged_decode(data, indexes, tables):
    """True where the damage was noticed; the symbols must stay within bounds either way."""
    try:
        decoder = Decoder(data, len(indexes))
        symbols = decoder.get(indexes, tables)
        assert np.abs(symbols).max() <= MAX_SYMBOL
        decoder.finish()
    except Corrupt:
        return True
    return False


def test_damage_is_noticed(gaussian):
    symbols, indexes = draw(400)
    data = encode(symbols, indexes, gaussian)
    rng = np.random.default_rng(4)
    assert all(damaged_decode(data + bytes(4 * n), indexes, gaussian) for n in range(1, 50))
    assert damaged_decode(encode([6], [0], lopsided()) + bytes(4), [0], lopsided())
    assert all(damaged_decode(data[:size], indexes, gaussian) for size in range(0, len(data)))
    missed = 0  # flips inside an escape, or between symbols of equal frequency, lead back to the same state
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        missed += not damaged_decode(flipped, indexes, gaussian)
    assert missed < 0.01 * len(data) * 8
    assert all(damaged_decode(data + rng.bytes(4 * n), indexes, gaussian) for n in range(1, 50))
    assert damaged_decode(data, indexes[:-1], gaussian) and damaged_decode(data, [*indexes, 80], gaussian)
    assert damaged_decode(data, indexes[::-1], gaussian)


def test_symbols_that_the_data_cannot_hold_are_found_out_early(gaussian):
    state = bytes([0, 0, 0, 128, 0, 0, 0, 0])
    with pytest.raises(Corrupt, match="end before their symbol 1000$"):
        Decoder(state, 500_000).get(draw(1000)[1], gaussian)
    certain = Tables([[0, 65535, 65536]], [3], [0])  # a million of them fit into the state
    zeros = np.zeros(1_000_000, np.int32)
    assert not decode(encode(zeros, zeros, certain), zeros, certain).any()
    for sigma in (0.2, 1, 40):  # right streams are never taken for too short ones
        for seed in range(5):
            symbols, indexes = draw(20_000, seed, np.array([sigma]))
            tables = Tables(*gaussian_parts([sigma]))
            assert np.array_equal(decode(encode(symbols, indexes, tables), indexes, tables), symbols)


def test_random_bytes_are_survived(gaussian):
    rng = np.random.default_rng(5)
    for seed in range(1500):
        size = 4 * int(rng.integers(2, 30))
        indexes = draw(int(rng.integers(1, 300)), seed)[1]
        # Runs of 15s make the longest escapes.
        fill = rng.bytes(size) if seed % 3 else bytes([rng.integers(256)]) * size
        assert damaged_decode(fill[:7] + b"\x7f" + fill[8:], indexes, gaussian)


@pytest.mark.parametrize("zeros", [0, 1, 2, 7, 8, 14, 40])
@pytest.mark.parametrize("dear", [0, 3000])
def test_an_escape_in_more_groups_than_it_needs_is_refused(zeros, dear):
    """From nine groups on the coder would shift by more bits than its integers have, and what comes of it depends on
    the machine.

    dear: so many symbols of 16 bits after it, in whose length a group could be lost.
    """
    tables = Tables([[0, 1, 65535, 65536]], [4], [0])  # by falling frequency: 1, 0, escape
    count, counts = 1 + zeros, []
    while count >= 15:
        counts, count = [*counts, 15], count - 15
    reads = [
        ("symbol", 65535, 1),
        *(("bits", n) for n in (*counts, count, 14, *[0] * zeros)),
        *[("symbol", 0, 65534)] * 3,
        *[("symbol", 65534, 1)] * dear,
    ]
    data, symbols = by_hand(reads), [9, 1, 1, 1, *[0] * dear]
    if not zeros:
        assert (
            data == encode(symbols, [0] * len(symbols), tables)
            and decode(data, [0] * len(symbols), tables).tolist() == symbols
        )
    else:
        with pytest.raises(Corrupt, match="shortest form"):
            decode(data, [0] * len(symbols), tables)


@pytest.mark.parametrize("count, again", [(100, False), (20_000, False), (300_000, True)])
def test_streams_are_written_anew_only_where_a_group_could_be_lost_in_their_length(count, again, monkeypatch):
    sigmas = np.geomspace(0.11, 30, 12)
    tables = Tables(*gaussian_parts(sigmas, reach=2))  # 5 % of the symbols are escapes
    symbols, indexes = draw(count, 4, sigmas)
    data, write, written = encode(symbols, indexes, tables), entropy._write, []
    monkeypatch.setattr(entropy, "_write", lambda puts: (written.append(1), write(puts))[1])
    assert np.array_equal(decode(data, indexes, tables), symbols) and bool(written) == again == (
        len(data) > 4 * 2**13 * 3.5
    )


def test_reading_stays_inside_the_padding():
    """The independent decoder counts the words that damaged data make it read; the fence must have put
    as many there.
    """
    sigmas = np.geomspace(0.11, 30, 12)
    parts = gaussian_parts(sigmas, reach=1)  # a third of the symbols are escapes
    rng = np.random.default_rng(6)
    for seed in range(400):
        count = int(rng.integers(2, 12))
        data = rng.bytes(4 * count) if seed % 2 else bytes([255 - rng.integers(3)]) * 4 * count  # 15s make long escapes
        data = data[:7] + b"\x7f" + data[8:]
        indexes = rng.integers(0, 12, 40)
        _, _, read = independent_decode(data, indexes, *parts)
        assert read <= 16 * count + 2 * len(indexes)
        damaged_decode(data, indexes, Tables(*parts))


@pytest.mark.parametrize("sigma", [0.2, 0.4, 30])
def test_data_that_end_are_found_out_within_two_chunks_of_reading(sigma, monkeypatch):
    """However many symbols are asked for at once: the padding is for two chunks, not for all of them."""
    monkeypatch.setattr(entropy, "CHUNK", 256)
    parts = gaussian_parts(np.array([sigma]), reach=1)
    symbols, indexes = draw(40_000, 3, np.array([sigma]))
    data = encode(symbols[:20_000], indexes[:20_000], Tables(*parts))[:1200]
    given, decoder = [], entropy._decoder
    monkeypatch.setattr(entropy, "_decoder", lambda words, symbols: (given.append(symbols), decoder(words, symbols))[1])
    reader = Decoder(data, len(indexes))
    with pytest.raises(Corrupt, match="end before their symbol"):
        reader.get(indexes, Tables(*parts))
    _, _, read = independent_decode(data, indexes[: reader._read], *parts)
    assert read <= len(data) // 4 + 2 * 256 and given[0] < 600 and reader._read < 40_000


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
from codec.bitstream.entropy import Tables, Encoder, Decoder
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
        "codec.bitstream.entropy.Tables([[0, 1, 65536]], [3], [0]))"
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
