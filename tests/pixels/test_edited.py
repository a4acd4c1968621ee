"""EXIF of PIL images that was changed after `getexif`: what is coded is what it became; nothing deleted comes back."""

import io

import numpy as np
import pytest
from conftest import photograph
from PIL import Image, ImageOps

import codec
from codec.errors import BadImage
from codec.pixels.read import load

GPS, EXIF = 0x8825, 0x8769
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")


def file(format="JPEG"):
    """An opened picture with a place and a date."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif[GPS] = {1: "N", 2: (48.0, 8.0, 0.0)}
    exif[EXIF] = {0x9003: "2024:01:02 03:04:05", 0x927C: b"secret note"}
    data = io.BytesIO()
    Image.fromarray(photograph(40, 56)).save(data, format, exif=exif.tobytes())
    return Image.open(data)


def coded(picture):
    """The EXIF, as an Exif object and as bytes, of the .aec file of a PIL image."""
    block = load(picture).exif
    back = Image.Exif()
    back.load(block or b"")
    return back, block


def test_the_file_holds_what_was_edited(coder):
    picture = file()
    del picture.getexif()[GPS]
    back = coder.decode(coder.encode(picture)).getexif()
    assert GPS not in back and not back.get_ifd(GPS) and back[0x010F] == "Maker"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("loaded", [False, True])
def test_deleted_places_stay_away(format, loaded):
    def emptied(exif):
        exif.get_ifd(GPS).clear()

    def looked_at(exif):
        assert exif.get_ifd(GPS)[1] == "N"
        del exif[GPS]

    for delete in (lambda exif: exif.pop(GPS), lambda exif: exif.__delitem__(GPS), emptied, looked_at):
        picture = file(format)
        if loaded:
            picture.load()
        delete(picture.getexif())
        back, block = coded(picture)
        assert (
            not back.get_ifd(GPS)
            and len(block) < len(coded(file(format))[1])
            and back[0x010F] == "Maker"
            and back.get_ifd(EXIF)[0x9003] == "2024:01:02 03:04:05"
        )


@pytest.mark.parametrize("format", FORMATS)
def test_everything_else_is_as_it_became(format):
    picture = file(format)
    exif = picture.getexif()
    exif[0x010F], exif[0x013B] = "Other", "Somebody"
    exif.get_ifd(EXIF)[0x9003] = "2000:01:01 00:00:00"
    back, _ = coded(picture)
    assert back[0x010F] == "Other" and back[0x013B] == "Somebody"
    assert format == "TIFF" or back[0x0112] == 6  # whose pixels Pillow turns
    assert back.get_ifd(EXIF)[0x9003] == "2000:01:01 00:00:00" and back.get_ifd(GPS)[1] == "N"
    for tag in list(exif):
        del exif[tag]
    assert coded(picture)[1] is None


@pytest.mark.parametrize("format", FORMATS)
def test_what_nobody_changed_is_kept_to_the_byte(format):
    untouched = load(file(format)).exif
    picture = file(format)
    exif = picture.getexif()
    assert dict(exif) and exif.get_ifd(GPS) and exif.get_ifd(EXIF)
    assert load(picture).exif == untouched


def test_the_latest_word_counts():
    picture = file()
    picture.getexif()
    other = Image.Exif()
    other[0x010F] = "Third"
    picture.info["exif"] = other.tobytes()
    assert coded(picture)[0][0x010F] == "Third"
    picture.info.pop("exif")
    assert coded(picture)[1] is None
    fresh = Image.new("RGB", (8, 8))
    fresh.getexif()[0x010F] = "Made"
    assert coded(fresh)[0][0x010F] == "Made"
    assert coded(Image.new("RGB", (8, 8)))[1] is None


def test_orientation_of_xmp_is_no_edit():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    data = io.BytesIO()
    Image.fromarray(photograph(40, 56)).save(data, "WEBP", xmp=xmp)
    picture = Image.open(data)
    assert picture.getexif()[0x0112] == 6
    assert coded(picture)[1] is None
    picture.getexif()[0x010F] = "Maker"
    assert coded(picture)[0][0x010F] == "Maker"


def test_a_copy_has_the_exif_of_the_file_until_it_is_given_another():
    picture = file()
    del picture.getexif()[GPS]
    copied = picture.resize((20, 30))
    assert coded(copied)[0].get_ifd(GPS)[1] == "N"  # Pillow knows of no edit either
    assert copied.getexif().get_ifd(GPS)[1] == "N"
    for given in (picture.getexif(), picture.getexif().tobytes()):
        copied.info["exif"] = given
        back, _ = coded(copied)
        assert not back.get_ifd(GPS) and back[0x010F] == "Maker"


def test_a_closed_image_is_refused():
    with file() as picture:
        pass
    with pytest.raises(BadImage, match="closed"):
        load(picture)


def test_turned_by_pillow():
    picture = ImageOps.exif_transpose(file())
    back, _ = coded(picture)
    assert 0x0112 not in back and back.get_ifd(GPS)[1] == "N"
    ImageOps.exif_transpose(turned := file(), in_place=True)
    assert 0x0112 not in coded(turned)[0] and turned.size == (40, 56)


def test_edits_that_cannot_be_written_lose_only_themselves():
    picture = file()
    del picture.getexif()[GPS]
    picture.getexif()[0x9999] = object()
    back, block = coded(picture)
    assert GPS not in back and back[0x010F] == "Maker" and 0x9999 not in back
    assert codec.info(codec.compress(picture, device="cpu"))["sections"]["exif"] == len(block)
    assert np.asarray(codec.decompress(codec.compress(picture, device="cpu"))).shape == (40, 56, 3)
