"""What the entropy coder refuses: what callers do wrong, and what files do wrong."""

import entropy_streams
import numpy as np
import pytest
from entropy_streams import decode, draw, encode, gaussian_parts, independent_decode, lopsided

from codec.bitstream import entropy
from codec.bitstream.entropy import Decoder, Encoder
from codec.bitstream.tables import MAX_SYMBOL, Tables
from codec.errors import BadOption, BadWeights, Corrupt
from tests.fuzz.hostile import by_hand

gaussian = pytest.fixture(scope="module")(entropy_streams.gaussian)


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
