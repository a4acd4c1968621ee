"""Where the networks run: which devices there are, what they can do, and the state torch must be in while they run."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from ...errors import BadOption
from ...stages import stage
from .forking import inside, is_forked

CPU = torch.device("cpu")


def moved(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on that device, where it mostly is already."""
    if x.device.type == device.type and device.index in (None, x.device.index, x.device.index or 0):
        return x
    with stage("transfer"):
        return x.to(device)


FORKED = "a GPU cannot be used in a forked process: start processes by spawn or forkserver"


def device_of(name: str) -> torch.device:
    """torch.device of "auto", "cpu", "cuda" or "cuda:n". Raises BadOption."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() and not is_forked() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise BadOption(f"{name!r} is not a device; choose auto, cpu, cuda or cuda:n") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BadOption(f"there is no device {name}; {torch.cuda.device_count()} CUDA devices were found")
    if device.type == "cuda" and is_forked():
        raise BadOption(FORKED)
    if device.type not in ("cpu", "cuda"):
        raise BadOption(f"device {name!r} is not supported; choose auto, cpu, cuda or cuda:n")
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively.

    The analysis uses it: files differ by a hair, what they decode to does not depend on it. The synthesis does only
    where `fast` is asked for.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())


@contextmanager
def inference(networks: torch.nn.Module) -> Iterator[None]:
    """No gradients, and no autocast that a caller may have switched on: the prior must stay exact.

    Raises BadOption where a GPU is out of reach, in a forked process.
    """
    device = next(networks.parameters()).device.type
    if device == "cuda" and is_forked():
        raise BadOption(FORKED)
    with (
        inside(),
        torch.inference_mode(),
        torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext(),
    ):
        yield
