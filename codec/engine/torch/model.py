"""A weight file as torch runs it: the networks in integers and the entropy tables on one device."""

import functools
import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from numpy.typing import NDArray
from safetensors.torch import load as load_tensors

from ...bitstream.tables import Tables
from ...errors import BadWeights
from ...model import purpose
from ...model.config import Config
from ...model.fixed import GAIN, TARGET, Hundredths, Integers, Quality, faults, freeze
from ...model.floats import dequantised
from ...model.networks import Analysis, HyperAnalysis, Synthesis
from ...model.prior import EXACT, LEVELS, QUALITIES, ROWS, FixedLayer, Prior
from ...model.weights import FORMAT, ID_BYTES, path_of, read_metadata, refusing
from .forking import inside

# Of layers whose outputs are added up: below 2^20 each, so that features, vectors and two blocks stay below 2^24.
LEAST_SHIFT = 3
MAX_GAIN = 64  # octaves: beyond it float64 could overflow


class Networks(nn.Module):
    """Everything with weights, exact; tables beside it. Steps are those of the quantiser, of 2^-TARGET."""

    pull: torch.Tensor
    thresholds: torch.Tensor
    thresholds_channel: torch.Tensor
    thresholds_busyness: torch.Tensor

    def __init__(self, config: Config, levels: int = 1):
        super().__init__()
        self.analysis, self.synthesis = Analysis(config, Integers), Synthesis(config, Integers)
        self.hyper_analysis, self.prior = HyperAnalysis(config, Integers), Prior(config)
        # By row: how far non-zero residuals are rebuilt nearer to the mean, in steps.
        self.register_buffer("pull", torch.zeros(ROWS, dtype=torch.int32))
        # By level and row, in steps: residual magnitudes from which 1 is coded, and distances past k >= 1 from which
        # k + 1 is. By channel, how far its level is from the middle; by anchor, 1 over the usual busyness, in log2.
        self.register_buffer("thresholds", torch.zeros(2 * levels, ROWS, dtype=torch.int32))
        self.register_buffer("thresholds_channel", torch.zeros(config.latent, dtype=torch.int32))
        self.register_buffer("thresholds_busyness", torch.zeros(config.anchors, 1, dtype=torch.int32))


class Model:
    """A loaded weight file: `config`, `networks` (on `device`), `tables_y`, `tables_z` (row = anchor * hyper + channel)
    and `id`.
    """

    path: Path  # of the file, by `load`

    def __init__(self, data: bytes, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32):
        """`data`: the bytes of a weight file.

        Raises BadWeights. `dtype` is the type that holds the prior's integers (`Prior.freeze`).
        """
        self.id = hashlib.sha256(data).digest()[:ID_BYTES]
        with refusing("the weight file does not hold a model"):
            metadata = read_metadata(data, FORMAT)
            self.config = Config(**json.loads(metadata["config"]))
            self.objective = metadata.get(purpose.NAME, purpose.PLAIN)  # what it was trained for
            tensors = load_tensors(data)
            tables = {k: tensors.pop(k).numpy() for k in list(tensors) if k.startswith("table.")}
            levels = LEVELS if any(name.startswith("thresholds_") for name in tensors) else 1
            with torch.device("meta"):
                networks = Networks(self.config, levels)
            if levels == 1:
                tensors["thresholds_channel"] = torch.zeros(self.config.latent, dtype=torch.int32)
                tensors["thresholds_busyness"] = torch.zeros(self.config.anchors, 1, dtype=torch.int32)
            networks.load_state_dict(checked(tensors, networks.state_dict()), assign=True)
            _check_exact(networks, self.config)
            rows = {"y": ROWS, "z": self.config.anchors * self.config.hyper}
            self.tables_y, self.tables_z = [
                _tables(n, [tables.pop(f"table.{n}.{k}") for k in ("cdfs", "sizes", "offsets")], rows[n]) for n in rows
            ]
            if tables:
                raise ValueError(f"unexpected {', '.join(tables)}")
        self.networks = networks.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.networks.prior.freeze(dtype)
        freeze(self.networks)
        self.device = torch.device(device)
        self._coordinates = functools.lru_cache(QUALITIES)(self._coordinate)

    @property
    def floats(self) -> Any:
        """The analysis, the hyper-analysis and the synthesis in floats (`model.floats`), made when first asked for."""
        if self._floats is None:
            with torch.inference_mode(False):  # whatever a caller is in: `refinement` needs gradients
                self._floats = dequantised(self.networks, self.config)
        return self._floats

    _floats: Any = None

    def at(self, quality: Hundredths) -> Quality:
        """A quality in hundredths, or a tuple of them, as the networks in integers take it."""
        return Quality(self.networks.prior, quality)

    def coordinate(self, quality: Hundredths) -> torch.Tensor:
        """Where a quality in hundredths, or each of a tuple, lies among the anchors, as the float networks take it:
        float32 [1 or N].
        """
        return (
            torch.cat([*map(self._coordinates, quality)]) if isinstance(quality, tuple) else self._coordinates(quality)
        )

    def _coordinate(self, quality: int) -> torch.Tensor:
        low, part = self.config.position(quality)
        return torch.tensor([low + part / 9900], dtype=torch.float32, device=self.device)

    def bank(self, quality: int) -> int:
        """First row of the z tables for a quality in hundredths: those of the nearest anchor."""
        low, part = self.config.position(quality)
        return (low + (part >= 4950)) * self.config.hyper


_loaded: dict[tuple[str, int, str], Model] = {}
_lock = threading.Lock()


def load(name: str | Path, device: str | torch.device) -> Model:
    """The Model of that name or path on a device, read once per process. Raises UnknownModel, BadWeights."""
    path = path_of(name).absolute()
    key = (str(path), path.stat().st_mtime_ns, str(device))
    with inside(), _lock:
        if key not in _loaded:
            with torch.inference_mode(False):  # whatever a caller is in: `refinement` needs gradients
                _loaded[key] = Model(path.read_bytes(), device)
            _loaded[key].path = path
        return _loaded[key]


def checked(tensors: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors as `load_state_dict` should get them (fp16 widened), where their types are those expected and all
    numbers finite.
    """
    tensors = {k: v.float() if v.dtype == torch.float16 else v for k, v in tensors.items()}
    for name, tensor in tensors.items():
        if name in expected and tensor.dtype != expected[name].dtype:
            raise ValueError(f"{name} is of {tensor.dtype}, not {expected[name].dtype}")
        if tensor.is_floating_point() and not torch.isfinite(tensor.sum()):
            raise ValueError(f"{name} holds numbers that are not finite")
    return tensors


def _check_exact(networks: Networks, config: Config) -> None:
    """Raises BadWeights unless all arithmetic stays exact, of the prior in float32, whatever the input (FORMAT.md,
    "Weight file").
    """
    for fault in faults(networks, config):
        raise BadWeights(f"the weight file does not hold a model: {fault}")
    prior = networks.prior
    for name, layer in prior.named_modules():
        if isinstance(layer, FixedLayer):
            lowest = 0 if name.startswith("network.heads") else LEAST_SHIFT
            if (
                int(layer.bound().max()) >= EXACT
                or int(layer.limit.min()) < 0
                or not lowest <= int(layer.shift.min()) <= int(layer.shift.max()) <= 20
            ):
                raise BadWeights(f"the weight file's layer {name} does not keep its sums exact")
    for name, vector in (("quality_bias", prior.quality_bias), ("phase_bias", prior.network.phase_bias)):
        if vector.double().abs().max() >= EXACT:
            raise BadWeights(f"the weight file's {name} does not keep sums exact")
    for name, most in (("pull", 1), ("thresholds", 2)):
        steps = getattr(networks, name)
        if int(steps.min()) < 0 or int(steps.max()) > most << TARGET:
            raise BadWeights(f"the weight file's {name} are out of range")
    if int(networks.thresholds_channel.double().abs().max()) > LEVELS:
        raise BadWeights("the weight file's thresholds_channel is out of range")
    gains = prior.gain_y, prior.gain_z, networks.thresholds_busyness
    if (
        max(gain.double().abs().max() for gain in gains) > MAX_GAIN << GAIN
        or prior.exp2.min() < 1 << 15
        or prior.exp2.max() > 1 << 16
    ):
        raise BadWeights("the weight file's gains are out of range")


def _tables(name: str, parts: list[NDArray[Any]], rows: int) -> Tables:
    """Tables of rows stored end to end."""
    cdfs, sizes, offsets = parts
    if {part.dtype for part in parts} != {np.dtype(np.int32)}:
        raise ValueError(f"table {name} is not of int32")
    if sizes.shape != (rows,) or sizes.min() < 1 or sizes.sum() != len(cdfs):
        raise ValueError(f"the rows of table {name} do not fill it")
    padded = np.full((len(sizes), sizes.max()), 1 << 16, np.int32)
    padded[np.arange(padded.shape[1]) < sizes[:, None]] = cdfs
    return Tables(padded, sizes, offsets)
