"""Quality in order: five points more never give a smaller file or a worse picture, of small files and of drawings too,
where luck would have it otherwise.
"""

import math
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from conftest import photograph, psnr
from PIL import Image, ImageDraw

import codec
from codec.bitstream.container import Aec, Header, Tile, pack, read_header, unpack
from codec.bitstream.layout import NO_MODEL
from codec.pipeline import ladder
from codec.pixels import scanner
from tests.campaigns import order


def noisy(picture, sigma, seed=0):
    return np.clip(np.rint(picture + np.random.default_rng(seed).normal(0, sigma, picture.shape)), 0, 255).astype(
        np.uint8
    )


def flat(side, colour):
    return np.full((side, side, 3), colour, np.float64)


def page(side=128):
    image = Image.new("RGB", (side, side), (226, 230, 241))
    for line in range(4):
        ImageDraw.Draw(image).text((6, 8 + 30 * line), "Codecs of pages " * 2, (20, 20, 30))
    return np.asarray(image)


SMALL = [
    photograph(24, 24, 1),
    photograph(16, 48, 3, 1),
    noisy(flat(96, (173, 238, 84)), 4),
    noisy(flat(64, (230, 193, 240)), 0.5),
    np.asarray(Image.fromarray(photograph(3, 3, 4)).resize((80, 72), Image.Resampling.BICUBIC)),
    photograph(20, 20, 5, 3, 16),
]


def falls(coder, picture, qualities, **options):
    """How many times a step of quality gives a smaller file or a worse picture, and the files."""
    files = [coder.encode(picture, quality, **options) for quality in qualities]
    seen = [(len(file), psnr(coder.decode_picture(file).pixels, picture)) for file in files]
    return sum(more < less or better < worse - 1e-9 for (less, worse), (more, better) in zip(seen, seen[1:])), files


@pytest.mark.parametrize("picture", SMALL, ids=lambda picture: "x".join(map(str, picture.shape)))
def test_small_files_are_in_order(picture, coder):
    wrong, files = falls(coder, picture.reshape(*picture.shape[:2], -1), range(5, 101, 5))
    assert wrong == 0 and codec.info(files[0])["quality"] in (1, 30)


def test_they_would_not_be_so_by_themselves(coder):
    assert (
        sum(
            falls(coder, picture.reshape(*picture.shape[:2], -1), range(5, 101, 5), lossless=False)[0]
            for picture in SMALL[2:5]
        )
        > 1
    )


@pytest.mark.parametrize("sigma", [1, 3])
def test_noisy_text_is_in_order(sigma, coder):
    wrong, files = falls(coder, noisy(page(), sigma), [20, *range(45, 101, 5)])
    assert wrong == 0
    assert codec.info(files[-1])["model"] == "00000000" and not codec.info(files[-1])["lossless"]


def test_clean_text_keeps_its_colours(coder):
    for quality in (40, 70, 100):
        assert np.array_equal(coder.decode_picture(coder.encode(page(), quality)).pixels, page())


def test_batches_choose_the_same(coder):
    assert coder.encode_batch(SMALL, 47) == [coder.encode(picture, 47) for picture in SMALL]


def file(size, width=100, height=100, **flags):
    return pack(
        Aec(Header(width, height, 5000, 3, 8, False, NO_MODEL if flags else b"abcd", **flags), [Tile(bytes(size), 0)])
    )


@pytest.mark.parametrize("other, even", [(90, True), (93, True), (96, False)])
@pytest.mark.parametrize(
    "side, flat, many",
    [(512, ladder.EVEN, ladder.MANY), (528, ladder.FLAT, ladder.MANY), (528, ladder.SPARSE, 528**2 - 1)],
)
def test_what_may_be_small(other, even, side, flat, many, monkeypatch):
    monkeypatch.setattr(ladder, "MANY", many)
    halves = noisy(np.repeat(np.float64([[20, 200, 90], [20, 200, other]]), side // 2, 0)[None].repeat(side, 0), 4)
    most = flat if even else ladder.SPARSE
    below = math.ceil(most / 8 * side**2 / 4) * 4 - 4  # bytes
    with scanner.opened(halves, 0) as scan:
        assert (
            ladder.limit(file(below, side, side), scan) == most and ladder.limit(file(below + 4, side, side), scan) == 0
        )


def test_files_of_few_bytes_are_small_and_exact_ones_are_not():
    with scanner.opened(photograph(64, 64), 0) as scan:
        limit = lambda *arguments, **flags: ladder.limit(file(*arguments, **flags), scan)
        assert limit(508, 64, 64) and not limit(512, 64, 64)
        assert limit(60, lossless=True, rounded=True) and not limit(60, lossless=True)


def test_what_is_drawn_counts():
    aec = unpack(file(200))
    with scanner.opened(photograph(100, 100), 0) as scan:
        for drawn, small in ((300, True), (312, False)):
            assert bool(ladder.limit(pack(replace(aec, sections={"drawn": bytes(drawn)})), scan)) == small


def test_depth_and_size_do_not_matter_to_evenness():
    with scanner.opened(np.full((40, 50), 77 * 257, np.uint16) + np.arange(50, dtype=np.uint16) * 20, 0) as scan:
        assert ladder.is_even(scan)
    with scanner.opened(np.full((15, 500, 3), 7, np.uint8), 0) as scan:
        assert not ladder.is_even(scan)


def tiles(data):
    return read_header(data)[1]["tiles"]


def best(first, quality, flat, weight, encode, error):
    """`ladder.best` of one picture, whose files are below a limit."""

    def measure(asked):
        for _, candidate in asked:
            candidate.error = error(candidate.file)

    again = lambda wanted: [encode(rung) for _, rung in wanted]
    with patch.object(ladder, "limit", lambda *_: flat):
        return ladder.best([None], [first], quality, weight, again, measure)[0]


def chosen(sizes, errors, weight, first=3):
    """Size of the file chosen, where those of the rungs have these sizes and errors, and that of the quality asked for
    has `first` bytes.
    """
    encode = lambda rung: file(dict(zip(ladder.RUNGS, sizes))[rung])
    return tiles(
        best(file(first), 5000, ladder.FLAT, weight, encode, lambda data: dict(zip(sizes, errors))[tiles(data)])
    )


def test_the_choice_is_the_one_of_least_cost_and_in_order():
    sizes, errors = (60, 56, 80, 120), (90.0, 40.0, 60.0, 5.0)  # the second is luckier than both its neighbours
    picks = [chosen(sizes, errors, weight) for weight in np.geomspace(0.01, 1000, 30)]
    assert picks == sorted(picks) and set(picks) == {56, 120}
    assert chosen((60, 56, 80, 5000), errors, 1000) == 56  # among the small ones
    assert chosen((5000, 600, 800, 1200), errors, 1.0) == 3


def test_files_that_are_not_so_small_are_taken_for_flat_pictures_only(monkeypatch):
    monkeypatch.setattr(ladder, "SMALL_BYTES", 20)
    errors = (4.0, 3.0, 2.0, 1.0)  # of 10,000 pixels: 50 bytes are 0.04 bits per pixel, 125 are 0.1
    assert chosen((40, 60, 120, 200), errors, 1000, first=80) == 120
    assert chosen((40, 60, 130, 200), errors, 1000, first=80) == 80
    assert chosen((40, 60, 130, 200), errors, 1000, first=45) == 40


def test_the_file_at_hand_is_not_made_again():
    at_hand = file(90)

    def encode(rung):
        assert rung != 6000
        return file(100)

    assert best(at_hand, 6000, ladder.FLAT, 1.0, encode, lambda data: 10.0 * (data is not at_hand)) is at_hand


def test_the_campaign_finds_what_is_wrong(tmp_path, monkeypatch, capsys):
    paths = [tmp_path / f"{seed}.png" for seed in range(2)]
    for seed, path in enumerate(paths):
        Image.fromarray(photograph(90, 100, seed)).save(path)
    kinds = order.kinds(np.random.default_rng(0), 64, paths)
    assert len(kinds) == 14 and all(np.shape(make())[:2] == (64, 64) for make in kinds.values())
    monkeypatch.setattr(
        order,
        "kinds",
        lambda *arguments: {kind: make for kind, make in kinds.items() if kind == "one colour and noise"},
    )
    figures = order.run(0, [64], paths)
    assert (
        figures["pictures"] == {"one colour and noise": 1}
        and figures["steps"] >= 19
        and set(figures["wrong"].values()) == {0}
    )
    monkeypatch.setattr(ladder, "SMALL_BYTES", 0)
    monkeypatch.setattr(ladder, "SPARSE", 0)
    monkeypatch.setattr(ladder, "EVEN", 0)
    figures = order.run(0, [64], paths)
    assert sum(figures["wrong"].values()) == len(capsys.readouterr().out.splitlines()) > 0
