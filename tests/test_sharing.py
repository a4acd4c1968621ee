"""Sharing and scarcity: threads and processes, leaks, every size, and memory that runs out."""

import sys
import warnings

import numpy as np
import pytest
import torch
from conftest import photograph

import codec
import codec.pillow
from codec.bitstream import container
from codec.coding import tiles
from codec.engine.native.engine import NativeEngine
from codec.engine.torch.engine import TorchEngine
from codec.engine.torch.model import Model
from codec.model.config import STRIDE
from codec.model.weights import path_of
from codec.pipeline import encoder
from tests.campaigns import leaks, sharing, sizes

# The campaigns in short; in full their figures are in tests/campaigns/log.jsonl


def test_threads_and_processes_give_what_one_gives():
    before = sys.getswitchinterval()
    assert sharing.run(threads=8, pictures=4, processes=1)["differences"] == 0
    assert sys.getswitchinterval() == before


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_and_descriptors_stay(monkeypatch):
    try:
        assert leaks.run(rounds=15)["growth_percent"] < 3  # so few rounds see the allocator breathe; 1,000 stay below 1
    finally:
        codec.pillow.register()


def test_any_size():
    assert sizes.run("default", sample=16, worst=8)["failures"] == 0


# Memory that runs out


@pytest.fixture
def scarce(monkeypatch):
    """A Codec of tiles of 128 px whose networks can be made to run out of memory, and one that stands by, as the
    processor does for a GPU.
    """
    monkeypatch.setattr(container, "TILE", 128)
    monkeypatch.setattr(tiles, "LATENTS", 128 // STRIDE)
    monkeypatch.setattr(encoder, "TOGETHER", 1)
    torch.set_num_threads(1)
    model = Model(path_of("default").read_bytes())
    model.path = path_of("default")
    return codec.Codec.over(TorchEngine(model))


FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


def failing(network, monkeypatch, *calls, error=FULL):
    """Makes the network raise at those of its calls, counted from 0; returns the list that grows with every call."""
    method, seen = ("walk" if hasattr(network, "walk") else "forward"), []
    real = getattr(network, method)

    def scarce(*arguments, **options):
        seen.append(None)
        if len(seen) - 1 in calls:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(network, method, scarce)
    return seen


@pytest.mark.parametrize(
    "name, encoding",
    [("analysis", True), ("hyper_analysis", True), ("prior", True), ("prior", False), ("synthesis", False)],
)
@pytest.mark.parametrize("calls", [(0,), (1,), (0, 1, 2, 3)])
def test_the_processor_goes_on_where_a_device_has_too_little_memory(name, encoding, calls, scarce, coder, monkeypatch):
    picture = photograph(140, 200)
    data = coder.encode(picture, 70)
    pixels = coder.decode_picture(data).pixels
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # there is no warning while there is memory
        assert scarce.encode(picture, 70) == data
    seen = failing(getattr(scarce.model.networks, name), monkeypatch, *calls)
    with pytest.warns(RuntimeWarning, match="not enough memory: the processor goes on") as caught:
        if encoding:
            assert scarce.encode(picture, 70) == data
        else:
            assert np.array_equal(scarce.decode_picture(data).pixels, pixels)
    assert len(seen) == 4 and len(caught) == len(calls)  # one call per tile, and none twice on the device
    if name == "prior":
        with pytest.warns(RuntimeWarning):
            failing(scarce.model.networks.prior, monkeypatch, 0)
            scarce.verify(data)


def test_several_tiles_at_once_become_one_at_a_time(scarce, coder, monkeypatch):
    """Before the processor has to help; the same tiles in another batch make the same file."""
    picture = photograph(140, 300)
    monkeypatch.setattr(encoder, "TOGETHER", 4)
    data = coder.encode(picture, 70)
    seen = failing(scarce.model.networks.analysis, monkeypatch, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = scarce.encode(picture, 70)
    assert len(seen) == 1 + 3 + 1 and again == data
    seen = failing(scarce.model.networks.analysis, monkeypatch, 0, 1, 2)
    with pytest.warns(RuntimeWarning) as caught:
        assert scarce.encode(picture, 70) == again
    assert len(caught) == 2 and len(seen) == 5


def test_other_errors_pass(scarce, monkeypatch):
    failing(scarce.model.networks.analysis, monkeypatch, 0, error=RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        scarce.encode(photograph(20, 20))


def test_no_memory_at_all_is_a_memory_error(scarce, coder, monkeypatch):
    """As torch says it on the processor, where it has no class for it."""
    data = coder.encode(photograph(40, 40))
    with pytest.raises(MemoryError):
        failing(scarce.model.networks.synthesis, monkeypatch, 0, error=_allocation_error())
        scarce.decode(data)
    monkeypatch.setattr(TorchEngine, "spare", lambda self: self)  # the processor has none left either
    failing(scarce.model.networks.prior, monkeypatch, *range(9), error=_allocation_error())
    with pytest.raises(MemoryError):
        scarce.verify(data)


def _allocation_error():
    try:
        torch.empty(1 << 46)
    except RuntimeError as error:
        return error
    pytest.skip("this system promises any memory")


def test_no_memory_is_one_sentence_on_the_command_line(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from codec.app.cli import cli

    (tmp_path / "a.aec").write_bytes(codec.compress(photograph(40, 40), device="cpu"))
    monkeypatch.setattr(NativeEngine, "read", lambda *_: (_ for _ in ()).throw(MemoryError()))
    result = CliRunner().invoke(cli, ["verify", "-d", "cpu", str(tmp_path / "a.aec")])
    assert (
        result.exit_code == 1
        and result.stderr.endswith("a.aec: there is not enough memory for it\n")
        and result.stderr.count("\n") == 1
    )
