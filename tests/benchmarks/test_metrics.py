"""The measures: equal pictures score best, more distortion scores worse, values are those of the packages."""

import io

import click
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import photograph
from PIL import Image, ImageFilter

pytest.importorskip("bjontegaard")

from benchmarks import __main__ as cli
from benchmarks import metrics, options, record

HEIGHT, WIDTH = 208, 272
ORIGINAL = photograph(HEIGHT, WIDTH, 3)
EQUAL = {
    "ssimulacra2": 100,
    "butteraugli": 0,
    "cvvdp": 10,
    "iwssim": 1,
    "psnr_hvsm": None,
    "msssim": 1,
    "psnr": None,
    "psnr_y": None,
    "psnr_c": None,
}


def jpeg(quality):
    file = io.BytesIO()
    Image.fromarray(ORIGINAL).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def blur(radius):
    return np.asarray(Image.fromarray(ORIGINAL).filter(ImageFilter.GaussianBlur(radius)))


def noise(deviation):
    added = np.random.default_rng(1).normal(0, deviation, ORIGINAL.shape)
    return (ORIGINAL + added).round().clip(0, 255).astype(np.uint8)


KINDS = {"jpeg": (jpeg, (90, 60, 30, 10)), "blur": (blur, (0.5, 1, 2, 4)), "noise": (noise, (2, 5, 10, 25))}


@pytest.fixture(params=metrics.NAMES)
def metric(request):
    """Each metric that can be computed here."""
    found = metrics.METRICS[request.param]
    if found.missing():
        pytest.skip(found.missing())
    return found


def test_equal_pictures_score_best(metric):
    value = metric.function(ORIGINAL, ORIGINAL.copy())
    assert value == (EQUAL[metric.name] if EQUAL[metric.name] is None else pytest.approx(EQUAL[metric.name], abs=1e-5))


@pytest.mark.parametrize("kind", KINDS)
def test_more_distortion_scores_worse_on_a_rising_curve(metric, kind):
    make, strengths = KINDS[kind]
    scores = [metrics.curve_value(metric.name, metric.function(ORIGINAL, make(strength))) for strength in strengths]
    assert all(a > b for a, b in zip(scores, scores[1:], strict=False)), scores


def test_a_picture_of_odd_sides_is_measured_whole(metric):
    """Errors in the last columns and rows only, which a measure of whole blocks would not see."""
    odd = ORIGINAL[:171, :213]
    changed = odd.copy()
    changed[-3:], changed[:, -3:] = 255 - changed[-3:], 255 - changed[:, -3:]
    score, best = metric.function(odd, changed), EQUAL[metric.name]
    assert score is not None and (best is None or abs(score - best) > 1e-3)


def test_psnr_hvsm_is_that_of_the_packages_other_implementation():
    if why := metrics.METRICS["psnr_hvsm"].missing():
        pytest.skip(why)
    import psnr_hvsm

    planes = [p @ metrics.LUMA / 255 for p in (ORIGINAL, jpeg(30))]  # whole blocks
    assert metrics.psnr_hvsm(ORIGINAL, jpeg(30)) == pytest.approx(
        psnr_hvsm.BACKENDS["cpp"]["psnr_hvs_hvsm"](*planes)[1], abs=1e-6
    )


@pytest.mark.parametrize(
    "name, value, tolerance",
    [("iwssim", 0.97085, 1e-4), ("cvvdp", 9.6174, 1e-3), ("butteraugli", 2.1994, 0.2), ("ssimulacra2", 51.7581, 0.05)],
)
def test_values_are_those_seen_before(name, value, tolerance):
    """Of piq 0.8.0, cvvdp 0.5.7, libjxl 0.7.0 (later ones weigh things a little differently) and ssimulacra2 0.3.0."""
    if why := metrics.METRICS[name].missing():
        pytest.skip(why)
    assert metrics.METRICS[name].function(ORIGINAL, jpeg(30)) == pytest.approx(value, abs=tolerance)


def test_what_is_missing_is_one_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda _: None)
    kept, without = metrics.available(metrics.NAMES)
    assert kept == ("psnr", "psnr_y", "psnr_c") and set(without) == set(metrics.NAMES) - set(kept)
    assert (
        without["butteraugli"] == "Butteraugli 3-norm is left out: it needs the program butteraugli_main "
        "(Debian: apt-get install libjxl-devtools)"
    )
    assert without["cvvdp"] == "CVVDP is left out: it needs the package cvvdp (pip install cvvdp)"


def test_a_butteraugli_that_fails_says_why(monkeypatch, tmp_path):
    program = tmp_path / "butteraugli_main"
    program.write_text("#!/bin/sh\necho no such colour >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RuntimeError, match="butteraugli_main ended with 3: no such colour"):
        metrics.butteraugli(ORIGINAL, ORIGINAL)


def test_a_run_goes_on_without_what_is_missing(monkeypatch, tmp_path):
    Image.fromarray(ORIGINAL).save(tmp_path / "p.png")
    monkeypatch.setattr(metrics.shutil, "which", lambda _: None)
    words = [
        "run",
        "--images",
        "p.png",
        "--codecs",
        "jpeg",
        "--qualities",
        "jpeg=20,50,80",
        "--no-speed",
        "--metrics",
        "butteraugli,psnr",
    ]
    monkeypatch.chdir(tmp_path)
    reply = CliRunner().invoke(cli.main, [*words, "--out", "r.json"])
    assert reply.exit_code == 0 and "left out: it needs the program butteraugli_main" in reply.output
    run = record.read("r.json")
    assert (
        run["metrics"] == ["psnr"]
        and "butteraugli" in run["left_out"]
        and {p["butteraugli"] for p in run["points"]} == {None}
    )
    assert CliRunner().invoke(cli.main, [*words[:-1], "butteraugli", "--out", "s.json"]).exit_code == 1


def test_eye_stands_for_what_a_judgement_needs():
    read = options.names(metrics.NAMES, {"eye": metrics.EYE})
    assert read(None, None, "eye,psnr_y,psnr") == (*metrics.EYE, "psnr_y")
    with pytest.raises(click.BadParameter, match="'ear' is none of ssimulacra2"):
        read(None, None, "ear")
