"""A tile's payload: its latents as one rANS stream, both ways. Between the transforms, which `pipeline` runs, and the bytes of `container`.

`prior` says for every symbol which table row codes it, `entropy` codes it; only integers pass between the two.
"""
import functools
import zlib

import numpy as np
import torch

from .container import Tile
from .entropy import Decoder, Encoder
from .errors import Corrupt
from .networks import HYPER_STRIDE
from .prior import LATENT, MAX_RESIDUAL, STEPS, gather, place


def encode(model, y, quality):
    """Tile of latents y [1,M,h,w] at a quality in hundredths."""
    m, n = model, model.networks
    h, w = y.shape[2:]
    gain, _, gain_z = n.prior.gains(quality)
    z = torch.round(n.hyper_analysis(y).double() * gain_z).clamp(-MAX_RESIDUAL, MAX_RESIDUAL)
    encoder = Encoder()
    encoder.put(_flat(z), _z_rows(model, z.shape, quality), m.tables_z)
    valid = _valid(h, w, y.device)
    target = torch.zeros(1, y.shape[1], *_padded(h, w), dtype=torch.float64, device=y.device)
    torch.mul(y, gain, out=target[:, :, :h, :w])

    def quantise(t, mean, rows):
        residual = torch.zeros(mean.shape, dtype=mean.dtype, device=mean.device)
        where = ((rows > 0) & valid[t]).flatten().nonzero()[:, 0]
        rows = rows.flatten()[where]
        residuals = gather(target, t).flatten()[where].sub_(mean.flatten()[where], alpha=2.0**-LATENT)
        one, more = m.thresholds[rows].unbind(-1)
        size = residuals.abs()
        size = torch.where(size >= 1 + more, (size + 1).sub_(more).floor_(), (size >= one).double())
        symbols = residuals.sign_().mul_(size).clamp_(-MAX_RESIDUAL, MAX_RESIDUAL)
        encoder.put(_flat(symbols), _flat(rows), m.tables_y)
        residual.view(-1)[where] = symbols
        return residual

    decoded, _ = n.prior.walk(z, quality, quantise)
    return Tile(encoder.finish(), _checksum(z, decoded))


def decode(model, tile, h, w, quality):
    """Dequantised y [1,M,h,w] of a tile of h x w positions. Raises Corrupt."""
    n = model.networks
    _, symbols, decoded, rows = read(model, tile, h, w, quality)
    _, reciprocal, _ = n.prior.gains(quality)
    y = decoded.mul_(2.0**-LATENT).float()
    where = symbols.view(-1).nonzero()[:, 0]
    y.view(-1)[where] -= symbols.view(-1)[where].sign().float() * n.pull[rows.view(-1)[where]]
    return y.mul_(reciprocal.float())[:, :, :h, :w].contiguous(memory_format=torch.channels_last)


def read(model, tile, h, w, quality):
    """z symbols, y symbols, y in 2^-LATENT and its table rows, on the padded grid of a tile. Raises Corrupt."""
    m, n = model, model.networks
    high, wide = _padded(h, w)
    shape = (1, m.config.hyper, high // HYPER_STRIDE, wide // HYPER_STRIDE)
    decoder = Decoder(tile.payload, m.config.hyper * shape[2] * shape[3] + m.config.latent * h * w)
    get = lambda rows, tables: _bounded(decoder.get(rows, tables))
    z = torch.from_numpy(get(_z_rows(model, shape, quality), m.tables_z)).double().to(m.device).view(shape)
    valid = _valid(h, w, m.device)
    symbols = torch.zeros(1, m.config.latent, high, wide, dtype=torch.float64, device=m.device)

    def reading(t, mean, rows):
        residual = torch.zeros(mean.shape, dtype=mean.dtype, device=mean.device)
        where = ((rows > 0) & valid[t]).flatten().nonzero()[:, 0]
        residual.view(-1)[where] = torch.from_numpy(get(_flat(rows.flatten()[where]), m.tables_y)).double().to(m.device)
        place(symbols, t, residual)
        return residual

    decoded, rows = n.prior.walk(z, quality, reading)
    decoder.finish()
    if _checksum(z, decoded) != tile.symbols_crc:
        raise Corrupt("the decoded symbols do not match their checksum: the file is damaged or this machine computes otherwise")
    return z, symbols, decoded, rows


def bits(model, tile, h, w, quality):
    """Where a tile spends its bits, by the model's tables: float64 [h,w]; those of z are spread over the 4x4 positions each of its symbols serves."""
    z, symbols, _, rows = read(model, tile, h, w, quality)
    symbols, rows = symbols[0, :, :h, :w], rows[0, :, :h, :w]
    spent = np.where(_flat(rows) > 0, model.tables_y.bits(_flat(symbols), _flat(rows)), 0).reshape(symbols.shape).sum(0)
    hyper = model.tables_z.bits(_flat(z), _z_rows(model, z.shape, quality)).reshape(z.shape[1:]).sum(0) / HYPER_STRIDE**2
    return spent + hyper.repeat(HYPER_STRIDE, 0).repeat(HYPER_STRIDE, 1)[:h, :w]


def _z_rows(model, shape, quality):
    _, channels, h, w = shape
    return np.repeat(np.arange(channels, dtype=np.int32) + model.bank(quality), h * w)


@functools.lru_cache(16)
def _valid(h, w, device):
    """Per step, which symbols [1,4,1,h/2,w/2] lie inside the tile; the rest of the padded grid is not coded."""
    high, wide = _padded(h, w)
    inside = torch.zeros(1, 4, high, wide, dtype=torch.bool, device=device)
    inside[:, :, :h, :w] = True
    return [gather(inside, t) for t in range(STEPS)]


def _padded(h, w):
    """Latent positions of a tile rounded up to whole hyper-latent positions."""
    return -(-h // HYPER_STRIDE) * HYPER_STRIDE, -(-w // HYPER_STRIDE) * HYPER_STRIDE


def _flat(x):
    return x.flatten().cpu().numpy().astype(np.int32)


def _bounded(symbols):
    if len(symbols) and np.abs(symbols).max() > MAX_RESIDUAL:
        raise Corrupt(f"the tile holds a symbol beyond ±{MAX_RESIDUAL}")
    return symbols


def _checksum(z, y):
    """CRC-32 of z symbols and y in 2^-LATENT steps, both int32 little-endian: means count too, so that any inexactness shows."""
    as_bytes = lambda x: np.ascontiguousarray(x.cpu().numpy().astype("<i4"))
    return zlib.crc32(as_bytes(y), zlib.crc32(as_bytes(z)))
