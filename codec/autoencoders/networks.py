"""The one network of all kinds: an encoder, a latent and a decoder, of dense or of convolutional layers.
`loop` trains it.

Tensors are rows [N, F] on both sides; pictures are rows of H * W * C values in that order.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

LOG_VARIANCE = (-12.0, 6.0)  # bounds of the variational latent's log-variance: exp stays finite, gradients too


class Code(NamedTuple):
    """What the encoder says of each row: the latent [N, D], and for the variational kind the log-variance [N, D] around
    it.
    """

    mean: torch.Tensor
    log_variance: torch.Tensor | None = None

    @property
    def variance(self) -> torch.Tensor:
        """Of the variational kind."""
        assert self.log_variance is not None
        return self.log_variance.exp()


class Planes(nn.Module):
    """Rows [N, H * W * C] to planes [N, C, H, W], or back."""

    def __init__(self, shape: tuple[int, int, int], back: bool = False):
        super().__init__()
        self.shape, self.back = shape, back

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).flatten(1) if self.back else x.unflatten(1, self.shape).permute(0, 3, 1, 2)


def dense(sizes: tuple[int, ...]) -> list[nn.Module]:
    """Linear layers from sizes[0] to sizes[-1] with SiLU between them (smooth: the contractive kind differentiates
    twice).
    """
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.SiLU()]
    return layers[:-1]


def convolutional(
    shape: tuple[int, int, int], channels: tuple[int, ...], inputs: int, outputs: int
) -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder and decoder for pictures of `shape` (H, W, C): each of `channels` halves the sides, a linear layer stands
    at the latent.

    Upsampling and then convolving, not a transposed convolution: no checkerboard, and any size comes back exactly.
    """
    sizes = [shape[:2]]
    for _ in channels:
        height, width = sizes[-1]
        sizes.append((math.ceil(height / 2), math.ceil(width / 2)))
    widths = (shape[2], *channels)
    deepest = (widths[-1], *sizes[-1])
    down: list[nn.Module] = [Planes(shape)]
    for before, after in zip(widths, widths[1:]):
        down += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.SiLU()]
    up: list[nn.Module] = [nn.Linear(inputs, math.prod(deepest)), nn.Unflatten(1, deepest)]
    for size, before, after in zip(sizes[-2::-1], widths[:0:-1], widths[-2::-1]):
        up += [nn.SiLU(), nn.Upsample(size=size), nn.Conv2d(before, after, 3, padding=1)]
    return nn.Sequential(*down, nn.Flatten(), nn.Linear(math.prod(deepest), outputs)), nn.Sequential(
        *up, Planes(shape, back=True)
    )


class Network(nn.Module):
    """`latent` is "identity", "relu", "sigmoid" or "gaussian" (mean and log-variance).

    `shape` (H, W, C) makes it convolutional with `widths` channels; otherwise `widths` are those of dense layers,
    mirrored in the decoder, () for one linear layer each way. `shortcut`: one linear map around the encoder and one
    around the decoder, which training starts as PCA.
    """

    def __init__(
        self,
        features: int,
        latent_dim: int,
        widths: tuple[int, ...],
        latent: str,
        shape: tuple[int, int, int] | None = None,
        shortcut: bool = False,
    ):
        super().__init__()
        self.latent = latent
        outputs = latent_dim * (2 if latent == "gaussian" else 1)
        if shape:
            self.encoder, self.decoder = convolutional(shape, widths, latent_dim, outputs)
        else:
            self.encoder = nn.Sequential(*dense((features, *widths, outputs)))
            self.decoder = nn.Sequential(*dense((latent_dim, *widths[::-1], features)))
        self.into = nn.Linear(features, outputs) if shortcut else None
        self.out = nn.Linear(latent_dim, features) if shortcut else None

    def encode(self, x: torch.Tensor) -> Code:
        z = self.encoder(x) if self.into is None else self.encoder(x) + self.into(x)
        if self.latent == "gaussian":
            mean, log_variance = z.chunk(2, dim=1)
            return Code(mean, log_variance.clamp(*LOG_VARIANCE))
        return Code({"identity": nn.Identity(), "relu": nn.ReLU(), "sigmoid": nn.Sigmoid()}[self.latent](z))

    def draw(self, code: Code, generator: torch.Generator | None) -> torch.Tensor:
        """A latent [N, D] to decode in training: the reparameterisation mean + sigma * noise (Kingma and Welling 2013),
        or the latent itself.
        """
        if code.log_variance is None:
            return code.mean
        noise = torch.randn(code.mean.shape, generator=generator, device=code.mean.device, dtype=code.mean.dtype)
        return code.mean + (code.log_variance / 2).exp() * noise

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Rows [N, F]; logits where the loss is binary cross-entropy."""
        return self.decoder(z) if self.out is None else self.decoder(z) + self.out(z)
