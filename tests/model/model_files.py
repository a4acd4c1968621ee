"""The default weight file and what is in it, for the tests of models."""

import json

from safetensors.numpy import load

from codec.model.weights import path_of

DEFAULT = path_of("default").read_bytes()


HEADER = int.from_bytes(DEFAULT[:8], "little")  # bytes of the JSON text


METADATA = json.loads(DEFAULT[8 : 8 + HEADER])["__metadata__"]


CONFIG = json.loads(METADATA["config"])


def weights():
    return load(DEFAULT)
