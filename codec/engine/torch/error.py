"""What errors of samples are worth to the refinement of latents, in bits, by the objective that a model was trained
for.

A model trained for squared error is refined for it. Refined for that, one trained for the eye gets worse for the eye:
it is refined for a local quadratic form of what the eye sees, with a weight per sample from the original alone. Luma
counts more than colour, and an error in flat areas more than in busy ones, which hide it (as SSIM's variance does, less
steeply: its own steepness makes Newton steps diverge, since neighbouring samples then differ by a thousand).
"""

import torch
import torch.nn.functional as F

from ...model.config import STRIDE

YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
# Weight of a channel of colour. On four photographs held out from training (512 x 512 pixels, qualities 2 to 88) three
# passes save 3.5, 3.7 and 3.6 % of the bytes with 0.25, 0.5 and 0.8, mean of the measures kept out of training.
CHROMA = 0.5
# Weights are the local variance of luma to minus this. With a CHROMA of 0.25 three passes save 3.0 % without weights,
# 3.5 % with 0.25 and 3.1 % with 0.5.
STEEPNESS = 0.25
CALM = 25.0  # squared levels of 8 bits added to the variance
USUAL = 200.0  # variance where the weight is 1: it cancels in Newton steps, whose curvature has the same weights
RADIUS, SIGMA = 5, 1.5  # pixels of the window in which it is taken


class SquaredError:
    """Of one tile's samples: picture [1,C,H,W] in [-0.5,0.5]."""

    def __init__(self, picture: torch.Tensor):
        self.picture = picture

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Squared error of x [1,3,H,W] in squared levels of 8 bits, summed over pixels and averaged over channels."""
        return _like(x, self.picture).sub(self.picture).square().sum() * 255**2 / self.picture.shape[1]

    def at_latents(self, rows: int, columns: int) -> float | torch.Tensor:
        """What the error counts around each latent: a number, or [1,1,rows,columns]."""
        return 1.0


class VisualError(SquaredError):
    """The same with the eye's weights, which are made once."""

    def __init__(self, picture: torch.Tensor):
        super().__init__(picture)
        luma = 255 * (_planes(picture)[0] if picture.shape[1] == 3 else picture)
        mean = _blurred(luma)
        variance = (_blurred(luma * luma) - mean * mean).clamp_min(0)
        self.weights = ((USUAL + CALM) / (_blurred(variance) + CALM)) ** STEEPNESS

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        error = _like(x, self.picture).sub(self.picture)
        if error.shape[1] == 1:
            return (self.weights * error.square()).sum() * 255**2
        luma, *colour = (plane.square() for plane in _planes(error))
        return (self.weights * (luma + CHROMA * sum(colour))).sum() * 255**2

    def at_latents(self, rows: int, columns: int) -> float | torch.Tensor:
        """The weight's mean over what a latent draws, which reaches half a position into its neighbours."""
        high, wide = self.weights.shape[2:]
        weights = F.pad(self.weights, (0, -wide % STRIDE, 0, -high % STRIDE), mode="replicate")
        own = F.avg_pool2d(weights, STRIDE)
        around = F.avg_pool2d(F.pad(own, (1, 1, 1, 1), mode="replicate"), 3, 1)
        beyond = 0, columns - own.shape[3], 0, rows - own.shape[2]
        return F.pad((own + around) / 2, beyond, mode="replicate")


ERRORS = {"psnr": SquaredError, "visual": VisualError}


def _like(x: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """x [1,3,H,W] with as many channels as the picture: gray is the mean of three."""
    return x.mean(1, keepdim=True) if picture.shape[1] == 1 else x


def _planes(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Y, Cb and Cr of [1,3,H,W]: each [1,1,H,W]."""
    return torch.split(torch.einsum("ij,njhw->nihw", x.new_tensor(YCBCR), x), 1, 1)


def _blurred(x: torch.Tensor) -> torch.Tensor:
    """x [1,1,H,W] in a Gaussian window; beyond the border its last samples go on."""
    taps = torch.exp(-0.5 * (torch.arange(-RADIUS, RADIUS + 1, device=x.device) / SIGMA) ** 2)
    taps = taps / taps.sum()
    x = F.pad(x, (RADIUS,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(x, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
