"""What several test modules share: synthetic photographs, the codec on the processor, and real photographs where a
variable names them.

AECODEC_KODAK is a folder of the Kodak pictures; tests that need it are skipped without it. AECODEC_SLOW=1 adds what
takes minutes. Where CI is set a test that is skipped has failed, unless the machine forces it (`is_forced`);
AECODEC_WITHOUT names the packages of the system that could not be installed.
"""

import os
import re
import signal
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import codec

# Ignored, as it is in the background of a script, it would be ignored by the processes under test too.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# This must come before torch starts: its waiting threads would keep other processes off the processor.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Luma and two chroma directions, as contributions to R, G, B.
COLOURS = np.array([[1, 1, 1], [0.5, 0, -0.5], [-0.25, 0.5, -0.25]])
# Reasons for skipping a test that no installation takes away.
FORCED = (
    "CUDA",
    "this processor",
    "this kind of processor",
    "speed is not judged",
    "the limits are those of",
    "a small disk cannot be mounted",
    "there is no /dev/full",
    "/proc",
    "this system",
    "other systems",
    "AECODEC_SLOW=1 runs it",
    "AECODEC_PYTHON does not name",
)


def is_forced(reason):
    """Whether the machine is the reason why a test is skipped, and not what is installed or set."""
    without = os.environ.get("AECODEC_WITHOUT", "").split()
    absent = () if "AECODEC_KODAK" in os.environ else ("AECODEC_KODAK does not name",)
    return any(re.search(rf"(?<![\w-]){re.escape(cause)}(?![\w-])", reason) for cause in (*FORCED, *without, *absent))


def _strictly(report):
    """The report of a test or a module, which in continuous integration has failed where it is skipped for nothing."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not is_forced(reason):
            report.outcome, report.longrepr = "failed", f"skipped, which no machine forces: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _strictly((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _strictly((yield))


@lru_cache(maxsize=32)
def photograph(height, width, seed=0, channels=3, depth=8):
    """[H, W, C] uint8 or uint16, not to be written to: clouds of 1/f noise, a gradient, hard edges, fine texture in one
    part, and text.

    Codes like a real photograph: at quality 60 in about 0.3 bits per pixel at 33 dB.
    """
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]) + 1 / max(height, width)
    clouds = []
    for power, strength in ((1.9, 0.16), (2.1, 0.06), (2.1, 0.06)):
        spectrum = (rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)) / frequency**power
        spectrum[0, 0] = 0
        cloud = np.fft.irfft2(spectrum, (height, width))
        clouds.append(strength * cloud / (cloud.std() or 1))
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    picture = np.dstack(clouds) @ COLOURS + 0.45 + 0.2 * rows[..., None]
    canvas = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(canvas)
    for _ in range(4):
        corner, size = rng.uniform(0, 0.8, 2), rng.uniform(0.1, 0.4, 2)
        x, y = corner * (width, height)
        draw.polygon(
            [(x, y), (x + size[0] * width, y + 3), (x + size[0] * width / 2, y + size[1] * height)],
            tuple(rng.integers(20, 110, 3).tolist()),
        )
    if min(height, width) >= 64:
        draw.text(
            (width // 8, height // 3), "A learned codec, 0123456789", (200, 200, 190), font_size=max(10, height // 16)
        )
    picture += np.asarray(canvas) / 255 * 0.6
    texture = rng.normal(0, 0.03, (height, width, 1)) * (columns > 0.6)[..., None]
    picture = (picture + texture).clip(0, 1)
    if channels == 1:
        picture = picture.mean(2, keepdims=True)
    picture = np.rint(picture * (2**depth - 1)).astype(f"u{depth // 8}")
    picture.flags.writeable = False
    return picture


def psnr(a, b, peak=255):
    """In dB; infinite for equal pictures."""
    error = np.mean((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2)
    return 10 * np.log10(peak**2 / error) if error else np.inf


def assert_no_steps(error, side):
    """Errors [H,W,C] differ no more across the borders of tiles than between the latent positions on both sides of
    them.
    """
    from codec.model.config import STRIDE

    for axis in (0, 1):
        # Steps from one latent position to the next.
        steps = np.abs(np.diff(error, axis=axis)).mean(axis=(1 - axis, 2))[STRIDE - 1 :: STRIDE]
        borders = np.arange(side // STRIDE - 1, len(steps) - 1, side // STRIDE)
        assert bool(borders.size) == (error.shape[axis] > side + STRIDE)
        if borders.size:
            ratios = 2 * steps[borders] / (steps[borders - 1] + steps[borders + 1])
            assert ratios.mean() < 1.1 and ratios.max() < 1.3


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, which the test works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 128 px: all borders of a large picture at the price of a small one."""
    from codec.bitstream import container
    from codec.coding import tiles
    from codec.model.config import STRIDE

    monkeypatch.setattr(container, "TILE", 128)
    monkeypatch.setattr(tiles, "LATENTS", 128 // STRIDE)


@pytest.fixture(scope="session")
def coder():
    """One thread: pictures as small as those of the tests gain nothing from a second, and lose much where other
    processes are busy.
    """
    return codec.Codec(device="cpu", threads=1)


@pytest.fixture(scope="session")
def on_torch():
    """The codec on torch, for tests of what only that engine has."""
    return codec.Codec(device="cpu", threads=1, engine="torch")


@pytest.fixture(scope="session")
def kodak():
    """Paths of the Kodak pictures, or a skip."""
    folder = os.environ.get("AECODEC_KODAK")
    paths = sorted(Path(folder).glob("*.png")) if folder else []
    if not paths:
        pytest.skip("AECODEC_KODAK does not name a folder of PNG pictures")
    return paths


@pytest.fixture(scope="session")
def web_models(tmp_path_factory):
    """A folder of the models that are installed and the tiny one, as a page loads them."""
    from codec.model import weights
    from codec.web import build
    from tests.fuzz import tiny

    folder = tmp_path_factory.mktemp("models")
    build.write_models(folder, [*weights.FOLDER.glob("*.safetensors"), tiny.PATH], level=0)
    return folder


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def window(request):
    """Of a browser, in which one test follows the other."""
    from tests.web import browser

    found = browser.opened(request.param)
    yield found
    found.close()
