"""Weight files, found and opened: one safetensors file holds config, networks and entropy tables, all in integers.

`codec.training.export` writes them; models are named by file in `codec/models/`, and by the first bytes of the file's
SHA-256 in .aec files. An engine makes networks of what is in them.
"""

import functools
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap
from pathlib import Path
from typing import Any

from ..errors import BadWeights, UnknownModel

FOLDER = Path(__file__).parents[1] / "models"
FORMAT = "aecodec model 2"
ID_BYTES = 4
ENCODING = "analysis.", "hyper_analysis.", "thresholds"  # so begin the names of what only an encoder needs, half of all


@contextmanager
def refusing(sentence: str) -> Iterator[None]:
    """Raises BadWeights for whatever a broken or hostile file provokes in json, safetensors, numpy and torch."""
    try:
        yield
    except BadWeights:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        # Names in the file may hold commands for a terminal.
        reason = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in reason)[:240]
        raise BadWeights(f"{sentence}: {reason}") from None


def read_metadata(data: bytes, expected: str) -> dict[str, str]:
    """The text fields of a safetensors file, {name: text}. Raises BadWeights unless its format is the one expected."""
    return metadata_of(read_header(data), expected)


def read_header(data: bytes | mmap) -> dict[str, Any]:
    """What a safetensors file begins with: its tensors by name, and "__metadata__". Raises ValueError."""
    size = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8 : 8 + size], object_pairs_hook=_unique)
    return header


def metadata_of(header: dict[str, Any], expected: str) -> dict[str, str]:
    """The text fields out of `read_header`, as of `read_metadata`."""
    metadata: dict[str, str] = header["__metadata__"]
    if metadata["format"] != expected:
        raise BadWeights(f"the weight file has the format {metadata['format']!r}, this version reads {expected!r}")
    return metadata


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The dict of a JSON object.

    Raises ValueError for a name that comes twice: two readers could choose differently.
    """
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name comes twice in its text")
    return dict(pairs)


def path_of(name: str | Path) -> Path:
    """Path of a model by name, or `name` itself if it is the path of a weight file. Raises UnknownModel."""
    path = Path(name) if str(name).endswith(".safetensors") else FOLDER / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.safetensors")))
        raise UnknownModel(f"there is no model {str(name)!r}; installed are: {known}")
    return path


def shortest(path: Path) -> str:
    """What `path_of` finds a weight file by: the name of an installed one, else its path."""
    return path.stem if path.parent == FOLDER else str(path)


def check_id(name: str | Path, found: bytes, wanted: bytes) -> None:
    """Raises BadWeights where a name stands for another model than was meant."""
    if found != wanted:
        raise BadWeights(f"the model {str(name)!r} is {found.hex()} here, and {wanted.hex()} is needed")


def name_of(model_id: bytes) -> str:
    """Name of the installed model with this id (4 bytes). Raises UnknownModel."""
    for path in sorted(FOLDER.glob("*.safetensors")):
        if _digest(path, path.stat().st_mtime_ns)[:ID_BYTES] == model_id:
            return path.stem
    raise UnknownModel(f"the file was made with model {model_id.hex()}, which is not installed")


@functools.lru_cache
def _digest(path: Path, _modified: int) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
