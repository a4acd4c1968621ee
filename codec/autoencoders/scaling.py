"""From the values of the user to those the network sees, and back: an affine map per column, learned in `fit`.

Between `checks` and `networks`.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import BadData

SCALES = ("global", "column", "none")


@dataclass(frozen=True)
class Scaling:
    """scaled = (x - offset) / divisor; all [F] float64.

    `spread` is the standard deviation errors are measured in, and `empty` what a value that is masked away becomes, in
    scaled values.
    """

    offset: np.ndarray
    divisor: np.ndarray
    spread: np.ndarray
    empty: np.ndarray

    def forward(self, x: np.ndarray) -> np.ndarray:
        return (x - self.offset) / self.divisor

    def back(self, x: np.ndarray) -> np.ndarray:
        return x * self.divisor + self.offset


def learn(x: np.ndarray, scale: str, loss: str, names: np.ndarray | None = None) -> Scaling:
    """x [N, F]; `names` of the columns for what is said of them, their numbers without.

    Squared error wants mean 0 and deviation 1, cross-entropy a range from 0 to 1.

    "global" has one unit for all columns, so that pixels keep their proportions and a linear network finds the PCA of
    x; "column" has one for each, which columns in different units want. Raises BadData for what cannot be scaled.
    """
    low, high = x.min(0), x.max(0)
    if (low == high).all():
        raise BadData(f"every column is constant, there is nothing to learn from (n_samples = {len(x)})")
    if scale == "none":
        if loss == "bce" and (low.min() < 0 or high.max() > 1):
            raise BadData(
                "loss='bce' with scale='none' wants values from 0 to 1, "
                f"there are some from {low.min():g} to {high.max():g}"
            )
        one, zero = np.ones(x.shape[1]), np.zeros(x.shape[1])
        return Scaling(zero, one, one, zero)
    if scale == "column":
        constant = np.flatnonzero(low == high)
        if len(constant):
            raise BadData(
                f"column {_several(constant if names is None else names[constant])} is constant and has no scale of "
                "its own, leave it out or take scale='global'"
            )
    with np.errstate(over="ignore", invalid="ignore"):  # checked below
        mean, variance = x.mean(0), x.var(0)
        if scale == "column":
            spread, reach = np.sqrt(variance), high - low
        else:
            spread = np.full(x.shape[1], np.sqrt(variance.mean()))
            low, reach = np.full(x.shape[1], low.min()), np.full(x.shape[1], high.max() - low.min())
    offset, divisor = (low, reach) if loss == "bce" else (mean, spread)
    if not (np.isfinite(spread).all() and (spread > 0).all() and np.isfinite(reach).all()):
        raise BadData("the values are too large or too small to compute a standard deviation of them")
    return Scaling(offset, divisor, spread, (mean if scale == "column" else 0.0) / divisor - offset / divisor)


def _several(indices: np.ndarray) -> str:
    shown = ", ".join(map(str, indices[:5]))
    return f"{shown} (and {len(indices) - 5} more)" if len(indices) > 5 else shown
