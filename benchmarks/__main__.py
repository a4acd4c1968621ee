"""The command line: `python -m benchmarks run | compare | report`. It ties the package's parts together and computes nothing itself."""
import datetime
import shlex
import signal
import sys
import time

import click

from . import bdrate, codecs, cold, data, machine, metrics, record, speed, stages, summary
from . import compare as comparison
from . import run as points

OUT = "benchmarks/results/run.json"
CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group(context_settings=CONTEXT)
def main():
    """Rate, distortion and speed of this codec against JPEG, WebP, AVIF, JPEG XL and others.

    \b
      python -m benchmarks run --images kodak -j 2 --out RUN.json
      python -m benchmarks report RUN.json -o page.html
      python -m benchmarks compare OLD.json NEW.json
    """


def _names(known):
    def split(_context, _parameter, value):
        names = [n for n in (value or "").split(",") if n]
        for name in names:
            if name not in known:
                raise click.BadParameter(f"'{name}' is none of {', '.join(known)}")
        return list(dict.fromkeys(names))
    return split


def _qualities(_context, _parameter, values):
    """{codec: [qualities]} of NAME=Q,Q,..."""
    result = {}
    for value in values:
        name, _, numbers = value.partition("=")
        try:
            result[name] = sorted({int(q) if float(q).is_integer() else float(q) for q in numbers.split(",")})
        except ValueError:
            raise click.BadParameter(f"'{value}' is not like jpeg=10,50,90") from None
        if name not in codecs.NAMES:
            raise click.BadParameter(f"'{name}' is none of {', '.join(codecs.NAMES)}")
    return result


@main.command()
@click.option("--images", multiple=True, required=True, metavar="kodak|DIR|FILE", help="Pictures; further files may follow, so that a shell's * works.")
@click.argument("more", nargs=-1, metavar="[FILE]...")
@click.option("--codecs", "names", callback=_names(codecs.NAMES), metavar="NAME,...", help=f"Of {', '.join(codecs.NAMES)}. Default: {', '.join(codecs.DEFAULT)} as far as they can run.")
@click.option("--qualities", multiple=True, callback=_qualities, metavar="NAME=Q,...", help="Other qualities for a codec; may be repeated.")
@click.option("--metrics", "metric_names", callback=_names(metrics.NAMES), default=",".join(metrics.DEFAULT), show_default=True, metavar="NAME,...", help=f"Of {', '.join(metrics.NAMES)} (the last takes seconds per point).")
@click.option("--out", default=OUT, show_default=True, metavar="FILE", type=click.Path(dir_okay=False), help="The result. What it already holds is used again where nothing has changed.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that measure points, one thread each.")
@click.option("--fresh", is_flag=True, help="Use nothing of an earlier run again.")
@click.option("--avif-speed", type=click.IntRange(0, 10), default=codecs.AVIF_SPEED, show_default=True, help="AVIF's effort, 0 the slowest.")
@click.option("--speed/--no-speed", "timed", default=True, show_default=True, help="Whether the speed part follows.")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds of the speed part.")
@click.option("--speed-pictures", type=click.IntRange(min=1), default=4, show_default=True, help="Pictures of the speed part, evenly chosen.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads each codec may use in the speed part.")
@click.option("--cold/--no-cold", "processes", default=True, show_default=True, help="Whether whole processes are timed too.")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda", help="cuda adds our codec's batch throughput to the speed part; points are measured on the CPU.")
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True, help="Pictures per batch on that device.")
@click.option("--profile", "profiled", is_flag=True, help="Break our codec's time down by stage.")
@click.pass_context
def run(context, images, more, names, qualities, metric_names, out, jobs, fresh, avif_speed, timed, repeats, speed_pictures, threads, processes, device, batch, profiled):
    """Measure codecs on pictures, write a JSON result and print its tables.

    Interrupted, the same command goes on where it stopped. Exit code 1: a picture or codec failed; the rest was measured.
    """
    started = time.perf_counter()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sources = [*images, *more]
    paths = data.pictures(sources)
    _check_device(device)
    chosen, left_out = _choose(names, avif_speed, threads=1)
    here = machine.describe(threads)
    identities = {name: (codec, record.identity(codec, metric_names, here)) for name, codec in chosen.items()}
    entries, failures = points.images(paths)
    if not entries:
        raise click.ClickException("; ".join(f["error"] for f in failures))
    journal = record.Journal(out)
    done, failed = _measure(paths, entries, identities, qualities, metric_names, {} if fresh else record.known_points(out, journal), journal, jobs)
    failures += failed
    order = {name: i for i, name in enumerate(chosen)}
    place = {entry["name"]: i for i, entry in enumerate(entries)}
    done.sort(key=lambda p: (place[p["image"]], order[p["codec"]], p["quality"]))
    speeds, floor, broken, stage_times = [], {}, [], None
    if timed or profiled:
        chosen_now, _ = _choose(list(chosen), avif_speed, threads)
        sample = _sample(paths, entries, speed_pictures)
    if timed:
        speeds, floor, broken = _time(chosen_now, sample, repeats, threads, processes, device, batch)
    if profiled and "aec" in chosen:
        name, picture = sample[0]
        matched = next((s["quality"] for s in speeds if s["codec"] == "aec"), 60)
        stage_times = stages.profile(chosen_now["aec"], name, picture, matched, repeats)
    failures += broken
    versions = {library: version for codec in chosen.values() for library, version in codec.versions.items()}
    result = {
        "schema": record.SCHEMA, "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": round(time.perf_counter() - started, 1), "source": sources, "machine": here,
        "versions": {**versions, **metrics.versions(metric_names), "bjontegaard": bdrate.version()}, "metrics": metric_names,
        "codecs": {name: {"label": c.label, "settings": c.settings, "trained": c.trained, "options": c.options, "identity": identities[name][1]} for name, c in chosen.items()},
        "left_out": left_out, "images": entries, "points": done, "curves": record.curves(done), "failures": failures, "bd_rate": bdrate.table(done, metric_names),
        "speed": speeds, "cold_floor": floor, "profile": stage_times, "published": record.published(),
    }
    record.write(out, result)
    journal.remove()
    click.echo(summary.text(result))
    click.echo(f"\nwritten to {out}")
    context.exit(1 if failures else 0)


def _check_device(device):
    if device != "cpu":
        import torch

        if not device.startswith("cuda") or not torch.cuda.is_available():
            raise click.BadParameter(f"there is no device {device} here; leave --device out", param_hint="--device")


def _choose(names, avif_speed, threads):
    """({name: codec}, {name: why it is left out}). A codec that was asked for by name must run; of the default ones those that can."""
    chosen, left_out = {}, {}
    for name in names or codecs.DEFAULT:
        try:
            chosen[name] = codecs.build(name, avif_speed=avif_speed, threads=threads)
        except codecs.Unavailable as error:
            if names:
                raise click.ClickException(str(error)) from None
            left_out[name] = str(error)
            click.echo(f"left out: {error}", err=True)
    return chosen, left_out


def _measure(paths, entries, identities, qualities, metric_names, known, journal, jobs):
    """Points, reused ones first, and failures."""
    wanted = {name: qualities.get(name, codec.qualities) for name, (codec, _) in identities.items() if codec.trained}
    for name, values in wanted.items():
        codec = identities[name][0]
        for quality in values:
            if not codec.low <= quality <= codec.high or codec.whole and quality != int(quality):
                raise click.BadParameter(f"{name} takes {'whole ' if codec.whole else ''}qualities {codec.low}..{codec.high}, not {quality:g}", param_hint="--qualities")
    reused, tasks = points.plan(paths, entries, {name: identities[name] for name in wanted}, wanted, metric_names, known)
    if reused:
        click.echo(f"{len(reused)} points are used again from an earlier run", err=True)
    digests = {entry["name"]: entry["sha256"] for entry in entries}
    keep = lambda task, done: journal.add([{**p, "sha256": digests[task.name], "identity": identities[task.codec][1]} for p in done])
    done, failures = points.measure(tasks, jobs, keep)
    return reused + done, failures


def _sample(paths, entries, count):
    """(name, picture) of `count` good pictures, evenly chosen."""
    good = {entry["name"] for entry in entries}
    paths = [p for p in paths if p.name in good]
    step = max(1, len(paths) // count)
    return [(p.name, data.load(p)) for p in paths[::step][:count]]


def _time(chosen, sample, repeats, threads, processes, device, batch):
    """The speed entries, the floor of cold times, and failures of cold processes."""
    import torch

    torch.set_num_threads(threads)
    floor, broken = {}, []

    def outside(chosen, image, qualities):
        results, floors, failures = cold.measure(chosen, image, qualities, threads)
        floor.update(floors)
        broken.extend(failures)
        return results

    pictures = [picture for _, picture in sample]
    entries = speed.measure(chosen, pictures, repeats, threads, outside if processes else None)
    if device != "cpu" and "aec" in chosen:
        quality = next(e["quality"] for e in entries if e["codec"] == "aec")
        codec = codecs.build("aec", device=device, threads=threads)
        entries += speed.on_device(codec, pictures, quality, repeats, sorted({1, batch}), stages.Clock(codec))
    return entries, floor, broken


@main.command()
@click.argument("old", type=click.Path(exists=True, dir_okay=False))
@click.argument("new", type=click.Path(exists=True, dir_okay=False))
@click.option("--max-bd", type=float, default=0.5, show_default=True, metavar="PERCENT", help="Rate that ours may lose at equal quality, on any metric.")
@click.option("--max-slower", type=float, default=15.0, show_default=True, metavar="PERCENT", help="Time that ours may lose in relation to WebP's.")
@click.pass_context
def compare(context, old, new, max_bd, max_slower):
    """Print what changed from one result to another; exit code 1 if our codec became worse than allowed."""
    result = comparison.compare(record.read(old), record.read(new), max_bd, max_slower)
    for line in result.lines:
        click.echo(line)
    for sentence in result.worse:
        click.echo(f"WORSE: {sentence}", err=True)
    context.exit(1 if result.worse else 0)


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def report(arguments):
    """Make the page of a result: one HTML file to look at."""
    from .report import main as make

    make.main(list(arguments), prog_name="python -m benchmarks report")


def guarded():
    """`main`, with errors as one sentence and an interruption as 130."""
    try:
        code = main.main(prog_name="python -m benchmarks", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (data.DataError, record.RecordError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        code = 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; the same command goes on from here", err=True)
        code = 128 + signal.SIGINT
    sys.exit(code or 0)


if __name__ == "__main__":
    guarded()
