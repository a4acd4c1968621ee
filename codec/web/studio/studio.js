// The page: what is open, what is looked at, and the steps from a picture to what is drawn.

import { Coder } from "./coder.js";
import { RIVALS } from "./equal.js";
import { entryOf } from "./entries.js";
import { gestures } from "./gestures.js";
import { GAIN } from "./maps.js";
import { Panel } from "./panel.js";
import { Stage } from "./stage.js";
import { quality, renamed, stem } from "./words.js";

const PAUSE = 120; // milliseconds that the quality must stay before it is coded

const at = (selector) => document.querySelector(selector);
const part = (name) => at(`#part-${name}`).textContent;
const coder = new Coder(part("worker"), { wasm: part("wasm"), decoder: part("decoder"), encoder: part("encoder") });
const stage = new Stage(at("#canvas"));
const state = { entries: [], entry: null, quality: 60, left: "original", view: "picture" };
const panel = new Panel(state, stage, { select, close, choose, rate, save, add });
let control = new AbortController();
let timer;
let layers = 0;

gestures(stage, at("#handle"));
start();

// The files that the page was made with.
async function start() {
  const given = [...document.querySelectorAll("script.file")];
  const unpacked = async (script) => {
    const { bytes } = await coder.call("unpack", { text: script.textContent });
    return new File([bytes], script.dataset.name);
  };
  await add(await Promise.all(given.map(unpacked)));
  document.body.dataset.ready = "";
}

// Opens files and looks at the first that could be. Those of one name are opened together: a picture that is there with
// its file need not be coded.
async function add(files) {
  let first;
  for (const name of new Set(files.map((file) => stem(file.name)))) {
    const found = new Set();
    for (const file of files.filter((one) => stem(one.name) === name))
      try {
        const entry = await entryOf({ name: file.name, blob: file }, state.entries, coder);
        if (!state.entries.includes(entry)) state.entries.push(entry);
        found.add(entry);
      } catch (error) {
        panel.complain(file.name, error);
      }
    const again = found.has(state.entry);
    first ??= [...found][0];
    if (again || found.has(first)) select(again ? state.entry : first);
    else panel.render();
  }
}

function select(entry) {
  state.entry?.release();
  state.entry = entry;
  stage.show({});
  stage.only(null);
  if (entry?.given && !entry.coded) entry.quality = entry.given.info.quality;
  if (entry) state.quality = entry.quality ??= state.quality;
  update();
}

function close(entry) {
  entry.release();
  const place = state.entries.indexOf(entry);
  state.entries.splice(place, 1);
  if (entry === state.entry) select(state.entries[place] ?? state.entries[place - 1] ?? null);
  else panel.render();
}

// Another left side or view.
function choose(what) {
  Object.assign(state, what);
  update();
}

// Another quality, coded when it has stayed for a moment.
function rate(value) {
  state.quality = state.entry.quality = value;
  panel.render();
  clearTimeout(timer);
  timer = setTimeout(update, PAUSE);
}

async function save(kind) {
  const { entry } = state;
  try {
    const { blob } = kind === "png" ? await coder.call("png", { layer: layer(entry.coded) }) : {};
    panel.download(blob ?? new Blob([entry.coded.bytes]), renamed(entry.name, `.${kind}`));
  } catch (error) {
    panel.complain(entry.name, error);
  }
}

async function update() {
  clearTimeout(timer);
  control.abort();
  control = new AbortController();
  const { signal } = control;
  const { entry } = state;
  panel.render();
  if (!entry) return panel.settled();
  try {
    await steps(entry, signal);
    panel.settled();
  } catch (error) {
    if (signal.aborted) return;
    panel.settled();
    panel.complain(entry.name, error);
    if (!entry.shown.left && !entry.shown.right) close(entry); // there is nothing of it to look at
  }
}

// Makes what is missing for what is to be seen, and shows each as soon as it is there.
async function steps(entry, signal) {
  const { picture } = entry;
  const call = (doing, task, argument) => {
    panel.busy(doing);
    const progress = (told) => {
      panel.progress(told);
      if (told.tile && task === "draw" && !argument.from) stage.add(told.tile, told.size);
    };
    return coder.call(task, argument, { signal, progress });
  };
  const draw = async (side, tag, doing, argument) => {
    if (entry.shown[side]?.tag === tag.key) return;
    entry.coming = tag.label;
    put(entry, side, { ...(await call(doing, "draw", argument)), ...tag, tag: tag.key });
  };

  show(entry);
  if (picture && !entry.shown.left) await draw("left", original(entry), "Reading", { layer: picture });
  if (entry.coded?.quality !== entry.quality) {
    if (entry.given?.info.quality === entry.quality) entry.coded = { ...entry.given, quality: entry.quality };
    else entry.coded = await encoded(entry, call);
    panel.render();
  }
  const { coded } = entry;
  const from = state.view === "difference" ? picture : undefined;
  await draw("right", tagged(coded, from, `.aec ${quality(coded.quality)}`), "Decoding", { layer: layer(coded), from });
  if (!from) coded.decoding ??= entry.shown.right.milliseconds;
  panel.render();
  if (state.view === "bits" && entry.shown.bits?.tag !== coded.key)
    put(entry, "bits", { ...(await call("Counting bits", "bits", { layer: layer(coded) })), tag: coded.key });
  else show(entry);
  if (!picture) return;
  if (state.left === "original") return draw("left", original(entry), "Reading", { layer: picture });
  await rival(entry, call);
  if (!entry.rival.file) return draw("left", original(entry), "Reading", { layer: picture });
  const name = `${RIVALS[state.left]} ${entry.rival.file.quality}`;
  await draw("left", tagged(entry.rival, from, name), "Reading", { layer: layer(entry.rival), from });
}

async function encoded(entry, call) {
  const { quality } = entry;
  const made = await call("Coding", "encode", { layer: entry.picture, quality });
  return { ...made, key: `coded ${++layers}`, quality, info: await coder.call("look", { bytes: made.bytes }) };
}

// The file of another format beside the coded one.
async function rival(entry, call) {
  const key = `${state.left} beside ${entry.coded.key}`;
  if (entry.rival?.key === key) return;
  const argument = { layer: entry.picture, format: state.left, size: entry.coded.bytes.length };
  const { file } = await call(`Making a ${RIVALS[state.left]} of equal size`, "rival", argument);
  entry.rival = { key, format: state.left, file, blob: file?.blob };
  panel.render();
}

// What a drawn layer is called, and the key by which it is known to be drawn already.
const original = () => ({ key: "original", label: "Original" });
const tagged = ({ key }, from, label) =>
  from ? { key: `${key} from original`, label: `${label}: difference × ${GAIN}` } : { key, label };

// What the worker needs of a layer, and no more.
const layer = ({ key, blob, bytes }) => ({ key, blob, bytes });

function put(entry, side, drawn) {
  for (const bitmap of entry.shown[side]?.bitmaps ?? []) bitmap.close();
  entry.shown[side] = drawn;
  show(entry);
}

function show(entry) {
  if (entry !== state.entry) return;
  const { left, right, bits } = entry.shown;
  stage.show({ left, right, over: state.view === "bits" ? bits : null });
  panel.render();
}
