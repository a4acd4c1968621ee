"""The studio in the windows of browsers, for its tests: what they do there and wait for."""

import base64
import io
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image

import codec
from codec.app.cli import cli
from tests.fuzz import tiny
from tests.web import browser
from tests.web.scene import landscape

SIZE = 480, 320  # of the first picture
QUALITY = 40.0
CODER = codec.Codec(tiny.PATH, engine="native")  # a model of few weights: what is tested here is the page


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def scene():
    """The pictures of the page, and their file: uint8 [H, W, 3] and bytes."""
    picture = np.asarray(landscape(*SIZE))
    return picture, CODER.encode(picture, QUALITY, lossless=False)


def page(folder: Path) -> Path:
    """A page with a picture and its file, a file alone, and another picture."""
    picture, file = scene()
    sources = {"scene.png": png(picture), "scene.aec": file, "alone.aec": file, "other.png": png(picture[:200, :300])}
    for name, data in sources.items():
        (folder / name).write_bytes(data)
    target = folder / "page.html"
    names = [*map(str, (folder / name for name in sources)), "-m", str(tiny.PATH), "-o", str(target)]
    done = CliRunner().invoke(cli, ["view", *names])
    assert done.exit_code == 0, done.output
    return target


def window(kind, page, width, height, **options):
    """A window of a browser on the page; skips where there is no such browser."""
    opened = browser.opened(kind, width, height, **options)
    opened.page = page.as_uri()
    return opened


def fresh(opened):
    """The window with the page opened anew."""
    opened.open("about:blank")
    opened.open(opened.page)
    settled(opened, ".aec 40")
    return opened


def settled(opened, label):
    """Waits until the right side is what its label says, and nothing is being made."""
    opened.wait(
        "return document.querySelector('#right-badge').textContent === arguments[0] && "
        "document.querySelector('#progress').hidden && 'ready' in document.body.dataset",
        label,
    )


def box(opened, selector):
    """Middle, width and height of an element, in CSS pixels."""
    return opened.run(
        "const b = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [b.x + b.width / 2, b.y + b.height / 2, b.width, b.height]",
        selector,
    )


def pixels(opened, x, y, width=1, height=1, size=SIZE):
    """RGB [height, width, 3] of the canvas, counted in its own pixels from the corner of a picture of this size at 1x,
    which is the first one if not said otherwise.
    """
    found = opened.run(
        """const [x, y, w, h, W, H] = arguments, c = document.querySelector("#canvas"), r = devicePixelRatio;
        const left = Math.round(c.width / 2 - (W * r) / 2), top = Math.round(c.height / 2 - (H * r) / 2);
        const read = () => [...c.getContext("2d").getImageData(left + x, top + y, w, h).data];
        return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(read()))));""",
        *(x, y, width, height),
        *size,
    )
    return np.array(found).reshape(height, width, 4)[..., :3]


def drop(opened, files):
    """Drops files {name: bytes} on the page."""
    opened.run(FILES + "document.dispatchEvent(new DragEvent('drop', {dataTransfer, cancelable: true}))", coded(files))


def choose(opened, files):
    """Gives files {name: bytes} to the page's button."""
    opened.run(
        FILES + "const input = document.querySelector('#files'); input.files = dataTransfer.files;"
        "input.dispatchEvent(new Event('change'))",
        coded(files),
    )


FILES = """const dataTransfer = new DataTransfer();
for (const [name, text] of Object.entries(arguments[0]))
  dataTransfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt())], name));
"""


def coded(files):
    return {name: base64.b64encode(data).decode() for name, data in files.items()}


def saved(opened, button):
    """(name, content) of the file that a button downloads."""
    opened.run(
        """window.saved = null;
        HTMLAnchorElement.prototype.click = function () { window.saved = [this.download, this.href]; };
        const make = URL.createObjectURL;
        URL.createObjectURL = (blob) => ((window.blob = blob), make.call(URL, blob));"""
    )
    opened.click(button)
    name, _ = opened.wait("return window.saved")
    text = opened.run(
        """return new Promise((done) => {
          const reader = new FileReader();
          reader.onload = () => done(reader.result.split(",")[1]);
          reader.readAsDataURL(window.blob);
        })"""
    )
    return name, base64.b64decode(text)
