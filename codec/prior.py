"""The prior: from the hyper-latent and the latents decoded so far to a mean and a table row for every symbol still to come.

`PriorNetwork` is the structure, written once over two kinds of layers: float convolutions (training, `codec.training`) and `FixedLayer`
(the codec). In the codec everything here is exact integer arithmetic, held in floating-point tensors whose sums stay below 2^53 (float64) or
2^24 (float32), so that threads, batch, device and library cannot change a bit of it: the decoder finds the rows the encoder used.

Four steps over a 2x2 grid of positions and four channel groups: in step t group g is coded at the positions of phase PHASE[(t + g) % 4].
The prior works in a quality-independent domain: latents divided by their gain; means are multiplied by it again, log-scales get its logarithm.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

STEPS = 4
PHASE = (0, 3, 1, 2)    # order of the 2x2 positions (row-major index): diagonal first
SLOPE = 0.125           # of the leaky ReLUs: a power of two stays exact


class Block(nn.Module):
    """Bottleneck 3x3 mixing, then a 1x1 feed-forward, both residual. `layer(inputs, outputs, kernel, act)` makes a layer."""

    def __init__(self, layer, channels, mid):
        super().__init__()
        self.a, self.d, self.b = layer(channels, mid, 1, True), layer(mid, mid, 3, True), layer(mid, channels, 1, False)
        self.f1, self.f2 = layer(channels, 2 * channels, 1, True), layer(2 * channels, channels, 1, False)

    def forward(self, x):
        x = x + self.b(self.d(self.a(x)))
        return x + self.f2(self.f1(x))


class PriorNetwork(nn.Module):
    """z/gain [N,Nz,h/4,w/4] and decoded y/gain [N,M,h,w] -> per step mean and log2-scale [N,4,M/4,h/2,w/2], groups in phase order."""

    def __init__(self, layer, vectors, c):
        """`vectors(name, *shape)` makes the additive vectors: per quality (forward gets them interpolated) and per step and phase."""
        super().__init__()
        m, p = c.latent, c.prior
        self.up2, self.up1 = layer(c.hyper, 4 * 96, 1, True), layer(96, 4 * p, 1, True)
        self.body = Block(layer, p, c.prior_mid)
        self.join = nn.ModuleList(layer(p + (m if t else 0), p, 1, False) for t in range(STEPS))
        self.blocks = nn.ModuleList(Block(layer, p, c.prior_mid) for _ in range(STEPS))
        self.heads = nn.ModuleList(layer(p, 2 * m // 4, 1, False) for _ in range(4))  # one per channel group: M/4 means, M/4 log2-scales
        self.phase_bias = vectors(STEPS, p, 2, 2)

    def features(self, z, quality_bias):
        """Hyper-synthesis: z/gain and a bias [N or 1,P,1,1] of the quality -> features [N,P,h,w]."""
        x = F.pixel_shuffle(self.up1(F.pixel_shuffle(self.up2(z), 2)), 2)
        return self.body(x + quality_bias)

    def step(self, t, features, y):
        """Mean and log2-scale, each [N,4,M/4,h/2,w/2], of the symbols of step t, given y/gain with zeros where nothing is decoded yet."""
        x = self.join[t](features if t == 0 else torch.cat([features, y], 1))
        x = self.blocks[t](x + self.phase_bias[t].repeat(1, x.shape[2] // 2, x.shape[3] // 2))
        out = torch.stack([self.heads[g](phase(x, PHASE[(t + g) % 4])) for g in range(4)], 1)
        return out.chunk(2, 2)


def phase(x, p):
    """Positions of phase p of x [N,C,h,w]: [N,C,h/2,w/2]."""
    return x[:, :, p // 2::2, p % 2::2]


def gather(x, t):
    """The symbols of step t out of a latent x [N,M,h,w]: [N,4,M/4,h/2,w/2]."""
    groups = x.chunk(4, 1)
    return torch.stack([phase(groups[g], PHASE[(t + g) % 4]) for g in range(4)], 1)


def scatter(steps):
    """The latent [N,M,h,w] whose steps so far are given, zero elsewhere (inverse of `gather`)."""
    zero = torch.zeros_like(steps[0][:, 0])
    groups = []
    for g in range(4):
        by_phase = [zero] * 4
        for t, x in enumerate(steps):
            by_phase[PHASE[(t + g) % 4]] = x[:, g]
        rows = [torch.stack(by_phase[2 * i:2 * i + 2], -1).flatten(-2) for i in (0, 1)]  # interleave columns, then rows
        groups.append(torch.stack(rows, -2).flatten(-3, -2))
    return torch.cat(groups, 1)
