// The table of bytes at equal quality, from the run's BD-rates, and the points of the curves as a table.

function bdCell(codec, metric, widest) {
  const { anchor, method, scope } = state;
  if (codec === anchor) return el("td", {}, el("span", {}, "0"));
  const set = bdEntry(codec, anchor, metric, method);
  const each = bdEntry(codec, anchor, metric, method, "picture");
  const value = scope ? each?.by_picture?.[scope] : set?.value;
  if (value === null || value === undefined) return el("td", { title: set?.reason }, "–");
  const spread =
    !scope && each && each.p25 !== null && each.p25 !== undefined
      ? el("small", { title: "middle half of the pictures" }, `${fixed(each.p25, 0)} … ${fixed(each.p75, 0)}`)
      : null;
  const strength = Math.round(Math.min(100, 100 * Math.sqrt(Math.abs(value) / widest)));
  return el(
    "td",
    { style: { background: `color-mix(in srgb, var(${value < 0 ? "--good-soft" : "--bad-soft"}) ${strength}%, transparent)` } },
    percent(value),
    spread,
  );
}

function drawTable() {
  const { anchor, method, scope } = state;
  const value = (codec) =>
    codec === anchor
      ? 0
      : ((scope ? bdEntry(codec, anchor, metrics[0], method, "picture")?.by_picture?.[scope] : bdEntry(codec, anchor, metrics[0], method)?.value) ??
        Infinity);
  const order = [...codecs].sort((a, b) => value(a) - value(b));
  const entries = run.bd_rate.filter((e) => e.anchor === anchor && e.method === method);
  const widest = Math.max(30, ...entries.filter((e) => e.scope === "set" && e.value !== null).map((e) => Math.abs(e.value)));
  $("bd").replaceChildren(
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        el("th", { scope: "col" }, "bytes at the same …"),
        metrics.map((m) => el("th", { scope: "col" }, METRICS[m].name)),
      ),
    ),
    el(
      "tbody",
      {},
      order.map((codec) =>
        el(
          "tr",
          { class: codec === ours ? "ours" : null, "data-codec": codec },
          el("td", {}, mark(codec), " ", label(codec)),
          metrics.map((m) => bdCell(codec, m, widest)),
        ),
      ),
    ),
  );
  const refused = entries.filter((e) => e.scope === "set" && e.value === null && e.reason && codecs.includes(e.codec));
  $("bd-note").textContent =
    anchor === undefined
      ? "No two codecs of this run were compared."
      : `Negative: fewer bytes than ${label(anchor)} for the same quality. ` +
        (scope ? `For ${scope} alone. ` : "Below each value: the middle half of the single pictures. ") +
        refused.map((e) => `${label(e.codec)}, ${METRICS[e.metric]?.name ?? e.metric}: ${e.reason}. `).join("");
}

function drawPoints() {
  const metric = METRICS[state.metric];
  $("points").replaceChildren(
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        ["codec", "quality setting", "bits per pixel", `${metric.name}${metric.unit ? ", " + metric.unit : ""}`].map((text) =>
          el("th", { scope: "col" }, text),
        ),
      ),
    ),
    el(
      "tbody",
      {},
      series().flatMap((line) =>
        line.points.map((p) =>
          el(
            "tr",
            {},
            el("td", {}, line.name),
            el("td", {}, String(p.quality)),
            el("td", {}, fixed(p.bpp, 4)),
            el("td", {}, fixed(p.value, metric.digits + 1)),
          ),
        ),
      ),
    ),
  );
}

function startRates() {
  segments($("method"), "method", [
    ["pchip", "PCHIP"],
    ["akima", "Akima"],
  ]);
  choice(
    $("anchor"),
    "anchor",
    anchors.map((name) => [name, label(name)]),
  );
  onState(["anchor", "method", "scope"], drawTable);
  onState(["metric", "scope", "hidden", "published"], drawPoints);
}
