"""aecodec, a learned image codec. In pipeline order:

errors, files -> pixels (pictures in and out, by rows) -> bitstream (container, rANS, FORMAT.md) -> model (networks, the
exact prior, weight files) -> coding (tiles, samples, drawn parts) -> engine (latents of pixels, payload of latents and
back: in C, or by torch) -> pipeline (the path both ways, the choice among ways, targets) -> latents, autoencoders, web,
distributed, training, app (the command line). pillow is a plugin for Pillow. CONTRIBUTING.md has the whole map.

    import codec
    data = codec.compress("photo.png", quality=60)     # also PIL images and numpy arrays
    picture = codec.decompress(data)                   # PIL.Image
    coder = codec.Codec(device="cuda")                 # for repeated use: encode, decode, verify, and batches of both
    codec.info(data)                                   # header only, without torch

torch, numpy and Pillow are imported on first use.
"""

import os
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from .errors import CodecError

if TYPE_CHECKING:
    from PIL import Image

    from .pipeline.codec import Codec
    from .pipeline.options import Decoding, Encoding

__version__ = "0.1.0"
__all__ = ["Codec", "CodecError", "compress", "decompress", "info"]


def __getattr__(name: str) -> Any:
    if name == "Codec":
        return _codec()
    raise AttributeError(f"module 'codec' has no attribute {name!r}")


def _codec() -> type["Codec"]:
    from .loading import loading

    with loading():
        from .pipeline.codec import Codec
    return Codec


def compress(
    image: Any, quality: float = 60.0, *, model: str = "default", device: str = "auto", **options: "Unpack[Encoding]"
) -> bytes:
    """Bytes of an .aec file of a path, PIL image or array [H,W] or [H,W,3] of uint8 or uint16. quality: 1..100.

    Options: effort: 0..9, passes that make the file smaller at equal error and take longer; strip: kinds of metadata to
    leave out ("exif", "icc", "xmp", "cicp", "all"); lossless: whether every pixel must come back as it is, None: where
    that costs less, as with graphics, False: never, and just at this quality, where small files otherwise keep to four
    of them; target_size: the best file of so many bytes, bpp: of so many bits per pixel, psnr: the smallest of so many
    dB, ssimulacra2: of so many points, each in place of quality; exact: whether colours where alpha is 0 count, too;
    max_pixels: 0 for no limit. Raises CodecError.
    """
    return _codec()(model, device).encode(image, quality, **options)


def decompress(
    source: "bytes | str | os.PathLike[str] | BinaryIO", *, device: str = "auto", **options: "Unpack[Decoding]"
) -> "Image.Image":
    """PIL.Image (L, LA, RGB, RGBA or I;16) of an .aec file, given as bytes or as its path.

    Options: crop: (left, top, width, height) in stored pixels; scale: 1, 1/2, 1/4, 1/8 or 1/16; only the tiles they
    need are decoded. fast: in floats, where torch is the engine: samples of photographs are then off by a level.
    partial: whether a file that ends too early gives the picture of what there is, else it is refused.
    max_pixels: 0 for no limit. Raises CodecError, and OSError for a path.
    """
    return _codec()(device=device).decode(source, **options)


def info(source: "bytes | str | os.PathLike[str] | BinaryIO") -> dict[str, Any]:
    """Header of an .aec file (bytes or path) as a dict that JSON can hold. Raises CodecError, OSError."""
    from .bitstream import container, layout

    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            header, sizes = container.read_header(file)
    else:
        header, sizes = container.read_header(source)
    sections = {kind: sizes[kind] for kind in layout.SECTIONS if kind in sizes}
    return {
        "width": header.width,
        "height": header.height,
        "mode": ("L" if header.channels == 1 else "RGB") + ("A" if header.alpha else ""),
        "depth": header.depth,
        "quality": header.quality / 100,
        "lossless": header.lossless and not header.rounded,
        "model": header.model.hex(),
        "tiles": header.tile_count,
        "suffix": header.suffix,
        "bytes": sizes["file"],
        "bpp": round(8 * sizes["file"] / (header.width * header.height), 6),
        "sections": sections,
    }
