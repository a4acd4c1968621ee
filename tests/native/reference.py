"""The codec of one tile in plain numpy, written from FORMAT.md: the oracle of the native engine. Slow, and exact: every
number is int64. Arrays are [channel, row, column].
"""

import zlib

import numpy as np

from codec.bitstream.entropy import Decoder, Encoder
from codec.bitstream.tables import Tables

PHASE = (0, 3, 1, 2)


def rounded(x, bits):
    """r(x / 2^bits), exact for any bits."""
    return (x << -bits) if bits <= 0 else (x + (1 << bits - 1)) >> bits


def shuffled(x, n):
    channels, h, w = x.shape
    x = x.reshape(n, n, channels // n**2, h, w).transpose(2, 3, 0, 4, 1)
    return x.reshape(channels // n**2, n * h, n * w)


def unshuffled(x, n):
    channels, h, w = x.shape
    return x.reshape(channels, h // n, n, w // n, n).transpose(2, 4, 0, 1, 3).reshape(-1, h // n, w // n)


class Reference:
    """`config` and `tensors` of a weight file."""

    def __init__(self, config, tensors):
        self.config = config
        self.tensors = {name: array.astype(np.int64) for name, array in tensors.items()}
        self.tables = {name: self._table(name) for name in "yz"}

    def _table(self, name):
        cdfs, sizes, offsets = (self.tensors[f"table.{name}.{part}"] for part in ("cdfs", "sizes", "offsets"))
        padded = np.full((len(sizes), sizes.max()), 65536)
        padded[np.arange(sizes.max()) < sizes[:, None]] = cdfs
        return Tables(padded, sizes, offsets)

    def between(self, name, quality):
        """The vector of a quality, and the nearest anchor."""
        last = self.config.anchors - 1
        low, part = divmod((quality - 100) * last, 9900)
        low, part = (low, part) if low < last else (last - 1, 9900)
        table = self.tensors[name]
        return (table[low] * (9900 - part) + table[low + 1] * part + 4950) // 9900, low + (part >= 4950)

    def scaled(self, x, log2, bits=0):
        """r(x * pow(log2) * 2^bits) of x [C, ...], in Python's integers."""
        exp2, out = self.tensors["prior.exp2"].tolist(), np.empty(x.shape, object)
        for c, v in enumerate(log2.tolist()):
            out[c] = rounded(x[c].astype(object) * exp2[v % 1024], 15 - v // 1024 - bits)
        return out

    def layer(self, name, x, stride=1, leaky=False):
        t = {part: self.tensors.get(f"{name}.{part}") for part in ("weight", "bias", "shift", "limit", "cut")}
        x = np.clip(
            x if t["cut"] is None else rounded(x, int(t["cut"][0])), *(s * t["limit"][:, None, None] for s in (-1, 1))
        )
        outputs, _, kernel, _ = t["weight"].shape
        _, h, w = x.shape
        x = np.pad(x, ((0, 0), (kernel // 2,) * 2, (kernel // 2,) * 2))
        total = np.zeros((outputs, -(-h // stride), -(-w // stride)), np.int64) + t["bias"][:, None, None]
        for i in range(kernel):
            for j in range(kernel):
                part = x[:, i : i + h : stride, j : j + w : stride]
                total += np.einsum("oc,chw->ohw", t["weight"][:, :, i, j], part)
        shift = np.broadcast_to(t["shift"][:, None, None], total.shape)
        less = np.where(total < 0, 3, 0) if leaky else 0
        half = np.where(shift + less > 0, 1 << np.maximum(shift + less - 1, 0), 0)
        return (total + half) >> (shift + less)

    def leaky(self, x, m=None, n=3277):
        x = np.clip(x, -32768, 32767)
        return np.where(x < 0, (x * n + (1 << 14)) >> 15, x if m is None else (x * m + (1 << 14)) >> 15)

    def block(self, name, x, quality):
        log2, _ = self.between(f"{name}.gain.log2", quality)
        one = np.ones((len(log2), 1), np.int64)
        m = np.minimum(32767, self.scaled(one, log2, 15).astype(np.int64))[:, :, None]
        return x + self.layer(f"{name}.b", self.leaky(self.layer(f"{name}.a", x), m, (m * 3277 + (1 << 14)) >> 15))

    def analyse(self, pixels, quality):
        """Latents [M, h, w] of samples [16h, 16w, 1 or 3]."""
        most = np.iinfo(pixels.dtype).max
        x = (pixels.astype(np.int64) * 2**13 + most) // (2 * most) - 2**11
        x = np.broadcast_to(x, (*x.shape[:2], 3)).transpose(2, 0, 1)
        t = self.layer("analysis.first", unshuffled(x, 8))
        for s in range(self.config.analysis_blocks):
            t = self.block(f"analysis.blocks.{s}", t, quality)
        t = self.block("analysis.last_block", self.layer("analysis.down", t, 2), quality)
        return self.layer("analysis.last", t) + self.layer("analysis.linear", unshuffled(x, 16))

    def render(self, latents, quality, channels, depth):
        """Samples [16h, 16w, channels] of latents [M, h, w] in 2^-12 quantiser steps."""
        log2, _ = self.between("synthesis.gain.log2", quality)
        u = np.clip(self.scaled(latents, log2, -12), -32767, 32767).astype(np.int64)
        x = self.block("synthesis.first_block", self.layer("synthesis.first", u), quality)
        x = shuffled(self.layer("synthesis.up8", x), 2)
        for s in range(self.config.synthesis_blocks):
            x = self.block(f"synthesis.blocks.{s}", x, quality)
        x = self.block("synthesis.render", shuffled(self.layer("synthesis.up4", x), 2), quality)
        p = shuffled(self.layer("synthesis.last", x), 4) + shuffled(self.layer("synthesis.linear", u), 16)
        p, times = (p.sum(0, keepdims=True), 3) if channels == 1 else (p, 1)
        top = (2**depth - 1) // times
        x = (np.clip(p + times * 2**19, 0, times * 2**20) * top + 2**19) >> 20
        return x.transpose(1, 2, 0).astype(f"u{depth // 8}")

    def hyper(self, y, quality):
        h = self.leaky(self.layer("hyper_analysis.a", y))
        h = self.layer("hyper_analysis.c", self.leaky(self.layer("hyper_analysis.b", h, 2)), 2)
        log2, _ = self.between("prior.gain_z", quality)
        return np.clip(self.scaled(h, log2, -8), -16384, 16384).astype(np.int64)

    def target(self, y, quality):
        log2, _ = self.between("prior.gain_y", quality)
        return np.clip(self.scaled(y, log2), -(2**27), 2**27).astype(np.int64)

    def levels(self, target, quality):
        """Which thresholds symbols have: of target's shape [M, h, w]."""
        if len(self.tensors["thresholds"]) == 2:
            return np.zeros_like(target)
        busy = np.minimum(np.abs(target), 3 * 4096).sum(0, keepdims=True)
        log2, _ = self.between("thresholds_busyness", quality)
        edges = [round(2 ** (8 + (k - 7.5) / 4)) for k in range(16)]
        above = sum((self.scaled(busy, log2, 8) >= edge).astype(int) for edge in edges)
        return np.clip(above - 8 + self.tensors["thresholds_channel"][:, None, None] + 16, 0, 32)

    def write(self, z, target, quality):
        """Payload and checksum of z and of the y nearest to target [M, h, w]."""
        level = self.levels(target, quality)
        encoder = Encoder()
        encoder.put(z.reshape(-1), self._hyper_rows(z, quality), self.tables["z"])

        def code(where, mean, rows):
            d = target[where] - 16 * mean
            s = np.abs(d)
            one, more = (self.tensors["thresholds"][2 * level[where] + i, rows] for i in (0, 1))
            k = (s - more + 4096) >> 12
            k = np.minimum(np.where(k > 1, k, s >= one), 16384) * np.sign(d) * (rows > 0)
            encoder.put(k[rows > 0], rows[rows > 0], self.tables["y"])
            return k

        y, _ = self._walk(z, target.shape[1:], quality, code)
        return encoder.finish(), checksum(z, y)

    def read(self, payload, h, w, quality):
        """Latents [M, h, w] in 2^-12 quantiser steps and checksum."""
        decoder = self._decoder(payload, h, w)
        latents, check = self._read(decoder.get, h, w, quality)
        decoder.finish()
        return latents, check

    def peek(self, payload, count, h, w, quality):
        """The same latents where only so many of the payload's symbols have come."""
        decoder, left = self._decoder(payload, h, w), count

        def get(rows, tables):
            nonlocal left
            symbols = np.zeros(len(rows), np.int64)
            symbols[:left] = decoder.get(rows[:left], tables)  # the rows of what follows are those of the zeros
            left = max(0, left - len(rows))
            return symbols

        return self._read(get, h, w, quality)[0]

    def _decoder(self, payload, h, w):
        return Decoder(payload, self.config.hyper * -(-h // 4) * -(-w // 4) + self.config.latent * h * w)

    def _read(self, get, h, w, quality):
        """The same by a function that gives the symbols under rows of tables."""
        z = np.zeros((self.config.hyper, -(-h // 4), -(-w // 4)), np.int64)
        z[:] = get(self._hyper_rows(z, quality), self.tables["z"]).reshape(z.shape)

        def code(_, mean, rows):
            k = np.zeros_like(mean)
            k[rows > 0] = get(rows[rows > 0], self.tables["y"])
            return k

        y, pulls = self._walk(z, (h, w), quality, code)
        return (16 * y - pulls)[:, :h, :w], checksum(z, y)

    def _hyper_rows(self, z, quality):
        _, anchor = self.between("prior.gain_z", quality)
        return np.repeat(np.arange(len(z)) + anchor * len(z), z[0].size)

    def _prior_block(self, name, x):
        a, d, b, f1, f2 = (f"{name}.{part}" for part in ("a", "d", "b", "f1", "f2"))
        x = x + self.layer(b, self.layer(d, self.layer(a, x, leaky=True), leaky=True))
        return x + self.layer(f2, self.layer(f1, x, leaky=True))

    def _walk(self, z, size, quality, code):
        """y on the grid, in 2^-8, and sign(residual) * pull; code(where, mean, rows) gives residuals of positions
        within the tile.
        """
        net, (h, w), c = "prior.network.", size, self.config
        log2_z, _ = self.between("prior.gain_z", quality)
        log2_y, _ = self.between("prior.gain_y", quality)
        x = np.clip(self.scaled(z, -log2_z, 7), -(2**20), 2**20).astype(np.int64)
        x = shuffled(self.layer(net + "up1", shuffled(self.layer(net + "up2", x, leaky=True), 2), leaky=True), 2)
        features = self._prior_block(net + "body", x + self.between("prior.quality_bias", quality)[0][:, None, None])
        _, high, wide = features.shape
        y, pulls, context = (np.zeros((c.latent, high, wide), np.int64) for _ in range(3))
        q = c.latent // 4
        for t in range(4):
            x = self.layer(f"{net}join.{t}", np.concatenate([features, context]) if t else features)
            x = x + np.tile(self.tensors[net + "phase_bias"][t], (1, high // 2, wide // 2))
            x = self._prior_block(f"{net}blocks.{t}", x)
            for g in range(4):
                row, column = divmod(PHASE[(t + g) % 4], 2)
                group = slice(g * q, (g + 1) * q)
                heads = self.layer(f"{net}heads.{g}", x[:, row::2, column::2])
                mean = np.clip(self.scaled(heads[:q], log2_y[group], -4), -(2**22), 2**22).astype(np.int64)
                rows = np.clip((heads[q:] + (log2_y[group] * 4 + 10240)[:, None, None]) >> 9, 0, 83)
                inside = np.ix_(range(q), range((h - row + 1) // 2), range((w - column + 1) // 2))
                residual = np.zeros_like(mean)
                where = group, slice(row, h, 2), slice(column, w, 2)
                residual[inside] = code(where, mean[inside], rows[inside])
                y[group, row::2, column::2] = value = residual * 256 + mean
                pulls[group, row::2, column::2] = np.sign(residual) * self.tensors["pull"][rows]
                ahead = np.clip(self.scaled(value, -log2_y[group], -1), -(2**20), 2**20)
                context[group, row::2, column::2] = ahead.astype(np.int64)
        return y, pulls


def checksum(z, y):
    return zlib.crc32(y.astype("<i4").tobytes(), zlib.crc32(z.astype("<i4").tobytes()))
