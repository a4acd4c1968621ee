"""One file, many machines: what a file decodes to by torch under limited instruction sets and in other
environments.

    python -m benchmarks.machines [--images kodak] [--qualities 5 50 95] [--python OTHER/bin/python ...] [--log FILE]

Decodes the golden files, and the pictures of --images coded here, in one process per machine: this processor as it is,
as lesser ones (ONEDNN_MAX_CPU_ISA, ATEN_CPU_CAPABILITY and MKL_ENABLE_INSTRUCTIONS down to the baseline of x86-64), and
other Pythons, which may hold another torch. For each it prints how many files have the same integers throughout the
parse, to the bit, and how far pixels are off at most, in levels of 8 bits. Ends with status 1 unless all integers are
the same and no pixel is off by more than one level. `benchmarks.exactness` is about settings within a process.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
LIMITS = {  # oneDNN, torch, MKL: what each may use at most
    "as it is": {},
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "AVX": {"ONEDNN_MAX_CPU_ISA": "AVX", "ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "AVX"},
    "SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    "compatible": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"},
    "2 threads": {"OMP_NUM_THREADS": "2"},
}


def decode(folder, output):
    """What runs in the process of a machine: decodes every .aec file of a folder and of the golden ones, prints
    digests, keeps pixels.
    """
    import torch

    import codec
    from tests.golden.make import digest

    with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):  # its first words name the instruction set
        torch.nn.functional.conv2d(torch.zeros(4, 16, 32, 32), torch.zeros(16, 16, 3, 3))
    coders, parses, pixels = {}, {}, {}
    for path in files(folder):
        name = str(GOLDEN / "tiny.safetensors") if path.name.startswith("tiny") else "psnr"
        coder = coders.setdefault(name, None) or codec.Codec(name, device="cpu", engine="torch")
        coders[name] = coder
        file = path.read_bytes()
        parses[path.stem] = digest(coder, file)
        pixels[path.stem] = coder.decode_picture(file).pixels
    np.savez(output, **pixels)
    print(
        "\n"
        + json.dumps(
            {
                "torch": torch.__version__,
                "python": platform.python_version(),
                "aten": torch.backends.cpu.get_cpu_capability(),
                "parses": parses,
            }
        )
    )


def files(folder):
    return sorted([*GOLDEN.glob("v2/*.aec"), *Path(folder).glob("*.aec")], key=lambda path: path.name)


def machine(python, limits, folder):
    """Figures and pixels {name: array} of a process. Raises SystemExit where it fails."""
    with tempfile.TemporaryDirectory() as out:
        output = Path(out, "pixels.npz")
        clean = {
            k: v for k, v in os.environ.items() if k not in {name for limit in LIMITS.values() for name in limit}
        } | {"OMP_NUM_THREADS": "1"}
        command = [python, "-m", "benchmarks.machines", "--decode", str(folder), str(output)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, env=clean | {"PYTHONPATH": str(ROOT)} | limits
        )
        if done.returncode:
            raise SystemExit(f"{python} {limits}: {done.stderr[-2000:]}")
        figures = json.loads(done.stdout.splitlines()[-1])
        isa = re.search(r"isa:([^,\n]*)", done.stdout)
        return figures | {"onednn": isa[1] if isa else "unknown"}, dict(np.load(output))


def compare(reference, other):
    """Figures of `other` against `reference`, both as `machine` gives them."""
    (known, pixels), (found, decoded) = reference, other
    same = sum(found["parses"][name] == parse for name, parse in known["parses"].items())
    levels = [
        np.abs(decoded[name].astype(int) - samples).max() / (257 if samples.itemsize == 2 else 1)
        for name, samples in pixels.items()
    ]
    moved = [(decoded[name] != samples).mean() for name, samples in pixels.items()]
    return {
        "torch": found["torch"],
        "python": found["python"],
        "aten": found["aten"],
        "onednn": found["onednn"],
        "files": len(pixels),
        "same_integers": same,
        "largest_difference": round(float(max(levels)), 3),
        "samples_that_differ": round(float(np.mean(moved)), 7),
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(
        "python -m benchmarks.machines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", nargs="+", default=[], help="folders, files, or kodak")
    parser.add_argument("--qualities", nargs="+", type=float, default=[5, 50, 95])
    parser.add_argument("--python", nargs="+", default=[], metavar="PATH", help="interpreters of other environments")
    parser.add_argument("--log", help="file to add a line of figures per machine to")
    parser.add_argument("--decode", nargs=2, help=argparse.SUPPRESS)
    a = parser.parse_args(arguments)
    if a.decode:
        return decode(*a.decode)
    with tempfile.TemporaryDirectory() as folder:
        if a.images:
            import codec

            from . import data

            coder = codec.Codec("psnr", device="cpu")
            for path in data.pictures(a.images):
                for quality in a.qualities:
                    Path(folder, f"psnr-{path.stem}-{quality:g}.aec").write_bytes(
                        coder.encode(path, quality, lossless=False)
                    )
        machines = [(name, sys.executable, limits) for name, limits in LIMITS.items()]
        machines += [(name, python, LIMITS[name]) for python in a.python for name in ("as it is", "SSE4.1")]
        reference, whole = None, True
        for name, python, limits in machines:
            started = time.perf_counter()
            found = machine(python, limits, folder)
            reference = reference or found
            figures = (
                {"machine": name}
                | compare(reference, found)
                | {"seconds": round(time.perf_counter() - started), "date": time.strftime("%Y-%m-%d")}
            )
            whole &= figures["same_integers"] == figures["files"] and figures["largest_difference"] <= 1
            print(
                f"{name:12} torch {figures['torch']:14} {figures['aten']:10} oneDNN {figures['onednn']:28} integers "
                f"{figures['same_integers']} of {figures['files']} files the same, "
                f"pixels at most {figures['largest_difference']:g} levels off",
                flush=True,
            )
            if a.log:
                with open(a.log, "a") as log:
                    log.write(json.dumps(figures) + "\n")
    return not whole


if __name__ == "__main__":
    sys.exit(main())
