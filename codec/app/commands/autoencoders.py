"""`aecodec ae fit|transform|report`: the order of calls. Their options stand in `app.learning`, what they do in
`autoencoders.sources`, `estimator` and `page`.
"""

import os
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ...errors import CodecError
from ...files.jobs import STREAM, Job
from ...files.words import shown, text
from ...loading import loading
from ..arguments import SPEECH, WORK
from ..bundle import takes
from ..learning import FITTED, LEARNING, OUTPUT, PAGE, TABLE, TO
from ..options import Options
from ..report import Stopwatch
from ..runner import Draft, Work, Written, produce

if TYPE_CHECKING:
    from ...autoencoders import Autoencoder

DEVICE, _ENGINE, _JOBS, NO_PROGRESS = WORK


@click.group()
def ae() -> None:
    """Autoencoders for arrays, tables and pictures.

    DATA is a .npy, CSV, Parquet or IDX (MNIST) file, gzipped or not, a folder of pictures, - for stdin, or `digits`,
    the built-in example.

    \b
      aecodec ae fit digits --kind variational --latent-dim 2 --loss bce
      aecodec ae transform digits -m digits.safetensors -o latents.csv
      aecodec ae report digits -m digits.safetensors -o digits.html
    """


@ae.command()
@takes(TABLE, LEARNING, OUTPUT, [DEVICE, NO_PROGRESS], SPEECH)
def fit(options: Options, table: dict[str, Any], learning: dict[str, Any]) -> int:
    """Learn from DATA: a model file, DATA.safetensors without -o."""
    target = options.destination or _named(table["data"], ".safetensors")
    scale, batch_size = learning.pop("scale"), learning.pop("batch_size") or "auto"

    def make(watch: Stopwatch) -> Made:
        Autoencoder, sources = _library()
        source = _read(options, sources, **table)
        watch.lap("read")
        bar = not (options.no_progress or options.quiet) and sys.stderr.isatty()
        unit = ("column" if source.names else "global") if scale == "auto" else scale
        model = Autoencoder(**learning, scale=unit, batch_size=batch_size, device=options.device, verbose=bar)
        frame = source.frame()
        model.fit(frame)
        watch.lap("fit")
        record = {
            "kind": model.kind,
            "rows": len(frame),
            "features": model.n_features_in_,
            "latent_dim": model.latent_dim_,
            "epochs": model.n_iter_,
            "score": round(model.score(frame), 6),
            "threshold": model.anomaly_threshold(),
        }
        words = (
            "{kind}, {rows} rows of {features} values in {latent_dim}, {epochs} epochs, "
            "{score:.1%} of the variance kept".format(**record)
        )
        return model.dumps(), record, words

    return _produce(options, table["data"], target, make)


@ae.command()
@takes(TABLE, FITTED, OUTPUT, TO, [DEVICE], SPEECH)
def transform(options: Options, table: dict[str, Any], to: str) -> int:
    """Apply a model to DATA: .npy, .csv or .parquet by the suffix of -o, DATA.latent.npy without."""
    target = options.destination or _named(table["data"], f".{to}.npy")

    def make(watch: Stopwatch) -> Made:
        Autoencoder, sources = _library()
        suffix = ".npy" if target == STREAM else os.path.splitext(target)[1].lower()
        if suffix not in sources.OUTPUTS:
            raise CodecError(f"{shown(target)} must end in {', '.join(sources.OUTPUTS)}")
        estimator = _loaded(Autoencoder, options)
        source = _read(options, sources, only=None if to == "input" else _columns(estimator), **table)
        watch.lap("read")
        frame = source.values if to == "input" else source.frame()
        method = {
            "latent": "transform",
            "input": "inverse_transform",
            "reconstruction": "reconstruct",
            "error": "reconstruction_error",
        }[to]
        values = getattr(estimator, method)(frame)
        watch.lap(to)
        names = {"latent": estimator.get_feature_names_out(), "error": ["error"]}.get(to, _columns(estimator) or ())
        record = {"model": options.model, "to": to, "shape": list(values.shape)}
        return sources.encoded(values, suffix, list(names)), record, f"{to} of {len(values)} rows"

    return _produce(options, table["data"], target, make)


@ae.command()
@takes(TABLE, FITTED, OUTPUT, PAGE, [DEVICE], SPEECH)
def report(options: Options, table: dict[str, Any], quantile: float, points: int) -> int:
    """Make one HTML page of a model and DATA: map of the latent, curves, errors, samples."""
    target = options.destination or _named(options.model, ".html")

    def make(watch: Stopwatch) -> Made:
        Autoencoder, sources = _library()
        from ...autoencoders import page

        estimator = _loaded(Autoencoder, options)
        source = _read(options, sources, only=_columns(estimator), **table)
        watch.lap("read")
        title = text(os.path.basename(os.path.normpath(table["data"])))
        built, record = page.build(estimator, source.frame(), source.labels, title, quantile, points)
        watch.lap("page")
        return built.encode(), record, "{rows} rows, {shown} shown".format(**record)

    return _produce(options, table["data"], target, make)


Made = tuple[bytes, dict[str, Any], str]  # an output, facts and words about it


def _produce(options: Options, source: str, target: str, make: Callable[[Stopwatch], Made]) -> int:
    """One output file, which `make` gives. Whatever a hostile file provokes becomes one sentence; -v shows where."""

    def work(_job: Job, draft: Draft) -> Written:
        watch = Stopwatch()
        with warnings.catch_warnings(action="ignore"):  # scikit-learn's, for programmers
            data, facts, words = make(watch)
        draft.write(data)
        return Written({**facts, "bytes": len(data)}, f"{words}, {len(data):,} bytes", watch.stages)

    def prepare() -> Work:
        return work

    return produce(options, [options.aim(source, target)], prepare)


def _library() -> tuple[type["Autoencoder"], Any]:
    """(Autoencoder, sources). Raises CodecError where the extra is not installed."""
    with loading(of_torch=True):
        try:
            from ...autoencoders import Autoencoder, sources
        except ModuleNotFoundError as error:
            raise CodecError(f"{error.name} is not installed: pip install 'aecodec[ae]'") from None
    return Autoencoder, sources


def _read(
    options: Options,
    sources: Any,
    data: str,
    label: str | None,
    drop: tuple[str, ...],
    labels: str | None,
    size: tuple[int, int] | None,
    gray: bool,
    only: tuple[str, ...] | None = None,
) -> Any:
    """DATA, of which `only` some columns are wanted; says what of a folder is passed over. Raises as `sources.read`."""
    found = sources.read(data, sources.Columns(label, drop, only), labels, size, gray)
    options.say_passed(found.passed)
    return found


def _loaded(Autoencoder: type["Autoencoder"], options: Options) -> "Autoencoder":
    try:
        return Autoencoder.load(options.model, options.device)
    except CodecError as error:
        raise CodecError(f"{shown(options.model)}: {error}") from None


def _columns(estimator: "Autoencoder") -> tuple[str, ...] | None:
    """The names of the columns the estimator was fitted on, where they had any."""
    return tuple(getattr(estimator, "feature_names_in_", ())) or None


def _named(source: str, suffix: str) -> str:
    """The output's name where none is given: in the current folder for stdin, otherwise beside the source."""
    if source == STREAM:
        return STREAM
    stem = os.path.normpath(source)
    for ending in (".gz", ".npy", ".csv", ".tsv", ".txt", ".parquet", ".safetensors"):
        stem = stem.removesuffix(ending)
    return stem + suffix
