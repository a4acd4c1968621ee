"""Files of several tiles for the tests of regions and of recovery."""

from unittest.mock import patch

import numpy as np
from conftest import photograph
from image_files import SRGB, XMP, exif

from codec.bitstream import container
from codec.coding import tiles
from codec.model.config import STRIDE
from codec.pixels.picture import Picture

SIDE = 256  # px: tiles of the tests
HEIGHT, WIDTH = 580, 700  # 3 x 3 tiles


def small_tiles():
    with patch.object(container, "TILE", SIDE), patch.object(tiles, "LATENTS", SIDE // STRIDE):
        yield


def pictures(coder):
    """By name: the file and everything of it decoded at once."""
    rgb = photograph(HEIGHT, WIDTH, 1)
    alpha = photograph(HEIGHT, WIDTH, 2, 1)[..., 0]
    sources = {
        "rgb": Picture(rgb),
        "rich": Picture(rgb, alpha, SRGB, exif(6), XMP),
        "gray": Picture(photograph(HEIGHT, WIDTH, 3, 1)),
        "deep": Picture(photograph(HEIGHT, WIDTH, 4, 3, 16), (alpha.astype(np.uint16) * 257)),
    }
    files = {name: coder.encode(picture, 50) for name, picture in sources.items()}
    files["exact"] = coder.encode(sources["rich"], lossless=True)
    return {name: (file, coder.decode_picture(file)) for name, file in files.items()}
