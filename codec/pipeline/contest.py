"""Which way a picture is coded: as latents, or as the samples themselves, as they are or rounded, where these cost
less. Between `pipeline` and `exact`.

The cost is that of training, bits + lambda * squared error (of 8-bit samples, mean over the channels, summed over the
pixels), with the lambda of the quality. Of drawings and small pictures the latents are decoded for their error, so that
with the quality neither the size nor the fidelity of what is chosen falls; of others a part of the error counts that
none of their functions could represent, which needs no decoding: about all of it in noise, next to nothing in
photographs. Samples are only tried where they may win.
"""

import math

import numpy as np

from ..bitstream.container import Tile
from ..coding import exact
from ..model import basis
from ..model.config import STRIDE

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
FEW = exact.SMALL  # pixels of pictures so small that every step is quickly tried
# The whole error of the latents may be so many times what they miss by the estimate: they are decoded to see it.
FAR = 8
# Bits per pixel that what the latents miss must be worth before samples are rounded for noise.
ROUGH = 6
# The share of what the latents miss that counts then: the noise of a camera is better lost, while bits are not.
NOISE = 0.5
# The share of runs of 16 equal pixels from which parts of a picture may be drawn: one photograph of Kodak has 0.09, the
# others up to 0.03.
PLAIN = 0.1
BLOCKS = 128  # 16 x 16 blocks of a tile that are looked at


class Contest:
    """Takes the tiles of a picture as they come, and says at the end which way won.

    Args: config: networks.Config of the model; weight: lambda; channels; lossless: True: only samples as they are,
    None: whatever costs less.
    """

    def __init__(self, config, weight, channels, lossless):
        self.config, self.weight, self.lossless = config, weight, lossless
        self._noise_step = rounding_step(weight, channels)
        self._drawn = {1, *STEPS}  # those the latents' whole error is weighed against, if all tiles so far may be drawn
        self._tiles = {step: [] for step in ({1} if lossless else self._drawn | {self._noise_step})}
        self._cost = dict.fromkeys(self._tiles, 0.0)  # of the error, in bits
        self._least = 0.0  # the same of the latents, or less
        self._plain = self._count = 0  # pixels in plain runs, and all of them

    def offer(self, pixels):
        """The next tile's samples [H, W, C], uint8 (16-bit ones if `lossless`)."""
        count = pixels.shape[0] * pixels.shape[1]
        if not self.lossless:
            self._plain += count * exact.plain(pixels)
            self._count += count
        if not self._tiles:
            return
        if not self.lossless:
            missing = unreachable(pixels, self.config.latent)
            self._least += self.weight * missing * count
            worth = self._worth_trying(pixels, count, missing)
            # A picture is coded one way from end to end.
            self._tiles = {step: coded for step, coded in self._tiles.items() if step in worth}
        for step, coded in self._tiles.items():
            samples = exact.rounded(pixels, step) if step > 1 else pixels
            coded.append(Tile(exact.encode(samples), exact.checksum(samples)))
            if step > 1:
                self._cost[step] += self.weight * np.square(samples.astype(np.float32) - pixels).mean() * count

    def _worth_trying(self, pixels, count, missing):
        """Steps that may win. missing: as `unreachable` says."""
        if exact.equal(pixels) > DRAWN:
            return {1}  # colours that are clean are not touched
        steps = {1} if count <= TINY else set()
        if missing > SHARP and count <= FEW:
            steps.update(STEPS)
        elif (missing > SHARP or self._tiles.get(PAGE)) and PAGE in self._drawn and exact.equal(pixels, PAGE) > DRAWN:
            # A page may have margins.
            steps.add(PAGE)
        self._drawn &= steps
        if self.weight * missing > ROUGH and (self._noise_step < PAGE or PAGE not in steps):
            steps.add(self._noise_step)
        return steps

    @property
    def has_plain(self):
        """Whether parts of the picture may be drawn, which `drawn` knows more about."""
        return self._plain > PLAIN * self._count

    def settle(self, coded, error):
        """As a task of `buckets`: the tiles that won and the step of their samples, 0 if it is the latents' tiles,
        `coded`.

        error(): the task of the latents' squared error, mean over the channels, summed over the pixels; only asked for
        where it may decide.
        """
        bits = lambda tiles: 8 * sum(len(tile.payload) for tile in tiles)
        costs = {
            step: bits(tiles) + self._cost[step] - (WORTH if step == 1 else 0) for step, tiles in self._tiles.items()
        }
        step = min(costs, key=costs.get, default=0)
        if not step or self.lossless:
            return self._tiles.get(step, coded), step
        more = costs[step] - bits(coded)  # than the bits of the latents, to be weighed against their error
        if self._drawn & costs.keys():
            won = more <= 0 or more <= FAR * self._least and more <= self.weight * (yield from error())
        else:
            won = more <= NOISE * self._least
        return (self._tiles[step], step) if won else (coded, 0)


def rounding_step(weight, channels):
    """The power of two to whose multiples noise is best rounded: each halving takes a bit per sample, so that it
    minimises -channels * log2(step) + lambda * step^2 / 12."""
    return 2 ** min(7, max(0, round(math.log2(6 * channels / (math.log(2) * weight)) / 2)))


def unreachable(pixels: np.ndarray, latent: int) -> float:
    """Mean squared error of uint8 samples [H, W, C] if only the lowest `latent` functions may represent them, over some
    16 x 16 blocks.
    """
    short = [(0, max(0, STRIDE - side)) for side in pixels.shape[:2]]
    pixels = np.pad(pixels, (*short, (0, 0)), "edge")
    down, across = (side // STRIDE for side in pixels.shape[:2])
    blocks = pixels[: down * STRIDE, : across * STRIDE].reshape(down, STRIDE, across, STRIDE, -1)
    some = np.linspace(0, down * across - 1, min(BLOCKS, down * across)).astype(int)
    blocks = blocks[some // across, :, some % across].transpose(0, 3, 1, 2).astype(np.float32) - 128
    return basis.missing(np.broadcast_to(blocks, (len(blocks), 3, STRIDE, STRIDE)), latent)
