// From the bytes of an .aec file to samples, tile by tile.
import { payloadOf, rangeOf, readFile, sectionOf, SECTIONS, TILE } from "./container.js";
import { crc32 } from "./crc.js";
import { STRIDE } from "./engine.js";
import { refuse } from "./errors.js";

const SIDE = TILE / STRIDE; // positions of a tile along an axis
export const MOST_PIXELS = 64e6;

/** A file opened: its header, sections that are read before tiles, and tiles when they are wanted. */
export class Decoding {
  /** `maxPixels`: more are refused as TooLarge. */
  static of(bytes, maxPixels = MOST_PIXELS) {
    const file = readFile(bytes, (header) => checkSize(header, maxPixels));
    return Object.assign(new Decoding(), { bytes, file, header: file.header });
  }

  /** A file of which the beginning has come, without its sections, which come last; `file`: as of `readHeader`. */
  static begun(bytes, file, maxPixels = MOST_PIXELS) {
    checkSize(file.header, maxPixels);
    return Object.assign(new Decoding(), { bytes, file, header: file.header });
  }

  /** Loads what lossless tiles, or what is `drawn`, take, which few files have. */
  async prepare(drawn) {
    if (this.header.lossless || drawn) this.webp ??= await import("./webp.js");
  }

  /** Reads the sections, and gives them, {kind: bytes}. */
  async sections() {
    const found = {}, { width, height, depth } = this.header;
    for (const kind of SECTIONS) found[kind] = sectionOf(this.bytes, this.file, kind);
    await this.prepare(found.drawn);
    this.drawn = found.drawn && this.webp.decodeDrawn(found.drawn, width, height);
    if (found.alpha) this.alpha = await (await import("./alpha.js")).alphaOf(found.alpha, width, height, depth);
    this.range = found.range && rangeOf(found.range);
    return found;
  }

  /**
   * Yields {x, y, width, height, samples, alpha} of each tile, row by row: samples Uint8Array or Uint16Array [height,
   * width, 1 or 3], alpha the same [height, width] or undefined. `model`: of latents; null for lossless files. `read`:
   * latents that were read before, by the tile's number.
   */
  *tiles(model, read = new Map()) {
    const { header, file } = this;
    const rows = spans(header.height, header.lossless ? 0 : model.synthesisHalo);
    const columns = spans(header.width, header.lossless ? 0 : model.synthesisHalo);
    const known = new Map(); // latents by the tile's number
    let next = 0; // row of tiles that is to be read
    for (const [i, row] of rows.entries()) {
      for (; !header.lossless && next < rows.length && rows[next].start < row.outerStop; next++)
        for (const [j, column] of columns.entries()) {
          const number = next * columns.length + j;
          known.set(number, read.get(number) ?? this.latents(model, number, rows[next], column));
        }
      for (const [j, column] of columns.entries())
        yield this.tile(model, known, i * columns.length + j, row, column);
      for (const number of known.keys()) if (number < i * columns.length) known.delete(number);
    }
    if (file.tiles.length !== rows.length * columns.length) throw new Error("there are other tiles");
  }

  /** The latents of a tile at these spans. Raises Corrupt. */
  latents(model, number, row, column) {
    const payload = payloadOf(this.bytes, this.file, number), { symbols } = this.file.tiles[number];
    const place = placed(row, column);
    return { ...place, data: model.read(payload, symbols, this.header.quality, place.h, place.w) };
  }

  /** The likeliest ones by what there is of its payload; null where that is no picture yet. Raises Corrupt. */
  begunLatents(model, number, row, column) {
    const { start, size } = this.file.tiles[number], place = placed(row, column);
    const payload = this.bytes.subarray(start, start + size);
    const { latents, reached } = model.peek(payload, this.header.quality, place.h, place.w);
    return reached ? { ...place, data: latents } : null;
  }

  /** A tile as of `tiles`, of the latents `known` by number, which may lack those of its neighbours. */
  tile(model, known, number, row, column) {
    const { header } = this, x = column.start * STRIDE, y = row.start * STRIDE;
    const size = { width: Math.min(TILE, header.width - x), height: Math.min(TILE, header.height - y) };
    const samples = header.lossless ? this._exact(number, size) : this._rendered(model, known, row, column, size);
    return { x, y, ...size, samples: this._finished(samples, x, y, size), alpha: this._alpha(x, y, size) };
  }

  _rendered(model, known, row, column, size) {
    const { channels, depth, quality } = this.header, M = model.channels;
    const h = row.outerStop - row.outerStart, w = column.outerStop - column.outerStart;
    const halo = [row.start - row.outerStart, row.outerStop - row.stop];
    halo.push(column.start - column.outerStart, column.outerStop - column.stop);
    const fill = (window) => {
      for (const tile of known.values()) {
        const top = Math.max(tile.top, row.outerStart), bottom = Math.min(tile.top + tile.h, row.outerStop);
        const left = Math.max(tile.left, column.outerStart), right = Math.min(tile.left + tile.w, column.outerStop);
        if (left >= right) continue;
        for (let y = top; y < bottom; y++) {
          const from = ((y - tile.top) * tile.w + left - tile.left) * M;
          const to = ((y - row.outerStart) * w + left - column.outerStart) * M;
          window.set(tile.data.subarray(from, from + (right - left) * M), to);
        }
      }
    };
    return model.render(fill, quality, h, w, halo, { ...size, channels, depth });
  }

  _exact(number, { width, height }) {
    const { channels, depth } = this.header, { symbols } = this.file.tiles[number];
    const samples = this.webp.decodeTile(payloadOf(this.bytes, this.file, number), width, height, channels, depth);
    const bytes = new Uint8Array(samples.buffer); // little-endian, as all machines with WebAssembly are
    if (crc32(bytes) !== symbols) refuse("Corrupt", "the pixels of a lossless tile do not match their checksum");
    return samples;
  }

  /** The samples with what is drawn over them, and in their range. */
  _finished(samples, x, y, { width, height }) {
    const { drawn, range, header } = this, { channels } = header;
    for (let i = 0; drawn && i < height; i++)
      for (let j = 0, at = i * width * channels; j < width; j++, at += channels) {
        const from = 4 * ((y + i) * header.width + x + j);
        if (drawn[from + 3]) for (let c = 0; c < channels; c++) samples[at + c] = drawn[from + c];
      }
    if (range)
      for (let i = 0, width = range.high - range.low; i < samples.length; i++)
        samples[i] = range.low + Math.floor((samples[i] * width + 32767) / 65535);
    return samples;
  }

  _alpha(x, y, { width, height }) {
    if (!this.alpha) return undefined;
    const part = new this.alpha.constructor(width * height);
    for (let i = 0; i < height; i++) {
      const from = (y + i) * this.header.width + x;
      part.set(this.alpha.subarray(from, from + width), i * width);
    }
    return part;
  }
}

const placed = (row, column) => ({
  top: row.start, left: column.start, h: row.stop - row.start, w: column.stop - column.start,
});

/** Stretches of positions of the tiles along an axis of so many pixels, and with a halo. */
export function spans(pixels, halo) {
  const positions = Math.ceil(pixels / STRIDE), found = [];
  for (let start = 0; start < positions; start += SIDE) {
    const stop = Math.min(start + SIDE, positions);
    found.push({
      start, stop, outerStart: Math.max(0, start - halo), outerStop: Math.min(stop + halo, positions),
    });
  }
  return found;
}

/** Raises TooLarge: a line of pixels takes as much memory as 16 lines. */
export function checkSize({ width, height }, most = MOST_PIXELS) {
  const area = Math.ceil(width / STRIDE) * Math.ceil(height / STRIDE) * STRIDE ** 2;
  if (!(width * height <= most && area <= 2 * Math.max(most, MOST_PIXELS)))
    refuse("TooLarge", `${width} x ${height} pixels are more than the ${most} that maxPixels allows`);
}
