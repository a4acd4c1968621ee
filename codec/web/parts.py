"""Weight files packed for the web: the tensors that decode in one part, those that only encode in another, so that a
page that shows pictures fetches half.

A part is gzip of: the size of a JSON text as 8 bytes little-endian, that text, and the tensors' data. Numbers of
several bytes are taken apart, all lowest bytes of a tensor first, which gzip makes a tenth smaller. `model.js` reads
parts.
"""

import gzip
import hashlib
import json
from typing import Any

import numpy as np

from ..model.weights import ENCODING, ID_BYTES, read_metadata
from ..model.weights import FORMAT as WEIGHTS

FORMAT = "aecodec web 1"
BYTES = {"I8": 1, "I16": 2, "I32": 4}
LEVEL = 9  # of gzip


def split(weights: bytes, level: int = LEVEL) -> dict[str, bytes]:
    """{"decoder": part, "encoder": part} of the bytes of a weight file. The same for the same zlib."""
    start = 8 + int.from_bytes(weights[:8], "little")
    entries = json.loads(weights[8:start])
    config = json.loads(read_metadata(weights, WEIGHTS)["config"])
    del entries["__metadata__"]
    encodes = {name for name in entries if name.startswith(ENCODING)}
    found = {}
    for part, names in {"decoder": entries.keys() - encodes, "encoder": encodes}.items():
        tensors = {name: entries[name] for name in sorted(names)}
        data = b"".join(_planes(weights[start:], tensor) for tensor in tensors.values())
        head = {
            "format": FORMAT,
            "model": model_id(weights),
            "part": part,
            "config": config,
            "sha256": hashlib.sha256(data).hexdigest(),
            "tensors": [[name, tensor["dtype"], tensor["shape"]] for name, tensor in tensors.items()],
        }
        text = json.dumps(head, separators=(",", ":")).encode()
        found[part] = gzip.compress(len(text).to_bytes(8, "little") + text + data, level, mtime=0)
    return found


def model_id(weights: bytes) -> str:
    """What files say of the model, in hexadecimal digits; parts are files named by it."""
    return hashlib.sha256(weights).hexdigest()[: 2 * ID_BYTES]


def _planes(data: bytes, tensor: dict[str, Any]) -> bytes:
    """The tensor's bytes, lowest ones of all numbers first."""
    begin, end = tensor["data_offsets"]
    return np.frombuffer(data[begin:end], np.uint8).reshape(-1, BYTES[tensor["dtype"]]).T.tobytes()
