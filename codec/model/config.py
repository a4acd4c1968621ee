"""The sizes of a model, and where a quality lies among its anchors: what is known of a model without its weights."""

from dataclasses import asdict, dataclass

STRIDE = 16  # picture pixels per latent position
HYPER_STRIDE = 4  # latent positions per hyper-latent position
MAX_RESIDUAL = 1 << 14  # a symbol beyond it is no picture's

# Where a size of a Config may lie, if not in 1..1024; the latent has no more channels than a 16 x 16 DCT of three
# colours functions.
LIMITS = {
    "latent": (4, 768),
    "anchors": (2, 64),
    "analysis_blocks": (0, 64),
    "synthesis_blocks": (0, 64),
    "lambda_min": (1e-6, 1.0),
}


@dataclass(frozen=True)
class Config:
    """Everything needed to build the networks; stored inside the weight file."""

    latent: int = 320  # M, channels of y
    hyper: int = 64  # Nz, channels of z
    width: int = 128  # channels at 1/8 resolution
    deep: int = 144  # channels at 1/16 resolution
    analysis_blocks: int = 3  # residual blocks at 1/8 in the analysis
    synthesis_blocks: int = 2
    render: int = 32  # channels of the renderer at 1/4 resolution
    prior: int = 192  # channels of the prior at 1/16
    prior_mid: int = 64  # channels of its 3x3 convolutions
    anchors: int = 11
    lambda_min: float = 0.0006  # lambda of anchor 0 in rate + lambda * 255^2 * MSE; factor 2 per anchor

    def __post_init__(self) -> None:
        """Raises ValueError for what no model has: a config comes from a file, and building it must not take long."""
        for name, size in asdict(self).items():
            low, high = LIMITS.get(name, (1, 1024))
            if type(size) is not (float if name == "lambda_min" else int) or not low <= size <= high:
                raise ValueError(f"{name} is {size!r}, not a number from {low} to {high}")
        if self.latent % 4:
            raise ValueError(f"latent is {self.latent}, which is not a multiple of 4")

    @property
    def lambdas(self) -> list[float]:
        return [self.lambda_min * 2**i for i in range(self.anchors)]

    to_dict = asdict

    def position(self, quality: int) -> tuple[int, int]:
        """Anchor below a quality in hundredths, and the distance to it in units of 1/9900 of the way to the next."""
        low, part = divmod((quality - 100) * (self.anchors - 1), 9900)
        return (low, part) if low < self.anchors - 1 else (low - 1, 9900)

    def lambda_at(self, quality: int) -> float:
        """Bits that one unit of squared error per pixel, of samples of 8 bits, is worth at a quality in hundredths,
        as in training.
        """
        low, part = self.position(quality)
        return self.lambda_min * 2 ** (low + part / 9900)
