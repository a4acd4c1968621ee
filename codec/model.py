"""Weight files: one safetensors file holds config, float networks (fp16), the frozen prior (integers) and the entropy tables (integers).

`codec.training.export` writes them; models are named by file in `codec/models/`, and by the first bytes of the file's SHA-256 in .aec files.
"""
import functools
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from .entropy import Tables
from .errors import BadWeights, UnknownModel
from .networks import Analysis, Config, HyperAnalysis, Synthesis
from .prior import EXACT, ROWS, FixedLayer, Prior

FOLDER = Path(__file__).parent / "models"
FORMAT = "aecodec model 1"
ID_BYTES = 4
BIT = 0.065  # worth of a bit in squared quantiser steps: the best of 0.04, 0.08 and more on training pictures (theory for high rates: 0.1155)


class Networks(nn.Module):
    """Everything with weights; `tables` beside it."""

    def __init__(self, config):
        super().__init__()
        self.analysis, self.synthesis, self.hyper_analysis, self.prior = Analysis(config), Synthesis(config), HyperAnalysis(config), Prior(config)
        self.register_buffer("pull", torch.zeros(ROWS))  # by row: how far non-zero residuals are rebuilt nearer to the mean, in steps


class Model:
    """A loaded weight file: `config`, `networks` (on `device`), `tables_y`, `tables_z` (row = anchor * hyper + channel) and `id`."""

    def __init__(self, data, device="cpu", exact=torch.float32):
        """`data`: the bytes of a weight file. Raises BadWeights. `exact` is the type that holds the prior's integers (`Prior.freeze`)."""
        self.id = hashlib.sha256(data).digest()[:ID_BYTES]
        try:
            size = int.from_bytes(data[:8], "little")
            metadata = json.loads(data[8:8 + size])["__metadata__"]
            if metadata["format"] != FORMAT:
                raise BadWeights(f"the weight file has the format {metadata['format']!r}, this version reads {FORMAT!r}")
            self.config = Config(**json.loads(metadata["config"]))
            tensors = load_tensors(data)
            tables = {k: tensors.pop(k).numpy() for k in list(tensors) if k.startswith("table.")}
            with torch.device("meta"):
                networks = Networks(self.config)
            networks.load_state_dict({k: v.float() if v.dtype == torch.float16 else v for k, v in tensors.items()}, assign=True)
            self.tables_y, self.tables_z = [_tables(*(tables[f"table.{n}.{k}"] for k in ("cdfs", "sizes", "offsets"))) for n in "yz"]
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BadWeights(f"the weight file does not hold a model: {reason}") from None
        for name, layer in networks.prior.named_modules():
            if isinstance(layer, FixedLayer) and (int(layer.bound().max()) >= EXACT or not 0 <= int(layer.shift.min()) <= int(layer.shift.max()) <= 20):
                raise BadWeights(f"the weight file's layer {name} does not keep its sums exact")
        self.networks = networks.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self.networks.prior.freeze(exact)
        self.device = torch.device(device)
        self.thresholds = rounding_thresholds(self.tables_y, self.networks.pull.cpu()).to(device)

    def bank(self, quality):
        """First row of the z tables for a quality in hundredths: those of the nearest anchor."""
        low, part = self.networks.prior.position(quality)
        return (low + (part >= 4950)) * self.config.hyper


def rounding_thresholds(tables, pull, bit=BIT):
    """Where the encoder rounds up, by row: residual magnitudes from which 1 is coded, and distances past k >= 1 from which k + 1 is: [ROWS,2].

    Rate-distortion optimal for one symbol: the larger value must save more squared error, against values rebuilt `pull` nearer to the mean,
    than its further bits are worth.
    """
    thresholds = []
    for r, towards in enumerate(pull.double().tolist()):
        zero, one, two = [tables.frequency(r, symbol) for symbol in (0, 1, 2)]
        value = 1 - towards
        first = (value**2 + bit * math.log2(zero / one)) / (2 * value)
        further = min(1.0, max(0.0, 0.5 - towards + bit * math.log2(one / two) / 2))
        thresholds.append((min(first, 1 + further), further))
    return torch.tensor(thresholds, dtype=torch.float64)


def _tables(cdfs, sizes, offsets):
    """Tables of rows stored end to end."""
    if sizes.min() < 1 or sizes.sum() != len(cdfs):
        raise ValueError("the rows of a table do not fill it")
    padded = np.full((len(sizes), sizes.max()), 1 << 16, np.int32)
    padded[np.arange(padded.shape[1]) < sizes[:, None]] = cdfs
    return Tables(padded, sizes, offsets)


def path_of(name):
    """Path of a model by name, or `name` itself if it is the path of a weight file. Raises UnknownModel."""
    path = Path(name) if str(name).endswith(".safetensors") else FOLDER / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.safetensors")))
        raise UnknownModel(f"there is no model {str(name)!r}; installed are: {known}")
    return path


def name_of(model_id):
    """Name of the installed model with this id (4 bytes). Raises UnknownModel."""
    for path in sorted(FOLDER.glob("*.safetensors")):
        if _digest(path, path.stat().st_mtime_ns)[:ID_BYTES] == model_id:
            return path.stem
    raise UnknownModel(f"the file was made with model {model_id.hex()}, which is not installed")


@functools.lru_cache
def _digest(path, _modified):
    return hashlib.sha256(path.read_bytes()).digest()
