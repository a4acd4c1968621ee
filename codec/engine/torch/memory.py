"""Memory that runs out: what a GPU has no room for is done by the processor; around everything by which a TorchEngine
runs networks.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch


def spilling(operation: Callable[..., Any]) -> Callable[..., Any]:
    """An operation of a TorchEngine that the processor does again where the GPU has not enough memory: with a warning,
    more slowly, and the same symbols.

    What comes out lies on the engine's own device. Raises MemoryError where the machine's memory does not suffice
    either.
    """

    @functools.wraps(operation)
    def fenced(self: Any, *arguments: Any) -> Any:
        try:
            try:
                return operation(self, *arguments)
            except torch.OutOfMemoryError:
                # The work is done again outside of the handler: the exception holds its frames, and they hold their
                # tensors.
                torch.cuda.empty_cache()
            warnings.warn(
                f"{self.device} has not enough memory: the processor goes on, more slowly", RuntimeWarning, stacklevel=2
            )
            with torch.inference_mode(), torch.autocast("cpu", enabled=False):
                return _moved(operation(self.spare(), *arguments), self.device)
        except RuntimeError as error:
            # torch has no class for the processor's shortage, only this message.
            if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
                raise MemoryError(str(error)) from error
            raise

    return fenced


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, list):
        return [_moved(one, device) for one in value]
    return value.to(device) if isinstance(value, torch.Tensor) else value
