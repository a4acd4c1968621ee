"""From a picture to the bytes of an .aec file: the half of `pipeline` that reads top to bottom.

Its other half: `decoding`, which it asks for errors.

picture -> tiles -+-> analysis -> gain, hyper-analysis, prior, rANS (`payload`) -+-> container
                  +-> samples, where these cost less (`contest`, `exact`) -------+
"""

import io
from functools import cache, partial

import numpy as np

from ..bitstream import container
from ..coding import alpha, drawn, tiles
from ..engine import Effort, buckets
from ..errors import BadOption
from ..model.config import STRIDE
from ..pixels import image, scanner, strips
from ..pixels.image import MAX_PIXELS
from ..pixels.metadata import KINDS
from ..pixels.strips import Window
from . import ladder
from .contest import Contest
from .target import Target

MOST_EFFORT = 9
TOGETHER = 4  # tiles side by side that are analysed at once: less halo, a tenth of the time of encoding a large picture


class Encoding:
    """What a `pipeline.Codec` encodes with."""

    def encode(
        self,
        picture,
        quality=60.0,
        *,
        effort=0,
        strip=(),
        lossless=None,
        target_size=None,
        bpp=None,
        psnr=None,
        max_pixels=MAX_PIXELS,
    ):
        """Bytes of an .aec file. picture: a Scan, or anything `image.load` takes; quality: 1..100, in steps of 0.01;
        effort: 0..9, how often the latents are fitted to the picture they decode to (`refinement`): smaller files that
        take longer to make.

        lossless: whether every pixel must come back as it is; False: never, and latents of just this quality; None:
        where that costs less (`contest`), as with graphics, and of small files the one of four qualities that pays best
        (`ladder`). target_size (bytes), bpp (bits per pixel of the whole file) or psnr (dB): the quality that gives it
        is sought instead, see `target`. Raises BadImage, TooLarge, BadOption.
        """
        options = {
            "strip": strip,
            "lossless": lossless,
            "target_size": target_size,
            "bpp": bpp,
            "psnr": psnr,
            "max_pixels": max_pixels,
            "effort": effort,
        }
        return buckets.run([self._encoding(picture, quality, **options)], self._work)[0]

    def encode_batch(self, pictures, quality=60.0, *, return_exceptions=False, **options):
        """The bytes `encode` makes of every picture, in order; small pictures of one size share their work.

        return_exceptions: of a picture that cannot be coded, the CodecError or OSError is returned; else it is raised.
        """
        tasks = (self._encoding(picture, quality, **options) for picture in pictures)
        return buckets.run(map(buckets.keeping, tasks) if return_exceptions else tasks, self._work)

    def _encoding(
        self,
        picture,
        quality,
        *,
        effort=0,
        strip=(),
        lossless=None,
        target_size=None,
        bpp=None,
        psnr=None,
        max_pixels=MAX_PIXELS,
    ):
        """`encode` as a task of `buckets`: yields y [1,M,h,w] of a picture of one tile and its samples, is sent its
        Tile, and returns the bytes.
        """
        target, hundredths = Target.of(target_size, bpp, psnr), hundredths_of(quality)
        if not isinstance(effort, (int, np.integer)) or not 0 <= effort <= MOST_EFFORT:
            raise BadOption(f"effort {effort} is not a whole number from 0 to {MOST_EFFORT}")
        if target and lossless:
            raise BadOption("a lossless file has the size it has: there is nothing to choose for a target")
        with scanner.opened(picture, max_pixels) as scan:
            scan = image.strip(scan, strip)
            errors = {}

            def error(file):
                """The task of a file's mean squared error."""
                if file not in errors:
                    errors[file] = yield from self._decoding(file, then=partial(strips.error, scan), max_pixels=0)
                return errors[file]

            split = cache(lambda: drawn.split(np.concatenate([piece.pixels for piece in scan.strips()])))
            encoding, pixels = partial(self._encoding_at, scan, error, split, effort), scan.width * scan.height
            if target:
                return (yield from target.reach(scan, encoding, partial(self.scan, max_pixels=0), lossless))
            file = yield from encoding(hundredths, lossless)
            if lossless is None and (flat := ladder.limit(file, scan)):
                file = yield from ladder.best(
                    file,
                    hundredths,
                    flat,
                    self.model.config.lambda_at(hundredths) * pixels,
                    partial(encoding, lossless=None),
                    error,
                )
            return file

    def _encoding_at(self, scan, error, split, effort, hundredths, lossless):
        """The task of one quality; error(file): that of the mean squared error of a file of the scan; split():
        `drawn.split` of it.
        """
        plane = io.BytesIO()
        writer = alpha.Writer(plane, scan.width, scan.height, scan.depth) if scan.has_alpha else None

        def pixels():
            for piece in scan.strips():
                if writer:
                    writer.write(piece.alpha[..., None])
                yield piece.pixels

        if lossless is None and scan.depth == 16:
            lossless = False  # PNG, which keeps deep pixels, is no match for the networks
        window = Window(pixels())
        contest = (
            None
            if lossless is False
            else Contest(self.model.config, self.model.config.lambda_at(hundredths), scan.channels, lossless)
        )
        coded = yield from self._encode_tiles(window, scan.height, scan.width, hundredths, effort, contest)
        window.finish()
        sections = {kind: getattr(scan, kind) for kind in KINDS if getattr(scan, kind)}
        if writer:
            writer.close()
            sections["alpha"] = plane.getvalue()

        def file(payloads, step=0, **more):
            header = container.Header(
                scan.width,
                scan.height,
                hundredths,
                scan.channels,
                scan.depth,
                scan.has_alpha,
                container.NO_MODEL if step else self.model.id,
                scan.suffix,
                step > 0,
                step > 1,
            )
            return container.pack(container.Aec(header, payloads, sections | more))

        def lost(data):
            return scan.width * scan.height * (yield from error(data))

        def cost(data):
            return 8 * len(data) + self.model.config.lambda_at(hundredths) * (yield from lost(data))

        if not contest:
            return file(coded)
        whole = file(*(yield from contest.settle(coded, lambda: lost(file(coded)))))
        if not (contest.has_plain and scan.width * scan.height <= container.MOST_DRAWN and split()[0]):
            return whole
        section, rest = split()
        parted = file(
            (yield from self._encode_tiles(Window([rest]), scan.height, scan.width, hundredths, effort, None)),
            drawn=section,
        )
        costs = yield from cost(parted)
        return parted if costs < 8 * len(whole) or costs < (yield from cost(whole)) else whole

    def _encode_tiles(self, window, height, width, quality, effort, contest):
        """Tiles of the picture whose rows [n,W,C] the window gives, a row of tiles at a time; yields as `_encoding`."""
        config = self.model.config
        margin = tiles.synthesis_halo(config) if effort else 0  # of neighbours' latents, which the fitting takes
        halo, together = tiles.analysis_halo(config) + margin, 1 if effort else TOGETHER
        rows, columns = tiles.axes(height, width, halo, together)
        coded = []
        for row in rows:
            pixels = window.rows(row.outer_start * STRIDE, min(row.outer_stop * STRIDE, height))
            for column in columns:
                parts = [
                    pixels[
                        row.inner.start * STRIDE : row.inner.stop * STRIDE,
                        left * STRIDE : min(left + tiles.LATENTS, column.stop) * STRIDE,
                    ]
                    for left in range(column.start, column.stop, tiles.LATENTS)
                ]
                if contest:
                    for part in parts:
                        contest.offer(part)
                if contest and contest.lossless:
                    continue
                sides = (*row.halo, *column.halo)
                outside = tuple(max(0, side - margin) for side in sides)
                around = tuple(min(side, margin) for side in sides)
                y = self.engine.analyse(tiles.cut(pixels, row, column), quality, outside)
                if max(height, width) <= tiles.LATENTS * STRIDE:
                    bucket = Encoding._encode_bucket, effort, *y.shape[1:]
                    coded.append((yield bucket, ((y, parts[0] if effort else None), quality)))
                elif effort:
                    coded += self.engine.write([y], [quality], Effort(effort, parts, around))
                else:
                    for left in range(0, y.shape[2], tiles.LATENTS):
                        coded += self.engine.write([y[:, :, left : left + tiles.LATENTS]], [quality])
        return coded

    def _encode_bucket(self, items, qualities, effort, h, w):
        """Tiles of latents [M,h,w] and their samples."""
        latents, samples = zip(*items)
        return self.engine.write(latents, qualities, Effort(effort, samples) if effort else None)


def hundredths_of(quality):
    """A quality as the whole number of hundredths that files hold. Raises BadOption."""
    try:
        value = float(quality)
    except (TypeError, ValueError):
        value = float("nan")
    if not 1 <= value <= 100:
        raise BadOption(f"quality {quality} is outside 1..100")
    return round(value * 100)
