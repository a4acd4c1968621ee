"""Weight files: what a model is known by, and that a broken or hostile file is refused in one sentence, quickly,
without running anything.
"""

import ast
import hashlib
import json
from pathlib import Path

import model_files
import numpy as np
import pytest
import torch
from conftest import photograph
from model_files import CONFIG, DEFAULT, METADATA
from safetensors.numpy import save

import codec
from codec.engine.torch.model import Model
from codec.errors import UnknownModel
from codec.model import weights as model_module
from codec.model.config import Config
from codec.model.prior import ROWS, Prior
from codec.model.weights import FORMAT, name_of, path_of

weights = pytest.fixture(scope="module")(model_files.weights)


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
