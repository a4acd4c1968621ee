"""What may come into the estimator: parameters and arrays. scikit-learn does the checking; what it finds becomes one
sentence of this package's family of errors.
"""

import contextlib
import math
import numbers
import re
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted, validate_data

from ..errors import BadData, BadOption, CodecError
from .corruption import NOISES
from .kinds import LOSSES
from .scaling import SCALES


class BadType(BadData, TypeError):
    """Values that are no numbers: scikit-learn expects a TypeError there."""


class Unfitted(CodecError, NotFittedError):
    """A method that needs `fit` first."""


def fitted(estimator: Any) -> None:
    try:
        check_is_fitted(estimator, "network_")
    except NotFittedError:
        raise Unfitted("this Autoencoder is not fitted yet, call fit first or load a saved one") from None


def table(estimator: Any, X: Any, reset: bool) -> np.ndarray:
    """X as [N, F] float64 (float32 stays), for `fit` (`reset`: remembers width and column names, wants two rows) or
    later. Raises BadData.
    """
    if hasattr(X, "ndim") and X.ndim == 1:
        raise BadData("Expected 2D array, got 1D array instead. Reshape your data to one row per sample")
    try:
        with np.errstate(all="ignore"):
            X = validate_data(
                estimator,
                X,
                reset=reset,
                dtype=(np.float64, np.float32),
                ensure_min_samples=2 if reset else 1,
                ensure_all_finite=False,
            )
    except TypeError as error:
        raise BadType(_sentence(error)) from None
    except ValueError as error:
        raise BadData(_sentence(error)) from None
    if not np.isfinite(X).all():
        row, column = np.argwhere(~np.isfinite(X))[0]
        name = estimator.feature_names_in_[column] if hasattr(estimator, "feature_names_in_") else column
        what = "NaN" if np.isnan(X[row, column]) else "infinity (inf)"
        raise BadData(f"X contains {what}, first in row {row}, column {name}")
    return X


def latents(estimator: Any, Z: Any) -> np.ndarray:
    """Z as [N, D] float64. Raises BadData."""
    try:
        Z = np.asarray(Z, np.float64)
    except (TypeError, ValueError):
        raise BadType("latents must be numbers") from None
    if Z.ndim != 2 or Z.shape[1] != estimator.latent_dim_ or not len(Z):
        raise BadData(
            f"latents of shape {Z.shape} came in, {estimator.latent_dim_} columns and at least one row are expected"
        )
    if not np.isfinite(Z).all():
        raise BadData("the latents contain NaN or infinity")
    return Z


def _sentence(error: Exception) -> str:
    """The first sentence of one of scikit-learn's messages, which go on with advice and print arrays."""
    text = " ".join(str(error).split())
    return re.split(r"\. (?=[A-Z])", text, maxsplit=1)[0].rstrip(".")


def parameters(estimator: Any) -> None:
    """Raises BadOption for a parameter outside its range."""
    for name, (low, high, whole) in _RANGES.items():
        value: Any = getattr(estimator, name)
        if isinstance(value, bool) or not (_is_whole if whole else _is_real)(value) or not low <= value <= high:
            raise BadOption(
                f"{name} must be {'a whole number' if whole else 'a number'} from {low:g} to {high:g}, not {value!r}"
            )
    for name, allowed in {
        "loss": LOSSES,
        "noise": tuple(NOISES),
        "scale": SCALES,
        "network": ("auto", "dense", "convolutional"),
    }.items():
        if getattr(estimator, name) not in allowed:
            raise BadOption(f"{name} must be one of {', '.join(allowed)}, not {getattr(estimator, name)!r}")
    for name in ("hidden", "channels"):
        widths: Any = getattr(estimator, name)
        with contextlib.suppress(TypeError):
            if all(_is_whole(width) and 1 <= width <= 65536 for width in widths):
                continue
        raise BadOption(f"{name} must be widths from 1 to 65536 such as (512, 256, 128), not {widths!r}")
    if estimator.beta is not None and not (_is_real(estimator.beta) and 0 <= estimator.beta < math.inf):
        raise BadOption(f"beta must be None or a number from 0 on, not {estimator.beta!r}")
    if estimator.batch_size != "auto" and not (_is_whole(estimator.batch_size) and estimator.batch_size >= 1):
        raise BadOption(f"batch_size must be 'auto' or a whole number from 1 on, not {estimator.batch_size!r}")
    if estimator.batch_size == 1 and estimator.kind == "contractive":
        raise BadOption("the contractive kind compares the rows of a batch, batch_size must be at least 2")


_RANGES = {  # name: lowest, highest, whether whole
    "latent_dim": (1, 65536, True),
    "noise_level": (0.0, 100.0, False),
    "sparsity_target": (1e-6, 0.999999, False),
    "max_iter": (1, 10**9, True),
    "learning_rate": (1e-12, 1e3, False),
    "validation_fraction": (0.0, 0.9, False),
    "n_iter_no_change": (1, 10**9, True),
    "tol": (0.0, 1.0, False),
}


def image_shape(given: Any, shape: tuple[int, ...], features: int) -> tuple[int, int, int] | None:
    """(H, W, C) of pictures: the one given as a parameter, or that of X itself (`shape` [N, H, W] or [N, H, W, C]), or
    None for rows. Raises BadOption.
    """
    if given is None:
        return _three(*shape[1:]) if len(shape) > 2 else None
    try:
        sizes: tuple[Any, ...] = tuple(given)
        good = len(sizes) in (2, 3) and all(_is_whole(side) and side >= 1 for side in sizes)
    except TypeError:
        good = False
    if not good:
        raise BadOption(f"image_shape must be (height, width) or (height, width, channels), not {given!r}")
    if math.prod(sizes) != features:
        raise BadOption(f"image_shape {sizes} means {math.prod(sizes)} values, the rows have {features}")
    return _three(*map(int, sizes))


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral)


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real)


def _three(height: int, width: int, channels: int = 1) -> tuple[int, int, int]:
    return height, width, channels
