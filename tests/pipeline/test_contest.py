"""Which way a picture is coded: samples where these cost less, latents elsewhere, with no cliff between."""

import io

import numpy as np
import pytest
from conftest import photograph, psnr
from PIL import Image

import codec
from codec.coding import lossless
from codec.model.networks import dct_basis
from codec.pipeline import contest
from tests.fuzz import tiny

NOISE = np.random.default_rng(7).integers(0, 256, (160, 176, 3)).astype(np.uint8)
SAMPLES = "00000000"  # `model` of files without latents


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_gets_better_with_the_quality_up_to_a_good_picture(coder, channels):
    pixels = NOISE if channels == 3 else NOISE[..., 0]
    files = [coder.encode(pixels, quality) for quality in range(5, 101, 5)]
    seen = [psnr(coder.decode_picture(file).pixels, pixels.reshape(160, 176, -1)) for file in files]
    assert all(more >= less - 1e-3 for less, more in zip(seen, seen[1:])) and seen[-1] > 40
    assert all(len(more) >= len(less) for less, more in zip(files, files[1:]))
    found = [codec.info(file) for file in files]
    assert found[0]["model"] != SAMPLES and found[-1]["model"] == SAMPLES
    assert not any(info["lossless"] for info in found)


def test_files_of_rounded_samples_take_a_bit_per_sample_less_for_twice_the_step():
    sizes = [8 * len(lossless.encode(lossless.rounded(NOISE, step))) / NOISE.size for step in (1, 2, 4, 8, 16, 32, 64)]
    assert np.allclose(np.diff(sizes), -1, atol=0.2)


@pytest.mark.parametrize("step", [1, 2, 8, 128])
def test_rounding_keeps_black_and_white_and_half_a_step(step):
    levels = np.arange(256, dtype=np.uint8)
    rounded = lossless.rounded(levels, step)
    assert rounded[0] == 0 and rounded[-1] == 255 and rounded.dtype == np.uint8
    assert np.abs(rounded.astype(int) - levels).max() <= step / 2 and np.array_equal(
        lossless.rounded(rounded, step)[:-1], rounded[:-1]
    )


def test_lossy_and_lossless_are_obeyed(coder):
    lossy, kept = coder.encode(NOISE, 100, lossless=False), coder.encode(NOISE, 1, lossless=True)
    assert codec.info(lossy)["model"] != SAMPLES and codec.info(kept)["lossless"]
    assert np.array_equal(coder.decode_picture(kept).pixels, NOISE)


def test_photographs_are_latents_at_every_quality(coder):
    for seed in range(2):
        for quality in (1, 60, 100):
            assert codec.info(coder.encode(photograph(200, 264, seed), quality))["model"] != SAMPLES


def test_a_picture_of_which_a_tile_is_no_noise_is_coded_one_way(coder):
    calm = (
        np.broadcast_to(np.linspace(20, 220, 200).astype(np.uint8)[None, :, None], (80, 200, 3))
        + np.arange(80, dtype=np.uint8)[:, None, None]
    )
    pixels = np.concatenate([np.resize(NOISE, (80, 1024, 3)), calm], 1)
    assert codec.info(coder.encode(pixels[:, :1024], 100))["model"] == SAMPLES
    assert codec.info(coder.encode(pixels, 100))["model"] != SAMPLES


def test_files_of_rounded_samples_pass_through_every_reader(coder, tmp_path):
    file = coder.encode(Image.fromarray(NOISE), 90)
    coder.verify(file)
    assert coder.bits_map(file).shape == (10, 11)
    part = coder.decode_picture(file, crop=(3, 5, 40, 50)).pixels
    assert np.array_equal(part, coder.decode_picture(file).pixels[5:55, 3:43])
    assert codec.Codec(str(tiny.PATH), device="cpu").decode(io.BytesIO(file)).size == (176, 160)  # no model is needed


def test_what_the_latents_cannot_reach_is_measured():
    basis = dct_basis(320).numpy()
    within = 128 + (np.random.default_rng(1).normal(size=(4, 320)) * 20 @ basis.reshape(320, -1)).reshape(
        4, 3, 16, 16
    ).transpose(0, 2, 3, 1).reshape(64, 16, 3)
    assert contest.unreachable(within.astype(np.float32), 320) < 1e-3
    assert contest.unreachable(NOISE, 320) == pytest.approx((1 - 320 / 768) * NOISE.var(), rel=0.05)
    assert contest.unreachable(NOISE, 768) < 1e-3 * NOISE.var()
    assert contest.unreachable(NOISE[:5, :7], 320) > 100
    assert contest.unreachable(np.full((20, 30, 1), 7, np.uint8), 320) < 1e-2


@pytest.mark.parametrize(
    ("weight", "channels", "step"), [(0.6, 3, 8), (0.6, 1, 4), (0.0006, 3, 128), (100.0, 3, 1), (1e-6, 3, 128)]
)
def test_steps_follow_the_quality(weight, channels, step):
    assert contest.rounding_step(weight, channels) == step
