"""How well the model's bits and errors find planted defects: ROC AUC over pictures and over positions, per texture and
kind of defect.

    python -m benchmarks.latents.anomaly --out benchmarks/results/anomaly.json \\
        [--picture benchmarks/results/anomaly.jpg]

Per texture a normal set is fitted to 16 pictures; 16 other normal ones are then told from 18 with a defect (three of
each of six kinds). A position (16x16 px) counts as defective from a tenth of its pixels on, and is left out if it has
fewer but some.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

import codec
from codec.latents.anomaly import Normal, heat, measure
from codec.pixels.read import load

from .textures import DEFECTS, TEXTURES, damaged, texture

NORMAL, EACH = 16, 3
SHARE = 0.1


def labels(mask):
    """Per position 1 (defective), 0 (normal) or -1 (left out), [h, w], of bool [H, W]."""
    share = mask.reshape(mask.shape[0] // 16, 16, mask.shape[1] // 16, 16).mean((1, 3))
    return np.where(share >= SHARE, 1, np.where(share > 0, -1, 0))


def measure_texture(kind, coder):
    """`measure` of the pictures to fit, of further normal ones, and {defect: [(measure, labels)]}."""
    fit, normal = [[measure(coder, texture(kind, seed)) for seed in range(start, start + NORMAL)] for start in (0, 500)]
    broken = {}
    for defect in DEFECTS:
        pictures = [damaged(kind, defect, seed) for seed in range(EACH)]
        broken[defect] = [(measure(coder, picture), labels(mask)) for picture, mask in pictures]
    return fit, normal, broken


def evaluate(coder, fit, normal, broken):
    """Areas under the curve of one texture: {"pictures", "positions", per defect both, "false alarms", "found"}."""
    model = Normal.fit(coder.model.id.hex(), fit)
    top = lambda maps: model.picture(model.positions(maps))
    calm = [top(m) for m in normal]
    quiet = np.concatenate([model.positions(m).ravel() for m in normal])
    alarms, where = {}, {}
    for defect, pictures in broken.items():
        alarms[defect] = [top(m) for m, _ in pictures]
        where[defect] = np.concatenate(
            [np.stack([model.positions(m).ravel(), marks.ravel()]) for m, marks in pictures], 1
        )
        where[defect] = where[defect][:, where[defect][1] >= 0]
    area = lambda good, bad: round(float(roc_auc_score([0] * len(good) + [1] * len(bad), [*good, *bad])), 4)
    all_alarms, all_where = sum(alarms.values(), []), np.concatenate(list(where.values()), 1)
    return {
        "pictures": area(calm, all_alarms),
        "positions": area(np.concatenate([quiet, all_where[0][all_where[1] == 0]]), all_where[0][all_where[1] == 1]),
        "false alarms": round(float(np.mean(np.array(calm) > model.threshold)), 4),
        "found": round(float(np.mean(np.array(all_alarms) > model.threshold)), 4),
        "defects": {
            d: {
                "pictures": area(calm, alarms[d]),
                "positions": area(where[d][0][where[d][1] == 0], where[d][0][where[d][1] == 1]),
            }
            for d in broken
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--picture", help="a defect per texture, and its heat map below")
    a = parser.parse_args()
    coder = codec.Codec("psnr", "cpu")
    textures, tiles = {}, []
    for number, kind in enumerate(tqdm(TEXTURES, unit="texture")):
        fit, normal, broken = measure_texture(kind, coder)
        textures[kind] = evaluate(coder, fit, normal, broken)
        model = Normal.fit(coder.model.id.hex(), fit)
        defect = list(DEFECTS)[number % len(DEFECTS)]
        picture, _ = damaged(kind, defect, 1)
        glow = heat(load(picture), model.positions(broken[defect][1][0]), model.position_threshold)
        tiles.append(np.concatenate([picture, np.asarray(glow)]))
    mean = {
        key: round(float(np.mean([t[key] for t in textures.values()])), 4)
        for key in ("pictures", "positions", "false alarms", "found")
    }
    record = {
        "command": "python -m benchmarks.latents.anomaly",
        "model": coder.model.id.hex(),
        "mean": mean,
        "textures": textures,
    }
    Path(a.out).write_text(json.dumps(record, indent=1) + "\n")
    print(f"{'ROC AUC':10}{'pictures':>10}{'positions':>10}{'found':>8}{'false':>8}")
    for kind, t in {**textures, "mean": mean}.items():
        print(f"{kind:10}{t['pictures']:10.3f}{t['positions']:10.3f}{t['found']:8.2f}{t['false alarms']:8.2f}")
    if a.picture:
        from PIL import Image

        Image.fromarray(np.concatenate(tiles, 1)).save(a.picture, quality=80)


if __name__ == "__main__":
    main()
