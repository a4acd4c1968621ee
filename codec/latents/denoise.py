"""Denoising while compressing: an encoder trained to write, of a corrupted picture, the file the clean one should have
had.

Only analysis and hyper-analysis differ from the model's: prior and synthesis are the model's own, so that the files are
ordinary .aec files for every decoder. `codec.training.denoise` makes the encoder file: a safetensors file with two
networks in fp16 and the id of the model they belong to.
"""

import json
import math
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load as load_tensors

from ..engine.torch.engine import TorchEngine
from ..engine.torch.model import checked
from ..errors import BadWeights
from ..model import basis
from ..model.config import Config
from ..model.networks import Analysis, Gain, HyperAnalysis
from ..model.weights import read_metadata, refusing
from ..pipeline.codec import Codec
from ..pixels.terms import MAX_PIXELS

FORMAT = "aecodec encoder 1"
INSTALLED = Path(__file__).with_name("denoise.safetensors")


def dct(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Orthonormal `size` x `size` DCT over luma and two chroma axes, [3 * size^2, 3, size, size], all of luma first;
    and u + v of each function.
    """
    colour, d = (torch.from_numpy(axes) for axes in (basis.colours(), basis.cosines(size)))
    k = torch.arange(size)
    return torch.einsum("kc,ui,vj->kuvcij", colour, d, d).reshape(-1, 3, size, size).float(), (k[:, None] + k).flatten()


PATCH = 25  # px: a black square of this side, or line of twice its length, is part of the picture, such as its frame
DARK = 0.08  # of white: where the surroundings are no brighter black may well be right


def fill(x: torch.Tensor) -> torch.Tensor:
    """x [N,3,H,W] in [-0.5, 0.5] with its black (zero) pixels and small black patches replaced by the mean of the
    nearest others.
    """
    dead = (x <= -0.5).all(1, keepdim=True).to(x)
    if not dead.any():
        return x
    meant = torch.stack(
        [_opening(dead, *shape) for shape in ((PATCH, PATCH), (1, 2 * PATCH + 1), (2 * PATCH + 1, 1))]
    ).amax(0)
    dead = dead * (1 - meant)
    filled, missing = x, dead > 0
    for size in (3, 5, 9, 17, 33):
        share = _pool("avg", 1 - dead, size, size)
        near = _pool("avg", x * (1 - dead), size, size) / share.clamp_min(1e-6)
        take = missing & (share >= 0.3)
        missing = missing & ~take
        filled = torch.where(take & (near.mean(1, keepdim=True) > DARK - 0.5), near, filled)
    return filled


def _pool(kind: str, x: torch.Tensor, *size: int) -> torch.Tensor:
    """Means ("avg") or maxima ("max") over `size` (odd) px around every pixel of x [N,C,H,W], in two passes; nothing is
    beyond its edge.
    """
    one = lambda x, *kernel: getattr(F, f"{kind}_pool2d")(
        x, kernel, 1, [k // 2 for k in kernel], **({"count_include_pad": False} if kind == "avg" else {})
    )
    return one(one(x, size[0], 1), 1, size[1])


def _opening(mask: torch.Tensor, *size: int) -> torch.Tensor:
    """Of a mask of zeros and ones what rectangles of `size` cover that lie in it."""
    return _pool("max", 1 - _pool("max", 1 - mask, *size), *size)


class Shrinkage(nn.Module):
    """x [N,3,H,W] -> the same with less noise: overlapping DCT blocks, each coefficient shrunk by what noise leaves of
    the energy around it.

    The noise is estimated per colour axis from the finest coefficients where they are smallest, as fine texture looks
    like noise; the energy is that of 3x3 blocks (Cai & Silverman 2001, NeighCoeff). Learned is only `strength`, per
    quality: the share of the noise's energy, exp(PACE * w).
    """

    basis: torch.Tensor
    mask: torch.Tensor
    SIZE, STRIDE = 8, 4
    CALM = 0.05  # share of the windows of 8x8 blocks that are taken to hold nothing but noise
    FLOOR = 3 / 255  # noise below it stays: in clean photographs the calmest windows show two or three levels
    PACE = 30  # w is learned at the small steps that suit the networks around it

    def __init__(self, c: Config):
        super().__init__()
        self.strength = Gain(c.anchors, 3 * self.SIZE**2, torch.full((c.anchors,), math.log(1.9) / self.PACE))
        with torch.device("cpu"):  # not in the file, and so not on the meta device
            basis, order = dct(self.SIZE)
            self.finest = torch.nonzero(order >= 1.5 * self.SIZE - 1).flatten()
            self.register_buffer("basis", basis, persistent=False)
            # The mean of luma stays as it is.
            self.register_buffer("mask", (torch.arange(len(basis)) != 0).float()[None, :, None, None], persistent=False)
        with torch.no_grad():
            # The means of chroma nearly stay: weak colours would go gray.
            self.strength.w[:, self.SIZE**2 :: self.SIZE**2] -= 1.5 / self.PACE

    def forward(self, x: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        edge = self.SIZE - self.STRIDE
        coefficients = F.conv2d(F.pad(x, (edge,) * 4, "reflect"), self.basis, stride=self.STRIDE)
        finest = coefficients.detach().unflatten(1, (3, -1))[:, :, self.finest]
        window = min(8, *finest.shape[3:])
        calm = F.avg_pool2d(finest.abs().mean(2), window, max(1, window // 2)).flatten(2).quantile(self.CALM, 2)
        # The mean magnitude is 0.798 of a Gaussian's deviation, less what choosing the calmest takes.
        variance = ((calm / 0.75).square() - self.FLOOR**2).clamp_min(0)
        if not self.training and not variance.any():
            return x
        variance = variance.repeat_interleave(self.SIZE**2, 1)[:, :, None, None]
        energy = F.avg_pool2d(coefficients.square(), 3, 1, 1, count_include_pad=False)
        lost = self.mask * (torch.exp(self.PACE * self.strength.log(q)) * variance / energy.clamp_min(1e-12)).clamp(
            max=1
        )
        overlap = (self.SIZE // self.STRIDE) ** 2
        taken = F.conv_transpose2d(coefficients * lost, self.basis, stride=self.STRIDE) / overlap
        return x - taken[:, :, edge:-edge, edge:-edge]


class DenoisingAnalysis(Analysis):
    """The analysis behind `fill` and a `Shrinkage`, so that training starts from a denoiser.

    `plain`: the analysis for what no noise was found in, if not this one: training on noise costs clean pictures up to
    1 dB.
    """

    def __init__(self, c: Config):
        super().__init__(c)
        self.shrinkage = Shrinkage(c)
        self.plain: nn.Module | None = None

    def forward(self, x: torch.Tensor, q: torch.Tensor, *options: Any, **named: Any) -> torch.Tensor:
        filled = fill(x)
        clean = self.shrinkage(filled, q)
        if self.plain is not None and clean is filled:
            return self.plain(clean, q, *options, **named)
        return super().forward(clean, q, *options, **named)


class EncoderFile:
    """A loaded encoder file: `analysis`, `hyper_analysis` and the `model` id (4 bytes) they belong to."""

    def __init__(self, data: bytes, device: str | torch.device = "cpu"):
        """`data`: the bytes of an encoder file. Raises BadWeights."""
        with refusing("the file does not hold an encoder"):
            metadata = read_metadata(data, FORMAT)
            config = Config(**json.loads(metadata["config"]))
            with torch.device("meta"):
                networks = nn.ModuleDict(
                    {"analysis": DenoisingAnalysis(config), "hyper_analysis": HyperAnalysis(config)}
                )
            networks.load_state_dict(checked(load_tensors(data), networks.state_dict()), assign=True)
            self.model = bytes.fromhex(metadata["model"])
        networks.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.analysis, self.hyper_analysis = networks["analysis"], networks["hyper_analysis"]


class Denoiser(Codec):
    """A codec with other networks to encode with, whose files are ordinary ones of pictures without their noise."""

    def encode(  # type: ignore[override] # fewer options: the others would keep noise or need other networks
        self, picture: Any, quality: float = 60.0, *, strip: str | tuple[str, ...] = (), max_pixels: int = MAX_PIXELS
    ) -> bytes:
        """As `Codec.encode`, but always as latents: samples kept as they are would keep their noise."""
        return super().encode(picture, quality, strip=strip, lossless=False, max_pixels=max_pixels)


def denoiser(
    encoder: str | Path | None = None, model: str = "psnr", device: str = "auto", threads: int | None = None
) -> Denoiser:
    """A `Denoiser`. encoder: path of an encoder file, None for the installed one.

    Raises BadWeights if it does not belong to the model, and as `Codec`.
    """
    return attach(Codec(model, device, threads, "torch"), encoder)


def attach(coder: Codec, path: str | Path | None = None) -> Denoiser:
    """A `Denoiser` of the codec with the encoder in a file instead of its own; None: the installed file, or without one
    the codec's own encoder behind `fill` and an untrained `Shrinkage`. Raises BadWeights."""
    coder = Codec.over(coder.engine.torch)  # whose networks these are
    if path is None and not INSTALLED.exists():
        return _over(coder, untrained(coder), coder.engine.torch.model.floats.hyper_analysis)
    path = Path(path or INSTALLED)
    try:
        encoder = EncoderFile(path.read_bytes(), coder.device)
    except BadWeights as error:
        raise BadWeights(f"{path.name!r}: {error}") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise BadWeights(f"the encoder file {path.name!r} cannot be read ({why})") from None
    if encoder.model != coder.model.id:
        raise BadWeights(
            f"the encoder file belongs to model {encoder.model.hex()}, not to {coder.model.id.hex()}: "
            "`aecodec train --denoise` makes one for it"
        )
    return _over(coder, encoder.analysis, encoder.hyper_analysis)


def _over(coder: Any, analysis: Any, hyper_analysis: nn.Module) -> Denoiser:
    analysis.plain = coder.model.floats.analysis
    return Denoiser.over(TorchEngine(coder.model, analysis, hyper_analysis))


def untrained(coder: Any) -> DenoisingAnalysis:
    """The `DenoisingAnalysis` that training starts from, around the layers of the codec's own analysis."""
    with torch.device("meta"):
        analysis = DenoisingAnalysis(coder.model.config)
    analysis.load_state_dict(
        Shrinkage(coder.model.config).state_dict(prefix="shrinkage.") | coder.model.floats.analysis.state_dict(),
        assign=True,
    )
    return analysis.to(coder.device).eval().requires_grad_(False)
