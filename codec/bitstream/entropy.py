"""Entropy coding: integers and frozen tables to bytes and back, through CompressAI's rANS, which this module alone
touches.

`prior` chooses a row of a table for every symbol; what leaves here is the tile payload that `container` stores. The
coder in C++ is fast and checks nothing: a wrong index, a second flush or too few symbols make it write outside its
buffers, damaged data make it read there. Everything that reaches it is therefore checked here first.
"""

import functools
import heapq
import importlib.util
import math
import struct
import sys
from array import array
from importlib.machinery import PathFinder
from itertools import groupby
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codec.errors import BadOption, BadWeights, CodecError, Corrupt
from codec.loading import loading

TOTAL = 1 << 16  # what the frequencies of a row add up to; fixed inside the coder
MAX_SYMBOL = 1 << 20  # a symbol 2^28 beyond its row makes the coder loop for ever; real ones stay below 2^18
INITIAL_STATE = 1 << 31  # state of a coder that holds nothing; a valid state lies in [2^31, 2^63)

# Each symbol writes at most 16 bits and the flush two 32-bit words, into a buffer of one word per symbol: from four
# symbols on it fits. Shorter streams are filled up with a symbol of 65535/65536, which costs nothing.
MIN_SYMBOLS = 4
FILLER = [0, TOTAL - 1, TOTAL]

# Read after the last symbol to see whether the stream ended there. Odd frequencies carry every bit of the coder's state
# into the symbols, and 64 of them tell more than the 63 bits of a state.
END_PROBE = [0, 21845, 43690, TOTAL - 1, TOTAL]
END_SYMBOLS = 64

# What makes a stream longer than its symbols take adds a group of an escape or more. Their cost is the stream's length
# but for the coder's integer divisions: a symbol of frequency f that leaves the state x is off by at most 65536 - f in
# x, and x runs from 2^31 up to 2^63 for every word. The sum per word is below 2 * log2(e) * 2^-15 bits; on Kodak 0.011
# bits per stream at most.
GROUP = 4
DRIFT = 2.0**-13  # bits per word of 32 bits

CHUNK = 1 << 15  # symbols read between two looks at whether the data are spent


@functools.cache
@loading()
def _rans() -> ModuleType:
    """The extension alone, in milliseconds: `import compressai` brings torch and pandas along and takes seconds.

    pybind11 aborts the process when an extension is loaded twice, so it is registered under the name by which a later
    `import compressai` looks it up.
    """
    name = "compressai.ans"
    if name not in sys.modules:
        package = importlib.util.find_spec("compressai")
        spec = package and PathFinder.find_spec(name, package.submodule_search_locations)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(
                "the entropy coder needs the package compressai, which is not installed", name=name
            )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


Integers = NDArray[Any]  # of whatever width
Puts = list[tuple["Tables", Integers, Integers]]  # tables, ranks [n], indexes [n]


class Tables:
    """Frozen cumulative frequencies, one row per distribution; immutable, shared by threads.

    Args:
        cdfs: integers [R, L]; row r holds `sizes[r]` values rising strictly from 0 to 65536, then padding.
        sizes: integers [R], number of symbols + 2: the last frequency of a row belongs to the escape, which announces a
            symbol outside the row, at the cost of its distance in 4-bit groups.
        offsets: integers [R], the symbol that the first frequency of each row belongs to.

    Raises BadWeights where one of these rules is broken.

    The coder finds a symbol by walking along its row, so it gets each row by falling frequency (equal ones by rising
    symbol, the escape last), which halves the decoding time of wide rows. A symbol's place in that order is its rank.
    """

    def __init__(self, cdfs: ArrayLike, sizes: ArrayLike, offsets: ArrayLike):
        cdfs = _integers(cdfs, "frequencies", 2, BadWeights).astype(np.int64)
        sizes = _integers(sizes, "sizes", 1, BadWeights).astype(np.int64)
        offsets = _integers(offsets, "offsets", 1, BadWeights).astype(np.int64)
        if not len(cdfs) == len(sizes) == len(offsets) > 0:
            raise BadWeights(f"a table has {len(cdfs)} rows, {len(sizes)} sizes and {len(offsets)} offsets")
        if sizes.min() < 3 or sizes.max() > cdfs.shape[1]:
            raise BadWeights(f"a table has row sizes of {sizes.min()} to {sizes.max()}, outside 3 to {cdfs.shape[1]}")
        if offsets.min() < -MAX_SYMBOL or offsets.max() > MAX_SYMBOL - TOTAL:
            raise BadWeights(f"a table has an offset that allows symbols outside ±{MAX_SYMBOL}")
        padding = np.arange(1, cdfs.shape[1]) >= sizes[:, None]
        rising = (cdfs[:, 1:] > cdfs[:, :-1]) | padding
        if cdfs[:, 0].any() or not rising.all() or (cdfs[np.arange(len(cdfs)), sizes - 1] != TOTAL).any():
            raise BadWeights(f"a table has a row that does not rise strictly from 0 to {TOTAL}")

        self._cdfs, self._sizes, self._offsets = cdfs, sizes, offsets
        widths = sizes - 2  # symbols of each row, without the escape
        # All rows end to end in one line of slots; the two outermost slots belong to no row and catch what is clipped.
        self._start = 1 + np.cumsum(widths) - widths
        slots = int(widths.sum()) + 2
        self._owner = np.full(slots, -1, np.int32)  # slot -> row
        self._rank = np.zeros(slots, np.int32)  # slot of a symbol -> its rank
        self._symbol = np.zeros(slots, np.int32)  # slot of a rank -> its symbol
        self._cost = np.zeros(slots, np.float32)  # slot of a rank -> bits it takes
        # Bits that an escape takes beside its groups.
        self._escape = 20 - np.log2(TOTAL - cdfs[np.arange(len(cdfs)), widths])
        self._size_list = sizes.tolist()
        self._rows = []  # [R] lists of cumulative frequencies by rank: the coder reads lists faster than arrays
        for row, (start, width) in enumerate(zip(self._start, widths)):
            frequencies = np.diff(cdfs[row, : width + 2])
            order = np.argsort(-frequencies[:width], kind="stable")
            span = slice(start, start + width)
            self._owner[span] = row
            self._rank[span][order] = np.arange(width)
            self._symbol[span] = order + offsets[row]
            self._cost[span] = 16 - np.log2(frequencies[order])
            self._rows.append([0, *np.cumsum([*frequencies[order], frequencies[width]]).tolist()])

    def __len__(self) -> int:
        return len(self._rows)

    def subset(self, rows: slice | ArrayLike) -> "Tables":
        """The tables of some rows, numbered anew: `rows` is a slice or integers [n]."""
        rows = rows if isinstance(rows, slice) else self._checked(rows)[0]
        return Tables(self._cdfs[rows], self._sizes[rows], self._offsets[rows])

    def row(self, row: int) -> tuple[Integers, Integers]:
        """Symbols of a row and their frequencies out of 65536, without the escape."""
        width = int(self._sizes[row]) - 2
        return np.arange(width) + self._offsets[row], np.diff(self._cdfs[row, : width + 1])

    def frequency(self, row: int, symbol: int) -> int:
        """Frequency of a symbol, out of 65536; that of the escape for one outside the row."""
        symbols, frequencies = self.row(row)
        inside = frequencies[symbols == symbol]
        return int(inside[0]) if inside.size else TOTAL - int(frequencies.sum())

    def bits(self, symbols: ArrayLike, indexes: ArrayLike) -> NDArray[np.float64]:
        """What coding the symbols takes, float64 [n]: -log2 of their frequencies, and 4 bits per group of an escape's
        distance and for their number.
        """
        symbols, (indexes, _, _) = _integers(symbols, "symbols"), self._checked(indexes)
        starts = np.cumsum(self._sizes - 1) - (self._sizes - 1)
        frequencies = np.concatenate([np.diff(cdf[:size]) for cdf, size in zip(self._cdfs, self._sizes)])
        place, width = symbols - self._offsets[indexes], self._sizes[indexes] - 2
        outside = (place < 0) | (place >= width)
        return np.where(
            outside,
            self._escape_bits(place, indexes),
            np.log2(TOTAL / frequencies[starts[indexes] + np.where(outside, 0, place)]),
        )

    def _escape_bits(self, place: Integers, indexes: Integers) -> NDArray[np.float64]:
        """What escapes take: their frequency, and 4 bits for the number of groups and for each; place [n]: places
        counted from the first of the row.
        """
        raw = np.where(place < 0, -2 * place - 1, 2 * (place - (self._sizes - 2)[indexes]))
        groups: Integers = (np.frexp(raw)[1] + 3) // 4  # of 4 bits: the exponent is the number of bits
        bits: NDArray[np.float64] = self._escape[indexes] + 4 * groups
        return bits

    def _checked(self, indexes: ArrayLike) -> tuple[Integers, int, int]:
        """The indexes, the lowest and the highest of them. Raises BadOption."""
        indexes = _integers(indexes, "table indexes")
        low, high = (int(indexes.min()), int(indexes.max())) if indexes.size else (0, 0)
        if low < 0 or high >= len(self):
            raise BadOption(f"table indexes run from {low} to {high}, but the table has {len(self)} rows")
        return indexes.astype(np.intp, copy=False), low, high

    def _to_ranks(self, symbols: Integers, indexes: Integers) -> Integers:
        """Symbols as the coder sees them: ranks, or distances from the first symbol where the row does
        not hold them.
        """
        slots = symbols + (self._start - self._offsets).take(indexes)
        ranks: Integers = self._rank.take(slots, mode="clip")
        outside = np.flatnonzero(self._owner.take(slots, mode="clip") != indexes)
        ranks[outside] = symbols[outside] - self._offsets[indexes[outside]]
        return ranks

    def _to_symbols(self, ranks: Integers, indexes: Integers) -> tuple[Integers, float]:
        """Inverse of `_to_ranks`, int32 [n], and the bits that they took, escapes written in no more groups than they
        need.
        """
        slots = ranks + self._start.take(indexes)
        symbols, cost = self._symbol.take(slots, mode="clip"), self._cost.take(slots, mode="clip")
        outside = np.flatnonzero(self._owner.take(slots, mode="clip") != indexes)
        if outside.size:
            places, rows = ranks[outside].astype(np.int64), indexes[outside]
            escaped = places + self._offsets[rows]
            if np.abs(escaped).max() > MAX_SYMBOL:
                raise Corrupt(f"the entropy-coded data hold a symbol outside ±{MAX_SYMBOL}")
            symbols[outside], cost[outside] = escaped, self._escape_bits(places, rows)
        return symbols, float(cost.sum(dtype=np.float64))

    def _arguments(
        self, indexes: Integers, low: int, high: int
    ) -> tuple["bytearray | array[int]", list[list[int]], list[int], list[int]]:
        """What every call of the coder takes: indexes, which run from low to high, rows, sizes, offsets.

        The coder converts all rows on every call (0.3 ms for 28,000 entries), so it is given only those from the lowest
        to the highest in use.
        """
        rows = slice(low, high + 1)
        return _array(indexes - low, 0, high - low), self._rows[rows], self._size_list[rows], [0] * (high + 1 - low)


class Encoder:
    """Collects symbols and writes them as one stream, in the order in which a `Decoder` reads them."""

    def __init__(self) -> None:
        self._puts: Puts = []
        self._finished = False

    def put(self, symbols: ArrayLike, indexes: ArrayLike, tables: Tables) -> None:
        """Append integers [n], |symbol| <= 2^20, each coded with the row of `tables` that its index names.

        Raises BadOption for unequal lengths, an index outside the table, a larger symbol, or after `finish`.
        """
        if self._finished:
            raise BadOption("nothing can be put into a stream that is finished")
        symbols, (indexes, _, _) = _integers(symbols, "symbols"), tables._checked(indexes)
        if len(symbols) != len(indexes):
            raise BadOption(f"{len(symbols)} symbols came with {len(indexes)} table indexes")
        if len(symbols):
            if symbols.min() < -MAX_SYMBOL or symbols.max() > MAX_SYMBOL:
                raise BadOption(f"a symbol lies outside ±{MAX_SYMBOL}")
            symbols = symbols.astype(np.int64, copy=False)
            self._puts.append((tables, tables._to_ranks(symbols, indexes), indexes.astype(np.int32)))

    def finish(self) -> bytes:
        """The stream: little-endian 32-bit words, at least two; b"" for no symbols.

        Raises BadOption the second time.
        """
        if self._finished:
            raise BadOption("a stream can be finished only once")
        self._finished = True
        puts, self._puts = self._puts, []
        return _write(puts) if puts else b""


class Decoder:
    """Reads back a stream of at most `limit` symbols: how many there are, the reader finds out on the way.

    Damaged data give wrong symbols, never a read outside the buffer (16 bytes per byte and 8 per symbol of two chunks,
    four times that for a moment). `finish` notices 99 % of flipped bits; those that leave the coder's state alone, as
    in the distance of an escape, take a checksum over the symbols. Raises Corrupt where `data` cannot be a stream,
    BadOption for a negative limit.
    """

    def __init__(self, data: bytes | bytearray | memoryview, limit: int):
        if limit < 0:
            raise BadOption(f"a stream cannot hold {limit} symbols")
        size = memoryview(data).nbytes
        if size % 4 or (size < 8 if limit else size):
            raise Corrupt(f"{size} bytes cannot be the entropy-coded data of {limit} symbols")
        self._limit, self._read = limit, 0
        self._puts: Puts = []  # what an Encoder would have been given
        self._spent = 0.0  # bits
        self._finished = False
        if limit:
            self._data, words = bytes(data), np.frombuffer(data, "<u4")
            if not INITIAL_STATE <= int(words[0]) | int(words[1]) << 32 < 1 << 63:
                raise Corrupt("the entropy-coded data begin with an impossible state")
            self._coder = _decoder(words, min(limit, 2 * CHUNK) + MIN_SYMBOLS + END_SYMBOLS)

    def get(self, indexes: ArrayLike, tables: Tables) -> Integers:
        """The next symbols, int32 [n]; `indexes` [n] and `tables` must be those they were put with.

        Raises BadOption for an index outside the table or beyond the limit, Corrupt for a symbol beyond ±2^20 and where
        the symbols are more than the data can hold: few bytes that claim many symbols are found out early.
        """
        indexes, low, high = tables._checked(indexes)
        if len(indexes) > self._limit - self._read:
            raise BadOption(f"{len(indexes)} symbols were asked of a stream that has {self._limit - self._read} left")
        symbols = [self._get(indexes[i : i + CHUNK], tables, low, high) for i in range(0, len(indexes), CHUNK)]
        return np.concatenate(symbols) if len(symbols) > 1 else symbols[0] if symbols else np.empty(0, np.int32)

    def _get(self, indexes: Integers, tables: Tables, low: int, high: int) -> Integers:
        """At most CHUNK symbols."""
        self._read += len(indexes)
        ranks = _from_list(self._coder.decode_stream(*tables._arguments(indexes, low, high)))
        symbols, bits = tables._to_symbols(ranks, indexes)
        self._spent += bits
        # A symbol takes up to 2^-14 bits less than its frequency says.
        if self._spent > 8 * len(self._data) + 64 + 1e-4 * self._read:
            raise Corrupt(f"the entropy-coded data end before their symbol {self._read}")
        self._puts.append((tables, ranks, indexes))
        return symbols

    def finish(self) -> None:
        """Check that the stream ends here: the coder must be back in its initial state with only the padding ahead.

        Words of zero after the end look like the padding, and an escape could have been written in more groups than it
        needs, even in so many that the coder shifts beyond its integers: either makes the stream longer than its
        symbols take, and where its length allows for that, it is written anew and compared. Raises Corrupt where it is
        not so, as when symbols are left unread, BadOption the second time.
        """
        if self._finished:
            raise BadOption("a stream was finished twice")
        self._finished = True
        if not self._limit:
            return
        filler = self._coder.decode_stream([0] * (MIN_SYMBOLS - self._read), [FILLER], [3], [0])
        probe = [0] * END_SYMBOLS, [END_PROBE], [len(END_PROBE)], [0]
        empty = _decoder(np.array([INITIAL_STATE, 0], np.uint32), END_SYMBOLS)
        if any(filler) or self._coder.decode_stream(*probe) != empty.decode_stream(*probe):
            raise Corrupt(f"the entropy-coded data do not end after {self._read} symbols")
        first = int.from_bytes(self._data[:8], "little")
        held = math.log2(first) - 31 + 8 * (len(self._data) - 8)  # bits, from the state that holds nothing on
        # The 0.5 is for `_spent`, a sum of float32.
        if held - self._spent > GROUP - 0.5 - DRIFT * len(self._data) / 4 and _write(self._puts) != self._data:
            raise Corrupt("the entropy-coded data are not in their shortest form")


def pmf_to_cdf(pmf: ArrayLike, escape_mass: float) -> NDArray[np.int32]:
    """Cumulative frequencies, int32 [n + 2], of probabilities float64 [n] and of the escape, scaled to 65536 together.

    Every frequency is at least 1 and else the nearest share (divisor method with rounding), in plain IEEE arithmetic,
    so that every machine makes the same row. Raises BadOption for masses that are no distribution, or more than 65535.
    """
    mass = np.append(np.asarray(pmf, np.float64), escape_mass).tolist()
    if not 2 <= len(mass) <= TOTAL or not all(0 <= m < 1e300 for m in mass) or not any(mass):
        raise BadOption(
            f"{len(mass) - 1} probabilities and an escape of {escape_mass} are no distribution for a table row"
        )
    whole = math.fsum(mass)
    shares = [m / whole * (TOTAL - len(mass)) for m in mass]  # so that raising the small ones to 1 cannot exceed TOTAL
    frequencies = [max(1, int(share)) for share in shares]
    queue = [(-share / (frequency + 0.5), i) for i, (share, frequency) in enumerate(zip(shares, frequencies))]
    heapq.heapify(queue)
    for _ in range(TOTAL - sum(frequencies)):
        i = queue[0][1]  # the one whose share is worst served by its frequency
        frequencies[i] += 1
        heapq.heapreplace(queue, (-shares[i] / (frequencies[i] + 0.5), i))
    return np.cumsum([0, *frequencies]).astype(np.int32)


def _write(puts: Puts) -> bytes:
    """The stream of (tables, ranks [n], indexes [n]), n > 0; runs of one table become one call of the coder."""
    coder, total = _rans().BufferedRansEncoder(), 0
    for _, run in groupby(puts, key=lambda put: id(put[0])):
        (tables, *_), *arrays = zip(*run)
        ranks, indexes = map(np.concatenate, arrays)
        coder.encode_with_indexes(
            _array(ranks, ranks.min(), ranks.max()), *tables._arguments(indexes, int(indexes.min()), int(indexes.max()))
        )
        total += len(indexes)
    filler = [0] * (MIN_SYMBOLS - total)
    coder.encode_with_indexes(filler, filler, [FILLER], [3], [0])
    return np.frombuffer(coder.flush(), np.uint32).astype("<u4").tobytes()


def _decoder(words: NDArray[np.uint32], symbols: int) -> Any:
    """A coder over the words and as many zeros as reading `symbols` past their end could take; a chunk later the reader
    has noticed.

    Past its end a stream is all zeros: a symbol takes at most two words there, one for itself and one for the length of
    an escape, and each real word can announce 8 groups of 4 bits that make escapes up to 15 words longer. What chance
    adds to that, when a state keeps on naming escapes, is far below 4096 bytes.
    """
    padded = np.zeros(len(words) * 16 + symbols * 2 + 1024, np.uint32)
    padded[: len(words)] = words
    coder = _rans().RansDecoder()
    coder.set_stream(padded.tobytes())
    return coder


def _array(values: Integers, low: int, high: int) -> "bytearray | array[int]":
    """Integers [n] from low to high for the coder: it reads a bytearray or array.array in place of a list at half the
    cost of making the list, and bytes fastest.
    """
    if low >= 0 and high < 256:
        return bytearray(values.astype(np.uint8))
    return array("i", values.astype(np.intc, copy=False).tobytes())


def _from_list(ranks: list[int]) -> Integers:
    """Array of what the coder returns: uint8, made in a third of the time, as long as all ranks are below 256; else
    int32.
    """
    try:
        return np.frombuffer(bytes(ranks), np.uint8)
    except ValueError:
        return np.frombuffer(struct.pack(f"{len(ranks)}i", *ranks), np.intc)


def _integers(values: ArrayLike, what: str, ndim: int = 1, error: type[CodecError] = BadOption) -> Integers:
    values = np.asarray(values)
    if values.ndim != ndim or (values.size and values.dtype.kind not in "iu"):
        raise error(f"{what} must be integers in {ndim} dimension(s), not {values.dtype} {list(values.shape)}")
    return values
