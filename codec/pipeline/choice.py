"""Which of several files is the best of a picture: whatever is tried is a Candidate, and there is one cost, that of
training, bits + lambda * squared error.

`contest` proposes samples in place of latents, `encoder` drawn parts beside them, `ladder` other qualities. An error is
measured, by decoding, only where it decides.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(eq=False)
class Candidate:
    """A file that a picture may become.

    bits: what it is said to take; error: squared error of 8-bit samples, mean over the channels, summed over the
    pixels, None until it is measured; it counts as no less than `least` and no more than `most`.
    """

    file: bytes
    bits: float
    error: float | None = None
    least: float = 0.0
    most: float = math.inf

    @classmethod
    def of(cls, file: bytes, error: float | None = None) -> "Candidate":
        """The file at what it takes."""
        return cls(file, 8 * len(file), error)

    def costs(self, weight: float) -> tuple[float, float]:
        """Between which bounds the cost lies: bits + weight * error."""
        low = self.least if self.error is None else min(max(self.error, self.least), self.most)
        high = self.most if self.error is None else low
        return self.bits + weight * low, self.bits + weight * high


Choice = tuple[Sequence[Candidate], float]  # the candidates, and the bits that a unit of their error is worth


def cheapest(choices: Sequence[Choice], measure: Callable[[list[tuple[int, Candidate]]], None]) -> list[Candidate]:
    """Of each choice the candidate of least cost, the first of equals.

    measure: sets the errors of some candidates, each of which comes with the number of its choice.
    """
    while asked := [(number, one) for number, choice in enumerate(choices) if (one := _asked(*choice)) is not None]:
        measure(asked)
    return [_first(*choice) for choice in choices]


def _first(candidates: Sequence[Candidate], weight: float) -> Candidate:
    """The cheapest, where that is decided."""
    return min(_possible(candidates, weight), key=lambda one: one.costs(weight))


def _possible(candidates: Sequence[Candidate], weight: float) -> list[Candidate]:
    """Those that may be the cheapest."""
    bound = min(one.costs(weight)[1] for one in candidates)
    return [one for one in candidates if one.costs(weight)[0] <= bound]


def _asked(candidates: Sequence[Candidate], weight: float) -> Candidate | None:
    """The candidate whose error is to be measured next, None where all is decided."""
    possible = _possible(candidates, weight)
    open = [one for one in possible if one.costs(weight)[0] < one.costs(weight)[1]]
    return min(open, key=lambda one: one.bits) if open and len(possible) > 1 else None
