// What mouse, fingers, wheel and keys do with the stage: move the divider, move the picture, zoom.

const GRIP = { mouse: 10, pen: 16, touch: 26 }; // CSS pixels beside the divider that belong to it
const STEP = 0.02; // of the stage's width: how far the divider goes with an arrow key
const STRIDE = 60; // CSS pixels: how far the picture goes

export function gestures(stage, handle) {
  const { canvas } = stage;
  const pointers = new Map();
  let dividing = false;

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const onDivider = (event) =>
    stage.divided && Math.abs(place(event).x - stage.divider * canvas.clientWidth) <= GRIP[event.pointerType];

  function down(event) {
    if (event.button) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    dividing = pointers.size === 1 && (event.currentTarget === handle || onDivider(event));
    canvas.classList.toggle("moving", !dividing);
  }

  function move(event) {
    const before = pointers.get(event.pointerId);
    const now = place(event);
    if (!before) return canvas.classList.toggle("divides", onDivider(event));
    pointers.set(event.pointerId, now);
    if (pointers.size > 1) pinch(event.pointerId, before, now);
    else if (dividing) stage.divide(now.x / canvas.clientWidth);
    else stage.pan(now.x - before.x, now.y - before.y);
  }

  function pinch(id, before, now) {
    const [, other] = [...pointers].find(([key]) => key !== id);
    const length = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
    stage.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
    stage.zoom((stage.scale * length(now)) / length(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
  }

  function up(event) {
    pointers.delete(event.pointerId);
    if (!pointers.size) canvas.classList.remove("moving");
    dividing = false;
  }

  for (const element of [canvas, handle]) {
    element.addEventListener("pointerdown", down);
    element.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, up);
  }
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { x, y } = place(event);
      const lines = event.deltaMode ? 30 : 1; // Firefox counts a mouse's wheel in lines
      stage.zoom(stage.scale * Math.exp(-event.deltaY * lines * 0.002), x, y);
    },
    { passive: false },
  );
  canvas.addEventListener("dblclick", (event) => {
    const { x, y } = place(event);
    if (stage.fitted) stage.zoom(Math.max(2, stage.scale * 2), x, y);
    else stage.fit();
  });
  handle.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 5 * STEP : STEP;
    const share = {
      ArrowLeft: stage.divider - step, ArrowDown: stage.divider - step,
      ArrowRight: stage.divider + step, ArrowUp: stage.divider + step,
      Home: 0, End: 1,
    }[event.key];
    if (share === undefined) return;
    event.preventDefault();
    stage.divide(share);
  });
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way) return;
    event.preventDefault();
    stage.pan(way[0] * STRIDE, way[1] * STRIDE);
  });
}
