"""FORMAT.md against the codec: a second decoder, written from the page alone, must find the same symbols and the same
pixels, and a second analysis the same symbols to write.

It takes constants and layers from the page's tables and computes in integers; of the codec it knows only the container,
see test_container.
"""

import ast
import hashlib
import json
from bisect import bisect_right
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import safetensors.numpy
from container_files import table

import codec
from codec.bitstream import container

CONSTANTS = {name: ast.literal_eval(value) for name, value in table("Constant", "Value")}
(
    STRIDE,
    HYPER_STRIDE,
    STEPS,
    PHASE,
    SLOPE,
    FRACTION,
    HEAD,
    LATENT,
    GAIN,
    ROWS,
    ROW_START,
    LEVELS,
    MAX_RESIDUAL,
    EXACT,
) = CONSTANTS.values()


def must(condition):
    if not condition:
        raise ValueError("the page does not describe this")


class Stream:
    """Section rANS."""

    def __init__(self, payload):
        must(len(payload) % 4 == 0 and len(payload) >= 8)
        low, high, *self.words = np.frombuffer(payload, "<u4").tolist()
        self.words.reverse()
        self.state, self.escapes = low + 2**32 * high, 0
        must(2**31 <= self.state < 2**63)

    def refill(self):
        if self.state < 2**31:
            must(self.words)
            self.state = self.state * 2**32 + self.words.pop()

    def bits(self):
        b, self.state = self.state % 16, self.state // 16
        self.refill()
        return b

    def symbol(self, offset, symbols, frequencies, starts):
        u = self.state % 65536
        k = bisect_right(starts, u) - 1
        self.state = frequencies[k] * (self.state // 65536) + u - starts[k]
        self.refill()
        symbol = symbols[k] if k < len(symbols) else self.escaped(offset, len(symbols))
        must(abs(symbol) <= MAX_RESIDUAL)
        return symbol

    def escaped(self, offset, n):
        self.escapes += 1
        groups = more = self.bits()
        while more == 15:
            groups += (more := self.bits())
        parts = [self.bits() for _ in range(groups)]
        must(not groups or parts[-1])
        e = sum(part << 4 * i for i, part in enumerate(parts))
        return offset - (e + 1) // 2 if e % 2 else offset + n + e // 2


class Beginning(Stream):
    """Section Beginnings of payloads."""

    def __init__(self, payload):
        self.ended = len(payload) < 8
        if not self.ended:
            super().__init__(payload[: len(payload) // 4 * 4])

    def symbol(self, *row):
        if not self.ended:
            try:
                return super().symbol(*row)
            except ValueError:
                self.ended = True
        return 0


def rounded(x, bits):
    """r(x / 2^bits)"""
    assert np.min(bits) >= 0
    return (x + (np.left_shift(1, bits) >> 1)) >> bits


def convolve(x, weight):
    c = weight.shape[2] // 2
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (c, c), (c, c))), weight.shape[2:], (1, 2))
    return np.tensordot(weight, windows, ((1, 2, 3), (0, 3, 4)))


def shuffle(x, n=2):
    k, rows, columns = x.shape[0] // n**2, *x.shape[1:]
    return x.reshape(n, n, k, rows, columns).transpose(2, 3, 0, 4, 1).reshape(k, n * rows, n * columns)


def cells(x, n):
    """The inverse of `shuffle`."""
    k, rows, columns = x.shape[0], x.shape[1] // n, x.shape[2] // n
    return x.reshape(k, rows, n, columns, n).transpose(2, 4, 0, 1, 3).reshape(n * n * k, rows, columns)


def phase(x, p):
    return x[:, p // 2 :: 2, p % 2 :: 2]


class Model:
    """Section Weight file, and what it computes."""

    def __init__(self, data):
        self.text = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = self.text.pop("__metadata__")
        must(metadata["format"] == "aecodec model 2")
        config = json.loads(metadata["config"])
        self.sizes = CONSTANTS | {letter: config[key] for letter, key in table("Size", "Key in `config`")}
        self.tensors = safetensors.numpy.load(data)
        self.sizes["L"] = CONSTANTS["LEVELS"] if "thresholds_channel" in self.tensors else 1
        self.layers = {}  # name: inputs, outputs, kernel, and what the last column says
        for last in (["Activation"], ["Parts"], ["Stride", "Parts"]):
            for name, *cells in table("Layer", "Inputs", "Outputs", "Kernel", *last):
                for full in self.names(name):
                    self.layers.setdefault(full, (*self.shape(",".join(cells[:3])), cells[-1]))  # `join.0` first
        self.rows = {name: [*self.lay_out(name)] for name in "yz"}

    def shape(self, cells):
        return cells if cells == "any" else [eval(cell or "1", {}, self.sizes) for cell in cells.split(",")]

    def names(self, name):
        """Every layer that a name in the page's tables stands for."""
        letter, count = next(
            (
                (x, n)
                for x, n in (("t", STEPS), ("g", 4), ("s", self.sizes["S"]), ("i", self.sizes["B"]))
                if x in name.split(".")
            ),
            ("", 1),
        )
        return [".".join(str(i) if part == letter else part for part in name.split(".")) for i in range(count)]

    def lay_out(self, name):
        cdfs, sizes, offsets = (self.tensors[f"table.{name}.{key}"] for key in ("cdfs", "sizes", "offsets"))
        for cdf, offset in zip(np.split(cdfs, np.cumsum(sizes)[:-1]), offsets.tolist()):
            frequencies = np.diff(cdf)
            must(len(frequencies) >= 2 and min(frequencies) > 0 and cdf[0] == 0 and cdf[-1] == 65536)
            order = np.argsort(-frequencies[:-1], kind="stable")
            frequencies = [*frequencies[order].tolist(), int(frequencies[-1])]
            yield offset, (order + offset).tolist(), frequencies, np.cumsum([0, *frequencies[:-1]]).tolist()

    def anchor(self, quality):
        a, d = divmod((quality - 100) * (self.sizes["A"] - 1), 9900)
        return (a, d) if quality < 10000 else (a - 1, 9900)

    def vector(self, name, quality):
        (a, d), t = self.anchor(quality), self.tensors[name].astype(np.int64)
        return ((t[a] * (9900 - d) + t[a + 1] * d + 4950) // 9900)[:, None, None]

    def scaled(self, x, v, bits):
        """r(x * pow(v) * 2^bits)"""
        return rounded(x * self.tensors["prior.exp2"].astype(np.int64)[v % 2**GAIN], 15 - bits - v // 2**GAIN)

    def layer(self, name, x):
        parts = (self.tensors[f"prior.network.{name}.{part}"] for part in ("weight", "bias", "shift", "limit"))
        weight, bias, shift, limit = (part.astype(np.int64) for part in parts)
        must((abs(weight).sum((2, 3)) @ limit + abs(bias) < EXACT).all())
        total = convolve(np.clip(x, -limit[:, None, None], limit[:, None, None]), weight) + bias[:, None, None]
        return rounded(
            total, shift[:, None, None] + (total < 0) * int(-np.log2(SLOPE)) * (self.layers[name][3] == "yes")
        )

    def block(self, name, x):
        x = x + self.layer(f"{name}.b", self.layer(f"{name}.d", self.layer(f"{name}.a", x)))
        return x + self.layer(f"{name}.f2", self.layer(f"{name}.f1", x))

    def decode(self, stream, height, width, quality):
        """Symbols of a tile of height x width pixels: z, and y, residuals and rows [M, H, W]."""
        m, hyper, (a, d) = self.sizes["M"], self.sizes["Z"], self.anchor(quality)
        inside = -(-height // STRIDE), -(-width // STRIDE)
        h, w = (-(-size // HYPER_STRIDE) for size in inside)
        rows_z = self.rows["z"][(a + (d >= 4950)) * hyper :][:hyper]
        z = np.array([stream.symbol(*row) for row in rows_z for _ in range(h * w)]).reshape(hyper, h, w)
        x = self.layer("up2", self.scaled(z, -self.vector("prior.gain_z", quality), FRACTION))
        x = shuffle(self.layer("up1", shuffle(x)))
        features = self.block("body", x + self.vector("prior.quality_bias", quality))
        y, residuals, rows, context = np.zeros((4, m, HYPER_STRIDE * h, HYPER_STRIDE * w), np.int64)
        gain, cells = self.vector("prior.gain_y", quality), (y.shape[1] // 2, y.shape[2] // 2)
        for t in range(STEPS):
            x = self.layer(f"join.{t}", np.concatenate([features, context]) if t else features)
            x = self.block(
                f"blocks.{t}", x + np.tile(self.tensors["prior.network.phase_bias"][t].astype(np.int64), cells)
            )
            for g in range(4):
                p, group, bound = PHASE[(t + g) % 4], slice(g * m // 4, (g + 1) * m // 4), MAX_RESIDUAL << LATENT
                v, (mean, scale) = gain[group], np.split(self.layer(f"heads.{g}", phase(x, p)), 2)
                mean = np.clip(self.scaled(mean, v, LATENT - HEAD), -bound, bound)
                row = np.clip(
                    (scale + v * 2 ** (HEAD - GAIN) - int(ROW_START * 2**HEAD)) // 2 ** (HEAD - 3), 0, ROWS - 1
                )
                residual = np.zeros_like(row)
                for place in np.ndindex(row.shape):
                    if row[place] and 2 * place[1] + p // 2 < inside[0] and 2 * place[2] + p % 2 < inside[1]:
                        residual[place] = stream.symbol(*self.rows["y"][row[place]])
                value = residual * 2**LATENT + mean
                for whole, part in (
                    (y, value),
                    (residuals, residual),
                    (rows, row),
                    (context, self.scaled(value, -v, FRACTION - LATENT)),
                ):
                    phase(whole[group], p)[:] = part
        return z, y, residuals, rows

    def fixed(self, name, x, stride=1):
        """Section Pixels, a layer."""
        weight, bias, limit = (self.tensors[f"{name}.{part}"].astype(np.int64) for part in ("weight", "bias", "limit"))
        shift, cut = int(self.tensors[f"{name}.shift"][0]), int(self.tensors[f"{name}.cut"][0])
        must(0 <= shift <= 24 and 0 <= cut <= 16 and limit.min() >= 0 and limit.max() <= 32767)
        must((abs(weight).sum((2, 3)) @ limit + abs(bias) + (2**shift // 2) < 2**31).all())
        x = np.clip(rounded(x, cut), -limit[:, None, None], limit[:, None, None])
        return rounded(convolve(x, weight) + bias[:, None, None], shift)[:, ::stride, ::stride]

    def fixed_block(self, name, x, quality):
        """Section Pixels, a block."""
        v = np.clip(self.fixed(f"{name}.a", x), -32768, 32767)
        m = np.minimum(self.scaled(1, self.vector(f"{name}.gain.log2", quality), 15), 32767)
        m = np.where(v < 0, rounded(3277 * m, 15), m)
        return x + self.fixed(f"{name}.b", rounded(v * m, 15))

    def rebuild(self, y, residuals, rows):
        """Section Pixels, y in steps of 2^-12."""
        return 16 * y - np.sign(residuals) * self.tensors["pull"].astype(np.int64)[rows]

    def synthesis(self, t, quality):
        """Section Pixels: t of a whole picture to p [3, rows, columns]."""
        u = np.clip(self.scaled(t, self.vector("synthesis.gain.log2", quality), -12), -32767, 32767)
        layer = lambda name, x: self.fixed(f"synthesis.{name}", x)
        block = lambda name, x: self.fixed_block(f"synthesis.{name}", x, quality)
        x = shuffle(layer("up8", block("first_block", layer("first", u))))
        for s in range(self.sizes["S"]):
            x = block(f"blocks.{s}", x)
        x = shuffle(layer("last", block("render", shuffle(layer("up4", x)))), 4)
        return x + shuffle(layer("linear", u), 16)

    def analysis(self, samples, most, quality):
        """Section From pixels: samples [rows, columns, channels] to y [M, ...]."""
        rows, columns, channels = samples.shape
        x = np.pad(samples, ((0, -rows % STRIDE), (0, -columns % STRIDE), (0, 0)), "edge").astype(np.int64)
        x = (2**13 * x + most) // (2 * most) - 2**11
        x = np.broadcast_to(x, (*x.shape[:2], 3)).transpose(2, 0, 1)
        a = self.fixed("analysis.first", cells(x, 8))
        for i in range(self.sizes["B"]):
            a = self.fixed_block(f"analysis.blocks.{i}", a, quality)
        a = self.fixed_block("analysis.last_block", self.fixed("analysis.down", a, 2), quality)
        return self.fixed("analysis.last", a) + self.fixed("analysis.linear", cells(x, 16))

    def hyper_analysis(self, y, quality):
        """Section From pixels: y of a tile to z."""

        def leaky(v):
            v = np.clip(v, -32768, 32767)
            return np.where(v < 0, rounded(3277 * v, 15), v)

        h = leaky(self.fixed("hyper_analysis.b", leaky(self.fixed("hyper_analysis.a", y)), 2))
        z = self.scaled(self.fixed("hyper_analysis.c", h, 2), self.vector("prior.gain_z", quality), -8)
        return np.clip(z, -MAX_RESIDUAL, MAX_RESIDUAL)

    def chosen(self, y, mean, row, quality):
        """Section From pixels: residuals of y [M, ...], were they all coded."""
        target = np.clip(self.scaled(y, self.vector("prior.gain_y", quality), 0), -(2**27), 2**27)
        d, level = target - 16 * mean, 0
        if self.sizes["L"] > 1:
            busyness = np.minimum(abs(target), 3 * 2**12).sum(0, keepdims=True)
            relative = self.scaled(busyness, self.vector("thresholds_busyness", quality), 8)
            e = sum((relative >= int(2 ** (8 + (k - 7.5) / 4) + 0.5)).astype(int) for k in range(16))
            level = np.clip(self.tensors["thresholds_channel"][:, None, None] + e + 8, 0, LEVELS - 1)
        one, more = (self.tensors["thresholds"].astype(np.int64)[2 * level + i, row] for i in (0, 1))
        k = (abs(d) - more + 2**12) // 2**12
        return np.sign(d) * np.minimum(np.where(k <= 1, abs(d) >= one, k), MAX_RESIDUAL)


def sampled(p, channels, most):
    """Section Pixels: samples [rows, columns, channels] of p."""
    if channels == 1:
        p, most = p.sum(0, keepdims=True), most // 3
    n = 3 // channels
    return ((np.clip(p + n * 2**19, 0, n * 2**20) * most + 2**19) // 2**20).transpose(1, 2, 0)


@cache
def model(identity):
    files = [path.read_bytes() for path in Path(container.__file__).parents[1].joinpath("models").glob("*.safetensors")]
    return Model(next(data for data in files if hashlib.sha256(data).digest()[:4] == identity))


def picture(height, width, channels):
    """Left half noise, which needs escapes at a high quality, right half smooth, which needs rows that
    are not coded.
    """
    smooth = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, channels))
    noise = np.random.default_rng(width).integers(0, 2, smooth.shape) * 255
    return np.where(np.arange(width)[None, :, None] < width // 2, noise, smooth).astype(np.uint8)


def test_the_constants_of_the_page_are_those_of_the_code():
    from codec.model import config, prior

    assert CONSTANTS == {name: getattr(prior, name, getattr(config, name, None)) for name in CONSTANTS}


@pytest.mark.parametrize("name", ["default", "psnr"])
def test_the_tensors_of_the_page_are_those_of_the_model(name):
    m = model(container.unpack(codec.compress(picture(16, 16, 1), 1, lossless=False, model=name)).header.model)
    lines = [line for line in table("Tensor", "Type", "Shape") if m.sizes["L"] > 1 or "thresholds_" not in line[0]]
    page = {name: (kind, m.shape(cells)) for name, kind, cells in lines}
    for name, (i, o, k, what) in m.layers.items():
        fixed = lambda n, kind, shifts: {
            f"{n}.weight": (kind, [o, i, k, k]),
            f"{n}.bias": ("I32", [o]),
            f"{n}.shift": ("I8", [shifts]),
            f"{n}.limit": ("I32", [i]),
        }
        layer = lambda n: fixed(n, "I16", 1) | {f"{n}.cut": ("I8", [1])}
        gain = {f"{name}.gain.log2": ("I32", [m.sizes["A"], i])}
        parts = {"layer": layer(name), "gain": gain, "block": layer(f"{name}.a") | layer(f"{name}.b") | gain}
        page |= parts.get(what) or fixed(f"prior.network.{name}", "I8", o)
    assert page == {name: (e["dtype"], "any" if name.endswith(".cdfs") else e["shape"]) for name, e in m.text.items()}


@pytest.mark.parametrize(
    ("height", "width", "channels", "depth", "quality", "name"),
    [
        (40, 48, 3, 8, 37.53, "default"),
        (33, 70, 3, 8, 100, "default"),
        (33, 70, 1, 8, 93, "default"),
        (20, 1030, 3, 8, 1, "default"),
        (17, 40, 3, 16, 98.7, "default"),
        (30, 20, 1, 16, 64, "default"),
        (40, 48, 3, 8, 37.53, "psnr"),
    ],
)
def test_a_codec_written_from_the_page_finds_the_same_symbols_and_pixels(height, width, channels, depth, quality, name):
    coder = codec.Codec(name)
    samples, most = picture(height, width, channels).astype(f"u{depth // 8}") * (2**depth // 255), 2**depth - 1
    data = coder.encode(samples if channels == 3 else samples[..., 0], quality, lossless=False)
    aec = container.unpack(data)
    m, hundredths, steps = model(aec.header.model), aec.header.quality, []
    latents = m.analysis(samples, most, hundredths)
    for i, tile in enumerate(aec.tiles):  # one row of tiles
        wide = min(1024, width - 1024 * i)
        stream = Stream(tile.payload)
        z, y, residuals, rows = m.decode(stream, height, wide, hundredths)
        must(stream.state == 2**31 and not stream.words)
        assert crc32(y.astype("<i4"), crc32(z.astype("<i4"))) == tile.symbols_crc, (
            "FORMAT.md and the codec decode different symbols"
        )
        assert (rows == 0).any() if quality < 60 else stream.escapes or quality < 90
        inside = np.s_[:, : -(-height // STRIDE), : -(-wide // STRIDE)]
        steps.append(m.rebuild(y, residuals, rows)[inside])
        own = latents[:, :, 64 * i : 64 * (i + 1)]
        assert np.array_equal(m.hyper_analysis(own, hundredths), z)
        wanted = m.chosen(own, (y - residuals * 2**LATENT)[inside], rows[inside], hundredths)
        assert np.array_equal(wanted * (rows[inside] > 0), residuals[inside])
    pixels = sampled(m.synthesis(np.concatenate(steps, 2), hundredths)[:, :height, :width], channels, most)
    assert np.array_equal(pixels, coder.decode_picture(data).pixels)


@pytest.mark.parametrize("share", [0, 0.03, 0.2, 0.4, 0.7, 0.95])
def test_so_does_the_beginning_of_a_payload(share, coder):
    aec = container.unpack(coder.encode(picture(33, 70, 3), 100, lossless=False))
    m, start = model(aec.header.model), aec.tiles[0].payload[: int(share * len(aec.tiles[0].payload))]
    stream = Beginning(start)
    _, y, residuals, rows = m.decode(stream, 33, 70, 10000)
    latents, reached = coder.engine.peek(start, 3, 5, 10000)
    (pixels,) = coder.engine.render([latents], [10000], 3, 8)
    known = sampled(m.synthesis(m.rebuild(y, residuals, rows)[:, :3, :5], 10000), 3, 255)
    assert stream.ended and reached < 5 and np.array_equal(pixels, known)
