"""The quick verdict on a model: ours against a few codecs by all measures, in real bytes. Uses `session`.

Few qualities of ours are measured; what was measured once, anchors above all, is kept in a journal of the user's cache
folder and used again where picture, codec, versions and machine are the same.
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from . import bdrate, codecs, data, metrics, record, session, summary
from .options import POSITIVE, SOURCES, listed, names

ANCHORS = ("avif444", "jxl", "webp")
METRICS = (*metrics.EYE, "psnr_c")
QUALITIES = (10, 25, 45, 65, 85)  # of ours; the anchors have all of theirs
OURS = "aec"


def request(
    sources: Sequence[str], models: Sequence[str], anchors: Sequence[str], qualities: Sequence[float], jobs: int
) -> session.Request:
    """What `session.measure` needs: our `models` (names or files) at `qualities`, and the anchors. Raises OSError."""
    ours = [name_of(model) for model in dict.fromkeys(models)]
    store = data.cache_folder("judge")
    store.mkdir(parents=True, exist_ok=True)
    return session.Request(
        tuple(sources),
        out=str(store / "points.json"),
        codecs=(*ours, *anchors),
        qualities={name: list(qualities) for name in ours},
        metrics=METRICS,
        jobs=jobs,
        speed=False,
    )


def name_of(model: str) -> str:
    """The name of ours with a model, as `codecs.build` takes it."""
    return OURS if model == "default" else f"{OURS}:{model}"


def text(run: dict) -> str:
    """The verdict as lines: per model and anchor one row of the set, one of its pictures, one of the worst of them."""
    ours = [name for name in run["codecs"] if name.startswith(OURS)]
    measured = run["metrics"]
    columns = max(14, *(len(metrics.METRICS[name].title) + 2 for name in measured))
    lines = [
        f"{len(run['images'])} pictures, whole files: percent of bytes at equal measure, fewer is better",
        f"{'':24}" + "".join(f"{metrics.METRICS[name].title:>{columns}}" for name in measured),
    ]
    found = {
        (r["codec"], r["anchor"], r["metric"], r["scope"]): r
        for r in run["bd_rate"]
        if r["method"] == bdrate.METHODS[0]
    }
    for codec in ours:
        for anchor in (name for name in run["codecs"] if (codec, name, measured[0], "set") in found):
            whole, single = ([found[codec, anchor, name, scope] for name in measured] for scope in ("set", "picture"))
            lines += ["", f"{run['codecs'][codec]['label']} against {run['codecs'][anchor]['label']}"]
            lines.append(_row("mean curve of the set", [summary.percent(r["value"]) for r in whole], columns))
            lines.append(_row("mean of the pictures", [summary.percent(r["mean"]) for r in single], columns))
            lines.append(
                _row(f"  {bdrate.CONFIDENCE:.0%} interval", [_interval(r["interval"]) for r in single], columns)
            )
            lines.append(_row(f"worst {bdrate.WORST:.0%}, mean", [_worst(r["worst"]) for r in single], columns))
            lines.append(
                _row("  its worst picture", [_short(next(iter(r["worst"]), "-"), columns) for r in single], columns)
            )
            lines += [f"  {name}: {r['reason']}" for name, r in zip(measured, whole, strict=True) if r["reason"]]
            lines.append(_verdict([r for r in single if r["metric"] not in _seen(run, codec, anchor)]))
    lines += ["", *(f"{entry['label']}: {entry['settings']}" for entry in run["codecs"].values())]
    lines.append(", ".join(f"{name} {version}" for name, version in run["versions"].items()))
    return "\n".join(lines)


def _seen(run, *names):
    """The metrics that any of the codecs was trained on."""
    return {metric for name in names for metric in run["codecs"][name].get("trained_on", ())}


def _verdict(records):
    """The sentence on single pictures. records: those of the pictures by the measures that no training has seen."""
    more, fewer = [], 0
    pictures = {name: None for r in records for name in r["by_picture"]}
    for picture in pictures:
        values = [r["by_picture"].get(picture) for r in records]
        votes = sum((v > 0) - (v < 0) for v in values if v is not None)
        fewer += votes < 0
        more += [picture] * (votes > 0)
    names = f": {', '.join(Path(name).stem for name in more)}" if more else ""
    kept = ", ".join(metrics.METRICS[r["metric"]].title for r in records)
    return f"by most of {kept}: fewer bytes in {fewer} of {len(pictures)} pictures, more in {len(more)}{names}"


def _row(title, cells, width):
    return f"{title:24}" + "".join(f"{cell:>{width}}" for cell in cells)


def _interval(edges):
    return "-" if edges is None else f"{edges[0]:+.0f}..{edges[1]:+.0f}"


def _worst(pictures):
    return summary.percent(bdrate.average(pictures.values()))


def _short(name, width):
    return Path(name).stem[-(width - 2) :]


@click.command("judge")
@SOURCES
@click.option(
    "--model",
    "models",
    multiple=True,
    default=("default",),
    show_default=True,
    metavar="NAME|FILE",
    help="A model of ours; may be repeated. Beside others `default` is what they are compared with too.",
)
@click.option(
    "--anchors",
    callback=names(codecs.NAMES),
    default=",".join(ANCHORS),
    show_default=True,
    metavar="NAME,...",
    help="Codecs to compare with.",
)
@click.option(
    "--qualities",
    callback=listed,
    default=",".join(map(str, QUALITIES)),
    show_default=True,
    metavar="Q,...",
    help="Of ours, at least three.",
)
@click.option("-j", "--jobs", type=POSITIVE, default=1, show_default=True, help="Processes, one thread each.")
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False), help="Write the result as JSON too.")
@click.pass_context
def command(context, images, models, anchors, qualities, jobs, out):
    """Say within minutes how good a model is: a few qualities, every measure, real bytes.

    Points are kept in the user's cache folder, so that another model costs only its own. Exit code 1: something failed.
    """
    result = session.measure(request(images, models, anchors, qualities, jobs))
    if out:
        record.write(out, {**result, "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])})
    click.echo(text(result))
    for failure in result["failures"]:
        click.echo(summary.failure(failure), err=True)
    context.exit(1 if result["failures"] else 0)
