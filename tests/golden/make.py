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
import io
import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

import codec
from benchmarks.exactness import parse
from codec.bitstream import container
from codec.bitstream.entropy import Decoder, Encoder
from codec.coding import exact
from codec.engine.torch import payload as coding
from codec.errors import CodecError
from codec.pixels import write
from codec.pixels.image import Picture
from tests.fuzz import hostile, tiny

FOLDER = Path(__file__).parent
GOOD, BAD = FOLDER / "v2", FOLDER / "bad"
COMMAND = "python -m tests.golden.make"


def coder_of(name):
    """The Codec of a golden file by its name: of the model psnr, or of the tiny one."""
    return codec.Codec("psnr" if name.startswith(("default", "drawn")) else str(tiny.PATH), device="cpu", threads=1)


def scene(height, width, channels=3, depth=8, seed=0):
    """[H, W, C]: a gradient, edges and a little noise, in integers alone: the same wherever it is made."""
    draw, rows, columns = np.random.RandomState(seed), *np.mgrid[:height, :width]
    planes = [
        (rows * (3 + c) + columns * (2 + seed) + 90 * ((rows - 9) ** 2 + (columns - 12) ** 2 < 60) + 40 * c) % 256
        for c in range(channels)
    ]
    samples = np.stack(planes, 2) * 200 // 255 + 20 + draw.randint(0, 8, (height, width, channels))
    return (samples * 257 + draw.randint(0, 256, samples.shape) if depth == 16 else samples).astype(f"u{depth // 8}")


def page(height, width):
    """[H, W, 3]: lines of strokes on a plain ground around a slope with grain."""
    rows, columns = np.mgrid[:height, :width]
    strokes = (rows % 24 < 9) & ((columns * 7 + rows // 24 * 3) % 11 < 4)
    samples = np.where(strokes[..., None], np.uint8([30, 30, 60]), np.uint8([250, 250, 240]))
    slope = (rows + columns // 2)[..., None] // (1, 2, 3) + np.random.RandomState(4).randint(0, 7, (height, width, 3))
    samples[24:-24, 40:-24] = slope[24:-24, 40:-24]
    return samples


def alpha(height, width, depth=8):
    return scene(height, width, 1, depth, 3)[..., 0]


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


# Files to be refused


def png(*arguments, mode="L", **options):
    file = io.BytesIO()
    Image.new(mode, *arguments).save(file, "PNG", **options)
    return file.getvalue()


def bad(coder):
    """{name: bytes}: each a fault of its own, all others right."""
    plain = coder.encode(Picture(scene(20, 24), suffix="png"), 60, lossless=False)
    rich = coder.encode(Picture(scene(20, 24), alpha(20, 24), xmp=b"<x/>"), 60, lossless=False)
    wide = coder.encode(Picture(scene(3, 1030)), 60, lossless=False)
    picture, suffix, tiles, sections = hostile.take_apart(plain)
    (payload, crc), model, header = tiles[0], picture[0], container.read_header(plain)[1]["header"]
    parts = hostile.take_apart(rich)
    tile = hostile.encode("tile", len(payload), container.crc32(payload), crc)
    described = hostile.encode("picture", *picture)
    start, words = payload[:8], [payload[i : i + 4] for i in range(0, len(payload), 4)]

    def fields(model=model, flags=picture[1], width=24, height=20, quality=6000, name=None, tiles=tiles, sections=()):
        return hostile.build((model, flags, width, height, quality), name, tiles, sections)

    def payloads(data, crc=crc):
        return fields(tiles=[(data, crc)])

    def alphas(data, flags=0):
        return hostile.build([model, parts[0][1] & ~128 | flags, 24, 20, 6000], None, parts[2], [data])

    whole_alpha = parts[3][0]
    damaged = lambda data, place: data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    widths = lambda width: hostile.encode("picture", *picture)[:5] + width + hostile.encode("picture", *picture)[6:]
    return {
        # no file, or not all of it
        "empty": b"",
        "signature-only": plain[:4],
        "cut-in-the-header": plain[: header - 3],
        "cut-in-the-payload": plain[:-1],
        "header-only": plain[:header],
        "png": png((5, 5)),
        "text": b"hello, this is not a picture at all\n",
        "utf-8": plain[:1].decode("latin-1").encode() + plain[1:],
        "case": plain[:1] + b"aec" + plain[4:],
        "gzip": b"\x1f\x8b\x08\0" + plain,
        "zeros": bytes(100),
        "line-ends": plain.replace(b"\n", b"\r\n") if b"\n" in plain else plain[:9] + b"\r" + plain[9:],
        # another version, another model
        "version-0": plain[:4] + b"\0" + plain[5:],
        "version-1": plain[:4] + b"\1" + plain[5:],
        "unknown-flag": fields(flags=picture[1] | 1 << 20),
        "unknown-model": fields(model=b"none"),
        "no-model": fields(model=bytes(4)),
        "lossless-with-a-model": fields(flags=picture[1] | 256),
        "rounded-latents": fields(flags=picture[1] | 512),
        # headers that lie under a right checksum
        "header-damaged": damaged(plain, 8),
        "header-size-0": plain[:5] + b"\0" + plain[6:],
        "header-size-huge": b"\xaeAEC\x02\xff\xff\xff\x7f" + plain[6:],
        "header-size-long-form": hostile.reseal(plain[:5] + bytes([plain[5] | 128, 0]) + plain[6:]),
        "header-size-endless": plain[:5] + b"\xff" * 8 + plain[6:],
        "header-too-long": hostile.seal(described + tile + b"\0", payload),
        "header-too-short": hostile.seal(described + tile[:-1], payload),
        "width-0": fields(width=0),
        "height-0": fields(height=0),
        "width-over": fields(width=2**30 + 1),
        "quality-99": fields(quality=99),
        "quality-10001": fields(quality=10001),
        "width-long-form": hostile.seal(widths(b"\x98\0") + tile, payload),
        "width-of-six-bytes": hostile.seal(widths(b"\x98\x80\x80\x80\x80\x01") + tile, payload),
        "suffix-with-a-flag": fields(flags=12, name=b"png"),
        "suffix-path": fields(flags=12, name=b"../x"),
        "suffix-upper": fields(flags=12, name=b"PNG"),
        "suffix-empty": fields(flags=12, name=b""),
        "suffix-long": fields(flags=12, name=b"ninechars"),
        "suffix-nul": fields(flags=12, name=b"a\0"),
        "section-empty": hostile.seal(
            hostile.encode("picture", model, 128, 24, 20, 6000) + tile + hostile.encode("section", 0, 0), payload
        ),
        "section-of-4-gib": hostile.seal(
            hostile.encode("picture", model, 128, 24, 20, 6000) + tile + hostile.encode("section", 2**32 - 1, 0),
            payload,
        ),
        "section-damaged": rich[:-1] + b"!",
        "payload-damaged": damaged(plain, header + 5),
        "sections-swapped": hostile.build(*parts[:3], parts[3][::-1]),
        "goes-on": plain + b"\0",
        "twice": plain + plain,
        "tile-twice": hostile.seal(described + tile + tile, payload * 2),
        "one-tile-of-two": hostile.build(*hostile.take_apart(wide)[:2], hostile.take_apart(wide)[2][:1], []),
        # bombs
        "pixels-2-60": fields(width=2**30, height=2**30),
        "a-million-tiles": fields(width=1024000, height=1024000),
        "many-pixels": fields(width=20000, height=20000, tiles=[(b"", 0)] * 400),
        "wide": fields(width=2**18, height=1024, tiles=[(b"", 0)] * 256),
        "wide-without-loss": fields(bytes(4), 256, width=2**18, height=1024, tiles=[(b"", 0)] * 256),
        "payload-of-256-mib": hostile.seal(described + hostile.encode("tile", 2**28 - 1, 0, 0), payload),
        # payloads that no encoder writes, under right checksums
        "payload-empty": payloads(b""),
        "payload-of-4": payloads(b"\0\0\0\x80"),
        "payload-of-9": payloads(payload[:9]),
        "payload-odd": payloads(payload + b"\0"),
        "state-0": payloads(bytes(8) + payload[8:]),
        "state-low": payloads(b"\xff\xff\xff\x7f\0\0\0\0" + payload[8:]),
        "state-high": payloads(bytes(7) + b"\x80" + payload[8:]),
        "word-missing": payloads(payload[:-4]),
        "word-more": payloads(payload + bytes(4)),
        "words-swapped": payloads(start + b"".join(words[:1:-1])),
        "words-big-endian": payloads(b"".join(word[::-1] for word in words)),
        "ones": payloads(start + b"\xff" * 400),
        "zeros-after-the-state": payloads(b"\0\0\0\x80" + bytes(4) + bytes(400)),
        "symbols-crc": payloads(payload, crc ^ 1),
        "another-quality": fields(quality=6100),
        "another-height": fields(height=40),
        "one-row-less": fields(height=16),
        "symbol-of-2-20": payloads(big_symbol(coder, 2**20)),
        "symbol-beyond": payloads(big_symbol(coder, 16385)),
        "escape-in-long-form": long_escape(coder),
        # alpha planes
        "alpha-noise": alphas(b"\x89PNG\r\n\x1a\n" + bytes(30)),
        "alpha-other-size": alphas(png((25, 20))),
        "alpha-16-bit": alphas(png((24, 20), mode="I;16")),
        "alpha-cut": alphas(whole_alpha[:-20]),
        "alpha-and-more": alphas(whole_alpha + b"x"),
        "alpha-colour": alphas(png((24, 20), mode="RGB")),
        "alpha-jpeg": alphas(jpeg()),
        "alpha-with-a-chunk": alphas(whole_alpha[:-12] + chunk(b"tEXt", b"a\0b") + whole_alpha[-12:]),
        "alpha-bomb": alphas(
            whole_alpha[:8] + chunk(b"IHDR", bytes.fromhex("0000ffff0000ffff0800000000")) + whole_alpha[33:]
        ),
        "alpha-8-of-16": alphas(whole_alpha, 2),
        # lossless tiles
        **lossless_tiles(),
        # drawn parts
        **drawn_parts(fields, model),
        # ranges of 16-bit samples
        "range-of-8-bits": fields(flags=4096, sections=[b"\0\0\1\0"]),
        "range-of-3": fields(flags=4098, sections=[b"\0\0\1"]),
        "range-upside-down": fields(flags=4098, sections=[b"\1\0\0\0"]),
        # code points of colours
        **{
            f"cicp-{name}": fields(flags=2048, sections=[code])
            for name, code in {
                "of-3": b"\x09\x10\0",
                "of-5": b"\x09\x10\0\1\0",
                "matrix": b"\x09\x10\x09\1",
                "range": b"\x09\x10\0\2",
            }.items()
        },
    }


def jpeg():
    file = io.BytesIO()
    Image.new("L", (24, 20)).save(file, "JPEG")
    return file.getvalue()


def chunk(name, content):
    return len(content).to_bytes(4, "big") + name + content + container.crc32(name + content).to_bytes(4, "big")


def big_symbol(coder, value):
    """A payload that begins with a symbol of that size and is otherwise of a file of 20 x 24 pixels."""
    rows = coding._z_rows(coder.model, (1, coder.model.config.hyper, 1, 1), 6000)
    encoder = Encoder()
    encoder.put(np.array([value] + [0] * (len(rows) - 1)), rows, coder.model.tables_z)
    encoder.put(np.zeros(40, int), np.ones(40, int), coder.model.tables_y)
    return encoder.finish()


def long_escape(coder):
    """A file that is right but for its first escape, which takes two groups more than it needs."""
    file, reads, escaped = coder.encode(scene(20, 24), 100, lossless=False), [], False
    get = Decoder.get

    def listening(self, indexes, tables):
        nonlocal escaped
        symbols = get(self, indexes, tables)
        for symbol, index in zip(symbols.tolist(), indexes.tolist()):
            values, frequencies = tables.row(index)
            order = np.argsort(-frequencies, kind="stable")
            starts = np.cumsum([0, *frequencies[order]]).tolist()
            if values[0] <= symbol <= values[-1]:
                k = order.tolist().index(symbol - values[0])
                reads.append(("symbol", starts[k], int(frequencies[order[k]])))
                continue
            e = 2 * (values[0] - symbol) - 1 if symbol < values[0] else 2 * (symbol - values[-1] - 1)
            groups = [e >> 4 * i & 15 for i in range(-(-int(e).bit_length() // 4))] + [0, 0] * (not escaped)
            reads.extend(
                [
                    ("symbol", starts[-1], 65536 - starts[-1]),
                    ("bits", len(groups)),
                    *(("bits", int(group)) for group in groups),
                ]
            )
            escaped = True
        return symbols

    with patch.object(Decoder, "get", listening):
        coder.verify(file)
    picture, suffix, [(_, crc)], sections = hostile.take_apart(file)
    return hostile.build(picture, suffix, [(hostile.by_hand(reads), crc)], sections)


def lossless_tiles():
    pixels = scene(20, 24)
    good, right = exact.encode(pixels), exact.checksum(pixels)
    deep = exact.encode(scene(20, 24, 3, 16))

    def of(data, flags=256, crc=right):
        return hostile.build((bytes(4), flags, 24, 20, 6000), None, [(data, crc)], [])

    return {
        "lossless-empty": of(b""),
        "lossless-signature": of(b"\x2e" + good[1:]),
        "lossless-size": of(good[:1] + b"\0\0\0\0" + good[5:]),
        "lossless-cut": of(good[:40]),
        "lossless-png-of-8": of(png((24, 20), mode="RGB")),
        "lossless-webp-of-16": of(good, 258),
        "lossless-png-of-16": of(png((24, 20), mode="I;16"), 259),
        "lossless-cut-16": of(deep[:-30], 258),
        "lossless-crc": of(good, crc=1),
    }


def drawn_parts(fields, model):
    samples = np.zeros((20, 24, 4), np.uint8)
    samples[:9] = 60, 70, 80, 255
    good = exact.webp(samples)
    samples[3, 3, 3] = 254

    def of(data, flags=1024, model=model):
        return fields(model, flags, sections=[data])

    return {
        "drawn-noise": of(b"\x2f" + bytes(30)),
        "drawn-cut": of(good[:-9]),
        "drawn-other-size": of(exact.webp(samples[:19])),
        "drawn-without-alpha": of(exact.encode(scene(20, 24))),
        "drawn-half-transparent": of(exact.webp(samples)),
        "drawn-deep": of(good, 1026),
        "drawn-lossless": of(good, 1280, bytes(4)),
    }


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
