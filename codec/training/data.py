"""Training pictures, all resident in device memory as one flat uint8 buffer; a batch of augmented
crops is one gather.
"""

import hashlib
import io
import os
import random
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from .held_out import HELD_OUT
from .pages import pages

# How often a picture with colour of half the resolution is drawn as it is, relative to one with all of it.
HALF_COLOUR = 0.3
SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".ppm", ".tif", ".tiff", ".bmp")


def sources(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yields (name, bytes) of every picture in folders (recursively), tar shards and single files, in a fixed order."""
    for path in paths:
        if os.path.isdir(path):
            for folder, _, names in sorted(os.walk(path)):
                yield from sources(
                    os.path.join(folder, n) for n in sorted(names) if n.lower().endswith(SUFFIXES + (".tar",))
                )
        elif path.endswith(".tar"):
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.name.lower().endswith(SUFFIXES) and (file := tar.extractfile(member)):
                        yield member.name, file.read()
        else:
            with open(path, "rb") as f:
                yield os.path.basename(path), f.read()


def half_colour(picture: Image.Image, data: bytes) -> bool:
    """Whether a JPEG or WebP file has its colour at half the resolution: most have, and lossy WebP always."""
    if picture.format == "JPEG":
        return JpegImagePlugin.get_sampling(picture) != 0
    return picture.format == "WEBP" and b"VP8 " in data[:64]


def held_out(paths: Iterable[str]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yields name and pixels [H,W,3] of the pictures among `sources` that are never trained on, all with all of their
    colour: at half the size where they are stored without it.
    """
    for name, data in sources(paths):
        if hashlib.sha256(data).hexdigest() in HELD_OUT:
            picture = Image.open(io.BytesIO(data))
            part = 2 if half_colour(picture, data) else 1
            size = picture.width // part, picture.height // part
            yield name, np.asarray(picture.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def decode(name: str, data: bytes, smallest: int) -> list[tuple[NDArray[np.uint8], float]]:
    """Decodes one picture and reduced copies of it (more scales, fewer traces of earlier coding): list of uint8
    [H,W,3] and how often it is to be drawn, relative to others; empty for what is no picture or held out.

    Of a picture with half of its colour the copies are half as large at most and get most of the draws: pictures with
    all of it would else be coded with too little, since the model would have seen few.
    """
    if hashlib.sha256(data).hexdigest() in HELD_OUT:
        return []
    try:
        opened = Image.open(io.BytesIO(data))
        half, full = half_colour(opened, data), opened.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return []
    chance = random.Random(zlib.crc32(name.encode()))
    copies = [(full, HALF_COLOUR if half else 1.0)]
    for least, most in ((0.45, 0.5), (0.36, 0.45)) if half else ((0.4, 0.8),):
        factor = max(chance.uniform(least, most), min(most, smallest / min(full.size)))
        size = max(1, round(full.width * factor)), max(1, round(full.height * factor))
        filters = [Image.Resampling.LANCZOS, Image.Resampling.BICUBIC, Image.Resampling.BOX]
        copies.append((full.resize(size, chance.choice(filters)), 1.0))
    arrays = [(np.asarray(p), weight) for p, weight in copies if min(p.size) >= smallest]
    return [(a, weight) for a, weight in arrays if a.std() >= 4]  # not (nearly) one colour


class Pictures:
    """A set of pictures on `device`; `crops` draws random crops with random flips and transposition."""

    def __init__(self, paths: Sequence[str], device: torch.device | str, smallest: int = 256, drawn: float = 0.0):
        """Pictures at paths, but for those held out; a share of about `drawn` of the crops is of `pages`.

        Raises ValueError if no picture is at least `smallest` on both sides.
        """
        found = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes and resizes without the GIL
            for decoded in pool.map(lambda source: decode(source[0], source[1], smallest), sources(paths)):
                found += decoded
        if not found:
            raise ValueError(f"no picture of at least {smallest}x{smallest} pixels in {', '.join(map(str, paths))}")
        arrays, often = [array for array, _ in found], torch.tensor([weight for _, weight in found]).double()
        photographs = len(arrays)
        arrays += pages() if drawn else []
        size = torch.tensor([a.shape[:2] for a in arrays])
        area = size.prod(1)
        self.flat = torch.empty(int(area.sum()) * 3, dtype=torch.uint8, device=device)
        self.start = torch.cat([torch.zeros(1, dtype=torch.long), torch.cumsum(area * 3, 0)[:-1]]).to(device)
        for a, s in zip(arrays, self.start.tolist()):
            self.flat[s : s + a.size] = torch.from_numpy(a.reshape(-1).copy()).to(device)
        self.height, self.width = [s.to(device) for s in size.unbind(1)]
        # Large pictures come more often than small ones, but less than by area.
        chance = area.double().sqrt()
        chance[:photographs] *= often
        if drawn:
            chance[photographs:] = drawn / (1 - drawn) * chance[:photographs].sum() / (len(arrays) - photographs)
        self.chance = chance.float().to(device)
        self.pixels, self.count = int(area.sum()), len(arrays)
        self.gather = torch.compile(gather_crops, dynamic=False) if self.flat.is_cuda else gather_crops

    def crops(self, n: int, size: int) -> torch.Tensor:
        """n random crops [n,3,size,size] float32 in [0,1], channels_last; only of pictures large enough."""
        large = (self.height >= size) & (self.width >= size)
        k = torch.multinomial(self.chance * large, n, replacement=True)
        uniform = torch.rand(3, n, device=self.flat.device)
        turn = torch.randint(0, 2, (3, n), device=self.flat.device)
        height, width = self.height[k], self.width[k]
        top, left = ((height - size + 1) * uniform[0]).long(), ((width - size + 1) * uniform[1]).long()
        return self.gather(self.flat, self.start[k], width, top, left, turn, size)


def gather_crops(
    flat: torch.Tensor,
    start: torch.Tensor,
    width: torch.Tensor,
    top: torch.Tensor,
    left: torch.Tensor,
    turn: torch.Tensor,
    size: int,
) -> torch.Tensor:
    """Reads crops out of the flat buffer; flips and transposition only change the start and the two strides."""
    flip_y, flip_x, swap = turn.bool()
    start = start + 3 * ((top + flip_y * (size - 1)) * width + left + flip_x * (size - 1))
    down, right = 3 * width * (1 - 2 * flip_y.long()), 3 * (1 - 2 * flip_x.long())
    down, right = torch.where(swap, right, down), torch.where(swap, down, right)
    i = torch.arange(size, device=flat.device)
    index = (start[:, None, None] + down[:, None, None] * i[:, None] + right[:, None, None] * i)[
        ..., None
    ] + torch.arange(3, device=flat.device)
    return (flat[index].float() / 255).permute(0, 3, 1, 2)  # [n,size,size,3] seen as channels_last
