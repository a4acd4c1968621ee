"""What each stage of compressing a picture takes, one picture after another on one core: the distribution that `model`
and `simulation` draw from.
"""

import io
import os
import tempfile
import time
from pathlib import Path

from codec.files.output import atomic

from .. import codecs, data
from ..stages import Clock

STAGES = ("read", "transform", "prior", "rans", "other", "write")
JPEG = 90  # quality of the JPEG files that the pictures are made into: what photographs come as


def measure(paths, quality):
    """A row per picture: {"mp", "in_bytes", "out_bytes", and seconds by STAGES}, the least of three rounds.

    In one thread of torch, which is what runs on the GPUs of `model`, and which tells the prior from rANS.
    """
    import torch

    torch.set_num_threads(1)
    aec = codecs.Aec(threads=1, engine="torch")
    clock = Clock(aec)
    rows = []
    with tempfile.TemporaryDirectory(prefix="aecodec-scaling-") as folder:
        for path in paths:
            image, source = data.load(path), Path(folder, "picture.jpg")
            image.save(source, quality=JPEG)
            rounds = [_once(aec, clock, source, Path(folder, "picture.aec"), quality) for _ in range(3)]
            best = {stage: round(min(r[stage] for r in rounds), 6) for stage in STAGES}
            rows.append(
                {
                    "mp": image.width * image.height / 1e6,
                    "in_bytes": os.path.getsize(source),
                    "out_bytes": rounds[0]["bytes"],
                    **best,
                }
            )
    return rows


def _once(aec, clock, source, target, quality):
    from PIL import Image

    start = time.perf_counter()
    with Image.open(io.BytesIO(source.read_bytes())) as file:
        image = file.convert("RGB")
    read = time.perf_counter() - start
    start = time.perf_counter()
    with clock.running() as totals:
        coded = aec.encode(image, quality)
    encode = time.perf_counter() - start
    start = time.perf_counter()
    with atomic(str(target), overwrite=True) as file:
        file.write(coded)
    write = time.perf_counter() - start
    stages = {"transform": ("analysis", "hyper-analysis"), "prior": ("prior",), "rans": ("rANS",)}
    spent = {stage: sum(totals.get(name, (0, 0))[0] for name in names) for stage, names in stages.items()}
    return {"read": read, **spent, "other": encode - sum(spent.values()), "write": write, "bytes": len(coded)}
