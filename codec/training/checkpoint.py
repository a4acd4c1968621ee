"""Checkpoints of the training loop: one safetensors file from which a killed run goes on, and another may begin."""

import json
from typing import Any

import torch
import torch.nn as nn
from safetensors import safe_open
from safetensors.torch import save as to_bytes

from ..files.output import atomic
from .export import is_checkpoint, read_average
from .model import Trainable
from .thaw import thaw

Weights = dict[str, torch.Tensor]


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """Name -> parameter of all that are trained."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def save(
    path: str, model: nn.Module, average: Weights, optimizer: torch.optim.Optimizer, state: dict[str, Any]
) -> None:
    """Writes weights, their average, the optimiser's moments and the state (JSON) into one safetensors file,
    atomically.
    """
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.items()}
    for name, s in zip(trained(model), optimizer.state_dict()["state"].values()):
        tensors |= {f"optimizer.{k}.{name}": v for k, v in s.items() if isinstance(v, torch.Tensor)}
    tensors = {k: v.detach().contiguous().cpu() for k, v in tensors.items()}
    with atomic(path, overwrite=True) as file:
        file.write(to_bytes(tensors, {"state": json.dumps(state)}))


def load(
    path: str,
    model: nn.Module,
    average: Weights | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    part: str = "model",
) -> dict[str, Any]:
    """Reads what `save` wrote; returns the state. `part` is "model" or "average"."""
    with safe_open(path, "pt") as f:
        get = lambda prefix: {k[len(prefix) :]: f.get_tensor(k) for k in f.keys() if k.startswith(prefix)}
        model.load_state_dict(get(part + "."))
        if average is not None:
            for k, v in get("average.").items():
                average[k].copy_(v)
        if optimizer is not None:
            moments = {
                i: {key: f.get_tensor(f"optimizer.{key}.{n}") for key in ("step", "exp_avg", "exp_avg_sq")}
                for i, n in enumerate(trained(model))
            }
            optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        return json.loads(f.metadata()["state"])


def first_of(path: str) -> Trainable:
    """The Trainable of a checkpoint, its averaged weights, or of a weight file. Raises BadWeights."""
    if is_checkpoint(path):
        return read_average(path)
    with open(path, "rb") as f:
        return thaw(f.read())
