"""Entropy coding: integers and frozen tables to bytes and back, through CompressAI's rANS, which this module alone
touches.

`prior` chooses a row of a table for every symbol; what leaves here is the tile payload that `container` stores. The
coder in C++ is fast and checks nothing: a wrong index, a second flush or too few symbols make it write outside its
buffers, damaged data make it read there. Everything that reaches it is therefore checked here first.
"""

import functools
import importlib.util
import math
import struct
import sys
from importlib.machinery import PathFinder
from itertools import groupby
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadOption, Corrupt
from ..loading import loading
from .tables import MAX_SYMBOL, TOTAL, Integers, Tables, as_array, integers

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


Puts = list[tuple[Tables, Integers, Integers]]  # tables, ranks [n], indexes [n]


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
        symbols, (indexes, _, _) = integers(symbols, "symbols"), tables.checked(indexes)
        if len(symbols) != len(indexes):
            raise BadOption(f"{len(symbols)} symbols came with {len(indexes)} table indexes")
        if len(symbols):
            if symbols.min() < -MAX_SYMBOL or symbols.max() > MAX_SYMBOL:
                raise BadOption(f"a symbol lies outside ±{MAX_SYMBOL}")
            symbols = symbols.astype(np.int64, copy=False)
            self._puts.append((tables, tables.to_ranks(symbols, indexes), indexes.astype(np.int32)))

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

        Raises BadOption for an index outside the table or beyond the limit, Corrupt for a symbol beyond ±2^20 and
        where the symbols are more than the data can hold: few bytes that claim many symbols are found out early.
        """
        indexes, low, high = tables.checked(indexes)
        if len(indexes) > self._limit - self._read:
            raise BadOption(f"{len(indexes)} symbols were asked of a stream that has {self._limit - self._read} left")
        symbols = [self._get(indexes[i : i + CHUNK], tables, low, high) for i in range(0, len(indexes), CHUNK)]
        return np.concatenate(symbols) if len(symbols) > 1 else symbols[0] if symbols else np.empty(0, np.int32)

    def _get(self, indexes: Integers, tables: Tables, low: int, high: int) -> Integers:
        """At most CHUNK symbols."""
        self._read += len(indexes)
        ranks = _from_list(self._coder.decode_stream(*tables.arguments(indexes, low, high)))
        symbols, bits = tables.to_symbols(ranks, indexes)
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


def _write(puts: Puts) -> bytes:
    """The stream of (tables, ranks [n], indexes [n]), n > 0; runs of one table become one call of the coder."""
    coder, total = _rans().BufferedRansEncoder(), 0
    for _, run in groupby(puts, key=lambda put: id(put[0])):
        (tables, *_), *arrays = zip(*run)
        ranks, indexes = map(np.concatenate, arrays)
        coder.encode_with_indexes(
            as_array(ranks, ranks.min(), ranks.max()),
            *tables.arguments(indexes, int(indexes.min()), int(indexes.max())),
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


def _from_list(ranks: list[int]) -> Integers:
    """Array of what the coder returns: uint8, made in a third of the time, as long as all ranks are below 256; else
    int32.
    """
    try:
        return np.frombuffer(bytes(ranks), np.uint8)
    except ValueError:
        return np.frombuffer(struct.pack(f"{len(ranks)}i", *ranks), np.intc)
