"""What a run was made on. It goes into `record`."""

import os
import platform
import re
import subprocess
from pathlib import Path


def describe(threads):
    """The machine entry of RUN.json. threads: that the speed part gives each codec."""
    return {
        "cpu": _cpu(),
        "cpu_model": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": threads,
        "ram_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "gpu": _gpu(),
    }


def _cpu():
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _cpu_model():
    """Vendor, family, model and stepping, which tell processors apart that have one name in a virtual machine; None
    where they cannot be read.
    """
    path = Path("/proc/cpuinfo")
    fields = dict(re.findall(r"^(\S[^\t\n]*?)\s*: (.*)$", path.read_text(), re.MULTILINE)) if path.exists() else {}
    wanted = [fields.get(key) for key in ("vendor_id", "cpu family", "model", "stepping")]
    return None if None in wanted else " ".join(wanted)


def _gpu():
    """Name of the first CUDA device, None without one."""
    try:
        reply = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return reply.stdout.splitlines()[0].strip() if reply.returncode == 0 and reply.stdout else None
