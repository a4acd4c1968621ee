"""What continuous integration asks: is ours, on the two pictures of `synthetic`, worse or slower than what was
committed? Uses `session`, `compare`.

The references are results in results/gate/, one per kind of processor, as the ratio of two codecs' times belongs to a
processor. Rates are judged everywhere, against the newest one; times only where there is one of the same kind. A shared
machine disturbs times, so processor time is compared, the least of many rounds in which both codecs take turns, and
where that is too much, further rounds are added to the same before it counts. What is left then is that neighbours
empty the caches, which costs ours more than WebP, up to a sixth: on a machine seen to be busy twice the loss is
allowed.
"""

from dataclasses import replace
from pathlib import Path

from . import compare, metrics, record, session

FOLDER = Path(__file__).with_name("results") / "gate"
ATTEMPTS = 4
QUIET = 0.8  # ours had the processor for more of the time than this
REQUEST = session.Request(
    ("synthetic",),
    out="",
    command="python -m benchmarks gate --renew",
    codecs=(compare.OURS, compare.REFERENCE),
    metrics=(*metrics.DEFAULT, "ssimulacra2"),
    repeats=6,
    speed_pictures=2,
    cold=False,
)


def measure(folder):
    """RUN.json of ours and WebP on the tiny set; a later call with the same folder measures only times again.

    Raises as `session.measure`.
    """
    out = Path(folder) / "gate.json"
    result = {**session.measure(replace(REQUEST, out=str(out))), "published": []}
    record.write(out, result)
    return result


def renew(result):
    """Makes a result the reference of its kind of processor; its path."""
    path = FOLDER / f"{_kind(result['machine'])}.json"
    record.write(path, result)
    return path


def references():
    """({kind of processor: RUN.json}, the newest of them). Raises record.RecordError."""
    found = {path.stem: record.read(path) for path in sorted(FOLDER.glob("*.json"))}
    if not found:
        raise record.RecordError(f"there is no reference in {FOLDER}; --renew makes one")
    return found, max(found.values(), key=lambda run: run["created"])


def judge(result, again, max_bd, max_slower):
    """compare.Comparison of a result with the references. again: called without arguments for another result, whose
    times are added.
    """
    found, newest = references()
    rate = compare.compare(newest, result, max_bd, None)
    own = found.get(_kind(result["machine"]))
    if own is None:
        why = (
            f"there is no reference for this kind of processor, {_kind(result['machine'])}, "
            f"only for {', '.join(found)}; --renew makes one"
        )
        return compare.Comparison([*rate.lines, f"speed is not judged: {why}"], rate.worse, why)
    time = compare.compare(own, result, None, max_slower)
    for _ in range(ATTEMPTS - 1):
        if not time.worse:
            break
        result = least(result, again())
        time = compare.compare(own, result, None, max_slower)
    if time.worse and share(result) < QUIET:
        time = compare.compare(own, result, None, 2 * max_slower)
        time.lines.append(
            f"the machine is busy, ours had a processor {share(result):.0%} of the time: "
            f"{2 * max_slower:+g} % is allowed"
        )
    return compare.Comparison([*dict.fromkeys(rate.lines + time.lines)], rate.worse + time.worse, time.unjudged)


def share(result):
    """Part of the time in which ours had a processor while its speed was measured."""
    return next(entry["held"] for entry in result["speed"] if entry["codec"] == compare.OURS)


def least(result, other):
    """`result` with the smaller one of both results' processor times of each codec, and the quieter one's share of the
    processor.
    """
    theirs = {entry["codec"]: entry for entry in other["speed"]}
    entries = []
    for entry in result["speed"]:
        twin = theirs[entry["codec"]]
        times = {way: min(seconds, twin["processor"][way]) for way, seconds in entry["processor"].items()}
        entries.append({**entry, "processor": times, "held": max(entry["held"], twin["held"])})
    reference = next(entry["processor"] for entry in entries if entry["codec"] == compare.REFERENCE)
    for entry in entries:
        ratios = {f"processor_{way}": seconds / reference[way] for way, seconds in entry["processor"].items()}
        entry["ratios"] = {compare.REFERENCE: {**entry["ratios"][compare.REFERENCE], **ratios}}
    return {**result, "speed": entries}


def _kind(entry):
    """Of a machine entry, as the name of a file."""
    return (entry["cpu_model"] or entry["cpu"]).replace(" ", "-")
