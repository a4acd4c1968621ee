// What the page's worker does, one task after the other: everything that takes more than a moment.
import { readFile, sectionOf } from "../container.js";
import { info } from "../info.js";
import { orientationOf, turned, turnedSize } from "../orient.js";
import { Service } from "../service.js";
import { equal } from "./equal.js";
import { difference, heat, nearlyMost } from "./maps.js";
import { fromBase64, Pixels, read, toBitmaps, toCanvas } from "./pixels.js";

const STRIDE = 16; // pixels per place of the map of bits
const pixels = new Pixels();
const service = new Service(null, tell); // without a script for more workers: a page on disk has no threads
const sizes = new Map(); // of the pictures that are decoded in tiles, by the number of the task
let opened; // a promise
let queue = Promise.resolve();

self.onmessage = ({ data }) => {
  if (data.parts) opened = open(data.parts);
  else if (data.cancel) service.take(data);
  else queue = queue.then(() => work(data));
};

function open({ wasm, decoder, encoder }) {
  const model = { decoder: fromBase64(decoder), encoder: fromBase64(encoder) };
  return service.open({ wasm: fromBase64(wasm), model });
}

async function work({ id, task, argument }) {
  try {
    check(id);
    await opened;
    const { transfer = [], ...result } = await TASKS[task](argument, id);
    postMessage({ id, result }, transfer);
  } catch (error) {
    postMessage({ id, error: error.message || String(error) });
  }
  service.cancelled.delete(id);
  sizes.delete(id);
}

// How far a task is; of a large picture also the tile that has been decoded.
async function tell({ id, progress: { done, total, x, y, width, height, data } }) {
  const size = sizes.get(id);
  if (!size || total === 1) return postMessage({ id, progress: { done, total } });
  const bitmap = await createImageBitmap(new ImageData(data, width, height));
  postMessage({ id, progress: { done, total, size, tile: { x, y, width, height, bitmap } } }, [bitmap]);
}

function check(id) {
  if (service.cancelled.has(id)) throw new Error("it was cancelled");
}

// Colours as sRGB: what a file says of its own, the browser understands from a PNG.
function pixelsOf(layer, id) {
  return pixels.of(layer, async (bytes) => {
    const { icc, cicp } = info(bytes).bytes;
    if (icc || cicp) {
      const { data, orientation } = await decoded(bytes, "png", id);
      return { ...(await read(new Blob([data], { type: "image/png" }))), orientation };
    }
    sizes.set(id, turnedSize(info(bytes), orientationOf(sectionOf(bytes, readFile(bytes), "exif"))));
    return decoded(bytes, "rgba", id);
  });
}

async function decoded(bytes, format, id) {
  const [picture] = await service.decode({ bytes, format, orient: true, progress: format === "rgba" }, id);
  return picture;
}

async function drawn(pixels, more = {}) {
  const bitmaps = await toBitmaps(pixels);
  return { width: pixels.width, height: pixels.height, bitmaps, ...more, transfer: bitmaps };
}

// Each gets its argument and its number and gives what the page gets, with `transfer` as postMessage takes it. Layers
// are what Pixels takes.
const TASKS = {
  // A file that the page holds as text.
  async unpack({ text }) {
    const bytes = fromBase64(text);
    return { bytes, transfer: [bytes.buffer] };
  },

  async look({ bytes }) {
    readFile(bytes); // whether it is whole
    return info(bytes);
  },

  async size({ layer }, id) {
    const { width, height } = await pixelsOf(layer, id);
    return { width, height };
  },

  async encode({ layer, quality }, id) {
    const { width, height, data } = await pixelsOf(layer, id);
    const start = performance.now();
    const [bytes] = await service.encode({ picture: { width, height, data }, quality, progress: true }, id);
    return { bytes, milliseconds: performance.now() - start };
  },

  // A layer as bitmaps; with `from`, how it differs from that layer.
  async draw({ layer, from }, id) {
    const start = performance.now();
    const one = await pixelsOf(layer, id);
    const milliseconds = performance.now() - start;
    if (!from) return drawn(one, { milliseconds });
    const two = await pixelsOf(from, id);
    if (two.width !== one.width || two.height !== one.height) throw new Error("the two pictures differ in size");
    return drawn({ ...one, data: difference(one.data, two.data) });
  },

  // The map of a file's bits, each place of it STRIDE pixels wide and high; x and y: where in the picture it begins.
  async bits({ layer: { key, bytes } }, id) {
    const { orientation } = await pixelsOf({ key, bytes }, id);
    const { width, height } = info(bytes);
    const [map] = await service.bits({ bytes }, id);
    const most = nearlyMost(map.values);
    const whole = { width: width / STRIDE, height: height / STRIDE };
    const found = turned({ x: 0, y: 0, ...map, data: heat(map.values, most) }, whole, orientation, 4);
    return drawn(found, { most, unit: STRIDE, x: found.x * STRIDE, y: found.y * STRIDE });
  },

  // The layer in another format, of a size; `file` is null where the browser cannot make it.
  async rival({ layer, format, size }, id) {
    return { file: await equal(toCanvas(await pixelsOf(layer, id)), format, size, () => check(id)) };
  },

  async png({ layer }, id) {
    const { data } = await decoded(layer.bytes, "png", id);
    return { blob: new Blob([data], { type: "image/png" }) };
  },
};
