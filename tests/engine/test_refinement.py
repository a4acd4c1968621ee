"""Effort: at equal error the files are smaller, whatever the picture; the gradient is one; tiles meet without seams;
and --fast stays near.
"""

import numpy as np
import pytest
import torch
from conftest import assert_no_steps, photograph, psnr

import codec
from codec.engine.torch import engine, refinement
from codec.engine.torch.error import CHROMA, YCBCR, VisualError
from codec.engine.torch.refinement import LEAST_CURVATURE, Fit
from codec.errors import BadOption


def measured(on_torch, picture, quality, effort):
    """Bytes, and dB."""
    file = on_torch.encode(picture, quality, effort=effort, lossless=False)
    return len(file), psnr(on_torch.decode_picture(file).pixels, picture, np.iinfo(picture.dtype).max)


def saved(on_torch, picture, effort, qualities=(30, 45, 60, 75)):
    """Share of the bytes that effort saves at equal PSNR: mean logarithmic distance between the curves, in which the
    one without effort is a polyline.
    """
    plain, better = ([measured(on_torch, picture, quality, e) for quality in qualities] for e in (0, effort))
    (sizes, dB), (less, more) = zip(*plain), zip(*better)
    within = [i for i, value in enumerate(more) if dB[0] <= value <= dB[-1]]
    assert len(within) > 1
    return 1 - np.exp(np.mean([np.log(less[i]) - np.interp(more[i], dB, np.log(sizes)) for i in within]))


@pytest.fixture(scope="module")
def squared():
    """A codec of the model that is refined for squared error."""
    return codec.Codec("psnr", "cpu", threads=1, engine="torch")


PICTURES = {
    "colour": photograph(256, 320, 1),
    "odd size": photograph(201, 163, 4),
    "gray": photograph(256, 320, 3, 1),
    "deep": photograph(192, 256, 5, depth=16),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_files_are_smaller_at_equal_error(kind, squared):
    one, more = (saved(squared, PICTURES[kind], effort) for effort in (1, 4))
    assert one > 0.002 and more > max(0.006, one)


def test_targets_take_effort_too(squared):
    picture = photograph(192, 256, 2)
    plain, better = (squared.encode(picture, psnr=37, effort=effort) for effort in (0, 3))
    assert len(better) < len(plain) and psnr(squared.decode_picture(better).pixels, picture) >= 37


@pytest.mark.parametrize("quality", [25, 85])
def test_tiles_meet_without_seams(quality, squared, small_tiles):
    on_torch = squared
    picture = photograph(300, 430, 1)
    (plain, before), (size, after) = (measured(on_torch, picture, quality, effort) for effort in (0, 3))
    assert after > before + 0.1 and size < plain * 1.08
    assert_no_steps(
        on_torch.decode_picture(on_torch.encode(picture, quality, effort=3)).pixels.astype(float) - picture, 128
    )


def test_whole_pictures_and_tiles_gain_alike(squared, request):
    picture = photograph(300, 430, 6)
    whole = saved(squared, picture, 3)
    request.getfixturevalue("small_tiles")
    assert saved(squared, picture, 3) == pytest.approx(whole, abs=0.006)


@pytest.mark.parametrize("objective", ["psnr", "visual"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_is_that_of_the_error(channels, objective, squared, monkeypatch):
    """Against differences of the error, in floats, with a margin on two sides and a picture that ends early."""
    monkeypatch.setattr(refinement, "has_bfloat16", lambda device: False)
    model, (h, w), margin = squared.model, (4, 5), (3, 0, 0, 2)
    monkeypatch.setattr(model, "objective", objective)
    picture = photograph(h * 16 - 5, w * 16 - 9, 3, channels)
    torch.manual_seed(1)
    around = torch.randn(1, model.config.latent, h + 3, w + 2)
    reciprocal = model.networks.prior.gains(6000)[1].float()
    steps = torch.randn(1, model.config.latent, 4, 8)
    fit = Fit(model, 6000, 1, [picture], around, margin)

    def error(steps):
        y = around.clone()
        y[:, :, 3:, :w] = (steps * reciprocal)[:, :, :, :w]
        with torch.inference_mode():
            x = (
                model.floats.synthesis(y, model.coordinate(6000), halo=margin)[
                    0, :, : picture.shape[0], : picture.shape[1]
                ]
                .clamp(-0.5, 0.5)
                .double()
                + 0.5
            )
        x = x.mean(0, keepdim=True) if channels == 1 else x
        squares = (255 * x - torch.from_numpy(picture.copy()).permute(2, 0, 1)).square()
        if objective == "visual":  # the weights are tested below; here they are what they are
            if channels == 3:
                difference = 255 * x - torch.from_numpy(picture.copy()).permute(2, 0, 1)
                planes = torch.einsum("ij,jhw->ihw", torch.tensor(YCBCR).double(), difference).square()
                squares = planes[:1] + CHROMA * planes[1:].sum(0, keepdim=True)
            squares = squares * fit.own[0][0].weights[0]
        return model.config.lambda_at(6000) * float(squares.mean(0).sum())

    with torch.inference_mode():
        gradient = fit.gradient(steps)
    assert gradient.shape == steps.shape and not gradient[:, :, :, w:].any()
    for seed in range(3):
        # Towards what the rounding of floats does not hide.
        direction = (
            gradient / gradient.norm() * torch.rand(steps.shape, generator=torch.Generator().manual_seed(seed)) / 2
        )
        slope = error(steps + direction / 2) - error(steps - direction / 2)
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=0.02)


@pytest.mark.parametrize(("objective", "channels"), [("psnr", 3), ("visual", 3), ("visual", 1)])
def test_the_curvature_is_that_of_the_error(channels, objective, squared, monkeypatch):
    """Against the change of each latent's own gradient when it alone is moved, at every position of some channels."""
    monkeypatch.setattr(refinement, "has_bfloat16", lambda device: False)
    monkeypatch.setattr(squared.model, "objective", objective)
    fit = Fit(squared.model, 3000, 1, [photograph(128, 128, 3, channels)], torch.zeros(1, 320, 8, 8), (0, 0, 0, 0))
    steps = torch.randn(1, 320, 8, 8, generator=torch.Generator().manual_seed(1)) / 2
    with torch.inference_mode():
        gradient, weights = fit.gradient(steps), torch.as_tensor(fit.weights(8, 8)).expand(1, 1, 8, 8)[0, 0]
        found = (fit.curvature(steps, gradient) / weights).mean((0, 2, 3))
        for channel in (20, 80, 200, 319):
            own = []
            for place in np.ndindex(8, 8):
                moved = steps.clone()
                moved[0, channel, *place] += 0.3
                change = fit.gradient(moved) - gradient
                own.append(float(change[0, channel, *place] / 0.3 / weights[place]))
            assert float(found[channel]) == pytest.approx(max(np.mean(own), LEAST_CURVATURE), rel=0.2)


def test_weights_for_the_eye_are_less_where_the_original_is_busy():
    """Of luma; a latent's weight is the mean of the weights around it, and beyond the picture's end the last one."""
    busy = np.random.default_rng(0).normal(128, 40, (64, 80, 1)) * (np.arange(80)[:, None] >= 48) + 60.0
    picture = torch.from_numpy(np.repeat(busy, 3, 2)).float().permute(2, 0, 1)[None] / 255 - 0.5
    error = VisualError(picture)
    assert error.weights[..., :32].mean() > 2 * error.weights[..., 56:].mean() and error.weights.min() > 0
    for other in VisualError(picture[:, :1]), VisualError(picture[..., :50, :77]):
        assert torch.allclose(other.weights[..., :40, :60], error.weights[..., :40, :60], rtol=1e-3)
    around = error.at_latents(8, 8)
    assert around.shape == (1, 1, 8, 8) and torch.equal(around[..., 4:, :5], around[..., 3:4, :5].expand(1, 1, 4, 5))
    assert around[0, 0, 1, 0] > around[0, 0, 1, 2] > around[0, 0, 1, 4]
    assert around[0, 0, 1, 0] == pytest.approx(float(error.weights[..., 4:40, :20].mean()), rel=0.05)
    gray, blue = picture + 0.02, picture + 0.02 * torch.tensor([0.0, 0, 1])[:, None, None]
    assert error(gray) > 4 * error(blue) > 0 and error(picture) == 0


def test_batches_make_the_same_files(on_torch):
    pictures = [photograph(64, 96, seed, channels) for seed, channels in ((1, 3), (2, 3), (3, 1))] + [
        photograph(60, 90, 4)
    ]
    assert on_torch.encode_batch(pictures, 70, effort=2) == [
        on_torch.encode(picture, 70, effort=2) for picture in pictures
    ]


@pytest.mark.parametrize("effort", [0, 2])
@pytest.mark.parametrize("fast", [False, True])
def test_threads_change_neither_files_nor_pixels(effort, fast, on_torch):
    """Convolutions of one position would; as matrix products they add in one order."""
    picture, before, found = photograph(384, 520, 1), torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            file = on_torch.encode(picture, 80, effort=effort)
            found.append((file, on_torch.decode_picture(file, fast=fast).pixels.tobytes()))
    finally:
        torch.set_num_threads(before)
    assert len(set(found)) == 1


def test_nothing_depends_on_the_state_of_the_caller(on_torch):
    picture = photograph(80, 96, 2)
    file = on_torch.encode(picture, 50, effort=1)
    with torch.no_grad():
        assert on_torch.encode(picture, 50, effort=1) == file
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert on_torch.encode(picture, 50, effort=1) == file
    assert not any(p.requires_grad or p.grad is not None for p in on_torch.model.networks.parameters())


def test_a_codec_loaded_without_gradients_has_them(monkeypatch):
    monkeypatch.setattr(codec.engine.torch.model, "_loaded", {})
    with torch.inference_mode():
        assert codec.Codec().encode(photograph(40, 48), 50, effort=1)


@pytest.mark.parametrize("effort", [-1, 10, 1.0, "3", None, float("nan")])
def test_other_efforts_are_refused(effort, on_torch):
    with pytest.raises(BadOption, match="effort .* 0 to 9"):
        on_torch.encode(photograph(8, 8), effort=effort)


# Decoding fast


@pytest.mark.parametrize("quality", [20, 95])
@pytest.mark.parametrize("half", [False, True])
def test_fast_is_near(quality, half, on_torch, monkeypatch):
    """In bfloat16, also where the processor emulates it, and in float32."""
    picture = photograph(160, 224, 1)
    file = on_torch.encode(picture, quality, lossless=False)
    pixels = on_torch.decode_picture(file).pixels
    monkeypatch.setattr(engine, "has_bfloat16", lambda device: half)
    fast = on_torch.decode_picture(file, fast=True).pixels
    difference = np.abs(fast.astype(int) - pixels)
    assert 0 < (difference > 0).mean() < (0.2 if half else 0.05) and difference.max() == 1
    assert psnr(fast, picture) > psnr(pixels, picture) - 0.02
    assert (np.asarray(on_torch.decode_batch([file], fast=True)[0]) == fast).all()
    assert np.abs(np.asarray(codec.decompress(file, fast=True, device="cpu"), int) - pixels).max() <= 1
