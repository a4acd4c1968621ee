"""The package in browsers: the same pixels and refusals as under Node, models that are fetched once, a page that stays
responsive.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import photograph

import codec
from codec.pixels.read import load
from codec.web import build
from tests.golden.make import BAD, GOOD
from tests.web import browser

GOLDEN = json.loads((GOOD / "golden.json").read_text())
ERRORS = json.loads((BAD / "errors.json").read_text())
OPEN = """
const {open} = await import("/package/aec.js"), {outcome, sha256} = await import("/tests/outcome.js");
const models = new URL("/models/", location.href);
const get = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());
"""


@dataclass
class Server:
    """Its URL, and the folders that it serves by their names."""

    url: str
    folders: dict[str, Path]


@pytest.fixture(scope="module")
def server(web_models, tmp_path_factory):
    """A Server of the package, tests, models and files."""
    folders = {"package": build.FOLDER, "tests": Path(__file__).parent, "models": web_models}
    folders |= {"golden": GOOD, "bad": BAD, "files": tmp_path_factory.mktemp("files")}
    with browser.served(folders) as url:
        yield Server(url, folders)


def paged(window, url):
    """A page, and what runs a script there that returns something."""
    window.open(f"{url}/tests/page.html")
    program = "return (async (...given) => {%s%s})(...arguments)"
    return lambda script, *arguments: window.run(program % (OPEN, script), *arguments)


@pytest.fixture
def page(window, server):
    return paged(window, server.url)


@pytest.fixture
def isolated(window, server):
    """The same of a page that may have threads."""
    with browser.served(server.folders, isolated=True) as url:
        yield paged(window, url)


DECODE = """
const [folder, names, options] = given, codec = await open({models}), found = [];
for (const name of names) found.push(await outcome(codec, await get(`/${folder}/${name}`), options));
codec.close();
return {found, threads: codec.threads};
"""


def check_golden(page):
    """How many threads decoded them."""
    found, threads = page(DECODE, "golden", [f"{name}.aec" for name in GOLDEN], {"format": "samples"}).values()
    for name, one in zip(GOLDEN, found, strict=True):
        assert one.get("data") == GOLDEN[name]["pixels"], (name, one)
    return threads


def test_golden_files(page):
    assert check_golden(page) == 1


def test_golden_files_in_threads(isolated):
    assert check_golden(isolated) == min(4, os.cpu_count())


def test_bad_files_are_refused(page):
    found = page(DECODE, "bad", list(ERRORS), {"maxPixels": 2**28})["found"]
    for name, one in zip(ERRORS, found, strict=True):
        assert one.get("error") == ERRORS[name], (name, one)


@pytest.fixture(scope="module")
def photographs(server, kodak):
    """Checksums of the pixels by the names of files on the server."""
    coder, found = codec.Codec("default", engine="native"), {}
    for path in kodak:
        file = coder.encode(load(path).pixels, 60, lossless=False)
        (server.folders["files"] / f"{path.stem}.aec").write_bytes(file)
        found[f"{path.stem}.aec"] = coder.checksum(file)
    return found


def test_real_photographs(page, photographs):
    names, found = list(photographs), []
    for start in range(0, len(names), 6):  # what a busy machine does before the browser's driver gives up
        found += page(DECODE, "files", names[start : start + 6], {"format": "rgb"})["found"]
    assert [one.get("data") for one in found] == list(photographs.values())


CACHE = """
const [id] = given, url = new URL(`/models/${id}.decoder.gz`, location.href).href;
const kept = async () => (await (await caches.match(url))?.arrayBuffer())?.byteLength ?? 0;
const sizes = [], opened = async () => { (await open({models})).close(); sizes.push(await kept()); };
sizes.push(await kept());
await opened();
await opened();
await (await caches.open("aecodec")).put(url, new Response("damaged"));
sizes.push(await kept());
await opened();
const cache = await caches.open("aecodec"), others = ["/models/00000000.decoder.gz", "/elsewhere/00000000.decoder.gz"];
for (const other of others) await cache.put(other, new Response("of a model that was replaced"));
const codec = await open({models});
for (let i = 0; i < 200 && (await cache.match(others[0])); i++) await new Promise((end) => setTimeout(end, 50));
const left = await Promise.all(others.map(async (other) => !!(await cache.match(other))));
codec.close();
return { sizes, left };
"""


def test_a_model_is_fetched_once(window, server, web_models):
    """And again where what the browser kept is damaged; what the folder's list has no longer is let go."""
    asked = []

    class Listening(browser.Handler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def end_headers(self):
            self.send_header("Cache-Control", "no-store")  # what is kept is kept by the page
            super().end_headers()

    id = json.loads((web_models / "models.json").read_text())["default"]
    with browser.served(server.folders, handler=Listening) as url:
        found = paged(window, url)(CACHE, id)
    whole = (web_models / f"{id}.decoder.gz").stat().st_size
    assert found == {"sizes": [0, whole, whole, 7, whole], "left": [False, True]}
    assert sum(path.endswith(".decoder.gz") for path in asked) == 2
    assert not any(path.endswith(".encoder.gz") for path in asked)


BUSY = """
const [name] = given, file = await get(`/files/${name}`), codec = await open({models}), seen = [];
const picture = await codec.decode(file, {progress: (tile) => seen.push(tile.done)});
await codec.encode(picture);
codec.close();
return seen;
"""


@pytest.mark.parametrize("window", ["chromium"], indirect=True)
def test_the_page_stays_responsive(page, window, server):
    """While a picture of several tiles is decoded and encoded its thread has less to do, in all, than would be noticed
    at once; Chromium tells how much.
    """
    file = codec.Codec("default", engine="native").encode(photograph(1100, 1200), 50, lossless=False)
    (server.folders["files"] / "large.aec").write_bytes(file)
    ask = lambda command, **given: window._call("POST", "/goog/cdp/execute", {"cmd": command, "params": given})
    spent = lambda: {one["name"]: one["value"] for one in ask("Performance.getMetrics")["metrics"]}["TaskDuration"]
    ask("Performance.enable", timeDomain="threadTicks")
    before = spent()
    assert page(BUSY, "large.aec") == [1, 2, 3, 4]
    assert spent() - before < 0.05  # s of processor time
