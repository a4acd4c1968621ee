"""What training makes small: bits, and how far the decoded picture is from the original by a sum of terms.

    bits per pixel + sum over the terms of share * worth(quality) * term(original, picture)

`psnr` has one term, the squared error of RGB, whose worth is lambda. `visual` has those of TERMS with a share. A term's
worth at a quality is lambda times what squared error falls by, where the term falls by 1, along the curve of a model
that was trained for squared error (the reference): a visual model then spends its bits at the qualities where that one
does. Where it still does not, above all at low qualities, `steer` weighs its terms against bits until it does.
"""

from typing import Any

import torch
import torch.nn.functional as F

from ..engine.torch.error import YCBCR
from ..model.config import Config
from .data import Pictures
from .distance import Distance
from .model import Trainable, lambda_of

Worth = dict[str, list[float]]  # of terms, a number per anchor

BATCHES, CROPS = 6, 4  # of pictures on which the worth of terms is measured
SEED = 7  # of these crops
KINDS = ("visual", "psnr")
# How far the logarithm of an anchor's weights moves per crop whose bits are one natural logarithm off the reference's,
# and the most that a single crop counts as. The weights follow within some 100 comparisons of a batch of 8.
STEERING, FARTHEST = 0.02, 1.0
BLOCK = 16  # pixels of the squares whose mean colours are compared
# The options on which the worth of terms depends.
MEASURED = ("objective", "mse", "chroma", "fine", "mean_colour", "msssim", "reference")


def squared_error(original: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """Of RGB, in squared 8-bit levels [N]."""
    return 255**2 * (picture - original).square().mean((1, 2, 3))


def luma_error(original: torch.Tensor, picture: torch.Tensor, chroma: float) -> torch.Tensor:
    """Squared error of Y, Cb and Cr, in which a channel of colour counts `chroma` times as much as luma [N].

    The distance hardly sees a shift of colour or of brightness over a large area; this holds it. With a share of
    MS-SSIM of luma beside it colour needs the weight of luma: with half of that it cost a fifth more bytes by Cb and
    Cr, with 0.25 and no such share 15 % more than AVIF.
    """
    red, green, blue = (picture - original).unbind(1)
    # Sums, which a compiler joins: a product with a 3x3 matrix is slow.
    luma, cb, cr = ((r * red + g * green + b * blue).square().mean((1, 2)) for r, g, b in YCBCR)
    return 255**2 * (luma + chroma * (cb + cr))


def mean_colour(original: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """Squared error of the mean colours of 16x16 pixels [N]: what a flat area looks like from afar."""
    return squared_error(F.avg_pool2d(original, BLOCK), F.avg_pool2d(picture, BLOCK))


def lost_structure(original: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """1 - MS-SSIM of luma [N] (Wang, Simoncelli, Bovik 2003); the window of 11 pixels is smaller for sides up to 160,
    on whose last scale it would not fit. Sides of 33 pixels at least.
    """
    from pytorch_msssim import ms_ssim

    luma = [(x * x.new_tensor(YCBCR[0])[:, None, None]).sum(1, keepdim=True) for x in (original, picture)]
    fits = min(11, 1 + (min(original.shape[2:]) - 1) // 16)
    return 1 - ms_ssim(*luma, data_range=1.0, size_average=False, win_size=fits - 1 + fits % 2)


def kept_worth(state: dict[str, Any], options: Any) -> Worth | None:
    """The worth of terms in the state of a checkpoint, or None where it has none, or one of other terms."""
    old = state.get("options", {})
    same = all(old.get(name) == getattr(options, name) for name in MEASURED)
    return state.get("worth") if same else None


class Objective:
    """The terms of a run, their shares and their worth; a checkpoint keeps `worth`, so that a run goes on with the
    same.

    Args: options: the run's; config: of the model that is trained; worth: {term: numbers by anchor of that model}.
    """

    def __init__(self, options: Any, config: Config, worth: Worth | None = None):
        """Raises ValueError for an objective that is not known, and for shares that leave nothing to the distance."""
        if options.objective not in KINDS:
            raise ValueError(f"the objective is {' or '.join(KINDS)}, not {options.objective!r}")
        self.options, self.config = options, config
        self.distances: dict[tuple[int, int], Distance] = {}
        self.worth: Worth = worth or {}
        # The denoising encoder belongs to a model, whose synthesis it obeys.
        if options.objective == "psnr" or options.denoise:
            self.shares, self.worth = {"mse": 1.0}, {"mse": config.lambdas}
            return
        shares = {"luma": options.mse, "colour": options.mean_colour, "structure": options.msssim}
        shares["distance"] = 1 - sum(shares.values())
        if min(shares.values()) < 0 or shares["distance"] == 0:
            raise ValueError(
                "the shares of the terms besides the distance are numbers from 0 that add up to less than 1"
            )
        self.shares = {name: share for name, share in shares.items() if share}

    def term(self, name: str, original: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """One term [N] of pictures [N,3,H,W] in [0,1]."""
        if name == "luma":
            return luma_error(original, picture, self.options.chroma)
        if name == "distance":
            return self._distance(picture)(original, picture)
        return {"mse": squared_error, "colour": mean_colour, "structure": lost_structure}[name](original, picture)

    def _distance(self, picture: torch.Tensor) -> Distance:
        height, width = picture.shape[2:]
        if (height, width) not in self.distances:
            made = Distance(height, width, fine=self.options.fine).to(picture.device)
            self.distances[height, width] = made
        return self.distances[height, width]

    @torch.no_grad()
    def measure(self, reference: Trainable, pictures: Pictures, amp: bool) -> None:
        """Sets the worth of every term from the curve of a trained model over crops of a `Pictures`.

        Raises ValueError where that curve does not fall, as with a model that is not trained or pictures of nothing.
        """
        reference, size, device = reference.eval(), self.options.crop, pictures.flat.device
        curves = {name: torch.zeros(reference.config.anchors) for name in {"mse", *self.shares}}
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            for _ in range(BATCHES):
                x = pictures.crops(CROPS, size)
                for anchor in range(reference.config.anchors):
                    y = reference(x, torch.full((CROPS,), float(anchor), device=device), amp)[0]
                    for name, values in curves.items():
                        values[anchor] += self.term(name, x, y).mean().cpu() / BATCHES
        octaves = torch.tensor(reference.config.lambdas).log2()
        wanted = torch.tensor(self.config.lambdas).log2()
        self.worth = {}
        for name in self.shares:
            slopes = _slope(curves["mse"]) / _slope(curves[name])
            if not (slopes > 0).all():
                raise ValueError(f"the reference does not get better with quality by the term {name!r}: is it trained?")
            self.worth[name] = (_interpolated(wanted, octaves, slopes.log2()) + wanted).exp2().tolist()

    def prepare(self, size: int, device: torch.device) -> None:
        """Makes what crops of `size` pixels need on the device, so that a compiled step finds it made."""
        if "distance" in self.shares:
            self._distance(torch.empty(0, 3, size, size, device=device))
        table = [[self.shares[name] * worth for worth in self.worth[name]] for name in self.shares]
        leaning = self.worth.get("leaning", [0.0] * self.config.anchors)
        self.weighing = torch.tensor(table, device=device).log() + torch.tensor(leaning, device=device)

    @torch.no_grad()
    def off_size(
        self, reference: Trainable, x: torch.Tensor, q: torch.Tensor, bpp: torch.Tensor, amp: bool
    ) -> torch.Tensor:
        """How far the weights of each anchor [anchors] should move, as logarithms, for a quality's files to become as
        large as the reference's.

        Args: bpp: bits per pixel [N] that the trained model gave the crops x at the qualities q. Noise in place of
        rounding makes them more: the reference, too, has to be in the mode of training.
        """
        assert reference.training
        octaves = (lambda_of(q, self.config) / reference.config.lambda_min).log2()
        wanted = reference(x, octaves.clamp(0, reference.config.anchors - 1), amp)[1]
        change = STEERING * (wanted / bpp).log().clamp(-FARTHEST, FARTHEST)
        low = q.floor().clamp(max=self.config.anchors - 2).long()
        moves = torch.zeros(self.config.anchors, device=q.device)
        return moves.index_add_(0, low, change * (low + 1 - q)).index_add_(0, low + 1, change * (q - low))

    def steer(self, moves: torch.Tensor) -> None:
        """Weighs the terms of all anchors against bits anew, by logarithms [anchors]; a checkpoint keeps the sum."""
        self.weighing += moves
        past = self.worth.get("leaning", [0.0] * self.config.anchors)
        self.worth["leaning"] = [a + b for a, b in zip(past, moves.tolist(), strict=True)]

    def __call__(
        self, model: Trainable, x: torch.Tensor, q: torch.Tensor, target: torch.Tensor, balance: float, amp: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The loss over a batch; figures: loss, bits per pixel, those of z, PSNR, and each term as bits per pixel; and
        the bits per pixel of each crop [N].

        Every sample's is divided by lambda^balance: at 0.4 every quality counts about the same. `target`: what x should
        become.
        """
        picture, bpp, bpp_z = model(x, q, amp)
        low = q.detach().floor().clamp(max=self.config.anchors - 2).long()
        weights = torch.lerp(self.weighing[:, low], self.weighing[:, low + 1], q - low).exp()
        terms = [weight * self.term(name, target, picture) for name, weight in zip(self.shares, weights, strict=True)]
        loss = ((bpp + sum(terms)) * (0.008 / lambda_of(q, self.config)) ** balance).mean()
        psnr = 10 * torch.log10(255**2 / squared_error(target, picture.detach())).mean()
        figures = [loss.detach(), bpp.detach().mean(), bpp_z.detach().mean(), psnr, *(t.detach().mean() for t in terms)]
        return loss, torch.stack(figures), bpp.detach()


def _slope(values: torch.Tensor) -> torch.Tensor:
    """Differences of the neighbours of each value; of itself and its neighbour at both ends."""
    padded = torch.cat([values[:1], values, values[-1:]])
    return padded[:-2] - padded[2:]


def _interpolated(wanted: torch.Tensor, places: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Values at the wanted places, between those given linearly, beyond them as at the ends."""
    index = torch.searchsorted(places, wanted).clamp(1, len(places) - 1)
    part = ((wanted - places[index - 1]) / (places[index] - places[index - 1])).clamp(0, 1)
    return torch.lerp(values[index - 1], values[index], part)
