"""Training the denoising encoder: corrupted pictures in, clean ones as the target, through the prior and synthesis of a
shipped model.

    aecodec train --denoise --data DIR_OR_TAR ... --out RUN --minutes 75      # writes RUN/denoise.safetensors
Put in place of codec/latents/denoise.safetensors it is what `aecodec denoise` uses; a model that is trained again needs
it made again.
"""

import hashlib
import json

import torch
from safetensors.torch import save

from ..files.output import atomic
from ..latents.denoise import FORMAT, DenoisingAnalysis
from ..model.weights import ID_BYTES, path_of
from .model import Trainable
from .thaw import thaw

SIGMA = 60  # strongest noise, in 8-bit levels
# The balance of `Objective`: what noise hides is lost at every quality, so that the loss grows faster with lambda than
# for clean pictures.
BALANCE = 0.75
ENCODER = ("analysis", "hyper_analysis")


def corrupt(x: torch.Tensor) -> torch.Tensor:
    """Pictures [N,3,H,W] in [0,1] as a bad camera would store them in 8 bits: Gaussian noise of unknown strength, in a
    quarter dead (zero) pixels, in another quarter masked (zero) patches of 4 to 24 px. A third gets no noise."""
    n, _, h, w = x.shape
    uniform = lambda *shape: torch.rand(shape, device=x.device)
    sigma = SIGMA / 255 * uniform(n, 1, 1, 1) * (uniform(n, 1, 1, 1) > 1 / 3)
    noisy = torch.round((x + sigma * torch.randn_like(x)).clamp(0, 1) * 255) / 255
    kind = uniform(n, 1, 1, 1)
    dead = (kind < 0.25) & (uniform(n, 1, h, w) < 0.3 * uniform(n, 1, 1, 1))
    rows, columns = torch.arange(h, device=x.device)[:, None], torch.arange(w, device=x.device)
    top, left, high, wide = (
        uniform(n, 6, 1, 1) * h,
        uniform(n, 6, 1, 1) * w,
        4 + 20 * uniform(n, 6, 1, 1),
        4 + 20 * uniform(n, 6, 1, 1),
    )
    patches = ((rows >= top) & (rows < top + high) & (columns >= left) & (columns < left + wide)).any(1, keepdim=True)
    return noisy.masked_fill(dead | (kind > 0.75) & patches, 0).to(memory_format=torch.channels_last)


def thaw_encoder(weights: str) -> Trainable:
    """Trainable model of a weight file (default: the model psnr) in which only the encoder learns.

    Raises UnknownModel, BadWeights.
    """
    model = thaw(path_of(weights or "psnr").read_bytes()).requires_grad_(False)
    analysis = DenoisingAnalysis(model.config)
    analysis.load_state_dict(model.analysis.state_dict(), strict=False)
    model.analysis = analysis
    for name in ENCODER:
        getattr(model, name).requires_grad_(True)
    return model


def export(model: Trainable, average: dict[str, torch.Tensor], output: str, of: str) -> None:
    """Writes the averaged encoder in fp16 as an encoder file of the weight file `of` (default: the model psnr)."""
    names = [name for name in average if name.split(".")[0] in ENCODER]
    metadata = {
        "format": FORMAT,
        "config": json.dumps(model.config.to_dict()),
        "model": hashlib.sha256(path_of(of or "psnr").read_bytes()).hexdigest()[: 2 * ID_BYTES],
    }
    tensors = {name: average[name].detach().half().cpu().contiguous() for name in names}
    with atomic(output, overwrite=True) as file:
        file.write(save(tensors, metadata))
