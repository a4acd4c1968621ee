"""Pages with one script tag, whose pictures are .aec files, in Chromium and Firefox."""

import base64
import re
import time

import numpy as np
import pytest
from conftest import photograph, psnr
from PIL import Image

import codec
from codec.pixels.picture import Picture
from codec.web import build
from tests.golden.make import BAD
from tests.web import browser, gated

PAGE = """<!doctype html><meta charset="utf-8"><title>pictures</title><script>
window.heard = [];
window.urls = new Set();
const {createObjectURL, revokeObjectURL} = URL;
URL.createObjectURL = (of) => { const url = createObjectURL(of); urls.add(url); return url; };
URL.revokeObjectURL = (url) => { urls.delete(url); revokeObjectURL(url); };
const hear = ({target, type}) => heard.push(`${target.id} ${type}`);
window.listen = (img) => { for (const type of ["load", "error"]) img.addEventListener(type, hear); return img; };
window.pixels = (img) => {
  const {naturalWidth: width, naturalHeight: height} = img;
  const context = Object.assign(document.createElement("canvas"), {width, height}).getContext("2d");
  context.drawImage(img, 0, 0);
  return btoa(Array.from(context.getImageData(0, 0, width, height).data, (n) => String.fromCharCode(n)).join(""));
};
</script><script %s></script><body style="margin: 0">%s"""
SCRIPT = 'src="/package/img.js" data-models="/models/"'
HEARS = """onload="hear(event)" onerror="hear(event)" """


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of files, and what is in them by name."""
    folder, coder = tmp_path_factory.mktemp("files"), codec.Codec("default", engine="native")
    known = {}
    for seed, name in enumerate("abcd"):
        data = coder.encode(photograph(160, 240, seed), 60, lossless=False)
        (folder / f"{name}.aec").write_bytes(data)
        known[name] = np.asarray(coder.decode(data))
    (folder / "half.aec").write_bytes(data[: len(data) // 2])
    (folder / "hurt.aec").write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    Image.fromarray(known["a"]).save(folder / "a.png")
    return folder, known


@pytest.fixture(scope="module")
def server(web_models, files):
    folders = {"package": build.FOLDER, "models": web_models, "files": files[0], "gated": files[0], "bad": BAD}
    with browser.served(folders, handler=gated.Handler) as url:
        yield url


@pytest.fixture
def shown(window, server, files):
    """Shows a page with this in its body."""

    def show(body, script=SCRIPT):
        gated.Handler.gates.close()
        name = f"page{len(list(files[0].glob('*.html')))}.html"  # browsers keep what they know
        (files[0] / name).write_text(PAGE % (script, body))
        window.open(f"{server}/files/{name}")
        return window

    return show


def pixels(page, name):
    """[H, W, 3] of an img."""
    data, width = page.run(f"return [window.pixels({name}), {name}.naturalWidth]")
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(-1, width, 4)[..., :3]


def heard(page, *expected):
    """Waits until so much was heard, and a little for more."""
    page.wait(f"return heard.length >= {len(expected)}", seconds=60)
    time.sleep(0.2)
    assert sorted(page.run("return heard")) == sorted(expected)


@pytest.mark.parametrize("script", [SCRIPT, f"type=module {SCRIPT}"])
def test_pictures_of_a_page(script, shown, files):
    page = shown(
        f'<img id=a src="a.aec" alt="first" class=x {HEARS}>'
        f'<picture><source type="image/x-aec" srcset="b.aec"><img id=b src="a.png" width=100 {HEARS}></picture>'
        f'<img id=c srcset="c.aec?1 2x, d.aec?2 1x" {HEARS}><img id=p src="a.png" {HEARS}>'
        f'<img id=d src="a.png" srcset="d.aec 480w, d.aec?3 960w" sizes="120px" {HEARS}>',
        script,
    )
    if "module" in script:  # it comes after the fallback of the picture
        page.wait("return heard.length >= 5 && b.currentSrc.startsWith('blob:') && !urls.has('')", seconds=30)
    else:
        heard(page, "a load", "b load", "c load", "p load", "d load")
    for name, of in zip("abcd", "abdd"):
        page.wait(f"return {name}.complete")
        assert np.array_equal(pixels(page, name)[:, :240], files[1][of]) or name == "d"
    found = page.run("return [a.getAttribute('src'), a.alt, a.className, a.naturalWidth, b.width, d.naturalWidth]")
    assert found == ["a.aec", "first", "x", 240, 100, 60]
    page.run("return Promise.all([a, b, c, d, p].map((img) => img.decode()))")


def test_pictures_come_coarse_first(shown, files):
    gates, name, size = gated.Handler.gates, "a.aec", (files[0] / "a.aec").stat().st_size
    page = shown("")
    page.run("document.body.innerHTML = `<img id=a src='/gated/a.aec' width=480 alt=first>`; listen(a)")
    page.wait("return a.currentSrc.startsWith('data:')")
    gates.open(name, 60)
    page.wait("return a.naturalWidth === 240 && a.offsetHeight === 320")  # there is room before there is a picture
    last, seen = 0, set()
    for share in (0.2, 0.4, 0.8):
        gates.open(name, int(share * size))
        page.wait("return a.currentSrc.startsWith('blob:') && !arguments[0].includes(a.currentSrc)", list(seen))
        page.run("return a.currentSrc && createImageBitmap(a).then(() => 1)")
        seen.add(page.run("return a.currentSrc"))
        now = psnr(pixels(page, "a"), files[1]["a"])
        assert now > max(last, 15) and page.run("return [a.complete, heard.length]") == [False, 0]
        last = now
    gates.open(name, size)
    heard(page, "a load")
    assert np.array_equal(pixels(page, "a"), files[1]["a"]) and page.run("return a.complete")
    assert gates.asked[name] <= 2 and len(seen) == 3  # the browser may have begun
    page.wait("return urls.size === 1 && urls.has(a.currentSrc)")


def test_lazy_pictures_wait(shown, files):
    gates = gated.Handler.gates
    page = shown(
        f'<div style="height: 9000px"></div><img id=b src="/gated/b.aec" loading=lazy width=240 height=160 {HEARS}>'
    )
    time.sleep(0.5)
    assert not gates.asked and page.run("return [heard.length, b.offsetHeight]") == [0, 160]
    gates.open("b.aec", 10**9)
    page.run("b.scrollIntoView()")
    heard(page, "b load")
    assert np.array_equal(pixels(page, "b"), files[1]["b"]) and gates.asked == {"b.aec": 1}


def test_pages_that_change(shown, files):
    page = shown("<img id=a src=a.aec><p id=p>")
    page.run("listen(a)")
    page.wait("return a.complete && a.naturalWidth === 240")
    page.run("heard.length = 0; a.src = 'b.aec'")
    heard(page, "a load")
    assert np.array_equal(pixels(page, "a"), files[1]["b"])
    page.run("a.src = 'a.png'")
    heard(page, "a load", "a load")
    assert page.run("return [a.currentSrc.endsWith('a.png'), a.hasAttribute('srcset'), urls.size]") == [True, False, 0]
    page.run("const img = listen(new Image()); img.id = 'c'; img.src = '/files/c.aec'; p.append(img)")
    heard(page, "a load", "a load", "c load")
    page.run("p.append(listen(Object.assign(c.cloneNode(), {id: 'd'}))); a.srcset = 'd.aec'; c.srcset = ''")
    page.wait("return a.complete && c.complete && heard.length >= 6", seconds=20)
    assert np.array_equal(pixels(page, "a"), files[1]["d"]) and np.array_equal(pixels(page, "c"), files[1]["c"])
    assert not [name for name in page.run("return heard") if "error" in name]


def test_what_is_removed_is_loaded_no_further(shown, files):
    gated.Handler.gates.open("c.aec", 0)
    page = shown("<p id=p>")
    page.run("p.innerHTML = `<img id=c src='/gated/c.aec'>`; listen(c)")
    page.wait("return c.currentSrc.startsWith('data:')")
    page.run("window.kept = c; p.textContent = ''")
    time.sleep(0.3)
    assert page.run("return [kept.hasAttribute('srcset'), urls.size]") == [False, 0]
    gated.Handler.gates.open("c.aec", 10**9)
    page.run("p.append(kept)")
    page.wait("return kept.complete && kept.naturalWidth === 240", seconds=20)
    assert np.array_equal(pixels(page, "kept"), files[1]["c"])


def test_what_cannot_be_shown_is_an_error(shown):
    names = ["half", "hurt", "none"]
    body = "".join(f'<img id={name} src="{name}.aec" alt="what {name} shows" {HEARS}>' for name in names)
    page = shown(body + f'<img id=other src="/files/page0.html?.aec" alt=other {HEARS}>')
    heard(page, *(f"{name} error" for name in [*names, "other"]))
    assert page.run("return [half, hurt, none].map((img) => [img.complete, img.naturalWidth])") == [[True, 0]] * 3
    assert page.run("return half.decode().then(() => 'shown', (error) => error.name)") == "EncodingError"
    page.run("half.dispatchEvent(new Event('load'))")  # as Firefox may say late of what stood in for it
    heard(page, *(f"{name} error" for name in [*names, "other"]))
    said = "".join(page.console())
    assert re.search(r"half\.aec: the file ends too early", said) and re.search(r"none\.aec: the server says 404", said)


def test_pictures_in_shadow_trees(shown, files):
    """Of roots that are closed, that the page's text has, and whose hosts are added later."""
    page = shown("<p id=p><div id=q><template shadowrootmode=open><img src=b.aec></template></div>")
    page.run(
        "window.trees = [p.attachShadow({mode: 'closed'}), q.shadowRoot];"
        "const host = document.createElement('div'); trees.push(host.attachShadow({mode: 'open'}));"
        "[trees[0], trees[2]].forEach((tree, i) => (tree.innerHTML = `<img id=${'ac'[i]} src=${'ac'[i]}.aec>`));"
        "window.images = trees.map((tree) => tree.querySelector('img')); images.forEach(listen);"
        "setTimeout(() => document.body.append(host), 100)"
    )
    page.wait("return images.every((img) => img.complete && img.naturalWidth === 240)", seconds=60)
    for number, name in enumerate("abc"):
        assert np.array_equal(pixels(page, f"images[{number}]"), files[1][name])
    assert sorted(page.run("return heard")) == ["a load", "b load", "c load"] or not page.run("return images[1].id")


def test_hostile_files(shown, files):
    """Every one is an error, and the next picture is shown."""
    names = sorted(path.name for path in BAD.iterdir() if path.name != "errors.json")
    body = "".join(f'<img id="n{number}" src="/files/x{number}.aec" {HEARS}>' for number in range(len(names)))
    for number, name in enumerate(names):
        (files[0] / f"x{number}.aec").write_bytes((BAD / name).read_bytes())
    page = shown(body + f"<img id=a src=a.aec {HEARS}>")
    heard(page, "a load", *(f"n{number} error" for number in range(len(names))))
    assert np.array_equal(pixels(page, "a"), files[1]["a"])
    assert page.run("return urls.size") == 1


def test_pictures_that_are_turned_lie_right_from_the_first(shown, files):
    """The orientation, at the end of the file, comes by another request, if the server knows parts of files."""
    gates, coder = gated.Handler.gates, codec.Codec("default", engine="native")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Picture(photograph(160, 240, 9), None, None, exif.tobytes().removeprefix(b"Exif\0\0"))
    data = coder.encode(picture, 60, lossless=False)
    for name in ("turned.aec", "whole-turned.aec"):
        (files[0] / name).write_bytes(data)
    page = shown("")
    page.run("document.body.innerHTML = `<img id=a src=/gated/turned.aec><img id=b src=/gated/whole-turned.aec>`")
    for name in ("turned.aec", "whole-turned.aec"):
        gates.open(name, len(data) // 2)
    page.wait("return a.currentSrc.startsWith('blob:') && a.naturalHeight === 240 && b.naturalHeight === 160")
    expected = np.rot90(coder.decode_picture(data).pixels, -1)
    assert psnr(pixels(page, "a"), expected) > 15 and not page.run("return b.currentSrc.startsWith('blob:')")
    for name in ("turned.aec", "whole-turned.aec"):
        gates.open(name, len(data))
    page.wait("return a.complete && b.complete && b.naturalHeight === 240", seconds=30)
    assert np.array_equal(pixels(page, "a"), expected) and np.array_equal(pixels(page, "b"), expected)


def test_backgrounds(shown, files):
    (files[0] / "sheet.css").write_text(
        "@media all { #p { background: no-repeat url(a.aec) } }\n#q { list-style: url('none.aec') }"
    )
    page = shown(
        "<link rel=stylesheet href=sheet.css><p id=p>1<p id=q>2"
        "<p id=r style='border-image-source: url(&quot;b.aec&quot;)'>3<p id=s style='background: url(a.png)'>4"
    )
    style = "getComputedStyle({}).{}".format
    for name, of, known in (("p", "backgroundImage", "a"), ("r", "borderImageSource", "b")):
        page.wait(f"return {style(name, of)}.startsWith('url(\"blob:')", seconds=30)
        page.run(f"window.shown = new Image(); shown.src = {style(name, of)}.slice(5, -2); return shown.decode()")
        assert np.array_equal(pixels(page, "shown"), files[1][known])
    page.run("s.style.backgroundImage = 'url(c.aec)'; q.innerHTML = '<style>#q { background: url(c.aec?1) }</style>'")
    for name in "qs":
        page.wait(f"return {style(name, 'backgroundImage')}.startsWith('url(\"blob:')")
    assert "none.aec" in page.run(f"return {style('q', 'listStyleImage')}") and page.run("return urls.size") == 4
