"""What a weight file was trained for, told without loading torch: `aecodec models` and whatever weighs error against
bits.
"""

import json
from pathlib import Path

# By the entry "objective" of a weight file's metadata; a file without one was trained for squared error.
PURPOSES = {
    "visual": "for the eye: trained on SSIMULACRA2's distance and MS-SSIM of luma",
    "psnr": "for measurements by PSNR, and for features, anomalies and denoising: trained on squared error",
}
NAME = "objective"
PLAIN = "psnr"
VISUAL = "visual"


def objective_of(path: Path) -> str:
    """The objective of the weight file at a path: a key of PURPOSES, or whatever else it says.

    Raises OSError, ValueError.
    """
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        objective: str = json.loads(file.read(size)).get("__metadata__", {}).get(NAME, PLAIN)
    return objective
