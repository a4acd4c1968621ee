"""Weight files: what a model is known by, and that a broken or hostile file is refused in one sentence, quickly,
without running anything.
"""

import ast
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import photograph
from safetensors.numpy import load, save

import codec
from codec.engine.torch.model import Model
from codec.errors import BadWeights, UnknownModel
from codec.model import weights as model_module
from codec.model.config import Config
from codec.model.prior import EXACT, ROWS, Prior
from codec.model.weights import FORMAT, name_of, path_of
from tests.fuzz import tiny

DEFAULT = path_of("default").read_bytes()
HEADER = int.from_bytes(DEFAULT[:8], "little")  # bytes of the JSON text
METADATA = json.loads(DEFAULT[8 : 8 + HEADER])["__metadata__"]
CONFIG = json.loads(METADATA["config"])


@pytest.fixture(scope="module")
def weights():
    return load(DEFAULT)


def refused(data):
    """The reason for which a weight file is refused."""
    started = time.perf_counter()
    with pytest.raises(BadWeights) as caught:
        Model(data)
    assert time.perf_counter() - started < 2
    sentence = str(caught.value)
    assert sentence.startswith(("the weight file", "a table has")) and len(sentence) < 300 and sentence.isprintable()
    return sentence


# What a model is


def test_default_model_is_what_its_file_says():
    model = Model(DEFAULT)
    assert model.id == hashlib.sha256(DEFAULT).digest()[:4] and model.config == Config(**CONFIG)
    assert METADATA["format"] == FORMAT and len(DEFAULT) <= 10_000_000
    assert len(model.tables_y) == ROWS and len(model.tables_z) == model.config.anchors * model.config.hyper
    assert not any(p.requires_grad for p in model.networks.parameters()) and not model.networks.training
    rows = [model.bank(quality) for quality in range(100, 10001)]
    assert rows == sorted(rows) and set(rows) == {a * model.config.hyper for a in range(model.config.anchors)}


def test_weight_file_holds_integers_only(weights):
    assert {str(tensor.dtype) for tensor in weights.values()} == {"int8", "int16", "int32"}


def test_quality_moves_everything_evenly():
    """Integer interpolation: at the anchors exactly their vectors, in between monotone from one to the next."""
    prior = Model(DEFAULT).networks.prior
    step = 9900 // (prior.config.anchors - 1)
    assert 9900 % (prior.config.anchors - 1) == 0
    for table in (prior.gain_y, prior.gain_z, prior.quality_bias):
        for anchor in range(prior.config.anchors):
            assert torch.equal(prior.interpolate(table, 100 + anchor * step), table[anchor].long())
        between = torch.stack([prior.interpolate(table, quality) for quality in range(100, 100 + step + 1, 10)])
        up = (table[1] >= table[0])[None]
        assert torch.where(up, between.diff(dim=0) >= 0, between.diff(dim=0) <= 0).all()


def test_gains_are_powers_of_two_and_almost_reciprocal():
    prior = Model(DEFAULT).networks.prior
    logs = torch.arange(-20 << 10, 20 << 10, 37)
    powers = prior.power(logs).flatten()
    assert torch.allclose(powers, torch.exp2(logs.double() / 1024), rtol=2e-5)
    assert torch.equal(prior.power(logs + 1024).flatten(), 2 * powers)
    mantissa, _ = torch.frexp(powers)
    # Of 17 bits, whose product with 36 more is exact in float64.
    assert torch.equal(mantissa * 2**17, (mantissa * 2**17).round())
    gain, reciprocal, _ = prior.gains(6000)
    assert torch.allclose(gain * reciprocal, torch.ones(()).double(), rtol=1e-4)


# Several models


@pytest.fixture
def two_models(tmp_path, monkeypatch, weights):
    """A folder of models with the default one and "other": the same weights under another id."""
    (tmp_path / "default.safetensors").write_bytes(DEFAULT)
    other = tmp_path / "other.safetensors"
    other.write_bytes(save(weights, METADATA | {"comment": "the same weights"}))
    monkeypatch.setattr(model_module, "FOLDER", tmp_path)
    return other


def test_file_names_the_model_that_decodes_it(two_models):
    picture = photograph(40, 56)
    file = codec.compress(picture, 50, model="other", device="cpu")
    identifier = hashlib.sha256(two_models.read_bytes()).digest()[:4]
    assert codec.info(file)["model"] == identifier.hex() and name_of(identifier) == "other"
    expected = np.asarray(codec.decompress(codec.compress(picture, 50, device="cpu"), device="cpu"))
    assert np.array_equal(codec.decompress(file, device="cpu"), expected)
    codec.Codec(device="cpu").verify(file)
    assert codec.compress(picture, 50, model=str(two_models), device="cpu") == file
    two_models.unlink()
    with pytest.raises(UnknownModel, match=identifier.hex()):
        codec.decompress(file, device="cpu")


def test_unknown_models_are_named_with_the_known(two_models):
    for name in ("nonesuch", "", "nowhere.safetensors", "../default", "default\0"):
        with pytest.raises((UnknownModel, ValueError)) as caught:
            path_of(name)
        if isinstance(caught.value, UnknownModel):
            assert "default, other" in str(caught.value)


def test_a_model_of_other_sizes_works(weights, tmp_path):
    """A larger model is a new file, not new code; here a smaller one, cut out of the default."""
    config = CONFIG | {
        "synthesis_blocks": CONFIG["synthesis_blocks"] - 1,
        "analysis_blocks": CONFIG["analysis_blocks"] - 1,
    }
    last = (f"synthesis.blocks.{config['synthesis_blocks']}.", f"analysis.blocks.{config['analysis_blocks']}.")
    path = tmp_path / "small.safetensors"
    path.write_bytes(
        save({k: v for k, v in weights.items() if not k.startswith(last)}, METADATA | {"config": json.dumps(config)})
    )
    coder = codec.Codec(str(path), device="cpu")
    assert coder.decode(coder.encode(photograph(40, 56), 50)).size == (56, 40)


def test_a_damaged_weight_file_is_another_model(two_models):
    """Its checksum is its name: a file is never decoded by weights that changed."""
    file = codec.compress(photograph(40, 56), 50, model="other", device="cpu")
    data = bytearray(two_models.read_bytes())
    data[len(data) // 2] ^= 1
    two_models.write_bytes(data)
    with pytest.raises(UnknownModel):
        codec.decompress(file, device="cpu")


# Files that are no models


@pytest.mark.parametrize(
    "length", [0, 1, 7, 8, 9, 100, HEADER, HEADER + 8, HEADER + 9, len(DEFAULT) // 2, len(DEFAULT) - 1]
)
def test_truncated(length):
    refused(DEFAULT[:length])


@pytest.mark.parametrize(
    "data",
    [
        DEFAULT + b"x",
        (2**63).to_bytes(8, "little") + DEFAULT[8:],
        (HEADER + 1).to_bytes(8, "little") + DEFAULT[8:],
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{}",
        b"\x80\x04\x95" + bytes(100),  # a pickle
        b"PK\x03\x04" + bytes(100),  # a zip archive, as of torch.save
        DEFAULT[: 8 + HEADER].replace(b"data_offsets", b"data_offsetz") + DEFAULT[8 + HEADER :],
        DEFAULT[: 8 + HEADER].replace(b'"I16"', b'"F64"') + DEFAULT[8 + HEADER :],
    ],
    ids=range(10),
)
def test_not_a_weight_file(data):
    refused(data)


TINY = tiny.PATH.read_bytes()
TINY_SIZE = int.from_bytes(TINY[:8], "little")


def with_text(change):
    """The tiny model with its JSON text changed: `change` gets the object, and gives an object or the text."""
    text = change(json.loads(TINY[8 : 8 + TINY_SIZE]))
    text = (text if isinstance(text, str) else json.dumps(text)).encode()
    return len(text).to_bytes(8, "little") + text + TINY[8 + TINY_SIZE :]


def entry(name, **fields):
    return lambda text: text | {name: text[name] | fields}


def offsets(name, change):
    return lambda text: entry(name, data_offsets=change(*text[name]["data_offsets"]))(text)


HEADERS = {
    "text of 2^63 bytes": lambda text: None,
    "overlapping tensors": offsets("pull", lambda a, b: [a - 4, b - 4]),
    "a hole between tensors": offsets("pull", lambda a, b: [a + 4, b + 4]),
    "an end before the beginning": offsets("pull", lambda a, b: [b, a]),
    "beyond the file": offsets("pull", lambda a, b: [a + 2**40, b + 2**40]),
    "2^64 and more": offsets("pull", lambda a, b: [a, 2**64 + 5]),
    "a negative offset": offsets("pull", lambda a, b: [-4, b]),
    "a fraction as an offset": offsets("pull", lambda a, b: [a, b + 0.5]),
    "one offset": offsets("pull", lambda a, b: [a]),
    "a shape that overflows": entry("pull", shape=[2**62, 2**62]),
    "a negative size": entry("pull", shape=[-90]),
    "a shape of text": entry("pull", shape="90"),
    "a larger shape": entry("pull", shape=[91]),
    "an unknown type": entry("pull", dtype="F128"),
    "another type": entry("pull", dtype="F32"),
    "a type of null": entry("pull", dtype=None),
    "a tensor twice": lambda text: json.dumps(text)[:-1] + ', "pull": ' + json.dumps(text["pull"]) + "}",
    "numbers as metadata": lambda text: text | {"__metadata__": {"format": 1}},
    "no metadata": lambda text: {k: v for k, v in text.items() if k != "__metadata__"},
    "a list": lambda text: [text],
    "deep nesting": lambda text: "[" * 50_000 + "]" * 50_000,
    "half a surrogate": lambda text: '{"\\ud800": 1}',
    "a file within": lambda text: json.dumps(text) + json.dumps(text),
    "an empty text": lambda text: "",
    "a name of 100 kB": lambda text: text | {"x" * 100_000: text["pull"]},
    "a name that clears the screen": lambda text: {"\x1b[2J" if k == "pull" else k: v for k, v in text.items()},
    "a path as a name": lambda text: text | {"../../x": text["pull"]},
}


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers(name):
    data = with_text(HEADERS[name]) if name != "text of 2^63 bytes" else (2**63).to_bytes(8, "little") + TINY[8:]
    refused(data)


def test_headers_start_from_a_file_that_loads():
    Model(with_text(lambda text: text))


@pytest.mark.parametrize(
    "change, word",
    [
        ({"format": "aecodec model 1"}, "aecodec model 1"),
        ({"format": None}, "format"),
        ({"config": None}, "config"),
        ({"config": "null"}, "mapping"),
        ({"config": "[]"}, "mapping"),
        ({"config": '{"latent":'}, "line 1"),
        ({"config": '{"latent": NaN}'}, "latent is nan"),
        ({"config": '{"lambda_min": NaN}'}, "lambda_min is nan"),
        ({"config": '{"lambda_min": Infinity}'}, "lambda_min is inf"),
        ({"config": '{"new": 1}'}, "new"),
    ],
)
def test_metadata(change, word, weights):
    assert word in refused(save(weights, {key: text for key, text in (METADATA | change).items() if text is not None}))


@pytest.mark.parametrize("name", CONFIG)
@pytest.mark.parametrize("value", [-1, 0, 10**9, 2**70, 1.5, "3", None, True, [1], 1e308])
def test_sizes_outside_their_limits(name, value, weights):
    """Refused before anything of that size is built."""
    if (name, value) in (("analysis_blocks", 0), ("synthesis_blocks", 0)):
        return
    config = json.dumps(CONFIG | {name: value})
    assert f"{name} is {value!r}" in refused(save({}, METADATA | {"config": config}))


@pytest.mark.parametrize(
    "name, value",
    [
        ("latent", 324),
        ("latent", 322),
        ("hyper", 63),
        ("width", 129),
        ("anchors", 10),
        ("synthesis_blocks", 0),
        ("analysis_blocks", 4),
        ("prior", 96),
        ("render", 1),
    ],
)
def test_sizes_that_are_not_those_of_the_tensors(name, value, weights):
    refused(save(weights, METADATA | {"config": json.dumps(CONFIG | {name: value})}))


def change(name, function):
    """A tampering: one tensor replaced."""
    return lambda weights: weights | {name: np.ascontiguousarray(function(weights[name].copy()))}


def put(value, place=(0,)):
    def function(tensor):
        tensor[place + (0,) * (tensor.ndim - len(place))] = value
        return tensor

    return function


JOIN, LINEAR, LAST = "prior.network.join.1", "analysis.linear.weight", "synthesis.last"
TAMPERINGS = {
    "missing": lambda weights: {k: v for k, v in weights.items() if k != LINEAR},
    "missing of the prior": lambda weights: {k: v for k, v in weights.items() if k != f"{JOIN}.limit"},
    "missing table": lambda weights: {k: v for k, v in weights.items() if k != "table.y.cdfs"},
    "unknown": lambda weights: weights | {"payload": np.zeros(3, np.float32)},
    "unknown table": lambda weights: weights | {"table.x.cdfs": np.zeros(3, np.int32)},
    "shape": change(LINEAR, lambda t: t.reshape(t.shape[0], -1, 1)),
    "transposed": change(f"{JOIN}.weight", lambda t: t.transpose(1, 0, 2, 3)),
    "empty": change(f"{JOIN}.weight", lambda t: t[:0]),
    "type of weights": change(f"{JOIN}.weight", lambda t: t + np.float32(0.4)),
    "type of a bias": change(f"{JOIN}.bias", lambda t: t.astype(np.int64)),
    "type of floats": change(LINEAR, lambda t: t.astype(np.float64)),
    "weights in fp16": change(LINEAR, lambda t: t.astype(np.float16)),
    "negative pull": change("pull", put(-1)),
    "pull of more than a step": change("pull", put(4097)),
    "threshold": change("thresholds", put(8193)),
    "negative threshold": change("thresholds", put(-1)),
    "limit of 17 bits": change(f"{LAST}.limit", put(32768)),
    "negative limit of a network": change(f"{LAST}.limit", put(-1)),
    "shift of a network": change(f"{LAST}.shift", put(25)),
    "negative shift of a network": change(f"{LAST}.shift", put(-1)),
    "two shifts": change(f"{LAST}.shift", lambda t: np.repeat(t, 2)),
    "cut": change(f"{LAST}.cut", put(17)),
    "negative cut": change(f"{LAST}.cut", put(-1)),
    "bias of a network": change(f"{LAST}.bias", put(2**31 - 1)),
    "most negative bias of a network": change(f"{LAST}.bias", put(-(2**31))),
    "sums of 32 bits": change(f"{LAST}.weight", lambda t: np.full_like(t, 32767)),
    "gain of a network": change("synthesis.render.gain.log2", put(-(2**31))),
    "a stream of 32 bits": change("synthesis.up8.shift", put(0)),
    "pixels of 30 bits": change("synthesis.linear.shift", put(0)),
    "latents of 31 bits": change("analysis.linear.shift", put(0)),
    "hyper-latents of 31 bits": change("hyper_analysis.c.shift", put(0)),
    "limit": change(f"{JOIN}.limit", lambda t: t * 3),
    "huge limit": change(f"{JOIN}.limit", put(2**31 - 1)),
    "negative limit": change(f"{JOIN}.limit", put(-5)),
    "bias": change(f"{JOIN}.bias", put(EXACT)),
    "most negative bias": change(f"{JOIN}.bias", put(-(2**31))),
    "shift": change(f"{JOIN}.shift", put(21)),
    "small shift": change(f"{JOIN}.shift", put(2)),
    "negative shift": change("prior.network.heads.0.shift", put(-1)),
    "quality bias": change("prior.quality_bias", put(-(2**31))),
    "phase bias": change("prior.network.phase_bias", put(EXACT)),
    "phase bias of floats": change("prior.network.phase_bias", lambda t: t.astype(np.float32)),
    "gain of y": change("prior.gain_y", put(2**31 - 1)),
    "gain of z": change("prior.gain_z", put(-(2**31))),
    "powers": change("prior.exp2", put(0)),
    "negative powers": change("prior.exp2", put(-(2**31))),
    "table does not rise": change("table.y.cdfs", put(5, (1,))),
    "table starts late": change("table.y.cdfs", put(1)),
    "table ends early": change("table.y.cdfs", put(65535, (-1,))),
    "table of floats": change("table.z.cdfs", lambda t: t.astype(np.float32)),
    "table cut": change("table.z.cdfs", lambda t: t[:-1]),
    "row of a table cut": lambda weights: {
        k: v[:-1] if k in ("table.z.sizes", "table.z.offsets") else v for k, v in weights.items()
    },
    "sizes": change("table.y.sizes", put(2**31 - 1)),
    "negative sizes": change("table.y.sizes", put(-4)),
    "sizes of two dimensions": change("table.y.sizes", lambda t: t[:, None]),
    "empty sizes": change("table.y.sizes", lambda t: t[:0]),
    "offsets": change("table.y.offsets", put(-(2**31))),
    "fewer offsets": change("table.y.offsets", lambda t: t[1:]),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampered(name, weights):
    refused(save(TAMPERINGS[name](weights), METADATA))


def test_tamperings_start_from_a_file_that_loads(weights):
    Model(save(weights, METADATA))


def test_random_bytes_in_the_text_before_the_tensors():
    """Either the same model or a refusal, never another exception."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(DEFAULT)
        data[int(rng.integers(8 + HEADER))] ^= 1 << int(rng.integers(8))
        try:
            Model(bytes(data))
        except BadWeights:
            pass


# Safety of the code


MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "yaml",
    "ruamel",
    "jsonpickle",
    "runpy",
    "code",
    "imp",
}
CALLS = {"eval", "exec", "compile", "__import__"}
ATTRIBUTES = {("torch", name) for name in ("load", "save", "hub", "jit", "package", "serialization")} | {
    ("numpy", "load"),
    ("numpy", "save"),
    ("pandas", "read_pickle"),
    ("os", "system"),
    ("os", "popen"),
    ("builtins", "eval"),
    ("builtins", "exec"),
}


def dangers(source):
    """Lines of a Python source that could run what a file says: [(line, what)]."""
    tree, found = ast.parse(source), []
    modules = {
        alias.asname or alias.name.split(".")[0]: alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            top = (node.module or "").split(".")[0]
            names = [
                alias.name
                for alias in node.names
                if top in MODULES
                or (top, alias.name) in ATTRIBUTES
                or (node.module.split(".") + [""])[1] in {a for m, a in ATTRIBUTES if m == top}
            ]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            names = [node.func.id]
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (modules.get(node.value.id), node.attr) in ATTRIBUTES
        ):
            names = [f"{node.value.id}.{node.attr}"]
        elif isinstance(node, ast.keyword):
            if node.arg in ("allow_pickle", "weights_only") or (
                node.arg == "shell" and getattr(node.value, "value", True)
            ):
                names = [node.arg]
        found += [(getattr(node, "lineno", 0), name) for name in names]
    return found


def test_nothing_in_the_package_runs_what_a_file_says():
    """No pickle in any form, no torch.load, no eval or exec, no YAML."""
    sources = sorted(Path(codec.__file__).parent.rglob("*.py"))
    assert len(sources) > 15
    assert {source.name: found for source in sources if (found := dangers(source.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import torch as t\nt.load('x')",
        "from torch import load",
        "import numpy as n\nn.load('x')",
        "from torch.serialization import load",
        "eval('1')",
        "exec('1')",
        "import yaml",
        "f(allow_pickle=True)",
        "subprocess.run('x', shell=True)",
        "import os\nos.system('x')",
        "compile('1', '', 'eval')",
        "import dill.session",
    ],
)
def test_what_runs_files_is_found(source):
    assert dangers(source)


@pytest.mark.parametrize(
    "source",
    [
        "import json\njson.load(f)",
        "from safetensors.torch import load",
        "import torch\ntorch.compile(f)",
        "re.compile('x')",
        "import numpy as np\nnp.savez('x')",
    ],
)
def test_what_does_not_is_not(source):
    assert not dangers(source)


def test_prior_holds_no_parameter_that_trains():
    prior = Prior(Config(**CONFIG))
    assert not [name for name, parameter in prior.named_parameters() if parameter.requires_grad]
