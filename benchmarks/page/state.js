"use strict";
// What every part of the page shares: the data, the state and its copy in the URL's hash, numbers as text, and
// elements. Read first; curves.js, speed.js ... follow.

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const $ = (id) => document.getElementById(id);
const run = read("run");
const explorer = read("explorer-data");

// In the order in which they are shown, those that follow the eye first. `curve` names the value on the axis and in
// "curves"; `digits` what is printed after the decimal point; `rest` what is left of a value where it is equal to the
// original's, for curves in dB.
const METRICS = {
  ssimulacra2: { name: "SSIMULACRA2", unit: "", digits: 1, curve: "ssimulacra2" },
  butteraugli: { name: "Butteraugli 3-norm", unit: "dB", digits: 2, curve: "butteraugli_db", rest: (value) => value },
  cvvdp: { name: "CVVDP", unit: "JOD", digits: 3, curve: "cvvdp" },
  iwssim: { name: "IW-SSIM", unit: "dB", digits: 2, curve: "iwssim_db", rest: (value) => 1 - value },
  psnr_hvsm: { name: "PSNR-HVS-M", unit: "dB", digits: 2, curve: "psnr_hvsm" },
  msssim: { name: "MS-SSIM", unit: "dB", digits: 2, curve: "msssim_db", rest: (value) => 1 - value },
  psnr: { name: "PSNR", unit: "dB", digits: 2, curve: "psnr" },
  psnr_y: { name: "PSNR-Y", unit: "dB", digits: 2, curve: "psnr_y" },
  psnr_c: { name: "PSNR-CbCr", unit: "dB", digits: 2, curve: "psnr_c" },
};
const metrics = Object.keys(METRICS).filter((name) => run.metrics.includes(name));
const codecs = Object.keys(run.codecs).filter((name) => run.points.some((point) => point.codec === name));
const ours = codecs.includes("aec") ? "aec" : codecs[0];
const label = (codec) => run.codecs[codec]?.label ?? codec;
// What our model was trained on is marked, and is no proof: the first measure that had no part in training leads.
const trained = new Set(run.codecs[ours]?.trained_on ?? []);
const metricName = (metric) => (METRICS[metric]?.name ?? metric) + (trained.has(metric) ? " ¹" : "");
const leading = metrics.find((metric) => !trained.has(metric)) ?? metrics[0];

// Okabe and Ito's colours, which most kinds of colour blindness keep apart, adapted to both themes in page.css; a dash
// pattern tells codecs apart without any colour.
const LOOKS = {
  aec: ["--ours", []],
  jpeg: ["--c-gray", [7, 4]],
  jpeg444: ["--c-gray", [2, 3]],
  webp: ["--c-blue", []],
  avif: ["--c-green", []],
  avif444: ["--c-green", [7, 4]],
  avif10: ["--c-green", [2, 3]],
  jxl: ["--c-purple", []],
  jxl9: ["--c-purple", [7, 4]],
  jpeg2000: ["--c-ochre", [7, 4]],
};
const SPARE = ["--c-sky", "--c-brown", "--c-ochre"];
const DASHES = [[], [2, 3], [7, 4], [9, 3, 2, 3]];
const spare = (rank, dashes) => ({
  variable: SPARE[rank % SPARE.length],
  dash: dashes[Math.floor(rank / SPARE.length) % dashes.length],
});
function look(codec) {
  if (Object.hasOwn(LOOKS, codec)) return { variable: LOOKS[codec][0], dash: LOOKS[codec][1] };
  const others = Object.keys(run.codecs).filter((name) => !Object.hasOwn(LOOKS, name));
  return spare(others.indexOf(codec), DASHES);
}
const css = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();

// The state: one value per key; each key has a default and the values it may take, so that a hash from anywhere can
// only ever choose among them.
const anchors = ["avif444", "avif", "jxl", "webp", "jpeg", ...codecs].filter(
  (name, i, all) =>
    codecs.includes(name) &&
    name !== ours &&
    all.indexOf(name) === i &&
    run.bd_rate.some((entry) => entry.anchor === name),
);
const pictures = explorer.pictures.map((picture) => picture.name);
const sides = explorer.codecs.length ? ["original", ...explorer.codecs] : [];
const KEYS = {
  metric: { start: leading, values: metrics },
  scale: { start: "log", values: ["log", "linear"] },
  scope: { start: "", values: ["", ...run.images.map((image) => image.name)] },
  anchor: { start: anchors[0], values: anchors },
  method: { start: "pchip", values: ["pchip", "akima"] },
  hidden: { start: "", values: null }, // names joined by spaces; an unknown one hides nothing
  published: { start: "", values: null }, // names joined by spaces
  picture: { start: pictures[explorer.start], values: pictures },
  left: { start: sides.includes(ours) ? ours : sides[1], values: sides },
  right: {
    start:
      sides.find((name) => name === anchors[0]) ??
      sides.find((name) => name !== ours && name !== "original") ??
      "original",
    values: sides,
  },
  size: { start: "1", values: explorer.sizes.map((_, i) => String(i)) },
  view: { start: "picture", values: ["picture", "error", "bits"] },
  zoom: { start: "auto", values: ["auto", "fit", "1", "2", "4"] },
  at: { start: "", values: null }, // "x,y" of the zoomed view's centre, in picture pixels
  theme: { start: "auto", values: ["auto", "light", "dark"] },
};
if (explorer.sizes.length < 2) KEYS.size.start = "0";
const state = {};
const listeners = [];
const onState = (keys, render) => listeners.push({ keys, render });

function fromHash() {
  const hash = new URLSearchParams(location.hash.slice(1));
  const found = {};
  for (const [key, { start, values }] of Object.entries(KEYS)) {
    const value = hash.get(key);
    found[key] = value !== null && (!values || values.includes(value)) ? value : start;
  }
  return found;
}

function setState(patch) {
  const changed = Object.keys(patch).filter((key) => state[key] !== patch[key]);
  if (!changed.length) return;
  Object.assign(state, patch);
  for (const { keys, render } of listeners) if (keys.some((key) => changed.includes(key))) render();
  const hash = new URLSearchParams();
  for (const [key, { start }] of Object.entries(KEYS))
    if (state[key] !== start && state[key] !== undefined) hash.set(key, state[key]);
  // An empty "#" rather than none: without it the page would be a new address.
  history.replaceState(null, "", "#" + hash);
}
const names = (key) => new Set(state[key].split(" ").filter(Boolean));
function toggle(key, name) {
  const set = names(key);
  if (!set.delete(name)) set.add(name);
  setState({ [key]: [...set].join(" ") });
}

// Numbers. A real minus sign, as wide as a plus; null is a dash everywhere.
const fixed = (value, digits) =>
  value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
const percent = (value) =>
  value === null || value === undefined ? "–" : (value > 0 ? "+" : "") + fixed(value, 1) + " %";
const times = (ratio) => (ratio >= 100 ? fixed(ratio, 0) : ratio >= 10 ? fixed(ratio, 1) : fixed(ratio, 2)) + "×";
const seconds = (value) =>
  value === null || value === undefined
    ? "–"
    : value >= 1
      ? fixed(value, 2) + " s"
      : fixed(value * 1000, value < 0.1 ? 1 : 0) + " ms";
const bytes = (count) => (count < 10000 ? count + " B" : fixed(count / 1000, 1) + " kB");

const SVG = ["svg", "line", "circle", "text", "g", "title"];
// An element; text goes in as text nodes only, so that no name in the data can become markup.
function el(tag, attributes = {}, ...children) {
  const node = SVG.includes(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(node.style, value);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

// A piece of the line of a curve. `thick` for ours.
function swatch({ variable, dash }, thick = false) {
  const line = el("line", {
    x1: 0,
    x2: 22,
    y1: 5,
    y2: 5,
    "stroke-width": thick ? 4 : 2.5,
    "stroke-dasharray": dash.join(" "),
  });
  line.style.stroke = `var(${variable})`;
  return el("svg", { class: "swatch", "aria-hidden": "true" }, line);
}

// Calls `draw` when the element's width changes, and once at the start.
function onWidth(host, draw) {
  let width = -1;
  new ResizeObserver(() => {
    if (host.clientWidth !== width) {
      width = host.clientWidth;
      draw();
    }
  }).observe(host);
}

const mark = (codec) => swatch(look(codec), codec === ours);

// A row of buttons of which one is pressed, tied to one key of the state. `choices`: [value, text] pairs.
function segments(host, key, choices) {
  const buttons = choices.map(([value, text]) =>
    el("button", { type: "button", "data-value": value, onclick: () => setState({ [key]: value }) }, text),
  );
  host.replaceChildren(...buttons);
  const press = () =>
    buttons.forEach((button) => button.setAttribute("aria-pressed", button.dataset.value === state[key]));
  onState([key], press);
}

// A select tied to one key of the state.
function choice(host, key, choices) {
  host.replaceChildren(...choices.map(([value, text]) => el("option", { value }, text)));
  host.addEventListener("change", () => setState({ [key]: host.value }));
  onState([key], () => {
    host.value = state[key];
  });
}
