"""denoise, which reports and names files as `compress` does. Before: `shared`."""

import os
from collections.abc import Callable
from functools import partial

import click

from ...errors import CodecError
from ...files.jobs import AEC, PICTURES, Job
from ...files.words import shown
from ..options import INPUTS, LATENTS_MODEL, LIMIT, OUTPUTS, SPEECH, STRIP, WORK, Failure, Options, takes
from ..report import Stopwatch
from ..work import Draft, Result
from .shared import QUALITY, content


@click.command()
@takes(INPUTS, QUALITY, STRIP, LATENTS_MODEL)
@click.option(
    "--encoder",
    metavar="FILE",
    type=click.Path(),
    help="Encoder file of `aecodec train --denoise`; otherwise the installed one.",
)
@takes(OUTPUTS, WORK, LIMIT, SPEECH)
def denoise(quality: float, strip: tuple[str, ...], model: str, encoder: str | None, **options) -> None:
    """Turn noisy pictures into .aec files of clean ones.

    Takes away Gaussian noise of any strength, dead (black) pixels and small black patches. The files are ordinary .aec
    files.

    \b
      aecodec denoise noisy.png               makes noisy.aec
      aecodec denoise noisy.png -o clean.png  decodes it at once
    """
    from ..cli import produce

    options = Options(**options)

    if options.remove:
        raise click.UsageError("--rm would lose the noisy picture, which no output holds")
    produce(options, options.plan(PICTURES, AEC), partial(denoising, options, model, encoder, quality, strip))


def denoising(
    options: Options, model: str, encoder: str | None, quality: float, strip: tuple[str, ...]
) -> Callable[[Job, Draft], Result]:
    """The work on one file, for a worker process."""
    from ...latents import denoise
    from ...pixels import image, write

    suffix = os.path.splitext(options.destination or "")[1].lower()
    if suffix not in ("", AEC) and suffix[1:] not in write.SUFFIXES and not os.path.isdir(options.destination):
        raise Failure(
            f"{shown(options.destination)}: {suffix!r} is neither {AEC} nor one of {', '.join(write.SUFFIXES)}"
        )
    try:
        coder = denoise.attach(options.coder(model), encoder)
    except CodecError as error:
        raise Failure(str(error)) from None

    def work(job: Job, draft: Draft) -> Result:
        watch = Stopwatch()
        picture = image.load(content(job), options.max_pixels)
        watch.lap("read")
        data = coder.encode(picture, quality, strip=strip, max_pixels=options.max_pixels)
        watch.lap("encode")
        if (suffix := os.path.splitext(job.target)[1][1:].lower()) in write.SUFFIXES:
            write.save(coder.decode_picture(data, max_pixels=options.max_pixels), draft, suffix)
            watch.lap("decode")
        else:
            draft.write(data)
        return Result(
            len(data), 8 * len(data) / (picture.width * picture.height), picture.width, picture.height, watch.stages, []
        )

    return work
