"""The map of the package that CONTRIBUTING.md draws: which part may import which, where torch may be imported, and
nothing private across.
"""

import ast
import re
from pathlib import Path

import pytest

import codec

ROOT = Path(codec.__file__).parent
MAP = re.findall(r"(?m)^\| `(\w+)(?:/|\.py)` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))  # from the ground up
PLACE = {name: place for place, name in enumerate(MAP)}
TOP = {"", "__main__"}  # codec/__init__.py and __main__.py, which may import anything; nobody imports them
TORCH = (
    "engine.torch.",
    "model.networks",
    "model.floats",
    "model.prior",
    "model.fixed",
    "training.",
    "latents.",
    "autoencoders.",
)


def modules():
    """{name below codec: its tree}; a package goes by its own name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    return found


MODULES = modules()


def imports(name):
    """(module of codec, name imported from it) of every import in a module, within functions too."""
    is_package = (ROOT / name.replace(".", "/") / "__init__.py").is_file()
    package = [part for part in name.split(".") if part][: None if is_package else -1]
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "codec":
                    yield alias.name.partition(".")[2], ""
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else (node.module or "").split(".")[:1]
            if not node.level and base != ["codec"]:
                continue
            rest = node.module.split(".") if node.module else []
            module = ".".join([*base, *rest] if node.level else rest[1:])
            for alias in node.names:
                inner = f"{module}.{alias.name}".strip(".")
                yield (inner, "") if inner in MODULES else (module, alias.name)


def top(name):
    return name.partition(".")[0]


@pytest.mark.parametrize("package", PLACE)
def test_arrows_point_down(package):
    """Whatever is imported stands before what imports it, and nobody but the command line imports the training."""
    wrong = {
        (name, other)
        for name in MODULES
        if top(name) == package
        for other, _ in imports(name)
        if top(other) not in TOP | {package}
        and (PLACE[top(other)] > PLACE[package] or top(other) == "training" and package != "app")
    }
    assert not wrong


def test_there_are_no_circles():
    below = {name: {other for other, _ in imports(name) if other and other != name} for name in MODULES}
    while leaves := [name for name, others in below.items() if not others & below.keys()]:
        for name in leaves:
            del below[name]
    assert not below


def test_nothing_private_crosses_packages():
    """Neither a private name nor a private module."""
    crossing = {(name, *what) for name in MODULES for what in imports(name) if top(what[0]) != top(name)}
    private = [(name, *what) for name, *what in crossing if any(p.startswith("_") for p in ".".join(what).split("."))]
    assert not [what for what in private if "__" not in "".join(what)]


def foreign(name):
    """What a module imports by its full name, within functions too."""
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def test_torch_is_imported_where_networks_run():
    networks = lambda other: top(other) == "torch" or other == "safetensors.torch"
    users = {name for name in MODULES if any(map(networks, foreign(name)))}
    assert "model.networks" in users
    assert not [name for name in users if not f"{name}.".startswith(TORCH)]


def test_click_is_imported_by_the_command_line():
    users = {name for name in MODULES for other in foreign(name) if top(other) == "click"}
    assert "app.cli" in users
    assert {top(name) for name in users} == {"app"}


def test_lines_and_files_are_short():
    """Lines that no tool lays out (ruff has those of Python), and modules of tests."""
    top = ROOT.parent
    paths = [path for folder in ("codec", "benchmarks", "tests") for path in (top / folder).rglob("*.*")]
    ours = [path for path in paths if not {"vendor", "node_modules", "dist"} & set(path.relative_to(top).parts)]
    scripts = [path for path in ours if path.suffix in (".c", ".h", ".js", ".mjs", ".ts", ".css", ".html")]
    assert len(scripts) > 50
    longest = {path: max(map(len, path.read_text("utf-8").splitlines()), default=0) for path in scripts}
    assert not [str(path) for path, length in longest.items() if length > 120]
    modules = [path for path in ours if path.suffix == ".py" and path.relative_to(top).parts[0] == "tests"]
    assert not [str(path) for path in modules if len(path.read_text("utf-8").splitlines()) > 400]
    names = [path.name for path in modules if path.name.startswith("test_")]
    assert len(set(names)) == len(names)  # the folders of the tests are no packages, in which names could stand twice
