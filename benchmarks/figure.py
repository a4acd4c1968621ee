"""The README's picture and tables out of a result: `python -m benchmarks.figure RUN.json -o rd.png` draws the curves and prints Markdown."""
import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

COLOURS = {"aec": "#0072b2", "webp": "#e69f00", "avif": "#009e73", "avif444": "#56b4e9", "jxl": "#cc79a7", "jpeg": "#999999"}  # Okabe and Ito: safe for the colour-blind


def draw(run, path):
    """PSNR over bits per pixel, means over the set."""
    figure, axis = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
    for name, codec in run["codecs"].items():
        points = sorted((c["bpp"], c["psnr"]) for c in run["curves"] if c["codec"] == name)
        if points:
            ours = name == "aec"
            axis.plot(*zip(*points), marker="o", ms=4 if ours else 2.5, lw=2.4 if ours else 1.2, label=codec["label"], color=COLOURS.get(name), zorder=3 if ours else 2)
    axis.set(xlabel="bits per pixel (whole files)", ylabel="PSNR RGB, dB", xlim=(0, 3), title=f"{len(run['images'])} pictures, mean")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=110)


def rates(run):
    """Markdown lines: bytes against each anchor at equal quality, set over PCHIP."""
    found = {(r["anchor"], r["metric"]): r for r in run["bd_rate"] if (r["codec"], r["scope"], r["method"]) == ("aec", "set", "pchip")}
    lines = ["| aecodec's bytes against | at equal PSNR (RGB) | PSNR (luma) | MS-SSIM | range, dB |", "|---|---|---|---|---|"]
    for anchor in run["codecs"]:
        if (anchor, "psnr") in found and anchor != "aec":
            cells = [found.get((anchor, m), {}).get("value") for m in ("psnr", "psnr_y", "msssim")]
            span = found[anchor, "psnr"]
            range_ = "–" if span["value"] is None else f"{span['low']:.1f} to {span['high']:.1f}"
            lines.append(f"| {run['codecs'][anchor]['label']} | " + " | ".join("–" if v is None else f"{v:+.1f} %".replace("-", "−") for v in cells) + f" | {range_} |")
    return lines


def speeds(run):
    """Markdown lines: times at equal PSNR as multiples of WebP's, and peak memory."""
    lines = ["| | encode, × WebP | decode, × WebP | cold process, encode / decode, × WebP | peak memory, MiB |", "|---|---|---|---|---|"]
    for s in run["speed"]:
        if s["device"] == "cpu" and "webp" in s["ratios"]:
            r, peak = s["ratios"]["webp"], s["peak_mb"] or {}
            cold = "–" if r.get("cold_encode") is None else f"{r['cold_encode']:.2g} / {r['cold_decode']:.2g}"
            lines.append(f"| {run['codecs'][s['codec']]['label']} | {r['encode']:.2f} | {r['decode']:.1f} | {cold} | {max(peak.values(), default=0):.0f} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("-o", "--output", required=True)
    a = parser.parse_args()
    run = json.loads(Path(a.run).read_text())
    draw(run, a.output)
    print("\n".join([*rates(run), "", *speeds(run), "", f"`{run['command']}`; {run['machine']['cpu']}, {run['machine']['threads']} threads."]))


if __name__ == "__main__":
    main()
