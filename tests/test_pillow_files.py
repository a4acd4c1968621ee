"""The plugin and file objects: lazy loading, copies, threads, and what it leaves behind."""

import copy
import io
import os
import pickle
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pillow_files
import pytest
from conftest import photograph, psnr
from PIL import Image, ImageFile, ImageSequence
from pillow_files import opened, saved

image = pytest.fixture(scope="module")(pillow_files.image)
data = pytest.fixture(scope="module")(pillow_files.data)
path = pytest.fixture(pillow_files.path)


# File objects


class NoSeek:
    def __init__(self, data):
        self.file = io.BytesIO(data)

    def read(self, count=-1):
        return self.file.read(count)


def test_paths_and_file_objects(path, data):
    expected = opened(data).tobytes()
    for source in (path, str(path), os.fsencode(path), io.BytesIO(data), NoSeek(data)):
        with Image.open(source) as file:
            assert file.tobytes() == expected
    with open(path, "rb") as handle:
        handle.seek(7)
        file = Image.open(handle)
        assert file.tobytes() == expected and not handle.closed


def test_files_are_closed(path):
    def descriptors():
        return sum(
            os.path.exists(link) and os.path.samefile(link, path)
            for link in (f"/dev/fd/{name}" for name in os.listdir("/dev/fd"))
        )

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        file = Image.open(path)
        assert descriptors() == 1
        file.load()
        assert descriptors() == 0
        with Image.open(path):
            pass
        Image.open(path).verify()
        Image.open(path).close()
        assert descriptors() == 0
    path.write_bytes(path.read_bytes()[:-1])
    with Image.open(path) as file, pytest.raises(OSError):
        file.load()
    path.write_bytes(b"\xaeAEC nothing")
    with pytest.raises(OSError):
        Image.open(path)
    assert descriptors() == 0


def test_pixels_outlive_the_file(path):
    with Image.open(path) as file:
        file.load()
    path.unlink()
    assert file.crop((3, 3, 9, 9)).size == (6, 6) and file.resize((5, 5)).mode == "RGB"


def test_incremental_parser(data):
    parser = ImageFile.Parser()
    for start in range(0, len(data), 100):
        parser.feed(data[start : start + 100])
    assert parser.close().tobytes() == opened(data).tobytes()
    parser = ImageFile.Parser()
    parser.feed(data[:-1])
    with pytest.raises(OSError):
        parser.close()


def test_thumbnails_never_hold_the_whole(coder):
    picture = photograph(300, 430)
    data = coder.encode(picture, 90)
    file = opened(data)
    assert (
        file.draft(None, (60, 60)) == ("RGB", (0, 0, 107.5, 75))
        and file.size == (108, 75)
        and file.draft(None, (9, 9)) is None
    )
    means = np.asarray(coder.decode(data, scale=1 / 4))
    assert np.array_equal(np.asarray(file), means)
    file = opened(data)
    file.thumbnail((50, 50))
    expected = Image.fromarray(picture)
    expected.thumbnail((50, 50))
    assert file.size == expected.size and psnr(file, expected) > 30
    file = opened(data)
    assert (
        file.draft("L", None) is None
        and file.draft("RGB", (1000, 10)) == ("RGB", (0, 0, 430, 300))
        and np.asarray(file).shape == (300, 430, 3)
    )
    assert file.draft(None, (9, 9)) is None  # too late


def test_one_frame(data):
    file = opened(data)
    assert len(list(ImageSequence.Iterator(file))) == 1 and file.tell() == 0 and getattr(file, "n_frames", 1) == 1
    with pytest.raises(EOFError):
        file.seek(1)


# Copies


def test_copies_and_pickles(path):
    with Image.open(path) as file:
        copies = [copy.copy(Image.open(path)), copy.deepcopy(Image.open(path)), Image.open(path).copy()]
        copies += [pickle.loads(pickle.dumps(file, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
        for other in copies:
            assert other.tobytes() == file.tobytes() and other.info == file.info and other.mode == file.mode
        assert copies[-1] == file
    copies[-1].putpixel((0, 0), (1, 2, 3))
    assert copies[-2].getpixel((0, 0)) != (1, 2, 3)


def test_operations_on_lazy_images(path):
    for work in (
        lambda image: image.thumbnail((20, 20)),
        lambda image: image.putpixel((0, 0), (9, 9, 9)),
        lambda image: image.paste((1, 2, 3), (0, 0, 5, 5)),
        lambda image: image.putalpha(7),
        lambda image: image.rotate(90),
        lambda image: image.histogram(),
        lambda image: image.draft("L", (20, 20)),
        lambda image: np.asarray(image),
        lambda image: memoryview(np.array(image)),
        lambda image: image.show and image.getcolors(),
        lambda image: image.split(),
    ):
        image = Image.open(path)
        work(image)
        image.load()
        saved(image)


# Threads and leaks


def test_threads_open_and_save_as_one_does(path):
    expected = opened(path.read_bytes()).tobytes()
    picture = Image.fromarray(photograph(24, 32))
    coded, interval = saved(picture), sys.getswitchinterval()

    def work(_):
        with Image.open(path) as file:
            return file.tobytes() == expected and saved(picture) == coded

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(16)))
    finally:
        sys.setswitchinterval(interval)


def test_after_the_file_is_gone(tmp_path, monkeypatch):
    """As of Pillow's own pictures: an exception that says so, and never an array without pixels."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph(32, 40)).save("x.aec")

    def entered():
        with Image.open("x.aec") as picture:
            return picture

    def after(method):
        picture = Image.open("x.aec")
        getattr(picture, method)()
        return picture

    uses = [np.asarray, np.array, lambda im: im.load(), Image.Image.copy, Image.Image.tobytes]
    uses += [lambda im: im.convert("L"), lambda im: im.resize((4, 4)), lambda im: im.save(io.BytesIO(), "PNG")]
    uses += [lambda im: im.thumbnail((4, 4)), lambda im: im.getpixel((0, 0))]
    uses += [lambda im: im.thumbnail((20, 16)), lambda im: im.draft("RGB", (20, 16)), lambda im: im.draft("RGB", None)]
    for make in (entered, lambda: after("close"), lambda: after("verify")):
        for use in uses:
            with pytest.raises(ValueError, match="closed image"):
                use(make())
        with pytest.raises(RuntimeError, match="directly after open"):
            make().verify()
        assert make().size == (40, 32) and make().close() is None
    loaded = Image.open("x.aec")
    loaded.load()
    loaded.close()
    with pytest.raises(ValueError, match="closed image"):
        np.asarray(loaded)
