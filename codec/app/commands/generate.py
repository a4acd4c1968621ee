"""sample and interpolate: pictures that never were."""

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ...errors import CodecError
from ...files.jobs import AEC, Job
from ...files.words import shown
from ..arguments import LIMIT, MODEL, SPEECH, WORK
from ..bundle import Parameter, takes
from ..inputs import content
from ..options import Options
from ..report import Outcome
from ..runner import Draft, Work, Written, produce
from .shared import QUALITY, ending, writes

if TYPE_CHECKING:
    from PIL import Image

    from ...pipeline.codec import Codec


def _size(_context: Any, _parameter: Any, value: str) -> tuple[int, int]:
    try:
        width, height = map(int, value.lower().split("x"))
    except ValueError:
        width = height = 0
    if width < 1 or height < 1:
        raise click.BadParameter(f"'{value}' is not WIDTHxHEIGHT in pixels")
    return width, height


DRAW: list[Parameter] = [
    click.option("--size", default="256x256", show_default=True, callback=_size, metavar="WxH", help="Pixels."),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed draws the same picture."
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(0, 10),
        default=1.0,
        show_default=True,
        help="Below 1 likelier symbols, 0 only the likeliest.",
    ),
    click.option(
        "--like",
        metavar="FILE",
        type=click.Path(),
        help="Keep the hyper-latent of this picture or .aec file; its size counts.",
    ),
]
WALK: list[Parameter] = [
    click.argument("a", type=click.Path()),
    click.argument("b", type=click.Path()),
    click.option(
        "-n",
        "--steps",
        type=click.IntRange(2, 1000),
        default=9,
        show_default=True,
        help="Pictures, both ends included.",
    ),
    click.option(
        "--side", type=click.IntRange(min=1), default=256, show_default=True, help="Longer side of each, in pixels."
    ),
]
SHEET = writes(".gif is an animation there and back, every other picture format a contact sheet.")
SHEETS = (".gif", ".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".bmp")


@click.command()
@takes(DRAW, QUALITY, writes("A picture, or .aec."), MODEL, WORK, LIMIT, SPEECH)
def sample(
    options: Options, size: tuple[int, int], seed: int, temperature: float, like: str | None, quality: float
) -> int:
    """Draw a picture from the model's priors.

    Every symbol is drawn from the tables a file is coded with. The priors see a few positions far: the result is a
    texture, not a scene.

    \b
      aecodec sample -o texture.png --size 512x512 --seed 7
      aecodec sample -o texture.png --like photo.jpg
    """
    source = like or "sample"
    destination, (width, height) = options.check(source), size

    def make(coder: "Codec") -> bytes:
        from ...latents import generate

        data = generate.sample(
            coder,
            height,
            width,
            quality,
            seed=seed,
            temperature=temperature,
            like=content(Job(like)) if like else None,
            max_pixels=options.max_pixels,
        )
        suffix = os.path.splitext(destination)[1].lower()
        return data if suffix == AEC else _picture(coder, data, suffix[1:] or "png", options.max_pixels)

    return _single(options, Job(source, target=destination), make)


@click.command()
@takes(WALK, QUALITY, SHEET, MODEL, WORK, LIMIT, SPEECH)
def interpolate(options: Options, a: str, b: str, steps: int, side: int, quality: float) -> int:
    """Walk from one picture to another through their latents.

    The pictures may be .aec files; the second is cut to the shape of the first.

    \b
      aecodec interpolate a.jpg b.jpg -n 9 -o sheet.png
      aecodec interpolate a.jpg b.jpg -n 24 -o walk.gif
    """
    kind = ending(options.destination or "", SHEETS)
    destination = options.check(a, b)

    def make(coder: "Codec") -> bytes:
        from ...latents import generate, sheet

        first, last = sheet.same_size([_decoded(coder, name, options) for name in (a, b)], side)
        frames = [coder.decode(data) for data in generate.interpolate(coder, first, last, steps, quality)]
        made: bytes = sheet.animation(frames) if kind == ".gif" else sheet.contact(frames, kind[1:])
        return made

    return _single(options, Job(f"{a} to {b}", target=destination), make)


def _single(options: Options, job: Job, make: Callable[["Codec"], bytes]) -> int:
    """One output file, whose bytes `make` gives."""

    def prepare() -> Work:
        coder = options.coder()

        def work(_job: Job, draft: Draft) -> Written:
            data = make(coder)
            draft.write(data)
            return Written({"bytes": len(data)}, f"{len(data):,} bytes", {})

        return work

    def tell(job: Job, written: Written) -> Outcome:
        return Outcome({"output": job.target, **written.facts}, f"{shown(job.target)}: {written.words}")

    return produce(options, [job], prepare, tell)


def _decoded(coder: "Codec", name: str, options: Options) -> "Image.Image":
    """PIL image of a picture or .aec file.

    Raises as reading and decoding, each error naming the file, as there are two.
    """
    from ...pixels.picture import to_pil
    from ...pixels.read import load

    try:
        source = content(Job(name))
        if isinstance(source, bytes):
            return coder.decode(source, max_pixels=options.max_pixels)
        return to_pil(load(source, options.max_pixels))
    except CodecError as error:
        raise type(error)(f"{shown(name)}: {error}") from None


def _picture(coder: "Codec", data: bytes, format: str, max_pixels: int) -> bytes:
    from ...pixels import write

    file = io.BytesIO()
    write.save(coder.decode_picture(data, max_pixels=max_pixels), file, format)
    return file.getvalue()
