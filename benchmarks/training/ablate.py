"""What each part of the model is worth: short runs of equal budget from the shipped weights, the same crops in the same
order, one change each.

    python -m benchmarks.training.ablate --data SHARD … --images KODAK --out RUN [--rows NAME …] [--steps 360]
    python -m benchmarks.training.ablate --table RUN >> benchmarks/training/README.md

Every row trains for so many steps, then codes the pictures with the averaged weights of the float model (rates are its
estimates), at four of its anchors. The BD-rate is against the row "as shipped", which trains on without a change. What
a change breaks must be learnt again in these minutes: a loss says how much the trained model leans on a part, a gain
that a change pays at once. New channels and blocks begin as nothing, so that they cost nothing at first.
"""

import argparse
import json
import resource
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from codec.engine.torch.device import has_bfloat16
from codec.model.config import STRIDE, Config
from codec.model.networks import ResBlock
from codec.model.weights import path_of
from codec.training import checkpoint, loop
from codec.training.data import Pictures
from codec.training.options import RunOptions
from codec.training.thaw import grown, thaw

from .. import bdrate, data

ANCHORS = 1, 4, 7, 10  # of the quality, where models are compared
SIDE = 128  # px of the square whose operations are counted


def shipped():
    return thaw(path_of("psnr").read_bytes())


def larger(**changes):
    old = shipped()
    return grown(old, Config(**old.config.to_dict() | changes))


def without_shortcut():
    model = shipped()
    model.analysis.shortcut = lambda x: x.new_zeros(
        len(x), model.config.latent, *(side // STRIDE for side in x.shape[2:])
    )
    model.synthesis.shortcut = lambda y: y.new_zeros(len(y), 3, *(side * STRIDE for side in y.shape[2:]))
    return model


def without_renderer():
    model = shipped()
    model.synthesis.render.forward = lambda x, q, convolve=None: x
    return model


def contexts(steps):
    """Of the four steps only so many begin with new context: 0, none looks at what is decoded; 2, the last two see the
    first two.
    """
    model = shipped()
    step, seen = model.prior.step, {}

    def forgetful(t, features, y):
        if t == 2 and steps == 2:
            seen["y"] = y
        if t and y is not None:
            y = torch.zeros_like(y) if steps == 0 or t == 1 else seen["y"]
        return step(t, features, y)

    model.prior.step = forgetful
    return model


def one_shot_scales():
    """Scales see the hyper-latent only, means the context too."""
    model = shipped()
    step = model.prior.step
    model.prior.step = lambda t, features, y: (
        step(t, features, y)[0],
        step(t, features, None if y is None else torch.zeros_like(y))[1],
    )
    return model


def activation(function):
    """Another one in the residual blocks of the transforms."""
    model = shipped()
    for block in model.modules():
        if isinstance(block, ResBlock):
            block.forward = lambda x, q, convolve=None, block=block: x + block.b(block.gain(function(block.a(x)), q))
    return model


def without_pull():
    """Residuals are rebuilt where they were rounded to."""
    model = shipped()
    model.centroid_pull = torch.zeros_like
    return model


def one_prior_of_z():
    """The same distribution of z at every quality, in units of its own gain."""
    model = shipped()
    with torch.no_grad():
        for gain in (model.z_mean, model.z_scale):
            gain.w.copy_(gain.w.mean(0))
            gain.log = lambda q, gain=gain: gain.w.mean(0)[None, :, None, None].expand(len(q), -1, 1, 1)
    return model


def soap(parameters, lr):
    from pytorch_optimizer import SOAP

    return SOAP(parameters, lr=lr, betas=(0.9, 0.99), weight_decay=0.0, max_precondition_dim=512)


def muon(parameters, lr):
    """Matrices by Muon at the step size of AdamW, the rest by AdamW."""
    from pytorch_optimizer import Muon

    matrices = [p for p in parameters if p.ndim == 4]
    rest = [p for p in parameters if p.ndim != 4]
    return Muon(
        [{"params": matrices, "use_muon": True, "lr": lr}, {"params": rest, "use_muon": False, "lr": lr}],
        use_adjusted_lr=True,
        adamw_betas=(0.9, 0.99),
    )


# name: (what changes, how the model is made, options of the training, optimiser)
ROWS = {
    "as shipped": ("nothing", shipped, {}, None),
    "no context": ("0 context steps for 4", lambda: contexts(0), {}, None),
    "two contexts": ("2 context steps for 4", lambda: contexts(2), {}, None),
    "one-shot scales": ("scales from the hyper-latent alone", one_shot_scales, {}, None),
    "deeper": (
        "one more block in analysis and synthesis",
        lambda: larger(analysis_blocks=4, synthesis_blocks=3),
        {},
        None,
    ),
    "wider": ("160 channels at 1/8 for 128", lambda: larger(width=160), {}, None),
    "wider prior": ("256 channels in the prior for 192", lambda: larger(prior=256, prior_mid=96), {}, None),
    "no renderer": ("no block at 1/4 resolution", without_renderer, {}, None),
    "no shortcut": ("no linear shortcut", without_shortcut, {}, None),
    "no offsets": ("residuals rebuilt where they were rounded to", without_pull, {}, None),
    "one prior of z": ("one distribution of z for all qualities", one_prior_of_z, {}, None),
    "GELU": ("GELU in the transforms' blocks", lambda: activation(F.gelu), {}, None),
    "ReLU": ("ReLU in the transforms' blocks", lambda: activation(F.relu), {}, None),
    "SOAP": ("SOAP for AdamW", shipped, {}, soap),
    "Muon": ("Muon for AdamW", shipped, {}, muon),
    "high rates": ("qualities weighted by lambda^-0.2", shipped, {"balance": 0.2}, None),
    "low rates": ("qualities weighted by lambda^-0.6", shipped, {"balance": 0.6}, None),
    "large crops": ("crops of 512 px, a quarter as many", shipped, {"crop": 512, "batch": 2}, None),
    "small crops": ("crops of 128 px, four times as many", shipped, {"crop": 128, "batch": 32}, None),
}


class SameCrops(Pictures):
    """The crops of a step are the same whatever else draws random numbers."""

    def crops(self, n, size):
        self.turn = getattr(self, "turn", 0) + 1
        with torch.random.fork_rng():
            torch.manual_seed(self.turn)
            return super().crops(n, size)


def cost(model):
    """Operations of encoder and decoder, kMAC per pixel."""

    def count(run):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
        return counter.get_total_flops() / 2 / SIDE**2 / 1e3

    q, x, y = torch.ones(1), torch.rand(1, 3, SIDE, SIDE), torch.rand(1, model.config.latent, SIDE // 16, SIDE // 16)
    z = torch.rand(1, model.config.hyper, SIDE // 64, SIDE // 64)
    prior = count(
        lambda: [
            model.prior.step(t, features, y if t else None)
            for features in [model.prior.features(z, model.quality_bias.log(q))]
            for t in range(4)
        ]
    )
    return count(lambda: model.hyper_analysis(model.analysis(x, q))) + prior, prior + count(
        lambda: model.synthesis(y, q)
    )


@torch.no_grad()
def curve(model, pictures):
    """[(mean bits per pixel, mean PSNR of RGB)] by anchor, of the float model's own estimates."""
    sums = torch.zeros(len(ANCHORS), 2, dtype=torch.float64)
    for path in pictures:
        x = torch.from_numpy(np.asarray(data.load(path)).copy()).permute(2, 0, 1)[None] / 255.0
        x = x[:, :, : x.shape[2] // 64 * 64, : x.shape[3] // 64 * 64]
        for i, anchor in enumerate(ANCHORS):
            x_hat, bpp, _ = model(
                x.contiguous(memory_format=torch.channels_last), torch.tensor([float(anchor)]), has_bfloat16(x.device)
            )
            error = (torch.round(x_hat.clamp(0, 1) * 255) / 255 - x).square().mean()
            sums[i] += torch.stack([bpp[0].double(), -10 * torch.log10(error).double()])
    return (sums / len(pictures)).tolist()


def measure(name, options, pictures):
    """Trains one row and returns its figures."""
    what, make, changes, optimizer = ROWS[name]
    model = make()
    run = RunOptions(**vars(options) | changes | {"out": f"{options.out}/{name.replace(' ', '-')}"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with patch.object(loop, "Pictures", SameCrops):
        model = loop.train(run, model, optimizer)
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    checkpoint.load(f"{run.out}/checkpoint.safetensors", model, part="average")
    encoder, decoder = cost(model)
    return {
        "row": name,
        "what": what,
        "steps": run.steps,
        "crops": [run.batch, run.crop],
        "lr": run.lr,
        "seed": run.seed,
        "cpu_minutes": round(spent / 60, 1),
        "encode_kmac": round(encoder, 1),
        "decode_kmac": round(decoder, 1),
        "pictures": len(pictures),
        "curve": curve(model.eval(), pictures),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def table(rows):
    """Markdown, best first."""
    rows = {row["row"]: row for row in rows}
    base = rows["as shipped"]
    effect = {name: bdrate.difference(base["curve"], row["curve"]).value for name, row in rows.items()}
    lines = ["| change | BD-rate | encode, kMAC/px | decode, kMAC/px | CPU minutes |", "|---|---|---|---|---|"]
    for name in sorted(rows, key=lambda name: effect[name] if effect[name] is not None else 1e9):
        row = rows[name]
        change = "–" if row is base else f"{effect[name]:+.2f} %" if effect[name] is not None else "no common range"
        lines.append(
            f"| {name}: {row['what']} | {change} | {row['encode_kmac']} | {row['decode_kmac']} | {row['cpu_minutes']} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+")
    parser.add_argument("--images", nargs="+", default=["kodak"])
    parser.add_argument("--out", help="folder of the runs; figures go to its ablation.jsonl")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--steps", type=int, default=360)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--table", metavar="RUN", help="print the table of what was measured, and nothing else")
    a = parser.parse_args()
    if a.table:
        print(table(map(json.loads, Path(a.table, "ablation.jsonl").read_text().splitlines())))
        return
    pictures = data.pictures(a.images)
    options = RunOptions(
        data=a.data,
        out=a.out,
        objective="psnr",
        steps=a.steps,
        lr=a.lr,
        batch=8,
        crop=256,
        warmup=50,
        ema=0.99,
        compile=False,
        log_every=50,
        threads=1,
        skip=300.0,
    )
    for name in a.rows:
        figures = measure(name, options, pictures)
        with open(Path(a.out, "ablation.jsonl"), "a") as log:
            log.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
