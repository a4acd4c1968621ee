"""The commands embed, similar, anomaly, denoise, sample and interpolate of the command line; `codec.cli` registers them.

They take the same options, name files and report as the others do; nothing heavy is imported at the top.
"""
import dataclasses
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import click

from .. import batch, output
from ..batch import STREAM, Job
from ..errors import CodecError
from ..options import AEC, INPUTS, LIMIT, MODEL, OUTPUTS, PICTURE, PICTURES, SPEECH, WORK, Failure, Options, takes
from ..report import Stopwatch, shown

QUALITY, _, STRIP = ([option] for option in PICTURE)
FORCE = [click.option("-f", "--force", is_flag=True, help="Overwrite an existing output.")]


def writes(what: str) -> list:
    """The options of a command with one output file."""
    return [click.option("-o", "--output", "destination", required=True, metavar="FILE", type=click.Path(dir_okay=False), help=what), *FORCE]


@click.command()
@takes(INPUTS, QUALITY, writes("Features: .npy (an array [pictures, features]) or .parquet (columns input, features)."), MODEL, WORK, LIMIT, SPEECH)
def embed(quality: float, model: str, **options) -> None:
    """Turn pictures or .aec files into feature vectors.

    They are pooled from the decoded latent, no pixels are made. Rows are in the order of the files.

    \b
      aecodec embed *.aec -o features.npy
      aecodec embed -r photos -o photos.parquet      for aecodec similar (needs pyarrow)
    """
    options = Options(**options)
    kind = _suffix(options.destination, (".npy", ".parquet"))
    if kind == ".parquet":
        _require("pyarrow")
    jobs = options.sources({AEC, *PICTURES})
    _check(options)
    names, vectors, code = _embed(options, jobs, model, quality)
    if code and kind == ".npy" or not names:
        raise Failure(f"{shown(options.destination)} is not written: " + ("its rows would not match the files given" if names else "there is not one vector"))
    from . import features

    with output.atomic(options.destination, overwrite=options.force) as file:
        features.save(file, kind, names, vectors)
    click.get_current_context().exit(code)


@click.command()
@click.argument("query", type=click.Path())
@click.argument("folder", required=False, type=click.Path())
@click.option("-k", "--count", type=click.IntRange(min=1), default=10, show_default=True, help="Pictures to list.")
@click.option("--duplicates", is_flag=True, help="List the pairs of near-duplicates within a folder, given alone.")
@takes(QUALITY, MODEL, WORK, LIMIT, SPEECH)
def similar(query: str, folder: str | None, count: int, duplicates: bool, quality: float, model: str, **options) -> None:
    """Rank a folder by likeness to a picture, and find near-duplicates.

    FOLDER holds pictures or .aec files, or is a .parquet file of `aecodec embed`. "copy" marks what is most likely the same picture, cropped,
    rescaled, flipped or compressed again.

    \b
      aecodec similar photo.jpg photos/
      aecodec similar --duplicates photos/
    """
    if duplicates == (folder is not None):
        raise click.UsageError("give a picture and a folder, or --duplicates and a folder")
    _require("sklearn", "scikit-learn")
    options = Options(names=(), recursive=True, filelist=None, **options)
    place = query if duplicates else folder
    code = 0
    if os.path.isdir(place):
        names, vectors, code = _embed(options, batch.gather([place], {AEC, *PICTURES}, True), model, quality)
    elif place.endswith(".parquet"):
        _require("pyarrow")
        from . import features

        try:
            names, vectors = features.load(place)
        except (CodecError, OSError) as error:
            raise Failure(f"{shown(place)}: {getattr(error, 'strerror', None) or error}") from None
    else:
        raise Failure(f"{shown(place)}: is neither a folder nor a .parquet file of `aecodec embed`")
    if duplicates:
        _list_pairs(options, names, vectors)
    else:
        _, asked, failed = _embed(options, [Job(query)], model, quality)
        if not failed:
            _list_nearest(options, query, asked, names, vectors, count)
        code |= failed
    click.get_current_context().exit(code)


def _list_nearest(options: Options, query: str, asked, names: list[str], vectors, count: int) -> None:
    from . import features

    same = lambda name: os.path.exists(name) and query != STREAM and os.path.samefile(query, name)
    others = [i for i, name in enumerate(names) if not same(name)]
    if not others:
        raise Failure("there is nothing to compare with")
    indices, distances = _nearest(asked, vectors[others], count)
    for rank, (index, distance) in enumerate(zip(indices[0], distances[0]), 1):
        name, copy = names[others[index]], bool(distance < features.DUPLICATE)
        _tell(options, {"query": query, "rank": rank, "input": name, "distance": round(float(distance), 4), "copy": copy},
              f"{distance:.3f}  {'copy' if copy else '    '}  {shown(name)}")


def _list_pairs(options: Options, names: list[str], vectors) -> None:
    from . import features

    indices, distances = _nearest(vectors, vectors, len(names))
    pairs = {(min(i, j), max(i, j)): d for i, (row, far) in enumerate(zip(indices, distances)) for j, d in zip(row.tolist(), far) if i != j and d < features.DUPLICATE}
    for (i, j), distance in sorted(pairs.items(), key=lambda pair: pair[1]):
        _tell(options, {"input": names[i], "copy": names[j], "distance": round(float(distance), 4)}, f"{distance:.3f}  {shown(names[i])}  {shown(names[j])}")


def _tell(options: Options, record: dict, line: str) -> None:
    """A result that is no file's: it goes to standard output either way."""
    click.echo(json.dumps(record) if options.as_json else line)


def _nearest(queries, vectors, count: int):
    from . import features

    try:
        return features.nearest(queries, vectors, count)
    except CodecError as error:
        raise Failure(str(error)) from None


def _embed(options: Options, jobs: list[Job], model: str, quality: float):
    """Names, feature vectors [N, D] and exit code of some files."""
    import numpy as np

    names, vectors = [], []

    def prepare() -> Callable:
        from . import features

        coder = options.coder(model)
        return lambda job: features.embed(coder, _source(job), quality, max_pixels=options.max_pixels)

    def finish(job: Job, vector) -> tuple[dict, str]:
        names.append(job.source)
        vectors.append(vector)
        return {"input": job.source, "row": len(names) - 1, "features": len(vector)}, f"{shown(job.source)}: {len(vector)} features"

    code = _each(dataclasses.replace(options, as_json=options.as_json and options.destination is not None), jobs, prepare, finish)
    return names, np.array(vectors), code


@click.group()
def anomaly() -> None:
    """Find unusual pictures, and where they are unusual."""


@anomaly.command()
@takes(INPUTS, QUALITY, writes("JSON file that describes the normal pictures."), MODEL, WORK, LIMIT, SPEECH)
@click.option("--quantile", type=click.FloatRange(0, 1, min_open=True), default=0.99, show_default=True, help="Share of the normal pictures below the threshold.")
def fit(quality: float, model: str, quantile: float, **options) -> None:
    """Measure normal pictures.

    \b
      aecodec anomaly fit good/ -o normal.json
    """
    options = dataclasses.replace(Options(**options), recursive=True)
    _check(options)
    jobs, maps, ids = options.sources(PICTURES), [], []

    def prepare() -> Callable:
        from . import anomaly

        coder = options.coder(model)
        ids.append(coder.model.id.hex())
        return lambda job: anomaly.measure(coder, _source(job), quality, max_pixels=options.max_pixels)

    def finish(job: Job, measured) -> tuple[dict, str]:
        maps.append(measured)
        return {"input": job.source, "positions": measured[0].size}, f"{shown(job.source)}: {measured[0].size} positions"

    code = _each(options, jobs, prepare, finish)
    from . import anomaly

    try:
        normal = anomaly.Normal.fit(ids[0] if ids else "", maps, quality, quantile)
    except CodecError as error:
        raise Failure(f"{error}; {shown(options.destination)} is not written") from None
    with output.atomic(options.destination, overwrite=options.force) as file:
        file.write(normal.to_json().encode())
    click.get_current_context().exit(code)


@anomaly.command()
@takes(INPUTS)
@click.option("-n", "--normal", default="normal.json", show_default=True, metavar="FILE", type=click.Path(), help="What `aecodec anomaly fit` wrote.")
@click.option("--heat", metavar="DIR", type=click.Path(), help="Write a picture NAME-heat.png per file that shows where it is unusual.")
@takes(FORCE, MODEL, WORK, LIMIT, SPEECH)
def score(normal: str, heat: str | None, model: str, **options) -> None:
    """Score pictures against normal ones.

    \b
      aecodec anomaly score part.png                       part.png: 1.84 normal
      aecodec anomaly score -r parts --heat maps -n normal.json
    """
    options = Options(**options)
    jobs = options.sources(PICTURES)
    if heat:
        jobs = batch.Naming("-heat.png", None, None, heat, options.force, False).assign(jobs)

    def prepare() -> Callable:
        from .. import image
        from . import anomaly

        try:
            usual = anomaly.Normal.from_json(Path(normal).read_text("utf-8", "replace"))
        except (OSError, CodecError) as error:
            raise Failure(f"{shown(normal)}: {getattr(error, 'strerror', None) or error}") from None
        coder = options.coder(model)

        def work(job: Job):
            picture = image.load(_source(job), options.max_pixels)
            found, unusual, positions = usual.score(coder, picture, max_pixels=options.max_pixels)
            file = io.BytesIO()
            if heat:
                anomaly.heat(picture, positions, usual.position_threshold).save(file, "PNG")
            return found, unusual, usual.threshold, file.getvalue()

        return work

    def finish(job: Job, result: tuple) -> tuple[dict, str]:
        found, unusual, threshold, data = result
        record = {"input": job.source, "score": round(found, 4), "threshold": round(threshold, 4), "unusual": unusual}
        if heat:
            _write(job, data, options)
            record["heat"] = job.target
        if not (options.as_json or options.quiet):
            click.echo(f"{shown(job.source)}: {found:.2f} {'unusual' if unusual else 'normal'}")
        return record, ""

    click.get_current_context().exit(_each(options, jobs, prepare, finish))


@click.command()
@takes(INPUTS, QUALITY, STRIP, MODEL)
@click.option("--encoder", metavar="FILE", type=click.Path(), help="Encoder file of `aecodec train --denoise`; otherwise the installed one.")
@takes(OUTPUTS, WORK, LIMIT, SPEECH)
def denoise(quality: float, strip: tuple[str, ...], model: str, encoder: str | None, **options) -> None:
    """Turn noisy pictures into .aec files of clean ones.

    Takes away Gaussian noise of any strength, dead (black) pixels and small black patches. The files are ordinary .aec files.

    \b
      aecodec denoise noisy.png               makes noisy.aec
      aecodec denoise noisy.png -o clean.png  decodes it at once
    """
    from ..cli import Result, produce

    options = Options(**options)

    def prepare() -> Callable[[Job], Result]:
        from .. import image
        from . import denoise

        try:
            coder = denoise.attach(options.coder(model), encoder)
        except CodecError as error:
            raise Failure(str(error)) from None

        def work(job: Job, draft: output.Draft | output.Stream) -> Result:
            watch = Stopwatch()
            picture = image.load(_source(job), options.max_pixels)
            watch.lap("read")
            data = coder.encode(picture, quality, lossless=False, strip=strip, max_pixels=options.max_pixels)
            watch.lap("encode")
            if (suffix := os.path.splitext(job.target)[1][1:].lower()) in image.SUFFIXES:
                image.save(coder.decode_picture(data, max_pixels=options.max_pixels), draft, suffix)
                watch.lap("decode")
            else:
                draft.write(data)
            return Result(draft, len(data), 8 * len(data) / (picture.width * picture.height), picture.width, picture.height, watch.stages, [])

        return work

    if options.remove:
        raise click.UsageError("--rm would lose the noisy picture, which no output holds")
    produce(options, options.plan(PICTURES, AEC), prepare)


def _size(_context, _parameter, value: str) -> tuple[int, int]:
    try:
        width, height = map(int, value.lower().split("x"))
    except ValueError:
        width = height = 0
    if width < 1 or height < 1:
        raise click.BadParameter(f"'{value}' is not WIDTHxHEIGHT in pixels")
    return width, height


@click.command()
@click.option("--size", default="256x256", show_default=True, callback=_size, metavar="WxH", help="Pixels.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed draws the same picture.")
@click.option("--temperature", type=click.FloatRange(0, 10), default=1.0, show_default=True, help="Below 1 likelier symbols, 0 only the likeliest.")
@click.option("--like", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="Keep the hyper-latent of this picture or .aec file; its size counts.")
@takes(QUALITY, writes("A picture, or .aec."), MODEL, WORK, LIMIT, SPEECH)
def sample(size: tuple[int, int], seed: int, temperature: float, like: str | None, quality: float, model: str, **options) -> None:
    """Draw a picture from the model's priors.

    Every symbol is drawn from the tables a file is coded with. The priors see a few positions far: the result is a texture, not a scene.

    \b
      aecodec sample -o texture.png --size 512x512 --seed 7
      aecodec sample -o texture.png --like photo.jpg
    """
    options = Options(names=(), recursive=False, filelist=None, **options)

    def make(coder) -> bytes:
        from . import generate

        given = _source(Job(like)) if like else None
        return _as_file(coder, options, generate.sample(coder, size[1], size[0], quality, seed=seed, temperature=temperature, like=given,
                                                        max_pixels=options.max_pixels))

    _single(options, Job(like or "sample", target=options.destination), model, make)


@click.command()
@click.argument("a", type=click.Path())
@click.argument("b", type=click.Path())
@click.option("-n", "--steps", type=click.IntRange(2, 1000), default=9, show_default=True, help="Pictures, both ends included.")
@click.option("--side", type=click.IntRange(min=1), default=256, show_default=True, help="Longer side of each, in pixels.")
@takes(QUALITY, writes(".gif is an animation there and back, every other picture format a contact sheet."), MODEL, WORK, LIMIT, SPEECH)
def interpolate(a: str, b: str, steps: int, side: int, quality: float, model: str, **options) -> None:
    """Walk from one picture to another through their latents.

    The pictures may be .aec files; the second is cut to the shape of the first.

    \b
      aecodec interpolate a.jpg b.jpg -n 9 -o sheet.png
      aecodec interpolate a.jpg b.jpg -n 24 -o walk.gif
    """
    options = Options(names=(), recursive=False, filelist=None, **options)
    kind = _suffix(options.destination, (".gif", ".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".bmp"))

    def make(coder) -> bytes:
        from . import generate, sheet

        ends = sheet.same_size([_decoded(coder, name, options) for name in (a, b)], side)
        frames = [coder.decode(data) for data in generate.interpolate(coder, *ends, steps, quality)]
        return sheet.animation(frames) if kind == ".gif" else sheet.contact(frames, kind[1:])

    _single(options, Job(a, target=options.destination), model, make)


def register(cli: click.Group) -> None:
    for command in (embed, similar, anomaly, denoise, sample, interpolate):
        cli.add_command(command)


# What several of them need.


def _each(options: Options, jobs: list[Job], prepare: Callable, finish: Callable) -> int:
    """Does the jobs and reports each; the exit code."""
    with options.report(jobs) as report:
        batch.run(jobs, prepare, finish, report, options.jobs)
    return report.exit_code


def _single(options: Options, job: Job, model: str, make: Callable) -> None:
    """One output file, whose bytes `make(coder)` gives."""
    _check(options, job.source)

    def finish(job: Job, data: bytes) -> tuple[dict, str]:
        _write(job, data, options)
        return {"output": job.target, "bytes": len(data)}, f"{shown(job.target)}: {len(data):,} bytes"

    def prepare() -> Callable:
        coder = options.coder(model)
        return lambda _job: make(coder)

    click.get_current_context().exit(_each(options, [job], prepare, finish))


def _write(job: Job, data: bytes, options: Options) -> None:
    draft = output.Stream() if job.target == STREAM else output.Draft(job.target, options.force)
    try:
        draft.write(data)
        draft.keep()
    finally:
        draft.drop()


def _check(options: Options, source: str = "") -> None:
    """Refuses an output that cannot be written before anything is computed."""
    try:
        output.check(source, options.destination, overwrite=options.force)
    except OSError as error:
        raise Failure(f"{shown(options.destination)}: {error.strerror}") from None


def _suffix(name: str, known: tuple[str, ...]) -> str:
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in known:
        raise click.UsageError(f"the output '{shown(name)}' does not end in {', '.join(known[:-1])} or {known[-1]}")
    return suffix


def _require(module: str, package: str = "") -> None:
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise Failure(f"this needs the package {package or module}: pip install 'aecodec[latents]'")


def _source(job: Job):
    """What `files.to_aec` and `image.load` take: the bytes of an .aec file or of standard input, else the path."""
    from ..container import SIGNATURE

    if job.source == STREAM:
        return click.get_binary_stream("stdin").read()
    with open(job.source, "rb") as file:
        start = file.read(len(SIGNATURE))
        return start + file.read() if start == SIGNATURE else job.source


def _decoded(coder, name: str, options: Options):
    """PIL image of a picture or .aec file."""
    from .. import image

    source = _source(Job(name))
    if isinstance(source, bytes):
        return coder.decode(source, max_pixels=options.max_pixels)
    return image.to_pil(image.load(source, options.max_pixels))


def _as_file(coder, options: Options, data: bytes) -> bytes:
    """The .aec file itself, or decoded into the format the output's suffix names."""
    suffix = os.path.splitext(options.destination)[1].lower()
    return data if suffix == AEC else _picture(coder.decode_picture(data, max_pixels=options.max_pixels), suffix[1:])


def _picture(picture, format: str) -> bytes:
    from .. import image

    file = io.BytesIO()
    image.save(picture, file, format or "png")
    return file.getvalue()
