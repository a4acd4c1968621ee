"""Colours under alpha 0: smooth unless asked for, at no cost to what is seen, and the same by rows as in whole."""

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import photograph
from PIL import Image

from codec.app.cli import cli
from codec.bitstream import container
from codec.pixels import hidden
from codec.pixels.picture import Picture, to_pil
from codec.pixels.strips import Scan


def shape(height, width, kind):
    """Alpha [height, width] with holes of a kind."""
    rows, columns = np.mgrid[:height, :width]
    if kind == "disc":
        return (255 * (np.hypot(rows - height / 2, columns - width / 2) < min(height, width) / 3)).astype("u1")
    if kind == "soft":
        return (250 - 4 * np.hypot(rows - height / 2, columns - width / 2)).clip(0, 255).astype("u1")
    if kind == "below":
        return (255 * (rows >= height - 10)).astype("u1")
    if kind == "above":
        return (255 * (rows < 10)).astype("u1")
    return np.where(np.random.default_rng(0).random((height, width)) < 0.2, 0, 77).astype("u1")


KINDS = ("disc", "soft", "below", "above", "specks")


def noisy(height, width, kind, depth=8, channels=3, seed=1):
    """A photograph with noise where nobody sees it, and the same with black there."""
    alpha = shape(height, width, kind)
    alpha = alpha.astype("u2") * 257 if depth == 16 else alpha
    pixels = photograph(height, width, 3, channels, depth)
    noise = np.random.default_rng(seed).integers(0, 2**depth, pixels.shape).astype(pixels.dtype)
    seen = (alpha > 0)[..., None]
    return Picture(np.where(seen, pixels, noise), alpha), Picture(pixels * seen, alpha)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth, channels", [(8, 3), (8, 1), (16, 3)])
def test_what_is_seen_stays_and_the_rest_depends_on_it_alone(kind, depth, channels):
    one, black = noisy(200, 150, kind, depth, channels)
    other, _ = noisy(200, 150, kind, depth, channels, seed=2)
    smooth = hidden.smoothed(one)
    seen = one.alpha > 0
    assert (smooth.alpha == one.alpha).all() and (smooth.pixels[seen] == one.pixels[seen]).all()
    assert (hidden.smoothed(other).pixels == smooth.pixels).all() and (
        hidden.smoothed(black).pixels == smooth.pixels
    ).all()
    assert (hidden.flat(one).pixels == black.pixels).all() and smooth.pixels.dtype == one.pixels.dtype
    low, high = one.pixels[seen].min(0), one.pixels[seen].max(0)
    assert (smooth.pixels >= low).all() and (smooth.pixels <= high).all()
    steps = np.abs(np.diff(smooth.pixels.astype(float), axis=1))
    assert steps[~seen[:, 1:] & ~seen[:, :-1]].mean() < steps[seen[:, 1:] & seen[:, :-1]].mean() + 1


@pytest.mark.parametrize("kind", KINDS)
def test_by_rows_it_is_the_same(kind):
    whole, _ = noisy(300, 90, kind)
    expected = hidden.smoothed(whole)
    for step in (1, 7, 64, 100, 299):

        def strips():
            for top in range(0, 300, step):
                yield Picture(whole.pixels[top : top + step], whole.alpha[top : top + step])

        scan = Scan(90, 300, 3, 8, True, strips)
        assert hidden.is_there(scan)
        for _ in range(2):
            got = hidden.smoothed(scan).whole()
            assert (got.pixels == expected.pixels).all() and (got.alpha == whole.alpha).all()
        assert (hidden.flat(scan).whole().pixels == hidden.flat(whole).pixels).all()


def test_where_all_or_nothing_is_seen():
    pixels = photograph(130, 40)
    for alpha, there in ((np.full((130, 40), 1, "u1"), False), (np.zeros((130, 40), "u1"), True)):
        picture = Picture(pixels, alpha)
        assert hidden.is_there(picture) is there and (hidden.smoothed(picture).pixels == pixels * (not there)).all()
    plain = Picture(pixels)
    assert not hidden.is_there(plain) and hidden.flat(plain) is plain


@pytest.mark.parametrize("lossless", [None, False])
@pytest.mark.parametrize("kind", ["disc", "soft"])
def test_noise_that_nobody_sees_costs_nothing(coder, kind, lossless):
    noise, black = noisy(160, 200, kind)
    file = coder.encode(noise, lossless=lossless)
    assert file == coder.encode(black, lossless=lossless)
    exact = coder.encode(noise, lossless=lossless, exact=True)
    assert len(file) <= len(coder.encode(black, lossless=lossless, exact=True)) * 1.01 and len(file) < len(exact) / 2
    decoded, seen = coder.decode_picture(file), noise.alpha > 0
    assert (decoded.alpha == noise.alpha).all()
    error = np.square(decoded.pixels.astype(float) - noise.pixels)[seen].mean()
    assert error < 1.2 * np.square(coder.decode_picture(exact).pixels.astype(float) - noise.pixels)[seen].mean()


def test_who_asks_for_every_pixel_gets_it(coder):
    noise, _ = noisy(64, 80, "disc")
    for options in ({"lossless": True}, {"lossless": True, "exact": True}):
        assert (coder.decode_picture(coder.encode(noise, **options)).pixels == noise.pixels).all()
    exact = coder.decode_picture(coder.encode(noise, 100, exact=True)).pixels.astype(float)
    assert np.square(exact - noise.pixels)[noise.alpha == 0].mean() < 500


def test_drawn_pictures_stay_exact_where_they_are_seen(coder):
    """A sprite, whatever lies under what nobody sees of it, as with nothing there."""
    colours = np.random.default_rng(0).integers(0, 256, (6, 3)).astype("u1")
    pixels = colours[np.kron(np.random.default_rng(1).integers(0, 6, (16, 16)), np.ones((8, 8), int))]
    alpha = shape(128, 128, "disc")
    noise = np.random.default_rng(2).integers(0, 256, pixels.shape).astype("u1")
    sprite = Picture(np.where((alpha > 0)[..., None], pixels, noise), alpha)
    file = coder.encode(sprite)
    assert (coder.decode_picture(file).pixels == pixels * (alpha > 0)[..., None]).all()
    assert len(file) == len(coder.encode(hidden.flat(sprite), exact=True))


@pytest.mark.parametrize("dtype, factor", [("u1", 5), ("u2", 7)])
@pytest.mark.parametrize("options", [{}, {"target_size": 8000}])
def test_scattered_holes_do_not_break_labels(coder, dtype, factor, options):
    labels = np.kron(np.random.default_rng(0).integers(0, 40, (16, 16)), np.ones((8, 8), int)) * factor
    seen = np.random.default_rng(1).random(labels.shape) > 0.2
    picture = Picture(labels.astype(dtype)[..., None], (seen * np.iinfo(dtype).max).astype(dtype))
    file = coder.encode(picture, **options)
    assert len(file) <= len(coder.encode(picture, lossless=True))
    assert (coder.decode_picture(file).pixels[seen] == picture.pixels[seen]).all()
    noise = np.random.default_rng(2).integers(0, 256, picture.pixels.shape).astype(dtype)
    noisy = Picture(np.where(seen[..., None], picture.pixels, noise), picture.alpha)
    file, flat = coder.encode(noisy), coder.encode(hidden.flat(picture), exact=True)
    assert options or len(file) <= len(flat)
    assert (coder.decode_picture(file).pixels[seen] == picture.pixels[seen]).all()


@pytest.mark.parametrize("options", [{"quality": 90}, {"psnr": 42}])
def test_photographs_cut_out_are_latents(coder, options):
    """What is flat is exact for next to nothing, but its edge costs latents more than what is smooth there."""
    rows, columns = np.mgrid[:192, :256]
    alpha = (np.hypot((rows - 96) / 0.7, columns - 128) < 100) * np.uint8(255)
    noise = np.random.default_rng(0).normal(0, 2, (192, 256, 3))
    picture = Picture((photograph(192, 256, 3) + noise).clip(0, 255).astype("u1"), alpha)
    file, lossy = coder.encode(picture, **options), coder.encode(picture, lossless=False, **options)
    assert "drawn" in container.read_header(coder.encode(hidden.flat(picture), exact=True, **options))[1]
    assert file == lossy


def test_targets_and_batches(coder):
    pictures = [noisy(96, 112, kind, seed=seed)[0] for seed, kind in enumerate(KINDS)] + [Picture(photograph(96, 112))]
    assert coder.encode_batch(pictures, 50) == [coder.encode(picture, 50) for picture in pictures]
    assert len(coder.encode(pictures[0], target_size=1500)) <= 1500
    assert len(coder.encode(pictures[0], psnr=36)) < len(coder.encode(pictures[0], psnr=36, exact=True)) / 2


def test_the_command_and_the_plugin_have_exact(tmp_path, monkeypatch):
    import codec.pillow

    monkeypatch.chdir(tmp_path)
    picture, _ = noisy(64, 80, "disc")
    to_pil(picture).save("a.png")
    runs = [["compress", "a.png"], ["compress", "--exact", "a.png", "-o", "b.aec"]]
    assert [CliRunner().invoke(cli, run).exit_code for run in runs] == [0, 0]
    opened = Image.open("a.png")
    opened.save("c.aec")
    opened.save("d.aec", exact=True)
    sizes = [codec.info(f"{name}.aec")["bytes"] for name in "abcd"]
    assert 2 * sizes[0] < sizes[1] and 2 * sizes[2] < sizes[3]
    pytest.importorskip("fsspec")
    (tmp_path / "in").mkdir()
    (tmp_path / "a.png").rename("in/a.png")
    parquet = pytest.importorskip("pyarrow.parquet")
    assert CliRunner().invoke(cli, ["batch", "in", "out", "--psnr"]).exit_code == 0
    assert parquet.read_table("out/manifest.parquet")["psnr"][0].as_py() > 28
