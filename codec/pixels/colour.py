"""What the numbers of a picture mean as colours, where no ICC profile says so: code points of ITU-T H.273, and gamma
with chromaticities.

A profile is made of them where a profile can say the same. HDR's transfer functions and what is unknown stay code
points, which PNG (cICP) and AVIF (nclx) keep.
"""

import math
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

D65, DCI = (0.3127, 0.3290), (0.314, 0.351)
PCS = 0.9642, 1.0, 0.8249  # white of profiles, X, Y and Z
BT709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
SMPTE170 = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
# Code points of colour primaries: red, green and blue as (x, y), then white.
PRIMARIES = {
    1: (*BT709, D65),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: (*SMPTE170, D65),
    7: (*SMPTE170, D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), (0.310, 0.316)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: (*P3, DCI),
    12: (*P3, D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # gamma, a, b, c, d of ICC's parametric curve 3
BT709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
# Code points of transfer characteristics that a curve says: its parameters, a gamma alone where there is one.
TRANSFERS = {
    1: BT709_CURVE,
    4: (2.2,),
    5: (2.8,),
    6: BT709_CURVE,
    8: (1.0,),
    13: SRGB_CURVE,
    14: BT709_CURVE,
    15: BT709_CURVE,
}
UNKNOWN = 2
PLAIN = {(1, 13), (1, UNKNOWN), (UNKNOWN, 13), (UNKNOWN, UNKNOWN)}  # primaries and transfer that nobody need be told
NAMES = {1: "BT.709", 9: "Rec. 2020", 11: "DCI-P3", 12: "Display P3", 13: "sRGB", 16: "PQ", 18: "HLG"}
SRGB_GAMMA = 0.45455  # of PNG's gAMA
NEAR = 0.01  # by which numbers that mean sRGB differ from it


def cicp(primaries: int, transfer: int, full: int = 1) -> bytes | None:
    """The 4 bytes that a picture keeps of code points: primaries, transfer, matrix (0: RGB), full range.

    None if they say nothing beyond sRGB, or are those of no standard.
    """
    if (primaries, transfer) in PLAIN and full or max(primaries, transfer) > 255:
        return None
    return bytes([primaries, transfer, 0, full > 0])


def named(code: bytes) -> str:
    """Code points for a sentence, such as "Rec. 2020, PQ"."""
    return ", ".join(NAMES.get(point, f"code point {point}") for point in code[:2])


def profile_of(code: bytes, gray: bool) -> bytes | None:
    """An ICC profile that says what code points say, None where there is none."""
    primaries, transfer, matrix, full = code
    primaries, transfer = (1 if primaries == UNKNOWN else primaries), (13 if transfer == UNKNOWN else transfer)
    if primaries not in PRIMARIES or transfer not in TRANSFERS or matrix or not full:
        return None
    return _profile(PRIMARIES[primaries], TRANSFERS[transfer], gray)


def profile_of_png(gamma: float | None, corners: tuple[float, ...] | None, gray: bool) -> bytes | None:
    """An ICC profile of PNG's gAMA and cHRM (x and y of white, red, green, blue); None if they say sRGB, or nothing.

    Raises ValueError if no picture can be meant.
    """
    srgb = [value for point in (D65, *BT709) for value in point]
    if corners and (gray or all(abs(a - b) <= NEAR for a, b in zip(corners, srgb, strict=True))):
        corners = None
    if corners is None and (gamma is None or abs(gamma - SRGB_GAMMA) <= NEAR):
        return None
    if gamma is not None and not 0.01 <= gamma <= 10:
        raise ValueError("a gamma that no picture has")
    white, *points = zip(*[iter(corners or srgb)] * 2, strict=True)
    return _profile((*points, white), SRGB_CURVE if gamma is None else (1 / gamma,), gray)


def _profile(points: tuple[tuple[float, float], ...], curve: tuple[float, ...], gray: bool) -> bytes:
    """An ICC profile (version 4) of three primaries and white as (x, y) and a parametric curve. Raises ValueError."""
    import numpy as np  # heavy, and not needed for files without such colours

    *primaries, white = (np.array([x / y, 1, (1 - x - y) / y]) if y > 0 else None for x, y in points)
    known = [point for point in primaries if point is not None]
    if white is None or len(known) < len(primaries):
        raise ValueError("chromaticities that are none")
    kind = 0 if len(curve) == 1 else 3
    tone = b"para" + bytes(4) + struct.pack(">HH", kind, 0) + b"".join(_fixed(value) for value in curve)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    target = np.array(PCS)
    cones = (bradford * target).sum(1) / (bradford * white).sum(1)
    adapt = _product(_inverse(bradford), cones[:, None] * bradford)
    tags = {
        b"desc": _text("made from code points, gamma or chromaticities"),
        b"cprt": _text("CC0"),
        b"wtpt": _xyz(target),
    }
    tags[b"chad"] = b"sf32" + bytes(4) + b"".join(map(_fixed, adapt.ravel()))
    if gray:
        tags[b"kTRC"] = tone
    else:
        columns = np.stack(known, 1)
        if abs((columns[0] * np.cross(columns[1], columns[2])).sum()) < 1e-3:
            raise ValueError("chromaticities on one line")
        scaled = columns * (_inverse(columns) * white).sum(1)
        for name, column in zip(b"rgb", _product(adapt, scaled).T, strict=True):
            tags[bytes([name]) + b"XYZ"], tags[bytes([name]) + b"TRC"] = _xyz(column), tone
    return _packed(tags, b"GRAY" if gray else b"RGB ")


def _product(one: "NDArray[Any]", other: "NDArray[Any]") -> "NDArray[Any]":
    """Of two matrices, without a library for linear algebra, which may wait without end where memory is short."""
    product: NDArray[Any] = (one[:, :, None] * other).sum(1)
    return product


def _inverse(rows: "NDArray[Any]") -> "NDArray[Any]":
    """Of a matrix [3, 3]."""
    import numpy as np

    crossed = np.stack([np.cross(rows[i - 2], rows[i - 1]) for i in range(3)], 1)
    inverse: NDArray[Any] = crossed / (rows[0] * crossed[:, 0]).sum()
    return inverse


def _packed(tags: dict[bytes, bytes], space: bytes) -> bytes:
    """A display profile of these tags; equal contents are stored once."""
    places, body, start = {}, b"", 128 + 4 + 12 * len(tags)
    for content in tags.values():
        if content not in places:
            places[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
    table = b"".join(struct.pack(">4sII", name, places[content], len(content)) for name, content in tags.items())
    head = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x04200000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(PCS)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _text(words: str) -> bytes:
    data = words.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(data), 28) + data


def _xyz(values: Iterable[float]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    if not math.isfinite(value) or abs(value) >= 32768:
        raise ValueError("chromaticities that are none")
    return struct.pack(">i", round(value * 65536))
