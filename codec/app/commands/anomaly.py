"""anomaly fit and anomaly score. Before: `shared`."""

import dataclasses
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from ...errors import CodecError
from ...files import output
from ...files.jobs import PICTURES, Job
from ...files.words import shown
from .. import jobs as inputs
from ..options import INPUTS, LATENTS_MODEL, LIMIT, SPEECH, WORK, Failure, Options, takes
from .shared import FORCE, QUALITY, check, content, each, write, writes


@click.group()
def anomaly() -> None:
    """Find unusual pictures, and where they are unusual."""


@anomaly.command()
@takes(INPUTS, QUALITY, writes("JSON file that describes the normal pictures."), LATENTS_MODEL, WORK, LIMIT, SPEECH)
@click.option(
    "--quantile",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.99,
    show_default=True,
    help="Share of the normal pictures below the threshold.",
)
def fit(quality: float, model: str, quantile: float, **options) -> None:
    """Measure normal pictures.

    Of n pictures the threshold is about the highest score of all as long as n is small: about one normal picture in n +
    1 lies above it.

    \b
      aecodec anomaly fit good/ -o normal.json
    """
    options = dataclasses.replace(Options(**options), recursive=True)
    check(options)
    jobs, maps, ids = options.sources(PICTURES), [], []

    def finish(job: Job, result: tuple) -> tuple[dict, str]:
        id, measured = result
        ids.append(id)
        maps.append(measured)
        return {
            "input": job.source,
            "positions": measured[0].size,
        }, f"{shown(job.source)}: {measured[0].size} positions"

    code = each(options, jobs, partial(measuring, options, model, quality), finish)
    from ...latents import anomaly

    try:
        normal = anomaly.Normal.fit(ids[0] if ids else "", maps, quality, quantile)
    except CodecError as error:
        raise Failure(f"{error}; {shown(options.destination)} is not written") from None
    with output.atomic(options.destination, overwrite=options.force) as file:
        file.write(normal.to_json().encode())
    click.get_current_context().exit(code)


@anomaly.command()
@takes(INPUTS)
@click.option(
    "-n",
    "--normal",
    default="normal.json",
    show_default=True,
    metavar="FILE",
    type=click.Path(),
    help="What `aecodec anomaly fit` wrote.",
)
@click.option(
    "--heat",
    metavar="DIR",
    type=click.Path(),
    help="Write a picture NAME-heat.png per file that shows where it is unusual.",
)
@takes(FORCE, LATENTS_MODEL, WORK, LIMIT, SPEECH)
def score(normal: str, heat: str | None, model: str, **options) -> None:
    """Score pictures against normal ones.

    \b
      aecodec anomaly score part.png                       part.png: 1.84 normal
      aecodec anomaly score -r parts --heat maps -n normal.json
    """
    options = Options(**options)
    jobs = options.sources(PICTURES)
    if heat:
        jobs = inputs.Naming("-heat.png", None, None, heat, options.force, False).assign(jobs)

    def finish(job: Job, result: tuple) -> tuple[dict, str]:
        found, unusual, threshold, data = result
        record = {"input": job.source, "score": round(found, 4), "threshold": round(threshold, 4), "unusual": unusual}
        if heat:
            write(job, data, options)
            record["heat"] = job.target
        if not (options.as_json or options.quiet):
            click.echo(f"{shown(job.source)}: {found:.2f} {'unusual' if unusual else 'normal'}")
        return record, ""

    click.get_current_context().exit(each(options, jobs, partial(scoring, options, model, normal, bool(heat)), finish))


# The work on one file, for worker processes


def measuring(options: Options, model: str, quality: float) -> Callable:
    """The work gives the model's id and what `anomaly.measure` does."""
    from ...latents import anomaly

    coder = options.coder(model)
    return lambda job: (
        coder.model.id.hex(),
        anomaly.measure(coder, content(job), quality, max_pixels=options.max_pixels),
    )


def scoring(options: Options, model: str, normal: str, heat: bool) -> Callable:
    """The work gives score, whether it is unusual, threshold, and the heat map as PNG, or nothing."""
    from ...latents import anomaly
    from ...pixels import image

    try:
        usual = anomaly.Normal.from_json(Path(normal).read_text("utf-8", "replace"))
    except (OSError, CodecError) as error:
        raise Failure(f"{shown(normal)}: {error.strerror.lower() if isinstance(error, OSError) else error}") from None
    coder = options.coder(model)

    def work(job: Job):
        picture = image.load(content(job), options.max_pixels)
        found, unusual, positions = usual.score(coder, picture, max_pixels=options.max_pixels)
        file = io.BytesIO()
        if heat:
            anomaly.heat(picture, positions, usual.position_threshold).save(file, "PNG")
        return found, unusual, usual.threshold, file.getvalue()

    return work
