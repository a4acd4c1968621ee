"""The tables of a result as text for the terminal. Before: `record`."""

from . import bdrate, metrics

# The file has more.
ANCHORS = ("avif444", "jxl", "webp", "jpeg")


def text(run):
    """Settings, versions, BD-rates and speeds of RUN.json as lines."""
    lines = ["", "Codecs"]
    for name, codec in run["codecs"].items():
        lines.append(f"  {name:22}{codec['label']}: {codec['settings']}")
    lines.append("  " + ", ".join(f"{name} {version}" for name, version in run["versions"].items()))
    machine = run["machine"]
    lines.append(
        f"  {machine['cpu']}, {machine['cores']} cores, {machine['threads']} thread(s) per codec in the speed part"
    )
    if machine["gpu"]:
        lines.append(f"  {machine['gpu']}")
    lines += _rates(run) + _speeds(run) + _profile(run["profile"])
    if run["failures"]:
        lines += ["", "Failures"] + [f"  {failure(f)}" for f in run["failures"]]
    return "\n".join(lines)


def failure(entry):
    """One line of a failures entry."""
    where = " ".join(str(entry[key]) for key in ("image", "codec", "quality") if entry[key] is not None)
    return entry["error"] if entry["codec"] is None else f"{where}: {entry['error']}"


def _rates(run):
    lines, notes = [], {}
    for metric in metrics.ordered(run["metrics"]):
        for anchor in ANCHORS:
            entries = (r for r in run["bd_rate"] if (r["anchor"], r["metric"]) == (anchor, metric))
            rows = {(r["codec"], r["scope"], r["method"]): r for r in entries}
            if not rows:
                continue
            title = f"BD-rate on {metric} against {anchor}, % (negative: smaller files)"
            heads = f"{'set PCHIP':>12}{'set Akima':>12}{'pictures':>12}  95 % interval, worst 5 %"
            lines += ["", f"{title:62}{heads}"]
            for codec in dict.fromkeys(c for c, _, _ in rows):
                whole, akima, single = (
                    rows[codec, scope, method]
                    for scope, method in (("set", "pchip"), ("set", "akima"), ("picture", "pchip"))
                )
                name = codec + " (trained on it)" * (metric in run["codecs"][codec]["trained_on"])
                numbers = "".join(f"{percent(v):>12}" for v in (whole["value"], akima["value"], single["mean"]))
                lines.append(f"  {name:60}{numbers}{_spread(single)}{_range(whole)}")
                if whole["reason"]:
                    notes[f"  {codec} against {anchor} on {metric}: {whole['reason']}"] = None
    return lines + (["", "Not computed", *notes] if notes else [])


def _spread(single):
    """The interval of the mean of the pictures, and the worst of them."""
    if single["interval"] is None:
        return ""
    low, high = map(percent, single["interval"])
    return f"  [{low} {high}], {percent(bdrate.average(single['worst'].values()))}"


def _range(whole):
    return "" if whole["value"] is None else f"   over {whole['low']:.1f}..{whole['high']:.1f}"


def percent(value):
    return "-" if value is None else f"{value:+.1f}"


def _speeds(run):
    if not run["speed"]:
        return []
    heads = f"{'encode':24}{'decode':24}" + _cells("MP/s e/d", "cold e/d", "peak e/d", "x webp e/d", "x avif e/d")
    lines = [
        "",
        "Speed, at equal PSNR: ms per picture [quartiles], MP/s; cold: ms of a whole process; peak: its MiB; "
        "x webp: as many times WebP's",
        f"  {'codec':24}{'PSNR':>6}{'bpp':>7}   {heads}",
    ]
    for s in run["speed"]:
        name = s["codec"] + ("" if s["trained"] else " (untrained)")
        if s["device"] != "cpu":
            name += f" {s['device']}, {s['batch']} at once"
        ways = [
            f"{s[w]['median'] * 1e3:.1f} [{s[w]['p25'] * 1e3:.1f} {s[w]['p75'] * 1e3:.1f}]"
            for w in ("encode", "decode")
        ]
        pairs = [_pair(s["encode"]["mp_s"], s["decode"]["mp_s"])]
        pairs.append(_pair(*(s["cold"][w] * 1e3 for w in ("encode", "decode"))) if s["cold"] else "-")
        pairs.append(_pair(*(s["peak_mb"][w] for w in ("encode", "decode"))) if s["peak_mb"] else "-")
        pairs += [
            _pair(s["ratios"][r]["encode"], s["ratios"][r]["decode"]) if r in s["ratios"] else "-"
            for r in ("webp", "avif")
        ]
        psnr, bpp = ("-", "-") if s["psnr"] is None else (f"{s['psnr']:.2f}", f"{s['bpp']:.3f}")
        lines.append(f"  {name:24}{psnr:>6}{bpp:>7}   {ways[0]:24}{ways[1]:24}{_cells(*pairs)}")
        if s["stages"]:
            lines += [
                f"    {way}: " + ", ".join(f"{stage} {share:.0%}" for stage, share in s["stages"][way].items())
                for way in ("encode", "decode")
            ]
    floors = ", ".join(f"{name} {seconds * 1e3:.0f} ms" for name, seconds in run["cold_floor"].items())
    return lines + ([f"  cold floor: {floors}"] if floors else [])


def _cells(*pairs):
    return "".join(f"{pair:>{width}}" for pair, width in zip(pairs, (12, 13, 12, 14, 14)))


def _pair(a, b):
    return "/".join(f"{v:.0f}" if v >= 100 else f"{v:.3g}" for v in (a, b))


def _profile(profile):
    if not profile:
        return []
    lines = [
        "",
        f"Stages of ours on {profile['picture']} at quality {profile['quality']:g}, {profile['device']}, "
        f"{profile['threads']} thread(s); a matrix product reaches {profile['matmul_gflops']:.0f} GFLOP/s in fp32 "
        f"(100 %), {profile['matmul_bf16_gflops']:.0f} in bf16",
    ]
    for way in ("encode", "decode"):
        lines.append(f"  {way}")
        for row in profile[way]:
            work = ""
            if row["gflop"]:
                share = row["gflops"] / profile["matmul_gflops"]
                work = f"{row['gflop']:8.2f} GFLOP {row['gflops']:7.0f} GFLOP/s {share:5.0%}"
            lines.append(f"    {row['stage']:16}{row['seconds'] * 1e3:8.1f} ms {work}")
    return lines
