"""The studio's screenshot for the README: `python -m tests.web.screenshot [PNG]` draws a landscape, opens it in the
studio in Chromium, and keeps what is seen there, a JPEG beside the .aec file of the same size.
"""

import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from codec.app.cli import cli
from tests.browser import Browser
from tests.web.scene import landscape

TARGET = Path(__file__).parents[2] / "codec/web/studio.png"
QUALITY = 40
STEP = 3  # levels: that no sample is off by more than one saves a third of the bytes
SET = "const n = document.querySelector('#number'); n.value = arguments[0]; n.dispatchEvent(new Event('input'))"
DONE = """return document.querySelector("#progress").hidden &&
  document.querySelector("#left-badge").innerText.startsWith("JPEG")"""


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        picture, page = Path(folder, "lake.png"), Path(folder, "page.html")
        landscape(880, 562).save(picture)  # as large as the stage
        CliRunner().invoke(cli, ["view", str(picture), "-o", str(page)], catch_exceptions=False)
        browser = Browser(1200, 760)
        try:
            browser.open(page.as_uri())
            browser.wait("return 'ready' in document.body.dataset", seconds=60)
            browser.run(SET, QUALITY)
            browser.click("[data-left=jpeg]")
            browser.wait(DONE, seconds=60)
            browser.run("document.activeElement.blur()")
            shot = Path(folder, "shot.png")
            browser.screenshot(shot)
            image = Image.open(shot).convert("RGB").point([STEP * round(level / STEP) for level in range(256)] * 3)
            image.save(target, optimize=True)
        finally:
            browser.close()
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else TARGET)
