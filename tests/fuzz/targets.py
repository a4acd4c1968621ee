"""What is fuzzed: each target takes bytes, the last of which choose how the API is called, and returns the outcome in a
word.

Whatever is not a refusal by one of READER's errors, in one sentence, or a result that keeps its promises, is a bug and
leaves as an exception.
"""

import io
import random

import numpy as np

from codec.bitstream import container, entropy
from codec.bitstream.tables import MAX_SYMBOL, Tables, pmf_to_cdf
from codec.errors import BadOption, BadWeights, Corrupt, NotAec, TooLarge, Truncated, UnknownModel, UnsupportedVersion
from codec.pipeline.damage import Damage

from . import hostile

# BadOption and BadWeights are not among them: they would blame somebody else.
READER = (NotAec, Truncated, Corrupt, UnsupportedVersion, UnknownModel, TooLarge)
MOST_PIXELS = 2**14


def sentence(error, kinds):
    """The name of a refusal of the right kind and form; AssertionError for another."""
    text = str(error)
    assert type(error) in kinds, repr(error)
    assert 10 < len(text) < 300 and "\n" not in text and text.isprintable(), repr(text)
    return type(error).__name__


class Dribble(io.BytesIO):
    """A pipe that gives one byte at a time."""

    def read(self, count):
        assert 0 <= count <= 2**16, count
        return super().read(min(count, 1))


PARSERS = (
    container.unpack,
    lambda data: container.unpack(memoryview(data)),
    lambda data: container.unpack(bytearray(data)),
    container.read_header,
    lambda data: container.read_header(io.BytesIO(data)),
    lambda data: container.read_header(Dribble(data)),
)


def parser(data):
    """The container: every way to read it, and what it accepts is what it writes."""
    how, data = data[-1] if data else 0, data[:-1]
    try:
        found = PARSERS[how % len(PARSERS)](data)
    except READER as error:
        return sentence(error, READER)
    if isinstance(found, container.Aec):
        assert container.pack(found) == data, "not the only encoding"
        header = found.header
        assert sum(len(tile.payload) for tile in found.tiles) + sum(map(len, found.sections.values())) < len(data)
    else:
        header, sizes = found
        assert sum(size for name, size in sizes.items() if name != "file") == sizes["file"]
    assert 1 <= header.width <= 2**30 and 1 <= header.height <= 2**30 and header.tile_count * 9 < len(data)
    return "accepted"


def tables():
    """A certain row, tails of 1/65536, rows that mostly escape, one of a thousand symbols, offsets of both signs."""
    wide = pmf_to_cdf(np.exp(-np.abs(np.arange(-500, 501)) / 90), 0.01).tolist()
    rows = [[0, 65535, 65536], [0, 1, 65535, 65536], [0, 1, 65536], [0, 60000, 65536], wide]
    padded = [row + [0] * (len(wide) - len(row)) for row in rows]
    return Tables(padded, [len(row) for row in rows], [0, 5, -3, -MAX_SYMBOL, -500])


TABLES = tables()


def fence(data):
    """The entropy coder: a stream under a list of rows, asked for in pieces; or symbols that must come back."""
    if len(data) < 6:
        return "short"
    how, seed, limit, data = data[-1], int.from_bytes(data[-5:-2], "little"), data[-2] * (1 + data[-1] % 7), data[:-5]
    rng = np.random.default_rng(seed)
    indexes = rng.integers(0, len(TABLES), limit) if how & 1 else np.full(limit, seed % len(TABLES))
    if how & 2:  # the way there and back
        symbols = np.frombuffer(data[: len(data) // 4 * 4], "<i4").astype(np.int64)[:limit] >> (how >> 2 & 31)
        encoder = entropy.Encoder()
        try:
            encoder.put(symbols, indexes[: len(symbols)], TABLES)
        except BadOption as error:
            return sentence(error, (BadOption,))
        data = encoder.finish()
        decoder = entropy.Decoder(data, len(symbols))
        assert np.array_equal(decoder.get(indexes[: len(symbols)], TABLES), symbols)
        decoder.finish()
        return "there and back"
    try:
        decoder = entropy.Decoder(memoryview(data) if how & 4 else data, limit)
        encoder = entropy.Encoder()
        for part in np.array_split(indexes, 1 + (how >> 4)):
            symbols = decoder.get(part, TABLES)
            assert (
                symbols.dtype == np.int32
                and len(symbols) == len(part)
                and (not len(part) or np.abs(symbols).max() <= MAX_SYMBOL)
            )
            encoder.put(symbols, part, TABLES)
        decoder.finish()
    except Corrupt as error:
        return sentence(error, (Corrupt,))
    assert encoder.finish() == data, "not the only encoding"
    return "accepted"


class Coded:
    """A target that has a Codec, and counts the tiles its prior has run for."""

    def __init__(self, coder):
        self.coder, self.walks = coder, 0
        walk = coder.model.networks.prior.walk

        def counted(z, *arguments):
            self.walks += len(z)
            return walk(z, *arguments)

        coder.model.networks.prior.walk = counted


class Batch(Coded):
    """The whole decoder, many files at a time: each gets what it deserves, whatever stands beside it; one of them the
    same as alone.

    The last four bytes choose the files, `hostile.bunch` of the file before them. Returns the outcome of every file.
    """

    def __call__(self, data):
        rng, walks = random.Random(data[-4:]), self.walks
        files = hostile.bunch(self.coder, data[:-4], rng)
        self.walks = walks
        found, outcomes = (
            self.coder.decode_batch([file for file, _ in files], return_exceptions=True, max_pixels=MOST_PIXELS),
            [],
        )
        walks, chosen = self.walks, rng.randrange(len(files))
        for i, ((file, valid), result) in enumerate(zip(files, found)):
            alone = self.alone(file) if i == chosen else result
            if isinstance(result, Exception):
                assert not valid, repr(result)
                assert type(alone) is type(result) and str(alone) == str(result), (alone, result)
                outcomes.append(sentence(result, READER))
            else:
                header, _ = container.read_header(file)
                assert result.size == (header.width, header.height)
                # Sums of hostile size lose bits: 16-bit pixels may be a few levels off.
                difference = np.subtract(alone, result, dtype=np.int32)
                assert np.abs(difference).max() <= (16 if header.depth == 16 else 1), "other pixels than alone"
                outcomes.append("pixels")
        self.walks = walks
        return outcomes

    def alone(self, file):
        try:
            return self.coder.decode(file, max_pixels=MOST_PIXELS)
        except READER as error:
            return error


class Decode(Coded):
    """The whole decoder, on one Codec: any of its ways to read a file."""

    def __call__(self, data):
        how, view, data = *(data[-2:] if len(data) > 1 else (0, 0)), data[:-2]
        read = (self.coder.decode_picture, self.coder.decode, self.coder.decode_picture, self.coder.verify)[how & 3]
        kind = (bytes, bytearray, memoryview, bytes)[how >> 2 & 3]
        if how >= 248:
            read = self.coder.bits_map
        options = {"max_pixels": MOST_PIXELS if how & 16 else MOST_PIXELS // 8}
        if view and read in (self.coder.decode, self.coder.decode_picture):
            return self.look(data, kind, view, options)
        try:
            found = read(kind(data), **options)
        except READER as error:
            return sentence(error, READER)
        if found is None:
            return "verified"
        header, _ = container.read_header(data)
        if read == self.coder.bits_map:
            assert np.isfinite(found).all() and found.min() >= 0
            return "mapped"
        if read == self.coder.decode:
            assert found.size == (header.width, header.height)
            return "pixels"
        assert found.pixels.shape == (header.height, header.width, header.channels) and found.depth == header.depth
        assert (found.alpha is not None) == header.alpha
        return "pixels"

    def look(self, data, kind, view, options):
        """Part of the picture, or a smaller one, or what is left of a damaged one."""
        damage, options = Damage() if view & 1 else None, options | {"partial": view & 8 > 0}
        crop, scale = None, 1
        if view & 2:
            crop = view >> 2 & 7, view >> 3 & 7, 1 + (view >> 4 & 7), 1 + (view >> 5)
        elif view & 4:
            scale = 2.0 ** -(1 + (view >> 3 & 3))
        try:
            with self.coder.scan(kind(data), crop=crop, scale=scale, damage=damage, **options) as scan:
                found = scan.whole()
        except READER as error:
            assert damage is None or type(error) not in (Corrupt, Truncated) or header_of(data) is None, (
                "a damaged part is no error here"
            )
            return sentence(error, READER)
        except BadOption as error:
            assert crop
            return sentence(error, (BadOption,))
        header = header_of(data)
        size = crop[2:][::-1] if crop else (-(-header.height // round(1 / scale)), -(-header.width // round(1 / scale)))
        assert found.pixels.shape == (*size, header.channels) and found.depth == header.depth, (
            found.pixels.shape,
            size,
        )
        if damage:
            assert all(10 < len(text) < 300 for text in damage.sentences())
            if damage.missing.bytes:
                assert 10 < len(damage.missing.sentence(header.tile_count))
                return "partly there"
            return "recovered" if damage.tiles or damage.sections or damage.surplus else "nothing damaged"
        return "part"


def header_of(data):
    """The Header, or None where it cannot be read."""
    try:
        return container.read_header(data)[0]
    except READER:
        return None


def tile(data):
    """A lossless tile: WebP or PNG of a given size."""
    from codec.coding import lossless

    if len(data) < 3:
        return "short"
    how, height, width, data = data[-1], data[-2] % 70 + 1, data[-3] % 70 + 1, data[:-3]
    channels, depth = 3 if how & 1 else 1, 16 if how & 2 else 8
    try:
        pixels = lossless.decode(data, height, width, channels, depth)
    except Corrupt as error:
        return sentence(error, (Corrupt,))
    assert pixels.shape == (height, width, channels) and pixels.dtype.itemsize * 8 == depth
    return "accepted"


def weights(data):
    """A weight file."""
    from codec.engine.torch.model import Model

    try:
        Model(data)
    except BadWeights as error:
        return sentence(error, (BadWeights,))
    return "accepted"
