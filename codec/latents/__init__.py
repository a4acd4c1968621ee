"""What the latents know besides pictures, on the codec's own weight file and bitstream. In order of use:

features (a vector per picture, near-duplicates), anomaly (what is unusual, and where), denoise (an encoder that cleans
while it compresses), generate (draws from the priors, walks between latents); `files` joins them to .aec files.

    from codec import Codec, latents
    coder = Codec("psnr")          # the model that the figures were measured with
    latents.embed(coder, "photo.png")                                     # float32 [1130], also of an .aec file's bytes
    normal = latents.Normal.fit(coder.model.id.hex(), [latents.measure(coder, path) for path in paths])
    score, unusual, positions = normal.score(coder, "part.png")
    data = latents.denoiser().encode("noisy.png", 45)                     # an ordinary .aec file
    data = latents.sample(coder, 512, 512, seed=1)                        # another
    files = list(latents.interpolate(coder, "a.png", "b.png", 9))         # and nine more

torch and the rest are imported on first use.
"""

import importlib
from typing import Any

PLACES = {
    "embed": "features",
    "nearest": "features",
    "Normal": "anomaly",
    "measure": "anomaly",
    "heat": "anomaly",
    "denoiser": "denoise",
    "sample": "generate",
    "interpolate": "generate",
}
__all__ = list(PLACES)


def __getattr__(name: str) -> Any:
    if name in PLACES:
        return getattr(importlib.import_module(f".{PLACES[name]}", __name__), name)
    raise AttributeError(f"module 'codec.latents' has no attribute {name!r}")
