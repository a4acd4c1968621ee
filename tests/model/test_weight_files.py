"""Weight files that are none: each is refused in one sentence, before any memory is taken."""

import json
import time

import model_files
import numpy as np
import pytest
from model_files import CONFIG, DEFAULT, HEADER, METADATA
from safetensors.numpy import save

from codec.engine.torch.model import Model
from codec.errors import BadWeights
from codec.model.prior import EXACT
from tests.fuzz import tiny

weights = pytest.fixture(scope="module")(model_files.weights)


def refused(data):
    """The reason for which a weight file is refused."""
    started = time.process_time()
    with pytest.raises(BadWeights) as caught:
        Model(data)
    assert time.process_time() - started < 2
    sentence = str(caught.value)
    assert sentence.startswith(("the weight file", "a table has")) and len(sentence) < 300 and sentence.isprintable()
    return sentence


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
