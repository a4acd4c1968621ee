// The explorer's controls and keys around the viewer: one picture, two codecs at the same number of bytes.

function describe(side) {
  const chosen = version(side);
  const picture = currentPicture();
  if (!chosen) return ["lossless, ", el("b", {}, `${picture.width} × ${picture.height}`)];
  const target = (explorer.sizes[+state.size] * picture.width * picture.height) / 8;
  const off = (chosen.bytes / target - 1) * 100;
  return [
    el("b", {}, bytes(chosen.bytes)),
    Math.abs(off) >= 3
      ? el(
          "span",
          { class: "bad" },
          ` (${fixed(Math.abs(off), 0)} % ${off > 0 ? "more" : "fewer"} than asked: its nearest)`,
        )
      : null,
    ` · ${fixed(chosen.bpp, 3)} bpp · `,
    el("b", {}, `${fixed(chosen.psnr, 2)} dB`),
    ...[
      ["ssimulacra2", 1],
      ["butteraugli", 2],
      ["msssim", 4],
    ].map(([metric, digits]) =>
      typeof chosen[metric] === "number" ? ` · ${METRICS[metric].name} ${fixed(chosen[metric], digits)}` : null,
    ),
    ` · quality ${chosen.quality}`,
  ];
}

function legendText() {
  const ramp = el("span", { class: "ramp", style: { background: rampCss } });
  if (state.view === "error") return ["Error: none", ramp, `${ERROR_TOP} levels of 255 and more`];
  if (state.view !== "bits") return [];
  const tops = ["left", "right"].map((side) => version(side)?.bits?.top).filter((top) => top !== undefined);
  return tops.length
    ? ["Bits spent: none", ramp, `${fixed(Math.max(...tops), 2)} bits per pixel`]
    : ["There is a bits map for neither side: choose " + label(ours) + " on one of them."];
}

function startExplorer() {
  $("pictures-lead").textContent = explorer.note;
  if (!explorer.pictures.length) return;
  const thumbs = el("div", { class: "thumbs", role: "group", "aria-label": "Picture" });
  const text = { left: el("p"), right: el("p") };
  const under = el("div", { class: "under note" });
  const selects = {
    left: el("select", { id: "left", "aria-label": "Codec on the left" }),
    right: el("select", { id: "right", "aria-label": "Codec on the right" }),
  };
  const groups = Object.fromEntries(
    ["size", "view", "zoom"].map((key) => [
      key,
      el("div", {
        class: "segments",
        id: key,
        role: "group",
        "aria-label": { size: "Size of the files", view: "What to show", zoom: "Zoom" }[key],
      }),
    ]),
  );
  const keys = [
    ["Space", "flip"],
    ["← →", "divider"],
    ["0 1 2 4", "zoom"],
    ["Shift + arrows", "move"],
    ["[ ]", "picture"],
    ["S", "size"],
    ["X", "swap"],
    explorer.has_bits ? ["P E B", "picture, error, bits"] : ["P E", "picture, error"],
    ["Esc", "split"],
  ];
  startViewer();
  $("explorer").replaceChildren(
    thumbs,
    el("div", { class: "controls" }, groups.size, groups.view, groups.zoom),
    el(
      "div",
      { class: "sides" },
      el("div", { class: "side" }, selects.left, text.left),
      el("button", { type: "button", "aria-label": "Swap the two sides", onclick: swap }, "⇄"),
      el("div", { class: "side" }, selects.right, text.right),
    ),
    stage,
    under,
    el(
      "p",
      { class: "note keys under" },
      keys.map(([key, does]) => el("span", {}, el("kbd", {}, key), " " + does)),
    ),
  );

  thumbs.replaceChildren(
    ...explorer.pictures.map((picture) => {
      const image = el("img", { alt: "", decoding: "async" });
      image.src = "data:image/webp;base64," + $(picture.original).textContent;
      return el(
        "button",
        { type: "button", "data-picture": picture.name, onclick: () => choosePicture(picture.name) },
        image,
        picture.name,
        picture.gain === null
          ? null
          : el(
              "span",
              {
                title:
                  `bytes of ${label(ours)} against ${label(anchors[0])} on this picture ` +
                  `at the same ${metricName(leading)}`,
              },
              el("br"),
              percent(picture.gain) + " bytes",
            ),
      );
    }),
  );
  for (const side of ["left", "right"])
    choice(
      selects[side],
      side,
      sides.map((name) => [name, name === "original" ? "Original" : label(name)]),
    );
  segments(
    groups.size,
    "size",
    explorer.sizes.map((bpp, i) => [String(i), `${bpp} bpp`]),
  );
  segments(
    groups.view,
    "view",
    [
      ["picture", "Picture"],
      ["error", "Error"],
      ["bits", "Bits"],
    ].filter(([name]) => name !== "bits" || explorer.has_bits),
  );
  segments(groups.zoom, "zoom", [
    ["fit", "Fit"],
    ["1", "1×"],
    ["2", "2×"],
    ["4", "4×"],
  ]);
  onState(["picture"], () =>
    thumbs.querySelectorAll("button").forEach((button) => {
      button.setAttribute("aria-pressed", button.dataset.picture === state.picture);
      if (button.dataset.picture === state.picture)
        thumbs.scrollLeft = button.offsetLeft - thumbs.offsetLeft - (thumbs.clientWidth - button.offsetWidth) / 2;
    }),
  );
  onState(["picture", "left", "right", "size"], () => {
    for (const side of ["left", "right"]) text[side].replaceChildren(...describe(side).filter(Boolean));
  });
  onState(["picture", "left", "right", "size", "view"], () => {
    under.replaceChildren(el("span", {}, ...legendText()));
    refresh();
  });
  window.addEventListener("keydown", press, true); // before the slider, which takes arrows with Shift for its own
}

function choosePicture(name) {
  view.center = null; // the next one may stand upright
  setState({ picture: name, at: "" });
}
const swap = () => setState({ left: state.right, right: state.left });

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select")) return;
  const box = stage.getBoundingClientRect();
  if (box.bottom < 0 || box.top > innerHeight) return; // keys belong to the picture only while one sees it
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const neighbour = (step) =>
    choosePicture(pictures[(pictures.indexOf(state.picture) + step + pictures.length) % pictures.length]);
  const actions = {
    " ": event.target.closest?.("button, a, summary") ? null : flip,
    Escape: split,
    x: swap,
    0: () => setState({ zoom: "fit" }),
    1: () => setState({ zoom: "1" }),
    2: () => setState({ zoom: "2" }),
    4: () => setState({ zoom: "4" }),
    p: () => setState({ view: "picture" }),
    e: () => setState({ view: "error" }),
    b: () => explorer.has_bits && setState({ view: "bits" }),
    s: () => setState({ size: String((+state.size + 1) % explorer.sizes.length) }),
    "[": () => neighbour(-1),
    "]": () => neighbour(1),
  };
  const pressed =
    event.shiftKey && arrows[event.key]
      ? () => {
          movePicture(...arrows[event.key].map((unit) => (unit * 48) / view.scale));
          keepCenter();
        }
      : actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!pressed) return;
  event.preventDefault();
  event.stopPropagation();
  pressed();
}
