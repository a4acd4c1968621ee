"""The path from a picture to the bytes of an .aec file and back, written once: `encode` reads top to bottom, `decode` bottom to top.

    picture -> tiles -> analysis -> gain -+-> hyper-analysis -> z symbols -+-> rANS -> container
                                          +-> residuals of the prior ------+
"""
import io
import os
import threading
import zlib
from collections import deque
from contextlib import contextmanager, nullcontext

import numpy as np
import torch

from . import container, image, scanner, tiles
from .entropy import Decoder, Encoder
from .errors import BadOption, Corrupt, TooLarge
from .metadata import KINDS
from .model import Model, name_of, path_of
from .networks import HYPER_STRIDE, STRIDE
from .prior import LATENT, MAX_RESIDUAL, STEPS, gather, place
from .strips import Region, Scan, Window

MAX_PIXELS = image.MAX_PIXELS
TOGETHER = 4  # tiles side by side that are analysed at once: less halo, a tenth of the time of encoding a large picture
_models, _lock = {}, threading.Lock()


def load_model(name, device):
    """The model of that name or path on a device, loaded once per process. Raises UnknownModel, BadWeights."""
    path = path_of(name)
    key = (str(path), path.stat().st_mtime_ns, str(device))
    with _lock:
        if key not in _models:
            _models[key] = Model(path.read_bytes(), device)
        return _models[key]


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
        """Bytes of an .aec file. picture: a Scan, or anything `image.load` takes; quality: 1..100, in steps of 0.01.

        Raises BadImage, TooLarge, BadOption.
        """
        hundredths = _hundredths(quality)
        with scanner.opened(picture, max_pixels) as scan:
            scan = image.strip(scan, strip)
            alpha = io.BytesIO()
            writer = image.AlphaWriter(alpha, scan.width, scan.height, scan.depth) if scan.has_alpha else None

            def pixels():
                for piece in scan.strips():
                    if writer:
                        writer.write(piece.alpha[..., None])
                    yield piece.pixels

            payloads = self._encode_tiles(Window(pixels()), scan.height, scan.width, hundredths)
            sections = {kind: getattr(scan, kind) for kind in KINDS if getattr(scan, kind)}
            if writer:
                writer.close()
                sections["alpha"] = alpha.getvalue()
            header = container.Header(scan.width, scan.height, hundredths, scan.channels, scan.depth, scan.has_alpha, self.model.id, scan.suffix)
            return container.pack(container.Aec(header, payloads, sections))

    def encode_batch(self, pictures, quality=60.0, **options):
        """`encode` of every picture, in order."""
        return [self.encode(p, quality, **options) for p in pictures]

    def _encode_tiles(self, window, height, width, quality):
        """Tiles of the picture whose rows [n,W,C] the window gives, a row of tiles at a time."""
        rows, columns = tiles.axes(height, width, tiles.analysis_halo(self.model.config), TOGETHER)
        coded = []
        for row in rows:
            pixels = window.rows(row.outer_start * STRIDE, min(row.outer_stop * STRIDE, height))
            with inference(self.model.networks):
                for column in columns:
                    y = self._latent(pixels, row, column, quality)
                    coded += [self._encode_tile(tile, quality) for tile in y.split(tiles.LATENTS, 3)]
        return coded

    def _latent(self, pixels, row, column, quality):
        """y [1,M,h,w] of one or more tiles, computed with their halo out of the pixels of their rows."""
        part = pixels[:, column.outer_start * STRIDE:column.outer_stop * STRIDE]
        missing = [(o.outer_stop - o.outer_start) * STRIDE - s for o, s in zip((row, column), part.shape)]
        if any(missing):  # the picture's edge is repeated up to whole latent positions
            part = np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge")
        x = torch.from_numpy(np.ascontiguousarray(part).astype(np.float32)).to(self.device)
        x = (x / float(np.iinfo(pixels.dtype).max) - 0.5).permute(2, 0, 1)[None]  # channels_last by construction
        y = self.model.networks.analysis(x.expand(1, 3, -1, -1), self._coordinate(quality), half=has_bfloat16(self.device))
        return y[:, :, row.inner, column.inner]

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

    def decode(self, source, **options):
        """PIL image of an .aec file, with the options of `scan`."""
        return image.to_pil(self.decode_picture(source, **options))

    def decode_batch(self, files, **options):
        """`decode` of every file, in order."""
        return [self.decode(f, **options) for f in files]

    def decode_picture(self, source, **options):
        """Picture of an .aec file at its full depth, with the options of `scan`."""
        with self.scan(source, **options) as scan:
            return scan.whole()

    @contextmanager
    def scan(self, source, *, max_pixels=MAX_PIXELS, crop=None, scale=1, damage=None):
        """Context of a Scan of an .aec file (bytes, path or seekable binary file), which decodes while it is read.

        crop: (left, top, width, height) in stored pixels, EXIF's orientation not applied; scale: 1, 1/2, 1/4, 1/8 or 1/16, of the crop. Only
        the tiles these need are read, and only their checksums tested. damage: a Damage, which collects what cannot be decoded; without one
        it is an error. Raises NotAec, Truncated, Corrupt, UnsupportedVersion, UnknownModel, TooLarge, BadOption, OSError for a path.
        """
        region_of = lambda header: Region.of(header.width, header.height, crop, scale)
        with _opened(source, lambda header: _check_size(region_of(header), max_pixels), damage is not None) as reader:
            header, region = reader.header, region_of(reader.header)
            if damage is not None:
                damage.header, damage.surplus = header, max(0, reader.size - reader.expected)
            sections = {}
            for kind in reader.sections:
                with damage.section(kind) if damage is not None else nullcontext():
                    sections[kind] = reader.section(kind)
            alpha = lambda: image.alpha_rows(sections["alpha"], header.height, header.width, header.depth)
            if damage is not None and "alpha" in sections:
                with damage.section("alpha"):  # before the first pixel, as it decides whether there is alpha
                    deque(alpha(), 0)
            metadata = {kind: sections.get(kind) for kind in KINDS}
            has_alpha = "alpha" in sections and not (damage is not None and "alpha" in damage.sections)
            strips = lambda: region.reduce(self._for(header)._decode_strips(reader, region, alpha() if has_alpha else None, damage))
            yield Scan(*region.size, header.channels, header.depth, has_alpha, strips, **metadata, suffix=header.suffix)

    def verify(self, source, *, max_pixels=MAX_PIXELS):
        """Checks everything about a file except pixels: structure, checksums, every symbol. Raises as `scan`."""
        with _opened(source, lambda header: _check_size(header, max_pixels)) as reader:
            header = reader.header
            for kind in reader.sections:
                content = reader.section(kind)
                if kind == "alpha":
                    deque(image.alpha_rows(content, header.height, header.width, header.depth), 0)
            coder = self._for(header)
            for number, (row, column) in enumerate(tiles.grid(header.height, header.width, 0)):
                with inference(coder.model.networks):
                    coder._decode_tile(reader.tile(number), row.stop - row.start, column.stop - column.start, header.quality)

    def _for(self, header):
        """The codec whose model the file was made with: this one, or another installed one."""
        if header.model == self.model.id:
            return self
        other = object.__new__(Codec)
        other.device, other.model = self.device, load_model(name_of(header.model), self.device)
        return other

    def _decode_strips(self, reader, region, alpha, damage):
        """Yields the region's pixels as Pictures, a row of tiles at a time; never holds the latents of more than three rows of tiles.

        alpha: all rows, as `image.alpha_rows` yields them, or None.
        """
        header, halo = reader.header, tiles.synthesis_halo(self.model.config)
        rows, columns = tiles.axes(header.height, header.width, halo)
        needed = deque((i * len(columns) + j, row, column) for i, row in tiles.reaching(rows, region.top, region.bottom, halo)
                       for j, column in tiles.reaching(columns, region.left, region.right, halo))
        mosaic, alpha = tiles.Mosaic(), alpha and Window(alpha)
        for i, row in tiles.reaching(rows, region.top, region.bottom):
            top, bottom = max(region.top, row.start * STRIDE), min(region.bottom, row.stop * STRIDE)
            pixels = np.full((bottom - top, region.width, header.channels), 128 if header.depth == 8 else 128 * 257, f"u{header.depth // 8}")
            with inference(self.model.networks):
                while needed and needed[0][1].start < row.outer_stop:
                    number, *spans = needed.popleft()
                    h, w = [s.stop - s.start for s in spans]
                    with damage.tile(number) if damage is not None else nullcontext():
                        mosaic.put(*spans, self._decode_tile(reader.tile(number), h, w, header.quality))
                for j, column in tiles.reaching(columns, region.left, region.right):
                    if damage is not None and i * len(columns) + j in damage.tiles:
                        continue  # stays gray
                    x = self._render(mosaic.window(row, column), header, pixels.dtype)
                    left, right = max(region.left, column.start * STRIDE), min(region.right, column.stop * STRIDE)
                    pixels[:, left - region.left:right - region.left] = x[top - row.outer_start * STRIDE:bottom - row.outer_start * STRIDE,
                                                                          left - column.outer_start * STRIDE:right - column.outer_start * STRIDE]
            mosaic.forget(row.stop - halo)
            yield image.Picture(pixels, alpha and alpha.rows(top, bottom)[:, region.left:region.right])

    def _render(self, y, header, dtype):
        """Samples [16h,16w,C] of latents y [1,M,h,w], which the synthesis turns to pixels."""
        x = self.model.networks.synthesis(y, self._coordinate(header.quality))[0].permute(1, 2, 0)
        if header.channels == 1:
            x = x.mean(2, keepdim=True)
        return ((x + 0.5).clamp_(0, 1) * float(np.iinfo(dtype).max)).round_().cpu().numpy()

    def _decode_tile(self, tile, h, w, quality):
        """Dequantised y [1,M,h,w] of a tile."""
        n = self.model.networks
        _, symbols, decoded, rows = self._read_tile(tile, h, w, quality)
        _, reciprocal, _ = n.prior.gains(quality)
        pull = symbols.sign_().float().mul_(n.pull[rows.long()])
        y = decoded.mul_(2.0**-LATENT).float().sub_(pull).mul_(reciprocal.float())
        return y[:, :, :h, :w].contiguous(memory_format=torch.channels_last)

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

    def bits_map(self, source, *, max_pixels=MAX_PIXELS):
        """Where a file spends its bits: float64 [ceil(H/16), ceil(W/16)], by the model's own tables; raises as `scan`.

        The hyper-latent's bits are spread over the 4x4 positions each of its symbols serves.
        """
        with _opened(source, lambda header: _check_size(header, max_pixels)) as reader:
            header = reader.header
            coder = self._for(header)
            m = coder.model
            bits = np.zeros((-(-header.height // STRIDE), -(-header.width // STRIDE)))
            for number, (row, column) in enumerate(tiles.grid(header.height, header.width, 0)):
                h, w = row.stop - row.start, column.stop - column.start
                with inference(m.networks):
                    z, symbols, _, rows = coder._read_tile(reader.tile(number), h, w, header.quality)
                symbols, rows = symbols[0, :, :h, :w], rows[0, :, :h, :w]
                spent = np.where(_flat(rows) > 0, m.tables_y.bits(_flat(symbols), _flat(rows)), 0).reshape(symbols.shape).sum(0)
                hyper = m.tables_z.bits(_flat(z), coder._z_rows(z.shape, header.quality)).reshape(z.shape[1:]).sum(0) / HYPER_STRIDE**2
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


@contextmanager
def _opened(source, check, partial=False):
    """Context of a container.Reader, with these arguments, over a path, bytes-like or binary file."""
    with open(source, "rb") if isinstance(source, (str, os.PathLike)) else nullcontext(source) as file:
        yield container.Reader(file, check, partial)


def _check_size(wanted, max_pixels):
    """Raises TooLarge when more is to be decoded than `max_pixels` allow (0: no limit). wanted: a Header or Region."""
    width, height = wanted.width, wanted.height
    pixels = width * height
    if max_pixels and pixels > max_pixels:
        raise TooLarge(f"{width} x {height} = {pixels} pixels are more than the {max_pixels} that --max-pixels allows")
    positions = -(-width // STRIDE) * -(-height // STRIDE)
    if max_pixels and positions * STRIDE**2 > 2 * max(max_pixels, MAX_PIXELS):  # a line of pixels takes as much memory as 16 lines
        raise TooLarge(f"{width} x {height} pixels take as much memory as {positions * STRIDE**2}, more than --max-pixels allows")


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
