"""What a PNG says beside its pixels: profile, EXIF, XMP and the meaning of its colours, however it is packed; used by
`read`.

Pillow is given the pixels only: it refuses a picture for the sake of its texts, where these are long, broken or
compressed by another method. Here what cannot be read is left out.
"""

import io
import re
import struct
import zlib
from typing import Any, BinaryIO

from .. import metadata
from ..companions import GAIN_MAP
from . import png
from .chunks import SIGNATURE

UNIT = 100000  # of gAMA and cHRM
MOST = 1 << 26  # bytes that a compressed text or profile may become
PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"}  # what Pillow gets to see
XMP = b"XML:com.adobe.xmp"
# Texts that tell of the file and who wrote it, not of the picture: nobody misses them.
IDLE = re.compile("Software|Raw profile type .*|(?:date|png|jpeg|exif|icc|thumbnail):.*", re.IGNORECASE | re.DOTALL)
RAW_IPTC = re.compile("Raw profile type (iptc|8bim)", re.IGNORECASE)
MOST_NAMED = 5


def bare(file: BinaryIO) -> io.BytesIO:
    """The PNG with nothing but its pixels and what they need."""
    size = file.seek(0, 2)
    file.seek(len(SIGNATURE))
    kept = io.BytesIO(SIGNATURE)
    kept.seek(0, 2)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        length = min(length + 4, size - file.tell())
        if kind in PIXELS or not kind[0] & 32:
            kept.write(head + file.read(length))
        else:
            file.seek(length, 1)
    kept.seek(0)
    return kept


def described(file: BinaryIO) -> tuple[dict[str, Any], list[str]]:
    """(what is found of profile, EXIF, XMP, cicp, gamma, chromaticity and srgb under Pillow's names in `info`, what was
    left out).

    The file has been checked: its chunks are whole.
    """
    found: dict[str, Any] = {}
    lost, texts = [], []
    for kind, data in png.chunks(file, skip=(b"IDAT", b"fdAT")):
        if kind == b"eXIf":
            found["exif"] = data
        elif kind == b"cICP" and len(data) == 4:
            found["cicp"] = data
        elif kind == b"gAMA" and len(data) == 4:
            found["gamma"] = struct.unpack(">I", data)[0] / UNIT
        elif kind == b"cHRM" and len(data) == 32:
            found["chromaticity"] = tuple(value / UNIT for value in struct.unpack(">8I", data))
        elif kind == b"sRGB":
            found["srgb"] = True
        elif kind.upper() in (b"MDCV", b"CLLI"):  # written in two ways
            lost.append(f"its {kind.decode()} (levels of light for HDR displays)")
        elif kind == b"gMAP":
            lost.append(GAIN_MAP)
        elif kind in (b"iCCP", b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, rest = data.partition(b"\0")
            name = keyword.decode("latin-1")
            raw = metadata.RAW.fullmatch(name)
            if kind != b"iCCP" and keyword != XMP and not raw:
                if RAW_IPTC.fullmatch(name):
                    lost.append(metadata.IPTC)
                elif not IDLE.fullmatch(name):
                    texts.append(shown(keyword))
                continue
            content = _content(kind, rest)
            if content is None:
                lost.append("its ICC profile" if kind == b"iCCP" else f"its {shown(keyword)}")
            elif kind == b"iCCP":
                found["icc_profile"] = content
            elif raw:
                found[name] = content.decode("latin-1")
            else:
                found["xmp"] = content
    if texts:
        named = ", ".join(dict.fromkeys(texts[:MOST_NAMED])) + (", …" if len(texts) > MOST_NAMED else "")
        lost.append(f"its texts ({named})")
    return found, lost


def shown(keyword: bytes) -> str:
    return "XMP" if keyword == XMP else re.sub("[^ -~]", "?", keyword.decode("latin-1"))[:40]


def _content(kind: bytes, rest: bytes) -> bytes | None:
    """What follows the keyword of a profile or text, inflated; None if that is broken or too long."""
    if kind == b"tEXt":
        return rest
    compressed, method = True, rest[:1]
    data = rest[1:]
    if kind == b"iTXt":
        compressed, method = rest[:1] != b"\0", rest[1:2]
        parts = rest[2:].split(b"\0", 2)
        if len(parts) < 3:
            return None
        data = parts[2]
    if not compressed:
        return data
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(data, MOST)
    except zlib.error:
        return None
    return content if method == b"\0" and inflate.eof else None
