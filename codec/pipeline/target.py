"""Files of a given size or fidelity: the search for the quality that gives them.

The encoder calls it, and is called by it a few times.

codec.compress("photo.png", target_size=50_000)   # or bpp=0.5, or psnr=38, or ssimulacra2=80
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import BadOption
from .options import Target
from .source import Source, Trial

TRIALS = 12
NEAR = 0.015  # distance of qualities that are tried no further
# What of a size may stay unused: this share of it, or these bytes where they are more.
SIZE_WINDOW, SIZE_ROOM = 0.01, 8
PSNR_WINDOW = 0.05  # dB that may be too many
SCORE_WINDOW = 0.5  # points
MOST_PSNR = 99.0  # dB: what counts as that of equal pixels
# What a photograph gives at a quality: ln bpp, dB, and points of SSIMULACRA2 (of the visual model). It says where to
# begin, and how far to go for a difference: tens of percent off do no harm, and the file that is found is measured.
TYPICAL = {
    1: (-2.66, 26.4, 8.0),
    15: (-1.94, 28.6, 34.0),
    30: (-1.22, 31.1, 55.0),
    45: (-0.59, 33.9, 69.0),
    60: (-0.07, 36.9, 79.5),
    75: (0.38, 39.8, 86.0),
    88: (0.73, 42.1, 89.8),
    100: (1.03, 44.0, 92.5),
}


def reach(
    target: Target,
    sources: Sequence[Source],
    lossless: bool | None,
    encode: Callable[[list[Trial]], list[bytes]],
    fidelity: Callable[[Source, bytes], float],
) -> list[bytes | BadOption]:
    """Of every picture the largest file that is small enough, or the smallest that is good enough, among a few
    qualities; where no quality does it, a BadOption.

    fidelity(source, file): dB or points, whichever the target asks for.
    """
    aims = [_Aim(target, source) for source in sources]
    while trying := [(aim, quality) for aim in aims if (quality := aim.search.quality) is not None]:
        files = encode([Trial(aim.source, round(100 * quality), lossless) for aim, quality in trying])
        for (aim, _), file in zip(trying, files, strict=True):
            aim.take(file, fidelity)
    beyond = [aim for aim in aims if aim.best is None and target.fidelity is not None and lossless is None]
    files = encode([Trial(aim.source, 10000, True) for aim in beyond])
    for aim, file in zip(beyond, files, strict=True):
        aim.best = file
    return [aim.failure() if aim.best is None else aim.best for aim in aims]


class _Aim:
    """One picture's way to its target: `best` is its best file so far."""

    def __init__(self, target: Target, source: Source):
        self.target, self.source = target, source
        self.best: bytes | None = None
        if target.psnr is not None:
            typical = [(quality, dB) for quality, (_, dB, _) in TYPICAL.items()]
            self.search = Search(typical, target.psnr, target.psnr + PSNR_WINDOW)
            return
        if target.ssimulacra2 is not None:
            typical = [(quality, points) for quality, (_, _, points) in TYPICAL.items()]
            self.search = Search(typical, target.ssimulacra2, target.ssimulacra2 + SCORE_WINDOW)
            return
        self.most = target.size or (target.bpp or 0) * source.pixels / 8
        low = math.log(max(1, min((1 - SIZE_WINDOW) * self.most, self.most - SIZE_ROOM)))
        typical = [(quality, ln + math.log(source.pixels / 8)) for quality, (ln, _, _) in TYPICAL.items()]
        self.search = Search(typical, low, math.log(self.most))

    def take(self, file: bytes, fidelity: Callable[[Source, bytes], float]) -> None:
        """The file of the quality that the search is at."""
        wanted = self.target.fidelity
        if wanted is not None:
            value = min(MOST_PSNR, fidelity(self.source, file)) if self.target.psnr else fidelity(self.source, file)
            if value >= wanted and (self.best is None or len(file) < len(self.best)):
                self.best = file
        else:
            value = math.log(len(file))
            if len(file) <= self.most and (self.best is None or len(file) > len(self.best)):
                self.best = file
        self._last = len(file), value
        self.search.tell(value)

    def failure(self) -> BadOption:
        size, value = self._last
        if self.target.psnr is not None:
            return BadOption(f"the best quality gives {value:.2f} dB, less than the {self.target.psnr:g} wanted")
        if self.target.ssimulacra2 is not None:
            points = f"{value:.2f} points of SSIMULACRA2"
            return BadOption(f"the best quality gives {points}, less than the {self.target.ssimulacra2:g} wanted")
        wanted = math.floor(self.most)
        return BadOption(f"the smallest file of this picture takes {size} bytes, more than the {wanted} wanted")


class Search:
    """Looks for a quality that gives low..high: `quality` is the one to try, None once it is found or there is no
    better.

    typical: [(quality, value)] from quality 1 to 100, what might be expected. The last quality is 1 or 100 where all
    others give too much or too little.
    """

    def __init__(self, typical: Sequence[tuple[float, float]], low: float, high: float):
        self._qualities, self._values = zip(*typical, strict=True)
        self._low, self._high = low, high
        # Tries to both sides: (place, value), a place being what is typical of a quality.
        self._below: tuple[float, float] | None = None
        self._above: tuple[float, float] | None = None
        self._side = self._turn = 0
        self.quality: float | None = None
        self._look((low + high) / 2)

    def tell(self, value: float) -> None:
        """What the quality gives, which should rise with it."""
        low, high, quality = self._low, self._high, self.quality
        found = low <= value <= high or (quality == 100 and value < low) or (quality == 1 and value > high)
        if found or self._turn >= TRIALS:
            self.quality = None
            return
        again, self._side = self._side, 1 if value > high else -1
        if self._side > 0:
            self._above = self._place, value
        else:
            self._below = self._place, value
        turn, self._turn = self._turn, self._turn + 1
        below, above, aim = self._below, self._above, (low + high) / 2
        if below is None or above is None:
            if self._turn == TRIALS:
                self.quality = 1 if below is None else 100
            else:
                self._look(self._place + aim - value)
        elif self._turn == TRIALS or self._nearness(below[0], above[0]) < NEAR:
            self.quality = None
        else:
            straight = self._side != again and turn < TRIALS / 2 and above[1] > below[1]
            part = (aim - below[1]) / (above[1] - below[1]) if straight else 0.5
            self._look(below[0] + min(0.95, max(0.05, part)) * (above[0] - below[0]))

    def _look(self, place: float) -> None:
        """Goes to the quality of a place."""
        self.quality = round(float(np.interp(place, self._values, self._qualities)), 2)
        self._place = float(np.interp(self.quality, self._qualities, self._values))

    def _nearness(self, *places: float) -> float:
        return float(abs(np.subtract(*np.interp(places, self._values, self._qualities))))
