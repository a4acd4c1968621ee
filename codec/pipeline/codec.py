"""The path from a picture to the bytes of an .aec file and back: a Codec has an Encoder and a Decoder over
one Engine.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self, Unpack

from numpy.typing import NDArray
from PIL import Image

from ..engine import opened
from ..engine.seam import Engine, Weights
from ..pixels import picture as pictures
from ..pixels.picture import Picture
from ..pixels.strips import Scan
from ..pixels.terms import MAX_PIXELS
from ..stages import stage
from .damage import Damage
from .decoder import Decoder, File
from .encoder import Encoder
from .options import DecodeOptions, Decoding, EncodeOptions, Encoding


class Codec:
    """Encoder and decoder with a loaded model; may be shared by threads, used on after a fork, and pickled, as its
    model's name or path.

    Args: model: name of an installed model or path of a weight file, for encoding (a file names the model it needs);
    device: auto, cpu, cuda[:n]; threads: process-wide, None to leave them alone; engine: native (in C, on the
    processor), torch, or auto: native but on a GPU. Both write the same files and make the same pixels.

    Options of encoding are those of EncodeOptions, of decoding those of DecodeOptions, by name. Raises CodecError.
    """

    def __init__(self, model: str = "default", device: str = "auto", threads: int | None = None, engine: str = "auto"):
        self._begin(opened(model, device, threads, engine))

    @classmethod
    def over(cls, engine: Engine) -> Self:
        """The codec of an Engine that is there already."""
        codec = cls.__new__(cls)
        codec._begin(engine)
        return codec

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).over, (self.engine,)

    def _begin(self, engine: Engine) -> None:
        self.engine, self.decoder = engine, Decoder(engine)
        self.encoder = Encoder(engine, self.decoder)

    @property
    def model(self) -> Weights:
        """What files are encoded with: `id`, `config`."""
        return self.engine.model

    @property
    def device(self) -> Any:
        return self.engine.device

    def encode(self, picture: Any, quality: float = 60.0, **options: Unpack[Encoding]) -> bytes:
        """Bytes of an .aec file of a Scan, or of anything `pixels.read.load` takes."""
        return self.encoder.encode(picture, EncodeOptions(quality, **options))

    def encode_batch(
        self,
        pictures: Iterable[Any],
        quality: float = 60.0,
        *,
        return_exceptions: bool = False,
        **options: Unpack[Encoding],
    ) -> list[Any]:
        """The bytes `encode` makes of every picture, in order; small pictures of one size share their work.

        return_exceptions: of a picture that cannot be coded, the CodecError or OSError is returned; else it is raised.
        """
        return self.encoder.encode_batch(pictures, EncodeOptions(quality, **options), return_exceptions)

    def decode(self, source: File, *, damage: Damage | None = None, **options: Unpack[Decoding]) -> Image.Image:
        """PIL image of an .aec file: bytes, a path or a binary file."""
        return to_pil(self.decode_picture(source, damage=damage, **options))

    def decode_batch(
        self, files: Iterable[File], *, return_exceptions: bool = False, **options: Unpack[Decoding]
    ) -> list[Any]:
        """The image `decode` makes of every file, in order; small pictures of one size share their work.

        return_exceptions: of a file that cannot be decoded, the CodecError or OSError is returned; else it is raised.
        """
        use = lambda number, scan: to_pil(scan.whole())
        return self.decoder.each(files, use, DecodeOptions(**options), return_exceptions)

    def decode_picture(self, source: File, *, damage: Damage | None = None, **options: Unpack[Decoding]) -> Picture:
        """Picture of an .aec file at its full depth."""
        with self.scan(source, damage=damage, **options) as scan:
            return scan.whole()

    @contextmanager
    def scan(self, source: File, *, damage: Damage | None = None, **options: Unpack[Decoding]) -> Iterator[Scan]:
        """Context of a Scan of an .aec file, which decodes while it is read.

        damage: collects what cannot be decoded; without one it is an error.
        """
        with self.decoder.scan(source, DecodeOptions(**options), damage) as scan:
            yield scan

    def verify(self, source: File, *, max_pixels: int = MAX_PIXELS) -> None:
        """Checks everything about a file except pixels, as `Decoder.verify`."""
        self.decoder.verify(source, max_pixels)

    def checksum(self, source: File, *, max_pixels: int = MAX_PIXELS) -> str:
        """SHA-256 of the samples a file decodes to, as `Decoder.checksum`."""
        return self.decoder.checksum(source, max_pixels)

    def bits_map(self, source: File, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        """Where a file spends its bits, as `Decoder.bits_map`."""
        return self.decoder.bits_map(source, max_pixels)

    def latent(self, source: File, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        """The latent a file decodes to, as `Decoder.latent`."""
        return self.decoder.latent(source, max_pixels)


def to_pil(picture: Picture) -> Image.Image:
    with stage("pixels"):
        return pictures.to_pil(picture)
