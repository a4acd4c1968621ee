"""The figures of codec/bitstream/SECURITY.md, from the log of what was run.

python -m tests.fuzz.summary [LOG ...]     # adds the lines of other logs to tests/fuzz/log.jsonl, then writes its
figures, and those of tests/campaigns/log.jsonl, into the page
"""

import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

LOG = Path(__file__).with_name("log.jsonl")
CAMPAIGNS = Path(__file__).parents[1] / "campaigns" / "log.jsonl"
PAGE = Path(__file__).parents[2] / "codec" / "bitstream" / "SECURITY.md"
BEGIN, END = (
    "<!-- figures of tests/fuzz/log.jsonl, written by python -m tests.fuzz.summary -->",
    "<!-- end of figures -->",
)
KEPT_OUT = {"campaign", "seed", "forked", "model", "python", "torch", "pillow", "numpy"}  # of the figures of a campaign
WHAT = {
    "parser": "container",
    "fence": "entropy coder",
    "decode": "whole files, tiny model",
    "batch": "whole files in batches of 64, tiny model",
    "tile": "lossless tiles",
    "weights": "weight files",
}


def tables(lines):
    """The block of the page, from the parsed lines of the log."""
    fuzzed, damaged, machines, valgrind = defaultdict(list), {}, {}, None
    for line in lines:
        if "target" in line:
            fuzzed[line["target"]].append(line)
        elif "campaign" in line:
            damaged[line["campaign"]] = line
        elif "machine" in line:
            machines[line["machine"], line["torch"]] = line
        elif line.get("fenced"):
            valgrind = line
    out = [
        "| Fuzzed | Runs | Processor hours | Slowest run, s | Failures | Corpus | What came of it |",
        "|---|---|---|---|---|---|---|",
    ]
    for target, runs in sorted(fuzzed.items(), key=lambda item: list(WHAT).index(item[0])):
        total, outcomes = (lambda key: sum(run.get(key, 0) for run in runs)), Counter()
        for run in runs:
            outcomes.update(run["outcomes"])
        came = ", ".join(f"{name} {count:,}" for name, count in outcomes.most_common(7)) + (
            f"; the networks ran in {total('priors_run'):,}" if total("priors_run") else ""
        )
        out.append(
            f"| {WHAT[target]} | {total('runs'):,} | {total('cpu_seconds') / 3600:.2f} | "
            f"{max(run.get('slowest_cpu_seconds', 0) for run in runs):.2f} | {total('failures')} | "
            f"{max(run['corpus_files'] for run in runs)} files, {max(run['corpus_bytes'] for run in runs):,} bytes | "
            f"{came} |"
        )
    out += ["", "| Damage | Files tried | Accepted |", "|---|---|---|"]
    for name, line in damaged.items():
        figures = line["figures"]
        if name != "bombs":
            size = f" (of {figures['bytes']:,} bytes)" if "bytes" in figures else ""
            out.append(f"| {name}{size} | {figures['tried']:,} | {figures['silent'] + figures.get('same', 0)} |")
    if "bombs" in damaged:
        out += ["", "| Bomb | Bytes | Refused after, ms of the processor | MB |", "|---|---|---|---|"]
        out += [
            f"| {name} | {bomb['bytes']:,} | {bomb['ms']} | {bomb['MB']} |"
            for name, bomb in damaged["bombs"]["figures"].items()
        ]
    if machines:
        out += [
            "",
            "| Machine | torch | torch uses | oneDNN uses | Files with the same integers | Pixels off at most, "
            "levels | Samples that differ |",
            "|---|---|---|---|---|---|---|",
        ]
        out += [
            f"| {m['machine']} | {m['torch']} | {m['aten']} | {m['onednn']} | {m['same_integers']} of {m['files']} | "
            f"{m['largest_difference']:g} | {100 * m['samples_that_differ']:.4f} % |"
            for m in machines.values()
        ]
    if valgrind:
        out += [
            "",
            f"valgrind ({valgrind['valgrind']}): {valgrind['streams']:,} hostile streams, "
            f"{valgrind['errors']} invalid reads or writes.",
        ]
    return "\n".join(out)


def campaigns(lines):
    """A row for the last run of each campaign."""
    plain = lambda value: (
        ("no", "yes")[value] if isinstance(value, bool) else f"{value:,}" if isinstance(value, int) else str(value)
    )
    rows = {
        line["campaign"]: ", ".join(
            f"{key.replace('_', ' ')} {plain(value)}"
            for key, value in line.items()
            if key not in KEPT_OUT and not isinstance(value, (dict, list))
        )
        for line in lines
    }
    return "\n".join(
        ["| Campaign | Figures |", "|---|---|", *(f"| {name} | {figures} |" for name, figures in rows.items())]
    )


def main():
    known = LOG.read_text().splitlines() if LOG.exists() else []
    for path in sys.argv[1:]:
        known += [line for line in Path(path).read_text().splitlines() if line and line not in known]
    LOG.write_text("".join(line + "\n" for line in known))
    page = PAGE.read_text()
    logged = campaigns(map(json.loads, CAMPAIGNS.read_text().splitlines()))
    block = f"{BEGIN}\n\n{tables(map(json.loads, known))}\n\n{logged}\n\n{END}"
    PAGE.write_text(re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: block, page, flags=re.DOTALL))


if __name__ == "__main__":
    main()
