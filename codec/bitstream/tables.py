"""Frozen tables of frequencies, one row per distribution of symbols, and how a row is made of probabilities.

`model.prior` chooses a row for every symbol; `entropy` codes with it. No coder is touched here.
"""

import heapq
import math
from array import array
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadOption, BadWeights, CodecError, Corrupt

TOTAL = 1 << 16  # what the frequencies of a row add up to; fixed inside the coder
MAX_SYMBOL = 1 << 20  # a symbol 2^28 beyond its row makes the coder loop for ever; real ones stay below 2^18

Integers = NDArray[Any]  # of whatever width


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
        cdfs = integers(cdfs, "frequencies", 2, BadWeights).astype(np.int64)
        sizes = integers(sizes, "sizes", 1, BadWeights).astype(np.int64)
        offsets = integers(offsets, "offsets", 1, BadWeights).astype(np.int64)
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
        rows = rows if isinstance(rows, slice) else self.checked(rows)[0]
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
        symbols, (indexes, _, _) = integers(symbols, "symbols"), self.checked(indexes)
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

    def checked(self, indexes: ArrayLike) -> tuple[Integers, int, int]:
        """The indexes, the lowest and the highest of them. Raises BadOption."""
        indexes = integers(indexes, "table indexes")
        low, high = (int(indexes.min()), int(indexes.max())) if indexes.size else (0, 0)
        if low < 0 or high >= len(self):
            raise BadOption(f"table indexes run from {low} to {high}, but the table has {len(self)} rows")
        return indexes.astype(np.intp, copy=False), low, high

    def to_ranks(self, symbols: Integers, indexes: Integers) -> Integers:
        """Symbols as the coder sees them: ranks, or distances from the first symbol where the row does
        not hold them.
        """
        slots = symbols + (self._start - self._offsets).take(indexes)
        ranks: Integers = self._rank.take(slots, mode="clip")
        outside = np.flatnonzero(self._owner.take(slots, mode="clip") != indexes)
        ranks[outside] = symbols[outside] - self._offsets[indexes[outside]]
        return ranks

    def to_symbols(self, ranks: Integers, indexes: Integers) -> tuple[Integers, float]:
        """Inverse of `to_ranks`, int32 [n], and the bits that they took, escapes written in no more groups than they
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

    def arguments(
        self, indexes: Integers, low: int, high: int
    ) -> tuple["bytearray | array[int]", list[list[int]], list[int], list[int]]:
        """What every call of the coder takes: indexes, which run from low to high, rows, sizes, offsets.

        The coder converts all rows on every call (0.3 ms for 28,000 entries), so it is given only those from the lowest
        to the highest in use.
        """
        rows = slice(low, high + 1)
        return as_array(indexes - low, 0, high - low), self._rows[rows], self._size_list[rows], [0] * (high + 1 - low)


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
    # Of less than TOTAL, so that raising the small ones to 1 cannot exceed it.
    shares = [m / whole * (TOTAL - len(mass)) for m in mass]
    frequencies = [max(1, int(share)) for share in shares]
    queue = [(-share / (frequency + 0.5), i) for i, (share, frequency) in enumerate(zip(shares, frequencies))]
    heapq.heapify(queue)
    for _ in range(TOTAL - sum(frequencies)):
        i = queue[0][1]  # the one whose share is worst served by its frequency
        frequencies[i] += 1
        heapq.heapreplace(queue, (-shares[i] / (frequencies[i] + 0.5), i))
    return np.cumsum([0, *frequencies]).astype(np.int32)


def integers(values: ArrayLike, what: str, ndim: int = 1, error: type[CodecError] = BadOption) -> Integers:
    values = np.asarray(values)
    if values.ndim != ndim or (values.size and values.dtype.kind not in "iu"):
        raise error(f"{what} must be integers in {ndim} dimension(s), not {values.dtype} {list(values.shape)}")
    return values


def as_array(values: Integers, low: int, high: int) -> "bytearray | array[int]":
    """Integers [n] from low to high for the coder: it reads a bytearray or array.array in place of a list at half the
    cost of making the list, and bytes fastest.
    """
    if low >= 0 and high < 256:
        return bytearray(values.astype(np.uint8))
    return array("i", values.astype(np.intc, copy=False).tobytes())
