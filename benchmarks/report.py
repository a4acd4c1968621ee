"""The report: one HTML file from RUN.json that needs nothing else, neither network nor other files.

Before: `record` (the JSON), `explorer` (the pictures).

The page's parts are in page/: the template, style sheets, scripts in the order of SCRIPTS, and two small libraries with
their licences in page/vendor/. The scripts draw everything from the JSON, which the page holds unchanged, so that no
number on it has another source.
"""

import json
import re
import shlex
from pathlib import Path

import click

from codec import CodecError
from codec.files.output import atomic

from . import codecs, data, explorer, record

PAGE = Path(__file__).with_name("page")
STYLES = ("vendor/uPlot.min.css", "vendor/img-comparison-slider.css", "page.css", "explorer.css")
VENDOR = ("vendor/uPlot.iife.min.js", "vendor/img-comparison-slider.js")
SCRIPTS = (
    "state.js",
    "answer.js",
    "curves.js",
    "rates.js",
    "speed.js",
    "heat.js",
    "viewer.js",
    "explorer.js",
    "blind.js",
    "page.js",
)
LICENCES = {
    "uPlot 1.6.32": "vendor/uPlot.LICENSE",
    "img-comparison-slider 8.0.7": "vendor/img-comparison-slider.LICENSE",
}
SIZES = ",".join(map(str, explorer.SIZES))
MEGABYTES = 25
SUMMARY_BYTES = 200_000  # room for what the page says about its pictures, maps of bits included
# What ours is compared with first, in this order, as in page/state.js.
ANCHORS = ("avif444", "avif", "jxl", "webp", "jpeg")
# Whose pictures are in the page before those of others.
SHOWN = ("avif444", "jxl", "webp", "jpeg", "avif")


def build(run, content=None, command=""):
    """The page as text. run: RUN.json as a dict; content: explorer.Content; command: the words that made the page."""
    content = content or explorer.empty("This page was made without pictures.")
    summary = {
        **content.summary,
        "command": command,
        "licences": {name: _text(file) for name, file in LICENCES.items()},
    }
    parts = {
        "title": "aecodec benchmark",
        "style": "\n".join(map(_text, STYLES)),
        "run": _json(run),
        "explorer": _json(summary),
        "pictures": "\n".join(
            f'<script type="text/plain" id="{key}">{text}</script>' for key, text in content.webp.items()
        ),
        # Without their comments on source maps, which a browser's tools would look for on the network.
        "vendor": "\n".join(re.sub(r"//# sourceMappingURL=\S+", "", _text(file)) for file in VENDOR),
        "script": "\n".join(map(_text, SCRIPTS)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text("template.html"))


def _text(file):
    return (PAGE / file).read_text(encoding="utf-8")


def _json(value):
    """JSON that may stand inside <script>: no character in it can end the element or begin a comment, whatever a
    picture is called.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def pictures_of(run, sources):
    """{name: path} of the run's pictures found in the sources with the checksum the run has; raises data.DataError
    where there is none.
    """
    digests = {image["name"]: image["sha256"] for image in run["images"]}
    found = {
        path.name: path
        for path in data.pictures(sources)
        if path.name in digests and data.sha256(path) == digests[path.name]
    }
    if not found:
        raise data.DataError(
            f"none of the pictures of this run is in {', '.join(map(str, sources))}; name their folder with --images"
        )
    return found


def codecs_of(run, wanted, device):
    """({name: built codec}, [sentence about each that cannot run]). wanted: names, or () for the first that have
    curves, ours always.
    """
    drawn = [name for name in run["codecs"] if any(point["codec"] == name for point in run["points"])]
    preferred = [name for name in ("aec", *SHOWN) if name in drawn]
    names = wanted or list(dict.fromkeys(preferred + drawn))[: explorer.CODECS]
    built, missing = {}, []
    for name in names:
        if name not in drawn:
            missing.append(f"{name} is not in this run")
            continue
        try:
            options = run["codecs"][name].get("options", {})
            built[name] = codecs.build(name, **options, **({"device": device} if name in codecs.VARIANTS else {}))
        except (codecs.Unavailable, KeyError) as error:
            missing.append(str(error))
    return built, missing


def describe(run, summary, ours, anchor, ranked, changed):
    """The sentences above the explorer: what is shown and how it was chosen. ranked: whether only some of the run's
    pictures are shown, by their gain.
    """
    label = {name: entry["label"] for name, entry in run["codecs"].items()}
    words = [
        "Every codec was brought to the same number of bytes by bisection on its quality; "
        "these are the pixels it decodes to."
    ]
    if ranked:
        words.append(
            f"The pictures run evenly from where {label[ours]} gains most against {label[anchor]} to where it gains "
            "least."
        )
    if not summary["whole"]:
        box = max((picture["box"] for picture in summary["pictures"]), key=lambda box: box[2])
        words.append(
            f"Shown is the middle, {box[2]} × {box[3]} pixels or the same upright; "
            "sizes and measures are those of the whole picture."
        )
    return " ".join(words + changed)


def other_versions(run, chosen):
    """[one sentence] on libraries that have other versions here than the run had, or []."""
    now = {library: version for codec in chosen.values() for library, version in codec.versions.items()}
    changed = [
        f"{library} {run['versions'][library]} instead of {version}"
        for library, version in now.items()
        if run["versions"].get(library, version) != version
    ]
    return (
        [f"The pictures were made with other versions than the curves, which had {', '.join(changed)}."]
        if changed
        else []
    )


def pictures(run, sources, count, wanted, sizes, device, limit):
    """Content of the explorer for this run, and sentences for people about what is missing.

    Raises data.DataError, ValueError.
    """
    paths = pictures_of(run, sources)
    chosen, missing = codecs_of(run, wanted, device)
    if not chosen:
        raise data.DataError("no codec of this run can work here: " + "; ".join(missing))
    ours = "aec" if "aec" in run["codecs"] else next(iter(run["codecs"]))
    anchor = next((name for name in (*ANCHORS, *run["codecs"]) if name in run["codecs"] and name != ours), ours)
    gain = explorer.gains(run, ours, anchor)
    names = explorer.choose(list(paths), gain, count)
    content = explorer.collect(run, paths, names, chosen, sizes, gain, limit)
    changed = other_versions(run, chosen)
    content.summary["note"] = describe(
        run, content.summary, ours, anchor, bool(gain) and len(names) < len(run["images"]), changed
    )
    return content, missing + changed


def _sizes(_context, _option, text):
    try:
        sizes = [float(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or not all(0 < size <= 24 for size in sizes):
        raise click.BadParameter("wanted are bits per pixel with commas between, such as 0.2,0.4,0.8")
    return sizes


class _Command(click.Command):
    """Remembers its arguments as they were typed, for the page's foot."""

    def parse_args(self, context, arguments):
        context.obj = list(arguments)
        return super().parse_args(context, arguments)


@click.command("report", cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run_json", metavar="RUN.json", type=click.Path(dir_okay=False))
@click.option(
    "-o",
    "--out",
    required=True,
    metavar="PAGE.html",
    type=click.Path(dir_okay=False),
    help="The page to write; one that exists is replaced.",
)
@click.option(
    "--images",
    multiple=True,
    metavar="DIR|FILE|kodak",
    help="Where the pictures of the run are; default: where the run had them.",
)
@click.option(
    "--pictures",
    "count",
    default=explorer.PICTURES,
    show_default=True,
    type=click.IntRange(0),
    help="How many pictures it holds; 0: none.",
)
@click.option(
    "--codecs",
    "wanted",
    default="",
    metavar="NAMES",
    help=f"Codecs of its pictures, with commas between; default: the first {explorer.CODECS}.",
)
@click.option(
    "--sizes",
    default=SIZES,
    show_default=True,
    callback=_sizes,
    metavar="BPP",
    help="Sizes of their files in bits per pixel.",
)
@click.option("--device", default="cpu", show_default=True, help="Where our codec works for the pictures.")
@click.option(
    "--max-mb",
    default=MEGABYTES,
    show_default=True,
    type=click.IntRange(2),
    help="Size of the page in megabytes; pictures are cropped to keep it.",
)
@click.pass_context
def main(context, run_json, out, images, count, wanted, sizes, device, max_mb):
    """Makes one HTML file of a run: curves, tables, speed, and the pictures to look at."""
    command = shlex.join(["python", "-m", "benchmarks", "report", *context.obj])
    try:
        run = record.read(run_json)
    except record.RecordError as error:
        raise click.ClickException(str(error)) from None
    if not run["points"]:
        raise click.ClickException(f"{run_json} holds no measurement")
    content = None
    if count:
        bare = len(build(run, explorer.empty(""), command).encode())
        try:
            names = tuple(filter(None, wanted.split(",")))
            content, notes = pictures(
                run, images or run["source"], count, names, sizes, device, max_mb * 1_000_000 - bare - SUMMARY_BYTES
            )
        except (
            data.DataError,
            CodecError,
            OSError,
            ValueError,
        ) as error:  # the curves are worth a page even where a codec fails
            content, notes = (
                explorer.empty(f"There are no pictures in this page: {error}."),
                [f"the page has no pictures: {error}."],
            )
        for note in notes:
            click.echo(note[0].upper() + note[1:], err=True)
    page = build(run, content, command).encode()
    with atomic(out, overwrite=True) as file:
        file.write(page)
    click.echo(
        f"{out}: {len(page) / 1e6:.1f} MB, {len(content.summary['pictures']) if content else 0} pictures", err=True
    )
