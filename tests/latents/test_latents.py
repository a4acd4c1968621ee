"""What the latents know: features of pictures, near-duplicates, and what is unusual; the library and the commands."""

import json
import os

import latents_files
import numpy as np
import pytest
import torch
from conftest import photograph
from latents_files import run
from PIL import Image

from benchmarks.latents.copies import COPIES
from benchmarks.latents.textures import damaged, texture
from codec import latents
from codec.errors import BadOption
from codec.latents import anomaly, features

coder = pytest.fixture(scope="module")(latents_files.coder)
pictures = pytest.fixture(scope="module")(latents_files.pictures)
folder = pytest.fixture(scope="module")(latents_files.folder)


# Features


def test_the_latent_is_what_the_decoder_synthesises(coder, pictures):
    data = coder.encode(pictures[0], 50)
    latent = coder.latent(data)
    assert latent.shape == (320, 10, 14) and latent.dtype == np.float32
    with torch.inference_mode():
        model = coder.engine.torch.model
        x = model.floats.synthesis(torch.from_numpy(latent[None]), model.coordinate(5000))[0].permute(1, 2, 0)
    decoded = np.asarray(coder.decode(data)).astype(float)
    assert np.abs(((x + 0.5).clamp(0, 1) * 255).numpy() - decoded).max() <= 1


def test_features_of_a_picture_are_those_of_its_file(coder, pictures):
    data = coder.encode(pictures[0], features.QUALITY)
    one = latents.embed(coder, pictures[0])
    assert one.dtype == np.float32 and np.array_equal(one, latents.embed(coder, data))
    assert np.linalg.norm(one[:810]) == pytest.approx(1, abs=1e-4)


def test_block_colours_are_those_of_the_picture(coder, pictures):
    colours = features.block_colours(coder.latent(coder.encode(pictures[0], 80)), coder.engine.torch.model)
    luma = np.asarray(pictures[0]).mean(2).reshape(10, 16, 14, 16).mean((1, 3)) / 255 - 0.5
    assert np.abs(colours[0] - luma).max() < 0.05


def test_copies_find_their_original(coder, pictures):
    gallery = np.array([latents.embed(coder, p) for p in pictures])
    for number, (kind, alter) in enumerate(COPIES.items()):
        chosen = [number, number + 3]
        queries = np.array([latents.embed(coder, alter(pictures[i], np.random.default_rng(i))) for i in chosen])
        assert latents.nearest(queries, gallery, 1)[0][:, 0].tolist() == chosen, kind


def test_vectors_of_different_lengths_are_refused():
    with pytest.raises(BadOption, match="3 and of 4"):
        latents.nearest(np.zeros((1, 3)), np.zeros((2, 4)), 1)


def test_embed_writes_rows_in_the_order_of_the_files(coder, folder, tmp_path):
    (tmp_path / "0.aec").write_bytes(coder.encode(folder / "0.png", 60))
    target = tmp_path / "f.npy"
    lines = run("embed", "-d", "cpu", "--json", tmp_path / "0.aec", folder / "1.png", "-o", target).stdout.splitlines()
    assert [json.loads(line)["row"] for line in lines] == [0, 1]
    rows = np.load(target)
    assert np.array_equal(rows[0], latents.embed(coder, folder / "0.png")) and rows.shape == (2, 1130)
    run("embed", "-d", "cpu", folder / "1.png", "-o", target, code=1)  # exists
    assert np.load(target).shape == (2, 1130)


def test_embed_leaves_nothing_half_written(folder, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    result = run("embed", "-d", "cpu", folder / "1.png", tmp_path / "bad.png", "-o", tmp_path / "f.npy", code=1)
    assert "bad.png: " in result.stderr and "would not match" in result.stderr and not (tmp_path / "f.npy").exists()
    run("embed", "-d", "cpu", folder / "1.png", tmp_path / "bad.png", "-o", tmp_path / "f.parquet", code=1)
    names, vectors, _ = features.load(tmp_path / "f.parquet")
    assert names == [str(folder / "1.png")] and vectors.shape == (1, 1130)
    assert "does not end in" in run("embed", folder / "1.png", "-o", tmp_path / "f.csv", code=2).stderr


def test_similar_ranks_a_folder_and_marks_copies(folder, pictures, tmp_path):
    query = tmp_path / "query.jpg"
    pictures[2].transpose(Image.FLIP_LEFT_RIGHT).save(query, quality=60)
    lines = [
        json.loads(line) for line in run("similar", "-d", "cpu", "--json", "-k", 2, query, folder).stdout.splitlines()
    ]
    assert [line["rank"] for line in lines] == [1, 2] and lines[0]["input"] == str(folder / "2.png")
    assert lines[0]["copy"] and lines[0]["distance"] < lines[1]["distance"]
    run("embed", "-d", "cpu", "-r", folder, "-o", tmp_path / "f.parquet")
    assert run("similar", "-d", "cpu", "-k", 1, query, tmp_path / "f.parquet").stdout.split() == [
        f"{lines[0]['distance']:.3f}",
        "copy",
        str(folder / "2.png"),
    ]
    other = run("similar", "-d", "cpu", "-m", "default", query, tmp_path / "f.parquet", code=1).stderr
    assert f"f.parquet: is of the model {model_ids()['psnr']}, not of {model_ids()['default']}" in other


def model_ids():
    """{name: id} of the installed models."""
    return {line["model"]: line["id"] for line in map(json.loads, run("models", "--json").stdout.splitlines())}


def test_similar_finds_the_pairs_in_a_folder(pictures, tmp_path):
    pictures[0].save(tmp_path / "a.png")
    pictures[5].save(tmp_path / "b.png")
    pictures[0].resize((300, 214)).save(tmp_path / "c.jpg", quality=50)
    (pair,) = [
        json.loads(line) for line in run("similar", "-d", "cpu", "--json", "--duplicates", tmp_path).stdout.splitlines()
    ]
    assert {os.path.basename(pair["input"]), os.path.basename(pair["copy"])} == {"a.png", "c.jpg"}


@pytest.mark.parametrize(
    "arguments, message, code",
    [
        (["query.png"], "a picture and a folder", 2),
        (["query.png", "nowhere"], "nowhere: is neither a folder", 1),
        (["query.png", "broken.parquet"], "broken.parquet: the file does not hold features", 1),
        (["--duplicates", "empty"], "holds no file", 1),
        (["--duplicates", "empty"], "nothing to compare with", 1),
    ],
)
def test_similar_says_what_is_wrong(arguments, message, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "empty").mkdir()
    Image.new("RGB", (20, 20)).save("query.png")
    result = run("similar", "-d", "cpu", *arguments, code=code)
    assert message in result.stderr and "Traceback" not in result.output


# Anomalies


@pytest.fixture(scope="module")
def normal(coder):
    return latents.Normal.fit(
        coder.model.id.hex(), [latents.measure(coder, texture("leather", seed)) for seed in range(5)]
    )


def test_defects_stand_out_and_are_where_they_are(coder, normal):
    calm = [normal.score(coder, texture("leather", seed))[0] for seed in (20, 21)]
    for defect in ("scratch", "thread", "dirt"):
        picture, mask = damaged("leather", defect, 0)
        score, _, positions = normal.score(coder, picture)
        assert score > max(calm), defect
        share = mask.reshape(16, 16, 16, 16).mean((1, 3))
        assert positions[share > 0.05].mean() > 1.5 * positions[share == 0].mean(), defect


def test_measures_are_bits_and_errors(coder):
    picture = photograph(50, 70, seed=3)
    maps = latents.measure(coder, picture)
    assert maps.shape == (4, 4, 5)
    data = coder.encode(picture, 60)
    assert np.allclose(maps[0], np.log2(coder.bits_map(data) + 1), atol=1e-4)
    error = np.square(picture.astype(float) - np.asarray(coder.decode(data))).mean(2)
    # At the corner the mean is over what there is.
    assert maps[1, 3, 4] == pytest.approx(np.log2(error[48:, 64:].mean() + 0.1), abs=1e-3)
    assert maps[3, 1, 1] == pytest.approx(maps[1, :3, :3].mean(), abs=1e-3)


def test_normal_sets_go_to_json_and_back(normal):
    assert latents.Normal.from_json(normal.to_json()) == normal
    for text in (
        "",
        "[]",
        "{}",
        normal.to_json().replace('"quality"', '"quantity"'),
        normal.to_json().replace("normal 1", "normal 2"),
        normal.to_json().replace('"mean": [', '"mean": [1,'),
    ):
        with pytest.raises(anomaly.BadNormal):
            latents.Normal.from_json(text)


def test_a_normal_set_of_another_model_is_refused(coder, normal):
    import dataclasses

    with pytest.raises(anomaly.BadNormal, match="deadbeef"):
        dataclasses.replace(normal, model="deadbeef").score(coder, texture("leather", 0))


def test_anomaly_on_the_command_line(tmp_path):
    (tmp_path / "good").mkdir()
    for seed in range(3):
        Image.fromarray(texture("cloth", seed)[:128, :160]).save(tmp_path / "good" / f"{seed}.png")
    picture, mask = damaged("cloth", "scratch", 2)
    Image.fromarray(picture).save(tmp_path / "part.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    file = tmp_path / "normal.json"
    run("anomaly", "fit", "-d", "cpu", tmp_path / "good", "-o", file)
    result = run(
        "anomaly",
        "score",
        "-d",
        "cpu",
        tmp_path / "part.png",
        tmp_path / "bad.png",
        "-n",
        file,
        "--heat",
        tmp_path / "heat",
        code=1,
    )
    assert (
        f"{tmp_path / 'part.png'}: " in result.stdout
        and result.stdout.rstrip().endswith(" unusual")
        and "bad.png" in result.stderr
    )
    glow = np.asarray(Image.open(tmp_path / "heat" / "part-heat.png").convert("RGB")).astype(int)
    assert glow.shape == (256, 256, 3)
    red = glow[..., 0] - glow[..., 2]
    assert red[mask].mean() > 3 * max(1, red[~mask].mean())
    record = json.loads(run("anomaly", "score", "-d", "cpu", "--json", tmp_path / "good" / "0.png", "-n", file).stdout)
    assert record["score"] <= record["threshold"] and record["unusual"] is False


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["score", "p.png"], "normal.json: no such file"),
        (["score", "p.png", "-n", "p.png"], "does not describe normal"),
        (["fit", "p.png", "-o", "n.json"], "two normal pictures are the least"),
    ],
)
def test_anomaly_says_what_is_wrong(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (20, 20)).save("p.png")
    result = run("anomaly", arguments[0], "-d", "cpu", *arguments[1:], code=1)
    assert message in result.stderr.lower() and not (tmp_path / "n.json").exists()
