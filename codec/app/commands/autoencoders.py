"""`aecodec ae fit|transform|report`: the options and the order of calls; what they do stands in `sources`, `estimator`
and `page`.
"""

import os
import sys
import warnings
from collections.abc import Callable

import click

from ...errors import CodecError
from ...files import output
from ...files.jobs import STREAM
from ...files.words import shown, text
from ..options import SPEECH, WORK, takes
from ..report import Report, Stopwatch

DEVICE, _JOBS, NO_PROGRESS = WORK
KINDS = ("undercomplete", "linear", "convolutional", "denoising", "sparse", "contractive", "variational")


def _widths(_context, _parameter, value: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in value.split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"'{value}' is not widths with commas between, such as 512,256,128") from None


def _size(_context, _parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    width, _, height = value.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) <= 4096 and 0 < int(height) <= 4096):
        raise click.BadParameter(f"'{value}' is not a size such as 28x28, up to 4096")
    return int(width), int(height)


DATA = [
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
MODEL = [
    click.option("-m", "--model", required=True, metavar="FILE", type=click.Path(), help="What `aecodec ae fit` wrote.")
]
OUTPUT = [
    click.option("-o", "--output", "target", metavar="FILE|-", type=click.Path(), help="Output file; - is stdout."),
    click.option("-f", "--force", is_flag=True, help="Overwrite an existing output."),
]
# Their defaults are the estimator's, which is not imported here; a test compares.
KIND = [
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
TRAINING = [
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
@takes(DATA, KIND, TRAINING, OUTPUT, [DEVICE, NO_PROGRESS], SPEECH)
def fit(
    data,
    label,
    drop,
    labels,
    size,
    gray,
    target,
    force,
    device,
    no_progress,
    as_json,
    verbose,
    quiet,
    scale,
    batch_size,
    **parameters,
) -> None:
    """Learn from DATA: a model file, DATA.safetensors without -o."""
    target = target or _named(data, ".safetensors")

    def work(watch):
        Autoencoder, sources = _library()
        source = sources.read(data, sources.Columns(label, drop), labels, size, gray)
        watch.lap("read")
        bar = not (no_progress or quiet) and sys.stderr.isatty()
        unit = ("column" if source.names else "global") if scale == "auto" else scale
        model = Autoencoder(**parameters, scale=unit, batch_size=batch_size or "auto", device=device, verbose=bar)
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
        line = (
            "{kind}, {rows} rows of {features} values in {latent_dim}, {epochs} epochs, "
            "{score:.1%} of the variance kept".format(**record)
        )
        return model.dumps(), record, line

    _run(data, target, force, as_json, verbose, quiet, work)


@ae.command()
@takes(DATA, MODEL, OUTPUT)
@click.option(
    "--to",
    type=click.Choice(["latent", "input", "reconstruction", "error"]),
    default="latent",
    show_default=True,
    help="latent; the input that latents (DATA) decode to; DATA through the latent and back; its error per row.",
)
@takes([DEVICE], SPEECH)
def transform(data, label, drop, labels, size, gray, model, target, force, to, device, as_json, verbose, quiet) -> None:
    """Apply a model to DATA: .npy, .csv or .parquet by the suffix of -o, DATA.latent.npy without."""
    target = target or _named(data, f".{to}.npy")

    def work(watch):
        Autoencoder, sources = _library()
        suffix = ".npy" if target == STREAM else os.path.splitext(target)[1].lower()
        if suffix not in sources.OUTPUTS:
            raise CodecError(f"{shown(target)} must end in {', '.join(sources.OUTPUTS)}")
        estimator = _loaded(Autoencoder, model, device)
        columns = sources.Columns(label, drop, None if to == "input" else _columns(estimator))
        source = sources.read(data, columns, labels, size, gray)
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
        record = {"model": model, "to": to, "shape": list(values.shape)}
        return sources.encoded(values, suffix, list(names)), record, f"{to} of {len(values)} rows"

    _run(data, target, force, as_json, verbose, quiet, work)


@ae.command()
@takes(DATA, MODEL, OUTPUT)
@click.option(
    "--quantile",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.99,
    show_default=True,
    help="Of normal errors, for the threshold.",
)
@click.option(
    "--points",
    type=click.IntRange(1),
    default=1500,
    show_default=True,
    help="Rows drawn at most; a random choice of more.",
)
@takes([DEVICE], SPEECH)
def report(
    data, label, drop, labels, size, gray, model, target, force, quantile, points, device, as_json, verbose, quiet
) -> None:
    """Make one HTML page of a model and DATA: map of the latent, curves, errors, samples."""
    target = target or _named(model, ".html")

    def work(watch):
        Autoencoder, sources = _library()
        from ...autoencoders import page

        estimator = _loaded(Autoencoder, model, device)
        source = sources.read(data, sources.Columns(label, drop, _columns(estimator)), labels, size, gray)
        watch.lap("read")
        built, record = page.build(
            estimator, source.frame(), source.labels, text(os.path.basename(os.path.normpath(data))), quantile, points
        )
        watch.lap("page")
        return built.encode(), record, "{rows} rows, {shown} shown".format(**record)

    _run(data, target, force, as_json, verbose, quiet, work)


def _library():
    """(Autoencoder, sources). Raises CodecError where the extra is not installed."""
    try:
        from ...autoencoders import Autoencoder, sources
    except ModuleNotFoundError as error:
        raise CodecError(f"{error.name} is not installed: pip install 'aecodec[ae]'") from None
    return Autoencoder, sources


def _loaded(Autoencoder, model: str, device: str):
    try:
        return Autoencoder.load(model, device)
    except CodecError as error:
        raise CodecError(f"{shown(model)}: {error}") from None


def _columns(estimator) -> tuple[str, ...] | None:
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


def _run(source: str, target: str, force: bool, as_json: bool, verbose: bool, quiet: bool, work: Callable) -> None:
    """work(Stopwatch) -> (bytes, record, line), written to the target, said, or reported as one sentence."""
    if target == STREAM and as_json:
        raise click.UsageError("--json and the output cannot both go to stdout")
    if target == STREAM and sys.stdout.isatty() and not force:
        raise click.UsageError("binary data is not written to a terminal: give -o, a redirection, or -f")
    with Report(1, as_json, verbose, quiet) as said:
        try:
            if target != STREAM:
                output.check(source, target, force)
            watch = Stopwatch()
            with warnings.catch_warnings(action="ignore"):  # scikit-learn's, for programmers
                data, record, line = work(watch)
            if target == STREAM:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            else:
                with output.atomic(target, overwrite=force) as file:
                    file.write(data)
            watch.lap("write")
            seconds = sum(watch.stages.values())
            stages = (
                " (" + ", ".join(f"{stage} {part:.3f}" for stage, part in watch.stages.items()) + ")" if verbose else ""
            )
            line = f"{shown(source)} -> {shown(target)}: {line}, {len(data):,} bytes, {seconds:.2f} s{stages}"
            said.done(
                {"input": source, "output": target, **record, "bytes": len(data), "seconds": round(seconds, 6)}, line
            )
        except Exception as error:  # whatever a hostile file provokes becomes one sentence; -v shows where
            said.failed(source, error)
    click.get_current_context().exit(said.exit_code)
