"""Between .aec files and latents: a file with a latent of whatever the caller has, and a file that decodes to a given
latent.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bitstream import container, layout
from ..coding import tiles
from ..pipeline.options import hundredths_of

if TYPE_CHECKING:
    from ..pipeline.codec import Codec


def to_aec(coder: "Codec", source: Any, quality: float = 60.0, **options: Any) -> bytes:
    """Bytes of an .aec file that holds a latent of all of a picture: `source` itself where it is one of the same
    model, else encoded; raises as `Codec.encode` and `decode`.
    """
    if isinstance(source, bytes) and source.startswith(layout.SIGNATURE):
        header, sizes = container.read_header(source)
        if header.model == coder.model.id and "drawn" not in sizes:
            return source
        source = coder.decode_picture(source, **options)
    return coder.encode(source, quality, lossless=False, **options)


def from_latent(coder: "Codec", latent: NDArray[np.float32], height: int, width: int, quality: float = 60.0) -> bytes:
    """Bytes of an .aec file of a `height` x `width` picture whose latent is `latent`, float32
    [M, ceil(H/16), ceil(W/16)], but for quantisation.

    Raises BadOption.
    """
    hundredths = hundredths_of(quality)
    coded = []
    for r, c in tiles.grid(height, width, 0):
        coded += coder.engine.write([latent[:, r.start : r.stop, c.start : c.stop]], [hundredths])
    return pack(coder, coded, height, width, hundredths)


def pack(coder: "Codec", coded: list[container.Tile], height: int, width: int, hundredths: int) -> bytes:
    """The file of an RGB picture of these tiles."""
    return container.pack(
        container.Aec(container.Header(width, height, hundredths, 3, 8, False, coder.model.id), coded)
    )
