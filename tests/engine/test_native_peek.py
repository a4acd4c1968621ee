"""A tile by the first bytes of its payload, in the native engine: the latents that follow from the symbols that are
there, the same from every instruction set, and a picture that gets better with every byte.
"""

import functools

import numpy as np
import pytest
from conftest import photograph, psnr
from test_native import QUALITIES, SIZES, model, reference, samples

from codec.engine.native import library
from codec.engine.native.model import Model, load
from codec.errors import BadOption, Corrupt
from tests.native import models

pytestmark = pytest.mark.skipif(library.path() is None, reason="installed without a C compiler")
__all__ = ["model"]


@functools.cache
def coded(size, quality):
    """Payload of a tile of noise."""
    own = Model(models.noise())
    return own.write(own.analyse(samples(np.random.default_rng(size), *size, 3, 8), quality), quality).payload


@functools.cache
def known(size, quality, count):
    return reference().peek(coded(size, quality), count, *size, quality)


@pytest.mark.parametrize("size, quality", list(zip(SIZES, [*QUALITIES, 6000])))
def test_every_length_gives_what_follows_from_its_symbols(model, size, quality):
    payload, last, counts = coded(size, quality), (0, 0), set()
    for length in range(len(payload) + 1):
        latents, reached, count = model.peek(payload[:length], *size, quality)
        assert (count, reached) >= last and (reached == 5) == (length == len(payload))
        assert length % 4 == 0 or (count, reached) == last  # the state takes words of four bytes
        if count not in counts and len(counts) < 40 or length == len(payload):
            assert (latents.transpose(2, 0, 1) == known(size, quality, count)).all()
        counts.add(count)
        last = count, reached
    assert len(counts) > 3 and 0 in counts


def test_a_photograph_gets_better():
    own, pixels = load("psnr"), photograph(240, 320)
    for quality, least in (100, 10), (6000, 17), (10000, 20):
        payload = own.write(own.analyse(pixels, quality), quality).payload
        found = [psnr(pixels, rendered(own, payload, share, quality)) for share in (0, 0.25, 0.5, 0.75, 0.9, 1)]
        assert found == sorted(found) and found[1] > least, found


def rendered(own, payload, share, quality):
    latents, reached, _ = own.peek(payload[: int(share * len(payload))], 15, 20, quality)
    assert share < 0.25 or reached > 0  # a quarter of the bytes holds a picture
    return own.render(latents, quality, 3, 8)


def test_damage_that_shows():
    own, payload = Model(models.noise()), coded((9, 13), 3333)
    with pytest.raises(Corrupt, match="impossible state"):
        own.peek(bytes(8) + payload[8:], 9, 13, 3333)
    with pytest.raises(Corrupt, match="do not end after"):
        own.peek(payload + bytes(4), 9, 13, 3333)
    for sizes in (0, 13, 3333), (9, 5000, 3333), (9, 13, 99):
        with pytest.raises(BadOption):
            own.peek(payload, *sizes)
