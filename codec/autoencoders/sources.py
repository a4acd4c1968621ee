"""Arrays out of what people have: .npy, CSV, Parquet, IDX (MNIST's), folders of pictures, scikit-learn's digits; and
latents into files.

The content says what a file is, not its name, so that standard input works the same.
"""

import gzip
import io
import os
import re
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadData, CodecError
from ..files.jobs import PICTURES, STREAM, is_hidden
from ..files.words import shown, text

DIGITS = "digits"
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
OUTPUTS = (".npy", ".csv", ".parquet")


@dataclass(frozen=True)
class Data:
    """values: [N, F], [N, H, W] or [N, H, W, C]; `names` of the columns of a table, `labels` [N] of any type, `passed`
    the files of a folder that are no pictures.
    """

    values: np.ndarray
    names: list[str] | None = None
    labels: np.ndarray | None = None
    passed: tuple[str, ...] = ()

    def frame(self) -> Any:
        """What the estimator takes: the values, with the names of the columns where there are any."""
        if self.names is None:
            return self.values
        import pandas

        return pandas.DataFrame(self.values, columns=self.names)


@dataclass(frozen=True)
class Columns:
    """Of a table: `label` holds labels, those in `drop` are left out, `only` (where not None) are all
    that are taken.
    """

    label: str | None = None
    drop: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None


def read(
    name: str,
    columns: Columns = Columns(),
    labels: str | None = None,
    size: tuple[int, int] | None = None,
    gray: bool = False,
) -> Data:
    """`name`: a file, a folder of pictures, `-` or "digits".

    `columns`: of a table; `labels`: a file with one value per row; `size` (width, height) and `gray` are for pictures.
    Raises CodecError, OSError.
    """
    if name == DIGITS and not os.path.exists(name):
        from sklearn.datasets import load_digits

        digits = load_digits()
        data = Data(digits.images, labels=digits.target)
    elif name != STREAM and os.path.isdir(name):
        data = _folder(name, size, gray)
    else:
        data = _content(sys.stdin.buffer.read() if name == STREAM else Path(name).read_bytes(), columns)
        if data.names is None and data.labels is None and (beside := _beside(name)):
            labels = labels or beside
    if data.names is None and (columns.label is not None or columns.drop):
        raise CodecError("there are no named columns, --label and --drop do not apply; --labels FILE names the labels")
    if labels is not None:
        data = replace(data, labels=_labels(labels))
    if data.labels is not None and len(data.labels) != len(data.values):
        raise CodecError(f"there are {len(data.labels)} labels for {len(data.values)} rows")
    return data


def _content(content: bytes, columns: Columns) -> Data:
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            raise BadData("the gzip data is damaged or ends too early") from None
    if content[:6] == b"\x93NUMPY":
        try:
            return Data(np.lib.format.read_array(io.BytesIO(content)))
        except (ValueError, EOFError, SyntaxError) as error:
            raise BadData(f"the .npy data cannot be read: {' '.join(str(error).split())[:150]}") from None
    if content[:2] == b"\0\0" and content[2:3] and content[2] in IDX_TYPES:
        return Data(_idx(content))
    return _table(content, columns)


def _idx(content: bytes) -> np.ndarray:
    """Two zero bytes, type, number of dimensions, each of them in four bytes, then the values; all big-endian
    (yann.lecun.com/exdb/mnist).
    """
    dimensions = content[3]
    start = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    dtype = np.dtype(IDX_TYPES[content[2]])
    wanted = start + dtype.itemsize * int(np.prod([float(side) for side in shape]))
    if not dimensions or len(content) != wanted:
        raise BadData(f"the IDX data should have {wanted} bytes and has {len(content)}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


def _table(content: bytes, columns: Columns) -> Data:
    import pandas

    try:
        if content[:4] == b"PAR1":
            frame = pandas.read_parquet(io.BytesIO(content))
        else:
            table = content.decode("utf-8-sig")
            first = table.split("\n", 1)[0]
            separator = max(",;\t", key=first.count)
            bare = all(
                re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", part) for part in first.split(separator)
            )
            frame = pandas.read_csv(
                io.StringIO(table), sep=separator, header=None if bare else "infer", skipinitialspace=True
            )
    except UnicodeDecodeError:
        raise BadData("is neither .npy, IDX, Parquet nor text such as CSV") from None
    except Exception as error:  # pandas and pyarrow have families of their own
        raise BadData(f"the table cannot be read: {' '.join(str(error).split())[:150]}") from None
    frame.columns = [str(column) for column in frame.columns]
    apart = (*columns.drop, *([] if columns.label is None else [columns.label]))
    for column in (*apart, *(columns.only or ())):
        if column not in frame:
            raise BadData(
                "there is no column "
                f"{shown(column)!r}{', which the model was fitted on' if column in (columns.only or ()) else ''}"
            )
    labels = None if columns.label is None else frame[columns.label].to_numpy()
    frame = frame.drop(columns=[*apart]) if columns.only is None else frame[[*columns.only]]
    for column in frame:
        if not pandas.api.types.is_numeric_dtype(frame[column]):
            raise BadData(f"column {shown(column)!r} does not hold numbers: --drop it, or name it as --label")
        if frame[column].isna().any():
            raise BadData(
                f"column {shown(column)!r} has no value in row {int(frame[column].isna().to_numpy().argmax())} (NaN)"
            )
    return Data(frame.to_numpy(np.float64), list(frame.columns), labels)


def _folder(folder: str, size: tuple[int, int] | None, gray: bool) -> Data:
    """All pictures below the folder, by name; where all lie in folders of their own, these are the labels."""
    from ..pixels.read import load

    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    paths = [path for path in files if path.suffix.lower() in PICTURES]
    if not paths:
        raise BadData("holds no picture")
    pictures = []
    for path in paths:
        try:
            picture = load(path)
        except CodecError as error:
            raise BadData(f"{shown(str(path))}: {error}") from None
        pixels = picture.pixels.astype(np.float32) / (257 if picture.depth == 16 else 1)  # 0 to 255
        if gray and pixels.shape[2] == 3:
            pixels = pixels @ np.array([[0.299], [0.587], [0.114]], np.float32)  # luma of Rec. 601
        pictures.append(_resized(pixels, size) if size else pixels)
        if pictures[-1].shape[:2] != pictures[0].shape[:2]:
            (tall, wide), (h, w) = pictures[0].shape[:2], pictures[-1].shape[:2]
            raise BadData(
                f"{shown(str(path))} has {w}x{h} pixels, the ones before it {wide}x{tall}: --size WxH makes them equal"
            )
    channels = max(picture.shape[2] for picture in pictures)
    values = np.stack([np.broadcast_to(picture, (*picture.shape[:2], channels)) for picture in pictures])
    classes = [path.relative_to(folder).parts[:-1] for path in paths]
    return Data(
        values[..., 0] if channels == 1 else values,
        labels=np.array([text("/".join(parts)) for parts in classes]) if all(classes) else None,
        passed=tuple(
            str(path)
            for path in files
            if path.suffix.lower() not in PICTURES and not is_hidden(str(path.relative_to(folder)))
        ),
    )


def _resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    planes = [Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS) for plane in np.moveaxis(pixels, 2, 0)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2).clip(0, 255)


def _beside(name: str) -> str | None:
    """The labels MNIST's files have beside the pictures: train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz."""
    folder, file = os.path.split(name)
    if not re.search("images.?idx3", file):
        return None
    path = os.path.join(folder, re.sub("images(.?)idx3", r"labels\1idx1", file))
    return next((p for p in (path, path.removesuffix(".gz"), path + ".gz") if os.path.isfile(p)), None)


def _labels(name: str) -> np.ndarray:
    data = _content(Path(name).read_bytes(), Columns())
    values = data.values
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise BadData(f"{shown(name)} has the shape {values.shape}, one label per row is expected")
    return values


def encoded(values: np.ndarray, suffix: str, names: list[str]) -> bytes:
    """The bytes of a file in the format of `suffix`, one of OUTPUTS; pictures become rows where it is a table."""
    file = io.BytesIO()
    if suffix == ".npy":
        np.lib.format.write_array(file, np.asarray(values))
        return file.getvalue()
    import pandas

    rows = values.reshape(len(values), -1)
    frame = pandas.DataFrame(
        rows, columns=names if len(names) == rows.shape[1] else [f"x{i}" for i in range(rows.shape[1])]
    )
    if suffix == ".csv":
        return frame.to_csv(index=False).encode()
    frame.to_parquet(file, index=False)
    return file.getvalue()
