// Keys that work wherever the focus is, but in a field that takes them itself.

const FIELDS = "input, textarea, select";

export function shortcuts(state, stage, { select, choose, rate }) {
  const turn = (step) => state.entry?.picture && rate(Math.min(100, Math.max(1, Math.round(state.quality) + step)));
  const keys = {
    " ": () => stage.flip(),
    f: () => stage.flip(),
    Escape: () => stage.only(null),
    "+": () => stage.zoom(stage.scale * 1.25),
    "=": () => stage.zoom(stage.scale * 1.25),
    "-": () => stage.zoom(stage.scale / 1.25),
    0: () => stage.fit(),
    "[": () => turn(-1),
    "]": () => turn(1),
    d: () => state.entry?.picture && choose({ view: state.view === "difference" ? "picture" : "difference" }),
    b: () => choose({ view: state.view === "bits" ? "picture" : "bits" }),
    p: () => choose({ view: "picture" }),
    s: () => {
      stage.smooth = !stage.smooth;
      stage.redraw();
    },
    n: () => state.entries.length > 1 && select(next(state)),
  };
  for (let scale = 1; scale <= 8; scale++) keys[scale] = () => stage.zoom(scale);

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, key) || !state.entry) return;
    if (target.closest(FIELDS) || (key === " " && target.closest("button, summary"))) return;
    event.preventDefault();
    keys[key]();
  });
}

function next({ entries, entry }) {
  return entries[(entries.indexOf(entry) + 1) % entries.length];
}
