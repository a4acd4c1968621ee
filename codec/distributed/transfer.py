"""Trees of files from URL to URL, compressed or decompressed, and the manifest of what became of each: `aecodec batch`.

On many machines: `cluster`.

URLs are those of fsspec, local paths among them. Every output is written once: whole or not at all, and one that is
there and readable is left as it is, so that a file may be tried again by anybody at any time.
"""

import hashlib
import io
import os
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from ..errors import CodecError
from ..files import output
from ..files.jobs import Job, apart, is_hidden, is_odd
from ..files.words import reason, text
from ..pixels.terms import MAX_PIXELS

# File systems that are not local and rename in one step. Of the others, stores of objects, an object is there once all
# of it is.
RENAMING = {"sftp", "ssh", "hdfs", "arrow_hdfs", "webhdfs", "smb"}
COLUMNS = {
    "source": "string",
    "output": "string",
    "bytes": "int64",
    "bpp": "float64",
    "width": "int32",
    "height": "int32",
    "psnr": "float64",
    "sha256": "string",
    "seconds": "float64",
    "lost": "string",
    "missing": "string",
    "damage": "string",
    "error": "string",
}


@dataclass(frozen=True)
class Settings:
    """What is done with every file."""

    decompress: bool = False
    format: str = "png"  # of decompressed pictures
    encoding: dict[str, Any] = field(default_factory=dict)  # options of `Codec.encode`; `strip` is asked both ways
    decoding: dict[str, Any] = field(default_factory=dict)  # options of `Codec.scan`
    model: str = "default"
    device: str = "auto"
    threads: int | None = None
    engine: str = "auto"
    max_pixels: int = MAX_PIXELS
    psnr: bool = False
    force: bool = False
    recover: bool = False  # whether damaged files are decoded as far as they go
    preserve: bool = False  # whether outputs get the times and permissions of inputs: local ones


class Transfer:
    """Does files one by one with a model loaded once. Raises as `codec.Codec`."""

    def __init__(self, settings: Settings):
        import codec

        from ..pipeline.options import DecodeOptions, EncodeOptions

        self.settings = settings
        self._encoding = EncodeOptions(**settings.encoding, max_pixels=settings.max_pixels)
        self._decoding = DecodeOptions(**settings.decoding, max_pixels=settings.max_pixels)
        self._coder = codec.Codec(settings.model, settings.device, settings.threads, settings.engine)

    def row(self, source: str, target: str) -> dict[str, Any]:
        """Does one file: its row of the manifest, with `error` in place of an exception, and without `seconds` where
        the output was there already.
        """
        from ..pixels import pil

        row: dict[str, Any] = dict.fromkeys(COLUMNS) | {"source": source, "output": target}
        start = time.perf_counter()
        try:
            existing = self._existing(target)
            data, said = self._made(source) if existing is None else (existing, {})
            fresh = existing is None
            if fresh:
                try:
                    like = os.stat(local(source) or source) if self.settings.preserve else None
                    write(target, data, self.settings.force, like)
                except FileExistsError:  # another attempt was faster
                    data, fresh = self._existing(target) or data, False
            coded = read(source) if self.settings.decompress else data
            row |= self._described(coded)
            if self.settings.decompress:  # a part of the picture, where that was asked for
                row["width"], row["height"] = pil.open_picture(io.BytesIO(data)).size
            if self.settings.psnr and not self.settings.decompress:
                row["psnr"] = self._psnr(source, data)
            row |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            row |= {name: words or None for name, words in said.items()}
            if fresh:
                row["seconds"] = round(time.perf_counter() - start, 6)
        except Exception as error:
            row["error"] = reason(source, error)
        return row

    def __call__(self, batch: dict[str, Any]) -> Any:
        """A batch of Ray Data, of the columns source and output, text or bytes, to a pyarrow.Table of `COLUMNS`."""
        pairs = zip(batch["source"], batch["output"], strict=True)
        return _table([self.row(os.fsdecode(source), os.fsdecode(target)) for source, target in pairs])

    def _made(self, source: str) -> tuple[bytes, dict[str, str]]:
        """(output, what is said of it: `lost` metadata that it has no place for, what is `missing` of an input that
        ends too early, and what `damage` was passed over).
        """
        from ..pipeline.damage import Damage
        from ..pixels import scanner, write
        from ..pixels.picture import without

        settings = self.settings
        if not settings.decompress:
            path = local(source)  # by rows where it is huge
            with scanner.opened(read(source) if path is None else path, settings.max_pixels) as picture:
                return self._coder.encoder.encode(picture, self._encoding), {"lost": "; ".join(picture.notes)}
        collected = settings.recover or self._decoding.partial
        file, damage = io.BytesIO(), Damage(settings.recover) if collected else None
        with self._coder.decoder.scan(read(source), self._decoding, damage) as scan:
            lost = write.save(without(scan, settings.encoding.get("strip", ())), file, settings.format)
        said = {"lost": "; ".join(lost)}
        if damage and damage.header:
            said["missing"] = damage.missing.sentence(damage.header.tile_count)
            said["damage"] = "; ".join(damage.sentences())
        return file.getvalue(), said

    def _existing(self, target: str) -> bytes | None:
        """What stands at the target, if it is what it should be by its header; None if there is nothing or it is to be
        replaced. Raises CodecError.
        """
        if self.settings.force:
            return None
        if (path := local(target)) is not None and is_odd(path):
            raise CodecError(f"{target} exists already and is no file")
        try:
            data = read(target)
        except FileNotFoundError:
            return None
        try:
            if self.settings.decompress:
                from ..pixels import pil

                pil.open_picture(io.BytesIO(data))
            elif self._described(data)["bytes"] != len(data):
                raise CodecError("it is cut short")
        except CodecError as error:
            raise CodecError(f"{target} exists already and is no such output, -f overwrites it ({error})") from None
        return data

    def _described(self, coded: bytes) -> dict[str, Any]:
        import codec

        header = codec.info(coded)
        return {name: header[name] for name in ("bytes", "bpp", "width", "height")}

    def _psnr(self, source: str, data: bytes) -> float:
        """In dB over all colour samples that are seen; infinite where they are the same."""
        from ..pixels import hidden, strips
        from ..pixels.read import load

        original = load(read(source), self.settings.max_pixels)
        return strips.psnr(hidden.flat(original), hidden.flat(self._coder.decode_picture(data, max_pixels=0)))


def plan(source: str, destination: str, suffixes: Collection[str], suffix: str, passed: list[str]) -> list[Job]:
    """One job per file below `source` with one of the lower-case suffixes, to the same place below `destination`,
    sorted by name.

    passed: gets the names of files with another, but for hidden ones. Raises CodecError where there is none; OSError
    and ImportError as fsspec.
    """
    from fsspec.core import url_to_fs

    files, top = url_to_fs(source)
    if not files.isdir(top):
        raise CodecError("is not a directory")
    destination = local(destination) or destination
    jobs = []
    for path in files.find(top):
        stem, ending = os.path.splitext(path)
        below = len(top.rstrip("/")) + 1
        if ending.lower() not in suffixes or local(source) is not None and is_odd(path):
            if not is_hidden(path[below:]):
                passed.append(path[below:])
            continue
        # Local ones are absolute, as other machines may take them.
        url = path if local(source) is not None else files.unstrip_protocol(path)
        jobs.append(Job(url, target=join(destination, stem[below:] + suffix)))
    if not jobs:
        raise CodecError("holds no file to work on")
    return apart(jobs)


def join(url: str, place: str) -> str:
    return f"{url.rstrip('/')}/{place}"


def local(url: str) -> str | None:
    """The path of a URL of this machine's file system, else None."""
    if "://" not in url:
        return os.path.abspath(url)
    return os.path.abspath(url[7:]) if url.startswith("file://") else None


def read(url: str) -> bytes:
    """Raises OSError, and as fsspec."""
    if (path := local(url)) is not None:
        with open(path, "rb") as file:
            return file.read()
    from fsspec.core import url_to_fs

    files, path = url_to_fs(url)
    content: bytes = files.cat_file(path)
    return content


def write(url: str, data: bytes, overwrite: bool, like: os.stat_result | None = None) -> None:
    """Writes a file that is there whole or not at all.

    like: the status of a file whose permissions and times it gets, where it is a local one. Raises FileExistsError
    unless `overwrite`, for local files even if it appeared meanwhile.
    """
    if (path := local(url)) is not None:
        draft = output.draft(path, overwrite)
        try:
            draft.write(data)
            if isinstance(draft, output.Draft):
                draft.keep(like)
            else:
                draft.keep()
        finally:
            draft.drop()
        return
    from fsspec.core import url_to_fs

    files, path = url_to_fs(url)
    if not overwrite and files.exists(path):
        raise FileExistsError(path)
    parent = path.rsplit("/", 1)[0]
    files.makedirs(parent, exist_ok=True)
    if RENAMING.isdisjoint([files.protocol] if isinstance(files.protocol, str) else files.protocol):
        files.pipe_file(path, data)
        return
    temporary = f"{parent}/.aecodec-{secrets.token_hex(8)}.part"
    try:
        files.pipe_file(temporary, data)
        files.mv(temporary, path)
    except BaseException:
        if files.exists(temporary):
            files.rm_file(temporary)
        raise


def schema() -> Any:
    """pyarrow.Schema of a manifest."""
    import pyarrow

    return pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in COLUMNS.items()])


def write_manifest(url: str, rows: list[dict[str, Any]]) -> None:
    """Parquet, a row per source; replaces an earlier one."""
    import pyarrow.parquet

    file = io.BytesIO()
    pyarrow.parquet.write_table(_table(rows), file)
    write(url, file.getvalue(), overwrite=True)


def _table(rows: list[dict[str, Any]]) -> Any:
    """pyarrow.Table of rows."""
    import pyarrow

    names = ("source", "output")
    return pyarrow.Table.from_pylist([row | {name: text(row[name]) for name in names} for row in rows], schema())
