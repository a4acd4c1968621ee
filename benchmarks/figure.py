"""The picture and the tables of a result: `python -m benchmarks.figure RUN.json -o rd.png --into README.md`.

Draws the curves and writes the tables as Markdown, into `pages` or to the terminal.
"""

import click
import matplotlib

from . import bdrate, metrics, pages, record

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

# The colours of Okabe and Ito, safe for the colour-blind.
COLOURS = {
    "aec": "#0072b2",
    "aec-effort9": "#003a5d",
    "webp": "#e69f00",
    "avif": "#009e73",
    "avif444": "#56b4e9",
    "jxl": "#cc79a7",
    "jpeg": "#999999",
}
OURS = "aec"
MARK = " ¹"
# Published curves are means over the whole Kodak set, and are drawn beside that only.
PUBLISHED = {"bmshj2018-hyperprior": "-.", "bpg444": "--", "vtm": ":"}
PANELS = 4
PANEL = (4.6, 3.4)  # inches
SPREAD = ("avif444", "avif10", "jxl", "webp")  # the anchors whose single pictures have a table
COMMAND = "benchmarks.figure"


def draw(run, path):
    """Measures of the eye, and PSNR last, over bits per pixel: means over the set."""
    eye = [name for name in metrics.ordered(run["metrics"]) if not name.startswith("psnr")]
    names = [*eye[: PANELS - 1], *(["psnr"] if "psnr" in run["metrics"] else [])]
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * PANEL[0], rows * PANEL[1]), layout="constrained", squeeze=False
    )
    for axis, name in zip(axes.flat, names, strict=False):
        _panel(axis, run, name)
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    axes.flat[0].legend(frameon=False, fontsize="small")
    seen = f";{MARK} trained on" if trained_on(run) else ""
    figure.suptitle(f"{len(run['images'])} pictures, means over bits per pixel of whole files{seen}")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(axis, run, metric):
    """The curves of one metric."""
    value = f"{metric}_db" if metrics.METRICS[metric].decibel else metric
    for name, codec in run["codecs"].items():
        points = sorted((c["bpp"], c[value]) for c in run["curves"] if c["codec"] == name and c[value] is not None)
        # A codec without a colour of its own lies beside one that has.
        if points and (name in COLOURS or not name.startswith(OURS)):
            ours = name == OURS
            axis.plot(
                *zip(*points),
                marker="o",
                ms=4 if ours else 2.5,
                lw=2.4 if ours else 1.2,
                label=codec["label"],
                color=COLOURS.get(name),
                zorder=3 if ours else 2,
            )
    low, high = axis.get_ylim()
    for name, style in PUBLISHED.items() if metric == "psnr" and record.is_kodak(run) else ():
        rows = [p for p in run["published"] if p["codec"] == name and p["metric_set"] != "ms-ssim"]
        if rows:
            points = [(p["bpp"], p["psnr"]) for p in rows]
            label = f"{rows[0]['label']}, published"
            axis.plot(*zip(*points), style, lw=0.9, color="#555555", label=label, zorder=1)
    unit = metrics.UNITS[metric]
    axis.set(title=f"{_title(run, metric)}, {unit}", xscale="log", xlim=(0.07, 3), ylim=(low, high))
    axis.set_xticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    published = [line for line in axis.lines if line.get_label().endswith(", published")]
    if published:
        axis.legend(handles=published, frameon=False, fontsize="small")


def _title(run, metric):
    """The metric's name, with a mark where ours was trained on it."""
    return metrics.METRICS[metric].title + (MARK if metric in trained_on(run) else "")


def trained_on(run):
    """Names of the metrics that our model has seen in training, as far as the result says."""
    return run["codecs"].get(OURS, {}).get("trained_on", [])


def _entries(run, scope):
    """{(codec, anchor, metric): BD-rate of the set or of its pictures}, PCHIP."""
    chosen = (r for r in run["bd_rate"] if r["scope"] == scope and r["method"] == bdrate.METHODS[0])
    return {(r["codec"], r["anchor"], r["metric"]): r for r in chosen}


def _heads(run, first):
    names = metrics.ordered(run["metrics"])
    return [f"| {first} | {' | '.join(_title(run, name) for name in names)} |", "|---" * (len(names) + 1) + "|"]


def _note(run):
    """The sentence below a table on what its marks mean."""
    words = f"{MARK.strip()} The model was trained on this measure; the others had no part in it."
    return ["", words] if trained_on(run) else []


def rates(run):
    """Markdown lines: ours against each anchor at equal quality, means over the set."""
    found, names = _entries(run, "set"), metrics.ordered(run["metrics"])
    lines = _heads(run, "aecodec's bytes against, at equal …")
    for anchor in run["codecs"]:
        if (OURS, anchor, names[0]) in found and not anchor.startswith(OURS):
            cells = [_percent(found[OURS, anchor, name]["value"]) for name in names]
            lines.append(f"| {run['codecs'][anchor]['label']} | {' | '.join(cells)} |")
    return lines + _note(run)


def spread(run):
    """Markdown lines: what the single pictures say, against some anchors."""
    found, names = _entries(run, "picture"), metrics.ordered(run["metrics"])
    lines = _heads(run, "single pictures")
    for anchor in (name for name in SPREAD if (OURS, name, names[0]) in found):
        entries = [found[OURS, anchor, name] for name in names]
        label = run["codecs"][anchor]["label"]
        lines.append(f"| {label}: mean | {' | '.join(_percent(r['mean']) for r in entries)} |")
        intervals = [" … ".join(_percent(edge) for edge in r["interval"] or [None]) for r in entries]
        lines.append(f"| its {bdrate.CONFIDENCE:.0%} interval | {' | '.join(intervals)} |")
        worst = [_percent(bdrate.average(r["worst"].values())) for r in entries]
        lines.append(f"| worst {bdrate.WORST:.0%}, mean | {' | '.join(worst)} |")
    return lines


def variants(run):
    """Markdown lines: other efforts and models of ours against ours as it is."""
    found, names = _entries(run, "set"), metrics.ordered(run["metrics"])
    lines = _heads(run, "bytes against aecodec as it is")
    for codec in (name for name in run["codecs"] if (name, OURS, names[0]) in found):
        cells = [_percent(found[codec, OURS, name]["value"]) for name in names]
        lines.append(f"| {run['codecs'][codec]['label']} | {' | '.join(cells)} |")
    return lines


def _percent(value):
    return "–" if value is None else f"{value:+.1f} %".replace("-", "−")


def settings(run):
    """Markdown of the command, the machine and every codec's settings."""
    machine = run["machine"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
    source = f"`{run['command']}`, {run['created'][:10]}; {machine['cpu']}, {threads} per codec."
    others = "; ".join(codec["settings"] for name, codec in run["codecs"].items() if not name.startswith(OURS))
    return f"{source}\n\nSettings: {others}."


def tables(run):
    """{name: Markdown}, as `pages.write` takes them."""
    lines = {"rates": rates(run), "spread": spread(run), "variants": variants(run)}
    return {**{name: "\n".join(found) for name, found in lines.items()}, "settings": settings(run)}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("result", metavar="RUN.json", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "-o",
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="The picture to write: PNG, SVG or PDF.",
)
@click.option(
    "--into",
    multiple=True,
    metavar="PAGE.md",
    type=click.Path(exists=True, dir_okay=False),
    help="Write the tables there that have their marks there; may be given several times.",
)
def main(result, out, into):
    """Draws the curves of a result and writes its tables as Markdown."""
    try:
        run = record.read(result)
    except record.RecordError as error:
        raise click.ClickException(str(error)) from None
    draw(run, out)
    for page in into:
        pages.write(page, COMMAND, tables(run))
    if not into:
        click.echo("\n\n".join(tables(run).values()))


if __name__ == "__main__":
    main()
