"""Models of noise for the native engine: every tensor of a weight file drawn at random, as wide as the rules allow."""

import json

import numpy as np

from codec.model.config import Config

SMALL = {
    "latent": 12,
    "hyper": 5,
    "width": 20,
    "deep": 18,
    "analysis_blocks": 1,
    "synthesis_blocks": 1,
    "render": 7,
    "prior": 24,
    "prior_mid": 9,
    "anchors": 3,
}
ROWS, STEPS = 84, 4


def noise(seed: int = 0, **sizes: int) -> bytes:
    """A weight file of random tensors; sizes: of `Config`, `SMALL` where not given."""
    rng = np.random.default_rng(seed)
    config = Config(**SMALL | sizes)
    return packed(config, {**_prior(rng, config), **_tables(rng, config), **_transforms(rng, config)})


def packed(config: Config, tensors: dict, form: str = "aecodec model 2") -> bytes:
    """The weight file of tensors."""
    names = {np.dtype(np.int8): "I8", np.dtype(np.int16): "I16", np.dtype(np.int32): "I32", np.dtype(np.float32): "F32"}
    entries, at = {"__metadata__": {"format": form, "config": json.dumps(config.to_dict())}}, 0
    for name, array in tensors.items():
        entries[name] = {"dtype": names[array.dtype], "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(a.tobytes() for a in tensors.values())


def _layer(rng, name, outputs, inputs, kernel, bound, most, shift, weight):
    """A layer whose limits keep its sums below `bound`, its weights within +-weight."""
    weights = np.clip(np.rint(rng.normal(0, weight / 3, (outputs, inputs, kernel, kernel))), -weight, weight)
    bias = rng.integers(-bound // 64, bound // 64, outputs)
    share = (bound - bound // 8) / max(1, np.abs(weights).sum((1, 2, 3)).max())
    limit = rng.integers(0, max(1, min(most, int(share))) + 1, inputs)
    return {
        f"{name}.weight": weights.astype(np.int8 if weight < 128 else np.int16),
        f"{name}.bias": bias.astype(np.int32),
        f"{name}.shift": shift.astype(np.int8),
        f"{name}.limit": limit.astype(np.int32),
    }


def _prior(rng, c):
    tensors = {}

    def layer(name, outputs, inputs, kernel=1, least=3):
        shift = rng.integers(least, 12, outputs)
        tensors.update(_layer(rng, f"prior.network.{name}", outputs, inputs, kernel, 1 << 23, 32767, shift, 127))

    def block(name):
        p, d = c.prior, c.prior_mid
        for part, *sizes in (("a", d, p), ("d", d, d, 3), ("b", p, d), ("f1", 2 * p, p), ("f2", p, 2 * p)):
            layer(f"{name}.{part}", *sizes)

    layer("up2", 4 * 96, c.hyper)
    layer("up1", 4 * c.prior, 96)
    block("body")
    for t in range(STEPS):
        layer(f"join.{t}", c.prior, c.prior + (c.latent if t else 0))
        block(f"blocks.{t}")
        layer(f"heads.{t}", c.latent // 2, c.prior, least=0)
    exp2 = np.floor(2.0 ** (15 + np.arange(1024) / 1024) + 0.5)
    whole = lambda low, high, *shape: rng.integers(low, high, shape).astype(np.int32)
    return tensors | {
        "prior.network.phase_bias": whole(-500, 500, STEPS, c.prior, 2, 2),
        "prior.exp2": exp2.astype(np.int32),
        "prior.gain_y": whole(-4000, 5000, c.anchors, c.latent),
        "prior.gain_z": whole(-2000, 2000, c.anchors, c.hyper),
        "prior.quality_bias": whole(-500, 500, c.anchors, c.prior),
        "pull": whole(0, 1500, ROWS),
        "thresholds": whole(1500, 3000, 66, ROWS),
        "thresholds_channel": whole(-33, 34, c.latent),
        "thresholds_busyness": whole(-13 * 1024, -8 * 1024, c.anchors, 1),
    }


def _tables(rng, c):
    """Rows of random widths about the symbol 0, some so narrow that many symbols take an escape."""
    found = {}
    for name, rows in (("y", ROWS), ("z", c.anchors * c.hyper)):
        sizes = rng.integers(3, 60, rows)
        cdfs = [np.r_[0, np.sort(rng.choice(65535, size - 2, replace=False) + 1), 65536] for size in sizes]
        found[f"table.{name}.cdfs"] = np.concatenate(cdfs).astype(np.int32)
        found[f"table.{name}.sizes"] = sizes.astype(np.int32)
        found[f"table.{name}.offsets"] = (-(sizes // 2)).astype(np.int32)
    return found


def _transforms(rng, c):
    tensors = {}

    def layer(name, outputs, inputs, kernel=1, shift=11, cut=2):
        most = 10922 if name.endswith((".a", "analysis.first")) else 32767  # where three are int16 layers are folded
        drawn = _layer(rng, name, outputs, inputs, kernel, (1 << 31) - (1 << 12), most, np.array([shift]), 3000)
        tensors.update(drawn | {f"{name}.cut": np.array([cut], np.int8)})

    def gain(name, channels, low, high):
        tensors[f"{name}.log2"] = rng.integers(low, high, (c.anchors, channels)).astype(np.int32)

    def block(name, channels):
        layer(f"{name}.a", channels, channels, 3)
        layer(f"{name}.b", channels, channels, 3, cut=0)
        gain(f"{name}.gain", channels, -3000, 1)

    gain("synthesis.gain", c.latent, -2000, 2000)
    layer("synthesis.linear", 768, c.latent, shift=9, cut=0)
    layer("synthesis.first", c.deep, c.latent, cut=0)
    block("synthesis.first_block", c.deep)
    layer("synthesis.up8", 4 * c.width, c.deep)
    layer("synthesis.up4", 4 * c.render, c.width)
    block("synthesis.render", c.render)
    layer("synthesis.last", 48, c.render, 3, shift=9)
    layer("analysis.linear", c.latent, 768, shift=13, cut=1)
    layer("analysis.first", c.width, 192, 3, cut=0)
    layer("analysis.down", c.deep, c.width, 3)
    block("analysis.last_block", c.deep)
    layer("analysis.last", c.latent, c.deep, shift=14)
    layer("hyper_analysis.a", c.width, c.latent)
    layer("hyper_analysis.b", c.width, c.width, 3, cut=0)
    layer("hyper_analysis.c", c.hyper, c.width, 3, cut=0)
    for s in range(c.synthesis_blocks):
        block(f"synthesis.blocks.{s}", c.width)
    for s in range(c.analysis_blocks):
        block(f"analysis.blocks.{s}", c.width)
    return tensors
