"""Memory that runs out: what a GPU has no room for is done by the processor; used by `pipeline` around everything that
runs networks.
"""

import functools
import warnings

import torch


def spilling(method):
    """A method of Codec that the processor does again where the GPU has not enough memory: with a warning, more slowly,
    and the same symbols.

    Tensors go in and come out on the Codec's own device. Raises MemoryError where the machine's memory does not suffice
    either.
    """

    @functools.wraps(method)
    def fenced(self, *arguments):
        try:
            try:
                return method(self, *arguments)
            except torch.OutOfMemoryError:
                # The work is done again outside of the handler: the exception holds its frames, and they hold their
                # tensors.
                torch.cuda.empty_cache()
            warnings.warn(
                f"{self.device} has not enough memory: the processor goes on, more slowly", RuntimeWarning, stacklevel=2
            )
            processor = torch.device("cpu")
            with torch.inference_mode(), torch.autocast("cpu", enabled=False):
                return _moved(
                    method(self.on(processor), *(_moved(argument, processor) for argument in arguments)), self.device
                )
        except RuntimeError as error:
            # torch has no class for the processor's shortage, only this message.
            if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
                raise MemoryError(str(error)) from error
            raise

    return fenced


def _moved(value, device):
    return value.to(device) if isinstance(value, torch.Tensor) else value
