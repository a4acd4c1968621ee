"""Engines, which run a model: `seam` says what the pipeline asks of one. `native` is a library in C, `torch` runs on
GPUs too, and does what only it can: training, effort, and what the latents know. Both give the same bits.
"""

import ctypes
import functools
import importlib.util
import os
from typing import TYPE_CHECKING

from ..errors import BadOption
from ..loading import loading

if TYPE_CHECKING:
    from .seam import Engine

ENGINES = ("auto", "native", "torch")


def opened(model: str, device: str = "auto", threads: int | None = None, engine: str = "auto") -> "Engine":
    """The engine of a model, by name or path, on a device: auto, cpu, cuda or cuda:n. threads: process-wide, None to
    leave them alone. engine: native, torch, or auto: native on a processor, if it was built, and torch on a GPU.

    Raises UnknownModel, BadWeights, BadOption, Missing.
    """
    if engine not in ENGINES:
        raise BadOption(f"{engine!r} is not an engine; choose {', '.join(ENGINES)}")
    if engine == "native" and device not in ("auto", "cpu"):
        raise BadOption(f"the native engine runs on the processor, not on {device!r}")
    if engine == "native" or engine == "auto" and is_native(device):
        with loading():
            from .native.engine import NativeEngine

        native: Engine = NativeEngine.opened(model, threads)
        return native
    with loading(of_torch=True):
        from .torch.engine import TorchEngine

    other: Engine = TorchEngine.opened(model, device, threads)
    return other


def is_native(device: str) -> bool:
    """Whether the native engine is there, and nothing speaks for a GPU."""
    from .native import library

    if library.path() is None and importlib.util.find_spec("torch"):
        return False
    return device == "cpu" or device == "auto" and not (importlib.util.find_spec("torch") and _has_gpu(os.getpid()))


@functools.cache
def _has_gpu(_process: int) -> bool:
    """Whether NVIDIA's driver finds a GPU: asked of the driver, as torch takes a second to be asked."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        count = ctypes.c_int()
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except (OSError, AttributeError):
        return False
