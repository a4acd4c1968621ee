"""Training on a tiny network: steps, resumption, the frozen file and the way back; every stage that a shipped model
went through.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

import codec
from codec.app.cli import cli
from codec.engine.torch.model import Model
from codec.latents.denoise import attach
from codec.model.config import Config
from codec.model.prior import ROWS, gather, place
from codec.training.checkpoint import first_of
from codec.training.data import Pictures, gather_crops
from codec.training.export import export, read_average
from codec.training.loop import train
from codec.training.model import Trainable, scatter
from codec.training.options import RunOptions
from codec.training.thaw import thaw

TINY = dict(
    latent=16,
    hyper=4,
    width=16,
    deep=16,
    analysis_blocks=1,
    synthesis_blocks=1,
    render=8,
    prior=16,
    prior_mid=8,
    anchors=3,
    lambda_min=0.004,
)


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """A tar shard of six textured pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for i in range(6):
            coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize(
                (400, 300 + 8 * i), Image.BICUBIC
            )
            path = folder / f"{i}.png"
            Image.fromarray(
                np.clip(np.asarray(coarse) + rng.normal(0, 8, (*coarse.size[::-1], 1)), 0, 255).astype(np.uint8)
            ).save(path)
            tar.add(path, path.name)
            path.unlink()
    (folder / "broken.png").write_bytes(b"\x89PNG nothing")
    return str(folder)


@pytest.fixture(scope="module")
def frozen(trained, shard, tmp_path_factory):
    """Checkpoint of the run and the weight file made of it."""
    output = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    # Other tests train on, so this one takes a copy.
    checkpoint = shutil.copy(Path(trained.out, "checkpoint.safetensors"), output.with_name("checkpoint.safetensors"))
    export(str(checkpoint), [shard], str(output), crops=2, size=128)
    return checkpoint, output


@pytest.fixture(scope="module")
def trained(shard, tmp_path_factory):
    """A run of a few steps, and its options."""
    torch.manual_seed(0)
    options = RunOptions(
        data=[shard],
        out=str(tmp_path_factory.mktemp("run")),
        steps=40,
        batch=2,
        crop=64,
        lr=1e-3,
        warmup=5,
        compile=False,
        device="cpu",
        log_every=2,
        config=TINY,
    )
    train(options)
    return options


def test_a_weight_file_gets_its_tables_of_y_and_thresholds_anew_and_nothing_else(frozen, shard, tmp_path):
    """Counted with the rounding of the encoder, which makes other tables than plain rounding."""
    _, weights = frozen
    zeros = {}
    for name in ("by its thresholds", "plainly"):
        with pytest.MonkeyPatch.context() as patch:
            if name == "plainly":
                patch.setattr("codec.training.export.quantised", lambda model, residuals, *_: torch.round(residuals))
            export(str(weights), [shard], str(tmp_path / "anew"), crops=2, size=128)
        old, new = load_file(weights), load_file(tmp_path / "anew")
        assert old.keys() == new.keys() and all(
            torch.equal(old[k], new[k]) for k in old if not k.startswith(("table.y.", "thresholds"))
        )
        zeros[name] = sum(Model((tmp_path / "anew").read_bytes()).tables_y.frequency(row, 0) for row in range(1, ROWS))
    assert zeros["by its thresholds"] != zeros["plainly"]


def log_of(options):
    return [json.loads(line) for line in Path(options.out, "log.jsonl").read_text().splitlines()]


def test_crops_are_pieces_of_the_picture_in_all_eight_positions():
    picture = torch.arange(5 * 7 * 3, dtype=torch.uint8).view(5, 7, 3)
    expected = picture[1:4, 2:5].float() / 255
    seen = set()
    for bits in range(8):
        flip_y, flip_x, swap = turn = torch.tensor([[bits & 1], [bits >> 1 & 1], [bits >> 2]])
        crop = gather_crops(
            picture.flatten(), torch.tensor([0]), torch.tensor([7]), torch.tensor([1]), torch.tensor([2]), turn, 3
        )[0].permute(1, 2, 0)
        back = crop.transpose(0, 1) if swap else crop
        back = back.flip(0) if flip_y else back
        back = back.flip(1) if flip_x else back
        assert torch.equal(back, expected)
        seen.add(tuple(crop.flatten().tolist()))
    assert len(seen) == 8


def test_unreadable_and_small_pictures_are_left_out(shard):
    assert Pictures([shard], "cpu", 256).count >= 6
    with pytest.raises(ValueError, match="4000x4000"):
        Pictures([shard], "cpu", 4000)


def test_steps_fit_together():
    x = torch.randn(2, 16, 4, 6)
    steps = [gather(x, t) for t in range(4)]
    assert torch.equal(scatter(steps), x)
    placed = torch.zeros_like(x)
    for t, step in enumerate(steps[:2]):
        place(placed, t, step)
    assert torch.equal(placed, scatter(steps[:2])) and (placed == 0).sum() >= x.numel() // 2


def test_the_log_says_what_was_done_and_the_loss_falls(trained):
    start, *steps, end = log_of(trained)
    assert (
        start["event"] == "start"
        and start["config"]["latent"] == 16
        and start["pictures"] >= 6
        and end["event"] == "end"
    )
    assert end["step"] >= 10 and np.mean([s["loss"] for s in steps[-3:]]) < steps[0]["loss"]


def test_a_run_goes_on_from_its_checkpoint(trained):
    done = log_of(trained)[-1]
    train(RunOptions(**{**vars(trained), "steps": done["step"] + 10}))
    lines = log_of(trained)
    second = max(i for i, line in enumerate(lines) if line.get("event") == "start")
    start, end = lines[second], lines[-1]
    assert second > 0 and start["step"] == done["step"] and start["seconds"] == pytest.approx(done["seconds"], abs=0.5)
    assert end["step"] > done["step"]


def test_a_denoising_encoder_learns_and_goes_on(frozen, shard, tmp_path):
    """Prior and synthesis stay as they are, the encoder file belongs to the weight file it started from."""
    _, weights = frozen
    options = RunOptions(
        data=[shard],
        out=str(tmp_path),
        minutes=0.05,
        batch=2,
        crop=64,
        lr=1e-3,
        warmup=2,
        compile=False,
        device="cpu",
        log_every=1,
        denoise=True,
        init=str(weights),
    )
    train(options)
    first = log_of(options)[-1]["step"]
    train(RunOptions(**{**vars(options), "minutes": log_of(options)[-1]["seconds"] / 60 + 0.03}))
    assert log_of(options)[-1]["step"] > first > 0
    average, before = read_encoder_average(tmp_path / "checkpoint.safetensors"), thaw(weights.read_bytes()).state_dict()
    changed = {name.split(".")[0] for name, tensor in before.items() if not torch.equal(tensor, average[name])}
    assert changed <= {"analysis", "hyper_analysis"} and "analysis" in changed
    coder = codec.Codec(str(weights), "cpu")
    picture = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    data = attach(coder, tmp_path / "denoise.safetensors").encode(picture, 50)
    assert codec.info(data)["model"] == coder.model.id.hex() and coder.decode(data).size == (56, 40)
    with pytest.raises(codec.CodecError, match="belongs to model"):
        attach(codec.Codec(device="cpu"), tmp_path / "denoise.safetensors")


PEER = """
import hashlib, json, os, sys
from codec.training.loop import train
from codec.training.options import RunOptions
model = train(RunOptions(**json.loads(sys.argv[1])))
digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
open(os.path.join(sys.argv[2], os.environ["RANK"]), "w").write(digest)
"""


def test_two_processes_train_as_one_with_twice_the_batch(shard, tmp_path):
    """The same curve within noise, and the same weights in both although each saw other crops."""
    run = {
        "objective": "psnr",  # whose noise from crop to crop is less
        "data": [shard],
        "steps": 36,
        "batch": 2,
        "crop": 64,
        "lr": 3e-3,
        "warmup": 5,
        "compile": False,
        "device": "cpu",
        "log_every": 12,
        "threads": 1,
        "config": TINY,
    }
    Path(tmp_path, "peer.py").write_text(PEER)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(tmp_path / "peer.py"),
        json.dumps(run | {"out": str(tmp_path / "two")}),
        str(tmp_path),
    ]
    subprocess.run(
        command,
        check=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
    )
    assert len(set(Path(tmp_path, rank).read_text() for rank in "01")) == 1
    train(RunOptions(**run | {"out": str(tmp_path / "one"), "batch": 4}))
    two, one = [
        [json.loads(line) for line in Path(tmp_path, name, "log.jsonl").read_text().splitlines()]
        for name in ("two", "one")
    ]
    assert two[0]["processes"] == 2 and one[0]["processes"] == 1 and two[-1]["step"] == one[-1]["step"] == 36
    for a, b in zip(two[1:-1], one[1:-1]):
        assert a["step"] == b["step"] and a["loss"] == pytest.approx(b["loss"], rel=0.25)
    assert two[-2]["loss"] < 0.8 * two[1]["loss"]
    assert all(0 < line["of_peak"] < 1 for line in (*two[1:-1], *one[1:-1]))


def read_encoder_average(checkpoint):
    with safe_open(checkpoint, "pt") as f:
        return {name.removeprefix("average."): f.get_tensor(name) for name in f.keys() if name.startswith("average.")}


def test_a_killed_run_leaves_a_whole_checkpoint(shard, tmp_path):
    command = [sys.executable, "-m", "codec.training.loop", "--data", shard, "--out", str(tmp_path)]
    command += "--minutes 5 --batch 2 --crop 64 --no-compile --device cpu --save-every 0 --config".split()
    command.append(json.dumps(TINY))
    process = subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, start_new_session=True
    )
    checkpoint = tmp_path / "checkpoint.safetensors"
    deadline = time.time() + 120
    while not checkpoint.exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert read_average(checkpoint).config == Config(**TINY)


def test_a_frozen_model_codes_no_worse_than_the_float_network_estimates(frozen):
    checkpoint, output = frozen
    picture = np.asarray(
        Image.fromarray(np.random.default_rng(2).integers(0, 256, (20, 26, 3), dtype=np.uint8)).resize(
            (208, 160), Image.BICUBIC
        )
    )
    coder = codec.Codec(str(output), "cpu", engine="torch")
    coder.model.networks.thresholds.fill_(1 << 11)  # plain rounding, as in training
    data = coder.encode(picture[:128, :192], 50, lossless=False)
    x = torch.from_numpy(picture[:128, :192].copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        x_hat, bpp, _ = read_average(checkpoint).eval()(x, torch.tensor([(50 - 1) / 99 * 2]), amp=False)
    # After so few steps the counted tables do much better than the network's own.
    assert 8 * len(data) / x[0, 0].numel() < 1.1 * float(bpp)
    difference = np.asarray(coder.decode(data)).astype(float) - (x_hat[0].permute(1, 2, 0).clamp(0, 1) * 255).numpy()
    assert np.abs(difference).mean() < 2


def test_thawing_gives_back_the_network(frozen):
    checkpoint, output = frozen
    x, q = torch.rand(1, 3, 64, 64), torch.tensor([1.0])
    with torch.no_grad():
        (one, rate, _), (two, other, _) = [
            m.eval()(x, q, amp=False) for m in (read_average(checkpoint), thaw(output.read_bytes()))
        ]
    assert (one - two).abs().mean() < 0.003 and float(other) == pytest.approx(float(rate), rel=0.05)


@pytest.mark.parametrize("part", [0, 1], ids=["checkpoint", "weight file"])
def test_a_round_may_begin_with_a_smaller_model(part, frozen, shard, tmp_path):
    """What it has more adds nothing at first; what has less is refused."""
    options = RunOptions(
        data=[shard],
        out=str(tmp_path),
        steps=1,
        batch=2,
        crop=64,
        lr=0.0,
        compile=False,
        device="cpu",
        init=str(frozen[part]),
    )
    larger = train(replace(options, config=TINY | {"analysis_blocks": 2, "width": 24, "prior": 24})).eval()
    smaller, x, q = first_of(str(frozen[part])).eval(), torch.rand(1, 3, 64, 64), torch.tensor([1.3])
    with torch.no_grad():
        for ours, theirs in zip(larger(x, q, False), smaller(x, q, False)):
            assert torch.allclose(ours, theirs, atol=1e-4)
    assert sum(p.numel() for p in larger.parameters()) > 1.3 * sum(p.numel() for p in smaller.parameters())
    for change in {"width": 8}, {"hyper": 8}, {"anchors": 4}:
        with pytest.raises(ValueError, match=f"with {[*change][0]} "):
            train(replace(options, out=str(tmp_path / "other"), config=TINY | change))


def test_gradients_reach_every_parameter():
    model = Trainable(Config(**TINY)).train()
    x_hat, bpp, _ = model(torch.rand(2, 3, 64, 64), torch.tensor([0.5, 1.5]), amp=False)
    (x_hat.square().mean() + bpp.mean()).backward()
    # The renderer before the last convolution and what only scales its zero branch may stand still; nothing may lack a
    # gradient.
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_the_command_line_codes_with_a_model_of_ones_own(frozen, shard, tmp_path):
    """Files of a model that is not installed need its weight file to be named."""
    picture = tmp_path / "p.png"
    Image.fromarray(np.full((40, 56, 3), 90, np.uint8)).save(picture)
    aecodec = lambda *arguments: subprocess.run(
        [sys.executable, "-m", "codec", *map(str, arguments)], capture_output=True, text=True
    )
    assert aecodec("compress", "--lossy", "-d", "cpu", "-m", frozen[1], picture).returncode == 0
    lost = aecodec("decompress", "-d", "cpu", "-f", tmp_path / "p.aec")
    assert lost.returncode == 1 and "not installed" in lost.stderr
    for command in ("verify", "decompress"):
        assert (
            aecodec(
                command, *(["-f"] if command == "decompress" else []), "-d", "cpu", "-m", frozen[1], tmp_path / "p.aec"
            ).returncode
            == 0
        )
    assert Image.open(picture).size == (56, 40)
    few = ["--steps", "1", "--batch", "2", "--crop", "64", "--no-compile", "--config", json.dumps(TINY)]
    assert aecodec("train", "--data", shard, "--out", tmp_path / "run", *few).returncode == 0
    for arguments in (
        ["train", "--data", tmp_path / "none.tar", "--out", tmp_path / "other", *few],
        ["export", tmp_path / "none", "-o", tmp_path / "m", "--data", shard],
        ["train", "--data", picture, "--out", tmp_path / "third", *few],
    ):
        refused = CliRunner().invoke(cli, list(map(str, arguments)))
        assert refused.exit_code == 1 and refused.output.count("\n") == 1 and refused.output.startswith("aecodec: "), (
            refused.output
        )
