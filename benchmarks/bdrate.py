"""BD-rate: by how many percent one codec's files are larger or smaller than another's at equal quality.

Before: `run`. After: `record`.

The integral is that of the `bjontegaard` package. Here is what must come before it: the range both curves cover, and
refusing where that says too little.
"""

import importlib.metadata
import math
import statistics
from dataclasses import dataclass

import bjontegaard
import numpy as np

from .metrics import UNITS, curve_value

METHODS = ("pchip", "akima")
ANCHORS = ("webp", "jpeg", "avif", "avif444", "avif10", "jxl", "jxl9")
OURS = "aec"  # an anchor for its own variants and other models
MIN_POINTS = 3
# In units of the metric: less common range than this says nothing about a codec.
MIN_RANGE = {"dB": 1.0, "points": 5.0, "JOD": 0.2}
CONFIDENCE = 0.95
RESAMPLES = 10_000
WORST = 0.05


@dataclass(frozen=True)
class Difference:
    """value: percent of rate, negative where the tested codec needs less; low, high: the common range; reason: why
    value is None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


def difference(anchor, test, method="pchip", unit="dB"):
    """Difference of two curves, each a list of (bpp, metric). Never extrapolates."""
    curves = [sorted((metric, bpp) for bpp, metric in points if metric is not None) for points in (anchor, test)]
    for name, curve in zip(("anchor", "tested codec"), curves):
        if len(curve) < MIN_POINTS:
            return Difference(None, reason=f"the curve of the {name} has {len(curve)} points, {MIN_POINTS} are needed")
        if any(a[0] == b[0] or a[1] >= b[1] for a, b in zip(curve, curve[1:])):
            return Difference(None, reason=f"the curve of the {name} does not rise with the rate everywhere")
    low, high = max(c[0][0] for c in curves), min(c[-1][0] for c in curves)
    if high <= low:
        spans = [f"{c[0][0]:.2f}..{c[-1][0]:.2f}" for c in curves]
        return Difference(
            None, reason=f"the curves share no range: the anchor covers {spans[0]} {unit}, the tested codec {spans[1]}"
        )
    if high - low < MIN_RANGE[unit]:
        return Difference(
            None, low, high, f"the curves share only {low:.2f}..{high:.2f} {unit}, less than {MIN_RANGE[unit]:g}"
        )
    (d1, r1), (d2, r2) = [tuple(zip(*curve)) for curve in curves]
    value = bjontegaard.bd_rate(r1, d1, r2, d2, method, require_matching_points=False, min_overlap=0)
    return Difference(float(value), low, high)


def between(anchor, test, metric, method):
    """The set's and the single pictures' BD-rate of two curve holders as records of RUN.json, without the codecs'
    names.

    anchor, test: (curve of the set, {picture: curve of the picture}), curves as `curve` makes them.
    """
    unit = UNITS[metric]
    whole = difference(anchor[0], test[0], method, unit)
    shared = {"metric": metric, "method": method}
    records = [
        {**shared, "scope": "set", "value": whole.value, "low": whole.low, "high": whole.high, "reason": whole.reason}
    ]
    single = {name: difference(anchor[1][name], test[1][name], method, unit) for name in anchor[1] if name in test[1]}
    values = [d.value for d in single.values() if d.value is not None]
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3 or [None] * 3
    reason = None
    if not values:
        reason = next(
            (f"no picture can be compared; {name}: {d.reason}" for name, d in single.items()),
            "no picture is common to both",
        )
    records.append(
        {
            **shared,
            "scope": "picture",
            "value": quartiles[1],
            "p25": quartiles[0],
            "p75": quartiles[2],
            **spread({name: d.value for name, d in single.items() if d.value is not None}),
            "by_picture": {name: d.value for name, d in single.items()},
            "low": None,
            "high": None,
            "reason": reason,
        }
    )
    return records


def spread(values):
    """What {picture: percent} says of other pictures: mean, its interval of confidence and the worst pictures, or None.

    Percents are averaged as ratios of sizes, on a logarithmic scale. `interval` holds the means of CONFIDENCE of all
    sets drawn from these pictures with repetition; `worst` is {picture: percent} of the WORST share of them, at least
    one.
    """
    if not values:
        return {"mean": None, "interval": None, "worst": {}}
    ratios = _ratios(values.values())
    drawn = np.random.default_rng(0).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    edges = np.quantile(ratios[drawn].mean(axis=1), ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    worst = sorted(values, key=values.get, reverse=True)[: math.ceil(WORST * len(values))]
    return {
        "mean": average(values.values()),
        "interval": [float(np.expm1(edge)) * 100 for edge in edges],
        "worst": {name: values[name] for name in worst},
    }


def average(percents):
    """Mean of percents as ratios of sizes, on a logarithmic scale: 0 of half and twice as much, None of none."""
    return float(np.expm1(_ratios(percents).mean())) * 100 if percents else None


def _ratios(percents):
    return np.log1p(np.array(list(percents)) / 100)


def curves(points, metric):
    """{codec: (curve of the set, {picture: curve})} of points of RUN.json; a curve is a list of (bpp, metric) by rising
    quality setting.

    The set's curve has the qualities at which every picture that any codec coded has a point.
    """
    pictures = {p["image"] for p in points}
    result = {}
    for codec in dict.fromkeys(p["codec"] for p in points):
        own = sorted((p for p in points if p["codec"] == codec), key=lambda p: p["quality"])
        by_quality = {}
        for p in own:
            by_quality.setdefault(p["quality"], []).append(p)
        whole = [
            (mean(q, "bpp"), curve_value(metric, mean(q, metric)))
            for q in by_quality.values()
            if len(q) == len(pictures)
        ]
        single = {
            name: [(p["bpp"], curve_value(metric, p[metric])) for p in own if p["image"] == name]
            for name in sorted(pictures)
        }
        result[codec] = whole, single
    return result


def mean(points, key):
    """Arithmetic mean, None where a value is missing."""
    values = [p[key] for p in points]
    return None if None in values else statistics.fmean(values)


def version():
    return importlib.metadata.version("bjontegaard")


def table(points, metrics):
    """The bd_rate list of RUN.json: every codec against every anchor, and ours against each other."""
    records = []
    for metric in metrics:
        by_codec = curves(points, metric)
        for anchor in (a for a in (*ANCHORS, OURS) if a in by_codec):
            for codec in (c for c in by_codec if c != anchor and (anchor != OURS or c.startswith(OURS))):
                for method in METHODS:
                    records += [
                        {"codec": codec, "anchor": anchor, **r}
                        for r in between(by_codec[anchor], by_codec[codec], metric, method)
                    ]
    return records
