"""Freezes a checkpoint into a weight file: networks to integers (`freeze`), entropy tables from counted symbols.

    aecodec export RUN/checkpoint.safetensors -o codec/models/default.safetensors --data DIR_OR_TAR ...
    aecodec export codec/models/default.safetensors -o other.safetensors --data DIR_OR_TAR ...  # only the tables of y

The pictures calibrate the ranges of activations and fill the tables; training pictures, never evaluation ones.
"""

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load, save
from scipy.special import erf

from ..bitstream.tables import pmf_to_cdf
from ..engine.torch.model import Model
from ..engine.torch.quantiser import levels_of, quantised
from ..files.output import atomic
from ..model import purpose
from ..model.config import Config
from ..model.fixed import TARGET, fixed
from ..model.prior import LATENT, LEVELS, ROW_START, ROWS, gather
from ..model.weights import FORMAT
from .data import Pictures
from .freeze import Ranges, freeze_networks, freeze_prior
from .model import Trainable
from .patterns import patterns
from .rounding import masking, rounding_thresholds

Tensors = dict[str, torch.Tensor]
Counts = dict[tuple[int, int], dict[int, int]]  # of symbols, by anchor and channel

ROUNDS = 2  # of counting: where the encoder rounds up depends on the tables, and the tables on that
MASKING = 3  # batches of crops that are looked at for what masks errors
PATTERN = 128  # pixels of a side of the pictures that are drawn to calibrate
OBSERVED = 2000.0  # weight of the model's own distribution against counted symbols, as a number of symbols


def row_scales() -> NDArray[np.float64]:
    return 2.0 ** (ROW_START + (np.arange(ROWS) + 0.5) / 8)


def gaussian_row(scale: float) -> tuple[int, NDArray[np.float64], float]:
    """Half-width, probabilities of -k..k and the mass beyond, of a rounded Gaussian."""
    half = int(math.ceil(4.2 * scale + 1.5))
    edges = (np.arange(-half, half + 2) - 0.5) / (scale * math.sqrt(2))
    pmf = np.diff(0.5 * (1 + erf(edges)))
    return half, pmf, max(0.0, 1 - pmf.sum())


def logistic_row(mean: float, scale: float, counts: dict[int, int]) -> tuple[int, NDArray[np.float64], float]:
    """First symbol, probabilities and the mass beyond, of a rounded logistic wide enough for it and for the symbols
    counted ({symbol: n}).
    """
    low, high = math.floor(mean - 9 * scale - 1), math.ceil(mean + 9 * scale + 1)
    low, high = max(-2000, min([low, *counts])), min(2000, max([high, *counts]))
    edges = (np.arange(low, high + 2) - 0.5 - mean) / scale
    pmf = np.diff(1 / (1 + np.exp(-np.clip(edges, -60, 60))))
    return low, pmf, max(1e-6, 1 - pmf.sum())


def pack_rows(rows: list[tuple[int, NDArray[np.int32]]]) -> Tensors:
    """Tensors of rows [(offset, cdf int32)]: all rows end to end, their sizes, their offsets."""
    as_tensor = lambda values: torch.tensor(values, dtype=torch.int32)
    return {
        "cdfs": as_tensor(np.concatenate([cdf for _, cdf in rows])),
        "sizes": as_tensor([len(cdf) for _, cdf in rows]),
        "offsets": as_tensor([o for o, _ in rows]),
    }


def tables_of_y(counts: NDArray[np.float64] | None = None) -> Tensors:
    """Entropy tables of y by row, {name: tensor}; counts [ROWS][residual + K]."""
    rows = []
    for r, scale in enumerate(row_scales()):
        half, pmf, beyond = gaussian_row(scale)
        if counts is not None:
            middle = counts.shape[1] // 2
            seen = counts[r] + counts[r][::-1]  # residuals are symmetric
            total = seen.sum()
            inside = seen[middle - half : middle + half + 1]
            pmf = inside + 2 * OBSERVED * pmf
            beyond = total - inside.sum() + 2 * OBSERVED * beyond + 0.5
        rows.append((-half, pmf_to_cdf(pmf, beyond)))
    return {f"table.y.{k}": v for k, v in pack_rows(rows).items()}


def tables_of_z(model: Trainable, counts: Counts | None = None) -> Tensors:
    """Entropy tables of z by anchor and channel, {name: tensor}; counts {(anchor, channel): {symbol: n}}."""
    rows = []
    mean, scale = (
        model.z_mean.w.detach().double().numpy(),
        np.exp(np.clip(model.z_scale.w.detach().double().numpy(), -2.5, 5)),
    )
    for a in range(model.config.anchors):
        for k in range(model.config.hyper):
            seen = (counts or {}).get((a, k), {})
            low, pmf, beyond = logistic_row(mean[a, k], scale[a, k], seen)
            pmf = 30 * pmf
            for symbol, n in seen.items():
                if low <= symbol < low + len(pmf):
                    pmf[symbol - low] += n
            rows.append((low, pmf_to_cdf(pmf, 30 * beyond)))
    return {f"table.z.{k}": v for k, v in pack_rows(rows).items()}


def count(
    frozen: Model, batches: Iterable[tuple[torch.Tensor, float]], reach: int = 1500
) -> tuple[NDArray[np.float64], Counts]:
    """Counts the symbols of pictures coded by the frozen model, rounded as its encoder does: y [ROWS, 2*reach+1], z
    {(anchor, channel): {symbol: n}}.
    """
    n, y_counts = frozen.networks, np.zeros((ROWS, 2 * reach + 1))
    z_counts: Counts = {}
    for x, q in batches:
        quality = round(100 + 9900 * q / (frozen.config.anchors - 1))
        anchor = frozen.bank(quality) // frozen.config.hyper
        coordinate = torch.full((len(x),), float(q))
        gain, _, gain_z = n.prior.gains(quality)
        with torch.no_grad():
            y = frozen.floats.analysis(x - 0.5, coordinate)  # in a quarter of the time of the exact one
            z = fixed(frozen.floats.hyper_analysis(y).double() * gain_z)
        target = fixed(y.double() * gain * (1 << TARGET))
        level = levels_of(frozen, target, quality)

        def quantise(
            t: int, mean: torch.Tensor, rows: torch.Tensor, target: torch.Tensor = target, level: torch.Tensor = level
        ) -> torch.Tensor:
            residual = (gather(target, t) - mean * (1 << TARGET - LATENT)).flatten()
            at = gather(level, t).flatten()
            residual = quantised(frozen, residual, rows.flatten(), at).view(mean.shape) * (rows > 0)
            index = rows.long() * (2 * reach + 1) + residual.clamp(-reach, reach).long() + reach
            y_counts.reshape(-1)[:] += np.bincount(index.flatten().numpy(), minlength=y_counts.size)
            return residual

        n.prior.walk(z, quality, quantise)
        for k in range(z.shape[1]):
            symbols, times = np.unique(z[:, k].numpy().astype(int), return_counts=True)
            seen = z_counts.setdefault((anchor, k), {})
            for s, m in zip(symbols.tolist(), times.tolist()):
                seen[s] = seen.get(s, 0) + m
    return y_counts, z_counts


def is_checkpoint(path: str) -> bool:
    with safe_open(path, "pt") as f:
        return "state" in (f.metadata() or {})


def read_average(checkpoint: str) -> Trainable:
    """The trained model with the averaged weights of a checkpoint of `loop`."""
    with safe_open(checkpoint, "pt") as f:
        trained = Trainable(Config(**json.loads(f.metadata()["state"])["config"]))
        trained.load_state_dict(
            {k.removeprefix("average."): f.get_tensor(k) for k in f.keys() if k.startswith("average.")}
        )
    return trained


def objective_of(path: str) -> str:
    """What the model of a checkpoint or weight file was trained for: a key of `purpose.PURPOSES`."""
    if not is_checkpoint(path):
        return purpose.objective_of(Path(path))
    with safe_open(path, "pt") as f:
        return json.loads(f.metadata()["state"])["options"].get(purpose.NAME, purpose.PLAIN)


def calibrate(model: Trainable, pictures: Pictures, size: int) -> tuple[Ranges, Ranges]:
    """The `Ranges` of the networks over crops of training pictures, and what is drawn, at every anchor; and those of
    the prior, whose 8 bits are worth more where photographs need them.
    """
    ranges, of_prior = Ranges(model), Ranges(model, ("prior",))
    drawn = patterns(PATTERN).to(memory_format=torch.channels_last)
    for anchor in range(model.config.anchors):
        with ranges:
            for x in drawn.split(4):
                model(x, torch.full((len(x),), float(anchor)), amp=False)
            with of_prior:
                for _ in range(3):
                    model(pictures.crops(4, size), torch.full((4,), float(anchor)), amp=False)
    return ranges, of_prior


def export(
    checkpoint: str,
    data: Sequence[str],
    output: str,
    crops: int = 24,
    size: int = 512,
    seed: int = 0,
    objective: str = "",
) -> None:
    """Writes the weight file of the averaged weights in `checkpoint`, or of a weight file, whose tables of y and
    thresholds are then made anew and nothing else. `objective`: what it was trained for, where the checkpoint does not
    say.
    """
    torch.manual_seed(seed)
    pictures = Pictures(data, "cpu", size)
    with torch.no_grad():
        if is_checkpoint(checkpoint):
            trained = read_average(checkpoint)
            trained.eval().to(memory_format=torch.channels_last)
            config = trained.config
            ranges, of_prior = calibrate(trained, pictures, size)
            tensors = freeze_networks(trained, ranges) | freeze_prior(trained, of_prior) | tables_of_z(trained)
            pull = trained.centroid_pull(torch.tensor(np.log2(row_scales()), dtype=torch.float32))
            tensors["pull"] = torch.round(pull.double() * (1 << TARGET)).to(torch.int32)
        else:
            stored = Path(checkpoint).read_bytes()
            tensors, config, trained = load(stored), Model(stored).config, None
        metadata = {"format": FORMAT, "config": json.dumps(config.to_dict())}
        objective = objective or objective_of(checkpoint)
        metadata |= {} if objective == purpose.PLAIN else {purpose.NAME: objective}
        write = lambda: save({k: v.contiguous() for k, v in tensors.items()}, metadata)
        levels = LEVELS if objective == purpose.VISUAL else 1

        def weighed() -> bytes:
            """The weight file, its thresholds those of its tables."""
            tensors["thresholds"] = torch.zeros(2 * levels, ROWS, dtype=torch.int32)
            tensors["thresholds"] = rounding_thresholds(Model(write()).tables_y, tensors["pull"], levels)
            return write()

        tensors |= tables_of_y()
        batches = [(pictures.crops(4, size), float(a)) for a in range(config.anchors) for _ in range(crops)]
        if levels > 1:
            tensors |= {
                "thresholds_channel": torch.zeros(config.latent, dtype=torch.int32),
                "thresholds_busyness": torch.zeros(config.anchors, 1, dtype=torch.int32),
            }
            tensors |= masking(Model(weighed()), [x for x, _ in batches[:MASKING]])
        for _ in range(ROUNDS):
            counts_y, counts_z = count(Model(weighed()), batches)
            tensors |= tables_of_y(counts_y) | (tables_of_z(trained, counts_z) if trained else {})
        made = weighed()
        Model(made)
    with atomic(output, overwrite=True) as file:
        file.write(made)
    print(f"{output}: {len(made):,} bytes, {pictures.count} pictures for calibration")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        "aecodec export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", help="of a run, or a weight file, whose tables of y are made anew")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument(
        "--crops", type=int, default=24, help="batches of four 512x512 crops counted per anchor quality (default: 24)"
    )
    parser.add_argument(
        "--objective", choices=[*purpose.PURPOSES], help="what it was trained for, where the checkpoint does not say"
    )
    a = parser.parse_args(arguments)
    export(a.checkpoint, a.data, a.output, a.crops, objective=a.objective)


if __name__ == "__main__":
    main()
