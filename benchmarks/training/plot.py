"""Draws the loss curves of training logs (JSON lines of `aecodec train`) into one PNG:
`python -m benchmarks.training.plot LOG… -o curves.png`.
"""

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


def series(path):
    """Minutes, loss and bits per pixel of every logged step."""
    steps = [line for line in map(json.loads, Path(path).read_text().splitlines()) if "loss" in line]
    return np.array([[s["seconds"] / 60, s["loss"], s["psnr"], s["crop"]] for s in steps]).T


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", nargs="+")
    parser.add_argument("-o", "--output", required=True)
    a = parser.parse_args()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for path in a.logs:
        minutes, loss, psnr, crop = series(path)
        for axis, values in ((left, loss), (right, psnr)):
            (line,) = axis.plot(minutes, values, lw=1.2, label=Path(path).stem)
        for change in minutes[1:][np.diff(crop) != 0]:
            left.axvline(change, color=line.get_color(), lw=0.8, ls=":")
    left.set(xlabel="minutes", ylabel="weighted loss", ylim=(0.75, 1.3))
    right.set(xlabel="minutes", ylabel="PSNR, dB (mean over qualities)", ylim=(35, 38))
    left.legend(frameon=False)
    left.set_title("dotted: larger crops", fontsize=9)
    figure.savefig(a.output, dpi=110)


if __name__ == "__main__":
    main()
