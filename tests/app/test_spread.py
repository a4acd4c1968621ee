"""16-bit pictures get what 8-bit ones get: exact labels, masks and depth where that costs less, rounded noise, and
latents of all the range that is used.
"""

import numpy as np
import pytest
from conftest import photograph, psnr

import codec
from codec.bitstream import container
from codec.coding.spread import Range
from codec.pixels import scanner
from codec.pixels.picture import Picture
from codec.pixels.strips import Scan

Y, X = np.mgrid[:120, :136]
RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(0, 65536, X.shape)
EXACT = {
    "checkerboard": (X + Y) % 2 * 65535,
    "labels": np.kron(RANDOM.integers(0, 40, (15, 17)), np.ones((8, 8))),
    "many labels": np.kron(RANDOM.integers(0, 60000, (15, 17)), np.ones((8, 8))),
    "mask": ((X - 60) ** 2 + (Y - 50) ** 2 < 1800) * 65535,
    "small mask": ((X - 60) ** 2 + (Y - 50) ** 2 < 1800) * 1,
    "one value": X * 0 + 1000,
    "black": X * 0,
    "white": X * 0 + 65535,
    "depth with holes": np.where(RANDOM.random(X.shape) < 0.05, 0, 1500 + 8 * X + 3 * Y),
    "staircase": (X // 8 + Y // 12) * 150,
}


def gray(values):
    return np.asarray(values).astype(np.uint16)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("quality", [20, 60, 100])
def test_what_is_measured_comes_back_exactly(coder, name, quality):
    samples = gray(EXACT[name])
    file = coder.encode(samples, quality)
    assert np.array_equal(coder.decode_picture(file).pixels[..., 0], samples)
    assert len(file) <= len(coder.encode(samples, lossless=True))
    colours = np.dstack([samples, samples[::-1], samples])
    assert quality < 60 or np.array_equal(coder.decode_picture(coder.encode(colours, quality)).pixels, colours)


@pytest.mark.parametrize("low, high", [(0, 4095), (1000, 3000), (30000, 30255), (0, 65535)])
@pytest.mark.parametrize("quality", [15, 60, 95])
def test_a_quality_means_the_same_whatever_range_is_used(coder, low, high, quality):
    """12 bits in 16 are as good, of their range, as 8 bits are of theirs, in about as many bytes."""
    eight = photograph(120, 136, 2)[..., 1]
    deep = gray(np.rint(low + (eight / 255) * (high - low)))
    file, other = coder.encode(deep, quality), coder.encode(eight, quality)
    found = coder.decode_picture(file).pixels[..., 0].astype(float) - deep
    of_range = 10 * np.log10((high - low) ** 2 / np.square(found).mean())
    least = psnr(coder.decode_picture(other).pixels, eight[..., None])
    assert of_range > least - 0.5 and len(file) < 1.1 * len(other) + 20
    assert ("range" in codec.info(file)["sections"]) == (high - low < 2**15)


def test_noise_is_as_good_as_that_of_8_bits(coder):
    eight = (NOISE >> 8).astype(np.uint8)
    seen = []
    for quality in (40, 60, 80, 100):
        deep = coder.decode_picture(coder.encode(gray(NOISE), quality)).pixels[..., 0]
        seen.append(psnr(deep / 257, NOISE / 257))
        assert seen[-1] > psnr(coder.decode_picture(coder.encode(eight, quality)).pixels[..., 0], eight) - 0.5
    assert seen == sorted(seen) and seen[-1] > 40


def test_targets_are_useful(coder):
    samples = gray(EXACT["checkerboard"])
    for target in ({"target_size": 10000}, {"bpp": 1}, {"psnr": 60}):
        assert np.array_equal(coder.decode_picture(coder.encode(samples, **target)).pixels[..., 0], samples)
    file = coder.encode(gray(NOISE), target_size=12000)
    assert 10000 < len(file) <= 12000
    assert psnr(coder.decode_picture(file).pixels[..., 0] / 257, NOISE / 257) > 30
    deep = gray(photograph(120, 136, 1)[..., 0] * 8)
    assert psnr(coder.decode_picture(coder.encode(deep, psnr=60)).pixels[..., 0] / 257, deep / 257) >= 60


def test_lossy_lossless_and_effort(coder):
    samples = gray(photograph(120, 136, 1)[..., 0] * 16.0 + 77)
    kept = coder.encode(samples, lossless=True)
    assert np.array_equal(coder.decode_picture(kept).pixels[..., 0], samples)
    assert "range" not in codec.info(kept)["sections"]
    plain, fitted = (coder.encode(samples, 60, lossless=False, effort=effort) for effort in (0, 3))
    errors = [
        np.square(coder.decode_picture(file).pixels[..., 0] - samples.astype(float)).mean() for file in (plain, fitted)
    ]
    assert errors[0] < (4080 / 255 * 8) ** 2 and errors[1] < errors[0]
    labels = coder.encode(gray(EXACT["labels"]), 100, lossless=False)
    found = coder.decode_picture(labels).pixels[..., 0].astype(int)
    assert codec.info(labels)["model"] != "00000000" and np.abs(found - EXACT["labels"]).max() < 25


def test_alpha_and_regions_of_a_narrow_picture(coder):
    samples = gray(photograph(120, 136, 1)[..., :1] * 16.0)
    picture = Picture(samples, gray(X * 400))
    file = coder.encode(picture, 70)
    whole = coder.decode_picture(file)
    assert np.array_equal(whole.alpha, picture.alpha) and whole.pixels.max() <= samples.max()
    part = coder.decode_picture(file, crop=(20, 30, 50, 40))
    assert np.array_equal(part.pixels, whole.pixels[30:70, 20:70])
    small = coder.decode_picture(file, scale=1 / 4)
    means = whole.pixels[:120, :136].reshape(30, 4, 34, 4).astype(float)
    weights = picture.alpha.reshape(30, 4, 34, 4) + 1e-9
    assert np.abs(small.pixels[..., 0] - (means * weights).sum((1, 3)) / weights.sum((1, 3))).max() <= 0.51


def test_many_at_once_and_by_rows(coder):
    pictures = [gray(EXACT[name]) for name in ("labels", "mask", "depth with holes")] + [gray(NOISE)]
    assert coder.encode_batch(pictures, 60) == [coder.encode(samples, 60) for samples in pictures]
    tall = np.concatenate([gray(photograph(120, 136, n)[..., :1] * 16.0) for n in range(9)])
    rows = [Picture(tall[top : top + 100]) for top in range(0, len(tall), 100)]
    scan = Scan(136, len(tall), 1, 16, False, lambda: iter(rows))
    file = coder.encode(scan, 60)
    assert file == coder.encode(tall, 60) and codec.info(file)["tiles"] == 2
    with scanner.opened(scan) as same:
        assert same is scan


@pytest.mark.parametrize("low, high", [(0, 0), (9, 9), (0, 1), (0, 39), (65534, 65535), (0, 4095), (32768, 65535)])
def test_spreading_loses_nothing_and_restoring_is_what_the_page_says(low, high):
    spread = Range(low, high)
    values = np.arange(low, high + 1).astype(np.uint16)
    assert np.array_equal(spread.restore(spread.spread(values)), values)
    assert Range.unpack(spread.pack()) == spread and len(spread.pack()) == 4
    every = np.arange(65536)
    by_the_page = low + (every * (high - low) + 32767) // 65535
    assert np.array_equal(spread.restore(every.astype(np.uint16)), by_the_page)


def test_only_narrow_ranges_are_spread():
    assert Range.of([gray([5, 9]), gray([2, 7])]) == Range(2, 9)
    assert Range.of([gray([0, 32767])]) == Range(0, 32767) and Range.of([gray([0]), gray([32768])]) is None


def test_a_damaged_range_is_said(coder):
    from codec.pipeline.damage import Damage

    file = coder.encode(gray(photograph(120, 136, 1)[..., 0] * 16.0), 60)
    sizes = container.read_header(file)[1]
    assert sizes["range"] == 4
    broken = bytearray(file)
    broken[-1] ^= 8
    with pytest.raises(codec.CodecError, match="section range"):
        coder.decode_picture(bytes(broken))
    damage = Damage()
    with coder.scan(bytes(broken), damage=damage) as scan:
        scan.whole()
    assert [sentence for sentence in damage.sentences() if "range" in sentence]
