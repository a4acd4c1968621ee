"""The report in a real browser, headless Chromium, wide and as a phone: numbers equal to the JSON, divider, keys, zoom,
heat maps, addresses, silence.
"""

import page_windows
import pytest
import sample_run
from sample_run import METRICS, NAMES

from benchmarks import metrics, report

wide_window = pytest.fixture(scope="module")(page_windows.wide_window)
wide = pytest.fixture(page_windows.wide)
result = pytest.fixture(scope="module")(sample_run.result)
page = pytest.fixture(scope="module")(sample_run.page)


def minus(text):
    return text.replace("−", "-")


def bd(result, codec, anchor, metric, method="pchip"):
    return next(
        e
        for e in result["bd_rate"]
        if (e["codec"], e["anchor"], e["metric"], e["method"], e["scope"]) == (codec, anchor, metric, method, "set")
    )


def percent(value):
    return "–" if value is None else f"{value:+.1f} %"


def times(value):
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}×"


def test_the_headline_and_the_cards_say_what_the_run_says(wide, result):
    value = bd(result, "aec", "webp", "psnr")["value"]
    entry = result["speed"][0]["ratios"]["webp"]
    head = wide.text("#headline")
    assert f"{abs(value):.1f} % {'fewer' if value < 0 else 'more'} bytes than WebP at the same PSNR" in head
    assert (
        f"Encoding takes {times(entry['encode'])} the time, decoding takes {times(entry['decode'])} the time." in head
    )
    for anchor in ("webp", "jpeg"):
        card = minus(wide.text(f".card[data-anchor={anchor}]"))
        assert percent(bd(result, "aec", anchor, "psnr")["value"]) in card
        for metric, name in (("msssim", "MS-SSIM ¹"), ("psnr_y", "PSNR-Y")):
            assert f"\n{name}\n{percent(bd(result, 'aec', anchor, metric)['value'])}" in card
    area = sum(i["width"] * i["height"] for i in result["images"]) / 3e6
    by = [
        f"{percent(bd(result, 'aec', 'webp', metric)['value'])} by {name}"
        for metric, name in (("msssim", "MS-SSIM ¹"), ("psnr_y", "PSNR-Y"))
    ]
    price = (
        f"Bytes against WebP judged otherwise: {by[0]} and {by[1]}. "
        f"A picture of {area:.2f} megapixels takes 312 ms to encode (WebP 61.3 ms), "
        "200 ms to decode (WebP 6.1 ms), 1.20 s to decode as a new program (WebP 1.01 s) "
        "and 61 MiB of memory (WebP 61 MiB)."
    )
    assert minus(wide.text("#price")) == price
    jpeg = next(e for e in result["speed"] if e["codec"] == "jpeg")
    assert times(result["speed"][0]["encode"]["median"] / jpeg["encode"]["median"]) in wide.text(
        ".card[data-anchor=jpeg]"
    )


@pytest.mark.parametrize("method", ["pchip", "akima"])
def test_the_table_of_bytes_equals_the_run(wide, result, method):
    for anchor in ("webp", "jpeg"):
        wide.run(
            "const s = document.querySelector('#anchor'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))",
            anchor,
        )
        wide.run("document.querySelector(`#method [data-value=${arguments[0]}]`).click()", method)
        for codec in {"webp", "jpeg", "aec"} - {anchor}:
            cells = wide.run(
                "return [...document.querySelectorAll(`#bd tr[data-codec=${arguments[0]}] td`)].slice(1).map((td) "
                "=> td.firstChild.textContent)",
                codec,
            )
            assert [minus(text) for text in cells] == [
                percent(bd(result, codec, anchor, metric, method)["value"]) for metric in metrics.ordered(METRICS)
            ]


def test_below_each_value_stand_its_interval_and_the_worst_pictures(wide, result):
    entry = {"codec": "aec", "anchor": "webp", "metric": "psnr", "method": "pchip", "scope": "picture"}
    single = next(e for e in result["bd_rate"] if e.items() >= entry.items())
    at = 2 + metrics.ordered(METRICS).index("psnr")
    smalls = wide.run(
        "return [...document.querySelectorAll(`#bd tr[data-codec=aec] td:nth-child(${arguments[0]}) small`)].map((e) "
        "=> [e.textContent, e.title])",
        at,
    )
    (interval, _), (worst, title) = smalls
    assert minus(interval) == " … ".join(f"{edge:.0f}" for edge in single["interval"])
    (name, value), *rest = single["worst"].items()
    assert minus(worst) == f"worst {value:.0f}" and minus(title) == f"{name}: {percent(value)}" and not rest


def test_what_the_model_was_trained_on_is_marked_and_does_not_lead(wide, result):
    assert result["codecs"]["aec"]["trained_on"] == ["msssim"] and metrics.ordered(METRICS)[0] == "msssim"
    assert "at the same PSNR." in wide.text("#headline") and "¹ The model was trained on this" in wide.text("#basis")
    heads = wide.run("return [...document.querySelectorAll('#bd thead th')].slice(1).map((th) => th.textContent)")
    assert heads == ["MS-SSIM ¹", "PSNR", "PSNR-Y"]


def test_one_picture_alone_has_its_own_curves_and_differences(wide, result):
    name = NAMES[2]
    wide.run(
        "const s = document.querySelector('#scope'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))", name
    )
    each = next(
        e
        for e in result["bd_rate"]
        if (e["codec"], e["anchor"], e["metric"], e["method"], e["scope"])
        == ("aec", "webp", "psnr", "pchip", "picture")
    )
    assert minus(
        wide.run("return document.querySelector('#bd tr[data-codec=aec] td:nth-child(3)').firstChild.textContent")
    ) == percent(each["by_picture"][name])
    drawn = wide.run("return series().find((line) => line.codec === 'aec').points.map((p) => [p.bpp, p.value])")
    assert drawn == [[p["bpp"], p["psnr"]] for p in result["points"] if p["codec"] == "aec" and p["image"] == name]


def test_the_points_drawn_and_listed_are_those_of_the_run(wide, result):
    for metric, key, digits in (("psnr", "psnr", 3), ("msssim", "msssim_db", 3)):
        wide.run("document.querySelector(`#metric [data-value=${arguments[0]}]`).click()", metric)
        drawn = wide.run(
            "return Object.fromEntries(series().map((line) => [line.codec, line.points.map((p) => [p.bpp, p.value])]))"
        )
        assert drawn == {
            codec: [[c["bpp"], c[key]] for c in result["curves"] if c["codec"] == codec]
            for codec in ("aec", "jpeg", "webp")
        }
        listed = wide.run(
            "return [...document.querySelectorAll('#points tbody tr')].map((tr) => [...tr.children].map((td) "
            "=> td.textContent))"
        )
        assert sorted(row[1:] for row in listed) == sorted(
            [str(c["quality"]), f"{c['bpp']:.4f}", f"{c[key]:.{digits}f}"] for c in result["curves"]
        )


def test_pointing_at_a_curve_names_the_point(wide, result):
    wide.run("document.querySelector('#chart').scrollIntoView({behavior: 'instant', block: 'center'})")
    x, y = wide.run(
        "const p = series().at(-1).points[2], box = plot.over.getBoundingClientRect(); "
        "return [box.left + plot.valToPos(p.bpp, 'x'), box.top + plot.valToPos(p.value, 'y')]"
    )
    wide.hover(x + 2, y + 2)
    point = [c for c in result["curves"] if c["codec"] == "aec"][2]
    wide.wait("return !document.querySelector('#tip').hidden")
    assert wide.text("#tip").split("\n") == [
        "ours",
        f"{point['psnr']:.2f} dB at {point['bpp']:.3f} bpp",
        f"quality setting {point['quality']}",
    ]


def test_a_name_in_the_legend_hides_its_curve(wide):
    assert wide.run("return plot.series.length") == 4
    wide.click("#legend [data-name=webp]")
    assert wide.run("return plot.series.map((s) => s.label)").count("WebP") == 0
    assert "hidden=webp" in wide.run("return location.hash")
    wide.click("#legend [data-name=webp]")
    assert wide.run("return plot.series.length") == 4


def test_the_table_of_times_equals_the_run(wide, result):
    for entry in result["speed"]:
        cells = wide.run(
            "return [...document.querySelectorAll(`#speed-table "
            "tr[data-codec=${arguments[0]}][data-device=${arguments[1]}] td`)].map((td) => td.firstChild.textContent)",
            entry["codec"],
            entry["device"],
        )
        for at, direction in ((1, "encode"), (4, "decode")):
            value = entry[direction]["median"]
            assert cells[at] == (f"{value * 1000:.1f} ms" if value < 0.1 else f"{value * 1000:.0f} ms")
            assert cells[at + 1] == f"{entry[direction]['mp_s']:.2f}" and cells[at + 2] == times(
                entry["ratios"]["webp"][direction]
            )
    jpeg = wide.text("#speed-table tr[data-codec=jpeg]")
    assert "1.01 s" in jpeg and "0.91 … 1.11" in jpeg  # a new process for encoding, and its range


def test_what_was_measured_how_stands_at_the_foot(wide, result):
    foot = wide.text("#facts")
    for words in (
        result["command"],
        "A <b>processor</b>",
        "jxl needs a plugin",
        "2026-11-20T14:03:11Z",
        "python -m benchmarks report",
    ):
        assert words in foot
    assert wide.run("return document.querySelectorAll('#facts b, #facts img').length") == 0


def test_a_page_without_pictures_or_speed_or_a_second_codec_is_still_a_page(wide, result, tmp_path):
    alone = {
        **result,
        "metrics": [*METRICS, "one of a later version"],
        "speed": [],
        "profile": None,
        "bd_rate": [],
        "codecs": {"aec": result["codecs"]["aec"]},
        "points": [p for p in result["points"] if p["codec"] == "aec"],
        "curves": [c for c in result["curves"] if c["codec"] == "aec"],
    }
    (tmp_path / "alone.html").write_text(report.build(alone))
    wide.open((tmp_path / "alone.html").as_uri())
    wide.wait("return document.querySelectorAll('#points tbody tr').length === 4")
    assert (
        "ours" in wide.text("#headline")
        and "Speed was not measured" in wide.text("#speed-lead")
        and "without pictures" in wide.text("#pictures-lead")
    )


def test_curves_without_a_common_range_are_refused_with_the_reason(wide, result, tmp_path):
    refused = [
        {**e, "value": None, "reason": "the curves share only 38.2..38.9 dB"} if e["scope"] == "set" else e
        for e in result["bd_rate"]
    ]
    (tmp_path / "refused.html").write_text(report.build({**result, "bd_rate": refused}))
    wide.open((tmp_path / "refused.html").as_uri())
    wide.wait("return document.querySelector('#bd tbody')")
    assert "the curves share only 38.2..38.9 dB" in wide.text("#headline") and "share only" in wide.text("#bd-note")
    assert wide.run("return document.querySelector('#bd tr[data-codec=jpeg] td:nth-child(2)').textContent") == "–"


def test_published_results_stand_only_beside_the_whole_kodak_set(wide, result, tmp_path):
    published = [
        {
            "codec": "vtm",
            "label": "VTM (VVC)",
            "metric_set": "-",
            "quality": q,
            "bpp": q / 20,
            "psnr": 30 + q / 2,
            "msssim": 0.9 + q / 300,
            "source": "a paper",
        }
        for q in (5, 10, 20)
    ]
    assert not wide.run("return document.querySelector('#published').checkVisibility()")
    names = [f"kodim{i:02}.png" for i in range(1, 25)]
    kodak = {**result, "images": [{**result["images"][0], "name": name} for name in names], "published": published}
    (tmp_path / "kodak.html").write_text(report.build(kodak))
    wide.open((tmp_path / "kodak.html").as_uri())
    wide.wait("return document.querySelector('#published').checkVisibility()")
    wide.click("#published summary")
    wide.click("#published-legend button")
    assert wide.run("return series().find((line) => line.codec === null).points.map((p) => [p.bpp, p.value])") == [
        [p["bpp"], p["psnr"]] for p in published
    ]
    wide.click("#metric [data-value=psnr_y]")
    assert wide.run("return series().length") == 3 and not wide.run(
        "return document.querySelector('#published').checkVisibility()"
    )
    (tmp_path / "part.html").write_text(report.build({**kodak, "images": kodak["images"][:23]}))
    wide.open((tmp_path / "part.html").as_uri())
    assert not wide.run("return document.querySelector('#published').checkVisibility()")
