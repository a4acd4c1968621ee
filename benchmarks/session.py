"""One run from its request to RUN.json: chooses codecs, measures points, then speed, then stages.

Before: `__main__`, the options. After: `record`.

Everything a person should know at once goes to stderr; the result is returned, and a journal beside its file keeps what
an interruption would lose.
"""

import contextlib
import datetime
import time
from dataclasses import dataclass, field, replace

import click

from . import bdrate, codecs, cold, data, machine, metrics, record, speed, stages
from . import run as points


@dataclass(frozen=True)
class Request:
    """What `run` was asked for; see its options. codecs: () for the default ones that can run; qualities: {codec: list}
    where not its own.
    """

    sources: tuple
    out: str
    command: str = ""
    avif_speed: int = codecs.AVIF_SPEED
    codecs: tuple = ()
    qualities: dict = field(default_factory=dict)
    metrics: tuple = metrics.DEFAULT
    jobs: int = 1
    fresh: bool = False
    speed: bool = True
    repeats: int = 5
    speed_pictures: int = 4
    threads: int = 1
    cold: bool = True
    device: str = "cpu"
    batch: int = 16
    profile: bool = False


class SessionError(Exception):
    """One sentence about a request that cannot be met."""


def measure(request):
    """RUN.json of a request as a dict.

    Raises SessionError, data.DataError, record.RecordError, OSError, KeyboardInterrupt.
    """
    started = time.perf_counter()
    _check_device(request.device)
    chosen, left_out = choose(request)
    names, without = metrics.available(request.metrics)
    for reason in without.values():
        click.echo(reason, err=True)
    if not names:
        raise SessionError("none of the metrics asked for can be computed here")
    request = replace(request, metrics=names)
    wanted = _qualities(request, chosen)
    here = machine.describe(request.threads)
    identities = {name: record.identity(codec, request.metrics, here) for name, codec in chosen.items()}
    paths = data.pictures(request.sources)
    entries, failures = points.images(paths)
    if not entries:
        raise SessionError("; ".join(f["error"] for f in failures))
    done, failed = _points(request, paths, entries, chosen, wanted, identities)
    sample = _sample(paths, entries, request.speed_pictures)
    times, floor, broken = _times(request, sample) if request.speed else ([], {}, [])
    versions = {library: version for codec in chosen.values() for library, version in codec.versions.items()}
    return {
        "schema": record.SCHEMA,
        "command": request.command,
        "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(time.perf_counter() - started, 1),
        "source": list(request.sources),
        "machine": here,
        "versions": {**versions, **metrics.versions(request.metrics), "bjontegaard": bdrate.version()},
        "metrics": list(request.metrics),
        "codecs": {
            name: {
                "label": codec.label,
                "settings": codec.settings,
                "trained": codec.trained,
                "trained_on": list(getattr(codec, "trained_on", ())),
                "options": codec.options,
                "identity": identities[name],
            }
            for name, codec in chosen.items()
        },
        "left_out": left_out | without,
        "images": entries,
        "points": done,
        "curves": record.curves(done),
        "failures": failures + failed + broken,
        "bd_rate": bdrate.table(done, request.metrics),
        "speed": times,
        "cold_floor": floor,
        "profile": _profile(request, sample, times) if request.profile and "aec" in chosen else None,
        "published": record.published(),
    }


def _check_device(device):
    if device != "cpu":
        from codec import CodecError
        from codec.engine.torch.device import device_of

        try:
            device_of(device)
        except CodecError as error:
            raise SessionError(str(error)) from None


def choose(request, threads=1):
    """({name: codec}, {name: why it is left out}).

    A codec that was asked for by name must run; of the default ones those that can.
    """
    chosen, left_out = {}, {}
    for name in request.codecs or codecs.DEFAULT:
        try:
            chosen[name] = codecs.build(name, avif_speed=request.avif_speed, threads=threads)
        except codecs.Unavailable as error:
            if request.codecs:
                raise SessionError(str(error)) from None
            left_out[name] = str(error)
            click.echo(f"left out: {error}", err=True)
    return chosen, left_out


def _qualities(request, chosen):
    """{name: qualities} of the codecs that have curves."""
    wanted = {name: request.qualities.get(name, codec.qualities) for name, codec in chosen.items() if codec.trained}
    for name, values in wanted.items():
        codec = chosen[name]
        for quality in values:
            if not codec.low <= quality <= codec.high or codec.whole and quality != int(quality):
                raise SessionError(
                    f"{name} takes {'whole ' if codec.whole else ''}qualities {codec.low}..{codec.high}, "
                    f"not {quality:g}"
                )
    return wanted


def _points(request, paths, entries, chosen, wanted, identities):
    """Points in the order of pictures, codecs and qualities, and failures."""
    journal = record.Journal(request.out)
    known = {} if request.fresh else record.known_points(request.out, journal)
    plan = {name: (chosen[name], identities[name]) for name in wanted}
    reused, tasks = points.plan(paths, entries, plan, wanted, request.metrics, known)
    if reused:
        click.echo(f"{len(reused)} points are used again from an earlier run", err=True)
    digests = {entry["name"]: entry["sha256"] for entry in entries}

    def keep(task, new):
        journal.add([{**p, "sha256": digests[task.name], "identity": identities[task.codec]} for p in new])

    new, failures = points.measure(tasks, request.jobs, keep)
    picture, codec = [{name: i for i, name in enumerate(names)} for names in (digests, chosen)]
    return sorted(reused + new, key=lambda p: (picture[p["image"]], codec[p["codec"]], p["quality"])), failures


def _sample(paths, entries, count):
    """(name, picture) of `count` good pictures, evenly chosen."""
    good = {entry["name"] for entry in entries}
    paths = [p for p in paths if p.name in good]
    return [(p.name, data.load(p)) for p in paths[:: max(1, len(paths) // count)][:count]]


def _times(request, sample):
    """The speed entries, the floor of cold times, and failures of cold processes."""
    chosen, _ = choose(request, request.threads)
    pictures = [picture for _, picture in sample]
    matched = speed.settings(chosen, pictures)
    qualities = {name: quality for name, (quality, _, _) in matched.items()}
    with _torch_threads(request.threads):
        warm = speed.warm(chosen, pictures, qualities, request.repeats)
    outside, floor, broken = (
        cold.measure(chosen, pictures[0], qualities, request.threads) if request.cold else ({}, {}, [])
    )
    entries = speed.entries(chosen, pictures, matched, warm, outside, request)
    if request.device != "cpu" and "aec" in chosen:
        codec = codecs.build("aec", device=request.device, threads=request.threads)
        for size in sorted({1, request.batch}):
            entries.append(
                speed.on_device(codec, pictures, qualities["aec"], request.repeats, size, stages.Clock(codec))
            )
    return entries, floor, broken


def _profile(request, sample, times):
    """The profile entry, at the quality of the speed part where there was one."""
    name, picture = sample[0]
    quality = next((entry["quality"] for entry in times if entry["codec"] == "aec"), 60)
    with _torch_threads(request.threads):
        return stages.profile(
            codecs.build("aec", device=request.device, threads=request.threads), name, picture, quality, request.repeats
        )


@contextlib.contextmanager
def _torch_threads(threads):
    """torch's threads are the whole process's; those of the points part are given back."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
