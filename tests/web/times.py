"""`python -m tests.web.times PHOTO.png`: milliseconds by the clock that a photograph takes in Chromium and Firefox,
from a local server, on a machine that does nothing else.

Cold: a browser that was just started and has nothing of the server, from the navigation to the `load` event of an
<img> of a page with img.js; warm: the next page of it, whose model is in the browser's cache. Then decode and encode
with the module, medians, and the longest time that the page's own thread did nothing else meanwhile.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

import codec
from codec.model import weights
from codec.pixels.read import load
from codec.web import build
from tests.web import browser

COLD, REPEATS = 2, 7
QUALITY = 60
PAGE = """<!doctype html><meta charset=utf-8><title>times</title>
<script>window.longest = []; try {
new PerformanceObserver((found) => found.getEntries().forEach(({duration}) => longest.push(duration)))
  .observe({type: "longtask", buffered: true}); } catch {}</script>
<script src=/package/img.js data-models=/models/></script>
<img id=photo src=/files/photo.aec onload="window.shown = performance.now()">
"""
MANY = 30  # pictures of another page
USE = """
const [threads, repeats] = arguments, {open} = await import("/package/aec.js"), times = {};
const file = await (await fetch("/files/photo.aec")).arrayBuffer(), codec = await open({models: "/models/", threads});
let gap = 0, last = performance.now();
const {port1, port2} = new MessageChannel();
port1.onmessage = () => {
  const now = performance.now();
  gap = Math.max(gap, now - last);
  last = now;
  setTimeout(() => port2.postMessage(0), 1);
};
const timed = async (name, task) => {
  const found = [];
  for (let i = 0; i <= repeats; i++) {
    const start = performance.now();
    await task();
    if (i) found.push(performance.now() - start); // the first one compiles, or fetches what encodes
  }
  times[name] = found;
};
let picture = await codec.decode(file);
last = performance.now();
port2.postMessage(0);
await timed("decode", async () => (picture = await codec.decode(file)));
await timed("encode", () => codec.encode(picture, {quality: 60}));
port1.close();
codec.close();
return {...times, gap, threads: codec.threads, pixels: picture.width * picture.height};
"""


def measure(kind: str, url: str, threads: int) -> dict:
    """By one kind of browser, where pages of the server have so many threads."""
    cold, warm, tasks, many = [], [], [], []
    for _ in range(COLD):
        window = browser.opened(kind)
        try:
            for times in (cold, warm):
                window.open(f"{url}/files/page.html")
                times.append(window.wait("return window.shown", seconds=60))
                tasks += window.run("return longest")
            window.open(f"{url}/files/many.html")
            window.wait("return window.loaded === arguments[0]", MANY, seconds=120)
            many += window.run("return longest")
            found = window.run(f"return (async (...arguments) => {{{USE}}})(...arguments)", threads, REPEATS)
        finally:
            window.close()
    decode, encode = (statistics.median(found.pop(name)) for name in ("decode", "encode"))
    return {
        "browser": kind,
        "threads": found["threads"],
        "cold page": round(statistics.median(cold)),
        "warm page": round(statistics.median(warm)),
        "decode": round(decode),
        "encode": round(encode),
        "encode / decode": round(encode / decode, 2),
        "decode per megapixel and thread": round(decode * found["threads"] / found["pixels"] * 1e6),
        "longest gap of the page's thread while both": round(found["gap"]),
        "its tasks beyond 50 while pages load (Chromium)": [round(task) for task in tasks],
        f"the same of a page of {MANY} pictures": [round(task) for task in many],
    }


def main(photo: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        models, files = Path(folder, "models"), Path(folder, "files")
        build.write_models(models, [weights.FOLDER / "default.safetensors"])
        files.mkdir()
        (files / "photo.aec").write_bytes(codec.Codec("default").encode(load(photo).pixels, QUALITY, lossless=False))
        (files / "page.html").write_text(PAGE)
        images = "".join(f"<img src=/files/photo.aec?{i} width=90 onload='loaded++'>" for i in range(MANY))
        (files / "many.html").write_text(PAGE.partition("<img")[0] + "<script>window.loaded = 0</script>" + images)
        folders = {"package": build.FOLDER, "models": models, "files": files}
        for kind in ("chromium", "firefox"):
            for threads in (1, 2):
                with browser.served(folders, isolated=threads > 1) as url:
                    print(json.dumps(measure(kind, url, threads), indent=2), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
