"""The cheapest of several files: what a choice must decide, and that it looks no further than it must."""

import itertools
import math

import numpy as np
import pytest

from codec.errors import BadOption
from codec.pipeline.choice import Candidate, cheapest
from codec.pipeline.options import DecodeOptions, EncodeOptions


def choose(candidates, weight, errors=None):
    """The place of the cheapest, and the places of those that were measured; errors: what measuring gives."""
    asked = []

    def measure(some):
        for number, candidate in some:
            assert number == 0 and candidate.error is None
            asked.append(candidates.index(candidate))
            candidate.error = errors[asked[-1]]

    (found,) = cheapest([(candidates, weight)], measure)
    return candidates.index(found), asked


def test_it_is_the_one_of_least_cost():
    """Whatever is known and whatever is not: the same as if all errors were known."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        bits, errors = rng.integers(1, 20, 4).tolist(), rng.integers(0, 20, 4).astype(float).tolist()
        bounds = [sorted(rng.integers(0, 25, 2).tolist()) if rng.random() < 0.5 else [0.0, math.inf] for _ in bits]
        known = rng.random(4) < 0.4
        candidates = [
            Candidate(b"", b, e if k else None, *bound)
            for b, e, k, bound in zip(bits, errors, known, bounds, strict=True)
        ]
        weight = float(rng.choice([0.5, 1, 3]))
        costs = [b + weight * min(max(e, low), high) for b, e, (low, high) in zip(bits, errors, bounds, strict=True)]
        assert choose(candidates, weight, errors)[0] == costs.index(min(costs))


def test_errors_are_measured_only_where_they_decide():
    exact, latents = Candidate(b"", 100, 0.0), lambda **bounds: Candidate(b"", 80, None, **bounds)
    assert choose([exact, latents(most=4)], 2.0) == (1, [])  # 88 at most
    assert choose([exact, latents(least=20)], 2.0) == (0, [])  # 120 at least
    assert choose([exact, latents(least=7, most=7)], 2.0) == (1, [])
    assert choose([exact, latents()], 2.0, {1: 12.0}) == (0, [1])
    assert choose([exact, latents()], 2.0, {1: 10.0}) == (0, [1]), "the first of equals"
    assert choose([latents()], 2.0) == (0, [])


def test_choices_are_measured_together():
    """One after the other within a choice, those of several choices at once."""
    calls = []

    def measure(asked):
        calls.append([number for number, _ in asked])
        for _, candidate in asked:
            candidate.error = 1.0

    pair = lambda: [Candidate(b"", 10), Candidate(b"", 5)]
    found = cheapest([(pair(), 9.0), ([Candidate(b"", 1, 0.0)], 1.0), (pair(), 1.0)], measure)
    assert [candidate.bits for candidate in found] == [5, 1, 5] and calls == [[0, 2], [0]]
    assert cheapest([], measure) == []


def test_with_more_weight_a_choice_never_has_more_error():
    rng = np.random.default_rng(3)
    candidates = [Candidate(b"", *pair) for pair in rng.uniform(0, 100, (6, 2)).tolist()]
    chosen = [candidates[choose(candidates, weight)[0]] for weight in np.geomspace(0.01, 100, 40)]
    for less, more in itertools.pairwise(chosen):
        assert more.error <= less.error and more.bits >= less.bits


def test_options_are_checked_once_and_stay():
    options = EncodeOptions("60", strip=["xmp", "exif"], psnr=np.float32(38))
    assert options.hundredths == 6000 and options.strip == ("exif", "xmp") and options.target.psnr == 38
    assert EncodeOptions(strip="all").strip == ("exif", "icc", "xmp", "cicp") and hash(options) == hash(options)
    with pytest.raises(AttributeError):
        options.quality = 3
    for wrong in ({"quality": 0}, {"effort": 10}, {"effort": True + 0.5}, {"strip": "gps"}, {"bpp": 0}):
        with pytest.raises(BadOption):
            EncodeOptions(**wrong)
    with pytest.raises(BadOption, match="scale"):
        DecodeOptions(scale=0.3)
