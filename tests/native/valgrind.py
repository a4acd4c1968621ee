"""The native engine under valgrind: the golden files decoded, and their pictures encoded again, by the library as it is
installed. Values that were never written are found too, which the sanitizers do not look for.

    python -m tests.native.valgrind [--simd plain] [--log tests/campaigns/log.jsonl]

valgrind knows AVX2 but not AVX-512. Of its errors those count in whose stack the library is; status 1 for any.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from pathlib import Path

from tests import campaigns

GOOD = Path(__file__).parents[1] / "golden" / "v2"  # `golden.make` names it too, but imports torch
LIBRARY = "_aec"  # how the name of its file begins


def inside():
    """What runs under valgrind: prints the number of files."""
    import codec
    from codec.pixels.read import load

    coders = [codec.Codec(model, "cpu", 1, "native") for model in ("psnr", str(GOOD.parent / "tiny.safetensors"))]
    coders = {coder.model.id.hex(): coder for coder in coders}
    files = sorted(GOOD.glob("*.aec"))
    for path in files:
        coder = coders.get(codec.info(path)["model"], next(iter(coders.values())))
        coder.verify(path)
        coder.checksum(path)
        coder.encode(load(path.with_suffix(".png")), 60, lossless=False)
    print(len(files))


def errors_of(path):
    """(all of valgrind's errors, those of the library as text)."""
    found, ours = xml.parse(path).getroot().findall("error"), []
    for error in found:
        frames = error.findall("stack/frame")
        if any(Path(frame.findtext("obj", "")).name.startswith(LIBRARY) for frame in frames):
            ours.append(" <- ".join([error.findtext("kind", ""), *(frame.findtext("fn", "?") for frame in frames[:6])]))
    return len(found), ours


def run(simd):
    """(figures, errors of the library)."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = ["valgrind", "--leak-check=no", "--num-callers=20", "--xml=yes", f"--xml-file={report}"]
        own = {"PYTHONMALLOC": "malloc", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2", "AECODEC_SIMD": simd}
        done = subprocess.run(
            [*command, sys.executable, "-m", __spec__.name, "--inside"],
            env=os.environ | own,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        every, ours = errors_of(report)
    figures = {
        "files": int(done.stdout),
        "errors of the library": len(ours),
        "others": every - len(ours),
        "seconds": round(time.monotonic() - started),
    }
    return figures, ours


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.native.valgrind")
    parser.add_argument("--simd", default="avx2")
    parser.add_argument("--log")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside()
    elif not shutil.which("valgrind"):
        sys.exit("valgrind is not installed")
    else:
        figures, ours = run(options.simd)
        print("\n".join(ours), file=sys.stderr)
        campaigns.write(options.log, f"engine in C under valgrind, {options.simd}", figures)
        sys.exit(bool(ours))
