"""What changed between two results, and whether ours became worse than a threshold allows. Before: `record`.

Rate is compared by BD-rate over the pictures both results have. Times of different runs are not comparable; their
ratios to WebP within each run are, as long as the processor is the same. Judged are the ratios of processor time (see
`speed`), which a busy machine hardly disturbs.
"""

from dataclasses import dataclass, field

from . import bdrate, metrics

OURS = "aec"
REFERENCE = "webp"


@dataclass
class Comparison:
    """lines: what changed, for people; worse: sentences on what went past a threshold; unjudged: why the times could
    not be judged, else "".
    """

    lines: list = field(default_factory=list)
    worse: list = field(default_factory=list)
    unjudged: str = ""


def compare(old, new, max_bd=0.5, max_slower=15.0):
    """Comparison of two RUN.json dicts.

    max_bd: percent of BD-rate that ours may lose on any metric; max_slower: percent by which its time may grow in
    relation to WebP's; None: not compared.
    """
    result = Comparison()
    _circumstances(old, new, result)
    digests = {i["sha256"] for i in old["images"]} & {i["sha256"] for i in new["images"]}
    if not digests:
        result.worse.append("the two results have no picture in common")
        return result
    result.lines.append(f"{len(digests)} pictures in common")
    if max_bd is not None:
        _rates(
            *[_shared_points(run, digests) for run in (old, new)],
            [m for m in old["metrics"] if m in new["metrics"]],
            max_bd,
            result,
        )
    if max_slower is not None:
        _speeds(old, new, max_slower, result)
    return result


def _circumstances(old, new, result):
    """Versions, settings and machines that differ: a reader must know before blaming our code."""
    for key in sorted(old["versions"].keys() | new["versions"].keys()):
        before, after = old["versions"].get(key, "absent"), new["versions"].get(key, "absent")
        if before != after:
            result.lines.append(f"version of {key}: {before} -> {after}")
    for name in old["codecs"].keys() & new["codecs"].keys():
        before, after = old["codecs"][name]["settings"], new["codecs"][name]["settings"]
        if before != after:
            result.lines.append(f"settings of {name}: {before} -> {after}")
    result.lines += [
        f"machine, {change}" for change in _differences(old, new, ("cpu", "cpu_model", "cores", "threads"))
    ]


def _differences(old, new, keys):
    return [
        f"{key}: {old['machine'].get(key)} -> {new['machine'].get(key)}"
        for key in keys
        if old["machine"].get(key) != new["machine"].get(key)
    ]


def _shared_points(run, digests):
    """Points of the pictures with these digests, named by digest: the files' names may differ."""
    digest = {i["name"]: i["sha256"] for i in run["images"]}
    return [{**p, "image": digest[p["image"]]} for p in run["points"] if digest[p["image"]] in digests]


def _rates(old, new, names, max_bd, result):
    for metric in names:
        before, after = bdrate.curves(old, metric), bdrate.curves(new, metric)
        for codec in (c for c in before if c in after):
            whole = bdrate.difference(before[codec][0], after[codec][0], "pchip", metrics.UNITS[metric])
            line = f"{codec}, {metric}: not comparable: {whole.reason}"
            if whole.value is not None:
                line = f"{codec}, {metric}: {whole.value:+.2f} % BD-rate over {whole.low:.2f}..{whole.high:.2f}"
            result.lines.append(line)
            if codec == OURS and (whole.value is None or whole.value > max_bd):
                result.worse.append(f"{line} (allowed: {max_bd:+g} %)")
    if not any(p["codec"] == OURS for p in old) or not any(p["codec"] == OURS for p in new):
        result.worse.append(f"{OURS} is not in both results")


def _speeds(old, new, max_slower, result):
    by_codec = [
        {s["codec"]: s["ratios"].get(REFERENCE) for s in run["speed"] if s["device"] == "cpu" and s["batch"] == 1}
        for run in (old, new)
    ]
    shared = [c for c in by_codec[0] if by_codec[0][c] and by_codec[1].get(c) and c != REFERENCE]
    other = _differences(old, new, ("cpu", "cpu_model", "threads"))
    if OURS not in shared:
        result.unjudged = f"not both results have times of {OURS} and of {REFERENCE}"
    elif other:
        result.unjudged = f"the two were measured on different terms ({'; '.join(other)})"
    elif not all(f"processor_{way}" in run[OURS] for run in by_codec for way in ("encode", "decode")):
        result.unjudged = "not both results have processor times"
    for codec in shared:
        for key, words in (("", "time"), ("processor_", "processor time")):
            for way in ("encode", "decode"):
                before, after = [run[codec].get(key + way) for run in by_codec]
                if not before or not after:
                    continue
                change = (after / before - 1) * 100
                line = f"{codec}, {way}: {before:.3g} -> {after:.3g} times {REFERENCE}'s {words} ({change:+.1f} %)"
                result.lines.append(line)
                if codec == OURS and key and not result.unjudged and change > max_slower:
                    result.worse.append(f"{line} (allowed: {max_slower:+g} %)")
    if result.unjudged:
        result.lines.append(f"speed is not judged: {result.unjudged}")
