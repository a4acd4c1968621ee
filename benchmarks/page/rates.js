// The table of bytes at equal quality, from the run's BD-rates, and the points of the curves as a table.

// Mean of percents as ratios of sizes, as the benchmark takes it.
const mean = (values) =>
  100 * (Math.exp(values.reduce((sum, value) => sum + Math.log1p(value / 100), 0) / values.length) - 1);

function bdCell(codec, metric, widest) {
  const { anchor, method, scope } = state;
  if (codec === anchor) return el("td", {}, el("span", {}, "0"));
  const set = bdEntry(codec, anchor, metric, method);
  const each = bdEntry(codec, anchor, metric, method, "picture");
  const value = scope ? each?.by_picture?.[scope] : set?.value;
  if (value === null || value === undefined) return el("td", { title: set?.reason }, "–");
  const worst = Object.entries(each?.worst ?? {});
  const spread =
    !scope && each?.interval
      ? [
          el(
            "small",
            { title: "95 % interval of the mean of the pictures" },
            each.interval.map((edge) => fixed(edge, 0)).join(" … "),
          ),
          el(
            "small",
            { title: worst.map(([name, own]) => `${name}: ${percent(own)}`).join(", ") },
            `worst ${fixed(mean(worst.map(([, own]) => own)), 0)}`,
          ),
        ]
      : null;
  const strength = Math.round(Math.min(100, 100 * Math.sqrt(Math.abs(value) / widest)));
  return el(
    "td",
    {
      style: {
        background: `color-mix(in srgb, var(${value < 0 ? "--good-soft" : "--bad-soft"}) ${strength}%, transparent)`,
      },
    },
    percent(value),
    spread,
  );
}

function drawTable() {
  const { anchor, method, scope } = state;
  const value = (codec) =>
    codec === anchor
      ? 0
      : ((scope
          ? bdEntry(codec, anchor, leading, method, "picture")?.by_picture?.[scope]
          : bdEntry(codec, anchor, leading, method)?.value) ?? Infinity);
  const order = [...codecs].sort((a, b) => value(a) - value(b));
  const entries = run.bd_rate.filter((e) => e.anchor === anchor && e.method === method);
  const widest = Math.max(
    30,
    ...entries.filter((e) => e.scope === "set" && e.value !== null).map((e) => Math.abs(e.value)),
  );
  $("bd").replaceChildren(
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        el("th", { scope: "col" }, "bytes at the same …"),
        metrics.map((m) => el("th", { scope: "col" }, metricName(m))),
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
        (scope
          ? `For ${scope} alone. `
          : "Below each value: the 95 % interval of the mean of the single pictures, " +
            "and the mean of the worst 5 % of them. ") +
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
        ["codec", "quality setting", "bits per pixel", `${metric.name}${metric.unit ? ", " + metric.unit : ""}`].map(
          (text) => el("th", { scope: "col" }, text),
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
  $("bd")
    .closest(".split")
    .classList.toggle("stacked", metrics.length > 4); // a wide table needs the page's width
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
