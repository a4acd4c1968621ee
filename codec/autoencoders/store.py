"""Weight files of the estimator: one safetensors file with parameters, scaling, curves and weights; nothing in it can
run. Used by `estimator`.
"""

import json
import os
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ..errors import BadWeights
from . import checks, design
from .scaling import Scaling

FORMAT = "aecodec autoencoder 1"
SCALING = ("offset", "divisor", "spread", "empty")


def dumps(estimator: Any) -> bytes:
    """The bytes of the file."""
    tensors = {f"network.{name}": _narrow(tensor.cpu()) for name, tensor in estimator.network_.state_dict().items()}
    tensors |= {f"scaling.{name}": torch.from_numpy(getattr(estimator.scaling_, name).copy()) for name in SCALING}
    tensors["errors"] = torch.from_numpy(estimator.errors_)
    state = {
        "format": FORMAT,
        "parameters": estimator.get_params() | {"device": "auto", "random_state": None, "verbose": False},
        "features": estimator.n_features_in_,
        "names": list(estimator.feature_names_in_) if hasattr(estimator, "feature_names_in_") else None,
        "image_shape": estimator.image_shape_,
        "picture": estimator._picture,
        "curves": [estimator.loss_curve_, estimator.validation_curve_],
    }
    # One key only: safetensors writes several in a random order, and the same model should give the same bytes.
    return save_tensors(tensors, {"autoencoder": json.dumps(state, default=_plain)})


def load(cls: type, source: "bytes | str | os.PathLike[str]", device: str) -> Any:
    """Raises BadWeights for whatever a broken or hostile file holds, OSError for one that cannot be read."""
    if not isinstance(source, (bytes, bytearray)):
        with open(source, "rb") as file:
            source = file.read()
    try:
        size = int.from_bytes(source[:8], "little")
        state = json.loads(json.loads(source[8 : 8 + size])["__metadata__"]["autoencoder"])
        if state["format"] != FORMAT:
            raise ValueError(f"its format is {state['format']!r}, this version reads {FORMAT!r}")
        tensors = load_tensors(bytes(source))
        parameters: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in state["parameters"].items()
        }
        estimator = cls(**parameters | {"device": device})
        checks.parameters(estimator)
        estimator.n_features_in_, estimator.latent_dim_ = int(state["features"]), int(parameters["latent_dim"])
        estimator._n_features_out = estimator.latent_dim_
        if state["names"] is not None:
            estimator.feature_names_in_ = np.array(state["names"], object)
        estimator.image_shape_ = _tuple(state["image_shape"])
        estimator._picture = _tuple(state["picture"])
        estimator.loss_curve_, estimator.validation_curve_ = state["curves"]
        estimator.n_iter_ = len(estimator.loss_curve_)
        estimator.scaling_ = Scaling(*(tensors.pop(f"scaling.{name}").numpy() for name in SCALING))
        estimator.errors_ = tensors.pop("errors").numpy()
        if estimator.scaling_.offset.shape != (estimator.n_features_in_,):
            raise ValueError("its scaling has another width than its network")
        with torch.device("meta"):  # takes no memory, whatever sizes the file claims
            network = design.network(estimator)
        network.load_state_dict(
            {name.removeprefix("network."): tensor.double() for name, tensor in tensors.items()}, assign=True
        )
    except Exception as error:  # whatever json, safetensors, numpy and torch make of a broken file
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadWeights(f"the file does not hold an autoencoder: {reason}") from None
    estimator.network_ = network.to(design.device(estimator.device)).eval().requires_grad_(False)
    return estimator


def _narrow(tensor: torch.Tensor) -> torch.Tensor:
    """float32 where that loses nothing: most kinds are trained in it."""
    return tensor.float() if torch.equal(tensor.float().double(), tensor.double()) else tensor


def _plain(value: Any) -> Any:
    """Numbers of numpy, which are not JSON's."""
    return value.item() if isinstance(value, np.generic) else str(value)


def _tuple(value: Any) -> Any:
    return None if value is None else tuple(value)
