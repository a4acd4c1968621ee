"""Samples in place of latents, as they are or rounded: proposed where they may cost less.

Of drawings and small pictures the latents' whole error counts, so that with the quality neither the size nor the
fidelity of what is chosen falls; of others a part of the error that none of their functions could represent, which
needs no decoding: about all of it in noise, next to nothing in photographs. Samples are only tried where they may win.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bitstream.container import Tile
from ..coding import lossless
from ..coding.spread import Range
from ..model import basis
from ..model.config import STRIDE, Config
from .choice import Candidate

WORTH = 128  # bits that exact pixels may cost: tiny pictures of few colours
TINY = 64**2  # pixels that are few enough to try it anyway
# The share of pixels equal to a neighbour from which a picture looks drawn rather than photographed, so that coding it
# exactly is worth a try.
DRAWN = 0.5
# Where the latents miss this much squared error, rounded samples are worth a try: photographs miss up to 6 on Kodak, a
# page of text 4 to 18.
SHARP = 7
PAGE = 8  # the step of rounded samples for drawings and pages with noise in them, at any quality
STEPS = PAGE, 16, 32  # the steps tried for small pictures
FEW = lossless.SMALL_PIXELS  # pixels of pictures so small that every step is quickly tried
# The whole error of the latents may be so many times what they miss by the estimate: they are decoded to see it.
FAR = 8
# Bits per pixel that what the latents miss must be worth before samples are rounded for noise.
ROUGH = 6
# The share of what the latents miss that counts then: the noise of a camera is better lost, while bits are not.
NOISE = 0.5
# The share of runs of 16 equal pixels from which parts of a picture may be drawn: one photograph of Kodak has 0.09, the
# others up to 0.03.
PLAIN = 0.1
DEEP = 257  # a level of 8 bits in samples of 16
BLOCKS = 128  # 16 x 16 blocks of a tile that are looked at


class Contest:
    """Takes the tiles of a picture as they come, and says at the end what files it might become.

    weight: lambda; lossless: True: only samples as they are, None: whatever costs less; spread: of 16-bit samples that
    are offered spread over all of their range, but kept as they are.
    """

    def __init__(
        self, config: Config, weight: float, channels: int, lossless: bool | None, spread: Range | None = None
    ):
        self.config, self.weight, self.lossless = config, weight, lossless
        self._spread, self._deep = spread, False
        self._noise_step = rounding_step(weight, channels)
        self._drawn = {1, *STEPS}  # those the latents' whole error is weighed against, if all tiles so far may be drawn
        steps = [1] if lossless else sorted(self._drawn | {self._noise_step})
        self._tiles: dict[int, list[Tile]] = {step: [] for step in steps}
        self._error = dict.fromkeys(self._tiles, 0.0)  # mean over the channels, summed over the pixels
        self._missing = 0.0  # the same of what the latents cannot represent
        self._plain = self._count = 0.0  # pixels in plain runs, and all of them

    def offer(self, pixels: NDArray[Any]) -> None:
        """The next tile's samples [H, W, C], uint8 or uint16."""
        count = pixels.shape[0] * pixels.shape[1]
        self._deep = pixels.dtype == np.uint16
        levels = pixels / np.float32(DEEP) if self._deep else pixels  # of 8 bits, which costs are made of
        if not (self.lossless or self._deep):
            self._plain += count * lossless.plain(pixels)
            self._count += count
        if not self._tiles:
            return
        if not self.lossless:
            missing = unreachable(levels, self.config.latent)
            self._missing += missing * count
            worth = self._worth_trying(pixels, count, missing)
            # A picture is coded one way from end to end.
            self._tiles = {step: coded for step, coded in self._tiles.items() if step in worth}
        for step, coded in self._tiles.items():
            samples = lossless.rounded(pixels, step) if step > 1 else self._as_they_are(pixels)
            coded.append(Tile(lossless.encode(samples), lossless.checksum(samples)))
            if step > 1:
                lost = samples.astype(np.float32) / (DEEP if self._deep else 1) - levels
                self._error[step] += float(np.square(lost).mean()) * count

    def _as_they_are(self, pixels: NDArray[Any]) -> NDArray[Any]:
        return pixels if self._spread is None else self._spread.restore(pixels)

    def _worth_trying(self, pixels: NDArray[Any], count: int, missing: float) -> set[int]:
        """Steps that may win. missing: as `unreachable` says."""
        if lossless.equal(pixels) > DRAWN or (self._deep and lossless.regular(self._as_they_are(pixels)) > DRAWN):
            return {1}  # colours that are clean are not touched, nor slopes of depth
        steps = {1} if count <= TINY else set()
        expected = missing > SHARP or self._tiles.get(PAGE)  # a page may have margins
        if missing > SHARP and count <= FEW:
            steps.update(STEPS)
        elif PAGE in self._drawn and expected and lossless.equal(pixels, PAGE) > DRAWN:
            steps.add(PAGE)
        self._drawn &= steps
        if self._deep and missing > SHARP:
            steps.add(1)  # depth with holes and edges, labels: what is measured costs little to keep
        if self.weight * missing > ROUGH and (self._noise_step < PAGE or PAGE not in steps):
            steps.add(self._noise_step)
        return steps

    @property
    def has_plain(self) -> bool:
        """Whether parts of the picture may be drawn, which `drawn` knows more about."""
        return self._plain > PLAIN * self._count

    def candidates(self, pack: Callable[[list[Tile], int], bytes], latents: list[Tile]) -> list[Candidate]:
        """The files of samples that may win, and that of the latents.

        pack(tiles, step): a file, of samples rounded to a step, or of latents with 0.
        """
        found = []
        for step, tiles in self._tiles.items():
            candidate = Candidate.of(pack(tiles, step), self._error[step])
            candidate.bits -= WORTH if step == 1 else 0
            found.append(candidate)
        if self.lossless:
            return found
        other = Candidate.of(pack(latents, 0))
        if self._drawn & self._tiles.keys():
            other.most = math.inf if self._deep else FAR * self._missing
        else:
            other.least = other.most = NOISE * self._missing
        return [*found, other]


def rounding_step(weight: float, channels: int) -> int:
    """The power of two to whose multiples noise is best rounded: each halving takes a bit per sample, so that it
    minimises -channels * log2(step) + lambda * step^2 / 12.
    """
    return 1 << min(7, max(0, round(math.log2(6 * channels / (math.log(2) * weight)) / 2)))


def unreachable(pixels: NDArray[Any], latent: int) -> float:
    """Mean squared error of uint8 samples [H, W, C] if only the lowest `latent` functions may represent them, over some
    16 x 16 blocks.
    """
    short = [(0, max(0, STRIDE - side)) for side in pixels.shape[:2]]
    if any(map(any, short)):
        pixels = np.pad(pixels, (*short, (0, 0)), "edge")
    down, across = (side // STRIDE for side in pixels.shape[:2])
    blocks = pixels[: down * STRIDE, : across * STRIDE].reshape(down, STRIDE, across, STRIDE, -1)
    some = np.linspace(0, down * across - 1, min(BLOCKS, down * across)).astype(int)
    blocks = blocks[some // across, :, some % across].transpose(0, 3, 1, 2).astype(np.float32) - 128
    return basis.missing(np.broadcast_to(blocks, (len(blocks), 3, STRIDE, STRIDE)), latent)
