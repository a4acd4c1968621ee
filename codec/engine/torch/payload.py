"""A tile's payload: its latents as one rANS stream, both ways; several tiles of one size at once.

`prior` says for every symbol which table row codes it, `entropy` codes it; only integers pass between the two.
"""

import functools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...bitstream.container import DESYNCED, Tile
from ...bitstream.entropy import Decoder, Encoder
from ...bitstream.tables import Tables
from ...errors import Corrupt
from ...model.config import HYPER_STRIDE, MAX_RESIDUAL
from ...model.fixed import HYPER, SAMPLE, TARGET, Hundredths, fixed
from ...model.prior import LATENT, STEPS, gather, place
from ...stages import stage
from .device import CPU, moved
from .model import Model
from .quantiser import dequantised, levels_of, quantised, rebuilt
from .refinement import Fit

MOST_TARGET = 2 * MAX_RESIDUAL << TARGET  # of latents, in quantiser steps of 2^-TARGET


def encode(
    model: Model, y: torch.Tensor, quality: Hundredths, fit: Fit | None = None, hyper_analysis: nn.Module | None = None
) -> list[Tile]:
    """Tiles of latents y [N,M,h,w] at a quality in hundredths, or a tuple of N.

    fit: a `refinement.Fit`, which changes the latents before they are coded; hyper_analysis: one in floats, in place of
    the model's own.
    """
    m, n = model, model.networks
    count, _, h, w = y.shape
    gain, _, gain_z = n.prior.gains(quality)
    with stage("hyper-analysis"):
        if hyper_analysis:
            z = hyper_analysis(y.float()).double()
        y = fixed(y.double() * (1 << SAMPLE))  # a whole number already, if the model's own analysis gave it
        if not hyper_analysis:
            z = n.hyper_analysis(y) * 2.0**-HYPER
        z = fixed(z * gain_z).clamp_(-MAX_RESIDUAL, MAX_RESIDUAL)
    valid = _valid(h, w, y.device)
    high, wide = _padded(h, w)
    target = torch.nn.functional.pad(fixed(y * gain * 2.0 ** (TARGET - SAMPLE)), (0, wide - w, 0, high - h))
    target.clamp_(-MOST_TARGET, MOST_TARGET)
    levels = levels_of(m, target, quality)

    def rounding(target: torch.Tensor, each: Callable[..., None]) -> torch.Tensor:
        """y in 2^-LATENT as a decoder will have it; each(t, coded, all) is told of every step: the symbols that are
        coded, their rows and where those of each tile but the last end; residuals and rows of all."""

        def quantise(t: int, mean: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            where, ends = _coded(rows, valid[t])
            residual = torch.sub(gather(target, t), mean, alpha=1 << TARGET - LATENT)
            wanted, own, at = (x.flatten().index_select(0, where) for x in (residual, rows, gather(levels, t)))
            symbols = quantised(m, wanted, own, at)
            residual = torch.zeros_like(mean).view(-1).index_copy_(0, where, symbols).view(mean.shape)
            each(t, (symbols, own, ends), (residual, rows))
            return residual

        with stage("prior"):
            return n.prior.walk(z, quality, quantise)

    if fit is not None:
        target = _fitted(fit, target, rounding, n.pull)
    encoders = [Encoder() for _ in range(count)]

    def write(symbols: torch.Tensor, rows: NDArray[Any], ends: Any, tables: Tables) -> None:
        parts = [np.split(x, ends) for x in (_flat(symbols), rows)]
        with stage("rANS"):
            for encoder, *own in zip(encoders, *parts):
                encoder.put(*own, tables)

    rows_z = _z_rows(model, z.shape, quality)
    write(z, rows_z, len(rows_z) // count * np.arange(1, count), m.tables_z)
    decoded = rounding(target, lambda t, coded, _: write(coded[0], _flat(coded[1]), coded[2], m.tables_y))
    return _finished(encoders, z, decoded)


def _fitted(fit: Fit, target: torch.Tensor, rounding: Callable[..., torch.Tensor], pull: torch.Tensor) -> torch.Tensor:
    """The target that a Fit makes of one [N,M,high,wide]; rounding: as in `encode`."""
    residuals, rows = (
        torch.empty(target.shape, dtype=dtype, device=target.device) for dtype in (torch.float64, torch.int32)
    )

    def keep(t: int, _: Any, step: Iterable[torch.Tensor]) -> None:
        for whole, part in zip((residuals, rows), step):
            place(whole, t, part)

    unit = 2.0**-TARGET

    def requantised(wanted: torch.Tensor) -> torch.Tensor:
        y = rounding(fixed(wanted.double() / unit), keep)
        return rebuilt(pull, y, residuals, rows).mul_(unit).float()

    wanted = fit(target.mul(unit).float(), requantised)
    return fixed(wanted.double() / unit).clamp_(-MOST_TARGET, MOST_TARGET)


def _finished(encoders: list[Encoder], z: torch.Tensor, decoded: torch.Tensor) -> list[Tile]:
    """The Tiles of encoders that were given symbols z [N,...] and y, which decodes to these [N,...] in 2^-LATENT."""
    with stage("rANS"):
        payloads = [encoder.finish() for encoder in encoders]
    return [Tile(payload, _checksum(*own)) for payload, *own in zip(payloads, z, decoded)]


def compose(
    model: Model,
    h: int,
    w: int,
    quality: int,
    choose: Callable[[Tables, NDArray[Any]], NDArray[Any]],
    z: torch.Tensor | None = None,
) -> Tile:
    """The Tile of h x w positions whose symbols a function chooses: choose(tables, rows [n]) -> int32 [n], first for z
    unless that is given, then for y in four steps, each given what was chosen before.

    z: symbols as `read` gives them, float64 [1,Nz,...].
    """
    m = model
    high, wide = _padded(h, w)
    shape = (1, m.config.hyper, high // HYPER_STRIDE, wide // HYPER_STRIDE)
    rows_z, valid = _z_rows(m, shape, quality), _valid(h, w, m.device)
    if z is None:
        z = torch.from_numpy(choose(m.tables_z, rows_z)).double().to(m.device).view(shape)
    encoder = Encoder()
    encoder.put(_flat(z), rows_z, m.tables_z)

    def choosing(t: int, mean: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        residual = torch.zeros_like(mean)
        where, _ = _coded(rows, valid[t])
        own = _flat(rows.flatten().index_select(0, where))
        symbols = choose(m.tables_y, own)
        encoder.put(symbols, own, m.tables_y)
        residual.view(-1).index_copy_(0, where, torch.from_numpy(symbols).double().to(m.device))
        return residual

    decoded = m.networks.prior.walk(z, quality, choosing)
    return _finished([encoder], z, decoded)[0]


def decode(
    model: Model, tiles: Sequence[Tile], h: int, w: int, quality: Hundredths, refused: dict[int, Corrupt] | None = None
) -> torch.Tensor:
    """Dequantised y [N,M,h,w] of N tiles of h x w positions each, float64, which holds all of its bits; `quality` as
    for `encode`, `refused` as for `read`.
    """
    n = model.networks
    _, symbols, decoded, rows = read(model, tiles, h, w, quality, refused)
    return dequantised(model, rebuilt(n.pull, decoded, symbols, rows)[:, :, :h, :w], quality)


def read(
    model: Model, tiles: Sequence[Tile], h: int, w: int, quality: Hundredths, refused: dict[int, Corrupt] | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """z symbols, y symbols, y in 2^-LATENT and its table rows, all [N,...] on the padded grid of N tiles of one size.

    refused: a dict, which collects the Corrupt of each tile, by its number, that cannot be decoded; without one it is
    raised.
    """
    m, n = model, model.networks
    count, (high, wide) = len(tiles), _padded(h, w)
    shape = (count, m.config.hyper, high // HYPER_STRIDE, wide // HYPER_STRIDE)
    refused, collecting = {} if refused is None else refused, refused is not None

    @contextmanager
    def tile(i: int) -> Iterator[None]:
        try:
            yield
        except Corrupt as error:
            if not collecting:
                raise
            refused[i] = error

    def get(rows: NDArray[Any], ends: Any, tables: Tables) -> torch.Tensor:
        """Symbols float64 under rows [n], those of tile i up to ends[i]; zeros for tiles refused."""
        symbols = np.zeros(len(rows), np.int32)
        with stage("rANS"):
            for i, (own, into) in enumerate(zip(np.split(rows, ends), np.split(symbols, ends))):
                if i not in refused:
                    with tile(i):
                        into[:] = _bounded(decoders[i].get(own, tables))
        return moved(torch.from_numpy(symbols).double(), m.device)

    decoders: dict[int, Decoder] = {}
    with stage("rANS"):
        for i in range(count):
            with tile(i):
                decoders[i] = Decoder(tiles[i].payload, m.config.hyper * shape[2] * shape[3] + m.config.latent * h * w)
    rows_z = _z_rows(model, shape, quality)
    z = get(rows_z, len(rows_z) // count * np.arange(1, count), m.tables_z).view(shape)
    valid = _valid(h, w, m.device)
    symbols, y_rows = (
        torch.empty(count, m.config.latent, high, wide, dtype=dtype, device=m.device)
        for dtype in (torch.float64, torch.int32)
    )

    def reading(t: int, mean: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        residual = torch.zeros(mean.shape, dtype=mean.dtype, device=mean.device)
        where, ends = _coded(rows, valid[t])
        residual.view(-1).index_copy_(0, where, get(_flat(rows.flatten().index_select(0, where)), ends, m.tables_y))
        place(symbols, t, residual)
        place(y_rows, t, rows)
        return residual

    with stage("prior"):
        decoded = n.prior.walk(z, quality, reading)
    for i, own in enumerate(zip(z, decoded)):
        if i not in refused:
            with tile(i):
                with stage("rANS"):
                    decoders[i].finish()
                if _checksum(*own) != tiles[i].symbols_crc:
                    raise Corrupt(DESYNCED)
    return z, symbols, decoded, y_rows


def _coded(rows: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, Any]:
    """Which of the symbols with these rows [N,...] are coded, as places in all of them, and where those of each tile
    but the last end.
    """
    coded = (rows > 0) & valid
    where = coded.flatten().nonzero()[:, 0]
    return where, np.cumsum(_flat(coded.flatten(1).sum(1)))[:-1] if len(coded) > 1 else []


def bits(model: Model, tile: Tile, h: int, w: int, quality: int) -> NDArray[Any]:
    """Where a tile spends its bits, by the model's tables: float64 [h,w]; those of z are spread over the 4x4 positions
    each of its symbols serves.
    """
    z, symbols, _, rows = read(model, [tile], h, w, quality)
    symbols, rows = symbols[0, :, :h, :w], rows[0, :, :h, :w]
    each = np.where(_flat(rows) > 0, model.tables_y.bits(_flat(symbols), _flat(rows)), 0)
    spent: NDArray[np.float64] = each.reshape(symbols.shape).sum(0)
    hyper = model.tables_z.bits(_flat(z), _z_rows(model, z.shape, quality)).reshape(z.shape[1:]).sum(0)
    share = hyper / HYPER_STRIDE**2
    spent += share.repeat(HYPER_STRIDE, 0).repeat(HYPER_STRIDE, 1)[:h, :w]
    return spent


def _z_rows(model: Model, shape: Sequence[int], quality: Hundredths) -> NDArray[Any]:
    count, channels, h, w = shape
    qualities = quality if isinstance(quality, tuple) else (quality,) * count
    return np.concatenate(
        [np.repeat(np.arange(channels, dtype=np.int32) + model.bank(one), h * w) for one in qualities]
    )


@functools.lru_cache(16)
def _valid(h: int, w: int, device: torch.device) -> list[torch.Tensor]:
    """Per step, which symbols [1,4,1,h/2,w/2] lie inside the tile; the rest of the padded grid is not coded."""
    high, wide = _padded(h, w)
    inside = torch.zeros(1, 4, high, wide, dtype=torch.bool, device=device)
    inside[:, :, :h, :w] = True
    return [gather(inside, t) for t in range(STEPS)]


def _padded(h: int, w: int) -> tuple[int, int]:
    """Latent positions of a tile rounded up to whole hyper-latent positions."""
    return -(-h // HYPER_STRIDE) * HYPER_STRIDE, -(-w // HYPER_STRIDE) * HYPER_STRIDE


def _flat(x: torch.Tensor) -> NDArray[Any]:
    return moved(x.flatten(), CPU).numpy().astype(np.int32, copy=False)


def _bounded(symbols: NDArray[Any]) -> NDArray[Any]:
    if len(symbols) and (symbols.max() > MAX_RESIDUAL or symbols.min() < -MAX_RESIDUAL):
        raise Corrupt(f"the tile holds a symbol beyond ±{MAX_RESIDUAL}")
    return symbols


def _checksum(z: torch.Tensor, y: torch.Tensor) -> int:
    """CRC-32 of z symbols and y in 2^-LATENT steps, both int32 little-endian: means count too, so that any inexactness
    shows.
    """

    def whole(x: torch.Tensor) -> NDArray[np.int32]:
        return np.ascontiguousarray(moved(x, CPU).numpy().astype("<i4"))

    return zlib.crc32(whole(y).data, zlib.crc32(whole(z).data))
