"""Whether altered copies of photographs find their original among all originals by the features of their latents.

    python -m benchmarks.latents.similar --images DIR_OR_TAR ... --out benchmarks/results/similar.json [--count 120]

Takes photographs of different scenes (training ones will do: nothing is trained here), reduced to 384 px, alters each
in the ways of `copies`, and counts how often the nearest original is the right one; then, over all copies and the
nearest wrong original of each, how `DUPLICATE` separates the two.
"""

import argparse
import hashlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

import codec
from codec.latents.features import DUPLICATE, embed, nearest
from codec.training.data import sources

from .copies import COPIES


def originals(paths, count, name, side=384):
    """`count` of the pictures whose path holds `name`, chosen and ordered by the hash of their path, so that a second
    run takes the same.
    """
    found = {path: data for path, data in sources(paths) if name in path}
    chosen = sorted(found, key=lambda path: hashlib.sha256(path.encode()).digest())[:count]
    for path in chosen:
        picture = Image.open(io.BytesIO(found[path])).convert("RGB")
        picture.thumbnail((side, side), Image.LANCZOS)
        yield path, picture


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", required=True)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument(
        "--name",
        default="base/",
        help="only pictures with this in their path (default: base/, in which no scene is there twice by intention)",
    )
    parser.add_argument("--out", required=True)
    a = parser.parse_args()
    coder = codec.Codec("psnr", "cpu")
    vectors = {kind: [] for kind in ("original", *COPIES)}
    names = []
    for seed, (path, picture) in enumerate(tqdm(originals(a.images, a.count, a.name), total=a.count, unit="picture")):
        names.append(path)
        vectors["original"].append(embed(coder, picture))
        for kind, alter in COPIES.items():
            vectors[kind].append(
                embed(coder, alter(picture, np.random.default_rng([seed, sorted(COPIES).index(kind)])))
            )
    gallery, table, wrong = np.array(vectors.pop("original")), {}, []
    for kind, queries in vectors.items():
        indices, distances = nearest(np.array(queries), gallery, len(gallery))
        own = indices == np.arange(len(gallery))[:, None]
        mine, other = distances[own], np.where(own, np.inf, distances).min(1)
        table[kind] = {
            "first": round(float(own[:, 0].mean()), 4),
            "marked": round(float((mine < DUPLICATE).mean()), 4),
            "distance": round(float(np.median(mine)), 3),
            "nearest other": round(float(np.median(other)), 3),
        }
        wrong.append(other < DUPLICATE)
        missed = [names[i] for i in np.flatnonzero(~own[:, 0])]
        if missed:
            table[kind]["missed"] = missed
    mean = {key: round(float(np.mean([row[key] for row in table.values()])), 4) for key in ("first", "marked")}
    mean["wrongly marked"] = round(float(np.mean(wrong)), 4)
    record = {
        "command": f"python -m benchmarks.latents.similar --count {a.count}",
        "originals": len(gallery),
        "model": coder.model.id.hex(),
        "threshold": DUPLICATE,
        "mean": mean,
        "copies": table,
    }
    Path(a.out).write_text(json.dumps(record, indent=1) + "\n")
    print(f"{'':12}{'right first':>12}{'marked':>8}{'distance':>10}{'other':>8}")
    for kind, row in table.items():
        print(f"{kind:12}{row['first']:12.3f}{row['marked']:8.3f}{row['distance']:10.3f}{row['nearest other']:8.3f}")
    print(mean)


if __name__ == "__main__":
    main()
