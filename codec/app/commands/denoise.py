"""denoise, which reports and names files as `compress` does."""

import os
from functools import partial

import click

from ...errors import CodecError
from ...files.jobs import AEC, PICTURES, Job
from ...files.words import shown
from ..arguments import INPUTS, LATENTS_MODEL, LIMIT, OUTPUTS, SPEECH, STRIP, WORK
from ..bundle import takes
from ..inputs import content
from ..options import Options
from ..report import Failure, Stopwatch
from ..runner import Draft, Work, Written, produce
from .compress import coded
from .shared import QUALITY

ENCODER = click.option(
    "--encoder",
    metavar="FILE",
    type=click.Path(),
    help="Encoder file of `aecodec train --denoise`; otherwise the installed one.",
)


@click.command()
@takes(INPUTS, QUALITY, STRIP, LATENTS_MODEL, [ENCODER], OUTPUTS, WORK, LIMIT, SPEECH)
def denoise(options: Options, quality: float, strip: tuple[str, ...], encoder: str | None) -> int:
    """Turn noisy pictures into .aec files of clean ones.

    Takes away Gaussian noise of any strength, dead (black) pixels and small black patches. The files are ordinary .aec
    files.

    \b
      aecodec denoise noisy.png               makes noisy.aec
      aecodec denoise noisy.png -o clean.png  decodes it at once
    """
    if options.remove:
        raise click.UsageError("--rm would lose the noisy picture, which no output holds")
    return produce(options, options.plan(PICTURES, AEC), partial(denoising, options, encoder, quality, strip))


def denoising(options: Options, encoder: str | None, quality: float, strip: tuple[str, ...]) -> Work:
    """The work on one file, for a worker process."""
    from ...latents import denoise
    from ...pixels import write
    from ...pixels.read import load

    destination = options.destination or ""
    suffix = os.path.splitext(destination)[1].lower()
    if suffix not in ("", AEC) and suffix[1:] not in write.SUFFIXES and not os.path.isdir(destination):
        raise Failure(f"{shown(destination)}: {suffix!r} is neither {AEC} nor one of {', '.join(write.SUFFIXES)}")
    try:
        coder = denoise.attach(options.coder(), encoder)
    except CodecError as error:
        raise Failure(str(error)) from None

    def work(job: Job, draft: Draft) -> Written:
        watch = Stopwatch()
        picture = load(content(job), options.max_pixels)
        watch.lap("read")
        data = coder.encode(picture, quality, strip=strip, max_pixels=options.max_pixels)
        watch.lap("encode")
        if (suffix := os.path.splitext(job.target)[1][1:].lower()) in write.SUFFIXES:
            write.save(coder.decode_picture(data, max_pixels=options.max_pixels), draft, suffix)
            watch.lap("decode")
        else:
            draft.write(data)
        bpp = 8 * len(data) / (picture.width * picture.height)
        return coded(len(data), bpp, picture.width, picture.height, watch)

    return work
