"""Pictures that never were: draws from the learned priors and walks between latents, all of them as ordinary .aec
files.

The prior of the hyper-latent knows nothing of neighbours, and that of the latent sees two positions far: draws are
textures, not scenes. The synthesis is close to linear: walks are close to cross-fades, but for what the decoder adds.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bitstream import container
from ..coding import tiles
from ..errors import BadOption
from ..pipeline.options import hundredths_of
from ..pixels.terms import MAX_PIXELS
from . import files

if TYPE_CHECKING:
    from ..bitstream.tables import Tables
    from ..pipeline.codec import Codec


def sample(
    coder: "Codec",
    height: int = 256,
    width: int = 256,
    quality: float = 60.0,
    *,
    seed: int = 0,
    temperature: float = 1.0,
    like: Any = None,
    max_pixels: int = MAX_PIXELS,
) -> bytes:
    """Bytes of an .aec file whose every symbol is drawn from the model's own tables: first z, then y in four steps
    given what is drawn so far.

    temperature: p^(1/temperature), 0 for the likeliest symbols; like: a picture or the bytes of an .aec file, whose z
    is kept and whose size (and quality) count. Raises BadOption, and for `like` as `Codec.encode` and `decode`.
    """
    if not 0 <= temperature <= 10:
        raise BadOption(f"temperature {temperature} is outside 0..10")
    hundredths, given = hundredths_of(quality), None
    if like is not None:
        given = container.unpack(files.to_aec(coder, like, quality, max_pixels=max_pixels))
        if given.header.model != coder.model.id:
            raise BadOption(f"the file was made with model {given.header.model.hex()}, not with {coder.model.id.hex()}")
        height, width, hundredths = given.header.height, given.header.width, given.header.quality
    if not (height >= 1 and width >= 1 and (not max_pixels or height * width <= max_pixels)):
        raise BadOption(f"{width} x {height} pixels are not a size from 1 to {max_pixels} pixels")
    rng, drawn = np.random.default_rng(seed), []
    engine = coder.engine.torch

    def choose(tables: "Tables", rows: NDArray[Any]) -> NDArray[Any]:
        return _draw(tables, rows, rng, temperature)

    for i, (r, c) in enumerate(tiles.grid(height, width, 0)):
        kept = given and given.tiles[i]
        drawn.append(engine.compose(r.stop - r.start, c.stop - c.start, hundredths, choose, kept))
    return files.pack(coder, drawn, height, width, hundredths)


def _draw(tables: "Tables", rows: NDArray[Any], rng: np.random.Generator, temperature: float) -> NDArray[Any]:
    """A symbol for each of `rows`: int32 [n]. Escapes, symbols outside their row, are never drawn."""
    drawn = np.zeros(len(rows), np.int32)
    for row in np.unique(rows):
        symbols, frequencies = tables.row(row)
        where = rows == row
        if temperature == 0:
            drawn[where] = symbols[frequencies.argmax()]
        else:
            chance = (frequencies / frequencies.max()) ** (1 / temperature)
            drawn[where] = rng.choice(symbols, where.sum(), p=chance / chance.sum())
    return drawn


def interpolate(
    coder: "Codec", a: Any, b: Any, n: int = 9, quality: float = 60.0, *, max_pixels: int = MAX_PIXELS
) -> Iterator[bytes]:
    """Yields n .aec files along the straight line between the latents of two pictures of one size, both ends included.

    a, b: what `Codec.encode` takes, or bytes of .aec files. Raises BadOption for other sizes or n < 2, and as
    `Codec.encode` and `Codec.decode`.
    """
    if n < 2:
        raise BadOption(f"{n} steps are too few, a walk needs its two ends")
    ends = [files.to_aec(coder, source, quality, max_pixels=max_pixels) for source in (a, b)]
    headers = [container.read_header(end)[0] for end in ends]
    sizes = [(header.height, header.width) for header in headers]
    if sizes[0] != sizes[1]:
        raise BadOption(
            "the pictures are {1} x {0} and {3} x {2} pixels: only latents of one size can be mixed".format(
                *sizes[0], *sizes[1]
            )
        )
    one, two = [coder.latent(end, max_pixels=max_pixels) for end in ends]
    for part in np.linspace(0, 1, n, dtype=np.float32):
        yield files.from_latent(coder, (1 - part) * one + part * two, *sizes[0], quality)
