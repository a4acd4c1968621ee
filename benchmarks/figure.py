"""The picture and the tables of a result: `python -m benchmarks.figure RUN.json -o rd.png --into README.md`.

Draws the curves and writes the tables as Markdown, into `pages` or to the terminal.
"""

import click
import matplotlib

from . import metrics, pages, record

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
# Published curves are means over the whole Kodak set, and are drawn beside that only.
PUBLISHED = {"bmshj2018-hyperprior": "-.", "bpg444": "--", "vtm": ":"}
TITLES = {"psnr": "PSNR (RGB)", "psnr_y": "PSNR (luma)", "msssim": "MS-SSIM", "ssimulacra2": "SSIMULACRA2"}
COMMAND = "benchmarks.figure"


def draw(run, path):
    """PSNR over bits per pixel, means over the set."""
    figure, axis = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
    for name, codec in run["codecs"].items():
        points = sorted((c["bpp"], c["psnr"]) for c in run["curves"] if c["codec"] == name)
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
    for name, style in PUBLISHED.items() if record.is_kodak(run) else ():
        rows = [p for p in run["published"] if p["codec"] == name and p["metric_set"] != "ms-ssim"]
        if rows:
            axis.plot(
                *zip(*[(p["bpp"], p["psnr"]) for p in rows]),
                style,
                lw=0.9,
                color="#555555",
                label=f"{rows[0]['label']}, published",
                zorder=1,
            )
    axis.set(
        xlabel="bits per pixel (whole files)",
        ylabel="PSNR RGB, dB",
        xlim=(0, 3),
        ylim=(low, high),
        title=f"{len(run['images'])} pictures, mean",
    )
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def rates(run):
    """Markdown lines: bytes against each anchor at equal quality, means over the set; PCHIP, for PSNR Akima too."""
    found = {(r["codec"], r["anchor"], r["metric"], r["method"]): r for r in run["bd_rate"] if r["scope"] == "set"}
    first, *others = run["metrics"]
    columns = {(OURS, first, "pchip"): TITLES[first]}
    columns |= {
        (name, first, "pchip"): f"the same, `{codec['label'].removeprefix('aecodec ')}`"
        for name, codec in run["codecs"].items()
        if name.startswith("aec-effort")
    }
    columns |= {(OURS, first, "akima"): f"{TITLES[first]}, Akima"} | {
        (OURS, metric, "pchip"): TITLES[metric] for metric in others
    }
    lines = [
        f"| aecodec's bytes against | at equal {' | '.join(columns.values())} | range, {metrics.UNITS[first]} |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for anchor in run["codecs"]:
        if (OURS, anchor, first, "pchip") in found and not anchor.startswith(OURS):
            cells = [found.get((name, anchor, metric, method), {}).get("value") for name, metric, method in columns]
            span = found[OURS, anchor, first, "pchip"]
            range_ = "–" if span["value"] is None else f"{span['low']:.1f} to {span['high']:.1f}"
            cells = ["–" if v is None else f"{v:+.1f} %".replace("-", "−") for v in cells]
            lines.append(f"| {run['codecs'][anchor]['label']} | {' | '.join(cells)} | {range_} |")
    return lines


def speeds(run):
    """Markdown lines: times at equal PSNR, as multiples of WebP's too, and peak memory."""
    lines = [
        "| at equal PSNR | encode | × WebP | decode | × WebP | new process, encode / decode | peak memory, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for s in run["speed"]:
        ratios = s["ratios"].get("webp")
        if s["device"] == "cpu" and ratios:
            ms = {way: s[way]["median"] * 1e3 for way in ("encode", "decode")}
            warm = [
                f"{ms[way]:.{0 if ms[way] >= 100 else 1 if ms[way] >= 10 else 2}f} ms | "
                f"{ratios[way]:.{1 if ratios[way] >= 10 else 2}f}"
                for way in ("encode", "decode")
            ]
            cold = "–" if not s["cold"] else " / ".join(f"{s['cold'][way]:.2g} s" for way in ("encode", "decode"))
            lines.append(
                f"| {run['codecs'][s['codec']]['label']} | {' | '.join(warm)} | {cold} | "
                f"{max((s['peak_mb'] or {}).values(), default=0):.0f} |"
            )
    return lines


def settings(run):
    """Markdown of the command, the machine and every codec's settings."""
    machine = run["machine"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
    source = (
        f"`{run['command']}`, {run['created'][:10]}; {machine['cpu']}, {threads} per codec. "
        "A time is the median of one picture's, in a process that is warm."
    )
    others = "; ".join(codec["settings"] for name, codec in run["codecs"].items() if not name.startswith(OURS))
    return f"{source}\n\nSettings: {others}."


def tables(run):
    """{name: Markdown}, as `pages.write` takes them."""
    return {"rates": "\n".join(rates(run)), "speeds": "\n".join(speeds(run)), "settings": settings(run)}


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
