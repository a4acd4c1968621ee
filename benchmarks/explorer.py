"""The pictures inside the report: each at a few sizes by each codec, all brought to the same number of bytes.

Before: `record`. After: `report`, the page.

Every decoded picture is stored as the pixels this benchmark decoded, in lossless WebP, so that the browser's own
decoders have no part in it. A crop from the middle is shown where whole pictures would make the page too large; sizes
and metrics are always those of the whole picture.
"""

import base64
import io
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from . import data, metrics

SIZES = (0.2, 0.4, 0.8)  # bits per pixel of the whole file
PICTURES = 8
CODECS = 5  # pixels of many codecs would leave each a smaller crop
CELL = 16  # pixels of a side of a cell of the bits map
LONG_SIDES = (768, 672, 576, 480, 384, 288, 192)  # of the crop, which is 3:2 like the Kodak pictures
CLOSE = 0.003  # relative: sizes nearer than this to the target end the search
METRICS = ("ssimulacra2", "butteraugli", "msssim", "psnr")  # beside each picture, as far as they can be computed here


@dataclass
class Content:
    """What the page gets: `summary` as JSON (see `collect`), and pictures by the ids that it names."""

    summary: dict
    webp: dict = field(default_factory=dict)  # id: base64 text


def empty(note):
    """The explorer of a page without pictures; the note says why."""
    return Content({"note": note, "pictures": [], "codecs": [], "sizes": [], "start": 0, "has_bits": False})


def gains(run, ours, anchor):
    """{picture: percent of bytes of ours against the anchor at equal `leading` metric}, from the run's table.

    {} where the table has no such entry.
    """
    wanted = {"codec": ours, "anchor": anchor, "metric": leading(run, ours), "method": "pchip", "scope": "picture"}
    found = next((entry for entry in run["bd_rate"] if entry.items() >= wanted.items()), None)
    return {} if found is None else {name: v for name, v in found["by_picture"].items() if v is not None}


def leading(run, ours):
    """The metric that judges ours in one number: the first, in people's order, that it was not trained on."""
    names, seen = metrics.ordered(run["metrics"]), run["codecs"][ours].get("trained_on", ())
    return next((name for name in names if name not in seen), names[0])


def choose(names, gain, count):
    """`count` of the names, evenly from the greatest gain to the least, so that neither side chose them; in that order.

    Those without a gain come last.
    """
    ranked = sorted(names, key=lambda name: (gain.get(name, math.inf), name))
    if len(ranked) <= count:
        return ranked
    return [ranked[round(i * (len(ranked) - 1) / max(1, count - 1))] for i in range(count)]


def match(codec, image, target, known=()):
    """(quality, file) whose size comes nearest to `target` bytes, by bisection.

    known: (quality, bytes) pairs of the same picture measured before, to start from a narrow range. Whole qualities
    where the codec has no others, else hundredths.
    """
    unit = 1 if codec.whole else 100
    low, high = round(codec.low * unit), round(codec.high * unit)
    for quality, size in sorted(known):
        at = round(quality * unit)
        if size <= target:
            low = max(low, at)
        elif at > low:
            high = at
            break
    tried = {}

    def attempt(at):
        quality = at // unit if at % unit == 0 else at / unit
        tried[at] = (quality, codec.encode(image, quality))
        return len(tried[at][1])

    while high - low > 1:
        middle = (low + high) // 2
        size = attempt(middle)
        if abs(size / target - 1) < CLOSE:
            return tried[middle]
        low, high = (middle, high) if size < target else (low, middle)
    for at in (low, high):
        if at not in tried:
            attempt(at)
    return min(tried.values(), key=lambda found: abs(math.log(len(found[1]) / target)))


def crop(width, height, long_side):
    """(x, y, width, height) of the middle part of a picture: `long_side` by two thirds of it or what there is, on the
    grid of the bits map.
    """
    sides = (long_side, long_side * 2 // 3) if width >= height else (long_side * 2 // 3, long_side)
    w, h = min(width, sides[0]), min(height, sides[1])
    return (width - w) // 2 // CELL * CELL, (height - h) // 2 // CELL * CELL, w, h


def lossless(image):
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True, exact=True, quality=80, method=4)
    return base64.b64encode(file.getvalue()).decode()


def fit(images, limit):
    """(long side, [base64 text]): the images cropped as little as keeps the sum of the texts within `limit` characters.

    Raises ValueError.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        remaining = list(LONG_SIDES)
        while remaining:
            side = remaining[0]
            texts = list(pool.map(lossless, (_cropped(image, side) for image in images)))
            total = sum(map(len, texts))
            if total <= limit:
                return side, texts
            # Bytes grow with the area: sides that cannot fit need no try.
            likely = side * math.sqrt(limit / total) * 1.05
            remaining = [s for s in remaining[1:] if s <= likely] or remaining[-1:] * (side != remaining[-1])
    raise ValueError(
        f"{len(images)} pictures do not fit into {limit} bytes even as crops of {LONG_SIDES[-1]} pixels; "
        "take fewer pictures or codecs"
    )


def _cropped(image, side):
    x, y, w, h = crop(image.width, image.height, side)
    return image.crop((x, y, x + w, y + h))


def bits_map(codec, image, quality, box):
    """Where the codec spends its bits inside the box, if it can say: cells of 16x16 pixels as bytes, 255 for `top` bits
    per pixel; else None.
    """
    if not hasattr(codec, "bits_map"):
        return None
    x, y, w, h = box
    cells = np.asarray(codec.bits_map(image, quality), dtype=np.float64)[
        y // CELL : -(-(y + h) // CELL), x // CELL : -(-(x + w) // CELL)
    ]
    top = float(cells.max()) or 1.0
    values = np.rint(np.maximum(cells, 0) / top * 255).astype(np.uint8)
    return {
        "width": values.shape[1],
        "height": values.shape[0],
        "cell": CELL,
        "top": top / CELL**2,
        "data": base64.b64encode(values.tobytes()).decode(),
    }


def collect(run, paths, names, chosen, sizes, gain, limit):
    """Content of the explorer: pictures `names` (found in `paths`, {name: path}) by the codecs `chosen` ({name: built
    codec}) at `sizes` bits per pixel.

    gain: {name: percent}, shown beside the names; limit: characters of base64 text.
    summary["pictures"][i]["versions"][codec][size] is what `_version` returns, with the id of its picture and its map
    of bits.
    """
    known = {}
    for point in run["points"]:
        known.setdefault((point["image"], point["codec"]), []).append((point["quality"], point["bytes"]))
    pictures, images, made = [], [], []
    with tqdm(total=len(names) * len(chosen) * len(sizes), desc="matching sizes", unit="file", disable=None) as bar:
        for name in names:
            original = data.load(paths[name])
            entry = {
                "name": name,
                "width": original.width,
                "height": original.height,
                "gain": gain.get(name),
                "original": f"p{len(images)}",
                "versions": {},
            }
            pictures.append(entry)
            images.append(original)
            for key, codec in chosen.items():
                entry["versions"][key] = []
                for bpp in sizes:
                    version, decoded = _version(codec, original, bpp, known.get((name, key), ()))
                    entry["versions"][key].append({**version, "image": f"p{len(images)}"})
                    made.append((entry["versions"][key][-1], codec, original))
                    images.append(decoded)
                    bar.update()
    side, texts = fit(images, limit)
    for entry in pictures:
        entry["box"] = crop(entry["width"], entry["height"], side)
    for version, codec, original in made:
        version["bits"] = bits_map(codec, original, version["quality"], crop(original.width, original.height, side))
    summary = {
        "note": "",
        "pictures": pictures,
        "codecs": list(chosen),
        "sizes": list(sizes),
        "start": len(names) // 2,
        "has_bits": any(version["bits"] for version, _, _ in made),
        "whole": all(entry["box"][2:] == (entry["width"], entry["height"]) for entry in pictures),
    }
    return Content(summary, {f"p{i}": text for i, text in enumerate(texts)})


def _version(codec, original, bpp, known):
    """({quality, bytes, bpp and metrics}, decoded picture) of the original at about `bpp`; known: as in `match`."""
    area = original.width * original.height
    quality, file = match(codec, original, bpp * area / 8, known)
    decoded = codec.decode(file)
    names, _ = metrics.available(METRICS)
    measured = metrics.measure(original, decoded, names)
    return {
        "quality": quality,
        "bytes": len(file),
        "bpp": 8 * len(file) / area,
        **{name: measured[name] for name in names},
    }, decoded
