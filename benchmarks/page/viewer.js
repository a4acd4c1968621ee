// The two pictures of the explorer and the divider between them (img-comparison-slider): loading, heat maps, zoom, flip
// and moving about.

const view = { flip: null, layers: {}, scale: 1, center: null, token: 0 };
const slider = document.createElement("img-comparison-slider");
const canvases = { left: el("canvas", { slot: "first" }), right: el("canvas", { slot: "second" }) };
const badges = { left: el("span", { class: "badge a" }), right: el("span", { class: "badge b" }) };
const stage = el("div", { id: "stage" });

const currentPicture = () => explorer.pictures[pictures.indexOf(state.picture)];
const version = (side) => currentPicture().versions[state[side]]?.[+state.size] ?? null; // null for the original

// Decoded pictures; a few are kept, so that going to and fro is instant and a phone's memory is safe.
const loaded = new Map();
function load(id) {
  const promise =
    loaded.get(id) ??
    (async () => {
      const image = new Image();
      image.src = "data:image/webp;base64," + $(id).textContent;
      await image.decode();
      return image;
    })();
  loaded.delete(id);
  loaded.set(id, promise);
  if (loaded.size > 14) loaded.delete(loaded.keys().next().value);
  return promise;
}

async function layer(side) {
  const original = await load(currentPicture().original);
  const chosen = version(side);
  if (!chosen) return original;
  if (state.view === "bits") return chosen.bits ? bitsMap(original, chosen.bits) : load(chosen.image);
  const decoded = await load(chosen.image);
  return state.view === "error" ? errorMap(original, decoded) : decoded;
}

async function refresh() {
  const token = ++view.token; // a later choice overtakes one still being decoded
  const [left, right] = await Promise.all([layer("left"), layer("right")]);
  if (token !== view.token) return;
  view.layers = { left, right };
  stage.dataset.shown = [state.picture, state.left, state.right, state.size, state.view].join(" ");
  paint();
}

const room = () => ({ width: stage.clientWidth, height: Math.max(300, innerHeight * 0.8) });
function scaleOf(zoom, [, , width, height]) {
  const fit = Math.min(room().width / width, room().height / height, 2);
  if (zoom === "fit") return fit;
  return zoom === "auto" ? (fit >= 1 ? Math.floor(fit) : fit) : +zoom;
}

function paint() {
  if (!view.layers.left) return;
  const [, , width, height] = currentPicture().box;
  const density = devicePixelRatio || 1;
  const scale = (view.scale = scaleOf(state.zoom, currentPicture().box));
  const w = Math.floor(Math.min(room().width, width * scale));
  const h = Math.floor(Math.min(room().height, height * scale));
  const zoom =
    state.zoom === "auto" && Number.isInteger(scale) ? String(scale) : state.zoom === "auto" ? "fit" : state.zoom;
  document
    .querySelectorAll("#zoom button")
    .forEach((button) => button.setAttribute("aria-pressed", button.dataset.value === zoom));
  const sw = w / scale;
  const sh = h / scale;
  if (!view.center) view.center = state.at ? state.at.split(",").map(Number) : [];
  const inside = (value, half, size) =>
    Math.max(half, Math.min(size - half, Number.isFinite(value) ? value : size / 2));
  view.center = [inside(view.center[0], sw / 2, width), inside(view.center[1], sh / 2, height)];
  const pans = sw < width - 0.5 || sh < height - 0.5;
  slider.handle = pans; // zoomed in, only the knob moves the divider and the rest of the picture is dragged about
  slider.classList.toggle("pans", pans);
  for (const side of ["left", "right"]) {
    const canvas = canvases[side];
    canvas.width = Math.round(w * density);
    canvas.height = Math.round(h * density);
    canvas.style.width = w + "px";
    canvas.style.height = h + "px";
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = !Number.isInteger(scale);
    context.imageSmoothingQuality = "high";
    context.drawImage(
      view.layers[view.flip ?? side],
      Math.round(view.center[0] - sw / 2),
      Math.round(view.center[1] - sh / 2),
      sw,
      sh,
      0,
      0,
      canvas.width,
      canvas.height,
    );
  }
  labelStage();
}

function sideName(side) {
  return state[side] === "original" ? "Original" : label(state[side]);
}

// The badges over the picture and the text of the slider for screen readers.
function labelStage() {
  const share = { left: slider.value, right: 100 - slider.value };
  for (const side of ["left", "right"]) {
    badges[side].textContent = sideName(side);
    badges[side].style.opacity = view.flip ? +(view.flip === side) : +(share[side] > 8);
  }
  slider.setAttribute("aria-valuenow", Math.round(slider.value));
  slider.setAttribute(
    "aria-valuetext",
    `${Math.round(slider.value)} % ${sideName("left")}, the rest ${sideName("right")}`,
  );
}

function pan(event) {
  const knob = slider.querySelector(".knob").getBoundingClientRect();
  const onKnob =
    event.clientX >= knob.left &&
    event.clientX <= knob.right &&
    event.clientY >= knob.top &&
    event.clientY <= knob.bottom;
  if (!slider.classList.contains("pans") || onKnob || !slider.contains(event.target)) return;
  let [x, y] = [event.clientX, event.clientY];
  const move = (next) => {
    movePicture((x - next.clientX) / view.scale, (y - next.clientY) / view.scale);
    [x, y] = [next.clientX, next.clientY];
  };
  const end = () => {
    window.removeEventListener("pointermove", move);
    keepCenter();
  };
  window.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, end, { once: true });
}
function movePicture(dx, dy) {
  view.center = [view.center[0] + dx, view.center[1] + dy];
  paint();
}
const keepCenter = () => setState({ at: view.center.map(Math.round).join(",") });
const flip = () => {
  view.flip = view.flip === "left" ? "right" : "left";
  paint();
};
const split = () => {
  view.flip = null;
  paint();
};

// Fills the stage and ties it to zoom and place; what it shows, explorer.js asks for by refresh().
function startViewer() {
  slider.setAttribute("role", "slider");
  slider.setAttribute("aria-label", "Divider between the two pictures");
  slider.setAttribute("aria-valuemin", 0);
  slider.setAttribute("aria-valuemax", 100);
  slider.append(
    canvases.left,
    canvases.right,
    el("div", { slot: "handle", class: "knob", "aria-hidden": "true" }, "⇆"),
  );
  stage.append(el("div", { style: { position: "relative" } }, slider, badges.left, badges.right));
  onState(["zoom", "at"], () => {
    view.center = null;
    paint();
  });
  onWidth(stage, paint);
  slider.addEventListener("slide", () => (view.flip ? split() : labelStage()));
  stage.addEventListener("pointerdown", pan, true);
}
