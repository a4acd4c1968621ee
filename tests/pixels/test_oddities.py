"""Input robustness: every odd picture is read right, every broken one refused in one sentence, and a batch of both goes
on to its end.
"""

import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import psnr
from oddities import BROKEN, ODD, smooth
from PIL import Image

import codec
from codec.app.cli import cli
from codec.errors import BadImage, TooLarge
from codec.pixels import exif as exif_blocks
from codec.pixels import scanner
from codec.pixels.formats import png, ppm, tiff
from codec.pixels.read import load
from tests.campaigns import pictures


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ODD)
def test_odd(name, capfd):
    data, expected = ODD[name]
    picture = load(data)
    samples = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    assert capfd.readouterr() == ("", "")
    if "tiff-orientation" in name:
        assert picture.exif is None or exif_blocks.orientation(picture.exif) == 1  # Pillow has turned it
    if expected is not None:
        assert samples.dtype == expected.dtype and np.array_equal(samples, expected)
    elif samples.shape == (32, 40, 3) and not any(
        word in name for word in ("quality-1", "LAB", "ycck", "transform", "jpeg-1")
    ):
        assert psnr(samples, smooth()) > 20
    else:
        assert picture.pixels.std() > 0 or "LAB" in name


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BROKEN)
def test_broken(name, capfd):
    with pytest.raises((BadImage, TooLarge)) as caught:
        load(BROKEN[name])
    sentence = str(caught.value)
    assert 15 < len(sentence) < 200 and "\n" not in sentence and sentence.isprintable()
    assert not any(word in sentence for word in ("Error", "unpack", "index out", "driver", "None")), sentence
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [*ODD, *BROKEN])
def test_rows_and_whole_agree(name, monkeypatch):
    monkeypatch.setattr(scanner, "SMALL_PIXELS", 0)
    for module in (png, tiff, ppm):
        monkeypatch.setattr(module, "STRETCH", 500)
    data = ODD[name][0] if name in ODD else BROKEN[name]
    if name in BROKEN:
        with pytest.raises((BadImage, TooLarge)), scanner.opened(data) as scan:
            scan.whole()
        return
    whole = load(data)
    with scanner.opened(data) as scan:
        rows = scan.whole()
    assert np.array_equal(rows.pixels, whole.pixels) and rows.pixels.dtype == whole.pixels.dtype
    assert np.array_equal(rows.alpha, whole.alpha) if whole.has_alpha else rows.alpha is None
    assert (rows.icc, rows.exif, rows.xmp) == (whole.icc, whole.exif, whole.xmp)


def test_a_batch_of_odd_and_broken_files_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = {name: ODD[name][0] for name in list(ODD)[::9]}
    for name, data in [*chosen.items(), *BROKEN.items()]:
        with open(f"{name}.png", "wb") as file:
            file.write(data)
    result = CliRunner().invoke(cli, ["compress", "-r", ".", "-o", "out/", "--json", "-q", "20"])
    assert result.exit_code == 1 and "Traceback" not in result.stderr
    records = {os.path.basename(record["input"])[:-4]: record for record in map(json.loads, result.stdout.splitlines())}
    assert set(records) == {*chosen, *BROKEN} and {
        name for name, record in records.items() if "error" in record
    } == set(BROKEN)
    lines, lost = result.stderr.splitlines(), [record["lost"] for record in records.values() if "lost" in record]
    assert len(lines) == len(BROKEN) + len(lost) and all(line.startswith("aecodec: ./") for line in lines)
    assert sum(": lost its " in line for line in lines) == len(lost)
    assert sorted(os.listdir("out")) == sorted(f"{name}.aec" for name in chosen)
    for name in chosen:
        info, expected = codec.info(f"out/{name}.aec"), ODD[name][1]
        if expected is not None:
            assert (info["height"], info["width"]) == expected.shape[:2]
        else:
            with Image.open(f"{name}.png") as image:
                assert {info["width"], info["height"]} == set(image.size)


def test_random_damage():
    """The campaign in short; see tests/campaigns/log.jsonl."""
    figures = pictures.run(3000, seed=None, seconds=6)
    assert figures["outcomes"].keys() >= {"read", "BadImage"} and figures["slowest_s"] < 5
