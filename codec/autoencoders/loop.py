"""The training loop of all kinds: corrupt -> encode -> draw -> decode -> distortion + penalty -> step, until nothing
improves. Between `networks` and `estimator`.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from tqdm import tqdm

from .corruption import Corruption
from .kinds import Kind, distortion
from .networks import Network

CHUNK = 4096  # rows at a time where nothing is learned
DROPS = 2  # how often the learning rate is divided before the end
DROP = 5.0
SILU_GAIN = 1.68  # 1 / sqrt(E[silu(x)^2]) for x of unit variance


@dataclass(frozen=True)
class Plan:
    """What the estimator's parameters come to. `target` is the mean activity the KL sparsity wants."""

    kind: Kind
    loss: str
    target: float
    corruption: Corruption | None
    batch: int
    epochs: int
    learning_rate: float
    patience: int
    tol: float  # relative
    held_out: float  # share of the rows, 0 to judge by the training loss
    progress: bool


@dataclass
class History:
    """Objective per epoch, of training and of the held-out rows, and which rows those were."""

    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    held_out: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))


def initialise(network: Network, generator: torch.Generator) -> None:
    """Weights that keep the variance from layer to layer (after He 2015), from `generator`: the state of torch's global
    one is the caller's.
    """
    for part in (network.encoder, network.decoder):
        layers = [layer for layer in part if isinstance(layer, (nn.Linear, nn.Conv2d))]
        for layer in layers:
            gain = 1.0 if layer is layers[-1] else SILU_GAIN
            # A uniform distribution's deviation is its bound / sqrt(3).
            bound = gain * math.sqrt(3 / layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if network.into is not None:
            nn.init.zeros_(layers[-1].weight)


@torch.no_grad()
def start_as_pca(network: Network, x: torch.Tensor, loss: str, generator: torch.Generator) -> None:
    """Sets the shortcuts so that the network begins as PCA of x, its latent of variance 1 over all dimensions; with
    cross-entropy roughly so.

    A rectified latent takes two units for each component, for what lies above the mean and below; units left over look
    in random directions, for a rectified unit that is always at 0 learns nothing.
    """
    into, out = network.into, network.out
    assert into is not None and out is not None
    middle = x.double().mean(0)
    values, vectors = torch.linalg.eigh((x.double() - middle).T @ (x.double() - middle) / len(x))  # ascending
    signs = (1, -1) if network.latent == "relu" else (1,)
    size = min(out.in_features // len(signs), x.shape[1])
    axes, unit = vectors.flip(1)[:, :size].T, values.flip(0)[:size].clamp_min(0).mean().sqrt().clamp_min(1e-12)
    slope, answer = torch.ones_like(middle), middle
    if loss == "bce":  # the decoder answers with logits: their value and slope at the mean
        mean = middle.clamp(0.02, 0.98)
        slope, answer = 1 / (mean * (1 - mean)), mean.logit()
    nn.init.normal_(into.weight, std=x.shape[1] ** -0.5 if network.latent == "relu" else 0.0, generator=generator)
    nn.init.zeros_(into.bias)
    nn.init.zeros_(out.weight)
    out.bias.copy_(answer)
    for i, sign in enumerate(signs):
        units = slice(i * size, (i + 1) * size)
        into.weight[units] = (sign * axes / unit).to(x)
        into.bias[units] = (-sign * axes @ middle / unit).to(x)
        out.weight[:, units] = (sign * slope[:, None] * axes.T * unit).to(x)


def objective(network: Network, x: torch.Tensor, plan: Plan, generator: torch.Generator) -> torch.Tensor:
    """Mean distortion per value, plus the penalty divided by the number of values: beta = 1 is then the evidence bound
    for the variational kind.
    """
    shown = plan.corruption(x, generator) if plan.corruption else x
    if plan.kind.differentiates:
        shown = shown.detach().requires_grad_()
    code = network.encode(shown)
    loss = distortion(network.decode(network.draw(code, generator)), x, plan.loss, plan.kind)
    if plan.kind.penalty and plan.kind.beta:
        loss = loss + plan.kind.beta / x.shape[1] * plan.kind.penalty(code, shown, plan.target, generator)
    return loss


def judge(network: Network, x: torch.Tensor, plan: Plan, seed: int) -> float:
    """The objective over many rows, with the same noise each time, so that epochs compare."""
    generator = torch.Generator(x.device).manual_seed(seed)
    total = 0.0
    with torch.set_grad_enabled(plan.kind.differentiates):
        for rows in x.chunk(math.ceil(len(x) / CHUNK)):  # of equal size: some penalties are statistics of a batch
            total += objective(network, rows, plan, generator).item() * len(rows)
    return total / len(x)


def train(network: Network, x: torch.Tensor, plan: Plan, seed: int) -> History:
    """Trains on scaled rows [N, F], all on one device; the network ends with the best weights met.

    An epoch counts as better when it improves the held-out objective by the share `tol`; after `patience` epochs
    without, the learning rate is divided, and after the last division training ends. The linear kind has no local
    minima (Baldi and Hornik 1989) and is worth solving exactly: L-BFGS on all rows.
    """
    solved = plan.kind.flat
    order = torch.Generator().manual_seed(seed)
    noise = torch.Generator(x.device).manual_seed(seed)
    history = History()
    held = 0 if solved else round(plan.held_out * len(x))
    shuffled = torch.randperm(len(x), generator=order)
    history.held_out, kept = shuffled[:held], x[shuffled[held:].to(x.device)]
    judged = x[history.held_out.to(x.device)] if held else None
    optimizer = _optimizer(network, plan)
    best, best_state, waited, drops = math.inf, None, 0, 0
    if network.into is not None:
        start_as_pca(network, kept, plan.loss, noise)
        if judged is not None:
            best, best_state = judge(network, judged, plan, seed), copy.deepcopy(network.state_dict())
    with tqdm(total=plan.epochs, unit="epoch", leave=False, disable=not plan.progress) as bar:
        for _ in range(plan.epochs):
            places = torch.arange(len(kept)) if solved else torch.randperm(len(kept), generator=order)
            batches = places.split(len(kept) if solved else plan.batch)
            history.training.append(_epoch(network, kept, batches, plan, optimizer, noise))
            if judged is not None:
                history.validation.append(judge(network, judged, plan, seed))
            latest = (history.validation or history.training)[-1]
            bar.update()
            bar.set_postfix_str(f"loss {latest:.5g}")
            if not math.isfinite(latest):
                break  # it diverged, and the best state is what counts
            if latest < best - plan.tol * abs(best) or best == math.inf:
                best, best_state, waited = latest, copy.deepcopy(network.state_dict()), 0
                continue
            waited += 1
            if waited >= plan.patience:
                if solved or drops == DROPS:
                    break
                drops, waited = drops + 1, 0
                for group in optimizer.param_groups:
                    group["lr"] /= DROP
    if best_state is not None and not solved:
        network.load_state_dict(best_state)
    if plan.kind.latent == "identity":
        standardise(network, x)
    return history


def _optimizer(network: Network, plan: Plan) -> torch.optim.Optimizer:
    if not plan.kind.flat:
        return torch.optim.Adam(network.parameters(), lr=plan.learning_rate, fused=True)
    return torch.optim.LBFGS(
        network.parameters(),
        max_iter=20,
        history_size=40,
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )


def _epoch(
    network: Network,
    x: torch.Tensor,
    batches: Sequence[torch.Tensor],
    plan: Plan,
    optimizer: torch.optim.Optimizer,
    noise: torch.Generator,
) -> float:
    """A step for each batch of places in x [N, F]; the mean objective."""
    total, used = 0.0, 0
    for batch in batches:
        if 4 * len(batch) < plan.batch and len(batches) > 1:
            # Too few for the penalties that are statistics of a batch; other rows are left over next time.
            continue
        rows = x[batch.to(x.device)]

        def closure(rows: torch.Tensor = rows) -> float:
            optimizer.zero_grad()
            loss = objective(network, rows, plan, noise)
            loss.backward()
            return loss.item()

        total, used = total + optimizer.step(closure) * len(rows), used + len(rows)
    return total / used


@torch.no_grad()
def standardise(network: Network, x: torch.Tensor) -> None:
    """Moves and scales the latent to mean 0 and, over all its dimensions, variance 1, and the decoder with it: the same
    reconstructions.

    Nothing else fixes the unit of a latent without a prior; so codes, their Jacobians and walks through them compare
    between models.
    """
    code = torch.cat([network.encode(rows).mean for rows in x.split(CHUNK)])
    middle, unit = code.mean(0), code.var(0, unbiased=False).mean().sqrt().clamp_min(1e-12)
    last = next(layer for layer in reversed(network.encoder) if isinstance(layer, nn.Linear))
    first = next(layer for layer in network.decoder if isinstance(layer, nn.Linear))
    last.bias.sub_(middle)
    for layer in filter(None, (last, network.into)):
        layer.weight.div_(unit)
        layer.bias.div_(unit)
    for layer in filter(None, (first, network.out)):
        layer.bias.add_(layer.weight @ middle)
        layer.weight.mul_(unit)
