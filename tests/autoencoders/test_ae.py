"""`aecodec ae`: every kind of input, outputs whole or not at all, one sentence for what is wrong; and the page of
`ae report`, with a browser where there is one.
"""

import gzip
import inspect
import io
import json
import re

import browser
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

pytest.importorskip("sklearn")
pandas = pytest.importorskip("pandas")

from sklearn.datasets import load_digits, load_wine

from codec.app import learning
from codec.app.cli import cli
from codec.app.commands import autoencoders as commands
from codec.autoencoders import Autoencoder, sources
from codec.autoencoders.kinds import KINDS
from codec.errors import BadData

QUICK = ["--hidden", "16", "--latent-dim", "2", "--max-iter", "2"]
HOSTILE = "</script><script>window.harmed=1</script>"


def run(*arguments, code=0, **options):
    result = CliRunner().invoke(cli, ["ae", *map(str, arguments)], **options)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def idx(array, kind):
    return bytes([0, 0, kind, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape) + array.tobytes()


def test_the_defaults_of_the_command_are_those_of_the_estimator():
    wanted = {name: parameter.default for name, parameter in inspect.signature(Autoencoder).parameters.items()}
    given = commands.fit.make_context("fit", ["digits"]).params
    # Their defaults differ: 0, by the kind of input, None for "auto".
    named = set(wanted) & set(given) - {"random_state", "scale", "batch_size"}
    assert {name: given[name] for name in named} == {name: wanted[name] for name in named} and len(named) > 15
    assert learning.KINDS == tuple(KINDS)


def test_fit_transform_and_back(folder):
    result = run("fit", "digits", "--json", *QUICK)
    record = json.loads(result.stdout)
    assert (record["rows"], record["features"], record["latent_dim"], record["output"]) == (
        1797,
        64,
        2,
        "digits.safetensors",
    )
    model = Autoencoder.load("digits.safetensors")
    X = load_digits().images
    assert record["score"] == pytest.approx(model.score(X), abs=1e-6)
    for name in ("z.npy", "z.csv", "z.parquet"):
        run("transform", "digits", "-m", "digits.safetensors", "-o", name)
        z = sources.read(name).values
        assert np.allclose(z, model.transform(X), rtol=1e-12)
    assert list(pandas.read_csv("z.csv").columns) == ["autoencoder0", "autoencoder1"]
    run("transform", "z.csv", "-m", "digits.safetensors", "--to", "input", "-o", "back.npy")
    run("transform", "digits", "-m", "digits.safetensors", "--to", "reconstruction")
    assert np.load("back.npy").shape == (1797, 8, 8)
    assert np.allclose(np.load("back.npy"), np.load("digits.reconstruction.npy"))
    run("transform", "digits", "-m", "digits.safetensors", "--to", "error", "-o", "e.csv")
    assert np.allclose(pandas.read_csv("e.csv")["error"], model.reconstruction_error(X))


def test_a_table_keeps_its_names_and_ignores_its_label(folder):
    load_wine(as_frame=True).frame.assign(name="x").to_csv("wine.csv", index=False)
    run("fit", "wine.csv", "--label", "target", "--drop", "name", *QUICK)
    model = Autoencoder.load("wine.safetensors")
    assert len(model.feature_names_in_) == 13 and model.scale == "column"
    run("transform", "wine.csv", "-m", "wine.safetensors")  # the columns that are too many do no harm
    assert np.load("wine.latent.npy").shape == (178, 2)
    result = run("transform", "-", "-m", "wine.safetensors", "-o", "z.npy", code=1, input="alcohol,ash\n1,2\n")
    assert "there is no column 'malic_acid', which the model was fitted on" in result.output


def test_every_kind_of_file_is_read(folder):
    X = np.random.default_rng(0).integers(0, 256, (30, 4, 5)).astype(np.uint8)
    y = np.arange(30, dtype=np.uint8) % 3
    (folder / "t-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(X, 8)))
    (folder / "t-labels-idx1-ubyte").write_bytes(idx(y, 8))
    data = sources.read("t-images-idx3-ubyte.gz")
    assert np.array_equal(data.values, X) and np.array_equal(data.labels, y)
    (folder / "big").write_bytes(idx((X / 3).astype(">f4"), 0x0D))
    assert np.allclose(sources.read("big").values, X / 3)
    np.save("x.npy", X)
    assert np.array_equal(sources.read("x.npy", labels="t-labels-idx1-ubyte").labels, y)
    (folder / "bare.csv").write_text("1.5;2\n-3e1;4\n")
    assert sources.read("bare.csv").values.tolist() == [[1.5, 2], [-30, 4]]
    (folder / "named.tsv").write_text("\ufeffa\tb\n1\t2\n", encoding="utf-8")
    assert sources.read("named.tsv").names == ["a", "b"]
    pandas.DataFrame({"a": [1.0, 2.0], "b": [True, False]}).to_parquet("x.parquet")
    assert sources.read("x.parquet").values.tolist() == [[1, 1], [2, 0]]


def test_what_a_folder_has_besides_pictures_is_said(folder):
    (folder / "set").mkdir()
    for i in range(6):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (6, 7), np.uint8)).save(folder / "set" / f"{i}.png")
    assert "passed over" not in run("fit", "set", *QUICK).output
    for name in ("a.heic", "b.NEF", ".hidden"):
        (folder / "set" / name).write_bytes(b"x")
    said = "aecodec: passed over 2 files that cannot be read as pictures (1 .heic, 1 .nef): set/a.heic, set/b.NEF\n"
    for command in (["fit", "set", "-f", *QUICK], ["transform", "set", "-m", "set.safetensors"]):
        assert run(*command).stderr.count(said) == 1
    assert "passed over" not in run("fit", "set", "-f", "--quiet", *QUICK).stderr


def test_a_folder_of_pictures_is_read(folder):
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / "set" / label).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(rng.integers(0, 256, (6, 7, 3), np.uint8)).save(folder / "set" / label / f"{i}.png")
    data = sources.read("set")
    assert data.values.shape == (6, 6, 7, 3) and data.labels.tolist() == ["cat"] * 3 + ["dog"] * 3
    assert np.array_equal(data.values[4], np.asarray(Image.open("set/dog/1.png")))
    assert sources.read("set", gray=True).values.shape == (6, 6, 7)
    Image.fromarray(np.full((3, 3), 65535, np.uint16)).save(folder / "set" / "dog" / "9.png")
    result = run("fit", "set", *QUICK, code=1)
    assert "set/dog/9.png has 3x3 pixels, the ones before it 7x6: --size WxH makes them equal" in result.output
    resized = sources.read("set", size=(5, 4)).values
    assert resized.shape == (7, 4, 5, 3) and np.all(resized[-1] == 255)
    run("fit", "set", "--size", "4x4", "--gray", "--kind", "convolutional", *QUICK)
    assert Autoencoder.load("set.safetensors").image_shape_ == (4, 4, 1)
    (folder / "set" / "cat" / "0.png").write_bytes(b"no picture")
    assert "set/cat/0.png: " in run("fit", "set", "-f", *QUICK, code=1).output


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "cannot be read"),
        (b"a,b\n1,\n2,3\n", "column 'b' has no value in row 0"),
        (b"a,b\n1,x\n2,y\n", "column 'b' does not hold numbers"),
        (b"a,b\n1,2\n", "1 sample"),
        (b"a,b\n1,2\n3,2\n", "column b is constant"),
        (b"a,b\n1,2\n3,4,5,6\n", "cannot be read"),
        (b"\xff\xfe\x00\x01", "neither .npy, IDX, Parquet nor text"),
        (b"PAR1 but no more", "cannot be read"),
        (b"\x1f\x8b\x08 no gzip", "gzip"),
        (b"\x93NUMPY\x01\x00", ".npy data cannot be read"),
        (idx(np.zeros((3, 4), np.uint8), 8)[:-1], "should have 24 bytes and has 23"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "IDX data should have"),
    ],
)
def test_bad_files_get_one_sentence_and_leave_nothing(folder, content, words):
    (folder / "bad").write_bytes(content)
    result = run("fit", "bad", *QUICK, "-o", "model", code=1)
    assert words in result.output and result.output.count("\n") == 1 and result.output.startswith("aecodec: bad: ")
    assert [path.name for path in folder.iterdir()] == ["bad"]


def test_pickled_arrays_are_not_opened(folder):
    np.save("x.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(BadData, match="cannot be read"):
        sources.read("x.npy")


def test_wrong_calls(folder):
    run("fit", code=2)
    run("fit", "digits", "--kind", "magic", code=2)
    run("fit", "digits", "--hidden", "a,b", code=2)
    run("fit", "digits", "-o", "-", "--json", code=2)
    assert "no such file" in run("fit", "nothere", code=1).output
    (folder / "kept").write_text("mine")
    assert "exists already, -f overwrites it" in run("fit", "digits", *QUICK, "-o", "kept", code=1).output
    assert "kept: the file does not hold an autoencoder" in run("transform", "digits", "-m", "kept", code=1).output
    assert "--label and --drop do not apply" in run("fit", "digits", "--label", "x", "-o", "new", code=1).output
    assert (folder / "kept").read_text() == "mine" and len(list(folder.iterdir())) == 1


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{name: (path of the page, its record)}: the variational kind on digits, the plain one on a table with hostile
    names.
    """
    folder, made = tmp_path_factory.mktemp("pages"), {}
    wine = load_wine(as_frame=True)
    frame = wine.data.rename(columns={"alcohol": HOSTILE}).assign(
        grower=[f"{name} {HOSTILE}" for name in wine.target_names[wine.target]]
    )
    frame.to_csv(folder / "wine.csv", index=False)
    for name, data, fit, report in (
        (
            "digits",
            "digits",
            ["--kind", "variational", "--loss", "bce", "--hidden", "32", "--latent-dim", "2", "--max-iter", "8"],
            ["--points", "400"],
        ),
        (
            "wine",
            folder / "wine.csv",
            ["--label", "grower", "--latent-dim", "3", "--hidden", "8", "--max-iter", "3"],
            ["--label", "grower"],
        ),
    ):
        model = folder / f"{name}.safetensors"
        run("fit", data, *fit, "-o", model)
        record = json.loads(run("report", data, *report, "-m", model, "--json").stdout)
        made[name] = (folder / f"{name}.html", record)
    return made


def embedded(path):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.S)[
            1
        ]
    )


def test_the_page_holds_what_the_model_says(pages):
    path, record = pages["digits"]
    content, model = embedded(path), Autoencoder.load(path.with_suffix(".safetensors"))
    X = load_digits().images
    errors = model.reconstruction_error(X)
    assert (record["rows"], record["shown"], len(content["labels"])) == (1797, 400, 400)
    assert content["score"] == pytest.approx(model.score(X)) and content["threshold"] == model.anomaly_threshold()
    assert record["above"] == (errors > model.anomaly_threshold()).sum()
    assert np.allclose(content["errors"]["rows"], errors, rtol=1e-4)
    drawn = content["maps"][0]
    places = np.stack([drawn["x"], drawn["y"]], 1)
    assert np.abs(places[:, None] - model.transform(X)[None]).max(2).min(1).max() < 1e-3
    # The picture under each place is what the model decodes there, to the nearest of 256 grays.
    left, right, bottom, top = drawn["extent"]
    sheet = np.asarray(Image.open(io.BytesIO(__import__("base64").b64decode(drawn["plane"]["sheet"].split(",")[1]))))
    for column, row in ((0, 0), (7, 30), (40, 12)):
        node = [left + (column + 0.5) / 41 * (right - left), top - (row + 0.5) / 41 * (top - bottom)]
        cell = row * 41 + column
        at = np.array(divmod(cell, drawn["plane"]["across"])) * 8
        wanted = model.inverse_transform([node])[0] / 16 * 255
        assert np.abs(sheet[at[0] : at[0] + 8, at[1] : at[1] + 8] - wanted).max() <= 0.51


def test_names_cannot_break_out_of_the_page(pages):
    text = pages["wine"][0].read_text(encoding="utf-8")
    assert HOSTILE not in text and HOSTILE in json.dumps(embedded(pages["wine"][0]))
    assert not re.search(r'(src|href)="(?!data:)', text)


@pytest.fixture(scope="module")
def window():
    if browser.missing():
        pytest.skip(browser.missing())
    opened = browser.Browser(1300, 1000)
    yield opened
    opened.close()


def fresh(window, path):
    window.open("about:blank")
    window.console()
    window.open(path.as_uri())
    window.wait("return document.body.dataset.ready", seconds=60)


def quiet(window):
    assert [
        line for line in window.console() if "getImageData" not in line
    ] == []  # these tests read canvases often, the page never
    assert window.run("return window.harmed") is None
    assert (
        window.run(
            "return performance.getEntriesByType('resource').filter((e) => !e.name.startsWith('data:')).map((e) "
            "=> e.name)"
        )
        == []
    )


PIXELS = (
    "const c = document.querySelector(`[data-shows='${arguments[0]}']`); return [...c.getContext('2d').getImageData(0, "
    "0, c.width, c.height).data].filter((_, i) => i % 4 === 0)"
)


def point_at(window, plane, x, y):
    """Moves the mouse over the map `plane` to (x, y), shares of its side."""
    window.run("document.querySelector(`#map-${arguments[0]}`).scrollIntoView({block: 'center'})", plane)
    left, top, side = window.run(
        "const r = document.querySelector(`#map-${arguments[0]}`).getBoundingClientRect(); return [r.left, r.top, "
        "r.width]",
        plane,
    )
    window.hover(left + 1 + x * (side - 2), top + 1 + y * (side - 2))


def test_pointing_shows_the_row_and_decodes_the_place(window, pages):
    path, _ = pages["digits"]
    fresh(window, path)
    content, model, X = embedded(path), Autoencoder.load(path.with_suffix(".safetensors")), load_digits().images
    drawn = content["maps"][0]
    left, right, bottom, top = drawn["extent"]
    for index in (3, 250):
        point_at(window, 0, (drawn["x"][index] - left) / (right - left), (top - drawn["y"][index]) / (top - bottom))
        shown = window.run("return planes[0].point")
        z = np.array([drawn["x"][shown], drawn["y"][shown]])
        row = np.abs(model.transform(X) - z).max(1).argmin()
        assert np.allclose(window.run(PIXELS, "input"), X[row].ravel() / 16 * 255, atol=0.51)
        assert np.allclose(
            window.run(PIXELS, "rebuilt"), model.reconstruct(X[row : row + 1]).ravel() / 16 * 255, atol=0.51
        )
        assert f"Label {load_digits().target[row]}" in window.text("#said")
    for x, y in ((0.2, 0.7), (0.9, 0.1)):
        point_at(window, 0, x, y)
        place = window.run("return planes[0].value(planes[0].cell)")
        assert abs((place[0] - left) / (right - left) - x) < 0.02 and abs((top - place[1]) / (top - bottom) - y) < 0.02
        assert np.allclose(
            window.run(PIXELS, "decoded here"), model.inverse_transform([place]).ravel() / 16 * 255, atol=0.51
        )
    before = window.run(PIXELS, "decoded here by PCA")
    point_at(window, 1, 0.1, 0.1)
    assert window.run(PIXELS, "decoded here by PCA") != before
    quiet(window)


def test_labels_keys_theme_and_charts(window, pages):
    path, record = pages["digits"]
    fresh(window, path)
    content = embedded(path)
    assert window.run("return document.querySelectorAll('#legend button').length") == 10
    window.click("#legend button")
    assert window.run("return shownLabels.has(0)") is False
    cell = window.run("document.querySelector('#map-0').focus(); return planes[0].cell")
    window.press("ArrowRight")
    window.press("ArrowUp")
    assert window.run("return planes[0].cell") == cell + 1 - content["maps"][0]["side"]
    theme = "return [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor]"
    first = window.run(theme)
    window.click("#theme")
    assert window.run(theme)[0] != first[0] and window.run(theme)[1] != first[1]
    points = (
        "return document.querySelector(`#curves [data-name='${arguments[0]}']`).getAttribute('points').split(' "
        "').length"
    )
    assert window.run(points, "training") == window.run(points, "held out") == 8
    assert window.run(
        "return [...document.querySelectorAll('#errors rect')].reduce((sum, r) => sum + +r.dataset.share, 0)"
    ) == pytest.approx(1)
    assert f"{record['above']} of 1,797 rows" in window.text("#errors-lead")
    assert window.run("return [...document.querySelectorAll('#sheets canvas')].length") == 3
    assert window.run("return document.documentElement.scrollWidth <= innerWidth")
    quiet(window)


def test_a_table_shows_numbers_and_hostile_names_as_text(window, pages):
    path, _ = pages["wine"]
    fresh(window, path)
    content = embedded(path)
    point_at(window, 0, 0.5, 0.5)
    shown = window.run("return planes[0].point") or 0
    window.run("show('input', data.inputs, arguments[0])", shown)
    cells = window.run(
        "return [...document.querySelectorAll('#inspector tbody tr')].map((row) => [row.children[0].textContent, "
        "+row.children[1].textContent])"
    )
    assert [name for name, _ in cells] == content["look"]["columns"] and HOSTILE in content["look"]["columns"]
    assert np.allclose([value for _, value in cells], content["inputs"]["rows"][shown], rtol=6e-3)
    assert window.run("return document.querySelector('#generated').hidden")
    quiet(window)
