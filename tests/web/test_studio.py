"""The studio by clicks, keys and fingers, in every browser there is; and what its page never does."""

import io
import re

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from codec.pixels import colour
from codec.pixels.picture import Picture
from tests.web import studio
from tests.web.scene import landscape
from tests.web.studio import CODER, box, choose, drop, fresh, pixels, png, saved, settled

WIDTH, HEIGHT = studio.SIZE


@pytest.fixture(scope="module")
def scene():
    return studio.scene()


@pytest.fixture(scope="module")
def picture(scene):
    return scene[0]


@pytest.fixture(scope="module")
def file(scene):
    return scene[1]


@pytest.fixture(scope="module")
def decoded(file):
    return np.asarray(CODER.decode(file))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return studio.page(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def window(request, page):
    opened = studio.window(request.param, page, 1280, 800)
    yield opened
    opened.close()


@pytest.fixture
def wide(window):
    return fresh(window)


@pytest.fixture(scope="module")
def phone_window(page):
    opened = studio.window("chromium", page, 390, 844, phone=True, dark=True)
    yield opened
    opened.close()


@pytest.fixture
def phone(phone_window):
    return fresh(phone_window)


def at(opened, x, y):
    return pixels(opened, x, y)[0, 0].tolist()


def test_a_picture_and_its_file_lie_side_by_side(wide, picture, decoded, file):
    assert re.findall(r"\w+\.\w+", wide.text("#entries")) == ["scene.png", "alone.aec", "other.png"]
    assert wide.text("#left-badge") == "Original"
    assert wide.text("#size") == f"{len(file) / 1000:.1f} kB"
    assert wide.text("#bpp") == f"{8 * len(file) / (WIDTH * HEIGHT):.2f} bits per pixel"
    assert np.array_equal(pixels(wide, 0, 0, 200, HEIGHT), picture[:, :200])
    assert np.array_equal(pixels(wide, 280, 0, 200, HEIGHT), decoded[:, 280:])


def test_the_divider_follows_mouse_and_arrow_keys(wide):
    share = "return Number(document.querySelector('#handle').getAttribute('aria-valuenow'))"
    x, y, *_ = box(wide, "#handle")
    wide.drag((x, y), (x - 160, y + 5))
    moved = wide.run(share)
    assert 28 < moved < 40
    wide.press("ArrowLeft")
    assert wide.run(share) == moved - 2
    wide.drag((x - 160 - 18, y - 150), (x, y - 150))
    assert wide.run(share) == pytest.approx(50, abs=2), "the line is the handle, too"


def test_space_flips_and_escape_shows_both(wide, picture, decoded):
    for expected in (picture, decoded, picture):
        wide.press(" ")
        assert np.array_equal(pixels(wide, 0, 0, WIDTH, 50), expected[:50])
    assert "Original" in wide.run("return document.querySelector('#canvas').ariaLabel")
    wide.press("Escape")
    assert np.array_equal(pixels(wide, 280, 0, 200, 50), decoded[:50, 280:])


def test_another_quality_is_coded_as_python_codes_it(wide, picture, file):
    wide.run("document.querySelector('#quality').focus()")
    for _ in range(4):
        wide.press("ArrowRight")
    settled(wide, ".aec 44")
    name, data = saved(wide, "#save")
    assert name == "scene.aec" and wide.text("#size") == f"{len(data) / 1000:.1f} kB"
    assert CODER.checksum(data) == CODER.checksum(CODER.encode(picture, 44, lossless=False))
    wide.run("document.querySelector('#quality').blur()")
    wide.press("[")
    settled(wide, ".aec 43")
    wide.run("const n = document.querySelector('#number'); n.value = '40'; n.dispatchEvent(new Event('input'))")
    settled(wide, ".aec 40")
    assert saved(wide, "#save") == ("scene.aec", file), "the file that was given, again"


def test_qualities_with_hundredths_fit_their_field(wide):
    field = "const n = document.querySelector('#number'); n.value = '88.88';"
    inner, outer = wide.run(field + "return [n.scrollWidth, n.clientWidth]")
    assert inner <= outer


def test_the_png_has_the_decoded_pixels(wide, decoded):
    name, data = saved(wide, "#png")
    assert name == "scene.png" and np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), decoded)


def test_zoom_and_pan(wide, picture):
    wide.press("4")
    assert wide.text("#scale") == "400 %"
    x, y, width, height = box(wide, "#canvas")
    before = pixels(wide, -100, -60, 200, 120)
    assert len(np.unique(before.reshape(-1, 3), axis=0)) <= 51 * 31, "enlarged, a pixel is a square"
    wide.drag((x - 300, y - 100), (x - 180, y - 60))
    assert np.array_equal(pixels(wide, 20, -20, 200, 120), before)
    wide.click("[data-zoom='8']")
    for _ in range(3):
        wide.press("+")
    assert wide.text("#scale") == "800 %"
    wide.run("document.querySelector('#canvas').dispatchEvent(new WheelEvent('wheel', {deltaY: 200}))")
    assert 400 < int(wide.text("#scale").split()[0]) < 800
    wide.press("0")
    assert wide.run("return document.querySelector('[data-zoom=fit]').ariaPressed") == "true"


def test_the_difference_from_the_original(wide, picture, decoded):
    wide.click("[data-view=difference]")
    settled(wide, ".aec 40: difference × 8")
    expected = (8 * np.abs(picture.astype(int) - decoded)).clip(0, 255)
    assert expected.max() > 100 and np.array_equal(pixels(wide, 280, 0, 200, HEIGHT), expected[:, 280:])
    wide.press("d")
    settled(wide, ".aec 40")


def test_the_map_of_bits(wide, decoded, file):
    wide.press("b")
    wide.wait("return !document.querySelector('#legend').hidden")
    bits = CODER.bits_map(file)
    most = np.sort(bits.ravel())[int(0.99 * (bits.size - 1))]
    assert wide.text("#most") == f"{most:.0f} bits per 16 × 16 pixels"
    row, column = np.unravel_index(bits[:, 18:].argmax(), bits[:, 18:].shape)
    y, x = 16 * int(row) + 8, 16 * (18 + int(column)) + 8
    expected = 0.8 * np.array([0xFC, 0xF3, 0xA9]) + 0.2 * decoded[y, x]
    assert at(wide, x, y) == pytest.approx(expected.tolist(), abs=2)


@pytest.mark.parametrize("name", ["JPEG", "WebP", "AVIF"])
def test_other_formats_of_equal_size(wide, file, name):
    wide.click(f"[data-left={name.lower()}]")
    note = wide.wait("return document.querySelector('#left-note').textContent")
    if note == f"This browser cannot make {name} files.":
        assert name == "AVIF" and wide.text("#left-badge") == "Original"
        return
    quality, size = re.fullmatch(rf"{name} by this browser, quality (\d+): ([\d.]+) kB", note).groups()
    assert float(size) == pytest.approx(len(file) / 1000, rel=0.06)
    wide.wait("return document.querySelector('#left-badge').textContent === arguments[0]", f"{name} {quality}")


def test_a_file_alone_shows_itself_and_its_facts(wide, decoded, file):
    wide.press("n")
    settled(wide, ".aec 40")
    assert wide.text("#entries [aria-current]") == "alone.aec"
    visible = "return arguments[0].filter((one) => document.querySelector(one).checkVisibility())"
    assert wide.run(visible, ["#divider", "#coding", "#left", "#left-badge", "#flip"]) == []
    assert "The original is not open" in wide.text("#left-note")
    assert np.array_equal(pixels(wide, 0, 0, WIDTH, HEIGHT), decoded)
    wide.click("#facts summary")
    facts = wide.text("#facts")
    assert "480 × 320" in facts and f"{len(file)} bytes" in facts and "Decoded in" in facts


def test_files_are_dropped_chosen_and_closed(wide, picture):
    drop(wide, {"new.png": png(picture[:90, :120])})
    wide.wait("return document.querySelector('#entries [aria-current]').innerText === 'new.png'")
    settled(wide, ".aec 40")
    choose(wide, {"chosen.aec": CODER.encode(picture[:64, :64], 77, lossless=False)})
    settled(wide, ".aec 77")
    choose(wide, {"chosen.png": png(picture[:64, :64])})
    wide.wait("return document.querySelector('#entries [aria-current]').innerText === 'chosen.png'")
    assert wide.text("#entries").count("chosen") == 1, "a picture joins the file of its name"
    for name in ("chosen.png", "new.png"):
        wide.click(f"[aria-label='Close {name}']")
    assert "new.png" not in wide.text("#entries")


def test_a_turned_file_of_other_colours_is_shown_as_it_is_meant(wide):
    exif, p3 = Image.Exif(), colour.profile_of(bytes([12, 13, 0, 1]), False)
    exif[0x0112] = 6
    source = Picture(np.asarray(landscape(100, 150)), icc=p3, exif=exif.tobytes().removeprefix(b"Exif\0\0"))
    file = CODER.encode(source, 90, lossless=False)
    drop(wide, {"turned.aec": file})
    settled(wide, ".aec 90")
    upright = ImageOps.exif_transpose(CODER.decode(file))
    expected = ImageCms.profileToProfile(upright, io.BytesIO(p3), ImageCms.createProfile("sRGB"))
    assert expected.size == (150, 100) and not np.array_equal(np.asarray(expected), np.asarray(upright))
    shown = pixels(wide, 0, 0, 150, 100, size=(150, 100))
    assert np.abs(shown.astype(int) - np.asarray(expected)).max() <= 3
    bits = np.rot90(CODER.bits_map(file), -1)[:6, 1:]  # its first column begins left of the picture, 10 pixels
    wide.press("b")
    wide.wait("return !document.querySelector('#legend').hidden")
    y, x = np.unravel_index(bits.argmax(), bits.shape)
    place = 6 + 16 * int(x) + 8, 16 * int(y) + 8
    found = pixels(wide, *place, size=(150, 100))[0, 0]
    assert found == pytest.approx(0.8 * np.array([0xFC, 0xF3, 0xA9]) + 0.2 * np.asarray(expected)[place[::-1]], abs=2)


def test_a_large_picture_comes_tile_by_tile(wide):
    drawn = np.tile(np.asarray(landscape(420, 560)), (3, 3, 1))
    wide.run(
        """const badge = document.querySelector("#right-badge");
        window.labels = [];
        new MutationObserver(() => labels.push(badge.textContent)).observe(badge, {childList: true})"""
    )
    file = CODER.encode(drawn, 50, lossless=False)
    drop(wide, {"large.aec": file})
    settled(wide, ".aec 50")
    assert ".aec 50 …" in wide.run("return labels")
    wide.press("1")
    expected = np.asarray(CODER.decode(file))[994:1054, 994:1054]  # where four tiles meet
    assert np.array_equal(pixels(wide, 994, 994, 60, 60, size=(1260, 1680)), expected)


def test_what_is_no_picture_gets_one_sentence_and_the_page_goes_on(wide, file):
    bent = file[:-9] + bytes([file[-9] ^ 1]) + file[-8:]
    files = {"notes.txt": b"hello", "short.aec": file[:50], "bent.aec": bent, "none.png": b"", "words.aec": b"hello"}
    drop(wide, files)
    lines = wide.wait(
        "const lines = [...document.querySelectorAll('#errors p')];"
        "return lines.length === 5 && lines.map((line) => line.firstChild.data)"
    )
    assert sorted(line.partition(": ")[0] for line in lines) == sorted(files)
    assert all(20 < len(line) < 200 for line in lines)
    assert [line.partition(": ")[0] for line in lines if "not an .aec file" in line] == ["words.aec"]
    x, _, width, _ = box(wide, "#errors")
    assert x + width / 2 <= wide.run("return document.querySelector('#panel').getBoundingClientRect().left")
    wide.click("#errors button")
    assert wide.run("return document.querySelectorAll('#errors p').length") == 4
    wide.click("#entries button")
    settled(wide, ".aec 40")
    assert "bent.aec" not in wide.text("#entries")


# The page as such


def test_every_control_is_reached_with_tab_and_has_a_name(wide):
    names = wide.run(
        """const named = (e) => e.ariaLabel || e.innerText.trim() || e.labels?.[0]?.innerText;
        return [...document.querySelectorAll("button, input, summary, [role=slider], [tabindex]")]
          .filter((e) => e.checkVisibility()).map((e) => [e.id || e.outerHTML, named(e)])"""
    )
    assert len(names) > 20 and all(name for _, name in names), names
    reached = set()
    for _ in range(len(names) + 5):
        wide.press("Tab")
        reached.add(wide.run("const e = document.activeElement; return e.id || e.outerHTML"))
    assert {identity for identity, _ in names} <= reached


def test_nothing_leaves_the_page(wide):
    loaded = wide.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in loaded if not name.startswith(("blob:", "data:"))] == []
    found = wide.run(
        """const tried = [];
        document.addEventListener("securitypolicyviolation", (event) => tried.push(event.violatedDirective));
        const image = new Image();
        image.src = "https://example.invalid/x.png";
        const script = document.createElement("script");
        script.textContent = "window.harmed = true";
        document.body.append(script, image);
        return fetch("https://example.invalid/").then(() => "sent", () => "blocked")
          .then((how) => new Promise((done) => setTimeout(() => done([how, tried, window.harmed ?? false]), 200)))"""
    )
    how, tried, harmed = found
    assert how == "blocked" and not harmed
    assert {directive.split("-")[0] for directive in tried} == {"connect", "img", "script"}


def test_a_worker_that_dies_is_replaced(window, page):
    text = page.read_text("utf-8")
    dying = page.with_name("dying.html")
    broken = re.sub(
        r"(async encode\(\{ layer, quality \}, id\) \{)", r"\1 if (quality === 60) setTimeout(() => fail());", text
    )
    assert broken != text
    dying.write_text(broken, "utf-8")
    window.open(dying.as_uri())
    settled(window, ".aec 40")
    window.run("const n = document.querySelector('#number'); n.value = '60'; n.dispatchEvent(new Event('input'))")
    said = window.wait("return document.querySelector('#errors p')?.innerText")
    assert said.startswith("scene.png: the coder stopped and was started anew")
    window.run("const n = document.querySelector('#number'); n.value = '61'; n.dispatchEvent(new Event('input'))")
    settled(window, ".aec 61")


def test_the_page_never_waits_for_the_coder(wide):
    """The main thread goes on while the worker codes; of some tries one without other work on the machine."""
    longest = []
    for quality in (50, 60, 70, 80, 90):
        gap = wide.run(
            """const [quality] = arguments, number = document.querySelector("#number");
            let last = performance.now(), most = 0;
            number.value = quality;
            number.dispatchEvent(new Event("input"));
            return new Promise((end) => {
              const tick = setInterval(() => {
                const now = performance.now();
                most = Math.max(most, now - last);
                last = now;
                if (document.querySelector("#right-badge").textContent !== `.aec ${quality}`) return;
                clearInterval(tick);
                end(most);
              });
            })""",
            quality,
        )
        longest.append(gap)
    assert min(longest) < 50, longest


def test_a_phone_shows_all_without_scrolling_sideways(phone):
    assert phone.run("return [document.documentElement.scrollWidth, innerWidth]") == [390, 390]
    small = phone.run(
        "return [...document.querySelectorAll('button, input')].filter((e) => e.checkVisibility())"
        ".filter((e) => e.getBoundingClientRect().height < 30).map((e) => e.outerHTML)"
    )
    assert small == []
    assert box(phone, "#canvas")[3] > 300, "the picture has the larger part"
    assert phone.run("const p = document.querySelector('#panel'); return p.scrollHeight > p.clientHeight")


def test_fingers_move_divider_and_picture(phone):
    x, y, *_ = box(phone, "#handle")
    phone.drag((x, y), (x - 80, y + 8), kind="touch")
    share = int(phone.run("return document.querySelector('#handle').getAttribute('aria-valuenow')"))
    assert 22 < share < 36
    phone.click("[data-zoom='4']")
    before = pixels(phone, 300, 0, 120, 30)
    phone.drag((x + 100, y - 120), (x + 60, y - 120), kind="touch")
    assert (pixels(phone, 180, 0, 120, 30) == before).all(), "by 40 points of 3 pixels"
    assert int(phone.run("return document.querySelector('#handle').getAttribute('aria-valuenow')")) == share


def test_a_browser_that_falsifies_pixels_is_told_apart(page):
    opened = studio.window("firefox", page, 800, 600, private=True)
    try:
        opened.open(opened.page)
        said = opened.wait("return document.querySelector('#errors p')?.innerText", seconds=30)
        assert "gives pages other pixels than it shows" in said
    finally:
        opened.close()


def test_dark_and_light(wide, phone):
    for opened, dark in ((wide, False), (phone, True)):
        colours = opened.run("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
        ground, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
        assert (ground < 150 and ink > 600) if dark else (ground > 600 and ink < 150)


def test_an_empty_page_waits_for_files(wide, picture):
    for _ in range(3):
        wide.click("#entries .chip button:last-child")
    assert wide.run("return document.querySelector('#choose').checkVisibility()")
    assert not wide.run("return document.querySelector('#panel').checkVisibility()")
    drop(wide, {"again.png": png(picture)})
    settled(wide, ".aec 40")
