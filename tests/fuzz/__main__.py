"""Fuzzes the codec: coverage-guided by Atheris where it is installed, else by random edits.

    python -m tests.fuzz parser --runs 10000000 --log tests/fuzz/log.jsonl
    python -m tests.fuzz decode --seconds 3600 --corpus FOLDER

Targets: parser (the container), fence (the entropy coder), decode (whole files on the tiny model), batch (64 of them at
a time, each a run), tile (lossless tiles), weights (weight files). It starts from tests/fuzz/corpus/TARGET, for batch
from that of decode, for weights from the tiny model; what Atheris finds worth keeping goes to --corpus. One line of
figures is written at the end, also after a kill by SIGINT or SIGTERM. Status 1, and the input in a file, when a target
let anything through but a refusal or a right result, or took longer than HANG.
"""

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
# The longest input of each target, in bytes.
TARGETS = {"parser": 2000, "fence": 600, "decode": 1200, "batch": 1204, "tile": 600, "weights": 100_000}
# The modules whose branches guide the search, with what they import.
MODULES = {
    "parser": ["bitstream.container"],
    "fence": ["bitstream.entropy"],
    "decode": ["pipeline.codec"],
    "batch": ["pipeline.codec"],
    "tile": ["coding.lossless"],
    "weights": ["engine.torch.model", "model.weights"],
}
PACKAGES = "atheris", "torch", "numpy", "compressai", "pillow", "safetensors"
# Seconds for one input, waiting for a busy machine included; the slowest in seconds of the processor is among the
# figures.
HANG = 300
REPORT = 10  # seconds between looks at the clock's figures


def main():
    parser = argparse.ArgumentParser(
        "python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=0, help="0: no limit")
    parser.add_argument("--seconds", type=float, default=0, help="0: no limit")
    parser.add_argument(
        "--engine",
        choices=("atheris", "random"),
        default="atheris" if importlib.util.find_spec("atheris") else "random",
    )
    parser.add_argument("--corpus", help="folder to keep new inputs in (default: a temporary one)")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    parser.add_argument("--log", help="file to add the line of figures to")
    parser.add_argument("--artifacts", default=".", help="folder for inputs that failed")
    options = parser.parse_args()
    if options.target == "weights":
        options.engine = "random"  # Atheris would go on from the smallest files that are new, which are never models
    options.seed = options.seed or int.from_bytes(os.urandom(4), "little")
    options.corpus = options.corpus or tempfile.mkdtemp(prefix="aecodec-fuzz-")
    os.makedirs(options.corpus, exist_ok=True)
    run(options)


def load(name):
    """The target, and how to change its inputs: (function of bytes, mutate(bytes, rng, edit))."""
    from tests.fuzz import hostile, targets

    if name in ("tile", "weights"):
        return getattr(targets, name), getattr(hostile, f"mutate_{name}")
    if name == "parser":

        def mutate(data, rng, edit):
            kind = rng.random()
            if kind < 0.3:
                return edit(data, rng)
            if kind < 0.9:  # cheap: most runs are these
                data = edit(data, rng)
                return hostile.reseal(data[:-1]) + data[-1:]
            return hostile.mutate(data[:-1], rng, edit) + bytes([rng.randrange(256)])

        return targets.parser, mutate
    if name == "fence":
        return targets.fence, lambda data, rng, edit: edit(data, rng)
    import codec
    from tests.fuzz import tiny

    coder = codec.Codec(str(tiny.PATH), device="cpu", threads=1, engine="torch")
    if name == "batch":
        return targets.Batch(
            coder
        ), lambda data, rng, edit: hostile.mutate(data[:-4], rng, edit, sealed=rng.random() < 0.9) + rng.randbytes(4)
    forged = [hostile.forge(coder, random.Random(i)) for i in range(40)]

    def mutate(data, rng, edit):
        """Half of the inputs decode to the end, most others until their symbols are found to be wrong."""
        how = bytes([rng.randrange(256), rng.choice((0, rng.randrange(256)))])
        if rng.random() < 0.5:
            i = rng.randrange(len(forged))
            if rng.random() < 0.05:
                forged[i] = hostile.forge(coder, rng)
            return forged[i] + how
        return hostile.mutate(data[:-2], rng, edit, sealed=rng.random() < 0.9) + how

    return targets.Decode(coder), mutate


class Figures:
    """Counts the runs of a target and ends the process when there were enough."""

    def __init__(self, target, options):
        self.target, self.options, self.outcomes, self.runs, self.started = (
            target,
            options,
            Counter(),
            0,
            time.monotonic(),
        )
        self.calls, self.shown, self.slowest = 0, self.started, 0.0

    def __call__(self, data):
        started = time.process_time()
        found = self.target(data)
        found = [found] if isinstance(found, str) else found
        self.outcomes.update(found)
        self.slowest = max(self.slowest, (time.process_time() - started) / len(found))
        self.runs += len(found)
        self.calls += 1
        if 0 < self.options.runs <= self.runs:
            self.end()
        if self.calls % 32 == 0 and (now := time.monotonic()) - self.shown > REPORT:
            self.shown = now
            Path(self.options.corpus, ".figures").write_text(self.line())
            if self.options.seconds and now - self.started > self.options.seconds:
                self.end()
        elif (
            self.options.seconds
            and self.options.seconds < 2 * REPORT
            and time.monotonic() - self.started > self.options.seconds
        ):
            self.end()

    def line(self):
        files = [path for path in Path(self.options.corpus).iterdir() if not path.name.startswith(".")]
        known = list(Path(self.options.seeds).iterdir())
        versions = {
            name: importlib.metadata.version(name)
            for name in PACKAGES
            if importlib.util.find_spec(name if name != "pillow" else "PIL")
        }
        figures = {
            "target": self.options.target,
            "engine": self.options.engine,
            "runs": self.runs,
            "seconds": round(time.monotonic() - self.started),
            "cpu_seconds": round(time.process_time()),
            "slowest_cpu_seconds": round(self.slowest, 3),
            "failures": 0,
            "outcomes": dict(self.outcomes.most_common()),
        }
        if hasattr(self.target, "walks"):
            figures["priors_run"] = self.target.walks
        return json.dumps(
            figures
            | {
                "corpus_files": len(known) + len(files),
                "corpus_bytes": sum(path.stat().st_size for path in (*known, *files)),
                "date": time.strftime("%Y-%m-%d"),
                "seed": self.options.seed,
                "python": platform.python_version(),
            }
            | versions
        )

    def end(self, *_):
        line = self.line()
        print(line, flush=True)
        if self.options.log:
            with open(self.options.log, "a") as log:
                log.write(line + "\n")
        sys.stderr.flush()
        os._exit(0)


def run(options):
    """Never returns."""
    seeds = options.seeds = str(HERE / "corpus" / {"batch": "decode"}.get(options.target, options.target))
    if options.target == "weights":
        from tests.fuzz import tiny

        seeds = options.seeds = tempfile.mkdtemp(prefix="aecodec-fuzz-")
        shutil.copy(tiny.PATH, seeds)
    if options.engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["codec"]):
            for name in MODULES[options.target]:
                importlib.import_module(f"codec.{name}")
    target, mutate = load(options.target)
    figures = Figures(target, options)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, figures.end)
    if options.engine == "atheris":
        most = TARGETS[options.target]
        change = lambda data, rng: atheris.Mutate(data, most) if data else rng.randbytes(9)
        mutator = lambda data, max_size, seed: mutate(data, random.Random(seed), change)[:max_size]
        atheris.Setup(
            [
                sys.argv[0],
                options.corpus,
                seeds,
                f"-max_len={most}",
                f"-seed={options.seed}",
                f"-timeout={HANG}",
                f"-report_slow_units={HANG}",
                "-rss_limit_mb=3000",
                "-print_final_stats=1",
                "-handle_int=0",
                "-handle_term=0",
                f"-artifact_prefix={options.artifacts}/",
            ],
            figures,
            custom_mutator=mutator,
        )
        atheris.Fuzz()
        sys.exit(1)
    rng = random.Random(options.seed)
    known = [path.read_bytes() for path in sorted(Path(seeds).iterdir())]
    for data in known:
        figures(data)
    from tests.fuzz.hostile import edit

    while True:
        data = mutate(rng.choice(known), rng, edit)
        try:
            signal.alarm(HANG)
            figures(data)
            signal.alarm(0)
        except Exception:
            path = Path(options.artifacts, f"crash-{options.target}-{figures.runs}")
            path.write_bytes(data)
            print(f"the input is in {path}", file=sys.stderr)
            raise


if __name__ == "__main__":
    main()
