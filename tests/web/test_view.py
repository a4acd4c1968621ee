"""`aecodec view`: one page of everything, or one sentence and nothing; and the scripts that it is made of."""

import io
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import codec
from codec.app.cli import cli
from codec.model import weights
from codec.web import page
from codec.web.bundle import bundle
from tests.web.scene import landscape

COMMAND = [sys.executable, "-P", "-m", "codec"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The folder of a picture as PNG and TIFF, and files of it by both models."""
    folder = tmp_path_factory.mktemp("sources")
    picture = landscape(120, 80)
    for name, suffix in (("scene", "png"), ("drawing", "tif")):
        picture.save(folder / f"{name}.{suffix}")
    for model in ("default", "psnr"):
        (folder / f"{model}.aec").write_bytes(codec.compress(np.asarray(picture), model=model))
    return folder


def view(*arguments, **options):
    return CliRunner().invoke(cli, ["view", *map(str, arguments)], prog_name="aecodec", **options)


def held(text):
    """{name: content} of the files in a page."""
    import base64

    found = re.findall(r'<script type="text/plain" class="file" data-name="([^"]*)">([^<]*)</script>', text)
    return {name: base64.b64decode(data, validate=True) for name, data in found}


def test_a_page_holds_the_files_and_is_one_file(sources, tmp_path):
    target = tmp_path / "page.html"
    done = view(sources / "scene.png", sources / "default.aec", sources / "drawing.tif", "-o", target)
    assert (done.exit_code, done.output) == (0, "")
    text = target.read_text("utf-8")
    assert [len(text) < 12e6, text.count("{{")] == [True, 0]
    png, aec, converted = held(text).values()
    assert png == (sources / "scene.png").read_bytes() and aec == (sources / "default.aec").read_bytes()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(converted))), np.asarray(landscape(120, 80)))
    assert "connect-src" not in text and "default-src 'none'" in text
    markup = re.sub(r"(?s)<script.*?</script>", "", text)
    assert re.findall(r"""(?:src|href)\s*=\s*["']?(?!data:)[a-z]+:[^"'\s>]+""", markup) == []


def test_without_an_output_a_page_is_opened_from_where_it_says(sources, tmp_path):
    prints = f"{sys.executable} -c 'import sys; print(sys.argv[1])' %s"
    environment = os.environ | {"BROWSER": prints, "TMPDIR": str(tmp_path)}
    command = [*COMMAND, "view", sources / "scene.png"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    (made,) = tmp_path.iterdir()
    assert done.stderr == f"aecodec: {made} is open in the browser\n" and done.returncode == 0
    assert done.stdout.strip() == made.as_uri()
    assert held(made.read_text("utf-8")).keys() == {"scene.png"}


def test_where_no_browser_is_the_page_is_named(sources, tmp_path):
    environment = {**os.environ, "BROWSER": str(tmp_path / "none"), "TMPDIR": str(tmp_path), "PATH": "/nowhere"}
    environment = {key: value for key, value in environment.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run([*COMMAND, "view", sources / "scene.png"], env=environment, capture_output=True, text=True)
    (made,) = tmp_path.iterdir()
    assert done.returncode == 1 and done.stderr == f"aecodec: no browser can be opened here; the page is {made}\n"


def test_a_page_without_files_waits_for_some(tmp_path):
    assert view("-o", tmp_path / "page.html").exit_code == 0
    assert held((tmp_path / "page.html").read_text("utf-8")) == {}


def test_what_is_missing_or_broken_gives_one_sentence_and_no_page(sources, tmp_path):
    whole = (sources / "default.aec").read_bytes()
    broken = {
        "short.aec": whole[:-1],
        "bent.aec": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        "empty.aec": b"",
        "text.png": b"no picture",
        "short.png": (sources / "scene.png").read_bytes()[:900],
    }
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
    for name in (*broken, "missing.png", "."):
        done = view(sources / "scene.png", tmp_path / name, "-o", tmp_path / "page.html")
        lines = done.stderr.splitlines()
        assert done.exit_code == 1 and len(lines) == 1 and lines[0].startswith(f"aecodec: {tmp_path / name}: "), lines
        assert {path.name for path in tmp_path.iterdir()} == broken.keys()


def test_a_file_of_another_model_says_which_page_shows_it(sources, tmp_path):
    done = view(sources / "psnr.aec", "-o", tmp_path / "page.html")
    assert done.exit_code == 1 and done.stderr.endswith(
        "psnr.aec: it was made with the model psnr, and a page has one model: -m psnr\n"
    )
    assert view(sources / "psnr.aec", "-m", "psnr", "-o", tmp_path / "page.html").exit_code == 0
    done = view(sources / "scene.png", "-m", "none", "-o", tmp_path / "other.html")
    assert done.exit_code == 1 and "there is no model 'none'" in done.stderr


def test_a_page_that_is_there_is_kept_unless_forced(sources, tmp_path):
    target = tmp_path / "page.html"
    target.write_text("mine")
    done = view(sources / "scene.png", "-o", target)
    assert done.exit_code == 1 and "exists already" in done.stderr and target.read_text() == "mine"
    assert view(sources / "scene.png", "-o", target, "-f").exit_code == 0 and len(target.read_text("utf-8")) > 1e6


def test_names_are_text_and_never_markup(sources, tmp_path):
    name = "<b>&\"'.png"
    (tmp_path / name).write_bytes((sources / "scene.png").read_bytes())
    text = page.page(weights.path_of("default").read_bytes(), [(name, b"x")])
    assert "<b>" not in text and 'data-name="&lt;b&gt;&amp;&quot;&#x27;.png"' in text


# The bundle


def test_a_bundle_gives_each_module_what_it_imports(tmp_path):
    (tmp_path / "low.js").write_text(
        """export const one = 1;
export class Two {}
const three = 3;
export { three };
"""
    )
    (tmp_path / "high.js").write_text(
        """import { one as first, Two } from "./low.js";
export { three } from "./low.js";
import * as low from "./low.js";
export async function four() {
  return [first, typeof Two, Object.keys(low)];
}
"""
    )
    (tmp_path / "top.js").write_text(
        """import { four, three } from "./high.js";
four().then((found) => console.log(JSON.stringify([three, ...found])));
"""
    )
    done = subprocess.run(["node", "-e", bundle(tmp_path / "top.js")], capture_output=True, text=True)
    assert json.loads(done.stdout) == [3, 1, "function", ["one", "Two", "three"]], done.stderr


@pytest.mark.parametrize("text", ['import low from "./low.js";', "export default 1;", 'import "./low.js";'])
def test_a_bundle_refuses_the_forms_that_it_does_not_read(text, tmp_path):
    (tmp_path / "low.js").write_text("")
    (tmp_path / "top.js").write_text(text + "\n")
    with pytest.raises(ValueError, match="top.js"):
        bundle(tmp_path / "top.js")


def test_a_bundle_refuses_circles(tmp_path):
    (tmp_path / "a.js").write_text('import { b } from "./b.js";\n')
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\n')
    with pytest.raises(ValueError, match="a.js imports itself"):
        bundle(tmp_path / "a.js")
