"""Pillow plugin: `import codec.pillow` teaches Pillow, and imageio through it, to read and write .aec files.

    import codec.pillow                                     # or codec.pillow.register(model=..., device=...)
    image = Image.open("photo.aec")                         # header and metadata only: load() decodes
    image.save("copy.aec", quality=80, exif=image.getexif())

Modes are L, LA, RGB, RGBA and I;16; others are converted when saved where they fit into 8 or 16 bits, and refused
otherwise. Pillow has no 16-bit colour and no 16-bit gray with alpha: these open with 8 bits per sample
(`codec.Codec.decode_picture` gives all 16). As with Pillow's own plugins a profile is taken over from the opened
picture when saving, EXIF and XMP only when given, and errors are OSError or ValueError.
"""

from contextlib import suppress
from dataclasses import fields
from functools import partial
from typing import Any, BinaryIO, cast

from PIL import Image, ImageFile

from .bitstream import container, layout
from .errors import BadOption, CodecError
from .pixels import metadata
from .pixels.terms import KINDS

FORMAT = "AEC"


class AecImageFile(ImageFile.ImageFile):
    """An opened .aec file.

    `info` holds "exif", "icc_profile" and "xmp" where the file does, and "cicp", the code points of colours that no
    profile says, such as HDR's; pixels come with `load`.
    """

    format = FORMAT
    format_description = "aecodec learned image"

    def __init__(self, fp: Any = None, filename: Any = None, *, model: str = "default", device: str = "auto"):
        self._coder, self._step = (model, device), 1
        super().__init__(fp, filename)

    def _open(self) -> None:
        self._file.seek(0)
        try:
            reader = container.Reader(self._file, partial=True, surplus=True)
        except CodecError as error:  # OSError keeps the reason; SyntaxError would mean that it is none of ours
            raise OSError(str(error)) from error
        header = reader.header
        self._size = header.width, header.height
        deep_gray = header.channels == 1 and header.depth == 16 and not header.alpha
        self._mode = "I;16" if deep_gray else ("L" if header.channels == 1 else "RGB") + ("A" if header.alpha else "")
        sections = {}
        for kind in KINDS:
            with suppress(CodecError):  # what is damaged or missing is left out: load refuses the file
                sections[kind] = reader.section(kind)
        self.info.update(metadata.named(**sections, gray=header.channels == 1))
        self.tile = [ImageFile._Tile("aec", (0, 0, *self._size))]

    @property
    def _file(self) -> BinaryIO:
        if self.fp is None:
            raise ValueError("Operation on closed image")  # as Pillow's own say
        return cast(BinaryIO, self.fp)

    def load(self) -> Any:
        """Decodes the pixels.

        Raises OSError for a damaged file, for one whose model is not installed, and, unless Pillow's
        ImageFile.LOAD_TRUNCATED_IMAGES is set, for a truncated one, which is then shown as far as it goes.
        """
        if self.tile:
            import codec

            # Pillow's own limit, checked once more where memory is taken.
            limit = 2 * Image.MAX_IMAGE_PIXELS if Image.MAX_IMAGE_PIXELS else 0
            options: Any = {"scale": 1 / self._step, "partial": ImageFile.LOAD_TRUNCATED_IMAGES}
            try:
                self._file.seek(0)
                decoded = codec.Codec(*self._coder).decode(self._file, max_pixels=limit, **options)
            except CodecError as error:
                raise OSError(str(error)) from error
            if decoded.mode != self.mode:  # its alpha is missing
                decoded = decoded.convert(self.mode)
            self.im, self.tile, self.readonly = decoded.im, [], 0
            if self._exclusive_fp:
                self._file.close()
            self.fp = None
        return super().load()

    def load_seek(self, _position: int) -> None:
        """Never called: says to ImageFile.Parser that this class decodes by itself."""

    def verify(self) -> None:
        """Checks every length and checksum without decoding. Raises OSError."""
        if self.fp is None:
            raise RuntimeError("verify must be called directly after open")  # as Pillow's PNG says
        try:
            self._file.seek(0)
            container.unpack(self._file.read())
        except CodecError as error:
            raise OSError(str(error)) from error
        super().verify()

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> Any:
        """Makes the picture smaller, by 2, 4, 8 or 16 and not below `size`, before it is decoded; `thumbnail` calls it.

        The whole is then never in memory. Raises ValueError for a picture that was closed before it was decoded.
        """
        if not self.tile:
            return None
        _ = self._file  # `thumbnail` may need no more than this, and would show a picture without pixels
        if not size or self._step > 1:
            return None
        width, height = self.size
        room = min(width // max(1, size[0]), height // max(1, size[1]))
        self._step = max(step for step in (1, 2, 4, 8, 16) if step <= max(1, room))
        self._size = -(-width // self._step), -(-height // self._step)
        self.tile = [ImageFile._Tile("aec", (0, 0, *self._size))]
        return self.mode, (0, 0, width / self._step, height / self._step)


def register(model: str = "default", device: str = "auto") -> None:
    """Registers the plugin, as importing this module does.

    Again with arguments: `model`, a name or the path of a weight file, becomes the one that saves unless `model=` is
    given there, and that opens its own files; `device` is where the networks run: auto, cpu or cuda[:n].
    """
    Image.register_open(FORMAT, partial(AecImageFile, model=model, device=device), _accept)
    Image.register_save(FORMAT, partial(_save, model=model, device=device))
    Image.register_save_all(FORMAT, partial(_save_all, model=model, device=device))
    Image.register_extension(FORMAT, ".aec")
    Image.register_mime(FORMAT, "image/x-aec")


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(layout.SIGNATURE)


def _save(picture: Any, file: Any, _filename: Any, model: str, device: str) -> None:
    """Options of Image.save: quality, 1 to 100 (60); effort, 0 to 9 (0); lossless, target_size, bpp, psnr,
    ssimulacra2 and exact, as `Codec.encode`; exif, bytes or Image.Exif; icc_profile, None for none; xmp, bytes or str;
    model.
    """
    from .pipeline.codec import Codec
    from .pipeline.options import EncodeOptions
    from .pixels.read import load

    given = picture.encoderinfo
    exif, xmp = given.get("exif") or None, given.get("xmp")  # an Image.Exif without a tag is false
    frame = picture.copy()  # without what makes an animation: Pillow saves the current frame
    info = {
        "transparency": picture.info.get("transparency"),
        "exif": exif.tobytes() if isinstance(exif, Image.Exif) else exif,
        "icc_profile": given.get("icc_profile", picture.info.get("icc_profile")),
        "xmp": xmp.encode() if isinstance(xmp, str) else xmp,
    }
    if "icc_profile" not in given:  # what stands for a profile in a PNG
        info |= {name: picture.info.get(name) for name in ("gamma", "chromaticity", "srgb", "cicp")}
    frame.info = {name: value for name, value in info.items() if value is not None}
    try:
        loaded = load(frame, max_pixels=0)
        if exif and not loaded.exif:
            raise BadOption("exif does not hold an EXIF block")
        named = {field.name for field in fields(EncodeOptions)} - {"strip", "max_pixels"}
        options = EncodeOptions(max_pixels=0, **{name: given[name] for name in named & given.keys()})
        data = Codec(given.get("model", model), device).encoder.encode(loaded, options)
    except BadOption:  # a ValueError
        raise
    except CodecError as error:
        raise OSError(str(error)) from error
    file.write(data)


def _save_all(picture: Any, file: Any, filename: Any, **options: Any) -> None:
    if picture.encoderinfo.get("append_images") or getattr(picture, "is_animated", False):
        raise ValueError(f"{FORMAT} holds one picture, not several")
    _save(picture, file, filename, **options)


register()
