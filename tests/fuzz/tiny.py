"""The tiny model: a valid weight file whose networks do next to nothing, so that a whole decode takes about a
millisecond.

    python -m tests.fuzz.tiny      # writes tests/golden/tiny.safetensors

Weights are seeded noise around a 16 x 16 DCT, scaled so that every row of the tables, means of both signs and escapes
all occur. The file is committed because golden files name it by checksum; a test compares it with what this makes.
"""

import json
import math
import random
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from codec.bitstream.tables import pmf_to_cdf
from codec.model.config import Config
from codec.model.fixed import GAIN, TOP, FixedConv, FixedGain
from codec.model.networks import STEP_RECIPROCAL, dct_basis
from codec.model.prior import EXACT, ROW_START, ROWS, FixedLayer
from codec.model.weights import FORMAT

PATH = Path(__file__).parents[1] / "golden" / "tiny.safetensors"
CONFIG = Config(
    latent=8,
    hyper=2,
    width=4,
    deep=4,
    analysis_blocks=0,
    synthesis_blocks=1,
    render=2,
    prior=4,
    prior_mid=2,
    anchors=2,
    lambda_min=0.004,
)
LIMIT = 2000  # of every input of the prior's layers, in 2^-7
REACH = 8  # symbols to each side of a row: beyond it escapes


def build(seed=1):
    """Bytes of the weight file."""
    from codec.engine.torch.model import Networks

    draw = random.Random(seed).random  # the only stream Python promises to keep
    noise = lambda shape, reach: reach * (2 * np.array([draw() for _ in range(math.prod(shape))]).reshape(shape) - 1)
    networks = Networks(CONFIG)
    tensors = {}
    for name, layer in networks.named_modules():
        if isinstance(layer, FixedConv):
            tensors |= {f"{name}.{part}": value for part, value in small(name, layer, noise).items()}
    basis = dct_basis(CONFIG.latent).permute(0, 2, 3, 1).numpy().reshape(CONFIG.latent, -1)[..., None, None]
    tensors["analysis.linear.weight"] = np.rint(basis * STEP_RECIPROCAL * 2**13).astype(np.int16)
    tensors["analysis.linear.shift"] = np.array([13], np.int8)
    # The synthesis reads latents in 2^-6.
    tensors["synthesis.linear.weight"] = np.rint(basis.swapaxes(0, 1) / STEP_RECIPROCAL * 2 ** (20 - 6 + 3)).astype(
        np.int16
    )
    tensors["synthesis.linear.shift"] = np.array([3], np.int8)
    for name, layer in networks.prior.named_modules():
        if isinstance(layer, FixedLayer):
            head = name.startswith("network.heads")
            most = min(127, EXACT // (2 * LIMIT * layer.weight[0].numel()))
            weight = np.rint(noise(layer.weight.shape, most)).astype(np.int8)
            gain = np.sqrt((weight.astype(float) ** 2).sum((1, 2, 3)))  # of an input of noise
            shift = np.clip(np.rint(np.log2(gain)) - (5 if head else 0), 0 if head else 3, 20)
            reach = 2000 if head else 40
            parts = {
                "weight": weight,
                "shift": shift.astype(np.int8),
                "limit": np.full(weight.shape[1], LIMIT, np.int32),
                "bias": np.rint(noise(gain.shape, reach) * 2.0**shift).astype(np.int32),
            }
            tensors |= {f"prior.{name}.{part}": value for part, value in parts.items()}
    octaves = lambda low, high, channels: np.rint(
        (np.linspace(low, high, CONFIG.anchors)[:, None] + noise((CONFIG.anchors, channels), 0.5)) * (1 << GAIN)
    ).astype(np.int32)
    tensors |= {
        "prior.gain_y": octaves(-1.5, 3, CONFIG.latent),
        "prior.gain_z": octaves(-1, 1, CONFIG.hyper),
        "prior.quality_bias": np.rint(noise((CONFIG.anchors, CONFIG.prior), 60)).astype(np.int32),
        "prior.network.phase_bias": np.rint(noise((4, CONFIG.prior, 2, 2), 60)).astype(np.int32),
        "prior.exp2": np.rint(2.0 ** (15 + np.arange(1 << GAIN) / (1 << GAIN))).astype(np.int32),
        "pull": np.rint(np.linspace(0.15, 0, ROWS) * 2**12).astype(np.int32),
        "thresholds": np.rint(np.linspace((0.7, 0.4), (0.5, 0.5), ROWS).T * 2**12).astype(np.int32),
        **pack_rows("y", [row(2.0 ** (ROW_START + (r + 0.5) / 8)) for r in range(ROWS)]),
        **pack_rows("z", [row(2.0 ** (a + k)) for a in range(CONFIG.anchors) for k in range(CONFIG.hyper)]),
    }
    for name, layer in networks.named_modules():
        if isinstance(layer, FixedGain):
            shape = (CONFIG.anchors, layer.log2.shape[1])
            log2 = (
                (6 << GAIN) - tensors["prior.gain_y"] if name == "synthesis.gain" else -abs(octaves(-2, -1, shape[1]))
            )
            tensors[f"{name}.log2"] = log2.astype(np.int32)
    return save(tensors, {"format": FORMAT, "config": json.dumps(CONFIG.to_dict())})


def small(name, layer, noise):
    """The integers of a layer of the networks: noise that adds a few levels to what the linear ones give."""
    weight = np.rint(noise(layer.weight.shape, 3000)).astype(np.int16)
    spread = 1700 * math.sqrt(weight[0].size)  # of the sums, in units of the inputs
    less = {"synthesis.last": -3, "analysis.last": 2, "hyper_analysis.c": 2}.get(name, 0)  # octaves
    parts = {
        "weight": weight,
        "bias": np.rint(noise((len(weight),), spread * 100)).astype(np.int32),
        "limit": np.full(weight.shape[1], min(TOP, 2**30 // (3000 * weight[0].size)), np.int32),
        "shift": np.array([round(math.log2(spread)) + less], np.int8),
        "cut": np.array([6 * (name == "hyper_analysis.a")], np.int8),
    }
    if name.endswith(".linear"):
        parts["bias"] *= 0
        parts["limit"] = np.full(weight.shape[1], 2048 if name.startswith("analysis") else TOP, np.int32)
    return parts


def row(scale):
    """First symbol and cumulative frequencies of a rounded Gaussian with heavier tails, cut off at REACH.

    No two scales give a symbol the same frequency, not even the escape: a wrong row is always noticed.
    """
    half = min(REACH, math.ceil(3 * scale))
    edges = [0.5 * (1 + math.erf((x - 0.5) / scale / math.sqrt(2))) for x in range(-half, half + 2)]
    tails = np.exp(-np.abs(np.arange(-half, half + 1)) / (scale + 0.5))
    return -half, pmf_to_cdf(np.diff(edges) + 0.03 * tails, 1 - edges[-1] + edges[0] + 0.004 * scale / (scale + 1))


def pack_rows(name, rows):
    parts = {
        "cdfs": np.concatenate([cdf for _, cdf in rows]),
        "sizes": [len(cdf) for _, cdf in rows],
        "offsets": [offset for offset, _ in rows],
    }
    return {f"table.{name}.{part}": np.asarray(values, np.int32) for part, values in parts.items()}


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_bytes(build())
    print(f"{PATH}: {PATH.stat().st_size:,} bytes")
