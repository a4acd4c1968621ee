"""Pictures for the tests of latents, and a way of calling their commands."""

from click.testing import CliRunner
from conftest import photograph
from PIL import Image

import codec
from benchmarks.latents.textures import texture
from codec.app.cli import cli


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == code and isinstance(result.exception, SystemExit | None), (
        result.output,
        result.exception,
    )
    return result


def coder():
    """Of the model that the figures of the latents' tools belong to, and their encoder file."""
    return codec.Codec("psnr", "cpu", threads=1)


def pictures():
    """Eight PIL pictures of different scenes."""
    return [Image.fromarray(photograph(160, 224, seed=seed)) for seed in range(5)] + [
        Image.fromarray(texture(kind, 0)[:160, :224]) for kind in ("wood", "brick", "sand")
    ]


def folder(pictures, tmp_path_factory):
    """The first four of them as PNG files."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, picture in enumerate(pictures[:4]):
        picture.save(folder / f"{i}.png")
    return folder
