"""Tables and streams for the tests of the entropy coder, and a decoder of their own."""

import math

import numpy as np

from codec.bitstream.entropy import Decoder, Encoder
from codec.bitstream.tables import Tables, pmf_to_cdf

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
