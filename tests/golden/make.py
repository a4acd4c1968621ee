"""Golden files: .aec files that every later version must read the same, and files that every later version must refuse.

    python -m tests.golden.make default drawn               # after the model psnr was replaced: its files anew
    python -m tests.golden.make tiny exact rounded bad      # the files of the tiny model and of none

Files of the model psnr, which was the first default one, are replaced until 1.0; from then on, files are only added.
The others are only ever replaced with the format.

v2/NAME.aec is a file and v2/NAME.png its pixels (with alpha); v2/golden.json says for each the model, and the SHA-256
of all integers of the parse, and of the pixels. bad/NAME is refused, with the class of error that bad/errors.json
names, each for a fault of its own. tests/test_golden.py reads them all.
"""

import argparse
import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

import codec
from benchmarks.exactness import parse
from codec.errors import CodecError
from codec.pixels import write
from codec.pixels.picture import Picture
from tests.fuzz import tiny
from tests.golden.refused import bad
from tests.golden.scenes import alpha, page, scene

FOLDER = Path(__file__).parent
GOOD, BAD = FOLDER / "v2", FOLDER / "bad"
COMMAND = "python -m tests.golden.make"


def coder_of(name, engine="torch"):
    """The Codec of a golden file by its name: of the model psnr, or of the tiny one."""
    model = "psnr" if name.startswith(("default", "drawn")) else str(tiny.PATH)
    return codec.Codec(model, device="cpu", threads=1, engine=engine)


def tiff():
    """The EXIF block of a picture turned by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes().removeprefix(b"Exif\0\0")


def pictures():
    """{name: (Picture, quality)}"""
    full = Picture(scene(40, 52), alpha(40, 52), icc=bytes(range(140)), exif=tiff(), xmp=b"<x:xmpmeta/>", suffix="webp")
    return {
        "tiny-1x1": (Picture(scene(1, 1)), 50),
        "tiny-rgb": (Picture(scene(40, 52)), 60),
        "tiny-gray": (Picture(scene(33, 17, 1)), 37.53),
        "tiny-rgb-16": (Picture(scene(30, 50, 3, 16)), 90),
        "tiny-gray-16": (Picture(scene(18, 20, 1, 16)), 100),
        "tiny-lowest": (Picture(scene(70, 66)), 1),
        "tiny-alpha-16": (Picture(scene(20, 20, 1, 16), alpha(20, 20, 16), suffix="tif"), 75),
        "tiny-everything": (full, 99.99),
        "tiny-range": (Picture(scene(25, 30, 1, 16) // 16 + np.uint16(300), suffix="dcm"), 60),
        "rounded-range": (Picture(np.random.RandomState(6).randint(9, 4000, (40, 30, 1)).astype(np.uint16)), 90),
        "tiny-cicp": (Picture(scene(21, 18), cicp=b"\x09\x10\0\1", suffix="avif"), 60),
        "tiny-two-tiles": (Picture(scene(5, 1030)), 80),
        "tiny-tall": (Picture(scene(1040, 2, 1)), 20),
        "exact-gray": (Picture(scene(33, 70, 1)), 60),
        "exact-alpha": (Picture(scene(30, 20), alpha(30, 20), suffix="gif"), 60),
        "exact-rgb-16": (Picture(scene(9, 14, 3, 16)), 60),
        "rounded-rgb": (
            Picture(scene(19, 33) // 4 + np.random.RandomState(5).randint(0, 190, (19, 33, 3)).astype(np.uint8)),
            80,
        ),
        "drawn-rgb": (Picture(page(160, 208)), 60),
        "default-rgb": (Picture(scene(64, 80), suffix="jpg"), 60),
        "default-everything": (full, 85),
        "default-gray-16": (Picture(scene(33, 70, 1, 16)), 98),
    }


def digest(coder, file):
    """SHA-256 of z, and of mean, row and residual of every symbol, of every tile."""
    total = hashlib.sha256()
    for tile in parse(coder, file):
        for integers in tile:
            total.update(integers.numpy().astype("<i4").tobytes())
    return total.hexdigest()


def of_pixels(pixels):
    """SHA-256 of samples [H, W, C], those of 16 bits with the low byte first."""
    return hashlib.sha256(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()).hexdigest()


def make_good(kind):
    golden = json.loads((GOOD / "golden.json").read_text()) if (GOOD / "golden.json").exists() else {}
    golden = {name: entry for name, entry in golden.items() if not name.startswith(kind)}
    coder = coder_of(kind)
    for name, (picture, quality) in pictures().items():
        if name.startswith(kind):
            file = coder.encode(
                picture, quality, lossless={"exact": True, "rounded": None, "drawn": None}.get(kind, False)
            )
            (GOOD / f"{name}.aec").write_bytes(file)
            decoded = coder.decode_picture(file)
            write.save(
                dataclasses.replace(decoded, icc=None, exif=None, xmp=None, cicp=None), GOOD / f"{name}.png", "png"
            )
            golden[name] = {
                "model": codec.info(file)["model"],
                "sha256": hashlib.sha256(file).hexdigest(),
                "parse": digest(coder, file),
                "pixels": of_pixels(decoded.pixels),
            }
    (GOOD / "golden.json").write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")


def make_bad():
    coder, errors = coder_of("tiny"), {}
    for path in BAD.iterdir():
        path.unlink()
    for name, data in bad(coder).items():
        (BAD / name).write_bytes(data)
        try:
            coder.decode_picture(data)
        except CodecError as error:
            errors[name] = type(error).__name__
        else:
            raise SystemExit(f"{name} is not refused")
    (BAD / "errors.json").write_text(json.dumps(errors, indent=1, sort_keys=True) + "\n")


def main():
    parser = argparse.ArgumentParser(COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="+", choices=("default", "drawn", "tiny", "exact", "rounded", "bad"))
    options = parser.parse_args()
    for folder in (GOOD, BAD):
        folder.mkdir(exist_ok=True)
    for kind in options.kinds:
        make_bad() if kind == "bad" else make_good(kind)
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    print(f"{len(sizes)} files, {sum(sizes):,} bytes")


if __name__ == "__main__":
    main()
