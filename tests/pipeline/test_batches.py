"""Several pictures in one call: the same bytes, shared work, and nothing that harms its neighbours."""

from dataclasses import replace

import api_files
import numpy as np
import pytest
import torch
from conftest import photograph

import codec
from codec.bitstream import container
from codec.engine.torch import engine
from codec.engine.torch.engine import TorchEngine
from codec.errors import BadImage, CodecError, Corrupt, TooLarge
from codec.pipeline import batches, ladder

file = pytest.fixture(scope="module")(api_files.file)


def test_batches_are_the_same_as_one_by_one(coder):
    pictures = [photograph(40 + 9 * i, 56 - 7 * (i % 3), i, 1 + 2 * (i % 2)) for i in range(5)]
    files = coder.encode_batch(pictures, 70)
    assert files == [coder.encode(picture, 70) for picture in pictures]
    decoded = coder.decode_batch(files)
    assert [image.mode for image in decoded] == ["L", "RGB", "L", "RGB", "L"]
    assert all(np.array_equal(a, coder.decode(data)) for a, data in zip(decoded, files))  # of different sizes
    assert coder.encode_batch([], 70) == coder.decode_batch([]) == []
    with pytest.raises(BadImage):
        coder.encode_batch([pictures[0], b"no picture"], 70)
    with pytest.raises(TooLarge):
        coder.decode_batch(files, max_pixels=100)


def test_small_pictures_of_one_size_go_through_prior_and_synthesis_together(on_torch, monkeypatch):
    """Files and pixels are those of one at a time, whatever shares the batch: gray, 16 bits, lossless, other sizes,
    more than a bucket holds.
    """
    monkeypatch.setattr(ladder, "limit", lambda file, scan: 0)
    pictures = [photograph(48, 64, i, 1 + 2 * (i % 2)) for i in range(12)] + [
        photograph(400, 900),
        np.full((48, 64, 3), 9, np.uint8),
        photograph(48, 64).astype(np.uint16) * 257,
    ] * 2
    files = [on_torch.encode(picture, 55) for picture in pictures]
    pixels = [np.asarray(on_torch.decode(file)) for file in files]
    walk, synthesis, counts, rendered = (
        on_torch.model.networks.prior.walk,
        on_torch.model.networks.synthesis.forward,
        [],
        [],
    )
    monkeypatch.setattr(
        on_torch.model.networks.prior, "walk", lambda z, *arguments: (counts.append(len(z)), walk(z, *arguments))[1]
    )
    monkeypatch.setattr(
        on_torch.model.networks.synthesis,
        "forward",
        lambda y, *arguments, **options: (rendered.append(len(y)), synthesis(y, *arguments, **options))[1],
    )
    assert on_torch.encode_batch(iter(pictures), 55) == files and max(counts) == 16  # flat ones too: samples win later
    counts.clear(), rendered.clear()
    assert all(map(np.array_equal, on_torch.decode_batch(iter(files)), pixels))
    assert sorted(counts) == sorted(rendered) == [2, 2, 6, 6]  # the larger ones, 16 bits, gray, colour


def test_pictures_of_several_qualities_share_their_work_too(on_torch, monkeypatch):
    pictures = [photograph(48, 64, i) for i in range(5)]
    qualities = (100, 5550, 10000, 3050, 100)
    files = [on_torch.encode(picture, quality / 100, lossless=False) for picture, quality in zip(pictures, qualities)]
    found = [container.unpack(file).tiles[0] for file in files]
    walk, counts = on_torch.model.networks.prior.walk, []
    monkeypatch.setattr(
        on_torch.model.networks.prior, "walk", lambda z, *arguments: (counts.append(len(z)), walk(z, *arguments))[1]
    )
    own = on_torch.engine
    latents = [own.analyse(picture, quality) for picture, quality in zip(pictures, qualities)]
    assert own.write(latents, qualities) == found
    for y, *alone in zip(own.read(found, 3, 4, qualities), found, qualities):
        (expected,) = own.read(alone[:1], 3, 4, alone[1:])
        assert torch.equal(y, expected)
    counts.clear()
    bad = container.pack(replace(container.unpack(files[1]), tiles=[replace(found[1], symbols_crc=7)]))
    decoded = on_torch.decode_batch([files[0], bad, *files[2:]], return_exceptions=True)
    assert counts == [5] and isinstance(decoded[1], Corrupt)
    for image, file in zip(decoded[:1] + decoded[2:], files[:1] + files[2:]):
        assert np.array_equal(image, on_torch.decode(file))
    counts.clear()
    sizes = [900, 500]  # of each the qualities that are tried differ
    assert [on_torch.encode_batch(pictures[:2], target_size=size) for size in sizes] == [
        [on_torch.encode(picture, target_size=size) for picture in pictures[:2]] for size in sizes
    ]
    assert counts.count(2) > 2


def test_large_pictures_do_not_wait_for_each_other(on_torch, monkeypatch):
    """One that is held until its last small tile finds company would be whole in memory, and so would all others of the
    batch.
    """
    written, started, write = [], [], TorchEngine.write
    monkeypatch.setattr(TorchEngine, "write", lambda *arguments: (written.append(1), write(*arguments))[1])

    def wide():
        for i in range(3):
            started.append(len(written))
            yield photograph(16, 1040, i)

    files = on_torch.encode_batch(wide(), 40)
    assert started == [0, 2, 4] and codec.info(files[0])["tiles"] == 2
    assert [image.size for image in on_torch.decode_batch(files)] == [(1040, 16)] * 3


def test_what_is_wrong_in_a_batch_harms_nothing_beside_it(coder, tmp_path):
    good = [coder.encode(photograph(48, 64, i), 55) for i in range(4)]
    aec = container.unpack(good[0])
    payload = aec.tiles[0].payload
    bad = [
        container.pack(replace(aec, tiles=[container.Tile(*tile)]))
        for tile in ((payload, 7), (payload[:4], 7), (bytes(8), 7), (payload[:8] + bytes(40), 7), (b"", 7))
    ]
    bad += [b"no file", good[1][:-1], tmp_path / "none.aec"]
    batch = [file for pair in zip(good + good, bad) for file in pair]
    alone = []
    for file in bad:
        with pytest.raises((CodecError, OSError)) as caught:
            coder.decode(file)
        alone.append(caught.value)
    found = coder.decode_batch(batch, return_exceptions=True)
    assert [(type(e), str(e)) for e in found[1::2]] == [(type(e), str(e)) for e in alone]
    assert all(np.array_equal(a, coder.decode(b)) for a, b in zip(found[::2], good + good))
    for file, error in zip(bad, alone):
        with pytest.raises(type(error)):
            coder.decode_batch([*good, file])
    coded = coder.encode_batch(
        [photograph(48, 64, 0), b"no picture", tmp_path / "none.png", photograph(48, 64, 1)], 55, return_exceptions=True
    )
    assert (
        coded[0] == good[0]
        and isinstance(coded[1], BadImage)
        and isinstance(coded[2], BadImage)
        and coded[3] == good[1]
    )


def test_groups_wait_for_no_more_than_their_share():
    """A group is worked on as soon as it is full, what no other fits beside is alone, and pictures that wait are few
    whatever their number.
    """
    calls, waiting, most = [], {}, [0, 0]

    def work(items):
        calls.append((items[0][1], len(items)))
        for number, _ in items:
            del waiting[number]
        return [number for number, _ in items]

    def run(sizes):
        calls.clear()
        batch = batches.Batch(work, keep=False)
        for number, size in enumerate(sizes):
            waiting[number] = size * size
            most[:] = max(most[0], len(waiting)), max(most[1], sum(waiting.values()))
            batch.wait(number, (number, size), size, TorchEngine.together(None, size, size))
        return batch.results()

    assert run((16, 64, 100)[n % 3] for n in range(60)) == list(range(60))
    assert {count for size, count in calls if size != 16} == {1}
    assert max(count for size, count in calls if size == 16) == 16 and sum(count for _, count in calls) == 60
    assert run([1] * 1000) == list(range(1000)) and max(count for _, count in calls) == engine.MOST
    most[:] = 0, 0
    assert run(1 + n % 40 for n in range(1000)) == list(range(1000))
    # These are the pictures that are held, and their latents.
    assert most[0] <= batches.WAITING * engine.MOST + 1 and most[1] <= (batches.WAITING + 1) * engine.POSITIONS
    assert run([]) == []
