"""The engine in C as an Engine: arrays in, arrays out, one tile at a time; what it has no code for goes to torch."""

import functools

import numpy as np

from ...bitstream.entropy import Tables
from ...errors import BadWeights, Corrupt
from ...loading import loading
from ...model.config import HYPER_STRIDE
from ...model.weights import FOLDER
from ..seam import NO_HALO
from . import library
from .model import FIXED, Model, load


class Latents(np.ndarray):
    """int32 [M, h, w] in 2^-12: of an analysis, or in quantiser steps, where `quality` (in hundredths) is given."""

    quality: int | None = None

    def __array_finalize__(self, source):
        self.quality = getattr(source, "quality", None)


def _latents(array, quality=None):
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
    def opened(cls, name, threads=None):
        """The engine of a model, by name or path. threads: process-wide. Raises Missing, UnknownModel, BadWeights."""
        if threads:
            library.load().aec_threads(threads)
        return cls(load(name))

    def __reduce__(self):
        """Of a model that is installed the name is kept, of another the path."""
        path = self.model.path
        return _unpickled, (path.stem if path.parent == FOLDER else str(path), self.model.id)

    def sibling(self, model):
        return NativeEngine(load(model))

    def together(self, rows, columns):
        return 1

    def blank(self, rows, columns):
        return _latents(np.zeros((rows, columns, self.model.config.latent), np.int32))

    def array(self, latents):
        y = np.asarray(latents, np.float64) / (1 << FIXED)
        if getattr(latents, "quality", None) is not None:
            y *= self.model.reciprocal(latents.quality)[:, None, None]
        return y.astype(np.float32)

    def analyse(self, pixels, quality, halo=NO_HALO):
        return _latents(self.model.analyse(pixels, quality, halo))

    def write(self, latents, qualities, effort=None):
        if effort:
            return self.torch.write([self.array(one) for one in latents], qualities, effort)
        return [self.model.write(_inside(one), quality) for one, quality in zip(latents, qualities, strict=True)]

    def read(self, tiles, rows, columns, qualities):
        found = []
        for tile, quality in zip(tiles, qualities, strict=True):
            try:
                found.append(_latents(self.model.read(tile, rows, columns, quality), quality))
            except Corrupt as error:
                found.append(error)
        return found

    def render(self, latents, qualities, channels, depth, halo=NO_HALO, fast=False):
        pairs = zip(latents, qualities, strict=True)
        return [self.model.render(_inside(one), quality, channels, depth, halo) for one, quality in pairs]

    def bits(self, tile, rows, columns, quality):
        symbols, table, hyper = self.model.symbols(tile, rows, columns, quality)
        y, z = self._tables
        symbols, table = (x[:, :rows, :columns].ravel().astype(np.int64) for x in (symbols, table))
        shape = self.model.config.latent, rows, columns
        spent = np.where(table > 0, y.bits(symbols, table), 0).reshape(shape).sum(0)
        first = self.model.anchor(quality) * len(hyper)
        own = np.repeat(np.arange(first, first + len(hyper)), hyper[0].size)
        share = z.bits(hyper.ravel().astype(np.int64), own).reshape(hyper.shape).sum(0) / HYPER_STRIDE**2
        return spent + share.repeat(HYPER_STRIDE, 0).repeat(HYPER_STRIDE, 1)[:rows, :columns]

    @functools.cached_property
    def _tables(self):
        return [Tables(*self.model.table(name)) for name in "yz"]

    @functools.cached_property
    def torch(self):
        """The engine on torch of the same model, for what only it does. Raises Missing."""
        with loading(of_torch=True):
            from ..torch.engine import TorchEngine

        return TorchEngine.opened(self.model.path, "cpu")


def _unpickled(name, id):
    """Raises UnknownModel, and BadWeights where another model has that name by now."""
    model = load(name)
    if model.id != id:
        raise BadWeights(f"the model {name!r} is {model.id.hex()} here, and {id.hex()} is needed")
    return NativeEngine(model)


def _inside(latents):
    """[h, w, M] in 2^-12 of latents, or of float32 [M, h, w] in the units of `analyse`."""
    if latents.dtype != np.int32:
        latents = np.clip(np.rint(np.asarray(latents, np.float64) * (1 << FIXED)), -(2**31), 2**31 - 1).astype(np.int32)
    return np.asarray(latents).transpose(1, 2, 0)
