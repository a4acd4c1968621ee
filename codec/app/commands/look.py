"""verify, info and models: what can be said of files and models without making pictures."""

from functools import partial
from typing import Any

import click

from ...files.jobs import AEC, Job
from ...files.words import shown
from ...model import purpose
from ..arguments import INPUTS, LIMIT, MODEL, PIXELS, SPEECH, WORK
from ..bundle import takes
from ..inputs import reread, source
from ..options import Options
from ..report import Outcome, json_line
from ..runner import Work, run


@click.command()
@takes(INPUTS, PIXELS, MODEL, WORK, LIMIT, SPEECH)
def verify(options: Options, pixels: bool) -> int:
    """Check .aec files completely.

    Every checksum is computed and every symbol decoded, but without --pixels no pixels are made.
    """

    def tell(job: Job, checked: tuple[int, str | None]) -> Outcome:
        count, digest = checked
        if not (options.as_json or options.quiet):
            click.echo(f"{shown(job.source)}: {digest or 'ok'}")
        return Outcome({"input": job.source, "ok": True} | ({"pixels": digest} if digest else {}), pixels=count)

    return run(options, options.sources({AEC}), partial(verifying, options, pixels), tell)


@click.command()
@takes(INPUTS, SPEECH)
def info(options: Options) -> int:
    """Show the header of .aec files."""
    jobs = options.sources({AEC})

    def tell(job: Job, header: dict[str, Any]) -> Outcome:
        if not options.as_json:
            if len(jobs) > 1:
                click.echo(f"{shown(job.source)}:")
            width = max(map(len, header))
            for key, value in header.items():
                click.echo(f"{key:{width}}  {_in_words(value) or '-'}")
        return Outcome({"input": job.source, **header})

    return run(options, jobs, informing, tell)


def _in_words(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{name} {size}" for name, size in value.items())
    return ("no", "yes")[value] if isinstance(value, bool) else value


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model on stdout.")
def models(as_json: bool) -> None:
    """List the installed models: name, id, size, what it is for."""
    import hashlib

    from ...model import weights

    for path in sorted(weights.FOLDER.glob("*.safetensors")):
        data = path.read_bytes()
        objective = purpose.objective_of(path)
        record = {
            "model": path.stem,
            "id": hashlib.sha256(data).digest()[: weights.ID_BYTES].hex(),
            "bytes": len(data),
            "objective": objective,
            "purpose": purpose.PURPOSES.get(objective, "for an objective that this version does not know"),
        }
        click.echo(json_line(record) if as_json else "{model}  {id}  {bytes:,} bytes  {purpose}".format(**record))


# The work on one file, for worker processes


def verifying(options: Options, pixels: bool) -> Work:
    """The work gives the number of pixels of the file, and their checksum if `pixels` are asked for."""
    import codec

    coder = options.coder()

    def work(job: Job) -> tuple[int, str | None]:
        data = reread(job)
        coder.verify(data, max_pixels=options.max_pixels)
        header, digest = codec.info(data), coder.checksum(data, max_pixels=options.max_pixels) if pixels else None
        return int(header["width"]) * int(header["height"]), digest

    return work


def informing() -> Work:
    """The work gives the header of the file."""
    import codec

    return lambda job: codec.info(source(job))
