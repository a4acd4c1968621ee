"""Modules of JavaScript as one script: for pages that are a single file, where modules cannot be imported. Chromium
lets no worker of a page on disk be a module, or import one.

Each module becomes a function that gives what it exports, after those that it imports; its lines stay as they are. Read
are the forms of `import` and `export` that the modules of this folder use, at the start of a line; others are a
ValueError.
"""

import re
from pathlib import Path

IMPORT = re.compile(r'^(?:im|ex)port (?P<names>\{[^}]*\}|\* as \w+) from "(?P<path>\.[^"]+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const|let) (?P<name>\w+))", re.MULTILINE)
LATER = re.compile(r'import\("(?P<path>\.[^"]+)"\)')  # a module that is loaded when it is needed
LIST = re.compile(r'^export \{(?P<names>[\w\s,]*)\}(?: from "[^"]+")?;$', re.MULTILINE)
OTHER = re.compile(r"^(?:import\b(?!\()|export\b).*", re.MULTILINE)
ADDRESS = '"https://page.invalid/"'  # what import.meta.url becomes: there is nothing beside the script


def bundle(entry: Path) -> str:
    """The script of a module and of all that it imports. Raises ValueError."""
    texts: dict[Path, str] = {}
    _add(entry.resolve(), texts, ())
    names = {path: f"{path.parent.name}/{path.name}" for path in texts}
    parts = [f'modules["{names[path]}"] = (() => {{\n{_body(path, text, names)}}})();' for path, text in texts.items()]
    return '"use strict";\nconst modules = {};\n' + "\n".join(parts) + "\n"


def _add(path: Path, texts: dict[Path, str], above: tuple[Path, ...]) -> None:
    """Adds a module after those that it imports."""
    if path in above:
        raise ValueError(f"{path.name} imports itself by way of others")
    if path in texts:
        return
    text = path.read_text("utf-8")
    for found in [*IMPORT.finditer(text), *LATER.finditer(text)]:
        _add((path.parent / found["path"]).resolve(), texts, (*above, path))
    texts[path] = text


def _body(path: Path, text: str, names: dict[Path, str]) -> str:
    def module(found: re.Match[str]) -> str:
        return f'modules["{names[(path.parent / found["path"]).resolve()]}"]'

    def imported(found: re.Match[str]) -> str:
        what = found["names"].removeprefix("* as ").replace(" as ", ": ")
        return f"const {what} = {module(found)};"

    exported = [found["name"] for found in EXPORT.finditer(text)]
    exported += [name for found in LIST.finditer(text) for name in re.findall(r"\w+", found["names"])]
    body = LATER.sub(lambda found: f"Promise.resolve({module(found)})", IMPORT.sub(imported, text))
    body = EXPORT.sub("", LIST.sub("", body)).replace("import.meta.url", ADDRESS)
    if other := OTHER.search(body):
        raise ValueError(f"{path.name}: this form is not read: {other[0]}")
    return f"{body}return {{ {', '.join(exported)} }};\n"
