"""Files of a given size or fidelity: the search for the quality that gives them.

Above the encoder of `pipeline`, which it runs a few times.

codec.compress("photo.png", target_size=50_000)   # or bpp=0.5, or psnr=38
"""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import BadOption
from ..pixels import strips

TRIALS = 12
SIZE_WINDOW = 0.01  # share of the size that may stay unused,
SIZE_ROOM = 8  # or bytes, where that is more
PSNR_WINDOW = 0.05  # dB that may be too many
MOST_PSNR = 99.0  # dB: what counts as that of equal pixels
# What a photograph gives at a quality, means of Kodak: where to begin, and how far to go for a difference. Tens of
# percent off does no harm.
# Of typical photographs at each quality: ln bpp, and dB.
TYPICAL = {
    1: (-2.66, 26.4),
    15: (-1.94, 28.6),
    30: (-1.22, 31.1),
    45: (-0.59, 33.9),
    60: (-0.07, 36.9),
    75: (0.38, 39.8),
    88: (0.73, 42.1),
    100: (1.03, 44.0),
}


@dataclass(frozen=True)
class Target:
    """What a file must measure: at most `size` bytes or `bpp` bits per pixel, all of it counted, or at least `psnr` dB
    over the stored colour samples.
    """

    size: float | None = None
    bpp: float | None = None
    psnr: float | None = None

    @classmethod
    def of(cls, target_size=None, bpp=None, psnr=None):
        """The Target, or None where none is given. Raises BadOption."""
        given = {"target_size": target_size, "bpp": bpp, "psnr": psnr}
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) > 1:
            raise BadOption(f"{' and '.join(given)} exclude each other")
        for name, value in given.items():
            if not isinstance(value, (int, float, np.integer, np.floating)) or not 0 < value < math.inf:
                raise BadOption(f"{name} {value!r} is not a number above zero")
        return cls(target_size, bpp, psnr) if given else None

    def reach(self, scan, encoding, decode, lossless):
        """As a task of `buckets`: the largest file that is small enough, or the smallest that is good enough, among a
        few qualities.

        scan: of the picture; encoding(hundredths, lossless): the task of its file at a quality; decode(data): context
        of a Scan. Raises BadOption where no quality does it.
        """
        measured = self.psnr is not None
        pixels = scan.width * scan.height
        most = None if measured else self.size or self.bpp * pixels / 8
        if measured:
            search = searching(
                [(quality, dB) for quality, (_, dB) in TYPICAL.items()], self.psnr, self.psnr + PSNR_WINDOW
            )
        else:
            low = math.log(max(1, min((1 - SIZE_WINDOW) * most, most - SIZE_ROOM)))
            search = searching(
                [(quality, ln + math.log(pixels / 8)) for quality, (ln, _) in TYPICAL.items()], low, math.log(most)
            )
        best, quality = None, next(search)
        while quality is not None:
            data = yield from encoding(round(100 * quality), lossless)
            if measured:
                with decode(data) as decoded:
                    value = min(MOST_PSNR, strips.psnr(scan, decoded))
                if value >= self.psnr and (best is None or len(data) < len(best)):
                    best = data
            else:
                value = math.log(len(data))
                if len(data) <= most and (best is None or len(data) > len(best)):
                    best = data
            try:
                quality = search.send(value)
            except StopIteration:
                quality = None
        if best is not None:
            return best
        if not measured:
            raise BadOption(
                f"the smallest file of this picture takes {len(data)} bytes, more than the {math.floor(most)} wanted"
            )
        if lossless is False:
            raise BadOption(f"the best quality gives {value:.2f} dB, less than the {self.psnr:g} wanted")
        return (yield from encoding(10000, True))


def searching(typical, low, high):
    """A generator that yields qualities and is sent what each gives, which should rise with it; ends at one that gives
    low..high, or when there is no better.

    typical: [(quality, value)] from quality 1 to 100, what might be expected. The last quality is 1 or 100 where all
    others give too much or too little.
    """
    qualities, values = zip(*typical)
    # `below` and `above` are tries to both sides: (place, value), a place being what is typical of a quality.
    aim, below, above, side = ((low + high) / 2, None, None, 0)
    place = aim
    for turn in range(TRIALS):
        quality = round(float(np.interp(place, values, qualities)), 2)
        place = float(np.interp(quality, qualities, values))
        value = yield quality
        if low <= value <= high or (quality == 100 and value < low) or (quality == 1 and value > high):
            return
        again, side = side, 1 if value > high else -1
        if side > 0:
            above = place, value
        else:
            below = place, value
        if below is None or above is None:
            place += aim - value
        elif abs(np.subtract(*np.interp((below[0], above[0]), values, qualities))) < 0.015:
            break
        else:
            part = (
                (aim - below[1]) / (above[1] - below[1])
                if side != again and turn < TRIALS / 2 and above[1] > below[1]
                else 0.5
            )
            place = below[0] + min(0.95, max(0.05, part)) * (above[0] - below[0])
    if below is None:
        yield 1
    elif above is None:
        yield 100
