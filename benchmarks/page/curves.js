// Quality against bits: the chart (uPlot) and its legend. The same as tables: rates.js.

let plot = null;

// As in "curves": points hold raw values.
function pointValue(point, metric) {
  const value = point[metric];
  const rest = METRICS[metric].rest;
  return value === null || value === undefined ? null : rest ? -10 * Math.log10(Math.max(rest(value), 1e-9)) : value;
}

// The curves to draw: {name, codec|null, look, points: [{bpp, value, quality}]}, ours last so that it lies on top.
function series() {
  const { metric, scope } = state;
  const off = names("hidden");
  const lines = codecs
    .filter((codec) => !off.has(codec))
    .map((codec) => ({
      name: label(codec),
      codec,
      look: look(codec),
      points: scope
        ? run.points
            .filter((p) => p.codec === codec && p.image === scope)
            .map((p) => ({ bpp: p.bpp, value: pointValue(p, metric), quality: p.quality }))
        : run.curves
            .filter((c) => c.codec === codec)
            .map((c) => ({ bpp: c.bpp, value: c[METRICS[metric].curve], quality: c.quality })),
    }));
  if (publishedFits())
    for (const name of names("published")) {
      const rows = published.filter((p) => p.label === name);
      if (rows.length && publishedOn(rows[0]))
        lines.push({
          name,
          codec: null,
          look: publishedLook(name),
          source: rows[0].source,
          points: rows.map((p) => ({ bpp: p.bpp, value: pointValue(p, metric), quality: p.quality })),
        });
    }
  for (const line of lines)
    line.points = line.points.filter((p) => p.value !== null && p.bpp > 0).sort((a, b) => a.bpp - b.bpp);
  return lines
    .filter((line) => line.points.length)
    .sort((a, b) => (a.codec === ours) - (b.codec === ours) || (a.codec !== null) - (b.codec !== null));
}

const PUBLISHED_DASHES = [
  [1, 3],
  [6, 3, 1, 3],
  [3, 3],
]; // none of them solid, as none of them was measured here
// Figures of other projects are means over the 24 Kodak pictures: beside any other set or a single picture they would
// mislead.
const published =
  run.images.length === 24 && run.images.every((image) => image.name.startsWith("kodim"))
    ? // Spaces that do not break: the state joins names with ordinary ones.
      (run.published ?? []).map((p) => ({ ...p, label: p.label.replaceAll(" ", "\u00a0") }))
    : [];
const publishedLabels = [...new Set(published.map((p) => p.label))];
const publishedLook = (name) => spare(publishedLabels.indexOf(name), PUBLISHED_DASHES);
const publishedFits = () => state.scope === "" && ["psnr", "msssim"].includes(state.metric);
// Optimised for MS-SSIM: on PSNR they would look worse than they are.
const publishedOn = (row) => row.metric_set !== "ms-ssim" || state.metric === "msssim";

// uPlot wants one common x for all curves, with gaps where a curve has no point.
function aligned(lines) {
  const tables = lines.map((line) => [line.points.map((p) => p.bpp), line.points.map((p) => p.value)]);
  return tables.length ? uPlot.join(tables) : [[]];
}

function drawChart() {
  const host = $("chart");
  const lines = series();
  const metric = METRICS[state.metric];
  plot?.destroy();
  const measured = lines.filter((line) => line.codec);
  const all = (measured.length ? measured : lines).flatMap((line) => line.points.map((p) => p.bpp));
  if (!all.length) {
    plot = null;
    host.replaceChildren(
      el("p", { class: "note" }, "No curve to show: every name below is switched off, or this picture has no values."),
    );
    return;
  }
  const [low, high] = [Math.min(...all) * 0.9, Math.max(...all) * 1.08];
  const log = state.scale === "log";
  const ink = css("--muted");
  const grid = { stroke: css("--line"), width: 1 };
  const ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20].filter((x) => x >= low && x <= high);
  const axis = { stroke: ink, font: "13px system-ui", labelFont: "13px system-ui", grid, ticks: { show: false } };
  host.replaceChildren();
  plot = new uPlot(
    {
      width: host.clientWidth,
      height: Math.max(320, Math.min(480, host.clientWidth * 0.68)),
      padding: [12, 12, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, distr: log ? 3 : 1, range: log ? [low, high] : [0, high] },
        y: { range: (_, min, max) => [min - (max - min) * 0.04, max + (max - min) * 0.06] },
      },
      axes: [
        {
          ...axis,
          size: 30,
          label: "bits per pixel",
          labelSize: 20,
          ...(log ? { splits: () => ticks, values: (_, at) => at.map(String), filter: (_, at) => at } : {}),
        },
        { ...axis, size: 44, label: metric.unit ? `${metric.name}, ${metric.unit}` : metric.name, labelSize: 20 },
      ],
      series: [
        {},
        ...lines.map((line) => {
          const stroke = css(line.look.variable);
          return {
            label: line.name,
            stroke,
            width: line.codec === ours ? 3.5 : line.codec ? 2 : 1.75,
            dash: line.look.dash.map((length) => length * devicePixelRatio),
            spanGaps: true,
            paths: uPlot.paths.spline(),
            points: { show: line.codec !== null, size: line.codec === ours ? 8 : 5.5, fill: stroke, stroke },
          };
        }),
      ],
    },
    aligned(lines),
    host,
  );
  plot.root.setAttribute("role", "img");
  plot.root.setAttribute(
    "aria-label",
    `${metric.name} against bits per pixel, one curve per codec; the table below holds the same points`,
  );
  plot.over.append(...pointing(lines));
}

// The tip and the dot over the chart, which name the measured point nearest to pointer or finger, if one is within 40
// px.
function pointing(lines) {
  const tip = el("div", { id: "tip", hidden: "" });
  const dot = el("div", { id: "dot", hidden: "" });
  const metric = METRICS[state.metric];
  const chart = plot;
  const show = (event) => {
    const box = chart.over.getBoundingClientRect();
    const near = lines
      .flatMap((line) =>
        line.points.map((p) => ({ line, p, x: chart.valToPos(p.bpp, "x"), y: chart.valToPos(p.value, "y") })),
      )
      .map((found) => ({
        ...found,
        distance: Math.hypot(found.x - event.clientX + box.left, found.y - event.clientY + box.top),
      }))
      .reduce((a, b) => (b.distance < a.distance ? b : a), { distance: 40 });
    tip.hidden = dot.hidden = !near.line;
    if (!near.line) return;
    const { line, p, x, y } = near;
    dot.style.left = x + "px";
    dot.style.top = y + "px";
    dot.style.borderColor = `var(${line.look.variable})`;
    tip.replaceChildren(
      el("strong", {}, line.name),
      `${fixed(p.value, metric.digits)} ${metric.unit} at ${fixed(p.bpp, 3)} bpp`,
      el("br"),
      line.codec ? `quality setting ${p.quality}` : `published: ${line.source}`,
    );
    tip.style.left = Math.max(0, Math.min(x + 14, box.width - tip.offsetWidth)) + "px";
    tip.style.top = (y > tip.offsetHeight + 16 ? y - tip.offsetHeight - 12 : y + 14) + "px";
  };
  const hide = () => {
    tip.hidden = dot.hidden = true;
  };
  chart.over.addEventListener("pointermove", show);
  chart.over.addEventListener("pointerdown", show);
  chart.over.addEventListener("pointerleave", hide);
  return [tip, dot];
}

function drawLegend() {
  const off = names("hidden");
  const on = names("published");
  const button = (key, name, text, pressed, sample) =>
    el(
      "button",
      {
        type: "button",
        "data-name": name,
        "aria-pressed": String(pressed),
        onclick: () => toggle(key, name),
        onpointerenter: () => fade(text),
        onpointerleave: () => fade(null),
      },
      sample,
      text,
    );
  const focused = document.activeElement?.closest?.(".legend button")?.dataset.name;
  $("legend").replaceChildren(
    ...codecs.map((codec) => button("hidden", codec, label(codec), !off.has(codec), mark(codec))),
  );
  const rows = published.filter(
    (p, i) => publishedOn(p) && published.findIndex((other) => other.label === p.label) === i,
  );
  $("published").hidden = !rows.length || !publishedFits();
  $("published-legend").replaceChildren(
    ...rows.map((p) => button("published", p.label, p.label, on.has(p.label), swatch(publishedLook(p.label)))),
  );
  if (focused)
    document.querySelectorAll(".legend button").forEach((node) => {
      if (node.dataset.name === focused) node.focus();
    });
}

// All curves but the named one step back while the pointer rests on its name.
function fade(name) {
  if (!plot) return;
  plot.series.forEach((s, i) => {
    if (i) s.alpha = name === null || s.label === name ? 1 : 0.15;
  });
  plot.redraw(false);
}

function startCurves() {
  segments(
    $("metric"),
    "metric",
    metrics.map((name) => [name, metricName(name)]),
  );
  segments($("scale"), "scale", [
    ["log", "log"],
    ["linear", "linear"],
  ]);
  choice($("scope"), "scope", [
    ["", `mean of all ${run.images.length}`],
    ...run.images.map((image) => [image.name, image.name]),
  ]);
  onState(["metric", "scale", "scope", "hidden", "published", "theme"], drawChart);
  onState(["metric", "scope", "hidden", "published"], drawLegend);
  onWidth($("chart"), drawChart);
}
