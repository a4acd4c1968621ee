// The controls and texts around the stage: they say what the state is, and tell of what is asked for.

import { RIVALS } from "./equal.js";
import { GAIN, RAMP } from "./maps.js";
import * as words from "./words.js";
import { shortcuts } from "./shortcuts.js";

const at = (selector) => document.querySelector(selector);
const NO_ORIGINAL = "The original is not open: drop the picture this file was made of, of the same name, to compare.";
const LEFT = { original: "Original", ...RIVALS };

export class Panel {
  #state;
  #stage;
  #act;
  #chips = new WeakMap(); // the button of each entry
  #looked; // the entry that was shown last

  // act: {select, close, choose, rate, save, add}
  constructor(state, stage, act) {
    [this.#state, this.#stage, this.#act] = [state, stage, act];
    at("#left").replaceChildren(...Object.entries(LEFT).map(([value, name]) => button(name, { left: value })));
    at("#legend i").style.background = `linear-gradient(90deg, ${RAMP})`;
    stage.addEventListener("change", () => this.#renderStage());
    this.#listen();
  }

  #listen() {
    const act = this.#act;
    for (const [group, key] of [["#left", "left"], ["#view", "view"]])
      at(group).addEventListener("click", ({ target }) => {
        const chosen = target.closest("button")?.dataset[key];
        if (chosen) act.choose({ [key]: chosen });
      });
    at("#zoom").addEventListener("click", ({ target }) => {
      const { zoom } = target.closest("button")?.dataset ?? {};
      if (zoom === "fit") this.#stage.fit();
      else if (zoom) this.#stage.zoom(Number(zoom));
    });
    at("#quality").addEventListener("input", ({ target }) => act.rate(target.valueAsNumber));
    at("#number").addEventListener("input", ({ target }) => {
      if (target.value && target.checkValidity()) act.rate(Math.round(target.valueAsNumber * 100) / 100);
    });
    at("#number").addEventListener("blur", () => this.render());
    at("#flip").addEventListener("click", () => this.#stage.flip());
    at("#save").addEventListener("click", () => act.save("aec"));
    at("#png").addEventListener("click", () => act.save("png"));
    for (const id of ["#open", "#choose"]) at(id).addEventListener("click", () => at("#files").click());
    at("#files").addEventListener("change", ({ target }) => {
      act.add([...target.files]);
      target.value = "";
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("dragenter", () => document.body.classList.add("dropping"));
    document.addEventListener("dragleave", ({ relatedTarget }) => {
      if (!relatedTarget) document.body.classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      document.body.classList.remove("dropping");
      act.add([...event.dataTransfer.files]);
    });
    document.addEventListener("paste", ({ clipboardData }) => act.add([...clipboardData.files]));
    shortcuts(this.#state, this.#stage, act);
  }

  // Everything but what the stage shows of its place.
  render() {
    const { entry, quality, left, view } = this.#state;
    at("#empty").hidden = Boolean(entry);
    at("#panel").hidden = !entry;
    this.#renderEntries();
    this.#renderStage();
    document.title = entry ? `${entry.name} – aecodec studio` : "aecodec studio";
    if (!entry) return this.#stage.show({});
    at("#coding").hidden = !entry.picture;
    at("#quality").value = quality;
    if (document.activeElement !== at("#number")) at("#number").value = words.quality(quality);
    press("#left", "left", left);
    press("#view", "view", view);
    at("#left").hidden = !entry.picture;
    at("#view [data-view=difference]").disabled = !entry.picture;
    at("#left-note").textContent = this.#leftNote(entry, left);
    at("#view-note").textContent = VIEW_NOTES[view];
    const bits = view === "bits" && entry.shown.bits;
    at("#legend").hidden = !bits;
    if (bits) at("#most").textContent = `${Math.round(bits.most)} bits per 16 × 16 pixels`;
    this.#renderResult(entry);
  }

  #renderResult({ coded, picture }) {
    at("#size").textContent = coded ? words.bytes(coded.bytes.length) : "–";
    at("#bpp").textContent = coded ? words.bitsPerPixel(coded.bytes.length, coded.info) : "";
    at("#share").textContent = coded && picture ? words.share(coded.bytes.length, picture.blob.size) : "";
    for (const id of ["#save", "#png"]) at(id).disabled = !coded;
    at("#facts").hidden = !coded;
    const items = coded ? facts(coded).flatMap(([name, value]) => [element("dt", name), element("dd", value)]) : [];
    at("#facts dl").replaceChildren(...items);
  }

  #renderEntries() {
    const { entries, entry } = this.#state;
    const chips = entries.map((one) => {
      if (!this.#chips.has(one)) this.#chips.set(one, this.#chip(one));
      const chip = this.#chips.get(one);
      const [open, close] = chip.children;
      open.textContent = one.name;
      if (one === entry) open.setAttribute("aria-current", "true");
      else open.removeAttribute("aria-current");
      close.setAttribute("aria-label", `Close ${one.name}`);
      return chip;
    });
    const there = at("#entries").children;
    // What is there stays: it may have the focus, or be under a finger.
    if (chips.length !== there.length || chips.some((chip, i) => chip !== there[i]))
      at("#entries").replaceChildren(...chips);
    if (entry !== this.#looked) this.#chips.get(entry)?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.#looked = entry;
  }

  #chip(entry) {
    const chip = element("span", "");
    const [open, close] = [button(entry.name, {}), button("×", {})];
    chip.className = "chip";
    open.addEventListener("click", () => this.#act.select(entry));
    close.addEventListener("click", () => this.#act.close(entry));
    chip.append(open, close);
    return chip;
  }

  #renderStage() {
    const { entry } = this.#state;
    const stage = this.#stage;
    const { left, right } = labelled(entry, stage);
    const share = Math.round(stage.divider * 100);
    at("#divider").hidden = !stage.divided;
    at("#divider").style.left = `${stage.divider * 100}%`;
    at("#handle").setAttribute("aria-valuenow", share);
    at("#handle").setAttribute("aria-valuetext", `${share} % ${left?.label}, ${100 - share} % ${right?.label}`);
    at("#zoom").hidden = !entry;
    at("#flip").hidden = !(left && right);
    at("#scale").textContent = words.scale(stage.scale);
    press("#zoom", "zoom", stage.fitted ? "fit" : String(stage.scale));
    badge("#left-badge", stage.whole !== "right" && left);
    badge("#right-badge", stage.whole !== "left" && right);
    at("#canvas").setAttribute("aria-label", entry ? this.#described(entry) : "No picture is open");
  }

  #described(entry) {
    const { name } = entry;
    const { left, right } = labelled(entry, this.#stage);
    if (this.#stage.divided) return `${name}: ${left.label} on the left, ${right.label} on the right`;
    const seen = (this.#stage.whole === "left" && left) || right || left;
    return `${name}: ${seen?.label ?? "being read"}`;
  }

  #leftNote({ picture, rival, coded }, left) {
    if (!picture) return NO_ORIGINAL;
    if (left === "original" || rival?.format !== left) return "";
    if (!rival.file) return `This browser cannot make ${LEFT[left]} files.`;
    const { blob, quality, least } = rival.file;
    const size = words.bytes(blob.size);
    if (!least) return `${LEFT[left]} by this browser, quality ${quality}: ${size}`;
    const times = (blob.size / coded.bytes.length).toFixed(1);
    return `The smallest ${LEFT[left]} this browser makes has ${size}, ${times} times as much.`;
  }

  busy(doing) {
    at("#status").textContent = `${doing}…`;
    at("#progress").hidden = false;
    this.progress({ done: 0, total: 1 });
  }

  progress({ done, total }) {
    at("#progress").classList.toggle("unknown", !done);
    at("#progress i").style.width = `${(100 * done) / total}%`;
  }

  // Nothing is being made.
  settled() {
    at("#status").textContent = "";
    at("#progress").hidden = true;
  }

  // One sentence about a file.
  complain(name, error) {
    const line = element("p", `${name}: ${error.message}`);
    const dismiss = button("×", {});
    dismiss.setAttribute("aria-label", "Dismiss");
    dismiss.addEventListener("click", () => line.remove());
    line.append(dismiss);
    at("#errors").append(line);
  }

  download(blob, name) {
    const link = document.createElement("a");
    Object.assign(link, { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers begin to read it late
  }
}

const VIEW_NOTES = {
  picture: "",
  difference: `How each side differs from the original, ${GAIN} times as strong: black is equal.`,
  bits: "Where the bits of the .aec file go.",
};

function facts({ info, quality, bytes, milliseconds, decoding }) {
  const { width, height, channels, depth, alpha, model, tiles, lossless, bytes: parts } = info;
  const { file, ...sizes } = parts;
  return [
    ["Pixels", `${width} × ${height}, ${((width * height) / 1e6).toFixed(2)} megapixels`],
    ["Samples", `${channels === 1 ? "gray" : "RGB"}${alpha ? " and alpha" : ""}, ${depth} bits`],
    ["Quality", words.quality(quality)],
    ["Model", lossless ? "none: without loss" : model],
    ["Tiles", String(tiles)],
    ["File", `${bytes.length} bytes`],
    ...Object.entries(sizes).map(([name, size]) => [`– ${name}`, `${size} bytes`]),
    ["Coded in", milliseconds && words.duration(milliseconds)],
    ["Decoded in", decoding && words.duration(decoding)],
  ].filter(([, value]) => value);
}

// What each side is called: the right one also while its tiles arrive.
function labelled(entry, stage) {
  const { left, right } = entry?.shown ?? {};
  return { left, right: stage.arriving ? { label: `${entry.coming} …` } : right };
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function button(text, data) {
  const made = element("button", text);
  made.type = "button";
  Object.assign(made.dataset, data);
  return made;
}

function press(group, key, value) {
  for (const one of at(group).querySelectorAll("button")) one.setAttribute("aria-pressed", one.dataset[key] === value);
}

function badge(selector, side) {
  at(selector).hidden = !side;
  if (side) at(selector).textContent = side.label;
}
