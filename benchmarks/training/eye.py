"""What each part of the visual objective is worth: runs of equal length from one checkpoint, the same crops, one change
each.

    python -m benchmarks.training.eye --data SHARD … --init CHECKPOINT --out RUN [--rows NAME …] [--minutes 20]
    python -m benchmarks.training.eye --table RUN >> benchmarks/training/README.md
    python -m benchmarks.training.eye --data SHARD … --pictures FOLDER   # for `python -m benchmarks judge FOLDER`

Judged on the photographs of --data that are held out from training (codec/training/held_out.py; at half the size where
their colour is stored so), never on Kodak, with the averaged weights of the float model (rates are its estimates) at
four of its anchors; by the measures that no loss and no choice has seen, and beside them by those that are trained on.
A row's figures are the means over pictures of each one's BD-rate against the row "as it is", which trains on without a
change, and how sure the mean is.
"""

import argparse
import json
import resource
import statistics
import time
from dataclasses import fields
from pathlib import Path
from unittest.mock import patch

import torch
from PIL import Image

from codec.engine.torch.device import has_bfloat16
from codec.training import loop
from codec.training.checkpoint import load
from codec.training.data import held_out
from codec.training.options import RunOptions

from .. import bdrate, metrics
from .ablate import SameCrops

ANCHORS = 1, 3, 5, 8  # of the quality: about 10, 28, 46 and 73
SIDE = 512  # px of the middle of a picture that is looked at
KEPT_OUT = ("butteraugli", "cvvdp", "iwssim", "psnr_hvsm")  # of every loss and choice but this one
TRAINED_ON = ("ssimulacra2", "msssim", "psnr")
BASE = "as it is"
# name: (what changes, options of the training)
ROWS = {
    BASE: ("nothing", {}),
    "less squared error": ("a share of 0.2 for squared error, for 0.35", {"mse": 0.2}),
    "more squared error": ("a share of 0.5", {"mse": 0.5}),
    "less colour": ("Cb and Cr count half of luma in it, for as much", {"chroma": 0.5}),
    "more colour": ("Cb and Cr count twice as much as luma", {"chroma": 2.0}),
    "published weights": ("nothing added at the fine scales", {"fine": 0.0}),
    "finer": ("twice as much added at the fine scales", {"fine": 3.0}),
    "no MS-SSIM": ("nothing for MS-SSIM of luma, for a share of 0.25", {"msssim": 0.0}),
    "more MS-SSIM": ("a share of 0.4", {"msssim": 0.4}),
    "mean colours": ("a share of 0.1 for the mean colours of 16x16 pixels", {"mean_colour": 0.1}),
    "drawn pages": ("a tenth of the crops of drawn pages", {"drawn": 0.1}),
    "large crops": ("crops of 512 px, a quarter as many", {"crop": 512, "batch": 2}),
    "low rates": ("qualities weighted by lambda^-0.6, for -0.4", {"balance": 0.6}),
    "high rates": ("qualities weighted by lambda^-0.2", {"balance": 0.2}),
    "slower": ("half the learning rate", {"lr": 0.5}),
    "faster": ("twice the learning rate", {"lr": 2.0}),
}


def changed(options, changes, out):
    """The options of a row, whose learning rate is a factor of the other rows'."""
    values = {f.name: getattr(options, f.name) for f in fields(options)} | changes | {"out": out}
    return RunOptions(**values | {"lr": options.lr * changes.get("lr", 1.0)})


def middles(paths):
    """By name the middle of every picture held out, uint8 [H,W,3] with sides that are multiples of 64. Raises
    ValueError.
    """
    pictures = {}
    for name, pixels in held_out(paths):
        high, wide = (min(SIDE, side // 64 * 64) for side in pixels.shape[:2])
        top, left = (pixels.shape[0] - high) // 2, (pixels.shape[1] - wide) // 2
        pictures[Path(name).stem] = pixels[top : top + high, left : left + wide]
    if not pictures:
        raise ValueError("none of the photographs held out is in --data: there is nothing to judge by")
    return pictures


@torch.no_grad()
def curves(model, pictures, names):
    """By picture and anchor: estimated bits per pixel and each measure of the picture in 8 bits, as curves need it."""
    figures = []
    for pixels in pictures.values():
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        x = x.contiguous(memory_format=torch.channels_last)
        points = []
        for anchor in ANCHORS:
            y, bpp, _ = model(x, torch.tensor([float(anchor)]), has_bfloat16(x.device))
            y = torch.round(y[0].clamp(0, 1) * 255).to(torch.uint8).permute(1, 2, 0).numpy()
            values = metrics.measure(Image.fromarray(pixels), Image.fromarray(y), names)
            points.append({"bpp": float(bpp)} | {name: metrics.curve_value(name, values[name]) for name in names})
        figures.append(points)
    return figures


def measure(name, options, pictures, names):
    """Trains one row and returns its figures."""
    what, changes = ROWS[name]
    run = changed(options, changes, f"{options.out}/{name.replace(' ', '-')}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with patch.object(loop, "Pictures", SameCrops):
        model = loop.train(run)
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    state = load(f"{run.out}/checkpoint.safetensors", model, part="average")
    return {
        "row": name,
        "what": what,
        "init": Path(run.init).name,
        "steps": state["step"],
        "crops": [run.batch, run.crop],
        "lr": run.lr,
        "seed": run.seed,
        "cpu_minutes": round(spent / 60, 1),
        "pictures": curves(model.eval(), pictures, names),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def effect(base, row, name):
    """Mean BD-rate in percent over pictures and its standard error, of one measure; None where no curves compare."""
    values = [
        bdrate.difference(*([(p["bpp"], p[name]) for p in points] for points in pair), unit=metrics.UNITS[name]).value
        for pair in zip(base["pictures"], row["pictures"], strict=True)
    ]
    values = [value for value in values if value is not None]
    if len(values) < 2:
        return None
    return statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5


def table(rows):
    """Markdown, best first by the mean of the measures kept out."""
    rows = {row["row"]: row for row in rows}
    base = rows[BASE]
    names = [name for name in KEPT_OUT + TRAINED_ON if name in base["pictures"][0][0]]
    found = {row: {name: effect(base, rows[row], name) for name in names} for row in rows}

    def order(row):
        kept = [found[row][name] for name in names if name in KEPT_OUT and found[row][name]]
        return statistics.mean(value for value, _ in kept) if kept else float("inf")

    titles = [metrics.METRICS[name].title + ("" if name in KEPT_OUT else " (trained on)") for name in names]
    lines = ["| change | kept out, mean | " + " | ".join(titles) + " | steps |", "|---" * (len(names) + 3) + "|"]
    for row in sorted(rows, key=order):
        cells = [f"{v[0]:+.2f} ± {v[1]:.2f}" if (v := found[row][name]) else "–" for name in names]
        mean = "–" if rows[row] is base else f"{order(row):+.2f} %"
        lines.append(f"| {row}: {rows[row]['what']} | {mean} | {' | '.join(cells)} | {rows[row]['steps']} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--init", default="", help="checkpoint or weight file that every row starts from")
    parser.add_argument("--out", help="folder of the runs; figures go to its eye.jsonl")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--steps", type=int, default=0, help="steps in place of minutes")
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--pictures", metavar="FOLDER", help="write what is judged by as PNG files, and nothing else")
    parser.add_argument("--table", metavar="RUN", help="print the table of what was measured, and nothing else")
    a = parser.parse_args()
    if a.table:
        print(table(map(json.loads, Path(a.table, "eye.jsonl").read_text().splitlines())))
        return
    pictures = middles(a.data)
    if a.pictures:
        Path(a.pictures).mkdir(parents=True, exist_ok=True)
        for name, pixels in pictures.items():
            Image.fromarray(pixels).save(Path(a.pictures, f"{name}.png"))
        return
    names, reasons = metrics.available(KEPT_OUT + TRAINED_ON)
    print(*reasons.values(), sep="\n")
    options = RunOptions(
        data=a.data,
        init=a.init,
        out=a.out,
        minutes=a.minutes,
        steps=a.steps,
        lr=a.lr,
        warmup=50,
        ema=0.99,
        clip=5.0,
        skip=300.0,
        threads=a.threads,
    )
    for name in a.rows:
        figures = measure(name, options, pictures, names)
        with open(Path(a.out, "eye.jsonl"), "a") as log:
            log.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
