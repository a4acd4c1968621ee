"""The path from a picture to the bytes of an .aec file and back: a Codec, whose `encode` reads top to bottom
(`encoding`) and `decode` bottom to top (`decoding`).
"""

import torch

from ..engine.torch.device import device_of
from ..engine.torch.model import load
from ..model.weights import name_of
from .decoding import Decoding
from .encoding import Encoding


class Codec(Encoding, Decoding):
    """Encoder and decoder with a loaded model; may be shared by threads.

    Args: model: name of an installed model or path of a weight file, for encoding (a file names the model it needs);
    device: auto, cpu, cuda[:n]; threads: of torch, process-wide, None to leave them alone.
    """

    def __init__(self, model="default", device="auto", threads=None):
        if threads:
            torch.set_num_threads(threads)
        self.device = device_of(device)
        self.model = load(model, self.device)

    def _work(self, bucket, items):
        """What `buckets` needs: a bucket begins with the method that does its work; items come with their qualities."""
        (method, *key), (items, qualities) = bucket, zip(*items)
        return method(self, items, qualities if len(set(qualities)) > 1 else qualities[0], *key)

    def _for(self, header):
        """The codec whose model the file was made with: this one, or another installed one."""
        if header.lossless or header.model == self.model.id:
            return self
        return self._with(load(name_of(header.model), self.device))

    def on(self, device):
        """The codec of the same model on another device."""
        return self._with(load(self.model.path, device))

    def _with(self, model):
        other = object.__new__(Codec)
        other.device, other.model = model.device, model
        return other
