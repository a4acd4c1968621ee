"""The ablation table: what a row changes, that it begins where the shipped model is, and that its figures come out."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import photograph
from PIL import Image

pytest.importorskip("bjontegaard")
from benchmarks.training import ablate, eye
from codec.model.weights import path_of
from codec.training import data
from codec.training.options import RunOptions


@pytest.fixture(scope="module")
def picture():
    pixels = np.asarray(Image.fromarray(photograph(64, 64)).resize((128, 128), Image.BICUBIC))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255.0


@torch.no_grad()
def coded(model, picture):
    rebuilt, bpp, bpp_z = model.eval()(picture, torch.tensor([4.0]), False)
    return rebuilt, float(bpp), float(bpp_z)


@pytest.fixture(scope="module")
def reference(picture):
    return coded(ablate.shipped(), picture), ablate.cost(ablate.shipped())


@pytest.mark.parametrize("row", ["deeper", "wider", "wider prior"])
def test_what_is_added_changes_nothing_yet_and_learns(row, picture, reference):
    (rebuilt, bpp, _), cost = reference
    model = ablate.ROWS[row][1]()
    same, rate, _ = coded(model, picture)
    assert torch.allclose(same, rebuilt, atol=1e-4) and rate == pytest.approx(bpp, rel=1e-4)
    assert all(new > 1.1 * old for new, old in zip(ablate.cost(model), cost))
    x_hat, bpp, _ = model.train()(picture, torch.tensor([4.0]), False)
    (bpp.mean() + 100 * (x_hat - picture).square().mean()).backward()
    learning = [p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters()]
    assert sum(learning) > 0.9 * len(learning)


@pytest.mark.parametrize("row", ["no context", "two contexts", "one-shot scales"])
def test_less_context_costs_bits(row, picture, reference):
    """More the less there is; z, coded before, does not change."""
    _, bpp, bpp_z = coded(ablate.ROWS[row][1](), picture)
    assert bpp > 1.02 * reference[0][1] and bpp_z == pytest.approx(reference[0][2])


@pytest.mark.parametrize("row", ["no renderer", "no shortcut", "no offsets", "GELU", "ReLU"])
def test_what_is_left_out_shows(row, picture, reference):
    assert not torch.allclose(coded(ablate.ROWS[row][1](), picture)[0], reference[0][0], atol=0.01)


def test_one_prior_of_z_is_the_same_at_every_quality(picture):
    model = ablate.one_prior_of_z()
    assert torch.equal(model.z_mean.log(torch.tensor([1.0])), model.z_mean.log(torch.tensor([9.0])))


def test_a_row_is_trained_and_measured(tmp_path):
    """Two steps; the crops are those of every other row, whatever its model draws."""
    Image.fromarray(photograph(300, 320)).save(tmp_path / "a.png")
    options = RunOptions(
        data=[str(tmp_path / "a.png")],
        out=str(tmp_path / "run"),
        steps=2,
        lr=1e-5,
        batch=1,
        crop=64,
        warmup=1,
        compile=False,
        log_every=1,
        device="cpu",
    )
    rows = [
        ablate.measure(name, RunOptions(**vars(options)), [tmp_path / "a.png"]) for name in ("as shipped", "no offsets")
    ]
    logs = [
        [json.loads(line) for line in (tmp_path / "run" / name / "log.jsonl").read_text().splitlines()]
        for name in ("as-shipped", "no-offsets")
    ]
    assert [line["bpp"] for line in logs[0] if "bpp" in line][0] == pytest.approx(
        [line["bpp"] for line in logs[1] if "bpp" in line][0], rel=0.2
    )
    lines = ablate.table(rows).splitlines()
    assert len(lines) == 4 and any("as shipped: nothing | –" in line for line in lines)
    rates, qualities = zip(*rows[0]["curve"])
    assert (
        list(rates) == sorted(rates)
        and list(qualities) == sorted(qualities)
        and rows[0]["encode_kmac"] > rows[0]["decode_kmac"] > 5
    )


def test_crops_do_not_depend_on_what_else_is_drawn(tmp_path):
    Image.fromarray(photograph(300, 320)).save(tmp_path / "a.png")
    one, other = (ablate.SameCrops([str(tmp_path / "a.png")], torch.device("cpu"), 256) for _ in range(2))
    first = [one.crops(2, 64) for _ in range(2)]
    second = [(torch.rand(7), other.crops(2, 64))[1] for _ in range(2)]
    assert all(map(torch.equal, first, second)) and not torch.equal(*first)


def test_a_visual_row_is_trained_and_judged(tmp_path, monkeypatch):
    """Two steps of two rows, of pictures and of none held out; a row against itself is no different."""
    for seed in range(3):
        Image.fromarray(photograph(288, 320, seed)).save(tmp_path / f"{seed}.png")
    paths = [str(tmp_path / f"{seed}.png") for seed in range(3)]
    with pytest.raises(ValueError, match="held out"):
        eye.middles(paths)
    monkeypatch.setattr(data, "HELD_OUT", {hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in paths[1:]})
    pictures = eye.middles(paths)
    assert {name: p.shape for name, p in pictures.items()} == {"1": (256, 320, 3), "2": (256, 320, 3)}
    options = RunOptions(
        data=paths,
        init=str(path_of("psnr")),
        out=str(tmp_path / "run"),
        steps=2,
        lr=1e-4,
        batch=1,
        crop=64,
        warmup=1,
        compile=False,
        log_every=1,
        device="cpu",
    )
    names = ("psnr_hvsm", "psnr")
    rows = [eye.measure(name, options, pictures, names) for name in (eye.BASE, "more colour", "faster")]
    assert [row["steps"] for row in rows] == [2, 2, 2] and [row["lr"] for row in rows] == [1e-4, 1e-4, 2e-4]
    for points in rows[0]["pictures"]:
        for name in ("bpp", *names):
            assert [p[name] for p in points] == sorted(p[name] for p in points)
    assert eye.effect(rows[0], rows[0], "psnr")[0] == pytest.approx(0, abs=1e-6)
    lines = eye.table(rows).splitlines()
    assert len(lines) == 5 and "PSNR-HVS-M | PSNR (RGB) (trained on)" in lines[0]
    assert any(line.startswith("| as it is: nothing | – | +0.00") for line in lines)
