"""The native engine against the reference written from FORMAT.md: the same bytes, latents and samples from every
instruction set and number of threads.
"""

import functools
import os
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from codec.bitstream.container import Tile
from codec.coding.tiles import analysis_halo, synthesis_halo
from codec.engine.native import library
from codec.engine.native.model import Model, tensors_of
from codec.errors import BadWeights, Corrupt
from tests.native import models
from tests.native.reference import Reference

pytestmark = pytest.mark.skipif(library.path() is None, reason="installed without a C compiler")
SIMD = [b"avx512vnni", b"avx2", b"baseline", b"neon", b"plain"]
SIZES = [(1, 1), (3, 2), (4, 4), (9, 13), (2, 27)]  # of tiles, in positions
QUALITIES = [100, 3333, 7525, 10000]


@functools.cache
def reference(seed=0):
    data = models.noise(seed)
    return Reference(Model(data).config, tensors_of(data))


@pytest.fixture(params=SIMD, ids=bytes.decode)
def model(request):
    """The model of noise on one instruction set."""
    if not library.load().aec_use(request.param):
        pytest.skip("not on this processor")
    yield Model(models.noise())
    library.load().aec_use(None)


def samples(rng, h, w, channels, depth):
    return rng.integers(0, 2**depth, (16 * h, 16 * w, channels)).astype(f"u{depth // 8}")


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("size", SIZES)
def test_both_ways_as_the_reference(model, size, quality):
    rng, own = np.random.default_rng(size), reference()
    pixels = samples(rng, *size, *[(3, 8), (1, 8), (3, 16), (1, 16)][quality % 4])
    latents = model.analyse(pixels, quality)
    y = own.analyse(pixels, quality)
    assert (latents.transpose(2, 0, 1) == y).all() and y.std() > 100
    tile = model.write(latents, quality)
    assert (tile.payload, tile.symbols_crc) == own.write(own.hyper(y, quality), own.target(y, quality), quality)
    decoded, check = own.read(tile.payload, *size, quality)
    latents = model.read(tile, *size, quality)
    assert check == tile.symbols_crc and (latents.transpose(2, 0, 1) == decoded).all()
    for channels, depth in [(3, 8), (1, 8), (3, 16), (1, 16)]:
        made = model.render(latents, quality, channels, depth)
        assert (made == own.render(decoded, quality, channels, depth)).all() and (size == (1, 1) or made.std() > 1)


@pytest.mark.parametrize("scale", [0.3, 20, 3000, 2**15])
def test_symbols_of_every_size(model, scale):
    """Escapes of up to five groups, residuals beyond the bound, which are cut to it, and ones that are not coded."""
    rng, own = np.random.default_rng(int(scale)), reference()
    z = np.clip(np.rint(rng.laplace(0, scale, (5, 2, 3))), -16384, 16384).astype(np.int64)
    target = np.clip(np.rint(rng.laplace(0, scale * 4096, (12, 7, 10))), -(2**27), 2**27).astype(np.int64)
    tile = model.pack(z, target.transpose(1, 2, 0), 6000)
    assert (tile.payload, tile.symbols_crc) == own.write(z, target, 6000)
    decoded, _ = own.read(tile.payload, 7, 10, 6000)
    assert (model.read(tile, 7, 10, 6000).transpose(2, 0, 1) == decoded).all()


@pytest.mark.parametrize("seed", range(1, 9))
def test_models_of_noise(seed):
    rng = np.random.default_rng(seed)
    draw = lambda low, high: int(rng.integers(low, high))
    sizes = dict(latent=4 * draw(1, 9), hyper=draw(1, 40), width=draw(1, 70), deep=draw(1, 70), render=draw(1, 40))
    sizes |= dict(prior=draw(1, 70), prior_mid=draw(1, 40), anchors=draw(2, 6))
    sizes |= dict(analysis_blocks=draw(0, 3), synthesis_blocks=draw(0, 3))
    data = models.noise(seed, **sizes)
    model, pixels = Model(data), samples(rng, 5, 6, 3, 8)
    own = Reference(model.config, tensors_of(data))
    latents = model.analyse(pixels, 4321)
    y = own.analyse(pixels, 4321)
    assert (latents.transpose(2, 0, 1) == y).all()
    tile = model.write(latents, 4321)
    assert (tile.payload, tile.symbols_crc) == own.write(own.hyper(y, 4321), own.target(y, 4321), 4321)
    decoded = model.read(tile, 5, 6, 4321)
    assert (model.render(decoded, 4321, 3, 8) == own.render(decoded.transpose(2, 0, 1), 4321, 3, 8)).all()


def test_windows_leave_no_seam(model):
    rng, (h, w) = np.random.default_rng(5), (24, 29)
    pixels, latents = samples(rng, h, w, 3, 8), rng.integers(-40000, 40000, (h, w, 12)).astype(np.int32)
    whole, rendered = model.analyse(pixels, 5000), model.render(latents, 5000, 3, 8)
    reach = analysis_halo(model.config)
    assert reach == synthesis_halo(model.config)
    for top, bottom, left, right in [(0, 11, 0, 29), (11, 24, 0, 13), (11, 24, 13, 29), (6, 8, 20, 21)]:
        halo = min(reach, top), min(reach, h - bottom), min(reach, left), min(reach, w - right)
        rows, columns = slice(top - halo[0], bottom + halo[1]), slice(left - halo[2], right + halo[3])
        part = pixels[16 * rows.start : 16 * rows.stop, 16 * columns.start : 16 * columns.stop]
        assert (model.analyse(part, 5000, halo) == whole[top:bottom, left:right]).all()
        part = model.render(latents[rows, columns], 5000, 3, 8, halo)
        assert (part == rendered[16 * top : 16 * bottom, 16 * left : 16 * right]).all()


def test_a_picture_that_ends_within_a_position(model):
    rng = np.random.default_rng(6)
    pixels = samples(rng, 3, 4, 3, 16)[:-5, :-11]
    padded = np.pad(pixels, ((0, 5), (0, 11), (0, 0)), "edge")
    latents = model.analyse(pixels, 5000)
    assert (latents == model.analyse(padded, 5000)).all()
    part, whole = model.render(latents, 5000, 3, 8, size=pixels.shape[:2]), model.render(latents, 5000, 3, 8)
    assert part.shape == pixels.shape and (part == whole[:-5, :-11]).all()


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_threads_change_nothing(threads):
    rng, model = np.random.default_rng(7), Model(models.noise())
    pixels = samples(rng, 30, 41, 3, 8)
    try:
        library.load().aec_threads(threads)
        for _ in range(5):
            latents = model.analyse(pixels, 6000)
            tile = model.write(latents, 6000)
            found = model.read(tile, 30, 41, 6000)
            hashes = [zlib.crc32(a.tobytes()) for a in (latents, found, model.render(found, 6000, 3, 8))]
            assert hashes + [tile.symbols_crc] == one_thread()
    finally:
        library.load().aec_threads(1)


@functools.cache
def one_thread():
    library.load().aec_threads(1)
    rng, model = np.random.default_rng(7), Model(models.noise())
    latents = model.analyse(samples(rng, 30, 41, 3, 8), 6000)
    tile = model.write(latents, 6000)
    found = model.read(tile, 30, 41, 6000)
    hashes = [zlib.crc32(a.tobytes()) for a in (latents, found, model.render(found, 6000, 3, 8))]
    return hashes + [tile.symbols_crc]


def test_callers_in_threads_and_a_child():
    """The pool serves one call at a time, the others work alone; a child process starts threads of its own."""
    model, pixels = Model(models.noise()), samples(np.random.default_rng(8), 20, 20, 3, 8)
    library.load().aec_threads(2)
    try:
        whole = model.analyse(pixels, 6000)
        with ThreadPoolExecutor(4) as pool:
            assert all((found == whole).all() for found in pool.map(lambda _: model.analyse(pixels, 6000), range(40)))
        child = os.fork()
        if not child:
            os._exit(0 if (model.analyse(pixels, 6000) == whole).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        library.load().aec_threads(1)


def test_what_is_no_payload():
    model = Model(models.noise())
    latents = model.analyse(samples(np.random.default_rng(9), 4, 5, 3, 8), 6000)
    tile = model.write(latents, 6000)
    for payload, sentence in [
        (b"", "0 bytes cannot be"),
        (tile.payload[:-1], "bytes cannot be"),
        (bytes(8), "impossible state"),
        (tile.payload[:-4], "end before their symbol"),
        (tile.payload + bytes(4), "do not end after"),
    ]:
        with pytest.raises(Corrupt, match=sentence):
            model.read(Tile(payload, tile.symbols_crc), 4, 5, 6000)
    with pytest.raises(Corrupt, match="do not match their checksum"):
        model.read(Tile(tile.payload, tile.symbols_crc ^ 1), 4, 5, 6000)


def test_an_unknown_instruction_set_is_one_sentence():
    code = "from codec.engine.native import library; library.load()"
    environment = os.environ | {"AECODEC_SIMD": "mmx"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "BadOption: AECODEC_SIMD asks for 'mmx', which this processor or this build does not have" in run.stderr


def test_the_library_brings_no_torch():
    code = "import sys, codec.engine.native.model; assert not {'torch', 'compressai', 'safetensors'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def filled(value):
    return lambda array: np.full_like(array, value)


FULL = [("weight", 0), ("bias", 2**31 - 2**16 - 1), ("shift", 0)]  # a stream that has no room for blocks
WRONG = [
    ({"synthesis.first.weight": lambda w: w[:, :, :, :0]}, "synthesis.first.weight is not of the type and shape"),
    ({"synthesis.first.weight": lambda w: w.astype(np.int32)}, "synthesis.first.weight is not of the type and shape"),
    ({"synthesis.first.weight": filled(32767)}, "synthesis.first does not keep its sums exact"),
    ({"prior.network.up1.weight": filled(-128)}, "prior.network.up1 does not keep its sums exact"),
    ({"prior.network.up1.bias": filled(1 << 23)}, "prior.network.up1 does not keep its sums exact"),
    ({"prior.network.join.1.shift": filled(2)}, "prior.network.join.1.shift is out of range"),
    ({"synthesis.last.shift": filled(0)}, "synthesis.last does not keep its sums exact"),
    ({f"synthesis.up8.{part}": filled(n) for part, n in FULL}, "synthesis.up8 does not keep its sums exact"),
    ({"analysis.down.cut": filled(-1)}, "analysis.down.cut is out of range"),
    ({"analysis.down.limit": filled(32768)}, "analysis.down.limit is out of range"),
    ({"hyper_analysis.c.limit": filled(-1)}, "hyper_analysis.c.limit is out of range"),
    ({"prior.exp2": filled(0)}, "prior.exp2 is out of range"),
    ({"prior.gain_y": filled(65 * 1024)}, "prior.gain_y is out of range"),
    ({"prior.network.phase_bias": filled(1 << 23)}, "prior.network.phase_bias does not keep sums exact"),
    ({"table.y.cdfs": lambda c: c[::-1].copy()}, "table.y.cdfs has rows that are no distributions"),
    ({"table.z.sizes": filled(2)}, "table.z.cdfs has rows that are no distributions"),
    ({"table.z.offsets": filled(1 << 21)}, "table.z.cdfs has rows that are no distributions"),
    ({"pull": filled(-1)}, "pull is out of range"),
    ({"thresholds": filled(8193)}, "thresholds is out of range"),
    ({"thresholds": None}, "thresholds is missing"),
    ({"thresholds": lambda t: t[:2].copy()}, "thresholds is not of the type and shape"),
    ({"thresholds_channel": filled(34)}, "thresholds_channel is out of range"),
    ({"thresholds_channel": None}, "thresholds_channel is missing"),
    ({"thresholds_busyness": filled(-65 * 1024)}, "thresholds_busyness is out of range"),
    ({"thresholds_busyness": None}, "thresholds_busyness is missing"),
    ({"thresholds_busyness": None, "thresholds_channel": None}, "thresholds is not of the type and shape"),
    ({"pull": None}, "pull is missing"),
]


@pytest.mark.parametrize("changes, sentence", WRONG)
def test_what_is_no_model(changes, sentence):
    tensors = tensors_of(models.noise())
    for name, of in changes.items():
        array = tensors.pop(name)
        tensors |= {name: of(array)} if of else {}
    with pytest.raises(BadWeights, match=sentence.replace(".", r"\.")):
        Model(models.packed(reference().config, tensors))
