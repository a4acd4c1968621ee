"""The seam between the pipeline and whatever runs a model: an Engine makes latents of pixels, a payload of latents,
latents of a payload, and pixels of latents.

`pipeline` knows pictures, tiles and files and asks for these four things; how networks are run, on which device, in how
much memory and how many tiles at once, is known behind them only. Several tiles go in and come out as lists: tiles of
one size, each with a quality of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from ..bitstream.container import Tile
from ..coding.tiles import Halo
from ..errors import Corrupt
from ..model.config import Config

NO_HALO = 0, 0, 0, 0


class Latents(Protocol):
    """Latents [M, h, w] of an engine's own kind: numbers that only it understands, which can be cut out, and put into
    `Engine.blank` ones, as of an array.
    """

    @property
    def shape(self) -> Sequence[int]: ...

    def __getitem__(self, key: Any, /) -> "Latents": ...

    def __setitem__(self, key: Any, value: Any, /) -> None: ...


class Weights(Protocol):
    """What there is to know of the model that an engine runs."""

    id: bytes  # 4, as in .aec files
    config: Config
    path: Path


@dataclass(frozen=True, eq=False)
class Effort:
    """What `Engine.write` takes to fit latents to the pictures that they decode to.

    passes: 1 to 9; samples: of each tile [H, W, C], uint8 or uint16, 16h x 16w or fewer where the picture ends; margin:
    how many positions of its neighbours' latents lie around a tile.
    """

    passes: int
    samples: Sequence[NDArray[Any]]
    margin: Halo = NO_HALO


class Engine(Protocol):
    """A model that runs somewhere; may be shared by threads. Qualities are in hundredths, sizes in latent positions of
    16 x 16 pixels.

    Every operation raises MemoryError where memory does not suffice.
    """

    @property
    def model(self) -> Weights: ...

    @property
    def device(self) -> Any: ...

    def analyse(self, pixels: NDArray[Any], quality: int, halo: Halo = NO_HALO) -> Latents:
        """The latents of samples [16h, 16w, 1 or 3], uint8 or uint16, without those of the halo.

        A halo is as wide as `coding.tiles.analysis_halo` says, or less where the picture begins or ends; what is in it
        the latents beside it see.
        """

    def write(self, latents: Sequence[Latents], qualities: Sequence[int], effort: Effort | None = None) -> list[Tile]:
        """Payloads and checksums of tiles of one size; arrays float32 [M, h, w] will do for latents."""

    def read(self, tiles: Sequence[Tile], rows: int, columns: int, qualities: Sequence[int]) -> list[Latents | Corrupt]:
        """What `write` was given, as a decoder has it, of tiles of that size; in place of what cannot be decoded, what
        is wrong with it.
        """

    def peek(self, start: bytes, rows: int, columns: int, quality: int) -> tuple[Latents, int]:
        """The likeliest latents of a tile of which only the first bytes have come, however few, and how far these
        reach: 0: not to the end of the hyper-latent, 1 to 4: into that step of the latents, 5: the payload is whole.

        Raises Corrupt, where damage shows without a checksum; Missing where the native engine is not there.
        """

    def render(
        self,
        latents: Sequence[Latents],
        qualities: Sequence[int],
        channels: int,
        depth: int,
        halo: Halo = NO_HALO,
        fast: bool = False,
    ) -> list[NDArray[Any]]:
        """Samples [16h, 16w, channels], uint8 or uint16 by their depth, of latents of one size, but for those of the
        halo.

        halo: as of `analyse`, by `coding.tiles.synthesis_halo`. fast: in floats, not to the bit.
        """

    def blank(self, rows: int, columns: int) -> Latents:
        """Latents of nothing, to put others into."""

    def array(self, latents: Latents) -> NDArray[Any]:
        """float32 [M, h, w], in the units of `analyse`."""

    def bits(self, tile: Tile, rows: int, columns: int, quality: int) -> NDArray[Any]:
        """Where a tile spends its bits, by the model's tables: float64 [rows, columns]. Raises Corrupt."""

    def together(self, rows: int, columns: int) -> int:
        """How many tiles of that size are best given at once; 1 where it makes no difference."""

    @property
    def torch(self) -> Any:
        """The engine on torch of the same model, for what only that does. Raises Missing."""

    def sibling(self, model: str) -> "Engine":
        """The engine of another model, by name or path, on the same device. Raises UnknownModel, BadWeights."""
