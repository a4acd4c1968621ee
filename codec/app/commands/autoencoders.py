"""`aecodec ae fit|transform|report`: the options and the order of calls; what they do stands in `sources`, `estimator`
and `page`.
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
from ..arguments import SPEECH, WORK, Bundle, Parameter, takes
from ..options import Options
from ..report import Stopwatch
from ..runner import Draft, Work, Written, produce

if TYPE_CHECKING:
    from ...autoencoders import Autoencoder

DEVICE, _ENGINE, _JOBS, NO_PROGRESS = WORK
KINDS = ("undercomplete", "linear", "convolutional", "denoising", "sparse", "contractive", "variational")


def _widths(_context: Any, _parameter: Any, value: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in value.split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"'{value}' is not widths with commas between, such as 512,256,128") from None


def _size(_context: Any, _parameter: Any, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    width, _, height = value.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) <= 4096 and 0 < int(height) <= 4096):
        raise click.BadParameter(f"'{value}' is not a size such as 28x28, up to 4096")
    return int(width), int(height)


DATA: list[Parameter] = [
    click.argument("data", metavar="DATA", type=click.Path()),
    click.option(
        "--label", metavar="COLUMN", help="Column of a table that holds labels: shown in reports, never learned from."
    ),
    click.option(
        "--drop", metavar="COLUMN", multiple=True, help="Column of a table to leave out; may be given several times."
    ),
    click.option(
        "--labels",
        metavar="FILE",
        type=click.Path(),
        help="Labels of rows without columns: .npy, IDX or a column of text numbers.",
    ),
    click.option("--size", metavar="WxH", callback=_size, help="Resize the pictures of a folder."),
    click.option("--gray", is_flag=True, help="Take the pictures of a folder as gray ones."),
]
MODEL: list[Parameter] = [
    click.option("-m", "--model", required=True, metavar="FILE", type=click.Path(), help="What `aecodec ae fit` wrote.")
]
OUTPUT: list[Parameter] = [
    click.option(
        "-o", "--output", "destination", metavar="FILE|-", type=click.Path(), help="Output file; - is stdout."
    ),
    click.option("-f", "--force", is_flag=True, help="Overwrite an existing output."),
]
# Their defaults are the estimator's, which is not imported here; a test compares.
KIND: list[Parameter] = [
    click.option(
        "--kind", type=click.Choice(KINDS), default="undercomplete", show_default=True, help="What it learns."
    ),
    click.option("--latent-dim", type=click.IntRange(1), default=32, show_default=True, help="Numbers per row."),
    click.option(
        "--hidden", default="512,256,128", show_default=True, callback=_widths, help="Widths of the dense layers."
    ),
    click.option(
        "--channels", default="32,64", show_default=True, callback=_widths, help="Channels of the convolutional layers."
    ),
    click.option(
        "--network",
        type=click.Choice(["auto", "dense", "convolutional"]),
        default="auto",
        show_default=True,
        help="auto: by the kind.",
    ),
    click.option(
        "--shortcut/--no-shortcut",
        default=True,
        show_default=True,
        help="Linear maps around the hidden layers, which start as PCA.",
    ),
    click.option(
        "--loss",
        type=click.Choice(["mse", "bce"]),
        default="mse",
        show_default=True,
        help="Squared error or cross-entropy.",
    ),
    click.option("--beta", type=click.FloatRange(0), help="Weight of the kind's penalty; default: the kind's own."),
    click.option(
        "--noise",
        type=click.Choice(["gaussian", "zero", "patch"]),
        default="gaussian",
        show_default=True,
        help="Of the denoising kind.",
    ),
    click.option(
        "--noise-level",
        type=click.FloatRange(0),
        default=0.5,
        show_default=True,
        help="Standard deviations, or a share.",
    ),
    click.option(
        "--sparsity", type=click.Choice(["l1", "kl"]), default="l1", show_default=True, help="Of the sparse kind."
    ),
    click.option("--sparsity-target", type=float, default=0.05, show_default=True, help="Mean activity, for kl."),
]
TRAINING: list[Parameter] = [
    click.option(
        "--scale",
        type=click.Choice(["auto", "global", "column", "none"]),
        default="auto",
        show_default=True,
        help="auto: column for CSV and Parquet, otherwise global.",
    ),
    click.option("--max-iter", type=click.IntRange(1), default=200, show_default=True, help="Epochs at most."),
    click.option("--batch-size", type=click.IntRange(1), help="Rows per step; default: by their number."),
    click.option("--learning-rate", type=float, default=1e-3, show_default=True),
    click.option(
        "--n-iter-no-change",
        type=click.IntRange(1),
        default=10,
        show_default=True,
        help="Epochs without improvement to wait.",
    ),
    click.option(
        "--validation-fraction", type=float, default=0.1, show_default=True, help="Rows held out to judge by."
    ),
    click.option(
        "--early-stopping/--no-early-stopping",
        default=True,
        show_default=True,
        help="Without: judged by the training loss, on all rows.",
    ),
    click.option(
        "--seed",
        "random_state",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        show_default=True,
        help="The same seed gives the same model.",
    ),
]
TO: list[Parameter] = [
    click.option(
        "--to",
        type=click.Choice(["latent", "input", "reconstruction", "error"]),
        default="latent",
        show_default=True,
        help="latent; the input that latents (DATA) decode to; DATA through the latent and back; its error per row.",
    )
]
PAGE: list[Parameter] = [
    click.option(
        "--quantile",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.99,
        show_default=True,
        help="Of normal errors, for the threshold.",
    ),
    click.option(
        "--points",
        type=click.IntRange(1),
        default=1500,
        show_default=True,
        help="Rows drawn at most; a random choice of more.",
    ),
]
TABLE = Bundle("table", DATA)
LEARNING = Bundle("learning", KIND + TRAINING)  # as `Autoencoder` takes them, but for two


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
@takes(TABLE, MODEL, OUTPUT, TO, [DEVICE], SPEECH)
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
@takes(TABLE, MODEL, OUTPUT, PAGE, [DEVICE], SPEECH)
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
