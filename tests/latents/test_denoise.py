"""Denoising, draws from the priors and walks between latents; the library and the commands."""

import io

import latents_files
import numpy as np
import pytest
import torch
from conftest import photograph, psnr
from latents_files import run
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import codec
from codec import latents
from codec.bitstream import container
from codec.engine.torch import payload
from codec.errors import BadOption, BadWeights
from codec.latents import files, sheet
from codec.latents.denoise import EncoderFile, attach, fill
from codec.training import denoise
from codec.training.checkpoint import trained

coder = pytest.fixture(scope="module")(latents_files.coder)
pictures = pytest.fixture(scope="module")(latents_files.pictures)
folder = pytest.fixture(scope="module")(latents_files.folder)


# Denoising


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory):
    """An encoder of the model psnr, as training starts from it."""
    path = tmp_path_factory.mktemp("encoder") / "e.safetensors"
    torch.manual_seed(0)
    model = denoise.thaw_encoder("")
    denoise.export(model, model.state_dict(), str(path), "")
    return path


def test_only_the_encoder_is_trained():
    model = denoise.thaw_encoder("")
    assert {name.split(".")[0] for name in trained(model)} == {"analysis", "hyper_analysis"}


def test_corruption_is_noise_dead_pixels_and_patches():
    torch.manual_seed(1)
    clean = torch.full((64, 3, 96, 96), 0.5)
    noisy = denoise.corrupt(clean)
    assert (
        noisy.shape == clean.shape
        and noisy.min() >= 0
        and noisy.max() <= 1
        and torch.equal(torch.round(noisy * 255), noisy * 255)
    )
    dead = (noisy == 0).all(1)
    share = dead.float().mean((1, 2))
    spread = torch.stack([n[:, ~d].std() * 255 for n, d in zip(noisy, dead)])
    assert 0.25 < (share > 0.005).float().mean() < 0.75 and share.max() < 0.5
    assert spread.max() < 75 and 0.15 < (spread < 1).float().mean() < 0.55 and (spread > 20).float().mean() > 0.3


def test_dead_pixels_and_patches_are_filled_and_black_areas_kept():
    x = torch.full((1, 3, 120, 160), 0.2)
    x[..., 80:] = -0.5  # half of the picture is black, and its last line
    x[:, :, -1] = -0.5
    kept = x.clone()
    x[0, :, 5::9, 5:70:7] = -0.5
    x[0, :, 60:78, 20:38] = -0.5
    assert torch.equal(fill(kept), kept)
    assert (fill(x) - kept).abs().max() < 1e-5


def test_denoised_files_are_ordinary_ones(coder, encoder_file):
    cleaner = attach(coder, encoder_file)
    rng = np.random.default_rng(0)
    clean = photograph(96, 128, seed=1)
    noisy = np.uint8(np.clip(np.rint(clean + rng.normal(0, 25, clean.shape)), 0, 255))
    data = cleaner.encode(noisy, 60)
    assert codec.info(data)["model"] == coder.model.id.hex() and coder.decode(data).size == (128, 96)
    coder.verify(data)
    assert len(data) < 0.7 * len(coder.encode(noisy, 60))
    assert cleaner.model.id == coder.model.id
    assert len(coder.encode(clean, 60)) == len(codec.Codec("psnr", "cpu").encode(clean, 60))


def test_noise_goes_without_an_encoder_file(coder, monkeypatch, tmp_path):
    """What training starts from is a denoiser already, for colour, gray and sizes below a block; a
    clean picture stays.
    """
    monkeypatch.setattr(codec.latents.denoise, "INSTALLED", tmp_path / "none")
    cleaner = attach(coder)
    for channels in (3, 1):
        clean = photograph(96, 128, seed=1, channels=channels)
        noisy = np.uint8(np.clip(np.rint(clean + np.random.default_rng(0).normal(0, 25, clean.shape)), 0, 255))
        one, two = [coder.decode_picture(c.encode(noisy, 60)).pixels for c in (cleaner, coder)]
        assert psnr(one, clean) > psnr(two, clean) + 3
        noisy[4::5, 3::5] = 0
        assert psnr(coder.decode_picture(cleaner.encode(noisy, 60)).pixels, clean) > psnr(one, clean) - 1
        assert (
            psnr(coder.decode_picture(cleaner.encode(clean, 60)).pixels, clean)
            > psnr(coder.decode_picture(coder.encode(clean, 60)).pixels, clean) - 2
        )
    assert coder.decode(cleaner.encode(noisy[:3, :5], 60)).size == (5, 3)
    rough = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    # Samples as they are would keep the noise.
    assert [container.unpack(c.encode(rough, 90)).header.lossless for c in (coder, cleaner)] == [True, False]


def test_what_has_no_noise_is_coded_as_ever(coder, encoder_file, tmp_path):
    """Whatever training did to the encoder."""
    tensors = load_file(encoder_file)
    tensors["analysis.last.bias"] += 1
    with safe_open(encoder_file, "pt") as file:
        save_file(tensors, tmp_path / "e.safetensors", file.metadata())
    cleaner = attach(coder, tmp_path / "e.safetensors")
    # Its own fine texture would be taken for noise otherwise.
    clean = np.array(Image.fromarray(photograph(48, 64, seed=1)).resize((128, 96)))
    noisy = np.uint8(np.clip(np.rint(clean + np.random.default_rng(0).normal(0, 25, clean.shape)), 0, 255))
    ways = attach(coder, encoder_file), cleaner
    dead = clean.copy()
    dead[4::5, 3::5] = 0
    same = [
        np.array_equal(*(coder.latent(way.encode(picture, 60)) for way in ways)) for picture in (clean, dead, noisy)
    ]
    assert same == [True, True, False]


def test_an_encoder_of_another_model_or_a_broken_one_is_refused(coder, encoder_file, tmp_path):
    data = encoder_file.read_bytes()
    other = tmp_path / "other.safetensors"
    other.write_bytes(data.replace(coder.model.id.hex().encode(), b"00c0ffee", 1))
    with pytest.raises(BadWeights, match="belongs to model 00c0ffee"):
        attach(coder, other)
    with pytest.raises(BadWeights, match="cannot be read"):
        attach(coder, tmp_path / "nowhere.safetensors")
    for broken in (
        b"",
        b"\xff" * 100,
        data[: len(data) // 2],
        codec.model.weights.path_of("psnr").read_bytes(),
        data.replace(b'"latent', b'"patent'),
    ):
        with pytest.raises(BadWeights):
            EncoderFile(broken)


def test_denoise_on_the_command_line(encoder_file, tmp_path):
    noisy = tmp_path / "noisy.png"
    Image.fromarray(
        np.uint8(np.clip(photograph(64, 80) + np.random.default_rng(0).normal(0, 25, (64, 80, 3)), 0, 255))
    ).save(noisy)
    run("denoise", "-d", "cpu", noisy, "--encoder", encoder_file)
    run("denoise", "-d", "cpu", noisy, "--encoder", encoder_file, "-o", tmp_path / "clean.png")
    assert np.array_equal(
        np.asarray(Image.open(tmp_path / "clean.png")),
        np.asarray(codec.decompress((tmp_path / "noisy.aec").read_bytes(), device="cpu")),
    )
    assert (
        "'noisy.png': the file does not hold an encoder"
        in run("denoise", "-d", "cpu", "-f", noisy, "--encoder", noisy, code=1).stderr
    )
    assert (
        "'.gif' is neither .aec nor one of png,"
        in run("denoise", "-d", "cpu", noisy, "-o", tmp_path / "clean.gif", code=1).stderr
    )


# Draws and walks


def test_a_sample_is_a_file_like_any_other(coder):
    data = latents.sample(coder, 40, 72, 30, seed=3)
    coder.verify(data)
    assert coder.decode(data).size == (72, 40) and data == latents.sample(coder, 40, 72, 30, seed=3) != latents.sample(
        coder, 40, 72, 30, seed=4
    )


def test_a_sample_spends_the_bits_its_tables_promise(coder):
    """Symbols drawn from the tables cost their entropy: the file is as long as the bits of the map, and no draw is an
    escape.
    """
    data = latents.sample(coder, 128, 128, 60, seed=0)
    assert 8 * len(container.unpack(data).tiles[0].payload) == pytest.approx(coder.bits_map(data).sum(), rel=0.01)


def test_samples_like_a_picture_keep_its_hyper_latent(coder):
    given = coder.encode(photograph(64, 96), 50)
    drawn = latents.sample(coder, like=given)
    read = lambda data: payload.read(coder.engine.torch.model, container.unpack(data).tiles[:1], 4, 6, 5000)
    assert torch.equal(read(given)[0], read(drawn)[0]) and not torch.equal(read(given)[1], read(drawn)[1])
    cold = latents.sample(coder, like=given, temperature=0)
    assert len(cold) < len(drawn)


@pytest.mark.parametrize(
    "options",
    [
        {"height": 0},
        {"height": 1 << 20, "width": 1 << 20},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"quality": 0},
    ],
)
def test_impossible_samples_are_refused(coder, options):
    with pytest.raises(BadOption):
        latents.sample(coder, **options)


def test_a_walk_begins_and_ends_at_its_pictures(coder, pictures):
    walk = [
        np.asarray(coder.decode(data)).astype(float)
        for data in latents.interpolate(coder, pictures[0], coder.encode(pictures[1], 60), 3)
    ]
    ends = [np.asarray(p).astype(float) for p in pictures[:2]]
    error = lambda a, b: np.sqrt(np.square(a - b).mean())
    assert error(walk[0], ends[0]) < 8 and error(walk[2], ends[1]) < 8
    assert error(walk[1], (ends[0] + ends[1]) / 2) < 15
    with pytest.raises(BadOption, match="one size"):
        list(latents.interpolate(coder, pictures[0], pictures[0].crop((0, 0, 50, 50))))
    with pytest.raises(BadOption, match="two ends"):
        list(latents.interpolate(coder, pictures[0], pictures[1], 1))


def test_a_latent_written_again_is_the_same_but_for_rounding(coder, pictures):
    data = coder.encode(pictures[0], 60)
    again = files.from_latent(coder, coder.latent(data), 160, 224, 60)
    one, two = [np.asarray(coder.decode(d)).astype(float) for d in (data, again)]
    assert np.abs(one - two).mean() < 3 and abs(len(again) / len(data) - 1) < 0.2


def test_sheets_and_animations():
    ends = sheet.same_size([Image.new("RGB", (300, 200), "red"), Image.new("L", (50, 90))], 60)
    assert [p.size for p in ends] == [(60, 40)] * 2
    frames = [Image.new("RGB", (60, 40), (i, 0, 0)) for i in range(0, 250, 50)]
    assert Image.open(io.BytesIO(sheet.contact(frames, "png"))).size == (3 * 64 - 4, 2 * 44 - 4)
    assert Image.open(io.BytesIO(sheet.animation(frames))).n_frames == 8


def test_draws_and_walks_on_the_command_line(folder, tmp_path):
    run("sample", "-d", "cpu", "--size", "48x32", "-o", tmp_path / "s.aec")
    run("sample", "-d", "cpu", "--like", tmp_path / "s.aec", "-o", tmp_path / "s.png")
    assert (
        Image.open(tmp_path / "s.png").size
        == (48, 32)
        == codec.decompress((tmp_path / "s.aec").read_bytes(), device="cpu").size
    )
    assert "is not WIDTHxHEIGHT" in run("sample", "--size", "48", "-o", tmp_path / "t.png", code=2).stderr
    assert "exists" in run("sample", "-d", "cpu", "-o", tmp_path / "s.png", code=1).stderr
    assert (
        "cannot be written as 'xyz'"
        in run("sample", "-d", "cpu", "--size", "16x16", "-o", tmp_path / "t.xyz", code=1).stderr
    )
    run(
        "interpolate",
        "-d",
        "cpu",
        folder / "0.png",
        tmp_path / "s.aec",
        "-n",
        3,
        "--side",
        48,
        "-o",
        tmp_path / "walk.gif",
    )
    assert Image.open(tmp_path / "walk.gif").n_frames == 4
    assert (
        "no.png: no such file"
        in run("sample", "-d", "cpu", "--like", "no.png", "-o", tmp_path / "w.png", code=1).stderr
    )
    (tmp_path / "bad.png").write_bytes(b"no picture")
    for bad, words in (("nowhere.png", "no such file"), ("bad.png", "this is not a picture")):
        result = run("interpolate", "-d", "cpu", folder / "0.png", tmp_path / bad, "-o", tmp_path / "w.png", code=1)
        assert f"{tmp_path / bad}: {words}" in result.stderr
    assert not list(tmp_path.glob("*.part")) and not (tmp_path / "w.png").exists()
