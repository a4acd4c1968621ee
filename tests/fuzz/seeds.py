"""Makes the corpus that fuzzing starts from.

python -m tests.fuzz.seeds      # fills tests/fuzz/corpus
"""

import random
from pathlib import Path

import numpy as np

import codec
from codec.coding import lossless
from tests.fuzz import hostile, tiny

CORPUS = Path(__file__).parent / "corpus"


def corpus():
    """{target: {name: bytes}}; the last bytes of each choose the way to call."""
    coder = codec.Codec(str(tiny.PATH), device="cpu", threads=1, engine="torch")
    files = hostile.seeds(coder)
    rng = random.Random(1)
    fence = {
        f"read-{i}": rng.randbytes(7) + b"\x40" + rng.randbytes(4 * rng.randrange(20)) + rng.randbytes(5)
        for i in range(8)
    }
    fence |= {
        f"write-{i}": rng.randbytes(4 * rng.randrange(1, 30)) + rng.randbytes(4) + bytes([2 + 4 * i & 255])
        for i in range(8)
    }
    picture = np.linspace(0, 255, 20 * 33 * 3).reshape(20, 33, 3)
    tiles = {}
    for how, (channels, kind) in enumerate(((1, np.uint8), (3, np.uint8), (1, np.uint16), (3, np.uint16))):
        tile = lossless.encode(picture[..., :channels].astype(kind))
        tiles[f"{channels}-{kind.__name__}"] = tile + bytes([32, 19, how])
    return {
        "parser": {name: data + bytes([i % 6]) for i, (name, data) in enumerate(files.items())},
        "decode": {
            name: data + bytes([16 + i % 16, (0, 0, 1, 4, 2)[i % 5]]) for i, (name, data) in enumerate(files.items())
        },
        "fence": fence,
        "tile": tiles,
    }


if __name__ == "__main__":
    for target, files in corpus().items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        print(f"{folder}: {len(files)} files, {sum(map(len, files.values())):,} bytes")
