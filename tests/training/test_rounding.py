"""What an export says of how symbols are chosen: thresholds by level, and which symbol has which."""

import numpy as np
import pytest
import torch
from conftest import photograph

from codec.engine.torch.engine import TorchEngine
from codec.engine.torch.quantiser import levels_of
from codec.model.prior import LEVELS, ROWS
from codec.model.weights import path_of
from codec.training.rounding import masking, rounding_thresholds


@pytest.fixture(scope="module")
def model():
    return TorchEngine.opened(path_of("default"), "cpu").model


def test_the_middle_level_is_the_only_one_of_a_plain_model_and_higher_ones_round_up_later(model):
    tables, pull = model.tables_y, model.networks.pull
    plain, levels = rounding_thresholds(tables, pull), rounding_thresholds(tables, pull, LEVELS).view(LEVELS, 2, ROWS)
    assert plain.shape == (2, ROWS) and torch.equal(plain, levels[LEVELS // 2])
    rows = slice(8, 32)  # In wider ones two symbols cost nearly the same, and any may have been counted more often.
    assert (levels.diff(dim=0)[..., rows] >= 0).all()
    assert (levels[-1, 0, rows] > levels[0, 0, rows] + 50).all()


def half_busy(size, crops=1):
    """Crops [N,3,size,size] of which the left half is a gradient, the right one of fine texture."""
    x = torch.linspace(0.3, 0.6, size).expand(crops, 3, size, size).clone()
    x[..., size // 2 :] = torch.from_numpy(np.random.default_rng(0).random((size, size // 2)).astype("f4"))
    return x


def test_busy_positions_have_higher_levels(model):
    y = model.floats.analysis(half_busy(256) - 0.5, model.coordinate(5000))
    target = torch.round(y.double() * model.networks.prior.gains(5000)[0] * 4096)
    levels = levels_of(model, target, 5000)
    assert levels.shape == target.shape and 0 <= levels.min() and levels.max() < LEVELS
    flat, busy = levels[..., :7].double().mean((0, 2, 3)), levels[..., 9:].double().mean((0, 2, 3))
    assert (busy > flat + 4).all()
    channel, own = model.networks.thresholds_channel, levels[0, :, 8, 3]
    position = (own - channel).median()
    assert torch.equal(own, (channel + position).clamp(0, LEVELS - 1)), "and differ by channel"
    assert torch.equal(levels_of(model, target.repeat(2, 1, 1, 1), (5000, 5000))[1:], levels), "of any number of tiles"


def test_what_masks_errors_is_measured(model):
    """The usual busyness grows with quality; the median channel is a little above the middle."""
    crops = torch.from_numpy(photograph(256, 256).copy()).permute(2, 0, 1)[None].float() / 255
    found = masking(model, [crops, crops.flip(3)])
    usual, channels = found["thresholds_busyness"], found["thresholds_channel"]
    assert usual.shape == (model.config.anchors, 1) and (usual.diff(dim=0) < 0).all()
    assert channels.shape == (model.config.latent,) and len(channels.unique()) > 5
    assert 0 <= channels.double().median() <= 4
