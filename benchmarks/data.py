"""The pictures of a run: folders, files, the Kodak set from its public home, or the `synthetic` ones.

What comes next: `codecs`.
"""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from codec.files.output import atomic

from . import synthetic

KODAK_URL = "https://r0k.us/graphics/kodak/kodak/"  # AECODEC_KODAK_URL names a mirror
KODAK_SUMS = Path(__file__).with_name("kodak.sha256")
SUFFIXES = frozenset(".avif .bmp .gif .jp2 .jpeg .jpg .pgm .png .ppm .tif .tiff .webp".split())
DEEP = ("I", "F", "I;16")  # beginnings of Pillow's modes of more than 8 bits
ATTEMPTS = 3
TIMEOUT = 30  # seconds without a byte


class DataError(Exception):
    """One sentence about pictures that cannot be had."""


def pictures(sources):
    """Paths of the pictures that "kodak", "synthetic", folders and files name, in order; within a folder sorted by
    name. Raises DataError.
    """
    paths = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
            if not found:
                raise DataError(f"there is no picture in the folder {source}")
            paths += found
        elif path.is_file():
            paths.append(path)
        elif str(source) in SETS:
            paths += SETS[str(source)]()
        else:
            raise DataError(
                f"there is no file or folder {source}; --images takes folders, files, or {' or '.join(SETS)}"
            )
    names = [p.name for p in paths]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DataError(f"two pictures have the name {twice[0]}; results are kept by name")
    return paths


def load(path):
    """The picture as PIL RGB of 8 bits without metadata. Raises DataError."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith(DEEP):
                raise DataError(f"{Path(path).name} has more than 8 bits per channel, which the baselines cannot hold")
            rgba = image.convert("RGBA") if image.has_transparency_data else None
            if rgba is not None and rgba.getchannel("A").getextrema() != (255, 255):
                raise DataError(
                    f"{Path(path).name} is transparent in places; the metrics are defined on opaque pictures"
                )
            image = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = str(error).splitlines()[0].replace(str(path), "").strip(" '") or type(error).__name__
        raise DataError(f"{Path(path).name} is not a readable picture: {reason}") from None
    image.info.clear()
    return image


def sha256(path):
    """Hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder(name):
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aecodec" / name


def generated():
    """Paths of the pictures of `synthetic`, written into the cache folder where they are missing or others.

    Raises OSError.
    """
    folder = cache_folder("synthetic")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in synthetic.files().items():
        paths.append(folder / name)
        if not paths[-1].is_file() or paths[-1].read_bytes() != content:
            with atomic(str(paths[-1]), overwrite=True) as file:
                file.write(content)
    return paths


def kodak():
    """Paths of the 24 Kodak pictures, fetched into the cache folder where they are missing; every checksum is checked.

    Raises DataError.
    """
    folder = cache_folder("kodak")
    base = os.environ.get("AECODEC_KODAK_URL", KODAK_URL)
    sums = dict(reversed(line.split()) for line in KODAK_SUMS.read_text().splitlines())
    missing = [
        name for name, digest in sums.items() if not (folder / name).is_file() or sha256(folder / name) != digest
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for name in tqdm(missing, "fetching Kodak", unit="picture", disable=None):
        try:
            _fetch(base.rstrip("/") + "/" + name, folder / name, sums[name])
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            reason = getattr(error, "reason", None) or error
            way_out = "get the 24 kodimNN.png elsewhere and name their folder: --images FOLDER"
            raise DataError(f"cannot fetch {name} from {base} ({reason}); {way_out}") from None
    return [folder / name for name in sums]


SETS = {"kodak": kodak, "synthetic": generated}


def _fetch(url, path, digest):
    """Fetches a file, going on where an earlier attempt stopped. Raises OSError, http.client.HTTPException."""
    part = path.with_suffix(".part")
    for attempt in range(ATTEMPTS):
        try:
            _continue(url, part)
        except urllib.error.HTTPError as error:
            if error.code != 416:  # 416: the part is already as long as the file, or longer
                raise
        except (http.client.IncompleteRead, ConnectionError, TimeoutError):
            if attempt == ATTEMPTS - 1:
                raise
            continue
        if sha256(part) == digest:
            os.replace(part, path)
            return
        part.unlink()  # damaged on the way, or begun from another file: from the start
    raise OSError("its SHA-256 is not that of the public file")


def _continue(url, part):
    """Appends to `part` what it lacks of the file at url."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
        with open(part, "ab" if reply.status == 206 else "wb") as file:  # a server that ignores the range sends all
            expected = reply.headers.get("Content-Length")
            received = 0
            while block := reply.read(1 << 16):
                file.write(block)
                received += len(block)
            if expected is not None and received < int(expected):
                raise http.client.IncompleteRead(b"", int(expected) - received)
