"""embed and similar: feature vectors and what they find. Before: `shared`."""

import dataclasses
import json
import os
from collections.abc import Callable
from functools import partial

import click

from ...errors import CodecError
from ...files import output
from ...files.jobs import AEC, PICTURES, STREAM, Job
from ...files.words import shown
from ..options import INPUTS, LATENTS_MODEL, LIMIT, SPEECH, WORK, Failure, Options, takes
from .shared import QUALITY, check, content, each, ending, require, writes


@click.command()
@takes(
    INPUTS,
    QUALITY,
    writes("Features: .npy (an array [pictures, features]) or .parquet (columns input, features)."),
    LATENTS_MODEL,
    WORK,
    LIMIT,
    SPEECH,
)
def embed(quality: float, model: str, **options) -> None:
    """Turn pictures or .aec files into feature vectors.

    They are pooled from the decoded latent, no pixels are made. Rows are in the order of the files.

    \b
      aecodec embed *.aec -o features.npy
      aecodec embed -r photos -o photos.parquet      for aecodec similar (needs pyarrow)
    """
    options = Options(**options)
    kind = ending(options.destination, (".npy", ".parquet"))
    if kind == ".parquet":
        require("pyarrow")
    jobs = options.sources({AEC, *PICTURES})
    check(options)
    names, vectors, code = _embed(options, jobs, model, quality)
    if code and kind == ".npy" or not names:
        raise Failure(
            f"{shown(options.destination)} is not written: "
            + ("its rows would not match the files given" if names else "there is not one vector")
        )
    from ...latents import features

    with output.atomic(options.destination, overwrite=options.force) as file:
        features.save(file, kind, names, vectors)
    click.get_current_context().exit(code)


@click.command()
@click.argument("query", type=click.Path())
@click.argument("folder", required=False, type=click.Path())
@click.option("-k", "--count", type=click.IntRange(min=1), default=10, show_default=True, help="Pictures to list.")
@click.option("--duplicates", is_flag=True, help="List the pairs of near-duplicates within a folder, given alone.")
@takes(QUALITY, LATENTS_MODEL, WORK, LIMIT, SPEECH)
def similar(
    query: str, folder: str | None, count: int, duplicates: bool, quality: float, model: str, **options
) -> None:
    """Rank a folder by likeness to a picture, and find near-duplicates.

    FOLDER holds pictures or .aec files, or is a .parquet file of `aecodec embed`. "copy" marks what is most likely the
    same picture, cropped, rescaled, flipped or compressed again.

    \b
      aecodec similar photo.jpg photos/
      aecodec similar --duplicates photos/
    """
    if duplicates == (folder is not None):
        raise click.UsageError("give a picture and a folder, or --duplicates and a folder")
    require("sklearn", "scikit-learn")
    options = Options(names=(), recursive=True, filelist=None, **options)
    place = query if duplicates else folder
    code = 0
    if os.path.isdir(place):
        options = dataclasses.replace(options, names=(place,))
        names, vectors, code = _embed(options, options.sources({AEC, *PICTURES}), model, quality)
    elif place.endswith(".parquet"):
        require("pyarrow")
        from ...latents import features

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
    from ...latents import features

    same = lambda name: os.path.exists(name) and query != STREAM and os.path.samefile(query, name)
    others = [i for i, name in enumerate(names) if not same(name)]
    if not others:
        raise Failure("there is nothing to compare with")
    indices, distances = _nearest(asked, vectors[others], count)
    for rank, (index, distance) in enumerate(zip(indices[0], distances[0]), 1):
        name, copy = names[others[index]], bool(distance < features.DUPLICATE)
        _tell(
            options,
            {"query": query, "rank": rank, "input": name, "distance": round(float(distance), 4), "copy": copy},
            f"{distance:.3f}  {'copy' if copy else '    '}  {shown(name)}",
        )


def _list_pairs(options: Options, names: list[str], vectors) -> None:
    from ...latents import features

    if len(names) < 2:
        raise Failure("there is nothing to compare with")
    indices, distances = _nearest(vectors, vectors, len(names))
    pairs = {
        (min(i, j), max(i, j)): d
        for i, (row, far) in enumerate(zip(indices, distances))
        for j, d in zip(row.tolist(), far)
        if i != j and d < features.DUPLICATE
    }
    for (i, j), distance in sorted(pairs.items(), key=lambda pair: pair[1]):
        _tell(
            options,
            {"input": names[i], "copy": names[j], "distance": round(float(distance), 4)},
            f"{distance:.3f}  {shown(names[i])}  {shown(names[j])}",
        )


def _tell(options: Options, record: dict, line: str) -> None:
    """A result that is no file's: it goes to standard output either way."""
    click.echo(json.dumps(record) if options.as_json else line)


def _nearest(queries, vectors, count: int):
    from ...latents import features

    try:
        return features.nearest(queries, vectors, count)
    except CodecError as error:
        raise Failure(str(error)) from None


def _embed(options: Options, jobs: list[Job], model: str, quality: float):
    """Names, feature vectors [N, D] and exit code of some files."""
    import numpy as np

    names, vectors = [], []

    def finish(job: Job, vector) -> tuple[dict, str]:
        names.append(job.source)
        vectors.append(vector)
        return {
            "input": job.source,
            "row": len(names) - 1,
            "features": len(vector),
        }, f"{shown(job.source)}: {len(vector)} features"

    code = each(
        dataclasses.replace(options, as_json=options.as_json and options.destination is not None),
        jobs,
        partial(embedding, options, model, quality),
        finish,
    )
    return names, np.array(vectors), code


def embedding(options: Options, model: str, quality: float) -> Callable:
    """The work on one file, for a worker process: it gives a feature vector."""
    from ...latents import features

    coder = options.coder(model)
    return lambda job: features.embed(coder, content(job), quality, max_pixels=options.max_pixels)
