"""Autoencoders for any array, after the conventions of scikit-learn; beside the codec, of which they use the errors,
the pictures and the output files.

kinds (what makes a kind: a latent and a penalty) and corruption, then networks, loop (training), design (what the
parameters amount to), checks (what comes in) and scaling, then estimator and store (its file). Beside them sources
(files into arrays and back) and page (the report); `codec.app` has the commands (`aecodec ae`).

    from codec.autoencoders import Autoencoder
    model = Autoencoder(kind="variational", latent_dim=2, loss="bce").fit(X)

Needs the extra `ae` (scikit-learn, pyarrow), and imports them and torch on first use.
"""

from typing import Any

__all__ = ["Autoencoder"]


def __getattr__(name: str) -> Any:
    if name == "Autoencoder":
        from .estimator import Autoencoder

        return Autoencoder
    raise AttributeError(f"module 'codec.autoencoders' has no attribute {name!r}")
