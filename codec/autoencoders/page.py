"""`aecodec ae report`: one HTML file of a fitted estimator and rows, which needs nothing else, neither network nor
other files.

Everything the page decodes was decoded here, on a grid over the plane drawn; the page looks the nearest place up and
computes nothing itself. Its parts are in page/: template, style sheet, and scripts in the order of SCRIPTS.
"""

import base64
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state

from ..errors import BadData
from . import checks

PAGE = Path(__file__).with_name("page")
SCRIPTS = ("read.js", "map.js", "charts.js", "page.js")
THUMBNAIL = 48  # pixels per side at most
PIXELS = 1_500_000  # in one sheet of pictures
CELLS = 60_000  # numbers in one block of rows of a table
GRID = 41  # decodings per side of a plane at most
CLASSES = 12  # names in the legend at most, the rest is "other"
COLUMNS = 40  # of a table at most, those that vary most
SAMPLES, STEPS, PAIRS, DIMENSIONS = 60, 12, 6, 12  # of the generated pictures


class Pictures:
    """Rows of (H, W, C) as thumbnails in one sheet, a data URI: gray as PNG, exact; colour as WebP.

    `range` (low, high) becomes black and white.
    """

    def __init__(self, shape: tuple[int, int, int], range: tuple[float, float]):
        self.shape, self.range = shape, range
        self.factor = max(1, math.ceil(max(shape[:2]) / THUMBNAIL))
        self.height, self.width = (max(1, side // self.factor) for side in shape[:2])
        self.channels = 3 if shape[2] == 3 else 1
        self.most = max(1, PIXELS // (self.height * self.width))

    def block(self, rows: np.ndarray) -> dict:
        k, (low, high) = self.factor, self.range
        planes = rows.reshape(len(rows), *self.shape)[:, : self.height * k, : self.width * k, : self.channels]
        planes = planes.reshape(
            len(rows), self.height, -1, self.width, planes.shape[2] // self.width, self.channels
        ).mean((2, 4))
        planes = np.rint((planes - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)
        across = math.ceil(math.sqrt(len(rows)))
        tiles = np.zeros((math.ceil(len(rows) / across) * across, *planes.shape[1:]), np.uint8)
        tiles[: len(rows)] = planes
        sheet = (
            tiles.reshape(-1, across, *planes.shape[1:]).swapaxes(1, 2).reshape(-1, across * self.width, self.channels)
        )
        file = io.BytesIO()
        if self.channels == 3:
            Image.fromarray(sheet).save(file, "WEBP", quality=90)
        else:
            Image.fromarray(sheet[..., 0]).save(file, "PNG", optimize=True)
        kind = "webp" if self.channels == 3 else "png"
        return {
            "sheet": f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}",
            "across": across,
            "count": len(rows),
        }

    def describe(self) -> dict:
        return {"height": self.height, "width": self.width}


class Cells:
    """Rows of a table as numbers of four digits, of the columns that vary most in units of `spread`."""

    def __init__(self, names: list[str], rows: np.ndarray, spread: np.ndarray):
        self.columns = np.sort(np.argsort(-(rows.std(0) / spread), kind="stable")[:COLUMNS])
        self.names = [str(names[i]) for i in self.columns]
        self.most = CELLS // len(self.columns)

    def block(self, rows: np.ndarray) -> dict:
        rows = rows.reshape(len(rows), -1)[:, self.columns]
        return {"rows": [[float(f"{value:.4g}") for value in row] for row in rows], "count": len(rows)}

    def describe(self) -> dict:
        return {"columns": self.names}


def build(
    estimator: Any, X: Any, labels: Any, name: str, quantile: float = 0.99, points: int = 1500
) -> tuple[str, dict]:
    """(the page, what it shows in numbers).

    X as the estimator takes it, at least three rows; `labels` [N] or None. Raises BadData, BadOption.
    """
    errors, latents = estimator.reconstruction_error(X), estimator.transform(X).astype(np.float64)
    rows = estimator._rows(X).astype(np.float64)
    if len(rows) < 3:
        raise BadData(f"a map needs at least three rows, there are {len(rows)}")
    look = _look(estimator, X, rows)
    keep = _chosen(len(rows), min(points, look.most))
    side = max(9, min(GRID, math.isqrt(look.most)))
    scaled = estimator.scaling_.forward(rows)
    pca = PCA(min(estimator.latent_dim_, *scaled.shape), svd_solver="full").fit(scaled)
    components = pca.transform(scaled)
    lost, whole = np.square(scaled - pca.inverse_transform(components)), np.square(scaled - scaled.mean(0))
    share = float(1 - lost.mean() / whole.mean())
    flat, axes, centre = _plane(latents)
    classes, indices = _classes(labels, keep)
    threshold = estimator.anomaly_threshold(quantile)
    undo = estimator.scaling_.back
    content = {
        "name": name,
        "kind": estimator.kind,
        "loss": estimator.loss,
        "features": estimator.n_features_in_,
        "latent": estimator.latent_dim_,
        "rows": len(rows),
        "shown": len(keep),
        "score": float(estimator.score(X)),
        "pca": share,
        "look": look.describe(),
        "classes": classes,
        "labels": indices,
        "inputs": look.block(rows[keep]),
        "maps": [
            {
                **_map(flat, keep, side),
                "rebuilt": look.block(estimator.reconstruct(X if len(keep) == len(rows) else _pick(X, keep))),
            },
            {**_map(components, keep, side), "rebuilt": look.block(undo(pca.inverse_transform(components[keep])))},
        ],
        "curves": {"training": _short(estimator.loss_curve_), "validation": _short(estimator.validation_curve_)},
        "errors": {"normal": _short(estimator.errors_), "rows": _short(errors), "shown": _short(errors[keep])},
        "quantile": quantile,
        "threshold": threshold,
        "generated": _generated(estimator, rows, indices, keep, look) if estimator.kind == "variational" else None,
    }
    for drawn, decode in zip(
        content["maps"], (lambda p: estimator.inverse_transform(centre + p @ axes), lambda p: undo(_padded(pca, p)))
    ):
        drawn["plane"] = look.block(decode(_nodes(drawn["extent"], side)))
    return _filled(f"{estimator.kind} autoencoder", content), {
        "rows": len(rows),
        "shown": len(keep),
        "score": content["score"],
        "pca": share,
        "threshold": threshold,
        "above": int((errors > threshold).sum()),
    }


def _filled(title: str, content: dict) -> str:
    """The template with all that belongs into it."""
    parts = {
        "title": title,
        "style": _text("page.css"),
        "data": json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        "script": "\n".join(map(_text, SCRIPTS)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text("template.html"))


def _text(file: str) -> str:
    return (PAGE / file).read_text(encoding="utf-8")


def _look(estimator: Any, X: Any, rows: np.ndarray) -> Any:
    if estimator.image_shape_ is not None and min(estimator.image_shape_[:2]) > 1:
        low, high = rows.min(), rows.max()
        byte = getattr(X, "dtype", None) == np.uint8 or (0 <= low and 128 < high <= 255)
        return Pictures(estimator.image_shape_, (0.0, 255.0) if byte else (low, high if high > low else low + 1))
    names = getattr(estimator, "feature_names_in_", [f"x{i}" for i in range(rows.shape[1])])
    return Cells(list(names), rows, estimator.scaling_.spread)


def _chosen(count: int, most: int) -> np.ndarray:
    """Indices of the rows drawn: all, or a random choice that is always the same."""
    return np.arange(count) if count <= most else np.sort(check_random_state(0).permutation(count)[:most])


def _pick(X: Any, keep: np.ndarray) -> Any:
    return X.iloc[keep] if hasattr(X, "iloc") else X[keep]


def _plane(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(coordinates [N, 2], axes [2, D], centre [D]): the latent itself where it has two dimensions, otherwise its two
    widest directions.
    """
    dimensions = latents.shape[1]
    if dimensions <= 2:
        return latents, np.eye(dimensions, dimensions), np.zeros(dimensions)
    pca = PCA(2, svd_solver="full").fit(latents)
    return pca.transform(latents), pca.components_, pca.mean_


def _map(coordinates: np.ndarray, keep: np.ndarray, side: int) -> dict:
    """Points and extent (left, right, bottom, top) of a plane; a missing second coordinate is 0."""
    x, y = coordinates[:, 0], coordinates[:, 1] if coordinates.shape[1] > 1 else np.zeros(len(coordinates))
    extent = []
    for values in (x, y):
        reach = (values.max() - values.min()) or 1.0
        extent += [float(values.min() - 0.04 * reach), float(values.max() + 0.04 * reach)]
    return {"x": _short(x[keep]), "y": _short(y[keep]), "extent": extent, "side": side, "axes": coordinates.shape[1]}


def _nodes(extent: list[float], side: int) -> np.ndarray:
    """[side * side, 2] middles of the plane's cells, rows from the top."""
    left, right, bottom, top = extent
    middle = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(left + middle * (right - left), top - middle * (top - bottom))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _padded(pca: PCA, places: np.ndarray) -> np.ndarray:
    axes = pca.components_[:2]
    return pca.mean_ + places[:, : len(axes)] @ axes


def _classes(labels: Any, keep: np.ndarray) -> tuple[list[str], list[int]]:
    """(names of the most frequent labels, index of each shown row's among them)."""
    if labels is None:
        return [], [0] * len(keep)
    text = np.array([str(label) for label in labels])
    names, counts = np.unique(text, return_counts=True)
    kept = sorted(names[np.argsort(-counts, kind="stable")[:CLASSES]])
    index = {name: i for i, name in enumerate(kept)}
    return kept + (["other"] if len(names) > CLASSES else []), [index.get(label, len(kept)) for label in text[keep]]


def _generated(estimator: Any, rows: np.ndarray, indices: list[int], keep: np.ndarray, look: Any) -> dict:
    """Samples from the prior, walks between rows of different labels, and walks along each dimension of the latent."""
    pick = check_random_state(0)
    latents = checks.latents(
        estimator, estimator._run(lambda x: estimator.network_.encode(x).mean, estimator.scaling_.forward(rows[keep]))
    )
    ends, classes = [], np.array(indices)
    for _ in range(PAIRS):
        first = pick.randint(len(keep))
        others = np.flatnonzero(classes != classes[first])
        ends.append((first, pick.choice(others) if len(others) else pick.randint(len(keep))))
    walks = [latents[a] + np.linspace(0, 1, STEPS)[:, None] * (latents[b] - latents[a]) for a, b in ends]
    widest = np.argsort(-latents.var(0), kind="stable")[:DIMENSIONS]
    return {
        "samples": look.block(estimator.sample(SAMPLES, 0)),
        "walks": look.block(np.concatenate([estimator.inverse_transform(walk) for walk in walks])),
        "traversals": look.block(
            np.concatenate([estimator.traverse(int(d), np.linspace(-3, 3, STEPS)) for d in widest])
        ),
        "steps": STEPS,
        "dimensions": widest.tolist(),
    }


def _short(values: Any) -> list[float]:
    return [float(f"{value:.5g}") for value in values]
