"""Files that arrive piece by piece, under Node: what is shown meanwhile is what Python makes of the same bytes."""

import io

import numpy as np
import pytest
from conftest import photograph
from PIL import Image
from test_decoding import sha256

import codec
from codec.bitstream import container
from tests.web import node


@pytest.fixture(scope="module")
def coder():
    return codec.Codec("default", engine="native")


def streamed(file, models, folder, piece, **given):
    path = folder / "file.aec"
    path.write_bytes(file)
    return node.run("streaming.mjs", models, file=path, piece=piece, **given)


def rgba(picture):
    return np.asarray(picture.convert("RGBA"))


@pytest.mark.parametrize("quality", [8, 60])
def test_pictures_of_beginnings(quality, coder, web_models, tmp_path):
    file = coder.encode(photograph(300, 400), quality, lossless=False)
    found = streamed(file, web_models, tmp_path, len(file) // 50, options={})
    assert found["shown"][0]["bytes"] <= len(file) / 4 and len(found["shown"]) >= 4
    for tile in found["shown"]:
        assert (tile["x"], tile["y"], tile["width"], tile["height"], tile["coarse"]) == (0, 0, 400, 300, True)
        assert tile["picture"] == {"width": 400, "height": 300} and tile["of"] == len(file)
        assert tile["data"] == sha256(rgba(coder.decode(file[: tile["bytes"]], partial=True)))
    assert found["picture"]["data"] == sha256(rgba(coder.decode(file)))
    assert found["known"] <= max(64, len(file) // 50)


def test_tiles_come_one_by_one(coder, web_models, tmp_path):
    file = coder.encode(photograph(1100, 1060), 40, lossless=False)
    found = streamed(file, web_models, tmp_path, 1500, options={})
    whole = [(tile["x"], tile["y"]) for tile in found["shown"] if not tile["coarse"]]
    assert whole == [(0, 0), (1024, 0), (0, 1024), (1024, 1024)]
    first = found["shown"][0]
    assert first["coarse"] and (first["width"], first["height"]) == (1024, 1024)
    assert found["picture"]["data"] == sha256(rgba(coder.decode(file)))
    lossless = coder.encode(photograph(200, 1060) // 16 * 16, lossless=True)
    found = streamed(lossless, web_models, tmp_path, len(lossless) // 9, options={})
    assert [(tile["x"], tile["coarse"]) for tile in found["shown"]] == [(0, False), (1024, False)]
    assert found["shown"][0]["data"] == sha256(rgba(coder.decode(lossless))[:, :1024])


def test_a_png_for_a_page(coder, web_models, tmp_path):
    file = coder.encode(photograph(90, 1100), 60, lossless=False)
    found = streamed(file, web_models, tmp_path, 700, options={"format": "png"}, keep=str(tmp_path))
    last = np.asarray(Image.open(io.BytesIO((tmp_path / "last.png").read_bytes())))
    assert last.shape == (90, 1100, 4) and (last[:, :1024, 3] == 255).all()
    assert Image.open(tmp_path / "end.png").mode == "RGB" and found["picture"]["width"] == 1100
    assert np.array_equal(Image.open(tmp_path / "end.png"), coder.decode(file))


def test_pngs_of_large_pictures_are_smaller(coder, web_models, tmp_path):
    rows, columns = np.mgrid[:2100, :2001]
    picture = np.stack([rows // 16, columns // 8, rows // 32 + columns // 32], 2).astype(np.uint8)
    file = coder.encode(picture, lossless=True)
    found = streamed(file, web_models, tmp_path, len(file) // 20, options={"format": "png"}, keep=str(tmp_path))
    last, tile = np.asarray(Image.open(tmp_path / "last.png")), found["shown"][-1]
    assert (tile["step"], tile["picture"]) == (2, {"width": 2001, "height": 2100})
    known = last[..., 3] > 0
    assert last.shape == (1050, 1001, 4) and known.all() and found["shown"][0]["bytes"] < len(file) / 2
    assert np.array_equal(last[..., :3], picture[::2, ::2])


@pytest.mark.parametrize("cut, error", [(10, "Truncated"), (0.5, "Truncated"), (-1, "Corrupt"), (None, "NotAec")])
def test_what_is_wrong_is_said_in_the_end(cut, error, coder, web_models, tmp_path):
    file = coder.encode(photograph(80, 90), 60, lossless=False)
    header = container.read_header(file)[1]["header"]
    broken = {
        10: file[:10],
        0.5: file[: len(file) // 2],
        -1: file[: header + 9] + bytes([file[header + 9] ^ 1]) + file[header + 10 :],
        None: b"GIF89a" + file,
    }[cut]
    found = streamed(broken, web_models, tmp_path, 40, options={})
    assert found["error"] == error, found
