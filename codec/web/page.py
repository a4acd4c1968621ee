"""The studio: one HTML page in which pictures and .aec files are compared, with everything it needs inside. `aecodec
view` makes it.

What it is made of lies in studio/. Scripts are bundled into two, the page's and its worker's; WebAssembly, model and
files are base64 in script elements that no browser runs.
"""

import base64
import hashlib
import html
import re
from collections.abc import Iterable
from pathlib import Path

from .bundle import bundle
from .parts import split

HERE = Path(__file__).parent
STUDIO = HERE / "studio"
LEVEL = 4  # of gzip: a tenth of the time of the highest, for a hundredth more bytes


def page(weights: bytes, files: Iterable[tuple[str, bytes]]) -> str:
    """The page with the model of a weight file, and with files (name, content) that browsers can read or .aec files."""
    model = split(weights, LEVEL)
    script = bundle(STUDIO / "studio.js")
    data = {"worker": bundle(STUDIO / "work.js")}
    data |= {"wasm": _text((HERE / "aec.wasm").read_bytes())}
    data |= {name: _text(part) for name, part in model.items()}
    elements = [f'<script type="text/plain" id="part-{name}">{_safe(text)}</script>' for name, text in data.items()]
    elements += [
        f'<script type="text/plain" class="file" data-name="{html.escape(name)}">{_text(content)}</script>'
        for name, content in files
    ]
    parts = {
        "style": (STUDIO / "studio.css").read_text("utf-8"),
        "script": _safe(script),
        "hash": f"sha256-{_text(hashlib.sha256(script.encode()).digest())}",
        "parts": "\n".join(elements),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], (STUDIO / "page.html").read_text("utf-8"))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _safe(script: str) -> str:
    """Raises ValueError for what would end a script element, or hide its end."""
    if re.search(r"</script|<!--", script, re.IGNORECASE):
        raise ValueError("a script holds what ends a script element")
    return script
