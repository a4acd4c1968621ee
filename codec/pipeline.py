"""The path from a picture to the bytes of an .aec file and back, written once: `encode` reads top to bottom, `decode` bottom to top.

    picture -> tiles -> analysis -> gain -+-> hyper-analysis -> z symbols -+-> rANS -> container
                                          +-> residuals of the prior ------+
"""
import functools
import threading
import warnings
import zlib
from contextlib import contextmanager

import numpy as np
import torch

from . import container, image, tiles
from .entropy import Decoder, Encoder
from .errors import BadOption, Corrupt, TooLarge
from .metadata import KINDS
from .model import Model, name_of, path_of
from .networks import HYPER_STRIDE, STRIDE
from .prior import LATENT, MAX_RESIDUAL, STEPS, gather, place

MAX_PIXELS = image.MAX_PIXELS
_models, _lock = {}, threading.Lock()


def load_model(name, device):
    """The model of that name or path on a device, loaded once per process. Raises UnknownModel, BadWeights."""
    path = path_of(name)
    key = (str(path), path.stat().st_mtime_ns, str(device))
    with _lock:
        if key not in _models:
            _models[key] = Model(path.read_bytes(), device)
            _models[key].path = path
        return _models[key]


def spilling(method):
    """A method of Codec that goes on on the processor where the GPU has not enough memory: with a warning, more slowly, and the same symbols.

    Tensors go in and come out on the Codec's own device. Raises MemoryError where the machine's memory does not suffice either.
    """
    @functools.wraps(method)
    def fenced(self, *arguments):
        try:
            try:
                return method(self, *arguments)
            except torch.OutOfMemoryError:  # handled outside: the exception holds the tensors of its frames
                pass
            torch.cuda.empty_cache()
            warnings.warn(f"{self.device} has not enough memory: the processor goes on, more slowly", RuntimeWarning, stacklevel=2)
            other = object.__new__(Codec)
            other.device = torch.device("cpu")
            other.model = load_model(self.model.path, other.device)
            with inference(other.model.networks):
                result = method(other, *(_moved(argument, other.device) for argument in arguments))
            return tuple(_moved(part, self.device) for part in result) if isinstance(result, tuple) else _moved(result, self.device)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):  # torch has no class for the processor's
                raise MemoryError(str(error)) from error
            raise

    return fenced


def _moved(value, device):
    return value.to(device) if isinstance(value, torch.Tensor) else value


def device_of(name):
    """torch.device of "auto", "cpu", "cuda" or "cuda:n". Raises BadOption."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise BadOption(f"{name!r} is not a device; choose auto, cpu, cuda or cuda:n") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BadOption(f"there is no device {name}; {torch.cuda.device_count()} CUDA devices were found")
    if device.type not in ("cpu", "cuda"):
        raise BadOption(f"device {name!r} is not supported; choose auto, cpu, cuda or cuda:n")
    return device


class Codec:
    """Encoder and decoder with a loaded model; may be shared by threads.

    Args: model: name of an installed model or path of a weight file, for encoding (a file names the model it needs); device: auto, cpu,
    cuda[:n]; threads: of torch, process-wide, None to leave them alone.
    """

    def __init__(self, model="default", device="auto", threads=None):
        if threads:
            torch.set_num_threads(threads)
        self.device = device_of(device)
        self.model = load_model(model, self.device)

    # Encoding

    def encode(self, picture, quality=60.0, *, strip=(), max_pixels=MAX_PIXELS):
        """Bytes of an .aec file. picture: anything `image.load` takes; quality: 1..100, in steps of 0.01.

        Raises BadImage, TooLarge, BadOption.
        """
        hundredths = _hundredths(quality)
        picture = image.strip(image.load(picture, max_pixels), strip)
        payloads = self._encode_tiles(picture.pixels, hundredths)
        sections = {kind: getattr(picture, kind) for kind in KINDS if getattr(picture, kind)}
        if picture.alpha is not None:
            sections["alpha"] = image.encode_alpha(picture.alpha)
        header = container.Header(picture.width, picture.height, hundredths, picture.pixels.shape[2], picture.depth, picture.alpha is not None,
                                  self.model.id, picture.suffix)
        return container.pack(container.Aec(header, payloads, sections))

    def encode_batch(self, pictures, quality=60.0, **options):
        """`encode` of every picture, in order."""
        return [self.encode(p, quality, **options) for p in pictures]

    def _encode_tiles(self, pixels, quality):
        height, width, _ = pixels.shape
        with inference(self.model.networks):
            return [self._encode_tile(self._latent(pixels, r, c, quality), quality)
                    for r, c in tiles.grid(height, width, tiles.analysis_halo(self.model.config))]

    @spilling
    def _latent(self, pixels, row, column, quality):
        """y [1,M,h,w] of one tile, computed with its halo."""
        part = pixels[row.outer_start * STRIDE:row.outer_stop * STRIDE, column.outer_start * STRIDE:column.outer_stop * STRIDE]
        missing = [(o.outer_stop - o.outer_start) * STRIDE - s for o, s in zip((row, column), part.shape)]
        if any(missing):  # the picture's edge is repeated up to whole latent positions
            part = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge")
        x = torch.from_numpy(np.ascontiguousarray(part).astype(np.float32)).to(self.device)
        x = (x / float(np.iinfo(pixels.dtype).max) - 0.5).permute(2, 0, 1)[None]  # channels_last by construction
        y = self.model.networks.analysis(x.expand(1, 3, -1, -1), self._coordinate(quality), half=has_bfloat16(self.device))
        return y[:, :, row.inner, column.inner]

    @spilling
    def _encode_tile(self, y, quality):
        m, n = self.model, self.model.networks
        h, w = y.shape[2:]
        gain, _, gain_z = n.prior.gains(quality)
        z = torch.round(n.hyper_analysis(y).double() * gain_z).clamp(-MAX_RESIDUAL, MAX_RESIDUAL)
        encoder = Encoder()
        encoder.put(_flat(z), self._z_rows(z.shape, quality), m.tables_z)
        valid = self._valid(h, w)
        target = torch.zeros(1, y.shape[1], *_padded(h, w), dtype=torch.float64, device=y.device).to(memory_format=torch.channels_last)
        target[:, :, :h, :w] = y.double() * gain

        def quantise(t, mean, rows):
            residual = torch.sub(gather(target, t), mean, alpha=2.0**-LATENT)
            one, more = m.thresholds[rows.long()].unbind(-1)
            size = residual.abs()
            size = torch.where(size >= 1 + more, (size + 1).sub_(more).floor_(), (size >= one).double())
            coded = (rows > 0) & valid[t]
            residual = residual.sign_().mul_(size).clamp_(-MAX_RESIDUAL, MAX_RESIDUAL).mul_(coded)
            where = np.flatnonzero(_flat(coded))
            encoder.put(_flat(residual)[where], _flat(rows)[where], m.tables_y)
            return residual

        decoded, _ = n.prior.walk(z, quality, quantise)
        return container.Tile(encoder.finish(), _checksum(z, decoded))

    # Decoding

    def decode(self, data, *, max_pixels=MAX_PIXELS):
        """PIL image of the bytes of an .aec file. Raises NotAec, Truncated, Corrupt, UnsupportedVersion, UnknownModel, TooLarge."""
        return image.to_pil(self.decode_picture(data, max_pixels=max_pixels))

    def decode_batch(self, files, **options):
        """`decode` of every file, in order."""
        return [self.decode(f, **options) for f in files]

    def decode_picture(self, data, *, max_pixels=MAX_PIXELS):
        """Picture of the bytes of an .aec file at its full depth; raises as `decode`."""
        aec = _unpack(data, max_pixels)
        header, coder = aec.header, self._for(aec.header)
        pixels = coder._decode_pixels(aec)
        alpha = None
        if header.alpha:
            alpha = image.decode_alpha(aec.sections["alpha"], header.height, header.width, header.depth)
        metadata = {kind: aec.sections.get(kind) for kind in KINDS}
        return image.Picture(pixels, alpha, **metadata, suffix=header.suffix)

    def verify(self, data, *, max_pixels=MAX_PIXELS):
        """Checks everything about a file except pixels: structure, checksums, every symbol. Raises as `decode`."""
        aec = _unpack(data, max_pixels)
        if aec.header.alpha:
            image.decode_alpha(aec.sections["alpha"], aec.header.height, aec.header.width, aec.header.depth)
        for _ in self._for(aec.header)._decode_latents(aec):
            pass

    def _for(self, header):
        """The codec whose model the file was made with: this one, or another installed one."""
        if header.model == self.model.id:
            return self
        other = object.__new__(Codec)
        other.device, other.model = self.device, load_model(name_of(header.model), self.device)
        return other

    def _decode_pixels(self, aec):
        header, n = aec.header, self.model.networks
        halo = tiles.synthesis_halo(self.model.config)
        high, wide = -(-header.height // STRIDE), -(-header.width // STRIDE)
        latent = torch.empty(1, self.model.config.latent, high, wide, dtype=torch.float32, device="cpu", memory_format=torch.channels_last)
        for (row, column), y in self._decode_latents(aec):
            latent[:, :, row.start:row.stop, column.start:column.stop] = y
        pixels = np.empty((header.height, header.width, header.channels), np.uint16 if header.depth == 16 else np.uint8)
        with inference(n):
            for row, column in tiles.grid(header.height, header.width, halo):
                x = self._render(latent[:, :, row.outer_start:row.outer_stop, column.outer_start:column.outer_stop], header, pixels.dtype)
                part = pixels[row.start * STRIDE:row.stop * STRIDE, column.start * STRIDE:column.stop * STRIDE]
                top, left = row.inner.start * STRIDE, column.inner.start * STRIDE
                part[:] = x[top:top + part.shape[0], left:left + part.shape[1]]
        return pixels

    @spilling
    def _render(self, y, header, dtype):
        """Samples [16h,16w,C] of latents y [1,M,h,w], which the synthesis turns to pixels."""
        x = self.model.networks.synthesis(y.to(self.device), self._coordinate(header.quality))[0].permute(1, 2, 0)
        if header.channels == 1:
            x = x.mean(2, keepdim=True)
        return ((x + 0.5).clamp_(0, 1) * float(np.iinfo(dtype).max)).round_().cpu().numpy()

    def _decode_latents(self, aec):
        """Yields ((row span, column span), dequantised y [1,M,h,w]) of every tile."""
        grid = tiles.grid(aec.header.height, aec.header.width, tiles.synthesis_halo(self.model.config))
        with inference(self.model.networks):
            for spans, tile in zip(grid, aec.tiles):
                h, w = [s.stop - s.start for s in spans]
                yield spans, self._decode_tile(tile, h, w, aec.header.quality)

    @spilling
    def _decode_tile(self, tile, h, w, quality):
        """Dequantised y [1,M,h,w] of a tile."""
        n = self.model.networks
        _, symbols, decoded, rows = self._read_tile(tile, h, w, quality)
        _, reciprocal, _ = n.prior.gains(quality)
        pull = symbols.sign_().float().mul_(n.pull[rows.long()])
        y = decoded.mul_(2.0**-LATENT).float().sub_(pull).mul_(reciprocal.float())
        return y[:, :, :h, :w].contiguous(memory_format=torch.channels_last)

    @spilling
    def _read_tile(self, tile, h, w, quality):
        """z symbols, y symbols, y in 2^-LATENT and its table rows, on the padded grid of a tile. Raises Corrupt."""
        m, n = self.model, self.model.networks
        high, wide = _padded(h, w)
        shape = (1, m.config.hyper, high // HYPER_STRIDE, wide // HYPER_STRIDE)
        decoder = Decoder(tile.payload, m.config.hyper * shape[2] * shape[3] + m.config.latent * h * w)
        read = lambda rows, tables: _bounded(decoder.get(rows, tables))
        z = torch.from_numpy(read(self._z_rows(shape, quality), m.tables_z)).double().to(self.device).view(shape)
        valid = self._valid(h, w)
        symbols = torch.zeros(1, m.config.latent, high, wide, dtype=torch.float64, device=self.device).to(memory_format=torch.channels_last)

        def reading(t, mean, rows):
            where = np.flatnonzero(_flat((rows > 0) & valid[t]))
            residual = np.zeros(rows.numel())
            residual[where] = read(_flat(rows)[where], m.tables_y)
            residual = torch.from_numpy(residual).to(self.device).view(rows.shape)
            place(symbols, t, residual)
            return residual

        decoded, rows = n.prior.walk(z, quality, reading)
        decoder.finish()
        if _checksum(z, decoded) != tile.symbols_crc:
            raise Corrupt("the decoded symbols do not match their checksum: the file is damaged or this machine computes otherwise")
        return z, symbols, decoded, rows

    def bits_map(self, data, *, max_pixels=MAX_PIXELS):
        """Where a file spends its bits: float64 [ceil(H/16), ceil(W/16)], by the model's own tables; raises as `decode`.

        The hyper-latent's bits are spread over the 4x4 positions each of its symbols serves.
        """
        aec = _unpack(data, max_pixels)
        coder, quality = self._for(aec.header), aec.header.quality
        m = coder.model
        bits = np.zeros((-(-aec.header.height // STRIDE), -(-aec.header.width // STRIDE)))
        with inference(m.networks):
            for (row, column), tile in zip(tiles.grid(aec.header.height, aec.header.width, 0), aec.tiles):
                h, w = row.stop - row.start, column.stop - column.start
                z, symbols, _, rows = coder._read_tile(tile, h, w, quality)
                symbols, rows = symbols[0, :, :h, :w], rows[0, :, :h, :w]
                spent = np.where(_flat(rows) > 0, m.tables_y.bits(_flat(symbols), _flat(rows)), 0).reshape(symbols.shape).sum(0)
                hyper = m.tables_z.bits(_flat(z), coder._z_rows(z.shape, quality)).reshape(z.shape[1:]).sum(0) / HYPER_STRIDE**2
                bits[row.start:row.stop, column.start:column.stop] = spent + hyper.repeat(HYPER_STRIDE, 0).repeat(HYPER_STRIDE, 1)[:h, :w]
        return bits

    # Shared by both directions

    def _coordinate(self, quality):
        low, part = self.model.networks.prior.position(quality)
        return torch.tensor([low + part / 9900], dtype=torch.float32, device=self.device)

    def _z_rows(self, shape, quality):
        _, channels, h, w = shape
        return np.repeat(np.arange(channels, dtype=np.int32) + self.model.bank(quality), h * w)

    def _valid(self, h, w):
        """Per step, which symbols [1,4,1,h/2,w/2] lie inside the tile; the rest of the padded grid is not coded."""
        high, wide = _padded(h, w)
        inside = torch.zeros(1, 4, high, wide, dtype=torch.bool, device=self.device)
        inside[:, :, :h, :w] = True
        return [gather(inside, t) for t in range(STEPS)]


def has_bfloat16(device):
    """Whether the device multiplies bfloat16 natively. Only the analysis uses it: files differ by a hair, what they decode to does not depend on it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()


@contextmanager
def inference(networks):
    """No gradients, and no autocast that a caller may have switched on: the prior must stay exact."""
    device = next(networks.parameters()).device.type
    with torch.inference_mode(), torch.autocast(device, enabled=False):
        yield


def _hundredths(quality):
    try:
        value = float(quality)
    except (TypeError, ValueError):
        value = float("nan")
    if not 1 <= value <= 100:
        raise BadOption(f"quality {quality} is outside 1..100")
    return round(value * 100)


def _unpack(data, max_pixels):
    header, _ = container.read_header(data)
    pixels = header.width * header.height
    if max_pixels and pixels > max_pixels:
        raise TooLarge(f"{header.width} x {header.height} = {pixels} pixels are more than the {max_pixels} that --max-pixels allows")
    positions = -(-header.width // STRIDE) * -(-header.height // STRIDE)
    if max_pixels and positions * STRIDE**2 > 2 * max(max_pixels, MAX_PIXELS):  # a line of pixels takes as much memory as 16 lines
        raise TooLarge(f"{header.width} x {header.height} pixels take as much memory as {positions * STRIDE**2}, more than --max-pixels allows")
    return container.unpack(data)


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
