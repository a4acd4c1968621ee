"""The results: RUN.json, and the journal beside it that keeps the points of an unfinished run.

Read by `report` and `compare`.

A point may be used again where its picture (SHA-256), its codec's `identity` (settings, versions, metrics, machine) and
its quality are the same.
"""

import csv
import hashlib
import json
from pathlib import Path

from codec.files.output import atomic

from . import bdrate, metrics

SCHEMA = 1
PUBLISHED = Path(__file__).with_name("published.csv")


class RecordError(Exception):
    """One sentence about a file that is no result."""


def read(path):
    """RUN.json as a dict. Raises RecordError."""
    try:
        run = json.loads(Path(path).read_text())
        schema = run["schema"]
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise RecordError(f"{path} is not a result of this benchmark") from None
    if schema != SCHEMA:
        raise RecordError(f"{path} has schema {schema}; this version reads {SCHEMA}")
    return run


def write(path, run):
    """Writes RUN.json whole or not at all, one point per line so that changes can be read in a diff. Raises OSError."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [f"{json.dumps(key)}: {_lines(value)}" for key, value in run.items()]
    with atomic(str(path), overwrite=True) as file:
        file.write(("{\n" + ",\n".join(parts) + "\n}\n").encode())


def _lines(value):
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(" " + json.dumps(item, allow_nan=False) for item in value) + "\n]"
    return json.dumps(value, allow_nan=False)


def identity(codec, names, machine):
    """Sixteen digits that change with anything a point of this codec depends on, its times included. names: of the
    metrics.
    """
    basis = [codec.settings, codec.versions, sorted(names), metrics.versions(names), machine["cpu"], machine["cores"]]
    return hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]


class Journal:
    """Points of an unfinished run, one JSON object per line in a file beside RUN.json."""

    def __init__(self, out):
        self.path = Path(f"{out}.part.jsonl")

    def read(self):
        """The points so far; a line that an interruption cut is left out."""
        points = []
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            try:
                points.append(json.loads(line))
            except ValueError:
                continue
        return points

    def add(self, points):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a") as file:
            # The newline comes first, so that a line that was cut harms no other.
            file.write("".join("\n" + json.dumps(p) for p in points))

    def remove(self):
        self.path.unlink(missing_ok=True)


def known_points(out, journal):
    """Points of an earlier run to the same file and of its journal, by (sha256 of the picture, identity of the codec,
    quality).
    """
    points = []
    if Path(out).exists():
        run = read(out)
        digests = {image["name"]: image["sha256"] for image in run["images"]}
        points = [
            {**p, "sha256": digests[p["image"]], "identity": run["codecs"][p["codec"]]["identity"]}
            for p in run["points"]
        ]
    return {(p["sha256"], p["identity"], p["quality"]): p for p in points + journal.read()}


def curves(points):
    """The curves list of RUN.json: means over the set per codec and quality."""
    pictures = {p["image"] for p in points}
    groups = {}
    for p in points:
        groups.setdefault((p["codec"], p["quality"]), []).append(p)
    records = []
    for (codec, quality), group in groups.items():
        if len(group) == len(pictures):
            means = {key: bdrate.mean(group, key) for key in ("bpp", *metrics.NAMES)}
            spread = [name for name in metrics.NAMES if metrics.METRICS[name].decibel]
            means |= {f"{name}_db": metrics.curve_value(name, means[name]) for name in spread}
            records.append({"codec": codec, "quality": quality, "pictures": len(group), **means})
    return records


def is_kodak(run):
    """Whether a run is of all of Kodak, beside which published results may stand."""
    return sorted(image["name"] for image in run["images"]) == [f"kodim{i:02}.png" for i in range(1, 25)]


def published():
    """Curves of peers on Kodak as their authors or CompressAI published them; nothing here was measured by this
    benchmark.
    """
    with open(PUBLISHED, newline="") as file:
        rows = list(csv.DictReader(file))
    number = lambda text: float(text) if text else None
    return [
        {**row, "quality": int(row["quality"]), **{key: number(row[key]) for key in ("bpp", "psnr", "msssim")}}
        for row in rows
    ]
