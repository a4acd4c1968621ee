// The canvas that shows two pictures of one size, divided by a line that can be moved: zoom, place, and drawing. What
// fingers, mouse and keys do with it is in gestures.js.

const MOST = 8; // CSS pixels per pixel of a picture
const CHECK = 12; // CSS pixels per field of the ground below transparent pictures

export class Stage extends EventTarget {
  #context;
  #tiles = []; // {x, y, width, height, bitmap} of what will be the right side
  #whole; // its size
  #sides = {}; // left, right: {width, height, bitmaps}; over: the same with {unit, x, y}
  #middle = { x: 0, y: 0 }; // the point of the picture, in its pixels, at the middle of the stage
  #scale = 1;
  #fitted = true;
  #asked = false;

  constructor(canvas) {
    super();
    this.canvas = canvas;
    this.divider = 0.5; // share of the stage's width
    this.whole = null; // "left" or "right" while only that side is shown
    this.smooth = false; // enlarged pictures show their pixels
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.#resized()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  // Each side null or {width, height, bitmaps}; `over` lies on the right one, from (x, y) on, each of its pixels `unit`
  // wide and high. A picture of another size is fitted.
  show({ left = null, right = null, over = null }) {
    const before = this.size;
    for (const { bitmap } of this.#tiles.splice(0)) bitmap.close();
    this.#sides = { left, right, over };
    const now = this.size;
    if (now && (now.width !== before?.width || now.height !== before?.height)) this.fit();
    this.redraw();
  }

  // Lays a tile of what will be the right side over it, until the next `show`; `size`: of the whole picture.
  add(tile, size) {
    this.#tiles.push(tile);
    this.#whole = size;
    if (!this.#sides.right && !this.#sides.left && this.#tiles.length === 1) this.fit();
    this.#changed();
  }

  // Whether there are such tiles.
  get arriving() {
    return this.#tiles.length > 0;
  }

  get size() {
    return this.#sides.right ?? this.#sides.left ?? (this.arriving ? this.#whole : undefined);
  }

  get #hasRight() {
    return Boolean(this.#sides.right) || this.arriving;
  }

  get scale() {
    return this.#scale;
  }

  get fitted() {
    return this.#fitted;
  }

  get divided() {
    return Boolean(this.#sides.left && this.#hasRight && !this.whole);
  }

  get place() {
    return { ...this.#middle };
  }

  get #fitting() {
    const { clientWidth, clientHeight } = this.canvas;
    return Math.min(1, clientWidth / this.size.width, clientHeight / this.size.height) || 1;
  }

  // The whole picture, not enlarged.
  fit() {
    if (!this.size) return;
    this.#fitted = true;
    this.#scale = this.#fitting;
    this.#middle = { x: this.size.width / 2, y: this.size.height / 2 };
    this.#changed();
  }

  // To `scale` CSS pixels per pixel; the point of the picture under (x, y) of the stage stays there.
  zoom(scale, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    if (!this.size) return;
    const [dx, dy] = [x - this.canvas.clientWidth / 2, y - this.canvas.clientHeight / 2];
    const next = Math.min(MOST, Math.max(this.#fitting, scale));
    this.#middle.x += dx / this.#scale - dx / next;
    this.#middle.y += dy / this.#scale - dy / next;
    this.#scale = next;
    this.#fitted = next === this.#fitting;
    this.#keep();
    this.#changed();
  }

  // Moves the picture by CSS pixels.
  pan(dx, dy) {
    if (!this.size) return;
    this.#middle.x -= dx / this.#scale;
    this.#middle.y -= dy / this.#scale;
    this.#keep();
    this.#changed();
  }

  divide(share) {
    this.divider = Math.min(1, Math.max(0, share));
    this.#changed();
  }

  // The whole of the left picture, or when that is seen of the right one.
  flip() {
    if (this.#sides.left && this.#hasRight) this.only(this.whole === "left" ? "right" : "left");
  }

  // Only one side, or null for both beside the divider.
  only(side) {
    this.whole = side;
    this.#changed();
  }

  redraw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
    });
  }

  #changed() {
    this.redraw();
    this.dispatchEvent(new Event("change"));
  }

  // No further than that an edge of the picture is at the stage's, or all of it in the middle.
  #keep() {
    for (const [axis, side, room] of [["x", "width", "clientWidth"], ["y", "height", "clientHeight"]]) {
      const half = this.canvas[room] / 2 / this.#scale;
      const end = this.size[side] - half;
      this.#middle[axis] = end <= half ? (half + end) / 2 : Math.min(end, Math.max(half, this.#middle[axis]));
    }
  }

  #resized() {
    const { canvas } = this;
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (this.size && this.#fitted) this.fit();
    else if (this.size) this.#keep();
    this.#draw(); // at once: a canvas of another size is empty
    this.dispatchEvent(new Event("change"));
  }

  #draw() {
    const { canvas, size } = this;
    const context = this.#context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!size) return;
    const scale = this.#scale * devicePixelRatio;
    const box = {
      x: Math.round(canvas.width / 2 - this.#middle.x * scale),
      y: Math.round(canvas.height / 2 - this.#middle.y * scale),
      width: Math.round(size.width * scale),
      height: Math.round(size.height * scale),
    };
    const { left, right, over } = this.#sides;
    const cut = !left ? 0 : !this.#hasRight ? canvas.width : { left: canvas.width, right: 0 }[this.whole];
    const line = cut ?? Math.round(this.divider * canvas.width);
    const start = Math.max(line, box.x);
    const rest = { ...box, x: start, width: box.x + box.width - start };
    // There is none where tiles are to come.
    this.#ground(right ? box : { ...box, width: Math.min(box.width, start - box.x) });
    this.#side(left, box, { ...box, width: line - box.x });
    this.#side(right, box, rest);
    for (const { x, y, width, height, bitmap } of this.#tiles)
      this.#side({ width, height, bitmaps: [bitmap] }, placed({ x, y, width, height, unit: 1 }, box, scale), rest);
    if (over) this.#side(over, placed(over, box, scale), rest, 0.8);
  }

  #ground({ x, y, width, height }) {
    const field = Math.round(CHECK * devicePixelRatio);
    const tile = new OffscreenCanvas(2 * field, 2 * field);
    const context = tile.getContext("2d");
    for (const [colour, ...places] of [["#fff", [0, 0], [1, 1]], ["#ddd", [0, 1], [1, 0]]]) {
      context.fillStyle = colour;
      for (const [column, row] of places) context.fillRect(column * field, row * field, field, field);
    }
    this.#context.fillStyle = this.#context.createPattern(tile, "repeat");
    this.#context.fillRect(x, y, width, height);
  }

  #side(side, { x, y, width, height }, window, opacity = 1) {
    if (!side || window.width <= 0) return;
    const context = this.#context;
    const bitmap = side.bitmaps.findLast((one) => one.width >= width) ?? side.bitmaps[0];
    context.save();
    context.beginPath();
    context.rect(window.x, window.y, window.width, window.height);
    context.clip();
    context.globalAlpha = opacity;
    context.imageSmoothingEnabled = !side.unit && (this.#scale < 1 || this.smooth);
    context.imageSmoothingQuality = this.#scale < 1 ? "medium" : "low";
    context.drawImage(bitmap, x, y, width, height);
    context.restore();
  }
}

// The place of what lies over the picture in `box`.
function placed({ width, height, unit, x, y }, box, scale) {
  return {
    x: box.x + x * scale,
    y: box.y + y * scale,
    width: width * unit * scale,
    height: height * unit * scale,
  };
}
