"""What the commands take: names, checks and help of arguments and options, in one list per theme.

What is wrong by itself is found here, and raises click.UsageError (exit code 2). Defaults and limits that `terms` does
not have are those of the engines and of EncodeOptions, whose import takes longer than `info`; a test compares.
"""

import math
import re
from typing import Any

import click

from ..pixels.terms import KINDS, MAX_PIXELS, SCALES, TARGETS
from .bundle import Bundle, Parameter


def _device(_context: Any, _parameter: Any, value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise click.BadParameter(f"'{value}' is not auto, cpu, cuda or cuda:N")
    return value


def _quality(_context: Any, _parameter: Any, value: float) -> float:
    if math.isnan(value):  # passes every range
        raise click.BadParameter("nan is not a number from 1 to 100")
    return value


def _strip(_context: Any, _parameter: Any, value: str) -> tuple[str, ...]:
    kinds = tuple(kind for kind in value.split(",") if kind)
    for kind in kinds:
        if kind not in (*KINDS, "all"):
            raise click.BadParameter(f"'{kind}' is not one of {', '.join(KINDS)}, all")
    return KINDS if "all" in kinds else kinds


def _crop(_context: Any, _parameter: Any, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not re.fullmatch(r"\d+,\d+,\d+,\d+", value, re.ASCII) or 0 in (numbers := tuple(map(int, value.split(","))))[2:]:
        raise click.BadParameter(f"'{value}' is not X,Y,WIDTH,HEIGHT in whole pixels")
    return numbers


def _scale(_context: Any, _parameter: Any, value: str) -> float:
    return 1 / int(value.removeprefix("1/"))


def _size(_context: Any, _parameter: Any, value: str | None) -> float | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d*)?) ?(?:([kKMG])(i?))?B?", value, re.ASCII)
    size = 0.0
    if match:
        unit: int = (1024 if match[3] else 1000) ** " KMG".index((match[2] or " ").upper())
        size = float(match[1]) * unit
    if not size >= 1:
        raise click.BadParameter(f"'{value}' is not a number of bytes, like 50000, 50kB or 48KiB")
    return size


def _positive(_context: Any, _parameter: Any, value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise click.BadParameter(f"{value} is not a number above zero")
    return value


INPUTS: list[Parameter] = [
    click.argument("names", nargs=-1, metavar="[FILE]...", type=click.Path()),
    click.option("-r", "--recursive", is_flag=True, help="Go through directories; -o DIR/ then mirrors their tree."),
    click.option(
        "--filelist",
        metavar="FILE",
        type=click.Path(),
        help="Read more names from FILE (-: stdin), one per line or NUL separated.",
    ),
]
SPEECH: list[Parameter] = [
    click.option("--json", "as_json", is_flag=True, help="One JSON object per file on stdout."),
    click.option("-v", "--verbose", is_flag=True, help="A line per file with the seconds of each stage."),
    click.option("--quiet", is_flag=True, help="Nothing but errors."),
]
WORK: list[Parameter] = [
    click.option(
        "-d",
        "--device",
        default="auto",
        show_default=True,
        callback=_device,
        metavar="auto|cpu|cuda[:N]",
        help="Where the networks run.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["auto", "native", "torch"]),
        default="auto",
        show_default=True,
        help="What runs them: auto is native, in C, but on a GPU. The output does not depend on it.",
    ),
    click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Files at a time, each in a process of its own; the output does not depend on it.",
    ),
    click.option("--no-progress", is_flag=True, help="No progress bar (there is one on a terminal only)."),
]
LIMIT: list[Parameter] = [
    click.option(
        "--max-pixels",
        type=click.IntRange(min=0),
        default=MAX_PIXELS,
        show_default=True,
        help="Refuse larger pictures; 0 is no limit.",
    )
]
PICTURE: list[Parameter] = [
    click.option(
        "-q",
        "--quality",
        type=click.FloatRange(1, 100),
        default=60.0,
        show_default=True,
        callback=_quality,
        help="1 smallest, 100 best; decimals allowed.",
    ),
    click.option(
        "-e",
        "--effort",
        type=click.IntRange(0, 9),
        default=0,
        show_default=True,
        help="Passes that fit what is coded to the picture it decodes to, by torch: fewer bytes for as good a picture; "
        "one takes some 4 times as long as an encoding without, three 9 times.",
    ),
    click.option(
        "--lossless/--lossy",
        default=None,
        help="Keep every pixel exactly, or never; without either, where it costs less, as with graphics.",
    ),
    click.option("--exact", is_flag=True, help="Code the colours of fully transparent pixels, which nobody sees, too."),
]
STRIP: list[Parameter] = [
    click.option(
        "--strip",
        default="",
        callback=_strip,
        metavar=f"{','.join(KINDS)}|all",
        help="Leave out this metadata; all of it is kept otherwise.",
    )
]
TARGET: list[Parameter] = [
    click.option(
        "--target-size",
        metavar="BYTES",
        callback=_size,
        help="The best file of at most this size, in place of -q; 50kB and 48KiB too.",
    ),
    click.option(
        "--bpp", type=float, callback=_positive, help="The best file of at most so many bits per pixel, in place of -q."
    ),
    click.option(
        "--psnr",
        type=float,
        metavar="DB",
        callback=_positive,
        help="The smallest file of at least this PSNR, in place of -q.",
    ),
    click.option(
        "--ssimulacra2",
        type=float,
        metavar="POINTS",
        callback=_positive,
        help="The smallest file of at least this score, in place of -q: 70 is high quality, 80 hardly told apart.",
    ),
]
REGION: list[Parameter] = [
    click.option(
        "--crop",
        metavar="X,Y,W,H",
        callback=_crop,
        help="Only this rectangle of the stored pixels (not turned as EXIF says).",
    ),
    click.option(
        "--scale",
        type=click.Choice(["1", *(f"1/{round(1 / scale)}" for scale in SCALES[1:])]),
        default="1",
        callback=_scale,
        help="Smaller: the means of squares of pixels.",
    ),
    click.option(
        "--fast",
        is_flag=True,
        help="Compute pixels in floats where torch is the engine: faster, samples of photographs off by a level. The "
        "native engine ignores it.",
    ),
]
PIXELS: list[Parameter] = [
    click.option(
        "--pixels",
        is_flag=True,
        help="Print the SHA-256 of the pixels, which is the same on every machine (`pixels` in --json).",
    )
]
RECOVER: list[Parameter] = [
    click.option("--recover", is_flag=True, help="Decode what is left of damaged files; the rest becomes gray.")
]
PARTIAL: list[Parameter] = [
    click.option(
        "--partial",
        is_flag=True,
        help="Take files that end too early: a picture of what is there, coarse where the bytes end.",
    )
]


def model_option(default: str) -> list[Parameter]:
    """The option that names a model, for a command whose usual one is `default`."""
    return [
        click.option(
            "-m",
            "--model",
            default=default,
            show_default=True,
            metavar="NAME|FILE",
            help="One of `aecodec models`, or a weight file; files name the installed model they need.",
        )
    ]


MODEL = model_option("default")
LATENTS_MODEL = model_option("psnr")  # whose latents the figures of features, anomalies and denoising were measured on
PRESERVE: list[Parameter] = [
    click.option(
        "-p", "--preserve", is_flag=True, help="Give outputs the times and permissions of their inputs, as cp -p does."
    )
]
OUTPUTS: list[Parameter] = [
    click.option(
        "-o",
        "--output",
        "destination",
        metavar="FILE|DIR/|-",
        type=click.Path(),
        help="Output file, directory or stdout.",
    ),
    click.option("--output-dir", metavar="DIR", type=click.Path(), help="Output directory, made if it is not there."),
    click.option("-c", "--stdout", is_flag=True, help="Write to stdout, like -o -."),
    click.option("-f", "--force", is_flag=True, help="Overwrite existing outputs; write binary data to a terminal."),
    click.option(
        "-n", "--no-clobber", is_flag=True, help="Skip inputs whose output exists, whatever is in it, without an error."
    ),
    *PRESERVE,
    click.option("-k", "--keep", is_flag=True, help="Keep the inputs (the default)."),
    click.option("--rm", "remove", is_flag=True, help="Remove each input once its output is proved to decode."),
]


ENCODING = Bundle("encoding", PICTURE + STRIP + TARGET)  # as `Codec.encode` takes them
DECODING = Bundle("decoding", REGION + PARTIAL)  # as `Codec.scan` takes them


def check_encoding(encoding: dict[str, Any]) -> None:
    """Raises click.UsageError where more than one thing says how large the files become."""
    asked = [f"--{name.replace('_', '-')}" for name in TARGETS if encoding.get(name) is not None]
    if asked and click.get_current_context().get_parameter_source("quality") is click.core.ParameterSource.COMMANDLINE:
        asked.append("-q")
    if asked and encoding["lossless"]:
        asked.append("--lossless")
    if len(asked) > 1:
        raise click.UsageError(f"{asked[0]} excludes {asked[1]}")
