"""Pictures in files for the tests of the whole path."""

import io

from conftest import photograph
from PIL import Image


def picture_file(format, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(photograph(90, 120, 4)).convert(mode).save(file, format, **options)
    return file.getvalue()
