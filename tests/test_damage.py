"""Damage is always an error, never a picture: parts of the campaigns of tests.fuzz.damage, which runs them in full."""

from unittest.mock import patch

import pytest

import codec
from codec.bitstream import container
from codec.errors import Corrupt
from tests.fuzz import damage, hostile, tiny


@pytest.fixture(scope="module")
def coder():
    return codec.Codec(str(tiny.PATH), device="cpu", threads=1)


@pytest.fixture(scope="module")
def known(coder):
    return damage.known_files(coder)


def test_every_byte(coder, known):
    assert damage.every_byte(coder.decode_picture, known[0], values=5)["tried"] == 5 * len(known[0])


def test_bits_of_a_large_file(coder):
    file = damage.file_of_100_kb(coder)
    damage.every_bit(damage.unpacked_first(coder), file, stride=401)
    damage.every_length(damage.unpacked_first(coder), file, stride=401)


def test_every_length(coder, known):
    for file in known:
        damage.every_length(coder.decode_picture, file)


def test_splices(coder, known):
    assert damage.splices(coder.decode_picture, known, 1000)["tried"] == 1000


def test_bursts(coder, known):
    assert damage.bursts(coder.decode_picture, known, 3000)["tried"] == 3000


def test_mismatches(on_torch):
    figures = damage.mismatches(on_torch, 60)
    assert figures["tried"] == 60 and figures["same"] == 0


def test_bombs(coder):
    """Small files that claim much are refused in less than 50 ms of the processor and 50 MB; large ones in proportion
    to their size.
    """
    for name, figures in damage.refuse_bombs(coder.decode_picture).items():
        assert figures["ms"] < 50 + figures["bytes"] / 1000 and figures["MB"] < 50 + figures["bytes"] / 1e5, (
            name,
            figures,
        )


def test_a_tile_of_few_bytes_never_reaches_the_networks():
    """With the default model too: half a million symbols in 8 bytes."""
    default = codec.Codec(device="cpu", threads=1, engine="torch")
    file = hostile.build((default.model.id, 0, 1024, 1024, 5000), None, [(bytes([0, 0, 0, 128, 0, 0, 0, 0]), 0)], [])
    with (
        patch.object(default.model.networks.prior, "walk", side_effect=AssertionError),
        pytest.raises(Corrupt, match="end before"),
    ):
        default.decode_picture(file)


def test_the_campaigns_can_fail(coder, known):
    with pytest.raises(damage.Silent):
        damage.every_byte(lambda data: data[7:8] == b"x" and coder.decode_picture(data), known[0], values=1)
    with pytest.raises(damage.Silent):
        damage.bursts(container.read_header, known, 50)
