"""What the commands compress, decompress, verify and info do with one file.

Between cli, which names the work, and the package, which does it.

Each function here takes what the command line gave and returns the work, a function of a Job (and a Draft to write); it
is what a worker process is sent, and the work never leaves the process. Nothing heavy is imported before.
"""

import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import CodecError
from ..files import output
from ..files.jobs import STREAM, Job
from ..files.words import shown
from .options import Options
from .report import Stopwatch

Draft = output.Draft | output.Stream


@dataclass(frozen=True)
class Result:
    """What is known of an output once it is written."""

    coded: int  # bytes of the .aec data, which is the output or what it was made from
    bpp: float  # of the .aec data
    width: int  # of what was read or written
    height: int
    stages: dict[str, float]  # seconds
    problems: list[str]  # what is wrong with the output all the same
    lost: tuple[str, ...] = ()  # of the input's metadata: what the output has no place for


def whole(prepare: Callable[[], Callable[[Job, Draft], Result]]) -> Callable[[Job, Draft], Result]:
    """The work of `prepare` with the draft closed at its end."""
    work = prepare()

    def closing(job: Job, draft: Draft) -> Result:
        try:
            result = work(job, draft)
            draft.close()
            return result
        except BaseException:
            draft.drop()
            raise

    return closing


def compressing(
    options: Options,
    model: str,
    quality: float,
    effort: int,
    lossless: bool | None,
    strip: tuple[str, ...],
    target: dict,
) -> Callable[[Job, Draft], Result]:
    import codec

    from ..pixels import scanner

    coder = options.coder(model)

    def work(job: Job, draft: Draft) -> Result:
        watch = Stopwatch()
        with scanner.opened(source(job), options.max_pixels) as picture:
            lost = picture.notes
            watch.lap("read")
            data = coder.encode(
                _timed(picture, watch, "read"),
                quality,
                effort=effort,
                lossless=lossless,
                strip=strip,
                max_pixels=options.max_pixels,
                **target,
            )
        header = codec.info(data)
        draft.write(data)
        watch.lap("encode")
        if options.remove:
            with coder.scan(data, max_pixels=options.max_pixels) as scan:
                deque(scan.strips(), 0)
            draft.flush()
            if Path(draft.path).read_bytes() != data:
                raise CodecError(f"{shown(job.target)} did not read back as written, the input is kept")
            watch.lap("prove")
        return Result(len(data), header["bpp"], header["width"], header["height"], watch.stages, [], lost)

    return work


def decompressing(
    options: Options,
    model: str,
    crop: tuple[int, ...] | None,
    scale: float,
    recover: bool,
    fast: bool,
    strip: tuple[str, ...],
) -> Callable[[Job, Draft], Result]:
    import codec

    from ..pipeline.damage import Damage
    from ..pixels import image, scanner, write

    coder = options.coder(model)

    def work(job: Job, draft: Draft) -> Result:
        watch = Stopwatch()
        data = reread(job)
        header = codec.info(data)
        watch.lap("read")
        format = os.path.splitext(job.target)[1][1:].lower() or "png"
        damage = Damage() if recover else None
        with coder.scan(data, max_pixels=options.max_pixels, crop=crop, scale=scale, damage=damage, fast=fast) as scan:
            scan = write.fitted(image.strip(scan, strip), format)  # turned, if need be, before the proof
            written, read = Fingerprint(), Fingerprint()
            write.save(_timed(scan, watch, "decode", written if options.remove else None), draft, format)
            watch.lap(format)
            if options.remove:
                draft.flush()
                with scanner.opened(draft.path, max_pixels=0) as again:
                    deque(read.of(again.strips()), 0)
                if read != written:
                    raise CodecError(f"{format} does not hold exactly these pixels, so that --rm would lose them")
                watch.lap("prove")
            problems = list(damage.sentences()) if damage else []
            return Result(header["bytes"], header["bpp"], scan.width, scan.height, watch.stages, problems, scan.notes)

    return work


def verifying(options: Options, model: str) -> Callable[[Job], int]:
    """The work gives the pixels of the file."""
    import codec

    coder = options.coder(model)

    def work(job: Job) -> int:
        data = reread(job)
        coder.verify(data)
        header = codec.info(data)
        return header["width"] * header["height"]

    return work


def informing() -> Callable[[Job], dict]:
    import codec

    return lambda job: codec.info(source(job))


def source(job: Job) -> bytes | str:
    """The path of the input, or what standard input holds."""
    return sys.stdin.buffer.read() if job.source == STREAM else job.source


def reread(job: Job) -> bytes | str:
    """The same for what reads it more than once: the path of a file, or all that a pipe, a FIFO or a socket holds."""
    if job.source != STREAM and output.is_direct(job.source):
        place = output.end_of(job.source)
        with open(os.dup(place) if isinstance(place, int) else place, "rb") as file:
            if not file.seekable():
                return file.read()
    return source(job)


class Fingerprint:
    """Tells the pixels and alpha of two pictures apart, whatever strips they come in."""

    def __init__(self):
        self._pixels, self._alpha, self._kinds = hashlib.sha256(), hashlib.sha256(), set()

    def of(self, strips):
        """The strips, as they pass by."""
        for strip in strips:
            self._kinds.add((strip.width, strip.channels, strip.depth, strip.has_alpha))
            self._pixels.update(strip.pixels.data if strip.pixels.flags.c_contiguous else strip.pixels.tobytes())
            if strip.has_alpha:
                self._alpha.update(strip.alpha.tobytes())
            yield strip

    def __eq__(self, other):
        return (self._kinds, self._pixels.digest(), self._alpha.digest()) == (
            other._kinds,
            other._pixels.digest(),
            other._alpha.digest(),
        )


def _timed(scan, watch: Stopwatch, stage: str, fingerprint: Fingerprint | None = None):
    """The Scan, or Picture, with its strips' time counted to the stage, and seen by the fingerprint."""
    from ..pixels.strips import Scan

    seen = fingerprint.of if fingerprint else iter
    fields = {
        name: getattr(scan, name)
        for name in (
            "width",
            "height",
            "channels",
            "depth",
            "has_alpha",
            "icc",
            "exif",
            "xmp",
            "cicp",
            "notes",
            "suffix",
        )
    }
    return Scan(strips=lambda: watch.timed(stage, seen(scan.strips())), **fields)
