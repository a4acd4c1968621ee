"""What the parameters of an Autoencoder amount to: its network, the plan of its training, its corruption, its device.

Between `networks`, `kinds` and `loop`, and the `estimator`.
"""

import math
from typing import Any

import torch

from ..errors import BadOption
from .corruption import Corruption
from .kinds import kind_of
from .loop import Plan
from .networks import Network


def network(estimator: Any) -> Network:
    """An untrained network, on torch's default device; gives pictures a shape where a convolutional one has none yet.

    Raises BadOption.
    """
    kind = kind_of(estimator.kind, estimator.sparsity, estimator.beta)
    wants = kind.pictures if estimator.network == "auto" else estimator.network == "convolutional"
    features = estimator.n_features_in_
    if wants and estimator.image_shape_ is None:
        side = math.isqrt(features)
        estimator.image_shape_ = (side, side, 1) if side * side == features else (1, features, 1)
    if kind.flat and wants:
        raise BadOption("the linear kind has no hidden layer and so no convolutional network")
    widths = () if kind.flat else estimator.channels if wants else estimator.hidden
    shortcut = bool(estimator.shortcut) and not kind.flat and kind.latent != "sigmoid"
    return Network(
        features,
        estimator.latent_dim_,
        tuple(map(int, widths)),
        kind.latent,
        estimator.image_shape_ if wants else None,
        shortcut,
    )


def plan(estimator: Any, count: int) -> Plan:
    """How an estimator whose scaling is known is trained on `count` rows."""
    kind = kind_of(estimator.kind, estimator.sparsity, estimator.beta)
    return Plan(
        kind=kind,
        loss=estimator.loss,
        target=float(estimator.sparsity_target),
        corruption=corruption(estimator, estimator.noise, estimator.noise_level) if kind.corrupts else None,
        batch=min(256, max(32, count // 32)) if estimator.batch_size == "auto" else int(estimator.batch_size),
        epochs=int(estimator.max_iter),
        learning_rate=float(estimator.learning_rate),
        patience=int(estimator.n_iter_no_change),
        tol=float(estimator.tol),
        held_out=float(estimator.validation_fraction) if estimator.early_stopping else 0.0,
        progress=bool(estimator.verbose),
    )


def corruption(estimator: Any, noise: str, level: float) -> Corruption:
    """Of rows as an estimator scales them."""
    s = estimator.scaling_
    return Corruption(
        noise, float(level), torch.from_numpy(s.spread / s.divisor), torch.from_numpy(s.empty), estimator.image_shape_
    )


def device(name: Any) -> torch.device:
    """The device of a name, of which "auto" is a GPU where there is one. Raises BadOption where it cannot be used."""
    try:
        chosen = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise BadOption(f"device {name!r} cannot be used: {' '.join(str(error).split())[:150]}") from None
    return chosen
