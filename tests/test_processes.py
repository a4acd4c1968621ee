"""A codec in other processes: pickled for those that are spawned, and used on after a fork."""

import copy
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import photograph
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import codec
from codec.errors import BadWeights, UnknownModel
from codec.model.weights import path_of

FORKING = """
import multiprocessing as mp, os, sys, threading
import numpy as np, torch, codec
from codec.latents import features

torch.set_num_threads(3)
picture = (np.add.outer(np.arange(200), np.arange(300)) % 256).astype("u1")
coder = codec.Codec(device="cpu")
data = coder.encode(picture, 60, lossless=False)
expected = np.asarray(coder.decode(data)).tobytes()

def job(kind):
    if kind == "used":
        assert coder.encode(picture, 60, lossless=False) == data
        return np.asarray(coder.decode(data)).tobytes() == expected
    if kind == "effort":
        return codec.info(coder.encode(picture, 60, effort=1, lossless=False))["width"] == 300
    if kind == "new":
        return np.asarray(codec.Codec(device="cpu", threads=4).decode(data)).tobytes() == expected
    if kind == "again":
        with mp.get_context("fork").Pool(1) as pool:
            return pool.map_async(job, ["used"]).get(60) == [True]
    return features.embed(coder, data).shape == (1130,)

def work(stop):
    while not stop.is_set():
        coder.decode(data)
        coder.encode(picture, 60, lossless=False)

if __name__ == "__main__":
    coder.encode(picture, 60, effort=1, lossless=False)
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=[stop], daemon=True) for _ in range(int(sys.argv[1]))]
    for thread in threads:
        thread.start()
    for kind in ("used", "effort", "new", "features") * int(sys.argv[2]):
        with mp.get_context("fork").Pool(1) as pool:
            assert pool.map_async(job, [kind]).get(60) == [True], kind
    fork = threading.Thread(target=lambda: print(mp.get_context("fork").Pool(2).map(job, ["used", "new"])))
    fork.start()
    fork.join()
    process = mp.get_context("fork").Process(target=lambda: print(job("again")))
    process.start()
    process.join()
    stop.set()
    for thread in threads:
        thread.join()
    assert torch.get_num_threads() == 3 and job("used")
    print("done")
"""


@pytest.mark.parametrize("threads, rounds", [(0, 1), (2, 2)], ids=["alone", "while other threads work"])
def test_fork(tmp_path, threads, rounds):
    (tmp_path / "forking.py").write_text(FORKING)
    command = [sys.executable, tmp_path / "forking.py", str(threads), str(rounds)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)
    assert done.stdout.splitlines() == ["[True, True]", "True", "done"] and done.stderr == "", done.stderr


class Pictures(torch.utils.data.Dataset):
    """Files and what they decode to."""

    def __init__(self, coder, files):
        self.coder, self.files = coder, files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        return np.asarray(self.coder.decode(self.files[i]))


def decoded(coder, data):
    return np.asarray(coder.decode(data))


def test_spawned_processes_take_a_codec():
    coder = codec.Codec(device="cpu")
    files = [coder.encode(photograph(64, 80, seed), 60) for seed in range(4)]
    loader = torch.utils.data.DataLoader(Pictures(coder, files), 2, num_workers=1, multiprocessing_context="spawn")
    batches = list(loader)
    assert [tuple(batch.shape) for batch in batches] == [(2, 64, 80, 3)] * 2
    assert np.abs(batches[0][0].numpy().astype(int) - decoded(coder, files[0])).max() <= 1
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        assert pool.apply(decoded, [coder, files[1]]).shape == (64, 80, 3)


def test_pickled_codecs_are_the_same(tmp_path, monkeypatch):
    shutil.copy(path_of("default"), tmp_path / "mine.safetensors")
    monkeypatch.chdir(tmp_path)
    picture = photograph(70, 90)
    for arguments in ({}, {"device": "cpu"}, {"model": "psnr", "threads": 1}, {"model": "mine.safetensors"}):
        coder = codec.Codec(**arguments)
        monkeypatch.chdir(tmp_path.parent)
        for again in (pickle.loads(pickle.dumps(coder)), copy.copy(coder), copy.deepcopy(coder)):
            assert type(again) is codec.Codec and again.model.id == coder.model.id and again.device == coder.device
            assert again.encode(picture) == coder.encode(picture)
        assert len(pickle.dumps(coder)) < 1000
        monkeypatch.chdir(tmp_path)


def test_a_pickled_denoiser_denoises():
    from codec.latents import denoise

    coder = denoise.denoiser(device="cpu")
    noisy = (photograph(64, 64) + np.random.default_rng(0).normal(0, 25, (64, 64, 3))).clip(0, 255).astype("u1")
    again = pickle.loads(pickle.dumps(coder))
    assert type(again) is denoise.Denoiser and again.encode(noisy, 45) == coder.encode(noisy, 45)
    assert again.encode(noisy, 45) != codec.compress(noisy, 45, model="psnr", device="cpu")


def test_a_model_that_is_gone_or_another_is_refused(tmp_path):
    path = tmp_path / "mine.safetensors"
    shutil.copy(path_of("default"), path)
    pickled = pickle.dumps(codec.Codec(path))
    with safe_open(path, "pt") as file:
        metadata = file.metadata() | {"note": "another"}
    save_file(load_file(path), path, metadata)
    with pytest.raises(BadWeights, match="is needed"):
        pickle.loads(pickled)
    path.unlink()
    with pytest.raises(UnknownModel, match="mine"):
        pickle.loads(pickled)
