"""Float networks that do what a model's integers do, but for rounding: for gradients, for `--fast`, and as the
beginning of another training.
"""

import math
from typing import Any

import torch
import torch.nn as nn

from .config import Config
from .fixed import GAIN, HYPER, PIXEL, SAMPLE, FixedConv, FixedGain, two_to
from .networks import Analysis, HyperAnalysis, Synthesis

# Fractional bits of what enters and leaves the networks; in between, channels have units of their own.
INPUTS = {"analysis.first": SAMPLE, "analysis.linear": SAMPLE, "hyper_analysis.a": SAMPLE}
OUTPUTS = {
    "analysis.last": SAMPLE,
    "analysis.linear": SAMPLE,
    "hyper_analysis.c": HYPER,
    "synthesis.last": PIXEL,
    "synthesis.linear": PIXEL,
}


def dequantised(networks: Any, config: Config) -> Any:
    """Analysis, synthesis and hyper-analysis in floats, of networks of `Integers` with these names and a `prior`, on
    their device; without gradients until asked for.
    """
    with torch.device("meta"):
        floats = nn.Module()
        floats.analysis, floats.synthesis = Analysis(config), Synthesis(config)
        floats.hyper_analysis = HyperAnalysis(config)
    expected, tensors = floats.state_dict(), {}
    for name, layer in networks.named_modules():
        if isinstance(layer, FixedConv):
            to = -layer.shift.long() - OUTPUTS.get(name, 0)
            tensors[f"{name}.weight"] = layer.weight * two_to(to - layer.cut.long() + INPUTS.get(name, 0))
            tensors[f"{name}.bias"] = layer.bias * two_to(to)
        if isinstance(layer, FixedGain):
            log2 = layer.log2 + networks.prior.gain_y if name == "synthesis.gain" else layer.log2
            tensors[f"{name}.w"] = log2.double() * (math.log(2) / (1 << GAIN))
    # The gains of the synthesis are 1 on average, in steps of the latents that it is given.
    gain = tensors["synthesis.gain.w"].mean(0)
    tensors["synthesis.gain.w"] = tensors["synthesis.gain.w"] - gain
    for name in ("synthesis.first", "synthesis.linear"):
        tensors[f"{name}.weight"] = tensors[f"{name}.weight"] * gain.exp()[:, None, None]
    floats.load_state_dict({name: tensors[name].float() for name in expected}, assign=True)
    return floats.to(memory_format=torch.channels_last).eval().requires_grad_(False)
