// What it costs: speed against size as a picture (SVG), every time as a table, and the stages of our codec where the
// run profiled them.

const entryName = (entry) =>
  label(entry.codec) +
  (entry.device === "cpu" ? "" : `, ${entry.device}`) +
  (entry.batch > 1 ? `, batches of ${entry.batch}` : "");

function drawSpeedChart() {
  const host = $("speed-chart");
  const width = host.clientWidth;
  const rows = run.speed
    .map((entry) => ({
      entry,
      y: entry.codec === state.anchor ? 0 : (bdEntry(entry.codec, state.anchor, metrics[0])?.value ?? null),
    }))
    .filter((row) => row.y !== null);
  if (!width || !rows.length) {
    host.replaceChildren();
    return;
  }
  const height = Math.max(380, Math.min(420, width * 0.5));
  const pad = { left: 52, right: 16, top: 44, bottom: 44 };
  const rates = rows.flatMap(({ entry }) => [entry.encode.mp_s, entry.decode.mp_s]);
  const x0 = Math.log10(Math.min(...rates)) - 0.1;
  const x1 = Math.log10(Math.max(...rates)) + 0.1;
  const values = rows.map((row) => row.y);
  const spread = Math.max(...values) - Math.min(...values) || 10;
  const y0 = Math.min(...values) - spread * 0.12;
  const y1 = Math.max(...values) + spread * 0.12;
  const x = (rate) => pad.left + ((Math.log10(rate) - x0) / (x1 - x0)) * (width - pad.left - pad.right);
  // Fewer bytes lie higher: up and right is better, as people expect.
  const y = (value) => pad.top + ((value - y0) / (y1 - y0)) * (height - pad.top - pad.bottom);
  const svg = el("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": "Speed against size, one line per codec; the table below holds the same numbers",
  });
  for (let power = Math.floor(x0); power <= x1; power++)
    for (const digit of width > 560 ? [1, 2, 5] : [1]) {
      const rate = digit * 10 ** power;
      if (Math.log10(rate) < x0 || Math.log10(rate) > x1) continue;
      svg.append(
        el("line", { class: "grid", x1: x(rate), x2: x(rate), y1: pad.top, y2: height - pad.bottom }),
        el("text", { x: x(rate), y: height - pad.bottom + 18, "text-anchor": "middle" }, String(+rate.toPrecision(1))),
      );
    }
  const step = [2, 5, 10, 20, 50, 100, 200].find((s) => (y1 - y0) / s <= 7) ?? 500;
  for (let value = Math.ceil(y0 / step) * step; value <= y1; value += step)
    svg.append(
      el("line", {
        class: value === 0 ? "zero" : "grid",
        x1: pad.left,
        x2: width - pad.right,
        y1: y(value),
        y2: y(value),
      }),
      el(
        "text",
        { x: pad.left - 8, y: y(value) + 4, "text-anchor": "end" },
        (value > 0 ? "+" : "") + fixed(value, 0) + " %",
      ),
    );
  svg.append(
    el("text", { x: width - pad.right, y: height - 6, "text-anchor": "end" }, "megapixels per second →"),
    el("text", { x: 0, y: 12 }, `↑ fewer bytes than ${label(state.anchor)}`),
  );

  const boxes = rows.map(({ entry, y: value }) => ({
    x0: x(entry.encode.mp_s) - 8,
    x1: x(entry.decode.mp_s) + 8,
    y0: y(value) - 5,
    y1: y(value) + 5,
  })); // what a name must not lie on
  for (const { entry, y: value } of rows) {
    const color = `var(${look(entry.codec).variable})`;
    const at = y(value);
    const from = x(entry.encode.mp_s);
    const to = x(entry.decode.mp_s);
    const mine = entry.codec === ours;
    const group = el(
      "g",
      {},
      el(
        "title",
        {},
        `${entryName(entry)}: encodes ${fixed(entry.encode.mp_s, 2)} MP/s, ` +
          `decodes ${fixed(entry.decode.mp_s, 2)} MP/s, ${percent(value)} bytes`,
      ),
    );
    const line = el("line", { x1: from, x2: to, y1: at, y2: at, "stroke-width": mine ? 4 : 2.5 });
    const ring = el("circle", { cx: from, cy: at, r: mine ? 7 : 5.5, "stroke-width": 2.5 });
    const dot = el("circle", { cx: to, cy: at, r: mine ? 8 : 6.5 });
    line.style.stroke = ring.style.stroke = dot.style.fill = color;
    ring.style.fill = "var(--paper)";
    const text = entry.device === "cpu" ? label(entry.codec) : `${label(entry.codec)} (${entry.device})`;
    const name = el(
      "text",
      { class: "name", ...place(text, from, to, at, width - pad.right, boxes), "text-anchor": "middle" },
      text,
    );
    name.style.fill = color;
    group.append(line, ring, dot, name);
    svg.append(group);
  }
  host.replaceChildren(svg);
}

// Where a codec's name covers least: over, under, right or left of its line. Adds the place to `boxes`.
function place(text, from, to, at, right, boxes) {
  const half = text.length * 4.1 + 4;
  const middle = (from + to) / 2;
  const spots = [
    [middle, at - 11],
    [middle, at + 21],
    [to + half + 12, at + 5],
    [from - half - 12, at + 5],
    [middle, at - 27],
    [middle, at + 37],
  ].map(([x, y]) => ({ x0: x - half, x1: x + half, y0: y - 13, y1: y + 3, x, y }));
  const covered = (spot) =>
    (spot.x0 < 0 || spot.x1 > right ? 9 : 0) +
    boxes.filter((box) => box.x0 < spot.x1 && box.x1 > spot.x0 && box.y0 < spot.y1 && box.y1 > spot.y0).length;
  const best = spots.reduce((a, b) => (covered(b) < covered(a) ? b : a));
  boxes.push(best);
  return { x: best.x, y: best.y };
}

function drawSpeedTable() {
  const has = (test) => run.speed.some(test);
  const anchor = state.anchor;
  const relative = (entry, direction) =>
    entry.ratios?.[anchor]?.[direction] ??
    (warm(anchor) ? entry[direction].median / warm(anchor)[direction].median : null);
  const range = (low, high) =>
    high < 1 ? `${fixed(low * 1000, 1)} … ${fixed(high * 1000, 1)}` : `${fixed(low, 2)} … ${fixed(high, 2)}`;
  const time = (entry, direction) =>
    el(
      "td",
      { title: `${entry.repeats} repeats on ${entry.pictures} pictures` },
      seconds(entry[direction].median),
      el("small", {}, range(entry[direction].p25, entry[direction].p75)),
    );
  const cold = (entry, direction) => {
    const span = entry.cold_range?.[direction];
    return el(
      "td",
      { title: "least and most of whole new processes" },
      seconds(entry.cold?.[direction]),
      span && el("small", {}, range(...span)),
    );
  };
  const columns = [
    [
      "",
      (e) =>
        el(
          "td",
          {},
          mark(e.codec),
          " ",
          entryName(e),
          el("small", {}, e.trained ? `at ${fixed(e.psnr, 1)} dB, ${fixed(e.bpp, 2)} bpp` : "untrained: speed only"),
        ),
    ],
    ["encode", (e) => time(e, "encode")],
    ["MP/s", (e) => el("td", {}, fixed(e.encode.mp_s, 2))],
    [`× ${label(anchor)}`, (e) => el("td", {}, relative(e, "encode") === null ? "–" : times(relative(e, "encode")))],
    ["decode", (e) => time(e, "decode")],
    ["MP/s", (e) => el("td", {}, fixed(e.decode.mp_s, 2))],
    [`× ${label(anchor)}`, (e) => el("td", {}, relative(e, "decode") === null ? "–" : times(relative(e, "decode")))],
  ];
  if (has((e) => e.cold))
    columns.push(["cold encode", (e) => cold(e, "encode")], ["cold decode", (e) => cold(e, "decode")]);
  if (has((e) => e.peak_mb))
    columns.push([
      "MiB",
      (e) => el("td", {}, e.peak_mb ? `${fixed(Math.max(e.peak_mb.encode ?? 0, e.peak_mb.decode ?? 0), 0)}` : "–"),
    ]);
  $("speed-table").replaceChildren(
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        columns.map(([head]) => el("th", { scope: "col" }, head)),
      ),
    ),
    el(
      "tbody",
      {},
      run.speed.map((entry) =>
        el(
          "tr",
          { class: entry.codec === ours ? "ours" : null, "data-codec": entry.codec, "data-device": entry.device },
          columns.map(([, cell]) => cell(entry)),
        ),
      ),
    ),
  );
}

const STAGE_COLORS = ["--ours", "--c-blue", "--c-green", "--c-ochre", "--c-purple", "--c-gray", "--c-sky", "--c-brown"];
const stageNames = []; // in order of appearance: one stage has one colour in all bars
function stageBar(title, parts, text) {
  const total = parts.reduce((sum, part) => sum + part.size, 0);
  for (const { name } of parts) if (!stageNames.includes(name)) stageNames.push(name);
  const color = (name) => `var(${STAGE_COLORS[stageNames.indexOf(name) % STAGE_COLORS.length]})`;
  return [
    el("h3", {}, title),
    el(
      "div",
      { class: "stages", "aria-hidden": "true" },
      parts.map((part) =>
        el("span", { title: part.name, style: { flexGrow: part.size / total, background: color(part.name) } }),
      ),
    ),
    el(
      "p",
      { class: "note" },
      parts.map((part, i) => [
        el("span", { style: { color: color(part.name) }, "aria-hidden": "true" }, "■ "),
        `${part.name} ${text(part)}`,
        el("span", {}, i < parts.length - 1 ? " · " : ""),
      ]),
    ),
  ];
}

function drawProfile() {
  const nodes = [];
  const profile = run.profile;
  for (const entry of run.speed.filter((e) => e.stages))
    for (const direction of ["encode", "decode"]) {
      const shares = Object.entries(entry.stages[direction] ?? {}).filter(([, share]) => share !== null);
      if (shares.length)
        nodes.push(
          ...stageBar(
            `${entryName(entry)}: where ${direction === "encode" ? "encoding" : "decoding"} spends its time`,
            shares.map(([name, share]) => ({ name, size: share })),
            (part) => fixed(part.size * 100, 0) + " %",
          ),
        );
    }
  if (profile)
    for (const direction of ["encode", "decode"]) {
      const whole = profile[direction]?.find((s) => s.stage === "whole");
      const stages = (profile[direction] ?? []).filter((s) => s !== whole);
      if (stages.length)
        nodes.push(
          ...stageBar(
            `${label("aec")}, ${profile.device}, ${profile.threads} thread${profile.threads === 1 ? "" : "s"}: ` +
              `stages of ${direction === "encode" ? "encoding" : "decoding"} ${profile.picture} ` +
              `at quality ${profile.quality}` +
              (whole ? ", " + seconds(whole.seconds) : ""),
            stages.map((s) => ({ name: s.stage, size: s.seconds, gflops: s.gflops })),
            (part) => seconds(part.size) + (part.gflops ? ` at ${fixed(part.gflops, 0)} GFLOP/s` : ""),
          ),
        );
    }
  if (profile?.matmul_gflops)
    nodes.push(
      el(
        "p",
        { class: "note" },
        `A matrix multiplication reaches ${fixed(profile.matmul_gflops, 0)} GFLOP/s in fp32`,
        profile.matmul_bf16_gflops ? ` and ${fixed(profile.matmul_bf16_gflops, 0)} in bf16` : null,
        " on the same threads.",
      ),
    );
  $("profile").replaceChildren(...nodes);
}

function startSpeed() {
  $("speed-lead").textContent = run.speed.length
    ? "Higher up the files are smaller, further right it is faster. The ring is encoding, the disc decoding; the " +
      "byte counts are those of the table above. Medians of warm runs, with the middle half of all runs below each; " +
      "cold is a new process for one picture."
    : "Speed was not measured in this run.";
  $("speed-table").hidden = !run.speed.length;
  if (run.speed.length) {
    onState(["anchor", "theme"], drawSpeedChart);
    onState(["anchor"], drawSpeedTable);
    onWidth($("speed-chart"), drawSpeedChart);
  }
  drawProfile();
}
