"""anomaly fit and anomaly score."""

import dataclasses
import io
from functools import partial
from pathlib import Path
from typing import Any

import click

from ...errors import CodecError
from ...files import output
from ...files.jobs import PICTURES, Job
from ...files.words import shown
from .. import jobs as naming
from ..arguments import INPUTS, LATENTS_MODEL, LIMIT, SPEECH, WORK
from ..bundle import takes
from ..inputs import content
from ..options import Options
from ..report import Failure, Outcome
from ..runner import Draft, Work, Written, produce, run
from .shared import FORCE, QUALITY, writes

QUANTILE = click.option(
    "--quantile",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.99,
    show_default=True,
    help="Share of the normal pictures below the threshold.",
)
NORMAL = click.option(
    "-n",
    "--normal",
    default="normal.json",
    show_default=True,
    metavar="FILE",
    type=click.Path(),
    help="What `aecodec anomaly fit` wrote.",
)
HEAT = click.option(
    "--heat",
    metavar="DIR",
    type=click.Path(),
    help="Write a picture NAME-heat.png per file that shows where it is unusual.",
)
DESCRIPTION = writes("JSON file that describes the normal pictures.")


@click.group()
def anomaly() -> None:
    """Find unusual pictures, and where they are unusual."""


@anomaly.command()
@takes(INPUTS, QUALITY, DESCRIPTION, LATENTS_MODEL, WORK, LIMIT, SPEECH, [QUANTILE])
def fit(options: Options, quality: float, quantile: float) -> int:
    """Measure normal pictures.

    Of n pictures the threshold is about the highest score of all as long as n is small: about one normal picture in n +
    1 lies above it.

    \b
      aecodec anomaly fit good/ -o normal.json
    """
    options = dataclasses.replace(options, recursive=True)
    destination = options.check()
    ids: list[str] = []
    maps: list[Any] = []

    def tell(job: Job, result: tuple[str, Any]) -> Outcome:
        id, measured = result
        ids.append(id)
        maps.append(measured)
        positions = measured[0].size
        return Outcome({"input": job.source, "positions": positions}, f"{shown(job.source)}: {positions} positions")

    code = run(options, options.sources(PICTURES), partial(measuring, options, quality), tell)
    from ...latents import anomaly

    try:
        normal = anomaly.Normal.fit(ids[0] if ids else "", maps, quality, quantile)
    except CodecError as error:
        raise Failure(f"{error}; {shown(destination)} is not written") from None
    with output.atomic(destination, overwrite=options.force) as file:
        file.write(normal.to_json().encode())
    return code


@anomaly.command()
@takes(INPUTS, [NORMAL, HEAT], FORCE, LATENTS_MODEL, WORK, LIMIT, SPEECH)
def score(options: Options, normal: str, heat: str | None) -> int:
    """Score pictures against normal ones.

    \b
      aecodec anomaly score part.png                       part.png: 1.84 normal
      aecodec anomaly score -r parts --heat maps -n normal.json
    """
    jobs, prepare = options.sources(PICTURES), partial(scoring, options, normal)

    def tell(job: Job, written: Written) -> Outcome:
        record = {"input": job.source, **written.facts} | ({"heat": job.target} if heat else {})
        if not (options.as_json or options.quiet):
            click.echo(f"{shown(job.source)}: {written.words}")
        return Outcome(record)

    if not heat:
        return run(options, jobs, prepare, tell)
    jobs = naming.Naming("-heat.png", None, None, heat, options.force, False).assign(jobs)
    return produce(options, jobs, prepare, tell)


# The work on one file, for worker processes


def measuring(options: Options, quality: float) -> Work:
    """The work gives the model's id and what `anomaly.measure` does."""
    from ...latents import anomaly

    coder = options.coder()
    return lambda job: (
        coder.model.id.hex(),
        anomaly.measure(coder, content(job), quality, max_pixels=options.max_pixels),
    )


def scoring(options: Options, normal: str) -> Work:
    """The work says how unusual a picture is, and writes the heat map where there is a draft for it."""
    from ...latents import anomaly
    from ...pixels.read import load

    try:
        usual = anomaly.Normal.from_json(Path(normal).read_text("utf-8", "replace"))
    except OSError as error:
        raise Failure(f"{shown(normal)}: {(error.strerror or str(error)).lower()}") from None
    except CodecError as error:
        raise Failure(f"{shown(normal)}: {error}") from None
    coder = options.coder()

    def work(job: Job, draft: Draft | None = None) -> Written:
        picture = load(content(job), options.max_pixels)
        found, unusual, positions = usual.score(coder, picture, max_pixels=options.max_pixels)
        if draft:
            file = io.BytesIO()
            anomaly.heat(picture, positions, usual.position_threshold).save(file, "PNG")
            draft.write(file.getvalue())
        facts = {"score": round(found, 4), "threshold": round(usual.threshold, 4), "unusual": unusual}
        return Written(facts, f"{found:.2f} {'unusual' if unusual else 'normal'}", {})

    return work
