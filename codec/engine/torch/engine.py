"""The engine on torch, on a processor or a GPU: batches of tiles, what of them fits into memory, and the short cuts
that a device has.
"""

import copy
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...bitstream.container import Tile
from ...bitstream.tables import Tables
from ...coding import tiles
from ...coding.tiles import Halo
from ...errors import Corrupt
from ...model.config import STRIDE
from ...model.fixed import PIXEL, SAMPLE, Hundredths
from ...model.weights import check_id, shortest
from ...stages import stage
from ..seam import NO_HALO, Effort
from . import payload, quantiser, samples
from .device import CPU, device_of, has_bfloat16, inference, moved
from .forking import set_threads
from .memory import spilling
from .model import Model, load
from .refinement import Fit

# Of latents that are worked on at once: those of one large tile, whose memory is the measure of all.
POSITIONS = tiles.LATENTS**2
MOST = 64  # tiles at once, beyond which there is little to gain


class TorchEngine:
    """An Engine. Its latents are tensors [M, h, w] on its device, in channels_last memory, float64 where they must keep
    every bit.

    Args: model: a `model.Model`; analysis, hyper_analysis: networks in floats to encode with, in place of the model's
    own, which are exact.
    """

    def __init__(self, model: Model, analysis: nn.Module | None = None, hyper_analysis: nn.Module | None = None):
        self.model, self.device = model, model.device
        self._analysis, self._hyper_analysis = analysis, hyper_analysis
        self._asked: tuple[str, int | None] = str(self.device), None

    @classmethod
    def opened(cls, name: str | Path, device: str = "auto", threads: int | None = None) -> "TorchEngine":
        """As `engine.opened`."""
        if threads:
            set_threads(threads)
        engine = cls(load(name, device_of(device)))
        engine._asked = device, threads
        return engine

    def __reduce__(self) -> tuple[Any, ...]:
        """Of a model that is installed the name is kept, of another the path; what is of this engine alone, whole."""
        path = self.model.path
        networks = self._analysis, self._hyper_analysis
        return _unpickled, (shortest(path), self.model.id, *self._asked, *networks)

    @property
    def torch(self) -> "TorchEngine":
        """This engine, as that of any other is the one on torch of its model."""
        return self

    def sibling(self, model: str) -> "TorchEngine":
        return TorchEngine(load(model, self.device))

    def spare(self) -> "TorchEngine":
        """The same engine on the processor, for when memory runs out."""
        networks = (n and copy.deepcopy(n).to(CPU) for n in (self._analysis, self._hyper_analysis))
        return TorchEngine(load(self.model.path, CPU), *networks)

    def together(self, rows: int, columns: int) -> int:
        return max(1, min(MOST, POSITIONS // (rows * columns)))

    def blank(self, rows: int, columns: int) -> Tensor:
        shape = 1, self.model.config.latent, rows, columns
        return torch.zeros(shape, dtype=torch.float64, device=self.device).to(memory_format=torch.channels_last)[0]

    def array(self, latents: Any) -> NDArray[Any]:
        return moved(latents, CPU).float().numpy()

    def analyse(self, pixels: NDArray[Any], quality: int, halo: Halo = NO_HALO) -> Any:
        top, bottom, left, right = halo
        width = pixels.shape[1] // STRIDE - left - right
        if width <= tiles.LATENTS:
            return self._analysed(pixels, quality, halo)
        with suppress(torch.OutOfMemoryError):
            return self._transformed(pixels, quality, halo)
        torch.cuda.empty_cache()  # for the tiles one by one
        reach, parts = tiles.analysis_halo(self.model.config), []
        for start in range(0, width, tiles.LATENTS):
            stop = min(start + tiles.LATENTS, width)
            before, after = min(reach, left + start), min(reach, right + width - stop)
            part = pixels[:, (left + start - before) * STRIDE : (left + stop + after) * STRIDE]
            parts.append(self._analysed(part, quality, (top, bottom, before, after)))
        return torch.cat(parts, 2)

    def _transformed(self, pixels: NDArray[Any], quality: Hundredths, halo: Halo) -> Tensor:
        """`analyse` at one go."""
        most = np.iinfo(pixels.dtype).max
        latents: Tensor
        with inference(self.model.networks):
            # int32 is what torch knows 16 bits as; the memory is channels_last by construction.
            x = moved(torch.from_numpy(pixels.astype(np.int32)), self.device).permute(2, 0, 1)[None]
            with stage("analysis"):
                if not self._analysis:
                    x = samples.taken(x, most).expand(1, 3, -1, -1)
                    latents = self.model.networks.analysis(x, self.model.at(quality), halo=halo)[0] * 2.0**-SAMPLE
                else:
                    x, half = x.float().mul_(1 / most).sub_(0.5).expand(1, 3, -1, -1), has_bfloat16(self.device)
                    latents = self._analysis(x, self.model.coordinate(quality), half, halo)[0]
        return latents

    _analysed = spilling(_transformed)

    def write(self, latents: Sequence[Any], qualities: Sequence[int], effort: Effort | None = None) -> list[Tile]:
        step, found = self.together(*latents[0].shape[1:]), []
        for start in range(0, len(latents), step):
            part = slice(start, start + step)
            samples = effort and effort.samples[part]
            margin = effort.margin if effort else NO_HALO
            found += self._written(
                latents[part], _quality(qualities[part]), effort.passes if effort else 0, samples, margin
            )
        return found

    @spilling
    def _written(
        self, latents: Sequence[Any], quality: Hundredths, passes: int, samples: Any, margin: Halo
    ) -> list[Tile]:
        with inference(self.model.networks):
            y = _batch([self._tensor(one) for one in latents])
            if not passes:
                return payload.encode(self.model, y, quality, hyper_analysis=self._hyper_analysis)
            top, bottom, left, right = margin
            inner = y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]
            fit = Fit(self.model, quality, passes, samples, y, margin)
            return payload.encode(self.model, inner, quality, fit, self._hyper_analysis)

    def read(self, tiles: Sequence[Tile], rows: int, columns: int, qualities: Sequence[int]) -> list[Any]:
        step, found = self.together(rows, columns), []
        for start in range(0, len(tiles), step):
            part = slice(start, start + step)
            found += self._read(tiles[part], rows, columns, _quality(qualities[part]))
        return found

    def peek(self, start: bytes, rows: int, columns: int, quality: int) -> tuple[Any, int]:
        """By the native engine: CompressAI's coder does not say where its data end."""
        from ..native.model import load as native

        steps, reached, _ = native(self.model.path).peek(start, rows, columns, quality)
        with inference(self.model.networks):
            y = moved(torch.from_numpy(steps).double(), self.device).permute(2, 0, 1)
            return quantiser.dequantised(self.model, y[None], quality)[0], reached

    @spilling
    def _read(self, tiles: Sequence[Tile], rows: int, columns: int, quality: Hundredths) -> list[Any]:
        refused: dict[int, Corrupt] | None = {} if len(tiles) > 1 else None  # a bad tile that is alone costs nothing
        try:
            with inference(self.model.networks):
                y = payload.decode(self.model, tiles, rows, columns, quality, refused)
        except Corrupt as error:
            return [error]
        return [refused[i] if refused and i in refused else one for i, one in enumerate(y)]

    def render(
        self,
        latents: Sequence[Any],
        qualities: Sequence[int],
        channels: int,
        depth: int,
        halo: Halo = NO_HALO,
        fast: bool = False,
    ) -> list[NDArray[Any]]:
        step, found = self.together(*latents[0].shape[1:]), []
        for start in range(0, len(latents), step):
            part = slice(start, start + step)
            found += self._rendered(latents[part], _quality(qualities[part]), channels, depth, halo, fast)
        return found

    @spilling
    def _rendered(
        self, latents: Sequence[Any], quality: Hundredths, channels: int, depth: int, halo: Halo, fast: bool
    ) -> list[NDArray[Any]]:
        with inference(self.model.networks):
            y = _batch([self._tensor(one) for one in latents])
            with stage("synthesis"):
                if fast:
                    half = has_bfloat16(self.device)
                    p = self.model.floats.synthesis(y.float(), self.model.coordinate(quality), half, halo=halo)
                    p = p.double().mul_(1 << PIXEL).round_()
                else:
                    p = self.model.networks.synthesis(
                        quantiser.steps(self.model, y, quality), self.model.at(quality), halo=halo
                    )
            x = samples.given(p, channels, depth)
            # numpy makes 16 bits of it, which torch hardly knows.
            found = moved(x.to(torch.uint8) if depth == 8 else x, CPU).numpy()
            return list(found.astype(f"u{depth // 8}", copy=False))

    def bits(self, tile: Tile, rows: int, columns: int, quality: int) -> NDArray[Any]:
        with inference(self.model.networks):
            return payload.bits(self.model, tile, rows, columns, quality)

    def compose(
        self,
        rows: int,
        columns: int,
        quality: int,
        choose: Callable[[Tables, NDArray[Any]], NDArray[Any]],
        like: Tile | None = None,
    ) -> Tile:
        """The Tile whose symbols a function chooses, as `payload.compose` says; like: a tile of that size whose
        hyper-latent is kept.
        """
        with inference(self.model.networks):
            z = payload.read(self.model, [like], rows, columns, quality)[0] if like else None
            return payload.compose(self.model, rows, columns, quality, choose, z)

    def _tensor(self, latents: Any) -> Tensor:
        """Latents of this engine, wherever they lie, or an array, on its device."""
        return moved(torch.as_tensor(latents), self.device)


def _unpickled(
    name: str | Path, id: bytes, device: str, threads: int | None, *networks: nn.Module | None
) -> TorchEngine:
    """Raises UnknownModel, and BadWeights where another model has that name by now."""
    engine = TorchEngine.opened(name, device, threads)
    check_id(name, engine.model.id, id)
    return TorchEngine(engine.model, *networks) if any(networks) else engine


def _batch(latents: Sequence[Tensor]) -> Tensor:
    """[N,M,h,w] in channels_last memory of N latents [M,h,w]."""
    lines = [one.permute(1, 2, 0)[None] for one in latents]
    return (torch.cat(lines) if len(lines) > 1 else lines[0]).permute(0, 3, 1, 2)


def _quality(qualities: Sequence[int]) -> Hundredths:
    """As the networks take them: one for all, or a tuple."""
    return tuple(qualities) if len(set(qualities)) > 1 else qualities[0]
