"""Golden files that every version must refuse, each for a fault of its own."""

import io
from unittest.mock import patch

import numpy as np
from PIL import Image

from codec.bitstream import container
from codec.bitstream.entropy import Decoder, Encoder
from codec.coding import lossless
from codec.engine.torch import payload as coding
from codec.pixels.picture import Picture
from tests.fuzz import hostile
from tests.golden.scenes import alpha, scene


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
    good, right = lossless.encode(pixels), lossless.checksum(pixels)
    deep = lossless.encode(scene(20, 24, 3, 16))

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
    good = lossless.webp(samples)
    samples[3, 3, 3] = 254

    def of(data, flags=1024, model=model):
        return fields(model, flags, sections=[data])

    return {
        "drawn-noise": of(b"\x2f" + bytes(30)),
        "drawn-cut": of(good[:-9]),
        "drawn-other-size": of(lossless.webp(samples[:19])),
        "drawn-without-alpha": of(lossless.encode(scene(20, 24))),
        "drawn-half-transparent": of(lossless.webp(samples)),
        "drawn-deep": of(good, 1026),
        "drawn-lossless": of(good, 1280, bytes(4)),
    }
