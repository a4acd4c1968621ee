"""sample and interpolate: pictures that never were. Before: `shared`."""

import io
import os

import click

from ...errors import CodecError
from ...files.jobs import AEC, Job
from ...files.words import shown
from ..options import LIMIT, MODEL, SPEECH, WORK, Options, takes
from .shared import QUALITY, check, content, ending, single, writes


def _size(_context, _parameter, value: str) -> tuple[int, int]:
    try:
        width, height = map(int, value.lower().split("x"))
    except ValueError:
        width = height = 0
    if width < 1 or height < 1:
        raise click.BadParameter(f"'{value}' is not WIDTHxHEIGHT in pixels")
    return width, height


@click.command()
@click.option("--size", default="256x256", show_default=True, callback=_size, metavar="WxH", help="Pixels.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed draws the same picture."
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 10),
    default=1.0,
    show_default=True,
    help="Below 1 likelier symbols, 0 only the likeliest.",
)
@click.option(
    "--like",
    metavar="FILE",
    type=click.Path(),
    help="Keep the hyper-latent of this picture or .aec file; its size counts.",
)
@takes(QUALITY, writes("A picture, or .aec."), MODEL, WORK, LIMIT, SPEECH)
def sample(
    size: tuple[int, int], seed: int, temperature: float, like: str | None, quality: float, model: str, **options
) -> None:
    """Draw a picture from the model's priors.

    Every symbol is drawn from the tables a file is coded with. The priors see a few positions far: the result is a
    texture, not a scene.

    \b
      aecodec sample -o texture.png --size 512x512 --seed 7
      aecodec sample -o texture.png --like photo.jpg
    """
    options = Options(names=(), recursive=False, filelist=None, **options)

    def make(coder) -> bytes:
        from ...latents import generate

        given = content(Job(like)) if like else None
        return _as_file(
            coder,
            options,
            generate.sample(
                coder,
                size[1],
                size[0],
                quality,
                seed=seed,
                temperature=temperature,
                like=given,
                max_pixels=options.max_pixels,
            ),
        )

    single(options, Job(like or "sample", target=options.destination), model, make)


@click.command()
@click.argument("a", type=click.Path())
@click.argument("b", type=click.Path())
@click.option(
    "-n", "--steps", type=click.IntRange(2, 1000), default=9, show_default=True, help="Pictures, both ends included."
)
@click.option(
    "--side", type=click.IntRange(min=1), default=256, show_default=True, help="Longer side of each, in pixels."
)
@takes(
    QUALITY,
    writes(".gif is an animation there and back, every other picture format a contact sheet."),
    MODEL,
    WORK,
    LIMIT,
    SPEECH,
)
def interpolate(a: str, b: str, steps: int, side: int, quality: float, model: str, **options) -> None:
    """Walk from one picture to another through their latents.

    The pictures may be .aec files; the second is cut to the shape of the first.

    \b
      aecodec interpolate a.jpg b.jpg -n 9 -o sheet.png
      aecodec interpolate a.jpg b.jpg -n 24 -o walk.gif
    """
    options = Options(names=(), recursive=False, filelist=None, **options)
    kind = ending(options.destination, (".gif", ".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".bmp"))

    def make(coder) -> bytes:
        from ...latents import generate, sheet

        ends = sheet.same_size([_decoded(coder, name, options) for name in (a, b)], side)
        frames = [coder.decode(data) for data in generate.interpolate(coder, *ends, steps, quality)]
        return sheet.animation(frames) if kind == ".gif" else sheet.contact(frames, kind[1:])

    for name in (a, b):
        check(options, name)
    single(options, Job(f"{a} to {b}", target=options.destination), model, make)


def _decoded(coder, name: str, options: Options):
    """PIL image of a picture or .aec file.

    Raises as reading and decoding, each error naming the file, as there are two.
    """
    from ...pixels import image

    try:
        source = content(Job(name))
        if isinstance(source, bytes):
            return coder.decode(source, max_pixels=options.max_pixels)
        return image.to_pil(image.load(source, options.max_pixels))
    except CodecError as error:
        raise type(error)(f"{shown(name)}: {error}") from None


def _as_file(coder, options: Options, data: bytes) -> bytes:
    """The .aec file itself, or decoded into the format the output's suffix names."""
    suffix = os.path.splitext(options.destination)[1].lower()
    return data if suffix == AEC else _picture(coder.decode_picture(data, max_pixels=options.max_pixels), suffix[1:])


def _picture(picture, format: str) -> bytes:
    from ...pixels import write

    file = io.BytesIO()
    write.save(picture, file, format or "png")
    return file.getvalue()
