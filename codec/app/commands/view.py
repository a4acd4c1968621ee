"""view: pictures and .aec files in one page of a browser, which needs nothing but itself."""

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from ...errors import CodecError, TooLarge, UnknownModel
from ...files import output
from ...files.jobs import AEC, PICTURES, STREAM, Job
from ...files.words import reason, shown, text
from ..arguments import INPUTS, MODEL
from ..bundle import Parameter, takes
from ..inputs import source
from ..options import Options
from ..report import Failure
from .shared import FORCE

BROWSERS = ".png .jpg .jpeg .jfif .webp .avif .gif .bmp".split()  # suffixes of what browsers read; others become PNG
MOST_PIXELS = 64_000_000  # of a picture in the page
MOST_BYTES = 100_000_000  # of all files in the page
PAGE: list[Parameter] = [
    click.option(
        "-o",
        "--output",
        "destination",
        metavar="FILE|-",
        type=click.Path(dir_okay=False),
        help="Where the page goes, instead of a temporary file that is opened in the browser.",
    ),
    *FORCE,
]


@click.command()
@takes(INPUTS, PAGE, MODEL)
def view(options: Options) -> int:
    """Compare pictures and .aec files in the browser.

    One page with everything in it, the codec too: it works from disk and connects to nothing. Pictures can be dropped
    on it, coded at any quality, compared with their originals and with JPEG and WebP of equal size, and saved. A
    picture and the .aec file of the same name are shown side by side.

    \b
      aecodec view photo.png photo.aec
      aecodec view photos/*.jpg -o page.html
    """
    jobs = options.sources({AEC, *PICTURES}) if options.names or options.filelist else []
    if options.destination not in (None, STREAM):
        options.check(*(job.source for job in jobs))
    from ...model import weights
    from ...web.page import page
    from ...web.parts import model_id

    try:
        model = weights.path_of(options.model).read_bytes()
        made = page(model, _contents(jobs, bytes.fromhex(model_id(model)))).encode("utf-8")
    except CodecError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{shown(options.model)}: {reason(options.model, error)}") from None
    if options.destination is None:
        return _open(made)
    _write(options.destination, made, options.force)
    return 0


def _write(target: str, page: bytes, force: bool) -> None:
    draft = output.Stream() if target == STREAM else output.draft(target, force)
    try:
        draft.write(page)
        draft.keep()
    except OSError as error:
        raise Failure(f"{shown(target)}: {reason(target, error)}") from None
    finally:
        draft.drop()


def _open(page: bytes) -> int:
    """Shows the page in the browser, which reads it later: the file stays."""
    import webbrowser

    with tempfile.NamedTemporaryFile(prefix="aecodec-", suffix=".html", delete=False) as file:
        file.write(page)
    if not webbrowser.open(Path(file.name).as_uri()):
        raise Failure(f"no browser can be opened here; the page is {file.name}")
    click.echo(f"aecodec: {file.name} is open in the browser", err=True)
    return 0


def _contents(jobs: list[Job], model: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each input, as browsers or the page can read it. Raises Failure for one that is broken."""
    total = 0
    for job in jobs:
        try:
            if job.problem:
                raise job.problem
            name, data = _content(job, model)
        except TooLarge:
            raise Failure(f"{shown(job.source)}: it has more than {MOST_PIXELS // 10**6} megapixels") from None
        except (CodecError, OSError) as error:
            raise Failure(f"{shown(job.source)}: {reason(job.source, error)}") from None
        total += len(data)
        if total > MOST_BYTES:
            most = MOST_BYTES // 10**6
            raise Failure(f"{shown(job.source)}: with it the page would hold more than {most} MB of files")
        yield name, data


def _content(job: Job, model: bytes) -> tuple[str, bytes]:
    """Raises CodecError, OSError for what is no whole file or picture, or of another model."""
    from ...bitstream import container, layout
    from ...model import weights
    from ...pixels import picture as pictures
    from ...pixels import read, write

    given = source(job)
    data = given if isinstance(given, bytes) else Path(given).read_bytes()
    name = text(os.path.basename(job.place))
    stem, suffix = os.path.splitext(name)
    if data.startswith(layout.SIGNATURE) or suffix.lower() == AEC:
        header = container.unpack(data).header
        read.check_size(header.width, header.height, MOST_PIXELS)
        if header.model not in (layout.NO_MODEL, model):
            other = weights.name_of(header.model)
            raise UnknownModel(f"it was made with the model {other}, and a page has one model: -m {other}")
        return name, data
    picture = read.load(data, MOST_PIXELS)
    if suffix.lower() in BROWSERS:
        return name, data
    file = io.BytesIO()
    write.save(pictures.turned(picture), file, "png")
    return f"{stem}.png", file.getvalue()
