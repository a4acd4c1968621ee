"""The way back from a weight file to trainable weights, so that a shipped model is where the next round of training
starts (`--init`).

The networks come back as their integers say, of the prior 8 bits, which a few hundred steps make good. Channels whose
units only the integers' limits tell become about as large as those of a network that begins.
"""

import copy
import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from ..bitstream.tables import Tables
from ..engine.torch.model import Model
from ..model.config import Config
from ..model.fixed import GAIN, TARGET, FixedGain, streams
from ..model.prior import FRACTION, HEAD, FixedLayer
from .export import row_scales
from .freeze import NETWORKS
from .model import Trainable

LARGE = 8.0  # magnitude that a channel hardly reaches


def thaw(data: bytes) -> Trainable:
    """`Trainable` of the bytes of a weight file. Raises BadWeights."""
    frozen = Model(data)
    networks, c = frozen.networks, frozen.config
    model = Trainable(c)
    weights = levelled(frozen)
    for name in NETWORKS:
        getattr(model, name).load_state_dict(getattr(weights, name).state_dict())
    layers = dict(model.prior.named_modules())
    octave = math.log(2) / (1 << GAIN)
    with torch.no_grad():
        for name, layer in networks.prior.network.named_modules():
            if isinstance(layer, FixedLayer):
                bits = layer.shift.double() - FRACTION + (HEAD if name.startswith("heads.") else FRACTION)
                layers[name].weight.copy_(layer.weight * torch.exp2(-bits)[:, None, None, None])
                layers[name].bias.copy_(layer.bias * torch.exp2(-bits - FRACTION))
        model.prior.phase_bias.copy_(networks.prior.network.phase_bias * 2.0**-FRACTION)
        model.quality_bias.w.copy_(networks.prior.quality_bias * 2.0**-FRACTION)
        model.gain_y.w.copy_(networks.prior.gain_y * octave)
        model.gain_z.w.copy_(networks.prior.gain_z * octave)
        mean, deviation = _moments(frozen.tables_z)
        model.z_mean.w.copy_(mean.view(c.anchors, c.hyper))
        # The scale of a logistic distribution.
        model.z_scale.w.copy_((deviation * math.sqrt(3) / math.pi).clamp_min(0.1).log().view(c.anchors, c.hyper))
        model.pull.copy_(_fit_pull(networks.pull * 2.0**-TARGET))
    return model


@torch.no_grad()
def levelled(frozen: Model) -> Any:
    """The float networks of a model in integers, each channel between their layers in a unit that makes its limit
    LARGE; what they compute stays the same.
    """
    networks, floats = frozen.networks, copy.deepcopy(frozen.floats)
    integers, layers = dict(networks.named_modules()), dict(floats.named_modules())
    reach = lambda name: integers[name].limit.double() * 2.0 ** int(integers[name].cut) / LARGE

    def rescale(unit: torch.Tensor, writers: Iterable[str], readers: Iterable[str]) -> None:
        for name in writers:
            own = unit.repeat(len(layers[name].weight) // len(unit)).float()
            layers[name].weight.div_(own[:, None, None, None])
            layers[name].bias.div_(own)
        for name in readers:
            layers[name].weight.mul_(unit.float()[:, None, None])

    for stream in streams(frozen.config):
        rescale(torch.stack([reach(name) for name in stream.readers]).amax(0), stream.writers, stream.readers)
    for name, layer in networks.named_modules():
        if isinstance(layer, FixedGain) and name != "synthesis.gain":  # whose gains become 1 on average, too
            block, mean = name.removesuffix(".gain"), layers[name].w.mean(0)
            layers[name].w.sub_(mean)
            rescale(mean.exp(), [], [f"{block}.b"])
            rescale(reach(f"{block}.b") / mean.exp(), [f"{block}.a"], [f"{block}.b"])
    for writer, reader in (("hyper_analysis.a", "hyper_analysis.b"), ("hyper_analysis.b", "hyper_analysis.c")):
        rescale(reach(reader), [writer], [reader])
    return floats


def grown(old: Trainable, config: Config) -> Trainable:
    """`Trainable` of a config with as many channels and blocks as the one of `old`, or more, that does what `old`
    does.

    What is new adds nothing yet: its weights begin as usual, those that read it at zero. Raises ValueError where the
    config is smaller somewhere, or has other anchors.
    """
    new = Trainable(config)
    sizes, wanted = old.config.to_dict(), config.to_dict()
    for name, size in sizes.items():
        if wanted[name] < size or name in ("anchors", "lambda_min", "latent", "hyper") and wanted[name] != size:
            raise ValueError(f"a model with {name} {size} cannot be the start of one with {wanted[name]}")
    known, state = old.state_dict(), new.state_dict()
    for name, tensor in state.items():
        if name not in known:
            if name.endswith((".b.weight", ".b.bias")):  # the last of a new residual block
                tensor.zero_()
            continue
        part = known[name]
        if tensor.ndim == 4 and tensor.shape[1] > part.shape[1]:
            tensor[:, part.shape[1] :] = 0
        # This layer reads features, then the latents.
        if ".join." in name and tensor.ndim == 4 and part.shape[1] > old.config.prior:
            tensor[:, old.config.prior :] = 0
            tensor[: len(part), -old.config.latent :] = part[:, -old.config.latent :]
            part = part[:, : -old.config.latent]
        if re.search(r"\.up\d\.", name):  # its channels are shuffled to 2x2 positions, which come first
            tensor, part = tensor.unflatten(0, (4, -1)), part.unflatten(0, (4, -1))
        tensor[tuple(map(slice, part.shape))] = part
    new.load_state_dict(state)
    return new


def _moments(tables: Tables) -> tuple[torch.Tensor, ...]:
    """Mean and standard deviation of every row of entropy tables, without their escapes: [R], [R]."""
    moments = []
    for row in range(len(tables)):
        symbols, frequencies = tables.row(row)
        mean = np.average(symbols, weights=frequencies)
        moments.append((mean, math.sqrt(np.average((symbols - mean) ** 2, weights=frequencies))))
    return torch.tensor(moments).unbind(1)


def _fit_pull(pull: torch.Tensor) -> torch.Tensor:
    """Height, slope and middle of the sigmoid that `pull` [ROWS] samples."""
    height = float(pull.max()) * 1.001 + 1e-6
    logit = torch.logit((pull / height).clamp(1e-4, 1 - 1e-4)).double().numpy()
    inside = (logit > -6) & (logit < 6)
    slope, offset = np.polyfit(np.log2(row_scales())[inside], logit[inside], 1)
    return torch.tensor([height, -slope, -offset / slope])
