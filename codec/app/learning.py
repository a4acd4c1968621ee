"""What `aecodec ae` takes, in lists as those of `arguments`: of the data, of what is learned of them and how, of the
page.
"""

from typing import Any

import click

from .bundle import Bundle, Parameter

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
FITTED: list[Parameter] = [
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
