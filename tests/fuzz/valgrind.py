"""The rANS extension under valgrind on hostile streams: an invalid read or write of the C++ code shows here, and
nowhere else.

    python -m tests.fuzz.valgrind [--streams N]     # needs valgrind; status 0 only if there was no error
    python -m tests.fuzz.valgrind --unfenced        # without the fence the same must find the extension's invalid reads

Runs itself under valgrind with the allocator of C and without torch: of the codec it loads the entropy coder and the
container. Python 3.11 needs no suppressions that way. The streams are the corpus of the fence, the tile payloads of all
golden files, and random changes of both.
"""

import argparse
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def streams(count):
    """Inputs of targets.fence."""
    from codec.bitstream import container
    from codec.errors import CodecError
    from tests.fuzz.hostile import edit

    rng, known = random.Random(0), [path.read_bytes() for path in sorted((HERE / "corpus" / "fence").iterdir())]
    for path in sorted((HERE.parent / "golden").glob("*/*")):
        try:
            tiles = container.unpack(path.read_bytes()).tiles
        except CodecError:
            continue
        known += [tile.payload[:400] + rng.randbytes(5) for tile in tiles if tile.payload]
    state = bytes([0, 0, 0, 128, 0, 0, 0, 0])
    # Escapes as long as can be.
    known += [state + b"\xff" * 4 * n + bytes([0, 0, 0, 200, how]) for n in (1, 9, 60) for how in (0, 1, 5, 21)]
    yield from known
    for _ in range(count - len(known)):
        data = rng.choice(known)
        yield edit(data[:-5], rng) + (data[-5:] if rng.random() < 0.5 else rng.randbytes(5))


def inside(count):
    """What runs under valgrind."""
    from collections import Counter

    from tests.fuzz import targets

    assert "torch" not in sys.modules
    outcomes = Counter(targets.fence(data) for data in streams(count))
    print(json.dumps({"streams": sum(outcomes.values()), "outcomes": outcomes}), flush=True)


def unfenced():
    """A stream that ends too early, given to the extension as it is."""
    from codec.bitstream.entropy import Encoder, _rans
    from codec.bitstream.tables import Tables

    tables = Tables([[0, 20000, 40000, 65000, 65536]], [5], [-2])
    encoder = Encoder()
    encoder.put([-2, -1, 0, 1] * 500, [0] * 2000, tables)
    coder = _rans().RansDecoder()
    coder.set_stream(encoder.finish()[:40])
    coder.decode_stream([0] * 2000, [[0, 20000, 40000, 65000, 65536]], [5], [0])
    print(json.dumps({"streams": 1}), flush=True)


def main():
    parser = argparse.ArgumentParser(
        "python -m tests.fuzz.valgrind", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=20_000)
    parser.add_argument("--unfenced", action="store_true", help="one truncated stream without the fence")
    parser.add_argument("--log", help="file to add a line of figures to")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return unfenced() if options.unfenced else inside(options.streams)
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    command = [
        "valgrind",
        "--error-exitcode=99",
        "--leak-check=no",
        "--undef-value-errors=no",
        "--num-callers=30",
        sys.executable,
        "-m",
        "tests.fuzz.valgrind",
        "--inside",
        "--streams",
        str(options.streams),
        *["--unfenced"] * options.unfenced,
    ]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONMALLOC": "malloc", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    found = re.search(r"ERROR SUMMARY: (\d+) errors", done.stderr)
    print(done.stdout + (done.stderr if not found or found[1] != "0" else found[0]))
    if options.log and found and "streams" in done.stdout:
        figures = {
            "valgrind": subprocess.run(["valgrind", "--version"], capture_output=True, text=True).stdout.strip(),
            "fenced": not options.unfenced,
            **json.loads(done.stdout),
            "errors": int(found[1]),
            "date": time.strftime("%Y-%m-%d"),
            "python": platform.python_version(),
        }
        with open(options.log, "a") as log:
            log.write(json.dumps(figures) + "\n")
    return done.returncode or not found or found[1] != "0"


if __name__ == "__main__":
    sys.exit(main())
