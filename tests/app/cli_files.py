"""Files for the tests of the command line, and ways of calling it."""

import io
import json
import os

import numpy as np
from click.testing import CliRunner
from PIL import Image

import codec
from codec.app.cli import cli


def picture(seed=0, height=40, width=56, channels=3):
    """Smooth gradients with a little noise: compresses like a photograph, and no two seeds are alike."""
    rows, columns = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).normal(0, 3, (height, width, channels))
    waves = np.stack([127 + 100 * np.sin(rows / 9 + seed + c) * np.cos(columns / 7 - c) for c in range(channels)], -1)
    return (waves + noise).clip(0, 255).astype(np.uint8)


def samples():
    """PNG bytes and .aec bytes of two pictures."""
    pngs, aecs = {}, {}
    for seed, name in enumerate("ab"):
        file = io.BytesIO()
        Image.fromarray(picture(seed)).save(file, "PNG")
        pngs[name], aecs[name] = file.getvalue(), codec.compress(picture(seed))
    return pngs, aecs


def pictures(folder, samples):
    for name, data in samples[0].items():
        (folder / f"{name}.png").write_bytes(data)
    return folder


def files(folder, samples):
    for name, data in samples[1].items():
        (folder / f"{name}.aec").write_bytes(data)
    return folder


def aecodec(*arguments, input=None):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=input, prog_name="aecodec")


def succeed(*arguments, input=None):
    result = aecodec(*arguments, input=input)
    assert result.exit_code == 0, result.stderr
    return result


def listing(folder="."):
    return sorted(
        os.path.relpath(os.path.join(top, name), folder) for top, _, names in os.walk(folder) for name in names
    )


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]
