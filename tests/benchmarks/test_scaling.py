"""Scaling on paper: costs of real stages, and that model and simulation agree where either resource is
the bottleneck.
"""

import json

import pytest
from click.testing import CliRunner
from conftest import photograph
from PIL import Image

pytest.importorskip("simpy")

from benchmarks.scaling import costs, model, simulation
from benchmarks.scaling.__main__ import main

ROW = {
    "mp": 1.0,
    "in_bytes": 1e6,
    "out_bytes": 2e5,
    "read": 0.02,
    "transform": 0.3,
    "prior": 0.1,
    "rans": 0.05,
    "other": 0.03,
    "write": 0.0,
}
ROWS = [{name: value * factor for name, value in ROW.items()} for factor in (0.5, 1.0, 1.5)]


@pytest.mark.parametrize(
    "fleet, bottleneck",
    [
        (model.Fleet("cores", 2, 1, 4, 1e9), "cores"),
        (model.Fleet("gpu", 1, 1, 64, 1e9), "gpus"),
        (model.Fleet("network", 3, 1, 16, 1e7), "network"),
        (model.Fleet("driver", 2, 0, 16, 1e12), "driver"),
        (model.Fleet("alone", 1, 0, 16, 1e9), "cores"),
    ],
)
def test_the_simulation_finds_the_bottleneck_of_the_model(fleet, bottleneck):
    assumed = model.ASSUMED | ({"rows_per_s": 20} if bottleneck == "driver" else {})
    found = model.predict(ROWS, fleet, 10**6, assumed)
    assert found["bottleneck"] == bottleneck and found["hours"] == pytest.approx(1e6 / found["pictures_per_s"] / 3600)
    assert found["machine_hours"] == pytest.approx(found["hours"] * fleet.machines)
    checked = simulation.simulate(ROWS, fleet, 60 * fleet.machines * fleet.cores, assumed=assumed)
    assert checked["pictures_per_s"] == pytest.approx(found["pictures_per_s"], rel=0.08)
    assert max(checked["busy"], key=checked["busy"].get) == bottleneck


def test_pictures_are_scaled_to_the_size_that_is_assumed():
    scaled = model.scaled(ROWS, model.ASSUMED | {"picture_mp": 3.0})
    assert sum(row["mp"] for row in scaled) / 3 == pytest.approx(3) and scaled[0]["rans"] == pytest.approx(
        3 * ROWS[0]["rans"]
    )


def test_costs_are_measured_and_the_tables_made(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.scaling.__main__.SIMULATED", (5, 500))
    for seed in range(2):
        Image.fromarray(photograph(128, 192, seed)).save(tmp_path / f"{seed}.png")
    done = CliRunner().invoke(
        main, ["--images", str(tmp_path), "--out", str(tmp_path / "run.json"), "--tolerance", "1000"]
    )
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "run.json").read_text())
    for row in result["measured"]["rows"]:
        assert row["in_bytes"] > row["out_bytes"] > 0 and all(row[stage] > 0 for stage in costs.STAGES)
    assert {line["pictures"] for line in result["table"]} == {10**6, 10**9} and "| 64 GPUs |" in done.output
