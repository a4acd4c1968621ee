"""The kinds of autoencoders: each is a latent and a penalty added to the reconstruction loss, and a way of training.

No kind has code of its own: `networks` builds the latent, `loop` adds up the objective. Every term is per value of the
input, so that losses and weights do not depend on its width.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F

from ..errors import BadOption
from .networks import Code


@dataclass(frozen=True)
class Kind:
    """`latent`: see Network; `penalty(code, x, target, generator)`: a scalar; `beta`: its weight where the user names
    none.
    """

    latent: str = "identity"
    penalty: Callable | None = None
    beta: float = 0.0
    differentiates: bool = False  # the penalty needs the derivative of the code by the input
    corrupts: bool = False  # inputs are corrupted in training, targets are not
    flat: bool = False  # no hidden layer: linear both ways
    pictures: bool = False  # convolutional unless told otherwise


def divergence(code: Code, _x: Any, _target: Any, _generator: Any) -> torch.Tensor:
    """KL divergence from N(mean, variance) to N(0, 1), in nats summed over the latent (Kingma and Welling 2013,
    appendix B; weighted by beta: Higgins 2017).
    """
    mean, log_variance = code
    assert log_variance is not None  # as the latent of this kind is gaussian
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()


def absolute(code: Code, _x: Any, _target: Any, _generator: Any) -> torch.Tensor:
    """L1 norm of the activations."""
    return code.mean.abs().sum(1).mean()


def activity(code: Code, _x: Any, target: float, _generator: Any) -> torch.Tensor:
    """KL divergence of each unit's mean activation in the batch from `target`, as of Bernoulli variables, summed (Ng,
    CS294A notes on sparse autoencoders).
    """
    mean = code.mean.mean(0).clamp(1e-6, 1 - 1e-6)
    return (target * (target / mean).log() + (1 - target) * ((1 - target) / (1 - mean)).log()).sum()


def contraction(code: Code, x: torch.Tensor, _target: Any, generator: torch.Generator) -> torch.Tensor:
    """Squared Frobenius norm of d code / d x (Rifai 2011), over the variance of the code: without that, a smaller code
    and a larger decoder would do.

    Estimated by one random projection per row: E |v J|^2 = |J|^2 for v of independent unit variance (Hutchinson 1990).
    """
    z = code.mean
    v = torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)
    (gradient,) = torch.autograd.grad((z * v).sum(), x, create_graph=True)
    return gradient.square().sum(1).mean() / z.var(0, unbiased=False).sum().clamp_min(1e-12)


KINDS = {
    "undercomplete": Kind(),
    "linear": Kind(flat=True),
    "convolutional": Kind(pictures=True),
    "denoising": Kind(corrupts=True),
    "sparse": Kind(latent="relu", penalty=absolute, beta=0.2),
    "contractive": Kind(penalty=contraction, beta=10.0, differentiates=True),
    "variational": Kind(latent="gaussian", penalty=divergence, beta=1.0),
}
SPARSITIES = {"l1": KINDS["sparse"], "kl": Kind(latent="sigmoid", penalty=activity, beta=1.0)}
LOSSES = ("mse", "bce")


def kind_of(name: str, sparsity: str, beta: float | None) -> Kind:
    """Raises BadOption."""
    if name not in KINDS:
        raise BadOption(f"kind must be one of {', '.join(KINDS)}, not {name!r}")
    if sparsity not in SPARSITIES:
        raise BadOption(f"sparsity must be one of {', '.join(SPARSITIES)}, not {sparsity!r}")
    kind = SPARSITIES[sparsity] if name == "sparse" else KINDS[name]
    return kind if beta is None else replace(kind, beta=float(beta))


def distortion(output: torch.Tensor, target: torch.Tensor, loss: str, kind: Kind) -> torch.Tensor:
    """Mean per value: squared error, or cross-entropy in nats of logits.

    For the variational kind squared error becomes the negative log-likelihood of a Gaussian whose variance is the best
    for the batch, up to a constant (Rybkin 2021, sigma-VAE): beta = 1 is then the evidence bound, whatever the unit of
    the data.
    """
    if loss == "bce":
        return F.binary_cross_entropy_with_logits(output, target)
    error = F.mse_loss(output, target)
    return 0.5 * error.clamp_min(1e-8).log() if kind.latent == "gaussian" else error
