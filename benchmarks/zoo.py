"""Architectures of the CompressAI model zoo as codecs (see `codecs`).

With weights where torch's cache holds them, otherwise untrained: such a network does the same arithmetic, so that its
times count (those of its entropy coder excepted: it codes other symbols), while its pictures and sizes mean nothing. No
weights are downloaded. mbt2018 and cheng2020 decode one position after the other: ten seconds and more per Kodak
picture.
"""

import importlib.metadata
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from .codecs import Unavailable

STRIDE = 64  # of latent and hyper-latent: pictures are padded to its multiples
# Of the published 1..8, 36.7 to 36.9 dB on Kodak: the others are timed near 36 dB, which those of 128 and 192 channels
# do not reach; these have 192 and 320.
UNTRAINED_QUALITY = 6


class Zoo:
    """One architecture. The file is a minimal container: sizes and lengths, then the strings of the entropy coder."""

    whole = True

    def __init__(self, name, device="cpu", threads=1):
        try:
            import torch

            with warnings.catch_warnings(action="ignore"):  # on torch.jit, from its own modules
                from compressai import zoo
        except ImportError as error:
            raise Unavailable(f"{name} needs compressai: {error}") from None
        torch.set_num_threads(threads)
        self._torch, self._zoo, self.name, self.device, self.threads, self.options = (
            torch,
            zoo,
            name,
            device,
            threads,
            {},
        )
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        self.qualities = tuple(
            q for q, url in zoo.image.model_urls[name]["mse"].items() if (folder / url.rsplit("/", 1)[1]).is_file()
        )
        self.trained = len(self.qualities) > 1
        if not self.trained:
            self.qualities = (UNTRAINED_QUALITY,)
        self.low, self.high = self.qualities[0], self.qualities[-1]
        self.label = name if self.trained else f"{name} (untrained)"
        weights = (
            f"mse weights {self.low}..{self.high}"
            if self.trained
            else f"untrained network of quality {self.low}, speed only"
        )
        self.settings = f"CompressAI {name}, {weights}, {device}"
        self._models = {}

    @property
    def versions(self):
        return {name: importlib.metadata.version(name) for name in ("compressai", "torch")}

    def encode(self, image, quality):
        torch = self._torch
        x = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].to(self.device).float() / 255
        right, low = -image.width % STRIDE, -image.height % STRIDE
        with torch.inference_mode():
            out = self._model(quality).compress(torch.nn.functional.pad(x, (0, right, 0, low), mode="replicate"))
        strings = [group[0] for group in out["strings"]]
        head = struct.pack(f"<BHH{len(strings)}I", quality, image.width, image.height, *map(len, strings))
        return head + struct.pack("<HH", *out["shape"]) + b"".join(strings)

    def decode(self, data):
        count = 1 if self.name == "bmshj2018-factorized" else 2
        head = struct.Struct(f"<BHH{count}IHH")
        quality, width, height, *rest = head.unpack_from(data)
        strings, position = [], head.size
        for length in rest[:count]:
            strings.append([data[position : position + length]])
            position += length
        with self._torch.inference_mode():
            x = self._model(quality).decompress(strings, tuple(rest[count:]))["x_hat"][0, :, :height, :width]
            return Image.fromarray((x.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy())

    def cold(self, direction, quality, source, target):
        """Arguments of a process that encodes the PNG `source`, or decodes `source` to the PPM `target`."""
        if direction == "encode":
            work = f"Path({str(target)!r}).write_bytes(codec.encode(data.load({str(source)!r}), {quality}))"
        else:
            work = f"codec.decode(Path({str(source)!r}).read_bytes()).save({str(target)!r}, 'PPM')"
        lines = [
            "from pathlib import Path",
            "from benchmarks import data, zoo",
            f"codec = zoo.Zoo({self.name!r}, {self.device!r}, {self.threads})",
            work,
        ]
        return [sys.executable, "-c", "; ".join(lines)]

    def _model(self, quality):
        if quality not in self._models:
            if not self.trained:
                self._torch.manual_seed(0)
            model = self._zoo.image_models[self.name](quality, metric="mse", pretrained=self.trained, progress=False)
            model.update()
            self._models[quality] = model.eval().to(self.device)
        return self._models[quality]
