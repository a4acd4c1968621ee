"""Anomalies: a picture is unusual where the model needs other numbers of bits than for normal ones, or rebuilds it
better or worse.

Per latent position (16x16 px): bits by the prior's own tables, and the squared error of the decoded picture. Logarithms
of both, as they are and as means over 3x3 positions, are standardised on a set of normal pictures; the score is their
Mahalanobis distance from its mean.
"""

import functools
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import BadOption, CodecError
from ..model.config import STRIDE
from ..pixels.read import load

if TYPE_CHECKING:
    from ..pipeline.codec import Codec

FORMAT = "aecodec normal 1"
# A picture's score is the mean of this share of its positions, of so many at least: a defect may be small.
TOP, LEAST = 0.01, 3
QUALITY = 60.0


class BadNormal(CodecError):
    """A file that does not describe a set of normal pictures, or one for another model."""


def measure(coder: "Codec", source: Any, quality: float = QUALITY, **options: Any) -> NDArray[Any]:
    """Of every position of a picture (anything `Codec.encode` takes), float32 [4, h, w]: log2 of bits and of squared
    error, and their 3x3 means.
    """
    picture = load(source, **options)
    data = coder.encode(picture, quality, lossless=False, **options)
    bits = coder.bits_map(data, **options)
    decoded = coder.decode_picture(data, **options).pixels
    peak = float(np.iinfo(decoded.dtype).max)
    error = np.square((picture.pixels.astype(np.float32) - decoded) * (255 / peak)).mean(2)
    maps = np.stack([np.log2(bits + 1), np.log2(_per_block(error) + 0.1)]).astype(np.float32)
    return np.concatenate([maps, _smooth(maps)])


def _per_block(error: NDArray[Any]) -> NDArray[Any]:
    """Means of [H, W] over blocks of 16x16, [ceil(H/16), ceil(W/16)]; those at the edge over what there is."""
    starts = [np.arange(0, side, STRIDE) for side in error.shape]
    sums = np.add.reduceat(np.add.reduceat(error, starts[0], 0), starts[1], 1)
    rows, columns = [np.diff([*start, side]) for start, side in zip(starts, error.shape)]
    return sums / (rows[:, None] * columns)


def _smooth(maps: NDArray[Any]) -> NDArray[Any]:
    """3x3 means of [C, h, w], the edge repeated."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)), "edge")
    h, w = maps.shape[1:]
    nine = [padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3)]
    return functools.reduce(np.add, nine) / 9


@dataclass(frozen=True)
class Normal:
    """What normal pictures look like to a model, and from which score on a picture is unusual."""

    model: str  # id of the model, hexadecimal
    quality: float
    mean: list[float]  # [4]
    precision: list[list[float]]  # [4][4], inverse covariance
    threshold: float  # score of a picture, the `quantile` of those of the normal set
    position_threshold: float
    quantile: float
    pictures: int

    @classmethod
    def fit(cls, model: str, maps: list[NDArray[Any]], quality: float = QUALITY, quantile: float = 0.99) -> "Normal":
        """From the `measure` of every normal picture. model: id.

        Raises BadOption for fewer than two pictures or a quantile outside 0..1.
        """
        if len(maps) < 2:
            raise BadOption(f"two normal pictures are the least that tell what is usual, not {len(maps)}")
        if not 0 < quantile <= 1:
            raise BadOption(f"the quantile {quantile} is outside 0..1")
        positions = np.concatenate([m.reshape(4, -1) for m in maps], 1).astype(np.float64)
        # Added to the variances of logarithms: far below what any real set of pictures varies.
        covariance = np.cov(positions) + 1e-4 * np.eye(4)
        normal = cls(
            model,
            quality,
            positions.mean(1).tolist(),
            np.linalg.inv(covariance).tolist(),
            0.0,
            0.0,
            quantile,
            len(maps),
        )
        scores = [normal.positions(m) for m in maps]
        threshold = np.quantile([normal.picture(s) for s in scores], quantile)
        everywhere = np.quantile(np.concatenate([s.ravel() for s in scores]), quantile)
        return cls(**{**asdict(normal), "threshold": float(threshold), "position_threshold": float(everywhere)})

    def positions(self, maps: NDArray[Any]) -> NDArray[Any]:
        """Score of every position [h, w] of a `measure`: deviations from the normal mean, all four together."""
        off = maps.reshape(4, -1) - np.array(self.mean)[:, None]
        return np.sqrt(np.maximum(np.einsum("in,ij,jn->n", off, np.array(self.precision), off), 0) / 4).reshape(
            maps.shape[1:]
        )

    @staticmethod
    def picture(positions: NDArray[Any]) -> float:
        """Score of a picture: the mean of its highest `positions`."""
        count = min(positions.size, max(LEAST, round(TOP * positions.size)))
        return float(np.sort(positions, axis=None)[-count:].mean())

    def score(self, coder: "Codec", source: Any, **options: Any) -> tuple[float, bool, NDArray[Any]]:
        """Score of a picture, whether it is unusual, and the scores of its positions [h, w].

        Raises BadNormal, and as `Codec.encode`.
        """
        if coder.model.id.hex() != self.model:
            raise BadNormal(
                f"the normal set was measured with model {self.model}, not with {coder.model.id.hex()}: fit it again"
            )
        positions = self.positions(measure(coder, source, self.quality, **options))
        score = self.picture(positions)
        return score, bool(score > self.threshold), positions

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Normal":
        """Raises BadNormal."""
        try:
            fields = json.loads(text)
            if fields.pop("format", None) != FORMAT:
                raise ValueError(f"its format is not {FORMAT!r}")
            normal = cls(**fields)
            if (
                np.shape(normal.mean) != (4,)
                or np.shape(normal.precision) != (4, 4)
                or not np.isfinite([*normal.mean, *np.ravel(normal.precision), normal.threshold]).all()
            ):
                raise ValueError("its numbers are not those of four measures")
            return normal
        except (ValueError, TypeError, AttributeError) as error:
            raise BadNormal(f"the file does not describe normal pictures: {str(error).splitlines()[0]}") from None


def heat(picture: Any, positions: NDArray[Any], threshold: float) -> Image.Image:
    """PIL image of a Picture in gray with its unusual positions glowing: red from `threshold`, yellow from twice as
    much.
    """
    shown = picture.pixels.mean(2, keepdims=True) * (255 / np.iinfo(picture.pixels.dtype).max)
    small = Image.fromarray(np.float32(positions / max(threshold, 1e-6)))
    padded = small.resize((small.width * STRIDE, small.height * STRIDE), Image.Resampling.BILINEAR)
    strength = np.asarray(padded)[: picture.height, : picture.width, None]
    glow = np.concatenate([np.full_like(strength, 255), 255 * np.clip(strength - 1, 0, 1), np.zeros_like(strength)], 2)
    share = 0.75 * np.clip((strength - 0.75) / 0.5, 0, 1)
    return Image.fromarray(np.uint8(np.rint(shown * (1 - share) + glow * share)))
