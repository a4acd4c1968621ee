"""What the device could do, and what a training step asks of it: both in the record of a run, so that its speed has a
scale.
"""

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

REPEATS = 5


def peak(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations per second of the largest matrix products, best of a few."""
    side = 8192 if device.type == "cuda" else 1536
    a = torch.randn(side, side, device=device).to(dtype)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    best = float("inf")
    for _ in range(REPEATS):
        wait()
        began = time.perf_counter()
        a @ a
        wait()
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


def operations(compute: Callable[[], torch.Tensor]) -> int:
    """Floating-point operations of `compute()`, which returns a loss, and of its gradients, which are dropped."""
    with FlopCounterMode(display=False) as counter:
        compute().backward()
    return counter.get_total_flops()
