"""16-bit pictures that use a part of their range: medical pictures of 12 bits, depth in millimetres, labels from 0 to
39.

Their samples are spread over all of it before they are coded, so that a quality means what it means for any picture,
and brought back after. A file says from where to where; `pipeline` puts this around everything else.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FULL = 65535
NARROW = 1 << 15  # a range from which on spreading it would not even halve the error


@dataclass(frozen=True)
class Range:
    """The least and the greatest sample of a 16-bit picture."""

    low: int
    high: int

    @classmethod
    def of(cls, pieces: Any) -> "Range | None":
        """That of arrays of samples, None where spreading them is not worth it."""
        low, high = FULL, 0
        for samples in pieces:
            low, high = min(low, int(samples.min())), max(high, int(samples.max()))
            if high - low >= NARROW:
                return None
        return cls(low, high)

    @classmethod
    def unpack(cls, section: bytes) -> "Range":
        """That of a file's section."""
        return cls(*struct.unpack("<HH", section))

    def pack(self) -> bytes:
        return struct.pack("<HH", self.low, self.high)

    @property
    def gain(self) -> float:
        """By what factor differences grow."""
        return FULL / max(1, self.high - self.low)

    def spread(self, samples: NDArray[Any]) -> NDArray[Any]:
        """From low..high to 0..65535; what lies outside is moved to the ends."""
        if self.high == self.low:
            return np.zeros_like(samples)
        inside = np.clip(samples, self.low, self.high).astype(np.uint32) - self.low
        width = self.high - self.low
        return ((inside.astype(np.uint64) * FULL + width // 2) // width).astype(np.uint16)

    def restore(self, samples: NDArray[Any]) -> NDArray[Any]:
        """From 0..65535 to low..high; exactly what was spread, if that came back exactly."""
        scaled = (samples.astype(np.uint32) * np.uint32(self.high - self.low) + FULL // 2) // FULL
        return (scaled + self.low).astype(np.uint16)
