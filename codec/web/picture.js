// What a page is given: bytes per pixel of samples and alpha, turned, and tiles put together.
import { turned, turnedSize } from "./orient.js";

/** Numbers per pixel of a format; "samples" are those of the file. */
export const FORMATS = { rgba: 4, rgb: 3, samples: 0 };

/** A tile of `Decoding.tiles` with `data` in a format, turned by an orientation. */
export function formed(tile, { width, height, channels, depth }, format, orientation) {
  if (format === "samples") return { ...tile, data: tile.samples };
  const { samples, alpha } = tile, data = interleaved(samples, alpha, channels, depth, FORMATS[format]);
  const { x, y } = tile, piece = { x, y, width: tile.width, height: tile.height, data };
  return turned(piece, { width, height }, orientation, FORMATS[format]);
}

function interleaved(samples, alpha, channels, depth, each) {
  const data = new Uint8ClampedArray((samples.length / channels) * each), second = channels > 1 ? 1 : 0;
  for (let i = 0, at = 0; at < data.length; i += channels, at += each) {
    data[at] = samples[i];
    data[at + 1] = samples[i + second];
    data[at + 2] = samples[i + 2 * second];
    if (each > 3) data[at + 3] = 255;
  }
  if (depth > 8)
    for (let i = 0, at = 0; at < data.length; i += channels, at += each)
      for (let c = 0; c < 3; c++) data[at + c] = shallow(samples[i + c * second]);
  if (alpha && each > 3)
    for (let i = 0; i < alpha.length; i++) data[4 * i + 3] = depth > 8 ? shallow(alpha[i]) : alpha[i];
  return data;
}

/** A sample of 16 bits as one of 8, rounded. */
const shallow = (sample) => Math.floor((sample + 128) / 257);

/** Puts tiles together into RGBA of one pixel in `step` along both axes, transparent where none has come. */
export class Preview {
  constructor({ width, height }, orientation, step) {
    const size = turnedSize({ width, height }, orientation);
    Object.assign(this, { width: Math.ceil(size.width / step), height: Math.ceil(size.height / step), step });
    this.data = new Uint8ClampedArray(4 * this.width * this.height);
  }

  put({ x, y, width, height, data }) {
    const { step } = this, pixels = new Uint32Array(data.buffer, data.byteOffset, width * height);
    const plane = new Uint32Array(this.data.buffer), first = (start) => Math.ceil(start / step);
    for (let i = first(y); i * step < y + height; i++)
      for (let j = first(x); j * step < x + width; j++)
        plane[i * this.width + j] = pixels[(i * step - y) * width + j * step - x];
  }
}

/** Puts the tiles of a picture together. */
export class Whole {
  constructor({ width, height }, orientation) {
    Object.assign(this, turnedSize({ width, height }, orientation));
    this.planes = {};
  }

  put(tile, name, each) {
    const data = tile[name];
    if (!data) return;
    if (tile.width === this.width && tile.height === this.height) {
      this.planes[name] = data;
      return;
    }
    const plane = (this.planes[name] ??= new data.constructor(this.width * this.height * each));
    const run = tile.width * each;
    for (let i = 0; i < tile.height; i++)
      plane.set(data.subarray(i * run, (i + 1) * run), ((tile.y + i) * this.width + tile.x) * each);
  }
}
