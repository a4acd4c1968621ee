"""The package for browsers under Node: scripts of this folder that get it opened."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from codec.web import build

HERE = Path(__file__).parent


def run(script: str, models: Path, package: Path = build.FOLDER, seconds: float = 120, **given: Any) -> Any:
    """What the function `run` of a script returns of what it is given; `models`: the folder of `build.write_models`."""
    if not shutil.which("node"):
        pytest.skip("install nodejs")
    command = ["node", str(HERE / "node.mjs"), str(HERE / script)]
    text = json.dumps({"package": str(package), "models": str(models), **given}, default=str)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
