"""Many machines, through Ray Data: classes whose objects hold a loaded model, for `map_batches`, and the run of
`aecodec batch --ray`.

    import ray
    from codec.distributed.cluster import Compressor, Decompressor

    actors = ray.data.ActorPoolStrategy(size=8)
    photos = ray.data.read_binary_files("s3://bucket/photos", include_paths=True)
    coded = photos.map_batches(
        Compressor, fn_constructor_kwargs={"quality": 60}, compute=actors, num_cpus=1, batch_size=8
    )
    coded.drop_columns(["bytes"]).write_parquet("s3://bucket/coded")  # columns path, aec, bpp, error
    files = ray.data.read_parquet("s3://bucket/coded")
    pixels = files.map_batches(Decompressor, compute=actors, num_gpus=0.5, batch_size=8)  # and image

With `num_gpus` an actor uses its GPU, else one thread of the processor per CPU that it was given. ray is imported where
it is needed only.
"""

import collections
import io
import logging
import math
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Unpack

from ..errors import CodecError
from ..files.jobs import Job
from ..files.words import reason
from .transfer import COLUMNS, Settings, Transfer

if TYPE_CHECKING:
    from ..pipeline.codec import Codec
    from ..pipeline.options import Decoding, Encoding

RETRIES = 3  # attempts at a file that may die
BLOCK = 64  # files per block at most, which is looked through again when its worker dies
STORE = 2**28  # bytes of a local cluster's memory for what goes between processes: names and rows


class Compressor:
    """Pictures to .aec data, for `Dataset.map_batches` (stateful: the model is loaded once per actor).

    Args: those of `codec.Codec` and `Codec.encode`. A batch has the column `bytes` (files, as
    `ray.data.read_binary_files` gives) or `image` (arrays [H,W], [H,W,3] of uint8 or uint16, as `ray.data.read_images`
    gives); the columns `aec` (bytes), `bpp` and `error` (one sentence, and no `aec`, where a picture was refused) are
    added. Batches are dicts of arrays, Ray's default.
    """

    def __init__(
        self, quality: float = 60.0, *, model: str = "default", device: str = "auto", **options: "Unpack[Encoding]"
    ):
        from ..pipeline.options import EncodeOptions

        self._options = EncodeOptions(quality, **options)
        self._coder = _codec(model, device)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        import codec

        rows: list[tuple[Any, ...]] = []
        for picture in batch["bytes"] if "bytes" in batch else batch["image"]:
            try:
                data = self._coder.encoder.encode(picture, self._options)
                rows.append((data, codec.info(data)["bpp"], None))
            except Exception as error:
                rows.append((None, math.nan, reason("", error)))
        return batch | _columns(rows, aec=object, bpp=float, error=object)


class Decompressor:
    """.aec data to pictures, the reverse of `Compressor`: the column `aec`, or else `bytes`, to `image` and `error`.

    Args: device: as of `codec.Codec`; format: None for arrays [H,W,C] (not alpha), or the suffix of a format, such as
    "png", for files; options: of `Codec.scan`, such as max_pixels, crop or scale.
    """

    def __init__(self, *, device: str = "auto", format: str | None = None, **options: "Unpack[Decoding]"):
        from ..pipeline.options import DecodeOptions

        self._options, self._format = DecodeOptions(**options), format
        self._coder = _codec("default", device)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        from ..pixels import write

        rows: list[tuple[Any, ...]] = []
        for data in batch["aec"] if "aec" in batch else batch["bytes"]:
            try:
                if data is None:
                    raise CodecError("there is no .aec data")
                with self._coder.decoder.scan(data, self._options) as scan:
                    picture = scan.whole()
                if self._format:
                    file = io.BytesIO()
                    write.save(picture, file, self._format)
                rows.append((file.getvalue() if self._format else picture.pixels, None))
            except Exception as error:
                rows.append((None, reason("", error)))
        return batch | _columns(rows, image=object, error=object)


def _codec(model: str, device: str) -> "Codec":
    import codec

    return codec.Codec(model, device)


def _columns(rows: list[tuple[Any, ...]], **types: type) -> dict[str, Any]:
    import numpy as np

    columns: dict[str, Any] = {}
    for (name, kind), values in zip(types.items(), zip(*rows)):
        columns[name] = np.empty(len(values), kind)
        for i, value in enumerate(values):
            columns[name][i] = value
    return columns


class ClusterError(CodecError):
    """Ray, or the cluster, refused."""


def run(
    jobs: list[Job], settings: Settings, address: str | None, actors: int | None, num_gpus: float
) -> Iterator[dict[str, Any]]:
    """Does the jobs on a Ray cluster, a local one without `address`; yields the row of each, once, in the order in
    which they end.

    A worker that is killed is replaced, and what is not there yet of its files is done again. Raises ClusterError.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise ClusterError("this needs the package ray: pip install 'aecodec[ray]'") from None
    ours = not ray.is_initialized()
    try:
        if ours:
            try:
                _connect(ray, address, actors)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise ClusterError(f"there is no such cluster: {_line(error, 0)}") from None
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what happens to files is said as rows
        ray._private.worker._worker_logs_enabled = False  # Ray tells of deaths on standard output, where --json is
        actors = _actors(ray, actors, num_gpus, len(jobs))
        attempts = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Attempts).remote()
        size = min(BLOCK, max(1, len(jobs) // (4 * actors)))
        files = ray.data.from_items(
            [{"source": os.fsencode(job.source), "output": os.fsencode(job.target)} for job in jobs],
            override_num_blocks=-(-len(jobs) // size),
        )
        pool = ray.data.ActorPoolStrategy(size=actors)
        dataset = files.map_batches(
            Counted,
            fn_constructor_args=(settings, attempts),
            compute=pool,
            num_cpus=1,
            num_gpus=num_gpus or None,
            batch_size=None,
        )
        done = set()
        for row in dataset.iter_rows():
            if row["source"] not in done:  # else by an actor that died before Ray knew of it
                done.add(row["source"])
                yield row
    except (ray.exceptions.RayError, ConnectionError, ValueError, RuntimeError) as error:
        raise ClusterError(f"the cluster failed: {_line(error, -1)}") from None
    finally:
        if ours:
            ray.shutdown()


def _line(error: Exception, number: int) -> str:
    """One line of what an exception says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[number]


class Attempts:
    """Counts the attempts at each file that is not done, in an actor of its own: a file may be what kills those who try
    it.
    """

    def __init__(self) -> None:
        self._counts: collections.Counter[str] = collections.Counter()

    def begin(self, source: str) -> int:
        self._counts[source] += 1
        return self._counts[source]

    def end(self, source: str) -> None:
        del self._counts[source]


class Counted(Transfer):
    """A Transfer that gives a file up when RETRIES attempts at it have died."""

    def __init__(self, settings: Settings, attempts: Any):
        super().__init__(settings)
        self._attempts = attempts

    def row(self, source: str, target: str) -> dict[str, Any]:
        import ray

        if ray.get(self._attempts.begin.remote(source)) > RETRIES:
            return dict.fromkeys(COLUMNS) | {
                "source": source,
                "output": target,
                "error": f"{RETRIES} worker processes died of it",
            }
        row = super().row(source, target)
        self._attempts.end.remote(source)
        return row


def _connect(ray: Any, address: str | None, actors: int | None) -> None:
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    handlers = (
        {signum: signal.getsignal(signum) for signum in signals}
        if threading.current_thread() is threading.main_thread()
        else {}
    )
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        ray.init(address=address, **quiet)
    else:
        ray.init(
            address="local",
            include_dashboard=False,
            num_cpus=max(actors or 1, os.cpu_count() or 1),
            object_store_memory=STORE,
            **quiet,
        )
    for signum, handler in handlers.items():  # Ray's own would say more than one line
        signal.signal(signum, handler)


def _actors(ray: Any, actors: int | None, num_gpus: float, files: int) -> int:
    """How many there shall be. Raises ClusterError where not one can start."""
    there = ray.cluster_resources()
    kind, each = ("GPU", num_gpus) if num_gpus else ("CPU", 1)
    if there.get(kind, 0) < each:
        raise ClusterError(f"the cluster has {there.get(kind, 0):g} {kind}s, and an actor needs {each:g}")
    return min(actors or int(there[kind] / each), files)
