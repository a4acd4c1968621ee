"""batch: a tree of files from URL to URL by worker processes or a Ray cluster, and its manifest."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from ...distributed import transfer
from ...distributed.transfer import Settings
from ...errors import CodecError
from ...files.jobs import AEC, PICTURES, Job
from ...files.words import shown, text
from ..arguments import DECODING, LIMIT, MODEL, PICTURE, PRESERVE, RECOVER, SPEECH, STRIP, TARGET, WORK, check_encoding
from ..bundle import Bundle, Parameter, given, names, takes
from ..options import Options
from ..report import Failure, Outcome
from ..runner import Work, report, run
from .shared import require

MANIFEST = "manifest.parquet"
PLACES: list[Parameter] = [click.argument("source", metavar="SRC"), click.argument("destination", metavar="DST")]
TREE: list[Parameter] = [
    click.option("--decompress", is_flag=True, help="From .aec files to pictures, not the other way."),
    click.option("--format", default="png", show_default=True, metavar="SUFFIX", help="Of these pictures."),
    click.option("--psnr", is_flag=True, help="Decode each file again and put its PSNR into the manifest."),
    click.option("--manifest", metavar="URL", help="Parquet file, a row per input.  [default: DST/manifest.parquet]"),
    click.option("-f", "--force", is_flag=True, help="Make outputs that are there again."),
]
CLUSTER = Bundle(
    "cluster",
    [
        click.option("--ray", is_flag=True, help="On a Ray cluster."),
        click.option(
            "--address", metavar="HOST:PORT", help="Of the cluster; without it one is started on this machine."
        ),
        click.option(
            "--actors",
            type=click.IntRange(min=1),
            help="Processes of the cluster, each with its model.  [default: all its CPUs, or GPUs]",
        ),
        click.option(
            "--num-gpus",
            type=click.FloatRange(min=0),
            default=0,
            show_default=True,
            help="GPUs of each; 0.5 for two processes on one.",
        ),
    ],
)
# --psnr asks for a column of the manifest here.
QUALITY = PICTURE + [option for option, name in zip(TARGET, names(TARGET), strict=True) if name != "psnr"]
ENCODING = Bundle("encoding", QUALITY + STRIP)


@click.command()
@takes(PLACES, TREE, PRESERVE, ENCODING, DECODING, RECOVER, MODEL, CLUSTER, WORK, LIMIT, SPEECH)
def batch(
    options: Options,
    source: str,
    encoding: dict[str, Any],
    decoding: dict[str, Any],
    cluster: dict[str, Any],
    decompress: bool,
    recover: bool,
    format: str,
    psnr: bool,
    manifest: str | None,
) -> int:
    """Compress a tree of pictures, on a cluster too.

    SRC and DST are directories or URLs of fsspec (s3://bucket/photos). The same command goes on after a stop: what is
    there already is left as it is. A manifest says of each file what became of it.

    \b
      aecodec batch photos small -j 8
      aecodec batch s3://bucket/photos s3://bucket/small --ray --address HOST:6379 --num-gpus 1
    """
    check_encoding(encoding)
    ray, destination = cluster.pop("ray"), options.destination or ""
    _check_cluster(options, ray, cluster)
    _check_direction(decompress, psnr)
    if options.preserve and None in (transfer.local(source), transfer.local(destination)):
        raise click.UsageError("--preserve needs directories of this machine on both sides")
    for module in ("fsspec", "pyarrow"):
        require(module, extra="ray")
    suffix = _suffix(format) if decompress else AEC
    settings = Settings(
        decompress=decompress,
        format=suffix[1:],
        encoding=encoding,
        decoding=decoding,
        model=options.model,
        device=options.device,
        threads=None if ray else options.threads,
        engine=options.engine,
        max_pixels=options.max_pixels,
        psnr=psnr,
        force=options.force,
        recover=recover,
        preserve=options.preserve,
    )
    passed: list[str] = []
    try:
        jobs = transfer.plan(source, destination, {AEC} if decompress else PICTURES, suffix, passed)
    except (CodecError, ImportError, ValueError, OSError) as error:
        raise Failure(f"{shown(source)}: {getattr(error, 'strerror', None) or error}") from None
    kept = Rows({})
    if ray:
        code = report(options, len(jobs), _on_ray(jobs, settings, **cluster), kept.tell)
    else:
        code = run(options, jobs, partial(transferring, settings), kept.tell)
    if not decompress:
        options.say_passed([name for name in passed if name != MANIFEST])
    manifest = manifest or transfer.join(destination, MANIFEST)
    try:
        transfer.write_manifest(manifest, [kept.of(job) for job in jobs])
    except OSError as error:
        raise Failure(f"{shown(manifest)}: {error.strerror or error}") from None
    return code


def _check_cluster(options: Options, ray: bool, cluster: dict[str, Any]) -> None:
    """Raises click.UsageError where options of a cluster come without one, or others with one."""
    if not ray and any(cluster.values()):
        raise click.UsageError("--address, --actors and --num-gpus need --ray")
    if ray and options.jobs > 1:
        raise click.UsageError("--ray takes --actors instead of -j")


def _check_direction(decompress: bool, psnr: bool) -> None:
    """Raises click.UsageError for what makes sense in the other direction only."""
    if decompress and psnr:
        raise click.UsageError("--psnr needs the original pictures, which --decompress does not have")
    for option in given(QUALITY if decompress else [*DECODING.options, *RECOVER]):
        raise click.UsageError(f"{option} {'excludes' if decompress else 'needs'} --decompress")


def _suffix(format: str) -> str:
    """Of the pictures to write. Raises click.UsageError for those that cannot be written."""
    from ...pixels import write

    suffix = "." + format.lower().removeprefix(".")
    if suffix[1:] not in write.SUFFIXES:
        raise click.UsageError(f"pictures cannot be written as {shown(format)}, only as {', '.join(write.SUFFIXES)}")
    return suffix


@dataclass(frozen=True)
class Rows:
    """The rows of the manifest by source, as files are done."""

    rows: dict[str, dict[str, Any]]

    def tell(self, job: Job, row: dict[str, Any]) -> Outcome:
        """What is said of a file. Raises CodecError for what its row says went wrong."""
        self.rows[job.source] = row
        if row["error"]:
            raise CodecError(row["error"])
        record = {"input": row["source"]}
        record |= {name: value for name, value in row.items() if name != "source" and value is not None}
        what = "{bytes:,} bytes, {bpp:.3f} bpp, {width}x{height}".format(**row)
        when = f"{row['seconds']:.2f} s" if row["seconds"] is not None else "was there"
        line = f"{shown(job.source)} -> {shown(job.target)}: {what}, {when}"
        lost, damage = (row[name].split("; ") if row[name] else () for name in ("lost", "damage"))
        return Outcome(record, line, damage, row["width"] * row["height"], lost, row["missing"] or "")

    def of(self, job: Job) -> dict[str, Any]:
        if job.source in self.rows:
            return self.rows[job.source]
        error = str(job.problem or "its worker process died")
        return dict.fromkeys(transfer.COLUMNS) | {"source": job.source, "output": job.target, "error": error}


def _on_ray(
    jobs: list[Job], settings: Settings, address: str | None, actors: int | None, num_gpus: float
) -> Iterator[tuple[Job, Callable[[], dict[str, Any]]]]:
    """The files in the order in which they end, as `report` takes them. Raises click.ClickException."""
    import codec

    from ...distributed import cluster

    try:
        codec.Codec(settings.model, "cpu")  # here, once, and not in every actor
    except CodecError as error:
        raise Failure(f"{shown(settings.model)}: {error}") from None
    for job in jobs:
        if job.problem:
            yield job, partial(_refuse, job.problem)
    known = {text(job.source): job for job in jobs if not job.problem}
    if not known:
        return
    try:
        for row in cluster.run(list(known.values()), settings, address, actors, num_gpus):
            yield known.pop(row["source"]), partial(dict, row)
    except cluster.ClusterError as error:
        raise Failure(str(error)) from None
    if known:
        raise Failure(f"the cluster gave no answer for {len(known)} files; the same command goes on")


def _refuse(problem: Exception) -> dict[str, Any]:
    raise problem


def transferring(settings: Settings) -> Work:
    """The work of one job, as a worker process of this machine is sent it.

    Raises click.ClickException: nothing can be done without a model.
    """
    try:
        done = transfer.Transfer(settings)
    except CodecError as error:
        raise Failure(f"{shown(settings.model)}: {error}") from None
    return lambda job: done.row(job.source, job.target)
