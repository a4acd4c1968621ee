"""What of a picture is trained on, and how often."""

import hashlib
import io

import pytest
import torch
from conftest import photograph
from PIL import Image

from codec.training import data
from codec.training.data import HALF_COLOUR, Pictures, decode, held_out

EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"


@pytest.mark.parametrize(
    "kind, options, half",
    [
        ("JPEG", {"subsampling": 2}, True),
        ("JPEG", {"subsampling": 1}, True),
        ("JPEG", {"subsampling": 0}, False),
        ("WEBP", {"quality": 90}, True),
        ("WEBP", {"quality": 90, "exif": EXIF}, True),
        ("WEBP", {"lossless": True}, False),
        ("WEBP", {"lossless": True, "exif": EXIF}, False),
        ("PNG", {}, False),
    ],
)
def test_where_half_of_the_colour_is_missing_half_the_size_is_trained_on(kind, options, half):
    written = io.BytesIO()
    Image.fromarray(photograph(600, 700)).save(written, kind, **options)
    (full, often), *copies = decode("a", written.getvalue(), 256)
    assert full.shape == (600, 700, 3) and often == (HALF_COLOUR if half else 1)
    assert len(copies) == (2 if half else 1)
    for pixels, often in copies:
        assert often == 1 and 256 <= pixels.shape[0] <= (300 if half else 480)


def test_pictures_are_drawn_as_often_as_they_shall(tmp_path):
    """A picture of half its colour, too small for copies, beside one with all of it."""
    Image.fromarray(photograph(288, 288) // 4).save(tmp_path / "whole.png")
    Image.fromarray(255 - photograph(288, 288) // 4).save(tmp_path / "half.jpg", subsampling=2)
    pictures = Pictures([str(tmp_path)], "cpu", 256)
    assert pictures.count == 2
    torch.manual_seed(0)
    bright = (pictures.crops(2000, 8).mean((1, 2, 3)) > 0.5).float().mean()
    assert abs(bright - HALF_COLOUR / (1 + HALF_COLOUR)) < 0.04


def test_held_out_pictures_have_all_of_their_colour(tmp_path, monkeypatch):
    Image.fromarray(photograph(301, 200)).save(tmp_path / "a.png")
    Image.fromarray(photograph(301, 200)).save(tmp_path / "b.webp", quality=90)
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    monkeypatch.setattr(data, "HELD_OUT", hashes)
    found = dict(held_out([str(tmp_path)]))
    assert (found["a.png"] == photograph(301, 200)).all() and found["b.webp"].shape == (150, 100, 3)
