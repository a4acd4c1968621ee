"""What the trainer makes small: SSIMULACRA2's distance beside its package, the other terms, and what they are worth."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import photograph
from PIL import Image, ImageFilter

from codec.model.config import Config
from codec.model.weights import path_of
from codec.training.data import Pictures
from codec.training.distance import WEIGHTS, Blur, Distance, score, weights, window
from codec.training.objective import Objective, kept_worth, lost_structure, luma_error, mean_colour, squared_error
from codec.training.options import RunOptions
from codec.training.thaw import thaw


def tensor(pixels):
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def jpeg(picture, quality):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


DISTORTIONS = {
    "coarse JPEG": lambda p: jpeg(p, 10),
    "JPEG": lambda p: jpeg(p, 50),
    "fine JPEG": lambda p: jpeg(p, 90),
    "blur": lambda p: np.asarray(Image.fromarray(p).filter(ImageFilter.GaussianBlur(1))),
    "noise": lambda p: np.uint8(np.clip(p + np.random.default_rng(0).normal(0, 8, p.shape), 0, 255)),
    "colour": lambda p: np.uint8(np.clip(p + np.array([4.0, -2, 3]), 0, 255)),
    "nothing": lambda p: p,
}


@pytest.mark.parametrize("kind", DISTORTIONS)
def test_scores_are_those_of_the_package(kind):
    """Within half a point, with its borders: zeros beyond two of them.

    Smaller pictures have fewer scales, there it errs.
    """
    ssimulacra2 = pytest.importorskip("benchmarks.metrics").ssimulacra2
    for height, width, seed in ((257, 300, 0), (320, 256, 1)):
        picture = photograph(height, width, seed)
        spoilt = DISTORTIONS[kind](picture)
        ours = score(Distance(height, width, zero=True)(tensor(picture), tensor(spoilt), epsilon=0))
        assert ours.item() == pytest.approx(ssimulacra2(picture, spoilt), abs=0.5)


def test_the_weights_left_out_are_negligible():
    published = np.asarray(pytest.importorskip("ssimulacra2.ssimulacra2").weights).reshape(3, 6, 2, 3)
    ours = np.zeros_like(published)
    for (scale, channel), row in WEIGHTS.items():
        ours[("X", "Y", "B-Y").index(channel), scale] = np.reshape(row, (2, 3))
    assert np.abs(published - ours).max() < 0.01 and ((ours > 0) == (published > 0.01)).all()


def test_windows_keep_the_mean_and_end_at_the_border():
    assert torch.allclose(window(32).sum(1), torch.ones(32)) and torch.allclose(
        window(32)[12:20, :], window(32, True)[12:20, :]
    )
    assert window(32, True)[0].sum() == pytest.approx(0.63, abs=0.02)
    assert torch.equal(window(8)[0], window(8)[-1].flip(0))


@pytest.mark.parametrize("height, width", [(256, 200), (130, 128), (100, 300)])
def test_blurring_by_parts_is_the_whole_product_and_so_is_its_gradient(height, width):
    rows, columns = window(height), window(width, True).t().contiguous()
    generator = torch.Generator().manual_seed(0)
    one, slope = (torch.rand(2, 3, height, width, generator=generator) for _ in range(2))
    one.requires_grad_()
    other = one.detach().clone().requires_grad_()
    parts, whole = Blur.apply(one, rows, columns), rows @ other @ columns
    assert torch.allclose(parts, whole, atol=1e-5)
    parts.backward(slope)
    whole.backward(slope)
    assert torch.allclose(one.grad, other.grad, atol=1e-5)


def test_fine_weights_see_what_the_published_ones_do_not():
    """A change of single pixels' luma at the finest scale."""
    assert weights() == WEIGHTS and weights(0.5)[0, "Y"][0] == 10 and weights(1.0)[2, "Y"][0] > WEIGHTS[2, "Y"][0]
    x = tensor(photograph(96, 128))
    y = x + 0.03 * (torch.arange(128) % 2 - 0.5)
    plain, fine = (Distance(96, 128, f)(x, y).item() for f in (0.0, 1.0))
    assert fine > 2 * plain


def test_the_distance_has_a_gradient_at_equal_pictures_and_falls_along_it():
    x = tensor(photograph(64, 96, 3))
    distance, y = (
        Distance(64, 96, 1.0),
        (x + 0.02 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))).requires_grad_(),
    )
    same = x.clone().requires_grad_()
    distance(x, same).sum().backward()
    assert torch.isfinite(same.grad).all()
    before = distance(x, y)
    before.sum().backward()
    assert distance(x, y - 1e-3 * y.grad / y.grad.abs().max()) < before
    with pytest.raises(ValueError, match="7x64"):
        Distance(64, 7)


def test_the_other_terms_see_what_they_are_for():
    x = tensor(photograph(64, 64))
    shifted = x + torch.tensor([0.01, 0.01, 0.01])[:, None, None]
    assert luma_error(x, shifted, 0.5).item() == pytest.approx(squared_error(x, shifted).item(), rel=1e-3)
    tinted = x + 0.02 * torch.tensor([1.0, 0.0, -1.772 / 1.772])[:, None, None]
    assert luma_error(x, tinted, 1.0) > luma_error(x, tinted, 0.5) > luma_error(x, tinted, 0.0)
    noise = x + 0.05 * (torch.arange(64) % 2 - 0.5)
    assert mean_colour(x, noise) < 1e-3 * squared_error(x, noise) and mean_colour(x, shifted).item() == pytest.approx(
        6.5, rel=0.01
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(3):
        Image.fromarray(photograph(288, 320, seed)).save(folder / f"{seed}.png")
    return Pictures([str(folder)], "cpu", 256)


@pytest.fixture(scope="module")
def reference():
    return thaw(path_of("psnr").read_bytes())


@pytest.fixture(scope="module")
def measured(pictures, reference):
    goal = Objective(RunOptions(crop=192, mse=0.2, mean_colour=0.1, msssim=0.1), reference.config)
    goal.measure(reference, pictures, False)
    return goal


def test_worth_is_that_of_squared_error(measured, reference):
    """A term that is squared error is worth lambda; all are worth more at each quality, and luma about as much."""
    plain = Objective(RunOptions(objective="psnr"), reference.config)
    assert plain.shares == {"mse": 1.0} and plain.worth["mse"] == reference.config.lambdas
    assert measured.shares == pytest.approx({"luma": 0.2, "colour": 0.1, "structure": 0.1, "distance": 0.6})
    for name, worth in measured.worth.items():
        assert len(worth) == 11 and all(a < b for a, b in zip(worth[1:], worth[2:], strict=False)), name
    for luma, lam in zip(measured.worth["luma"], reference.config.lambdas, strict=True):
        assert 0.8 < luma / lam < 2
    assert measured.worth["colour"][5] > reference.config.lambdas[5]


def test_worth_is_measured_the_same_again_and_for_other_anchors(measured, pictures, reference):
    again = Objective(measured.options, reference.config)
    torch.manual_seed(99)
    again.measure(reference, pictures, False)
    assert all(again.worth[name] == pytest.approx(worth, rel=1e-5) for name, worth in measured.worth.items())
    few = Objective(measured.options, replace(reference.config, anchors=5, lambda_min=reference.config.lambda_min * 4))
    few.measure(reference, pictures, False)
    assert few.worth["luma"] == pytest.approx(measured.worth["luma"][2:7], rel=1e-4)


def test_a_reference_that_does_not_follow_the_quality_is_refused(pictures):
    class Constant(torch.nn.Module):
        config = Config()

        def forward(self, x, q, amp):
            return 0.9 * x, None, None

    with pytest.raises(ValueError, match="is it trained"):
        Objective(RunOptions(crop=64), Config()).measure(Constant(), pictures, False)


@pytest.mark.parametrize(
    "wrong", [{"objective": "ssim"}, {"mse": -0.1}, {"mse": 0.6, "msssim": 0.4}, {"mse": 0.9, "mean_colour": 0.2}]
)
def test_shares_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="objective is|add up to less than 1"):
        Objective(RunOptions(**wrong), Config())


def test_the_loss_is_the_sum_of_its_terms(measured, reference, pictures):
    """At an anchor: bits, and each share of a term at its worth, as the figures say; the gradient is finite."""
    x = pictures.crops(1, 192)
    measured.prepare(192, x.device)
    reference.eval()
    loss, figures, bpp = measured(reference, x, torch.tensor([4.0]), x, 0.0, False)
    names = dict(zip(("loss", "bpp", "bpp_z", "psnr", *measured.shares), figures.tolist(), strict=True))
    assert bpp.tolist() == pytest.approx([names["bpp"]])
    assert loss.item() == pytest.approx(names["bpp"] + sum(names[name] for name in measured.shares), rel=1e-5)
    with torch.no_grad():
        y = reference(x, torch.tensor([4.0]), False)[0]
    for name, share in measured.shares.items():
        expected = share * measured.worth[name][4] * measured.term(name, x, y).item()
        assert names[name] == pytest.approx(expected, rel=1e-4)
    assert names["psnr"] == pytest.approx(-10 * np.log10((x - y).square().mean().item()), abs=1e-3)


def test_qualities_whose_files_are_too_large_weigh_bits_more(pictures, reference):
    """Only the two anchors about the quality move, by how near it is; a run that goes on begins from there."""
    goal = Objective(RunOptions(crop=64), reference.config)
    goal.worth = {name: [1.0] * 11 for name in goal.shares}
    goal.prepare(64, "cpu")
    before, x, q = goal.weighing.clone(), pictures.crops(2, 64), torch.tensor([3.25, 10.0])
    torch.manual_seed(5)  # of the noise in place of rounding
    own = reference.train()(x, q, False)[1].detach()
    torch.manual_seed(5)
    # The quality goes through a logarithm and back, which moves its last bit with some crops.
    assert goal.off_size(reference, x, q, own, False).abs().max() < 1e-6
    torch.manual_seed(5)
    moves = goal.off_size(reference, x, q, own * torch.tensor([2.0, 0.5]), False)
    step = 0.02 * np.log(2)
    assert moves.tolist() == pytest.approx([0, 0, 0, -0.75 * step, -0.25 * step, 0, 0, 0, 0, 0, step], abs=1e-7)
    goal.steer(moves)
    goal.steer(moves)
    assert torch.allclose(goal.weighing - before, 2 * moves.expand(len(before), -1), atol=1e-6)
    resumed = Objective(goal.options, reference.config, goal.worth)
    resumed.prepare(64, "cpu")
    assert torch.allclose(resumed.weighing, goal.weighing, atol=1e-6)


@pytest.mark.parametrize("side", [64, 128, 192])
def test_lost_structure_is_that_of_luma_in_crops_of_every_size(side):
    original = torch.from_numpy(photograph(side, side).copy()).permute(2, 0, 1)[None].float() / 255
    noisy = (original + 0.1 * torch.randn(original.shape, generator=torch.Generator().manual_seed(1))).requires_grad_()
    lost = lost_structure(original, noisy)
    lost.sum().backward()
    assert lost_structure(original, original).item() == pytest.approx(0, abs=1e-6) and 0.01 < lost.item() < 1
    assert noisy.grad.isfinite().all() and noisy.grad.abs().mean() > 0
    gray = lost_structure(original, original + torch.tensor([0.1140, 0, -0.2990])[:, None, None])
    assert gray.item() == pytest.approx(0, abs=1e-4)  # a shift of colour that leaves luma


def test_a_run_keeps_its_worth_unless_the_terms_change():
    o = RunOptions()
    state = {"options": vars(o), "worth": {"luma": [1.0]}}
    assert kept_worth(state, o) == {"luma": [1.0]} and kept_worth({}, o) is None
    assert kept_worth(state, replace(o, chroma=0.25)) is None and kept_worth(state, replace(o, lr=1e-5, minutes=1)) == {
        "luma": [1.0]
    }


def test_a_share_of_crops_is_drawn(pictures, tmp_path):
    """And photographs that are held out are left out."""
    Image.fromarray(photograph(288, 320)).save(tmp_path / "a.png")
    mixed = Pictures([str(tmp_path)], "cpu", 256, drawn=0.5)
    torch.manual_seed(0)
    crops = mixed.crops(64, 128)
    flat = ((crops[:, :, 1:] == crops[:, :, :-1]).all(1).float().mean((1, 2)) > 0.2).float().mean()  # no grain there
    assert 0.3 < flat < 0.7
    plain = pictures.crops(64, 128)
    assert ((plain[:, :, 1:] == plain[:, :, :-1]).all(1).float().mean((1, 2)) > 0.2).float().mean() < 0.1


def test_pictures_held_out_are_not_trained_on(tmp_path, monkeypatch):
    import hashlib

    from codec.training import data

    for seed in range(2):
        Image.fromarray(photograph(288, 320, seed)).save(tmp_path / f"{seed}.png")
    everything = Pictures([str(tmp_path)], "cpu", 256).count
    monkeypatch.setattr(data, "HELD_OUT", {hashlib.sha256((tmp_path / "1.png").read_bytes()).hexdigest()})
    assert Pictures([str(tmp_path)], "cpu", 256).count == everything / 2
