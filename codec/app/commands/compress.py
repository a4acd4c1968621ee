"""compress and decompress."""

import functools
import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import CodecError
from ...files import output
from ...files.jobs import AEC, PICTURES, Job
from ...files.words import shown
from ..arguments import DECODING, ENCODING, INPUTS, LIMIT, MODEL, OUTPUTS, RECOVER, SPEECH, STRIP, WORK, check_encoding
from ..bundle import takes
from ..inputs import reread, source
from ..options import Options
from ..report import Stopwatch
from ..runner import Draft, Work, Written, produce

if TYPE_CHECKING:
    from ...pixels.strips import Scan


@click.command()
@takes(INPUTS, ENCODING, MODEL, OUTPUTS, WORK, LIMIT, SPEECH)
def compress(options: Options, encoding: dict[str, Any]) -> int:
    """Turn pictures into .aec files.

    \b
      aecodec compress photo.png                     makes photo.aec beside it
      aecodec compress -q 80 *.jpg -o small/         several, into a directory
      aecodec compress -r photos --output-dir small  a whole tree, mirrored
      curl ... | aecodec compress - > photo.aec      through a pipe
      aecodec compress --target-size 50kB photo.png  the best that fits
    """
    check_encoding(encoding)
    return produce(options, options.plan(PICTURES, AEC), partial(compressing, options, encoding))


@click.command()
@takes(INPUTS, DECODING, RECOVER, STRIP, MODEL, OUTPUTS, WORK, LIMIT, SPEECH)
def decompress(options: Options, decoding: dict[str, Any], recover: bool, strip: tuple[str, ...]) -> int:
    """Turn .aec files into pictures.

    The format is PNG, or what the suffix of -o FILE names.

    \b
      aecodec decompress photo.aec               makes photo.png beside it
      aecodec decompress photo.aec -o photo.jpg  makes a JPEG
      aecodec decompress -r small -o back/       a whole tree, mirrored
      aecodec decompress map.aec --crop 9000,4000,800,600 -o part.png
    """
    if options.remove and (decoding["crop"] or decoding["scale"] != 1 or recover or decoding["partial"]):
        raise click.UsageError("--rm excludes --crop, --scale, --recover and --partial: the output may hold less")
    jobs = options.plan({AEC}, ".png", only=AEC)
    return produce(options, jobs, partial(decompressing, options, decoding, recover, strip))


# The work on one file, for worker processes


def compressing(options: Options, encoding: dict[str, Any]) -> Work:
    import codec

    from ...pipeline.options import EncodeOptions
    from ...pixels import scanner

    wanted = EncodeOptions(**encoding, max_pixels=options.max_pixels)
    coder = options.coder()

    def work(job: Job, draft: Draft) -> Written:
        watch = Stopwatch()
        with scanner.opened(source(job), options.max_pixels) as picture:
            lost = picture.notes
            watch.lap("read")
            data = coder.encoder.encode(_timed(picture, watch, "read"), wanted)
        header = codec.info(data)
        draft.write(data)
        watch.lap("encode")
        if options.remove:
            with coder.scan(data, max_pixels=options.max_pixels) as scan:
                deque(scan.strips(), 0)
            assert isinstance(draft, output.Draft)
            draft.flush()
            if Path(draft.path).read_bytes() != data:
                raise CodecError(f"{shown(job.target)} did not read back as written, the input is kept")
            watch.lap("prove")
        return coded(len(data), header["bpp"], header["width"], header["height"], watch, lost=lost)

    return work


def decompressing(options: Options, decoding: dict[str, Any], recover: bool, strip: tuple[str, ...]) -> Work:
    import codec

    from ...pipeline import short

    long_way = functools.cache(partial(_the_long_way, options, decoding, recover, strip))
    asked = decoding["crop"], decoding["scale"] != 1, decoding["partial"], recover, strip, options.remove
    loaded = None if any(asked) else options.loaded()
    if loaded is None:
        long_way()

    def work(job: Job, draft: Draft) -> Written:
        watch = Stopwatch()
        data = reread(job)
        header = codec.info(data)
        watch.lap("read")
        format = os.path.splitext(job.target)[1][1:].lower() or "png"
        if loaded is not None and format == "png" and (plain := short.decoded(loaded, data, options.max_pixels)):
            watch.lap("decode")
            draft.write(plain.png())
            watch.lap("png")
            return coded(header["bytes"], header["bpp"], header["width"], header["height"], watch)
        written: Written = long_way()(data, header, format, draft, watch)
        return written

    return work


def _the_long_way(options: Options, decoding: dict[str, Any], recover: bool, strip: tuple[str, ...]) -> Work:
    """What decodes every file: .aec data and what `codec.info` says of them, written to a draft in a format."""
    from ...pipeline.damage import Damage
    from ...pipeline.options import DecodeOptions
    from ...pixels import scanner, write
    from ...pixels.picture import without

    wanted = DecodeOptions(**decoding, max_pixels=options.max_pixels)
    coder = options.coder()

    def work(data: bytes | str, header: dict[str, Any], format: str, draft: Draft, watch: Stopwatch) -> Written:
        damage = Damage(recover) if recover or wanted.partial else None
        with coder.decoder.scan(data, wanted, damage) as stored:
            scan = write.fitted(without(stored, strip), format)  # turned, if need be, before the proof
            written, read = Fingerprint(), Fingerprint()
            write.save(_timed(scan, watch, "decode", written if options.remove else None), draft, format)
            watch.lap(format)
            if options.remove:
                assert isinstance(draft, output.Draft)
                draft.flush()
                with scanner.opened(draft.path, max_pixels=0) as again:
                    deque(read.of(again.strips()), 0)
                if read != written:
                    raise CodecError(f"{format} does not hold exactly these pixels, so that --rm would lose them")
                watch.lap("prove")
            problems = list(damage.sentences()) if damage else []
            done = coded(header["bytes"], header["bpp"], scan.width, scan.height, watch, problems, scan.notes)
            if damage and damage.missing.bytes:
                note = damage.missing.sentence(header["tiles"])
                done = replace(done, facts=done.facts | {"missing": damage.missing.record()}, note=note)
            return done

    return work


def coded(
    size: int,
    bpp: float,
    width: int,
    height: int,
    watch: Stopwatch,
    problems: Iterable[str] = (),
    lost: Iterable[str] = (),
) -> Written:
    """What is said of a picture of which .aec data of `size` bytes are the output or what it was made from."""
    return Written(
        {"bytes": size, "bpp": bpp, "width": width, "height": height},
        f"{size:,} bytes, {bpp:.3f} bpp, {width}x{height}",
        watch.stages,
        list(problems),
        width * height,
        tuple(lost),
    )


class Fingerprint:
    """Tells the pixels and alpha of two pictures apart, whatever strips they come in."""

    def __init__(self) -> None:
        self._pixels, self._alpha = hashlib.sha256(), hashlib.sha256()
        self._kinds: set[tuple[int, int, int, bool]] = set()

    def of(self, strips: Iterable[Any]) -> Iterator[Any]:
        """The strips, as they pass by."""
        for strip in strips:
            self._kinds.add((strip.width, strip.channels, strip.depth, strip.has_alpha))
            self._pixels.update(strip.pixels.data if strip.pixels.flags.c_contiguous else strip.pixels.tobytes())
            if strip.has_alpha:
                self._alpha.update(strip.alpha.tobytes())
            yield strip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and self._parts() == other._parts()

    def _parts(self) -> tuple[Any, ...]:
        return self._kinds, self._pixels.digest(), self._alpha.digest()


def _timed(scan: Any, watch: Stopwatch, stage: str, fingerprint: Fingerprint | None = None) -> "Scan":
    """The Scan, or Picture, with its strips' time counted to the stage, and seen by the fingerprint."""
    from ...pixels.strips import Scan

    seen: Callable[[Iterable[Any]], Iterator[Any]] = fingerprint.of if fingerprint else iter
    said = {field.name: getattr(scan, field.name) for field in fields(Scan) if field.name != "strips"}
    return Scan(strips=lambda: watch.timed(stage, seen(scan.strips())), **said)
