"""The report: how the explorer chooses, matches, crops and stores, and the file that the command writes.

What a browser makes of it: test_page.
"""

import base64
import functools
import io
import json
import re

import numpy as np
import pytest
import sample_run
from click.testing import CliRunner
from conftest import photograph
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sample_run import NAMES, Elements, Ours, build_codec, elements, embedded, run_report

from benchmarks import data, explorer, metrics, report

folder = pytest.fixture(scope="module")(sample_run.folder)
result = pytest.fixture(scope="module")(sample_run.result)
page = pytest.fixture(scope="module")(sample_run.page)


def test_pictures_are_chosen_evenly_from_the_greatest_gain_to_the_least():
    gain = {f"p{i}": float((i * 7) % 10) for i in range(10)}
    chosen = explorer.choose(list(gain), gain, 4)
    assert [gain[name] for name in chosen] == [0, 3, 6, 9]
    assert explorer.choose(["b", "a"], {"b": -1.0}, 8) == ["b", "a"]
    assert explorer.choose(["b", "a", "c"], {}, 1) == ["a"]


def test_match_finds_the_quality_whose_file_is_nearest_in_size(folder):
    codec, image = build_codec("jpeg"), data.load(folder / NAMES[0])
    sizes = {quality: len(codec.encode(image, quality)) for quality in range(codec.low, codec.high + 1)}
    for target in (sizes[1] // 2, 5000, 9000, 20000, sizes[100] * 2):
        quality, file = explorer.match(codec, image, target)
        assert len(file) == sizes[quality]
        best = min(abs(np.log(size / target)) for size in sizes.values())
        assert abs(np.log(len(file) / target)) <= max(best, explorer.CLOSE)


def test_match_starts_from_what_was_measured_and_stays_in_the_range(folder):
    class Counting(Ours):
        def __init__(self):
            self.asked = []

        def encode(self, image, quality):
            self.asked.append(quality)
            return bytes(round(quality * 100))

    codec = Counting()
    _, file = explorer.match(codec, None, 5050, [(20, 2000), (50, 5000), (51, 5100), (90, 9000)])
    assert 50 <= min(codec.asked) and max(codec.asked) <= 51 and abs(len(file) / 5050 - 1) < explorer.CLOSE
    assert explorer.match(codec, None, 50)[0] == 1, "smaller than the codec can: its smallest"
    assert explorer.match(codec, None, 10**6)[0] == 100
    assert max(codec.asked) <= 100 and min(codec.asked) >= 1


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from(explorer.LONG_SIDES))
def test_a_crop_lies_inside_and_on_the_grid(width, height, side):
    x, y, w, h = explorer.crop(width, height, side)
    assert x % 16 == y % 16 == 0 and x >= 0 and y >= 0 and 1 <= w <= side and 1 <= h <= side
    assert x + w <= width and y + h <= height


def test_fit_crops_as_far_as_the_limit_asks():
    pictures = [Image.fromarray(photograph(470, 700, seed)) for seed in range(2)]
    whole, texts = explorer.fit(pictures, 10**9)
    assert whole == explorer.LONG_SIDES[0]
    limit = sum(map(len, texts)) // 3
    side, smaller = explorer.fit(pictures, limit)
    assert side < whole and sum(map(len, smaller)) <= limit
    shown = Image.open(io.BytesIO(base64.b64decode(smaller[0])))
    x, y, w, h = explorer.crop(700, 470, side)
    assert np.array_equal(np.asarray(shown), np.asarray(pictures[0])[y : y + h, x : x + w])
    with pytest.raises(ValueError, match="do not fit"):
        explorer.fit(pictures, 100)


def test_the_page_holds_the_pixels_that_the_codecs_decode(page, folder):
    shown, scripts = embedded(page), elements(page).scripts
    assert {picture["name"] for picture in shown["pictures"]} == set(NAMES) and shown["codecs"] == [
        "aec",
        "webp",
        "jpeg",
    ]
    for picture in shown["pictures"]:
        original = data.load(folder / picture["name"])
        assert picture["box"] == [0, 0, *original.size]
        for name, versions in picture["versions"].items():
            codec = build_codec(name)
            for version, bpp in zip(versions, shown["sizes"]):
                file = codec.encode(original, version["quality"])
                decoded = codec.decode(file)
                stored = Image.open(io.BytesIO(base64.b64decode(scripts[version["image"]])))
                assert np.array_equal(np.asarray(stored.convert("RGB")), np.asarray(decoded))
                assert version["bytes"] == len(file) and version["bpp"] == 8 * len(file) / (
                    original.width * original.height
                )
                assert version["psnr"] == pytest.approx(metrics.psnr(np.asarray(original), np.asarray(decoded)))
                if name == "aec":
                    assert version["bpp"] == pytest.approx(bpp, rel=0.02)


def test_the_map_of_bits_is_that_of_the_part_shown():
    image = Image.new("RGB", (330, 200))
    cells = Ours().bits_map(image, 50)
    stored = explorer.bits_map(Ours(), image, 50, (32, 16, 100, 64))
    values = np.frombuffer(base64.b64decode(stored["data"]), np.uint8).reshape(stored["height"], stored["width"])
    wanted = cells[1:5, 2:9]
    assert stored["cell"] == 16 and stored["top"] == wanted.max() / 256
    assert np.abs(values / 255 * wanted.max() - wanted).max() <= wanted.max() / 255 / 2 + 1e-9
    assert explorer.bits_map(build_codec("webp"), image, 50, (0, 0, 330, 200)) is None


# The file


def test_the_page_holds_the_run_unchanged_and_no_name_becomes_markup(page, result):
    assert json.loads(elements(page).scripts["run"]) == result
    assert not [tag for tag, _ in elements(page).tags if tag in ("img", "b")]
    assert all(set(attributes) <= {"type", "id"} for tag, attributes in elements(page).tags if tag == "script")


def test_the_page_needs_nothing_else(page):
    text = page.read_text()
    assert not [
        attributes
        for tag, attributes in Elements(text).tags
        if str(attributes.get("src", attributes.get("href", "#"))).startswith(("http", "//", "/"))
    ]
    assert "@import" not in text and "sourceMappingURL" not in text and not re.search(r"url\((?!data:)", text)
    assert "default-src 'none'" in text
    for words in ("Leon Sorokin", "Dmitry Snisarenko", "The above copyright notice and this permission notice"):
        assert words in text


def test_without_its_pictures_the_page_says_why(result, folder, tmp_path):
    moved = {**result, "source": [str(tmp_path)]}
    Image.fromarray(photograph(64, 64, 9)).save(tmp_path / NAMES[0])  # another picture of the same name
    outcome, text = run_report(moved, tmp_path)
    assert outcome.exit_code == 0 and "none of the pictures of this run" in outcome.output
    assert json.loads(Elements(text).scripts["explorer-data"])["pictures"] == []
    assert "--images" in json.loads(Elements(text).scripts["explorer-data"])["note"]


def test_versions_that_changed_since_the_run_are_named(page):
    assert "other versions than the curves, which had aecodec 8 instead of 9." in embedded(page)["note"]


def test_pictures_are_cropped_to_stay_below_the_limit(result, folder):
    collect = functools.partial(
        explorer.collect, result, {NAMES[0]: folder / NAMES[0]}, NAMES[:1], {"jpeg": build_codec("jpeg")}, [1.0], {}
    )
    whole = sum(map(len, collect(10**9).webp.values()))
    content = collect(whole * 95 // 100)
    assert sum(map(len, content.webp.values())) <= whole * 95 // 100
    assert not content.summary["whole"] and content.summary["pictures"][0]["box"][2:] == (384, 256)
    assert "384 × 256" in report.describe(result, content.summary, "aec", "webp", True, [])


@pytest.mark.parametrize(
    "arguments, words",
    [(["--sizes", "0.2,x"], "bits per pixel"), (["--sizes", "0"], "bits per pixel"), (["--pictures", "-1"], "-1")],
)
def test_wrong_options_are_refused_in_words(result, folder, tmp_path, arguments, words):
    outcome, text = run_report(result, tmp_path, *arguments)
    assert outcome.exit_code == 2 and words in outcome.output and text is None


def test_what_is_no_run_is_refused(tmp_path):
    for content in ("{}", "[1]", "not json", '{"schema": 99}'):
        (tmp_path / "x.json").write_text(content)
        outcome = CliRunner().invoke(report.main, [str(tmp_path / "x.json"), "-o", str(tmp_path / "y.html")])
        assert outcome.exit_code == 1 and len(outcome.output.splitlines()) == 1 and not (tmp_path / "y.html").exists()
