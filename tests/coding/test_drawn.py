"""Pictures that are half drawn: what is drawn comes back to the last bit, what is not as a photograph does, in fewer
bytes than either way alone.
"""

import dataclasses

import numpy as np
import pytest
from conftest import photograph, psnr
from PIL import Image, ImageDraw

import codec
from codec.bitstream import container, layout
from codec.coding import drawn, lossless
from codec.errors import Corrupt
from codec.latents import features
from codec.pipeline.damage import Damage
from codec.pixels.picture import Picture

TOP, LEFT, HIGH, WIDE = 150, 100, 208, 320  # of the photograph


def page(height=420, width=530, channels=3):
    """Lines of text around a photograph."""
    sheet = Image.new("RGB", (width, height), (251, 250, 245))
    for line in range(0, height, 20):
        ImageDraw.Draw(sheet).text((8, 4 + line), "Codecs of pages and windows, " * 4, (30, 30, 60))
    pixels = np.array(sheet)
    pixels[TOP : TOP + HIGH, LEFT : LEFT + WIDE] = photograph(HIGH, WIDE, 5)
    return pixels if channels == 3 else pixels[..., 1:2].copy()


@pytest.fixture(scope="module", params=[1, 3], ids=["gray", "colour"])
def coded(request, coder):
    """A page, its file, and its decoded samples."""
    pixels = page(channels=request.param)
    file = coder.encode(pixels)
    return pixels, file, coder.decode_picture(file).pixels


def test_both_parts_are_served_in_fewer_bytes(coded, coder):
    pixels, file, decoded = coded
    assert codec.info(file)["sections"].keys() == {"drawn"} and decoded.shape == pixels.shape
    assert len(file) < 0.7 * min(len(coder.encode(pixels, lossless=how)) for how in (True, False))
    same = (decoded == pixels).all(2)
    assert (
        same[: TOP - 32].all()
        and same[TOP + HIGH + 32 :].all()
        and same[:, : LEFT - 32].mean() > 0.98
        and same[:, LEFT + WIDE + 32 :].mean() > 0.98
    )
    alone = coder.decode_picture(
        coder.encode(photograph(HIGH, WIDE, 5)[..., -pixels.shape[2] :], lossless=False)
    ).pixels
    part = slice(TOP, TOP + HIGH), slice(LEFT, LEFT + WIDE)
    assert psnr(decoded[part], pixels[part]) > psnr(alone, photograph(HIGH, WIDE, 5)[..., -pixels.shape[2] :]) - 0.5


def test_every_reader_sees_it(coded, coder):
    pixels, file, decoded = coded
    coder.verify(file)
    assert np.array_equal(coder.decode_picture(file, crop=(70, 130, 333, 111)).pixels, decoded[130:241, 70:403])
    small = Image.fromarray(decoded.squeeze()).reduce(4)
    assert np.abs(np.asarray(coder.decode(file, scale=1 / 4), int) - np.asarray(small)).max() <= 1
    assert np.array_equal(np.asarray(coder.decode_batch([file] * 2)[1]), decoded.squeeze())


def test_alpha_metadata_and_targets_come_along(coder):
    alpha = np.full((420, 530), 255, np.uint8)
    alpha[:30] = 7
    picture = Picture(page(), alpha, icc=bytes(200), xmp=b"<x/>")
    file = coder.encode(picture, target_size=30_000)
    back = coder.decode_picture(file)
    assert (
        codec.info(file)["sections"].keys() == {"alpha", "icc", "xmp", "drawn"} and 0.95 * 30_000 < len(file) <= 30_000
    )
    assert np.array_equal(back.alpha, alpha) and (back.icc, back.xmp) == (picture.icc, picture.xmp)
    assert np.array_equal(back.pixels[:100], picture.pixels[:100])


def test_tiles_and_batches_make_the_same(coder):
    """Over several tiles; and in a batch."""
    wide = np.concatenate([page(), page(), page()], 1)
    files = coder.encode_batch([wide, page(), page(400, 500)])
    assert files == [coder.encode(picture) for picture in (wide, page(), page(400, 500))]
    assert codec.info(files[0])["tiles"] == 2 and np.array_equal(
        coder.decode_picture(files[0]).pixels[:112], wide[:112]
    )


@pytest.mark.parametrize("quality", [1, 60, 100])
def test_photographs_have_no_drawn_parts(quality, coder):
    """Nor have they where a part is overexposed, nor pages without a photograph."""
    white = photograph(300, 400, 2).copy()
    white[:90] = 255
    for picture in (photograph(300, 400, 1), white):
        assert codec.info(coder.encode(picture, quality))["sections"] == {}
    assert codec.info(coder.encode(page()[:TOP], quality))["lossless"]


def test_features_are_those_of_the_whole_page(on_torch):
    """Not of what the latents hold in place of the text."""
    pixels = page()
    near, far = (
        np.linalg.norm(features.embed(on_torch, on_torch.encode(pixels)) - features.embed(on_torch, picture))
        for picture in (pixels, drawn.split(pixels)[1])
    )
    assert near < features.DUPLICATE / 4 < far


def test_what_is_asked_for_is_obeyed(coder):
    for asked in (True, False):
        assert codec.info(coder.encode(page(), lossless=asked))["sections"] == {}
    assert codec.info(coder.encode(page().astype(np.uint16) * 257))["sections"] == {}


def test_files_grow_and_get_better_with_the_quality(coder):
    pixels = page()
    files = [coder.encode(pixels, quality) for quality in range(2, 101, 14)]
    seen = [psnr(coder.decode_picture(file).pixels, pixels) for file in files]
    assert sorted(seen) == seen and sorted(map(len, files)) == list(map(len, files))


def test_large_pictures_are_left_whole(coder, monkeypatch):
    for module in (container, layout):
        monkeypatch.setattr(module, "MOST_DRAWN", 420 * 530 - 1)
    assert codec.info(coder.encode(page()))["sections"] == {}


def test_blocks():
    pixels = page()
    mask = drawn.find(pixels)
    assert (
        mask.shape == (27, 34)
        and not mask[10:22, 7:26].any()
        and mask[:8].all()
        and mask[24:].all()
        and mask[:, :5].mean() > 0.95
    )
    section, rest = drawn.split(pixels)
    samples = drawn.decode(section, 420, 530)
    kept = samples[..., 3] > 0
    assert np.array_equal(kept, mask.repeat(16, 0).repeat(16, 1)[:420, :530])
    assert np.array_equal(rest[~kept], pixels[~kept]) and np.array_equal(samples[kept][:, :3], pixels[kept])
    assert np.abs(np.diff(rest[:100].astype(int), axis=0)).max() < 12  # a surface without text
    drawn.paste(rest, samples)
    assert np.array_equal(rest, pixels)


@pytest.mark.parametrize("shape", [(1, 1, 3), (16, 16, 1), (17, 40, 3), (33, 15, 3)])
def test_small_pictures_and_plain_ones(shape):
    assert not drawn.find(np.full(shape, 9, np.uint8)).any() and drawn.find(
        np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    ).shape == (-(-shape[0] // 16), -(-shape[1] // 16))
    assert drawn.split(np.full(shape, 9, np.uint8)) == (None, None) and lossless.plain(np.full(shape, 9, np.uint8)) in (
        0,
        1,
    )


def test_damage(coded, coder):
    _, file, decoded = coded
    aec = container.unpack(file)
    broken = file[:-20] + bytes(20)
    with pytest.raises(Corrupt, match="section drawn"):
        coder.decode(broken)
    damage = Damage()
    found = coder.decode_picture(broken, damage=damage).pixels
    assert set(damage.sections) == {"drawn"} and list(damage.sentences()) == [
        "the drawn section is damaged and left out: text and lines are missing"
    ]
    kept = drawn.decode(aec.sections["drawn"], *decoded.shape[:2])[..., 3] > 0
    assert np.array_equal(found[~kept], decoded[~kept]) and not np.array_equal(found[kept], decoded[kept])
    for hostile in (
        b"x",
        aec.sections["drawn"][:-30],
        lossless.encode(decoded),
        lossless.webp(np.full((*decoded.shape[:2], 4), 100, np.uint8)),
        lossless.webp(np.zeros((9, 9, 4), np.uint8)),
    ):
        for read in coder.decode, coder.verify:
            with pytest.raises(Corrupt):
                read(container.pack(dataclasses.replace(aec, sections={"drawn": hostile})))
        damage = Damage()
        assert (
            np.array_equal(
                coder.decode_picture(
                    container.pack(dataclasses.replace(aec, sections={"drawn": hostile})), damage=damage
                ).pixels,
                found,
            )
            and damage.sections
        )
