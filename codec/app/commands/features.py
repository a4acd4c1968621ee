"""embed and similar: feature vectors and what they find."""

import dataclasses
import os
from functools import partial
from typing import Any

import click

from ...errors import CodecError
from ...files import output
from ...files.jobs import AEC, PICTURES, STREAM, Job
from ...files.words import shown
from ..arguments import INPUTS, LATENTS_MODEL, LIMIT, SPEECH, WORK
from ..bundle import Parameter, takes
from ..inputs import content
from ..options import Options
from ..report import Failure, Outcome, json_line
from ..runner import Work, run
from .shared import QUALITY, ending, require, writes

FEATURES = writes("Features: .npy (an array [pictures, features]) or .parquet (columns input, features).")
SEARCH: list[Parameter] = [
    click.argument("query", type=click.Path()),
    click.argument("folder", required=False, type=click.Path()),
    click.option("-k", "--count", type=click.IntRange(min=1), default=10, show_default=True, help="Pictures to list."),
    click.option("--duplicates", is_flag=True, help="List the pairs of near-duplicates within a folder, given alone."),
]


@click.command()
@takes(INPUTS, QUALITY, FEATURES, LATENTS_MODEL, WORK, LIMIT, SPEECH)
def embed(options: Options, quality: float) -> int:
    """Turn pictures or .aec files into feature vectors.

    They are pooled from the decoded latent, no pixels are made. Rows are in the order of the files.

    \b
      aecodec embed *.aec -o features.npy
      aecodec embed -r photos -o photos.parquet      for aecodec similar (needs pyarrow)
    """
    kind = ending(options.destination or "", (".npy", ".parquet"))
    if kind == ".parquet":
        require("pyarrow")
    jobs = options.sources({AEC, *PICTURES})
    destination = options.check()
    names, vectors, model, code = _embed(options, jobs, quality)
    if code and kind == ".npy" or not names:
        why = "its rows would not match the files given" if names else "there is not one vector"
        raise Failure(f"{shown(destination)} is not written: {why}")
    from ...latents import features

    with output.atomic(destination, overwrite=options.force) as file:
        features.save(file, kind, names, vectors, model)
    return code


@click.command()
@takes(SEARCH, QUALITY, LATENTS_MODEL, WORK, LIMIT, SPEECH)
def similar(options: Options, query: str, folder: str | None, count: int, duplicates: bool, quality: float) -> int:
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
    place, code, model = folder or query, 0, None
    if os.path.isdir(place):
        tree = dataclasses.replace(options, names=(place,), recursive=True)
        names, vectors, _, code = _embed(options, tree.sources({AEC, *PICTURES}), quality)
    elif place.endswith(".parquet"):
        require("pyarrow")
        from ...latents import features

        try:
            names, vectors, model = features.load(place)
        except (CodecError, OSError) as error:
            raise Failure(f"{shown(place)}: {getattr(error, 'strerror', None) or error}") from None
    else:
        raise Failure(f"{shown(place)}: is neither a folder nor a .parquet file of `aecodec embed`")
    if duplicates:
        _list_pairs(options, names, vectors)
        return code
    _, asked, own, failed = _embed(options, [Job(query)], quality)
    if not failed:
        if model not in (None, own):
            raise Failure(f"{shown(place)}: is of the model {model}, not of {own}: give the one it was made with by -m")
        _list_nearest(options, query, asked, names, vectors, count)
    return code | failed


def _list_nearest(options: Options, query: str, asked: Any, names: list[str], vectors: Any, count: int) -> None:
    from ...latents import features

    def same(name: str) -> bool:
        return os.path.exists(name) and query != STREAM and os.path.samefile(query, name)

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


def _list_pairs(options: Options, names: list[str], vectors: Any) -> None:
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


def _tell(options: Options, record: dict[str, Any], line: str) -> None:
    """A result that is no file's: it goes to standard output either way."""
    click.echo(json_line(record) if options.as_json else line)


def _nearest(queries: Any, vectors: Any, count: int) -> Any:
    from ...latents import features

    try:
        return features.nearest(queries, vectors, count)
    except CodecError as error:
        raise Failure(str(error)) from None


def _embed(options: Options, jobs: list[Job], quality: float) -> tuple[list[str], Any, str, int]:
    """Names, feature vectors [N, D], the model's id ("" without any vector) and exit code of some files."""
    import numpy as np

    models: list[str] = []
    names: list[str] = []
    vectors: list[Any] = []

    def tell(job: Job, measured: tuple[str, Any]) -> Outcome:
        model, vector = measured
        models.append(model)
        names.append(job.source)
        vectors.append(vector)
        record = {"input": job.source, "row": len(names) - 1, "features": len(vector)}
        return Outcome(record, f"{shown(job.source)}: {len(vector)} features")

    quiet = dataclasses.replace(options, as_json=options.as_json and options.destination is not None)
    code = run(quiet, jobs, partial(embedding, options, quality), tell)
    return names, np.array(vectors), models[0] if models else "", code


def embedding(options: Options, quality: float) -> Work:
    """The work on one file, for a worker process: it gives the model's id and a feature vector."""
    from ...latents import features

    coder = options.coder()
    return lambda job: (
        coder.model.id.hex(),
        features.embed(coder, content(job), quality, max_pixels=options.max_pixels),
    )
