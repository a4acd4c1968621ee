"""Between .aec files and latents: a file with a latent of whatever the caller has, and a file that decodes to a given
latent.
"""

from ..bitstream import container
from ..coding import tiles
from ..pipeline.options import hundredths_of


def to_aec(coder, source, quality=60.0, **options):
    """Bytes of an .aec file that holds a latent of all of a picture: `source` itself where it is one of the same
    model, else encoded; raises as `Codec.encode` and `decode`.
    """
    if isinstance(source, bytes) and source.startswith(container.SIGNATURE):
        header, sizes = container.read_header(source)
        if header.model == coder.model.id and "drawn" not in sizes:
            return source
        source = coder.decode_picture(source, **options)
    return coder.encode(source, quality, lossless=False, **options)


def from_latent(coder, latent, height, width, quality=60.0):
    """Bytes of an .aec file of a `height` x `width` picture whose latent is `latent`, float32
    [M, ceil(H/16), ceil(W/16)], but for quantisation.

    Raises BadOption.
    """
    hundredths = hundredths_of(quality)
    coded = []
    for r, c in tiles.grid(height, width, 0):
        coded += coder.engine.write([latent[:, r.start : r.stop, c.start : c.stop]], [hundredths])
    return pack(coder, coded, height, width, hundredths)


def pack(coder, coded, height, width, hundredths):
    """The file of an RGB picture of these tiles."""
    return container.pack(
        container.Aec(container.Header(width, height, hundredths, 3, 8, False, coder.model.id), coded)
    )
