"""The path from a picture to the bytes of an .aec file and back: a Codec, whose `encode` reads top to bottom
(`encoding`) and `decode` bottom to top (`decoding`).
"""

from .. import engine
from ..model.weights import name_of
from .decoding import Decoding
from .encoding import Encoding


class Codec(Encoding, Decoding):
    """Encoder and decoder with a loaded model; may be shared by threads, used on after a fork, and pickled, as its
    model's name or path.

    Args: model: name of an installed model or path of a weight file, for encoding (a file names the model it needs);
    device: auto, cpu, cuda[:n]; threads: of torch, process-wide, None to leave them alone.
    """

    def __init__(self, model="default", device="auto", threads=None):
        self._own(engine.opened(model, device, threads))

    @classmethod
    def over(cls, engine):
        """The codec of an Engine that is there already."""
        codec = cls.__new__(cls)
        codec._own(engine)
        return codec

    def __reduce__(self):
        return type(self).over, (self.engine,)

    def _own(self, engine):
        self.engine, self._others = engine, {}

    @property
    def model(self):
        """What files are encoded with: `id`, `config`."""
        return self.engine.model

    @property
    def device(self):
        return self.engine.device

    def _work(self, bucket, items):
        """What `buckets` needs: a bucket begins with the method that does its work; items come with their qualities."""
        (method, *key), (items, qualities) = bucket, zip(*items)
        return method(self, items, qualities, *key)

    def _for(self, header):
        """The engine whose model the file was made with: the own one, or that of another installed one."""
        if header.lossless or header.model == self.model.id:
            return self.engine
        if header.model not in self._others:
            self._others[header.model] = self.engine.sibling(name_of(header.model))
        return self._others[header.model]
