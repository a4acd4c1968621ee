"""Pictures for the tests of the plugin for Pillow."""

import io

from conftest import photograph
from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def exif(orientation=6):
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = orientation, "Maker"
    return tags


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "AEC", **options)
    return file.getvalue()


def opened(data):
    return Image.open(io.BytesIO(data))


def image():
    return Image.fromarray(photograph(40, 56))


def data(image):
    return saved(image, exif=exif(), icc_profile=SRGB, xmp=XMP)


def path(data, tmp_path):
    (tmp_path / "a.aec").write_bytes(data)
    return tmp_path / "a.aec"
