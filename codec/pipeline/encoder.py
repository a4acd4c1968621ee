"""From a picture to the bytes of an .aec file: what is proposed for it, and of that the cheapest.

picture -> tiles -+-> analysis -> gain, hyper-analysis, prior, rANS -+-> container
                  +-> samples, where these cost less (`contest`) ----+

Everything is done for a list of trials, which is one large picture or small ones with tiles of one size: an engine
codes several of these in the time of few.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from ..bitstream import container, layout
from ..bitstream.container import Tile
from ..coding import tiles
from ..coding.tiles import Halo
from ..engine.seam import Effort, Engine, Latents
from ..errors import BadOption
from ..model.config import STRIDE
from ..pixels import hidden, scanner, score, strips
from ..pixels.picture import Picture, without
from ..pixels.strips import Scan, Window
from . import ladder, target
from .batches import Batch
from .choice import Candidate, cheapest
from .contest import Contest
from .decoder import Decoder
from .options import DecodeOptions, EncodeOptions
from .source import Parts, Source, Trial

TOGETHER = 4  # tiles side by side that are analysed at once: less halo, a tenth of the time of encoding a large picture
ALL = DecodeOptions(max_pixels=0)
FREE = 1e9  # bits that a unit of error is worth where bits cost next to nothing


@dataclass(frozen=True, eq=False)
class Pass:
    """One way through the rows [n, W, C] of a trial's picture; contest: what samples are offered to."""

    trial: Trial
    rows: Iterable[NDArray[Any]]
    contest: Contest | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """Latents of a tile, or of several side by side, with so much of their neighbours' as `around` says, and the
    samples [H, W, C] of each tile.
    """

    latents: Latents
    samples: list[NDArray[Any]]
    around: Halo


class Encoder:
    """Encodes with an Engine, and asks a Decoder what is lost. Raises BadImage, TooLarge, BadOption."""

    def __init__(self, engine: Engine, decoder: Decoder):
        self.engine, self.decoder = engine, decoder

    def encode(self, picture: Any, options: EncodeOptions) -> bytes:
        """The file of a picture: a Scan, or anything `pixels.read.load` takes."""
        with scanner.opened(picture, options.max_pixels) as scan:
            file = self._file(without(scan, options.strip), options)
        if isinstance(file, BadOption):
            raise file
        return file

    def encode_batch(self, pictures: Iterable[Any], options: EncodeOptions, keep: bool = False) -> list[Any]:
        """The files that `encode` makes of pictures, in order.

        keep: of a picture that cannot be coded, the CodecError or OSError is returned; else it is raised.
        """
        batch = Batch(lambda sources: self._files(sources, options), keep)
        for number, picture in enumerate(pictures):
            with batch.number(number), scanner.opened(picture, options.max_pixels) as scan:
                scan = without(scan, options.strip)
                if is_large(scan) or hides(scan, options):
                    batch.put(number, self._file(scan, options))
                    continue
                size = -(-scan.height // STRIDE), -(-scan.width // STRIDE)
                batch.wait(number, Source(scan.whole()), size, self.engine.together(*size))
        return batch.results()

    def _file(self, scan: Picture | Scan, options: EncodeOptions) -> bytes | BadOption:
        """The file of one picture; what nobody sees of it is flat where samples win, and smooth where latents do."""
        if not hides(scan, options):
            return self._files([Source(scan)], options)[0]
        smoothed = Source(hidden.smoothed(scan))
        if options.lossless is False:
            return self._files([smoothed], options)[0]
        flat, whole, most = Source(hidden.flat(scan)), Source(scan), options.limit(scan.width * scan.height)
        file = self._files([flat], options)[0]
        samples = isinstance(file, bytes) and has_samples(file)
        if not samples and not most:
            return self._files([smoothed], options)[0]
        # Scattered zeros break labels and steps, so that the picture without loss, all of it as it is, may cost less.
        kept = self._encode([Trial(whole, options.hundredths, True)], options.effort)[0]
        if not samples:
            return kept if len(kept) <= most else self._files([smoothed], options)[0]
        # The edge of what is flat makes latents cost more than where it is smooth, so that samples won too easily.
        made = [(flat, file), (whole, kept), (smoothed, self._files([smoothed], options)[0])]
        return self._best([(source, one) for source, one in made if isinstance(one, bytes)], options, most or math.inf)

    def _best(self, made: list[tuple[Source, bytes]], options: EncodeOptions, most: float) -> bytes:
        """Of files of versions of a picture, those of up to `most` bytes, the best by what the options ask for."""
        sources = {file: source for source, file in reversed(made) if len(file) <= most}
        weight = self._weight(options.hundredths)
        if options.target:  # all are good enough, so that bits count, or small enough, so that errors do
            weight = 1 / FREE if options.target.fidelity is not None else FREE
        candidates = [Candidate.of(file) for _, file in made if file in sources]
        measure = lambda asked: self._measure([(sources[one.file], one) for _, one in asked])
        return cheapest([(candidates, weight)], measure)[0].file

    def _files(self, sources: list[Source], options: EncodeOptions) -> Sequence[bytes | BadOption]:
        """The file of each picture, or what says that it cannot reach its target."""
        encode, lossless = partial(self._encode, effort=options.effort), options.lossless
        if options.target:
            fidelity = self._psnr if options.psnr is not None else self._score
            return target.reach(options.target, sources, lossless, encode, fidelity)
        files = encode([Trial(source, options.hundredths, lossless) for source in sources])
        if lossless is not None:
            return files
        scans, quality = [source.coded for source in sources], options.hundredths
        again = lambda wanted: encode([Trial(sources[number], one, None) for number, one in wanted])
        measure = lambda asked: self._measure([(sources[number], candidate) for number, candidate in asked])
        return ladder.best(scans, files, quality, self._weight(quality), again, measure)

    def _encode(self, trials: list[Trial], effort: int) -> list[bytes]:
        """The file of each trial: of latents or of samples, with drawn parts or without, whatever costs least."""
        passes = [Pass(trial, trial.source.rows(trial.lossless is True), self._contest(trial)) for trial in trials]
        choices = []
        for one, latents in zip(passes, self._tiles(passes, effort), strict=True):
            pack = self._pack(one.trial)
            choices.append(one.contest.candidates(pack, latents) if one.contest else [Candidate.of(pack(latents))])
        found = self._cheapest(trials, choices)

        parted = {number: parts for number, one in enumerate(passes) if (parts := parts_of(one))}
        some = [trials[number] for number in parted]
        passes = [Pass(trial, [parts.rest]) for trial, parts in zip(some, parted.values(), strict=True)]
        choices = []
        for (number, parts), latents in zip(parted.items(), self._tiles(passes, effort), strict=True):
            file = self._pack(trials[number])(latents, drawn=parts.section)
            choices.append([found[number], Candidate.of(file)])
        for number, best in zip(parted, self._cheapest(some, choices), strict=True):
            found[number] = best
        return [candidate.file for candidate in found]

    def _pack(self, trial: Trial) -> Callable[..., bytes]:
        """`Source.file` of the trial's picture, for its tiles."""
        return partial(trial.source.file, quality=trial.quality, model=self.engine.model.id)

    def _contest(self, trial: Trial) -> Contest | None:
        """What decides between samples and latents; None where latents it is."""
        if trial.lossless is False:
            return None
        channels, spread = trial.source.scan.channels, None if trial.lossless else trial.source.range
        return Contest(self.engine.model.config, self._weight(trial.quality), channels, trial.lossless, spread)

    def _cheapest(self, trials: list[Trial], choices: list[list[Candidate]]) -> list[Candidate]:
        """The cheapest candidate of each trial, as a candidate at what it takes."""
        weights = [self._weight(trial.quality) for trial in trials]
        measure = lambda asked: self._measure([(trials[number].source, candidate) for number, candidate in asked])
        found = cheapest(list(zip(choices, weights, strict=True)), measure)
        return [Candidate.of(candidate.file, candidate.error) for candidate in found]

    def _tiles(self, passes: list[Pass], effort: int) -> list[list[Tile]]:
        """The tiles of latents of every pass, none where only samples count."""
        if any(is_large(one.trial.source.scan) for one in passes):
            return [
                [tile for part in self._parts(one, effort) for tile in self._written(part, one.trial.quality, effort)]
                for one in passes
            ]
        parts = [part for one in passes for part in self._parts(one, effort)]
        if not parts:
            return [[] for _ in passes]
        qualities = [one.trial.quality for one in passes]
        fitting = Effort(effort, [part.samples[0] for part in parts]) if effort else None
        return [[tile] for tile in self.engine.write([part.latents for part in parts], qualities, fitting)]

    def _written(self, part: Part, quality: int, effort: int) -> list[Tile]:
        """The tiles of a part of a large picture."""
        if effort:
            return self.engine.write([part.latents], [quality], Effort(effort, part.samples, part.around))
        found = []
        for left in range(0, part.latents.shape[2], tiles.LATENTS):
            found += self.engine.write([part.latents[:, :, left : left + tiles.LATENTS]], [quality])
        return found

    def _parts(self, one: Pass, effort: int) -> Iterator[Part]:
        """Yields what a pass finds, a row of tiles after the other; nothing where only samples count."""
        height, width, config = one.trial.source.scan.height, one.trial.source.scan.width, self.engine.model.config
        margin = tiles.synthesis_halo(config) if effort else 0  # of neighbours' latents, which the fitting takes
        halo, together = tiles.analysis_halo(config) + margin, 1 if effort else TOGETHER
        rows, columns = tiles.axes(height, width, halo, together)
        window = Window(one.rows)
        for row in rows:
            pixels = window.rows(row.outer_start * STRIDE, min(row.outer_stop * STRIDE, height))
            inner = pixels[row.inner.start * STRIDE : row.inner.stop * STRIDE]
            for column in columns:
                lefts = range(column.start, column.stop, tiles.LATENTS)
                rights = [min(left + tiles.LATENTS, column.stop) for left in lefts]
                samples = [inner[:, left * STRIDE : right * STRIDE] for left, right in zip(lefts, rights, strict=True)]
                if one.contest:
                    for tile in samples:
                        one.contest.offer(tile)
                if one.contest and one.contest.lossless:
                    continue
                beyond, around = tiles.parted((*row.halo, *column.halo), margin)
                latents = self.engine.analyse(tiles.cut(pixels, row, column), one.trial.quality, beyond)
                yield Part(latents, samples, around)
        window.finish()

    def _measure(self, asked: list[tuple[Source, Candidate]]) -> None:
        """Sets the errors of candidates."""
        unknown = [(source, candidate.file) for source, candidate in asked if candidate.file not in source.errors]
        error = lambda number, scan: strips.error(unknown[number][0].scan, scan) * unknown[number][0].gain ** 2
        means = self.decoder.each([file for _, file in unknown], error, ALL)
        for (source, file), mean in zip(unknown, means, strict=True):
            source.errors[file] = mean
        for source, candidate in asked:
            candidate.error = source.pixels * source.errors[candidate.file]

    def _psnr(self, source: Source, file: bytes) -> float:
        with self.decoder.scan(file, ALL) as decoded:
            return strips.psnr(source.scan, decoded)

    def _score(self, source: Source, file: bytes) -> float:
        with self.decoder.scan(file, ALL) as decoded:
            return score.ssimulacra2(source.scan, decoded)

    def _weight(self, quality: int) -> float:
        return self.engine.model.config.lambda_at(quality)


def is_large(scan: Picture | strips.Scan) -> bool:
    """Whether a picture takes more than a tile."""
    return max(scan.height, scan.width) > tiles.LATENTS * STRIDE


def hides(scan: Picture | Scan, options: EncodeOptions) -> bool:
    """Whether a picture has colours that nobody sees and that need not be kept."""
    return not options.exact and not options.lossless and hidden.is_there(scan)


def has_samples(file: bytes) -> bool:
    """Whether a file holds samples, in all of the picture or in drawn parts."""
    header, sizes = container.read_header(file)
    return header.lossless or "drawn" in sizes


def parts_of(one: Pass) -> Parts | None:
    """What is drawn in a picture, where its tiles let expect it, and where not all is."""
    source = one.trial.source
    expected = one.contest and one.contest.has_plain and source.pixels <= layout.MOST_DRAWN
    return source.parts if expected else None
