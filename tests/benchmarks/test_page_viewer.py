"""The page's viewer of pictures, its keys and addresses, in a browser."""

import base64
import io
import json
import re

import numpy as np
import page_windows
import pytest
import sample_run
from page_windows import fresh, window
from PIL import Image
from sample_run import NAMES, elements, embedded

wide_window = pytest.fixture(scope="module")(page_windows.wide_window)
wide = pytest.fixture(page_windows.wide)
page = pytest.fixture(scope="module")(sample_run.page)


@pytest.fixture(scope="module")
def phone_window(page):
    opened = window(page, 390, 844, phone=True)
    yield opened
    opened.close()


@pytest.fixture
def phone(phone_window):
    yield from fresh(phone_window)


# Through a copy made for reading: Chromium warns where a canvas to look at is read again and again.
PIXEL = """const [side, x, y] = arguments, canvas = canvases[side];
return [...pixels(canvas).slice(4 * (y * canvas.width + x)).slice(0, 3)]"""


def stored(page, picture, key):
    """Pixels [H, W, 3] of a picture in the page: of its original or of (codec, size)."""
    entry = next(p for p in embedded(page)["pictures"] if p["name"] == picture)
    identity = entry["original"] if key == "original" else entry["versions"][key[0]][key[1]]["image"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(elements(page).scripts[identity]))).convert("RGB"))


def shown(opened, *wanted):
    opened.wait("return document.querySelector('#stage').dataset.shown === arguments[0]", " ".join(wanted))


def middle(opened, selector="#stage img-comparison-slider"):
    opened.run("document.querySelector('#stage').scrollIntoView({behavior: 'instant', block: 'center'})")
    return opened.run(
        "const b = document.querySelector(arguments[0]).getBoundingClientRect(); return [b.left + b.width / 2, "
        "b.top + b.height / 2, b.width, b.height]",
        selector,
    )


def test_the_divider_follows_mouse_and_arrow_keys(wide):
    x, y, width, _ = middle(wide)
    assert wide.run("return slider.value") == 50
    wide.drag((x, y), (x + width / 4, y))
    assert wide.run("return slider.value") == pytest.approx(75, abs=1)
    wide.press("ArrowLeft", hold=0.3)
    assert wide.run("return slider.value") < 75
    assert 0 < int(wide.run("return slider.getAttribute('aria-valuenow')")) <= 75


def test_the_divider_follows_a_finger(phone):
    x, y, width, _ = middle(phone)
    phone.drag((x, y), (x - width / 4, y + 3), kind="touch")
    assert phone.run("return slider.value") == pytest.approx(25, abs=3)


def test_the_space_bar_flips_between_the_two(wide, page):
    fresh_hash = "#picture=wide.png&size=0&zoom=1&left=aec&right=jpeg"
    wide.open("about:blank")
    wide.open(wide.page + fresh_hash)
    shown(wide, "wide.png", "aec", "jpeg", "0", "picture")
    middle(wide)
    place = wide.run("return scrollY")
    ours, jpeg = stored(page, "wide.png", ("aec", 0)), stored(page, "wide.png", ("jpeg", 0))
    for side, picture in (("left", ours), ("right", jpeg)):
        assert wide.run(PIXEL, side, 100, 100) == picture[100, 100].tolist()
    for pixels in (ours, jpeg, ours):
        wide.press(" ")
        assert wide.run(PIXEL, "left", 100, 100) == wide.run(PIXEL, "right", 100, 100) == pixels[100, 100].tolist()
    wide.press("Escape")
    assert wide.run(PIXEL, "right", 100, 100) == jpeg[100, 100].tolist()
    assert wide.run("return scrollY") == place, "the page did not scroll"


def test_zoom_repeats_pixels_without_smoothing_and_the_picture_can_be_moved(wide, page):
    wide.open("about:blank")
    wide.open(wide.page + "#picture=wide.png&size=0&left=original&right=aec")
    shown(wide, "wide.png", "original", "aec", "0", "picture")
    original = stored(page, "wide.png", "original")
    x, y, *_ = middle(wide)
    wide.press("4")
    size = wide.run("return [canvases.left.width, canvases.left.height]")
    left, top = [round(c - s / 8) for c, s in zip(wide.run("return view.center"), size)]
    block = wide.run(
        "const data = pixels(canvases.left), w = canvases.left.width; return Array.from({length: 40}, (_, y) "
        "=> [...data.slice(4 * y * w, 4 * (y * w + 40))])"
    )
    block = np.array(block).reshape(40, 40, 4)[..., :3]
    assert np.array_equal(block, original[top : top + 10, left : left + 10].repeat(4, 0).repeat(4, 1))
    before = wide.run("return view.center")
    x, y, *_ = middle(wide)
    wide.drag((x - 200, y - 100), (x - 120, y - 60))
    after = wide.run("return view.center")
    assert [b - a for a, b in zip(before, after)] == pytest.approx([-20, -10], abs=1)
    assert wide.run("return slider.value") == 50, "moving the picture leaves the divider alone"
    assert "at=" in wide.run("return location.hash")
    wide.press("Shift", "ArrowRight")
    assert wide.run("return view.center[0]") == pytest.approx(after[0] + 12, abs=1)
    assert wide.run("return slider.value") == 50


def test_heat_maps_show_the_error_and_the_bits(wide, page):
    wide.open("about:blank")
    wide.open(wide.page + "#picture=wide.png&size=0&zoom=1&left=original&right=jpeg&view=error")
    shown(wide, "wide.png", "original", "jpeg", "0", "error")
    original, jpeg = stored(page, "wide.png", "original"), stored(page, "wide.png", ("jpeg", 0))
    error = np.abs(original.astype(int) - jpeg).mean(-1)
    quiet, loud = np.unravel_index(error.argmin(), error.shape), np.unravel_index(error.argmax(), error.shape)
    table = wide.run("return [...heatTable]")
    for y, x in (quiet, loud):
        at = 3 * min(255, round(float(error[y, x]) / 25 * 255))
        assert wide.run(PIXEL, "right", int(x), int(y)) == pytest.approx(table[at : at + 3], abs=2)
    wide.run("setState({left: 'aec', view: 'bits'})")
    shown(wide, "wide.png", "aec", "jpeg", "0", "bits")
    sums = [sum(wide.run(PIXEL, "left", x, y)) for x, y in ((4, 4), (390, 262))]
    assert sums[1] > sums[0] + 300, "the last cell takes the most bits and is the brightest"
    assert "bits per pixel" in wide.text("#explorer .under")


def test_the_texts_beside_the_picture_equal_what_was_coded(wide, page):
    summary = embedded(page)
    for picture in summary["pictures"]:
        wide.click(f"[data-picture={json.dumps(picture['name'])}]")
        for size in (0, 1):
            wide.run("document.querySelectorAll('#size button')[arguments[0]].click()", size)
            version = picture["versions"]["webp"][size]
            text = wide.text(".side:last-child p")
            assert (
                f"{version['psnr']:.2f} dB" in text
                and f"{version['bpp']:.3f} bpp" in text
                and f"quality {version['quality']}" in text
            )


def test_the_address_brings_everything_back(wide):
    wide.run(
        "setState({metric: 'msssim', scale: 'linear', anchor: 'jpeg', method: 'akima', hidden: 'jpeg', picture: "
        "arguments[0], left: 'jpeg', right: 'original', size: '0', view: 'error', zoom: '2', theme: 'dark'})",
        NAMES[2],
    )
    address = wide.run("return location.href")
    state = wide.run("return state")
    wide.open("about:blank")
    wide.open(address)
    shown(wide, NAMES[2], "jpeg", "original", "0", "error")
    assert wide.run("return state") == state
    assert wide.run("return document.documentElement.dataset.theme") == "dark"
    assert wide.run(
        "return [...document.querySelectorAll('#metric [aria-pressed=true], #zoom [aria-pressed=true]')].map((b) "
        "=> b.dataset.value)"
    ) == ["msssim", "2"]
    assert wide.run("return document.querySelector('#right').value") == "original"


def test_an_address_can_choose_only_what_there_is(wide):
    start = wide.run("return state")
    wide.open("about:blank")
    wide.open(
        wide.page
        + "#metric=constructor&picture=%3Cimg%20src%3Dx%20onerror%3Dwindow.harmed%3D1%3E&left=__proto__&size=7&zoom=9"
        "9&at=x,NaN&theme=blue&scope=nothing"
    )
    wide.wait("return document.querySelector('#stage')?.dataset.shown")
    assert {**wide.run("return state"), "at": ""} == start


def test_dark_and_light(wide):
    def ground():
        return sum(map(int, re.findall(r"\d+", wide.run("return getComputedStyle(document.body).backgroundColor"))[:3]))

    light = ground()
    wide.click("#theme")
    assert ground() < 150 < 600 < light
    wide.click("#theme")
    assert ground() == light


def test_keys_choose_picture_size_and_sides(wide):
    middle(wide)
    first = wide.run("return state.picture")
    wide.press("]")
    assert wide.run("return state.picture") != first
    wide.press("[")
    assert wide.run("return state.picture") == first
    before = wide.run("return [state.left, state.right, state.size]")
    wide.press("x")
    wide.press("s")
    after = wide.run("return [state.left, state.right, state.size]")
    assert after[:2] == before[1::-1] and after[2] != before[2]


def test_every_control_can_be_reached_with_the_tab_key(wide):
    reached = set()
    for _ in range(60):
        wide.press("Tab")
        reached |= set(wide.run("const e = document.activeElement; return [e.id, e.parentElement?.id, e.localName]"))
    controls = {
        "theme",
        "metric",
        "scale",
        "scope",
        "anchor",
        "method",
        "legend",
        "size",
        "view",
        "zoom",
        "left",
        "right",
        "img-comparison-slider",
    }
    assert controls <= reached


def test_a_phone_shows_all_without_scrolling_sideways(phone):
    assert phone.run("return [document.documentElement.scrollWidth, innerWidth]") == [390, 390]
    assert (
        phone.run(
            "return [...document.querySelectorAll('button, select')].filter((e) "
            "=> e.offsetParent && e.getBoundingClientRect().height < 31).map((e) => e.outerHTML)"
        )
        == []
    )
    phone.click("#zoom [data-value='2']")
    x, y, width, _ = middle(phone)
    assert width <= 390
    before = phone.run("return view.center")
    phone.drag((x - 100, y + 80), (x - 60, y + 80), kind="touch")
    assert phone.run("return view.center[0]") == pytest.approx(before[0] - 20, abs=1)
