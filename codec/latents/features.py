"""A feature vector per picture, pooled from the decoded latent without synthesising pixels, and the search for
near-duplicates that it allows.

What is pooled forgets where things are and which way they face, so that crops, rescaled, flipped and recompressed
copies stay near their original.
"""

import io
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import BadOption
from ..model.config import STRIDE
from . import files

if TYPE_CHECKING:
    from ..pipeline.codec import Codec

BINS = 10, 9, 9  # of the histogram of colours: luma and two chroma axes
# Chroma is bent by asinh(12 c) / 3: most colours of photographs are nearly gray, and vivid ones are told apart less
# finely.
BEND = 12
TEXTURE = 0.02  # weight of the channels' log-magnitudes beside the histogram, whose distances lie in 0..sqrt(2)
FLOOR = 0.05  # of magnitudes in quantiser steps of lambda = 0.008, before their logarithm
DUPLICATE = 0.55  # distance below which two pictures are taken for copies of one (benchmarks/latents/similar.py)
QUALITY = 60.0
MODEL = "aecodec model"  # what Parquet's metadata call the id of the model


def embed(coder: "Codec", source: Any, quality: float = QUALITY, **options: Any) -> NDArray[np.float32]:
    """Feature vector float32 [1130] of a picture (anything `Codec.encode` takes) or of the bytes of an .aec file.

    Raises as `encode` and `decode`.

    810 square roots of a histogram of block colours (distances are Hellinger distances), then the mean log-magnitude of
    each of 320 channels.
    """
    latent = coder.latent(files.to_aec(coder, source, quality, **options), **options)
    texture = TEXTURE * np.log(np.abs(latent).mean((1, 2)) + FLOOR)
    return np.concatenate([np.sqrt(_histogram(block_colours(latent, coder.engine.torch.model))), texture]).astype(
        np.float32
    )


def block_colours(latent: NDArray[np.float32], model: Any) -> NDArray[np.float32]:
    """Mean colour of every 16x16 block, [3, h, w] in luma and two chroma axes around zero, out of a latent [M, h, w].

    One matrix does it: the mean over the block of what the synthesis' linear shortcut draws.
    """
    weight = model.floats.synthesis.linear.weight.detach().cpu().numpy()[:, :, 0, 0]  # [256 * 3, M]
    axes = np.array([[1, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]]) / [[3], [2], [2]]
    return np.tensordot(axes @ weight.reshape(STRIDE**2, 3, -1).mean(0), latent, 1)


def _histogram(colours: NDArray[Any]) -> NDArray[Any]:
    """Shares of the blocks by colour, each block dealt linearly to the eight bins around it: [810], of sum 1."""
    luma, *chroma = colours.reshape(3, -1)
    places = [
        (luma + 0.5, *(0.5 + np.arcsinh(BEND * c) / 6 for c in chroma))[axis].clip(0, 1) * (n - 1)
        for axis, n in enumerate(BINS)
    ]
    low = [np.minimum(place.astype(int), n - 2) for place, n in zip(places, BINS)]
    histogram = np.zeros(BINS)
    for corner in np.ndindex(2, 2, 2):
        weights = [(place - i if up else 1 + i - place) for place, i, up in zip(places, low, corner)]
        np.add.at(histogram, tuple(i + up for i, up in zip(low, corner)), np.prod(weights, 0))
    return histogram.ravel() / luma.size


def nearest(queries: NDArray[Any], features: NDArray[Any], count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Indices and distances, both [Q, count], of the rows of features [N, D] nearest to each of queries [Q, D], nearest
    first.

    Raises BadOption for vectors of different lengths.
    """
    from sklearn.neighbors import NearestNeighbors

    if queries.shape[1] != features.shape[1]:
        raise BadOption(
            f"feature vectors of {queries.shape[1]} and of {features.shape[1]} numbers cannot be compared: "
            "they were made by different models"
        )
    distances, indices = NearestNeighbors(n_neighbors=min(count, len(features))).fit(features).kneighbors(queries)
    return indices, distances


def save(file: BinaryIO, kind: str, names: list[str], vectors: NDArray[Any], model: str) -> None:
    """Writes feature vectors [N, D] of a model (its id, hexadecimal) into a binary file as ".npy" or ".parquet"
    (columns input, features; the model among the metadata).

    Where a name is no UTF-8 there is the column input_bytes too, as Parquet's text must be.
    """
    if kind == ".npy":
        np.lib.format.write_array(file, vectors)
        return
    import pyarrow
    from pyarrow import parquet

    encoded = [name.encode("utf-8", "surrogateescape") for name in names]
    texts = [name.decode("utf-8", "backslashreplace") for name in encoded]
    features = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), vectors.shape[1])
    odd = {} if texts == names else {"input_bytes": encoded}
    table = pyarrow.table({"input": texts, "features": features, **odd})
    parquet.write_table(table.replace_schema_metadata({MODEL: model}), file)


def load(path: str) -> tuple[list[str], NDArray[Any], str | None]:
    """Names, feature vectors [N, D] and the model's id of a Parquet file that `save` wrote; None where that is not said
    (by what was there before 2026-11-28). Raises BadOption, OSError.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        with open(path, "rb") as file:
            content = file.read()  # a FIFO too
        table = parquet.read_table(io.BytesIO(content))
        names = table["input"].to_pylist()
        if "input_bytes" in table.column_names:
            names = [name.decode("utf-8", "surrogateescape") for name in table["input_bytes"].to_pylist()]
        model = (table.schema.metadata or {}).get(MODEL.encode())
        vectors = np.stack(table["features"].to_pylist()).astype(np.float32)
        return names, vectors, model and model.decode("ascii", "replace")
    except (pyarrow.ArrowException, ValueError, KeyError, AttributeError) as error:
        raise BadOption(f"the file does not hold features of `aecodec embed`: {str(error).splitlines()[0]}") from None
