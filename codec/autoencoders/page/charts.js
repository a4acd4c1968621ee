// The two charts, as SVG: loss per epoch, and how often each reconstruction error occurs. Between read.js and page.js.

const [WIDE, TALL, EDGE] = [520, 280, { left: 52, right: 14, top: 24, bottom: 34 }];
const svg = (name, attributes, content) => element(name, content, { svg: true, ...attributes });

function ticks(low, high) {
  const raw = (high - low) / 5 || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) found.push(+at.toPrecision(12));
  return found;
}

// A frame with axes; x and y turn values into places.
function frame(
  label,
  [left, right],
  [bottom, top],
  xName,
  yName,
  yTicks = ticks(bottom, top),
  warp = (value) => value,
) {
  const x = (value) => EDGE.left + ((value - left) / (right - left || 1)) * (WIDE - EDGE.left - EDGE.right);
  const y = (value) =>
    TALL -
    EDGE.bottom -
    ((warp(value) - warp(bottom)) / (warp(top) - warp(bottom) || 1)) * (TALL - EDGE.top - EDGE.bottom);
  const chart = svg("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img", "aria-label": label });
  for (const value of yTicks) {
    chart.append(svg("line", { class: "grid", x1: EDGE.left, x2: WIDE - EDGE.right, y1: y(value), y2: y(value) }));
    chart.append(svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  for (const value of ticks(left, right))
    chart.append(svg("text", { x: x(value), y: TALL - 18, "text-anchor": "middle" }, short(value)));
  chart.append(svg("text", { x: WIDE - EDGE.right, y: TALL - 3, "text-anchor": "end" }, xName));
  chart.append(svg("text", { x: 0, y: 11 }, yName));
  return { chart, x, y };
}

function drawCurves(place) {
  const { training, validation } = data.curves;
  const all = [...training, ...validation];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const log = low > 0 && high / low > 3;
  const steps = [];
  if (log)
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
      for (const digit of [1, 2, 5]) steps.push(digit * 10 ** power);
  const inside = log ? steps.filter((value) => value >= low * 0.999 && value <= high * 1.001) : undefined;
  const { chart, x, y } = frame(
    "Loss per epoch",
    [1, Math.max(2, training.length)],
    [low, high],
    "epoch",
    "objective",
    inside,
    log ? Math.log : undefined,
  );
  [
    [training, "--other", "training"],
    [validation, "--ours", "held out"],
  ].forEach(([values, variable, name], index) => {
    if (!values.length) return;
    const points = values.map((value, epoch) => `${x(epoch + 1).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    chart.append(
      svg("polyline", {
        points,
        fill: "none",
        style: `stroke: var(${variable})`,
        "stroke-width": 2,
        "data-name": name,
      }),
    );
    chart.append(
      svg(
        "text",
        { x: WIDE - EDGE.right, y: EDGE.top + 12 + 16 * index, "text-anchor": "end", style: `fill: var(${variable})` },
        name,
      ),
    );
  });
  place.replaceChildren(chart);
}

function drawErrors(place) {
  const { normal, rows } = data.errors;
  const sorted = [...normal, ...rows].sort((a, b) => a - b);
  const right = Math.max(sorted[Math.floor(0.999 * (sorted.length - 1))], data.threshold * 1.25) || 1;
  const bins = 40;
  const shares = (values) => {
    const made = new Array(bins).fill(0);
    for (const value of values) made[Math.min(bins - 1, Math.floor((value / right) * bins))] += 1 / values.length;
    return made;
  };
  const [before, now] = [shares(normal), shares(rows)];
  const top = Math.max(...before, ...now);
  const { chart, x, y } = frame(
    "Reconstruction errors",
    [0, right],
    [0, top],
    "error, in variances of the training rows",
    "share of the rows",
  );
  now.forEach((share, bin) => {
    const [from, to] = [x((bin * right) / bins), x(((bin + 1) * right) / bins)];
    chart.append(
      svg("rect", {
        x: from + 0.5,
        width: to - from - 1,
        y: y(share),
        height: y(0) - y(share),
        style: "fill: var(--other)",
        opacity: 0.55,
        "data-share": share,
      }),
    );
  });
  const outline = before
    .flatMap((share, bin) =>
      [(bin * right) / bins, ((bin + 1) * right) / bins].map((at) => `${x(at).toFixed(1)},${y(share).toFixed(1)}`),
    )
    .join(" ");
  chart.append(svg("polyline", { points: outline, fill: "none", style: "stroke: var(--ink)", "stroke-width": 1.2 }));
  const line = x(data.threshold);
  chart.append(
    svg("line", {
      id: "threshold",
      x1: line,
      x2: line,
      y1: EDGE.top,
      y2: y(0),
      style: "stroke: var(--ours)",
      "stroke-width": 2,
      "stroke-dasharray": "5 4",
    }),
  );
  const room = WIDE - line > 130; // beside the line, or before it
  chart.append(
    svg(
      "text",
      {
        x: line + (room ? 5 : -5),
        y: EDGE.top + 10,
        "text-anchor": room ? "start" : "end",
        style: "fill: var(--ours)",
      },
      `threshold ${short(data.threshold)}`,
    ),
  );
  place.replaceChildren(chart);
}
