"""The campaign of equality in short: instruction sets and threads on pictures of odd sizes; torch and WebAssembly too
with AECODEC_SLOW=1.
"""

import os

import pytest

from codec.engine.native import library
from tests.campaigns import equality

pytestmark = pytest.mark.skipif(library.path() is None, reason="the native engine is not built")


def test_files_and_pixels_are_the_same_everywhere():
    everywhere = os.environ.get("AECODEC_SLOW") == "1"
    only = None if everywhere else [name for name in equality.settings() if name not in ("plain", "torch")]
    figures, wrong = equality.run(None, 6, (1, 3), only=only)
    assert not wrong and sum(figures["compared"].values()) >= 6 * 2 * (len(only) if only else 4)


def test_what_differs_is_found(monkeypatch):
    sums = equality.encoded

    def other(coder, samples, quality):
        data, (file, pixels) = sums(coder, samples, quality)
        return data, [file, pixels[::-1]]

    monkeypatch.setattr(equality, "encoded", other)
    _, wrong = equality.run(None, 1, (1,), only=["plain"])
    assert wrong == [("plain", "odd 0 on 1")]
