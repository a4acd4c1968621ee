"""Two writers: processes that make the same output at once.

It is always whole; without -f exactly one of them makes it, the others say why not.

python -m tests.campaigns.writers --rounds 500 --log tests/campaigns/log.jsonl
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests import campaigns
from tests.campaigns import kills

QUALITIES = "20", "55", "90"


def run(rounds):
    """Figures of so many rounds of three writers, every other round with -f."""
    kills.prepare()
    started, winners = time.monotonic(), Counter()
    with tempfile.TemporaryDirectory() as folder:
        source = kills.make(Path(folder), forked=True)["source"]["1"]
    for number in range(rounds):
        force = ["-f"] * (number % 2)
        with tempfile.TemporaryDirectory() as folders:
            folders = [Path(folders, quality) for quality in ("", *QUALITIES)]
            for folder, quality in zip(folders[1:], QUALITIES):
                folder.mkdir()
                (folder / "a.png").write_bytes(source)
                assert kills.wait(kills.start(["compress", "-q", quality, "a.png"], folder, forked=True)) == 0
            whole = {(folder / "a.aec").read_bytes(): quality for folder, quality in zip(folders[1:], QUALITIES)}
            writers = [
                kills.start(["compress", "-q", quality, *force, "a.png", "-o", "../a.aec"], folder, forked=True)
                for folder, quality in zip(folders[1:], QUALITIES)
            ]
            codes = sorted(kills.wait(writer) for writer in writers)
            said = b"".join((folder / "stderr").read_bytes() for folder in folders[1:])
            assert codes == ([0, 0, 0] if force else [0, 1, 1]), (codes, said)
            assert said.count(b"exists already") == (0 if force else 2) == said.count(b"\n"), said
            assert {path.name for path in folders[0].iterdir()} == {"a.aec", *QUALITIES} and (
                folders[0] / "a.aec"
            ).read_bytes() in whole
            winners[whole[(folders[0] / "a.aec").read_bytes()]] += 1
    return {
        "rounds": rounds,
        "writers": len(QUALITIES),
        "partial_files": 0,
        "winners": dict(winners),
        "seconds": round(time.monotonic() - started),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.campaigns.writers")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--log")
    options = parser.parse_args()
    campaigns.write(options.log, "writers", run(options.rounds))
