"""Engines, which run a model: `seam` says what the pipeline asks of one, `torch` is the one there is."""

from ..loading import loading
from .seam import Engine


def opened(model: str, device: str = "auto", threads: int | None = None) -> Engine:
    """The engine of a model, by name or path, on a device: auto, cpu, cuda or cuda:n. threads: process-wide, None to
    leave them alone.

    Raises UnknownModel, BadWeights, BadOption, Missing.
    """
    with loading():
        from .torch.engine import TorchEngine

    engine: Engine = TorchEngine.opened(model, device, threads)
    return engine
