"""`Autoencoder`, the estimator: checks and scales what comes in, trains one network, and answers with it.

`design` says which network and `loop` trains it; `store` saves the estimator.
"""

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state

from ..errors import BadData, BadOption
from ..files.output import atomic
from . import checks, design, loop, scaling, store

Array = NDArray[Any]
CHUNK = 4096  # rows at a time outside training


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learns to describe each row by `latent_dim` numbers and to rebuild it from them.

    X is a table [N, F], or pictures [N, H, W] or [N, H, W, C]; `inverse_transform` and `reconstruct` answer in the
    shape that was fitted.

    kind: "undercomplete" (plain), "linear" (no hidden layer: the subspace of PCA), "convolutional" (plain, for
    pictures), "denoising" (inputs corrupted in training), "sparse", "contractive", "variational".
    latent_dim: numbers per row. hidden: widths of the dense layers, mirrored in the decoder. loss: "mse", or "bce" for
    values that are shares of a range.
    beta: weight of the kind's penalty (KL divergence, sparsity, Jacobian) against the error per row; None: 1
    (variational, KL sparsity), 10 (contractive), 0.2 (L1).
    noise, noise_level: of the denoising kind: "gaussian" (level in standard deviations), "zero" or "patch" (level as a
    share).
    sparsity: "l1" (rectified activations) or "kl" (logistic ones, driven to the mean `sparsity_target`).
    network: "dense", "convolutional" or "auto": convolutional for that kind alone. channels: of its layers, each halves
    the picture.
    shortcut: a linear map around the hidden layers each way, which training starts as PCA (but for the linear kind and
    KL sparsity).
    image_shape: (H, W) or (H, W, C) of flat rows that are pictures; without it a convolutional network takes a square
    number of columns for a square picture, any other for a signal.
    scale: "global" (one unit for all columns, as PCA has it), "column" (each its own, for tables), "none".
    batch_size, learning_rate, max_iter (epochs), n_iter_no_change, tol, validation_fraction: training ends when the
    loss of held-out rows (with early_stopping; of all rows without) has not improved by the share `tol` for
    `n_iter_no_change` epochs at each of three learning rates.
    device: "auto", "cpu", "cuda". random_state: makes everything repeatable on one machine and number of threads.
    verbose: progress bar.

    Fitted: `network_`, `latent_dim_`, `image_shape_`, `loss_curve_`, `validation_curve_` (objective per epoch),
    `n_iter_`, `errors_` (of the rows `anomaly_threshold` goes by), `n_features_in_`, and `feature_names_in_` for tables
    with names. Everything refused is a CodecError and a ValueError: BadOption for a parameter, BadData for an array.
    """

    def __init__(
        self,
        kind: str = "undercomplete",
        latent_dim: int = 32,
        hidden: tuple[int, ...] = (512, 256, 128),
        loss: str = "mse",
        *,
        beta: float | None = None,
        noise: str = "gaussian",
        noise_level: float = 0.5,
        sparsity: str = "l1",
        sparsity_target: float = 0.05,
        network: str = "auto",
        channels: tuple[int, ...] = (32, 64),
        shortcut: bool = True,
        image_shape: tuple[int, ...] | None = None,
        scale: str = "global",
        batch_size: int | str = "auto",
        learning_rate: float = 1e-3,
        max_iter: int = 200,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-3,
        device: str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.kind = kind
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.loss = loss
        self.beta = beta
        self.noise = noise
        self.noise_level = noise_level
        self.sparsity = sparsity
        self.sparsity_target = sparsity_target
        self.network = network
        self.channels = channels
        self.shortcut = shortcut
        self.image_shape = image_shape
        self.scale = scale
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # Learning

    def fit(self, X: Any, y: Any = None) -> "Autoencoder":
        """Learns from X; y is ignored. Raises BadOption, BadData."""
        checks.parameters(self)
        device = design.device(self.device)
        shape = np.shape(X) if isinstance(X, np.ndarray) else ()
        X = self._rows(X, reset=True)
        self.image_shape_ = checks.image_shape(self.image_shape, shape, X.shape[1])
        self._picture = shape[1:] if len(shape) > 2 else None  # the shape answers have
        self.latent_dim_ = self._n_features_out = int(self.latent_dim)
        self.scaling_ = scaling.learn(
            X.astype(np.float64), self.scale, self.loss, getattr(self, "feature_names_in_", None)
        )
        plan = design.plan(self, len(X))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with torch.device("meta"):  # elsewhere torch would draw weights from its global state
            self.network_ = design.network(self)
        self.network_.to_empty(device="cpu")
        loop.initialise(self.network_, torch.Generator().manual_seed(seed))
        dtype = torch.float64 if plan.kind.flat else torch.float32
        self.network_.to(device, dtype)
        rows = torch.from_numpy(self.scaling_.forward(X)).to(device, dtype)
        history = loop.train(self.network_, rows, plan, seed)
        if not math.isfinite(history.training[0]):
            raise BadData("the training loss is not finite in the first epoch: a smaller learning_rate may help")
        self.loss_curve_, self.validation_curve_ = history.training, history.validation
        self.n_iter_ = len(history.training)
        # In float64, answers do not depend on which rows are asked about together.
        self.network_.double().eval().requires_grad_(False)
        judged = X[history.held_out.numpy()] if len(history.held_out) else X
        self.errors_ = self._errors(judged)
        return self

    # Answers

    def transform(self, X: Any) -> Array:
        """The latents [N, D] of X; for the variational kind their means.

        Over the training rows they have mean 0 and together variance 1; those of the sparse kind are from 0 on, those
        of the variational near N(0, 1).
        """
        checks.fitted(self)
        X = self._rows(X)
        return self._run(lambda x: self.network_.encode(x).mean, self.scaling_.forward(X)).astype(X.dtype)

    def inverse_transform(self, Z: Any) -> Array:
        """The rows or pictures that latents Z [N, D] decode to."""
        checks.fitted(self)
        return self._pictured(self._decoded(checks.latents(self, Z)))

    def reconstruct(self, X: Any) -> Array:
        """X through the latent and back."""
        return self.inverse_transform(self.transform(X))

    def score(self, X: Any, y: Any = None) -> float:
        """The share of the variance of X that the reconstruction keeps: 1 is perfect, 0 what the mean of the training
        rows gives. y is ignored.
        """
        checks.fitted(self)
        X = self._rows(X).astype(np.float64)
        spread = np.square((X - X.mean(0)) / self.scaling_.spread).mean()
        return float(1 - self._errors(X).mean() / spread) if spread else 0.0

    def reconstruction_error(self, X: Any) -> Array:
        """Mean squared error per row [N], each column in standard deviations of the training rows (`scale`: one for all
        columns, or its own).
        """
        checks.fitted(self)
        return self._errors(self._rows(X))

    def anomaly_threshold(self, quantile: float = 0.99, X: Any = None) -> float:
        """The reconstruction error below which the share `quantile` of normal rows lies: of X, or of the rows held out
        in training (all where none were).
        """
        checks.fitted(self)
        if not 0 < quantile <= 1:
            raise BadOption(f"quantile must lie above 0 and at most at 1, not {quantile!r}")
        return float(np.quantile(self.errors_ if X is None else self.reconstruction_error(X), quantile))

    def posterior(self, X: Any) -> tuple[Array, Array]:
        """Mean and variance, each [N, D], of the latents of X: variational kind only."""
        self._variational("posterior")
        x = self.scaling_.forward(self._rows(X))
        return self.transform(X), self._run(lambda rows: self.network_.encode(rows).variance, x)

    def sample(self, count: int = 1, random_state: Any = None) -> Array:
        """`count` new rows or pictures: the decoder's means at draws from the prior N(0, 1). Variational kind only."""
        self._variational("sample")
        return self.inverse_transform(check_random_state(random_state).standard_normal((count, self.latent_dim_)))

    def interpolate(self, a: Any, b: Any, count: int = 9) -> Array:
        """`count` rows or pictures on the way from a to b (one row or picture each), evenly spaced in the latent, ends
        included.
        """
        ends = self.transform(np.stack([np.asarray(a), np.asarray(b)])).astype(np.float64)
        return self.inverse_transform(ends[0] + np.linspace(0, 1, count)[:, None] * (ends[1] - ends[0]))

    def traverse(self, dimension: int, values: Any = (-3, -2, -1, 0, 1, 2, 3), start: Any = None) -> Array:
        """Rows or pictures where one dimension of the latent takes each value and the others stay: at those of `start`
        (one row), or at 0.
        """
        checks.fitted(self)
        if not 0 <= dimension < self.latent_dim_:
            raise BadOption(f"dimension must be from 0 to {self.latent_dim_ - 1}, not {dimension!r}")
        base = np.zeros(self.latent_dim_) if start is None else self.transform(np.asarray(start)[None])[0]
        Z = np.repeat(base[None].astype(np.float64), len(values), 0)
        Z[:, dimension] = values
        return self.inverse_transform(Z)

    def corrupt(self, X: Any, noise: str | None = None, level: float | None = None, random_state: Any = None) -> Array:
        """A copy of X corrupted as the denoising kind does it in training; `noise` and `level` as the parameters of
        this name, which are the default.
        """
        checks.fitted(self)
        corruption = design.corruption(self, noise or self.noise, self.noise_level if level is None else level)
        generator = torch.Generator().manual_seed(int(check_random_state(random_state).randint(2**31 - 1)))
        x = torch.from_numpy(self.scaling_.forward(self._rows(X)))
        return self._pictured(self.scaling_.back(corruption(x, generator).numpy()))

    def jacobian_norm(self, X: Any) -> Array:
        """Frobenius norm of d latent / d input at each row [N], inputs scaled.

        Exact, at the cost of `latent_dim` backward passes.
        """
        checks.fitted(self)
        x = torch.from_numpy(self.scaling_.forward(self._rows(X).astype(np.float64))).to(self._at)
        norms = []
        for rows in x.split(CHUNK):
            columns = self.network_.encode(rows.requires_grad_()).mean.T
            squares = (
                torch.autograd.grad(column.sum(), rows, retain_graph=True)[0].square().sum(1) for column in columns
            )
            norms.append(sum(squares).sqrt())
        return torch.cat(norms).cpu().numpy()

    # Keeping

    def dumps(self) -> bytes:
        """The bytes of a safetensors file: parameters, scaling, curves and weights, nothing that could run."""
        checks.fitted(self)
        return store.dumps(self)

    def save(self, path: "str | os.PathLike[str]", overwrite: bool = True) -> None:
        """Writes such a file, whole or not at all. Raises OSError."""
        with atomic(os.fspath(path), overwrite) as file:
            file.write(self.dumps())

    @classmethod
    def load(cls, source: "bytes | str | os.PathLike[str]", device: str = "auto") -> "Autoencoder":
        """The estimator `save` wrote; `source` is a path or bytes. Raises BadWeights, OSError."""
        return store.load(cls, source, device)

    # Inside

    @property
    def _at(self) -> torch.device:
        return next(self.network_.parameters()).device

    def _rows(self, X: Any, reset: bool = False) -> Array:
        if isinstance(X, np.ndarray) and X.ndim in (3, 4):
            wanted = None if reset else self._picture
            if wanted and X.shape[1:] != tuple(wanted):
                raise BadData(f"pictures of shape {X.shape[1:]} came in, the Autoencoder was fitted on {tuple(wanted)}")
            X = X.reshape(len(X), math.prod(X.shape[1:]))
        return checks.table(self, X, reset)

    def _run(self, function: Callable[[torch.Tensor], torch.Tensor], x: Array) -> Array:
        """function over float64 rows, in pieces, on the network's device."""
        pieces = torch.from_numpy(x.astype(np.float64)).split(CHUNK)
        with torch.no_grad():
            return np.concatenate([function(rows.to(self._at)).cpu().numpy() for rows in pieces])

    def _decoded(self, Z: Array) -> Array:
        finish = torch.sigmoid if self.loss == "bce" else lambda x: x
        return self.scaling_.back(self._run(lambda z: finish(self.network_.decode(z)), Z))

    def _errors(self, X: Array) -> Array:
        Z = self._run(lambda x: self.network_.encode(x).mean, self.scaling_.forward(X))
        return np.square((X - self._decoded(Z)) / self.scaling_.spread).mean(1)

    def _pictured(self, rows: Array) -> Array:
        return rows if self._picture is None else rows.reshape(len(rows), *self._picture)

    def _variational(self, method: str) -> None:
        checks.fitted(self)
        if self.kind != "variational":
            raise BadOption(f"{method} needs kind='variational', this Autoencoder is of the kind {self.kind!r}")
