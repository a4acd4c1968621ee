// One plane with points: a canvas that tells which point and which cell of the decoded grid lie under the pointer.
// Between read.js and page.js.

const NEAR = 14; // CSS pixels within which a point counts as pointed at
const shownLabels = new Set(data.labels);

class Plane {
  constructor(canvas, content, onMove) {
    Object.assign(this, { canvas, content, onMove, cell: null, point: null });
    canvas.addEventListener("pointermove", (event) => this.moveTo(event.offsetX, event.offsetY));
    canvas.addEventListener("pointerdown", (event) => this.moveTo(event.offsetX, event.offsetY));
    canvas.addEventListener("keydown", (event) => this.step(event));
    new ResizeObserver(() => this.render()).observe(canvas);
  }
  get size() {
    return this.canvas.clientWidth;
  }
  place(index) {
    const [left, right, bottom, top] = this.content.extent;
    return [
      ((this.content.x[index] - left) / (right - left)) * this.size,
      ((top - this.content.y[index]) / (top - bottom)) * this.size,
    ];
  }
  // The value at the middle of a cell, which is what was decoded there.
  value(cell) {
    const [left, right, bottom, top] = this.content.extent;
    const { side } = this.content;
    return [
      left + (((cell % side) + 0.5) / side) * (right - left),
      top - ((Math.floor(cell / side) + 0.5) / side) * (top - bottom),
    ];
  }
  moveTo(x, y) {
    const { side } = this.content;
    const inside = (value) => Math.min(side - 1, Math.max(0, Math.floor((value / this.size) * side)));
    this.cell = inside(y) * side + inside(x);
    this.point = this.nearest(x, y, NEAR);
    this.onMove(this);
  }
  // The shown point nearest to a place and within so many pixels of it, or null.
  nearest(x, y, within) {
    let [best, found] = [within ** 2, null];
    data.labels.forEach((label, index) => {
      if (!shownLabels.has(label)) return;
      const [px, py] = this.place(index);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < best) [best, found] = [distance, index];
    });
    return found;
  }
  step(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    const { side } = this.content;
    const from = this.cell ?? Math.floor((side * side) / 2);
    const [column, row] = [(from % side) + move[0], Math.floor(from / side) + move[1]].map((at) =>
      Math.min(side - 1, Math.max(0, at)),
    );
    this.moveTo(((column + 0.5) / side) * this.size, ((row + 0.5) / side) * this.size);
  }
  render(marked = this.marked) {
    this.marked = marked;
    const ratio = devicePixelRatio;
    this.canvas.width = this.canvas.height = Math.round(this.size * ratio);
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.globalAlpha = data.labels.length > 600 ? 0.6 : 0.85;
    data.labels.forEach((label, index) => {
      if (!shownLabels.has(label)) return;
      const [x, y] = this.place(index);
      context.fillStyle = colour(label);
      context.beginPath();
      context.arc(x, y, 2.6, 0, 7);
      context.fill();
    });
    context.globalAlpha = 1;
    context.strokeStyle = css("--ink");
    if (marked != null) {
      const [x, y] = this.place(marked);
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, y, 6.5, 0, 7);
      context.stroke();
    }
    if (this.cell != null) {
      const { side } = this.content;
      const [x, y] = [
        (((this.cell % side) + 0.5) / side) * this.size,
        ((Math.floor(this.cell / side) + 0.5) / side) * this.size,
      ];
      context.lineWidth = 1;
      context.beginPath();
      for (const [dx, dy] of [
        [9, 0],
        [0, 9],
      ]) {
        context.moveTo(x - dx, y - dy);
        context.lineTo(x + dx, y + dy);
      }
      context.stroke();
    }
  }
}
