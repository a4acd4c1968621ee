"""The engine in C as an Engine: arrays in, arrays out, one tile at a time; what it has no code for goes to torch."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bitstream.container import Tile
from ...bitstream.tables import Tables
from ...coding.tiles import Halo
from ...errors import Corrupt
from ...loading import loading
from ...model.config import HYPER_STRIDE
from ...model.weights import check_id, shortest
from ...stages import stage
from .. import seam
from ..seam import NO_HALO
from . import library
from .model import FIXED, Model, load

if TYPE_CHECKING:
    from ..torch.engine import TorchEngine


class Latents(np.ndarray[Any, np.dtype[Any]]):
    """int32 [M, h, w] in 2^-12: of an analysis, or in quantiser steps, where `quality` (in hundredths) is given."""

    quality: int | None = None

    def __array_finalize__(self, source: Any) -> None:
        self.quality = getattr(source, "quality", None)


def _latents(array: NDArray[Any], quality: int | None = None) -> Latents:
    """Latents of an array [h, w, M]."""
    found = array.transpose(2, 0, 1).view(Latents)
    found.quality = quality
    return found


class NativeEngine:
    """An Engine. Its latents are `Latents`; its device is always the processor."""

    device = "cpu"

    def __init__(self, model: Model):
        self.model = model

    @classmethod
    def opened(cls, name: str | Path, threads: int | None = None) -> "NativeEngine":
        """The engine of a model, by name or path. threads: process-wide. Raises Missing, UnknownModel, BadWeights."""
        if threads:
            library.load().aec_threads(threads)
        return cls(load(name))

    def __reduce__(self) -> tuple[Any, ...]:
        """Of a model that is installed the name is kept, of another the path."""
        path = self.model.path
        return _unpickled, (shortest(path), self.model.id)

    def sibling(self, model: str) -> "NativeEngine":
        return NativeEngine(load(model))

    def together(self, rows: int, columns: int) -> int:
        return 1

    def blank(self, rows: int, columns: int) -> Latents:
        return _latents(np.zeros((rows, columns, self.model.config.latent), np.int32))

    def array(self, latents: Any) -> NDArray[Any]:
        y = np.asarray(latents, np.float64) / (1 << FIXED)
        if getattr(latents, "quality", None) is not None:
            y *= self.model.reciprocal(latents.quality)[:, None, None]
        return y.astype(np.float32)

    def analyse(self, pixels: NDArray[Any], quality: int, halo: Halo = NO_HALO) -> Latents:
        with stage("analysis"):
            return _latents(self.model.analyse(pixels, quality, halo))

    def write(
        self, latents: Sequence[seam.Latents], qualities: Sequence[int], effort: seam.Effort | None = None
    ) -> list[Tile]:
        if effort:
            return self.torch.write([self.array(one) for one in latents], qualities, effort)
        with stage("latents"):
            return [self.model.write(_inside(one), quality) for one, quality in zip(latents, qualities, strict=True)]

    def read(
        self, tiles: Sequence[Tile], rows: int, columns: int, qualities: Sequence[int]
    ) -> list[seam.Latents | Corrupt]:
        found: list[seam.Latents | Corrupt] = []
        for tile, quality in zip(tiles, qualities, strict=True):
            try:
                with stage("latents"):
                    found.append(_latents(self.model.read(tile, rows, columns, quality), quality))
            except Corrupt as error:
                found.append(error)
        return found

    def peek(self, start: bytes, rows: int, columns: int, quality: int) -> tuple[seam.Latents, int]:
        with stage("latents"):
            latents, reached, _ = self.model.peek(start, rows, columns, quality)
            return _latents(latents, quality), reached

    def render(
        self,
        latents: Sequence[seam.Latents],
        qualities: Sequence[int],
        channels: int,
        depth: int,
        halo: Halo = NO_HALO,
        fast: bool = False,
    ) -> list[NDArray[Any]]:
        pairs = zip(latents, qualities, strict=True)
        with stage("synthesis"):
            return [self.model.render(_inside(one), quality, channels, depth, halo) for one, quality in pairs]

    def bits(self, tile: Tile, rows: int, columns: int, quality: int) -> NDArray[Any]:
        symbols, table, hyper = self.model.symbols(tile, rows, columns, quality)
        y, z = self._tables
        symbols, table = (x[:, :rows, :columns].ravel().astype(np.int64) for x in (symbols, table))
        shape = self.model.config.latent, rows, columns
        spent: NDArray[np.float64] = np.where(table > 0, y.bits(symbols, table), 0).reshape(shape).sum(0)
        first = self.model.anchor(quality) * len(hyper)
        own = np.repeat(np.arange(first, first + len(hyper)), hyper[0].size)
        share = z.bits(hyper.ravel().astype(np.int64), own).reshape(hyper.shape).sum(0) / HYPER_STRIDE**2
        spent += share.repeat(HYPER_STRIDE, 0).repeat(HYPER_STRIDE, 1)[:rows, :columns]
        return spent

    @functools.cached_property
    def _tables(self) -> list[Tables]:
        return [Tables(*self.model.table(name)) for name in "yz"]

    @functools.cached_property
    def torch(self) -> "TorchEngine":
        """The engine on torch of the same model, for what only it does. Raises Missing."""
        with loading(of_torch=True):
            from ..torch.engine import TorchEngine

        return TorchEngine.opened(self.model.path, "cpu")


def _unpickled(name: str | Path, id: bytes) -> NativeEngine:
    """Raises UnknownModel, and BadWeights where another model has that name by now."""
    model = load(name)
    check_id(name, model.id, id)
    return NativeEngine(model)


def _inside(latents: Any) -> NDArray[Any]:
    """[h, w, M] in 2^-12 of latents, or of float32 [M, h, w] in the units of `analyse`."""
    if latents.dtype != np.int32:
        latents = np.clip(np.rint(np.asarray(latents, np.float64) * (1 << FIXED)), -(2**31), 2**31 - 1).astype(np.int32)
    return np.asarray(latents).transpose(1, 2, 0)
