"""`aecodec batch`: a tree of files from URL to URL by worker processes or a Ray cluster, and its manifest.

Between cli and `transfer`, `cluster`.
"""

import importlib.util
from collections.abc import Callable
from functools import partial

import click

from ...distributed import transfer
from ...distributed.transfer import Settings
from ...errors import CodecError
from ...files.jobs import AEC, PICTURES, Job
from ...files.words import shown, text
from .. import runner
from ..options import Failure, Options

MANIFEST = "manifest.parquet"


def run(
    source: str,
    destination: str,
    *,
    decompress: bool,
    format: str,
    psnr: bool,
    manifest: str | None,
    force: bool,
    quality: float,
    effort: int,
    lossless: bool | None,
    strip: tuple[str, ...],
    target_size: float | None,
    bpp: float | None,
    model: str,
    ray: bool,
    address: str | None,
    actors: int | None,
    num_gpus: float,
    **common,
) -> int:
    """The exit code. Raises click.ClickException."""
    options = Options(names=(), recursive=True, filelist=None, **common)
    if not ray and (address or actors or num_gpus):
        raise click.UsageError("--address, --actors and --num-gpus need --ray")
    if ray and options.jobs > 1:
        raise click.UsageError("--ray takes --actors instead of -j")
    if decompress and psnr:
        raise click.UsageError("--psnr needs the original pictures, which --decompress does not have")
    for module in ("fsspec", "pyarrow"):
        if importlib.util.find_spec(module) is None:
            raise Failure(f"this needs the package {module}: pip install 'aecodec[ray]'")
    suffix = "." + format.lower().removeprefix(".")
    if decompress:
        from ...pixels import write

        if suffix[1:] not in write.SUFFIXES:
            raise click.UsageError(
                f"pictures cannot be written as {shown(format)}, only as {', '.join(write.SUFFIXES)}"
            )
    settings = Settings(
        decompress,
        suffix[1:],
        quality,
        lossless,
        strip,
        model,
        options.device,
        None if ray else options.threads,
        options.max_pixels,
        psnr,
        force,
        target_size,
        bpp,
        effort,
    )
    passed: list[str] = []
    try:
        jobs = transfer.plan(
            source, destination, {AEC} if decompress else PICTURES, suffix if decompress else AEC, passed
        )
    except (CodecError, ImportError, ValueError, OSError) as error:
        raise Failure(f"{shown(source)}: {getattr(error, 'strerror', None) or error}") from None
    rows = {}

    def finish(job: Job, row: dict) -> tuple[dict, str, tuple, int]:
        rows[job.source] = row
        if row["error"]:
            raise CodecError(row["error"])
        record = {
            "input": row["source"],
            **{name: value for name, value in row.items() if name != "source" and value is not None},
        }
        line = "{} -> {}: {:,} bytes, {:.3f} bpp, {}x{}, ".format(
            shown(job.source), shown(job.target), *(row[name] for name in ("bytes", "bpp", "width", "height"))
        )
        return (
            record,
            line + (f"{row['seconds']:.2f} s" if row["seconds"] is not None else "was there"),
            (),
            row["width"] * row["height"],
        )

    with options.report(jobs) as report:
        if ray:
            _on_ray(jobs, settings, address, actors, num_gpus, finish, report)
        else:
            runner.run(jobs, partial(transferring, settings), finish, report, options.jobs)
    if not decompress:
        options.say_passed([name for name in passed if name != MANIFEST])
    lost = lambda job: (
        dict.fromkeys(transfer.COLUMNS)
        | {"source": job.source, "output": job.target, "error": str(job.problem or "its worker process died")}
    )
    manifest = manifest or transfer.join(destination, MANIFEST)
    try:
        transfer.write_manifest(manifest, [rows.get(job.source) or lost(job) for job in jobs])
    except OSError as error:
        raise Failure(f"{shown(manifest)}: {error.strerror or error}") from None
    return report.exit_code


def _on_ray(
    jobs: list[Job], settings: Settings, address: str | None, actors: int | None, num_gpus: float, finish, report
) -> None:
    """Reports the files in the order in which they end. Raises click.ClickException."""
    import codec

    from ...distributed import cluster

    try:
        codec.Codec(settings.model, "cpu")  # here, once, and not in every actor
    except CodecError as error:
        raise Failure(f"{shown(settings.model)}: {error}") from None
    for job in jobs:
        if job.problem:
            report.failed(job.source, job.problem)
    jobs = [job for job in jobs if not job.problem]
    if not jobs:
        return
    known = {text(job.source): job for job in jobs}
    try:
        for row in cluster.run(jobs, settings, address, actors, num_gpus):
            _tell(known.pop(row["source"]), row, finish, report)
    except cluster.ClusterError as error:
        raise Failure(str(error)) from None
    if known:
        raise Failure(f"the cluster gave no answer for {len(known)} files; the same command goes on")


def _tell(job: Job, row: dict, finish, report) -> None:
    try:
        done = finish(job, row)
    except CodecError as error:
        report.failed(job.source, error)
    else:
        report.done(*done)


def transferring(settings: Settings) -> Callable[[Job], dict]:
    """The work of one job, as a worker process of this machine is sent it.

    Raises click.ClickException: nothing can be done without a model.
    """
    try:
        done = transfer.Transfer(settings)
    except CodecError as error:
        raise Failure(f"{shown(settings.model)}: {error}") from None
    return lambda job: done.row(job.source, job.target)
