"""CompressAI's architectures as codecs: untrained ones for speed alone and marked so, trained ones where their weights
lie in torch's cache.
"""

import numpy as np
import pytest
from conftest import photograph
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("compressai")
pytest.importorskip("bjontegaard")

from benchmarks import codecs, session, summary

PICTURE = Image.fromarray(photograph(50, 60, 1))


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    """torch's cache, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.mark.parametrize(
    "name", ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018", "cheng2020-anchor"]
)
def test_an_untrained_network_makes_files_that_decode_to_the_right_size(name):
    codec = codecs.build(name)
    decoded = codec.decode(codec.encode(PICTURE, codec.low))
    assert decoded.size == PICTURE.size and decoded.mode == "RGB"
    assert not codec.trained and codec.label == f"{name} (untrained)" and "speed only" in codec.settings


def test_the_program_of_a_cold_process_makes_the_same_file(tmp_path):
    codec = codecs.build("bmshj2018-factorized")
    PICTURE.save(tmp_path / "p.png")
    for way, source, target in (("encode", "p.png", "p.bin"), ("decode", "p.bin", "p.ppm")):
        interpreter, option, program = codec.cold(way, codec.low, tmp_path / source, tmp_path / target)
        exec(program, {})  # here, as a process of its own would spend seconds on importing CompressAI
    assert (tmp_path / "p.bin").read_bytes() == codec.encode(PICTURE, codec.low)
    assert Image.open(tmp_path / "p.ppm").size == PICTURE.size


def test_weights_in_the_cache_give_a_curve(tmp_path):
    from compressai import zoo

    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(1)
    network = zoo.image_models["bmshj2018-factorized"](1, pretrained=False)
    network.update()
    for quality in (1, 2):
        torch.save(
            network.state_dict(),
            folder / zoo.image.model_urls["bmshj2018-factorized"]["mse"][quality].rsplit("/", 1)[1],
        )
    codec = codecs.build("bmshj2018-factorized")
    assert codec.trained and codec.qualities == (1, 2) and codec.label == "bmshj2018-factorized"
    with torch.inference_mode():
        x = (
            torch.from_numpy(np.pad(np.asarray(PICTURE), ((0, 14), (0, 4), (0, 0)), "edge"))
            .permute(2, 0, 1)[None]
            .float()
            / 255
        )
        strings = network.eval().compress(x)["strings"]
    assert codec.encode(PICTURE, 1).endswith(strings[0][0]), "the weights of the file are in use"


def test_an_untrained_network_has_times_and_no_points(tmp_path):
    PICTURE.save(tmp_path / "p.png")
    run = session.measure(
        session.Request(
            (tmp_path / "p.png",),
            str(tmp_path / "r.json"),
            codecs=("webp", "bmshj2018-hyperprior"),
            metrics=("psnr",),
            qualities={"webp": [50]},
            repeats=1,
            cold=False,
        )
    )
    assert {p["codec"] for p in run["points"]} == {"webp"} and not run["failures"]
    entry = next(s for s in run["speed"] if s["codec"] == "bmshj2018-hyperprior")
    assert (
        not entry["trained"]
        and entry["psnr"] is None
        and entry["encode"]["median"] > 0
        and entry["ratios"]["webp"]["decode"] > 0
    )
    assert "bmshj2018-hyperprior (untrained)" in summary.text(run)
