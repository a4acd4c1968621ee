// Where a file's bits go, by the model's own tables: as `Codec.bits_map` in Python counts them.
import { payloadOf, readFile, TILE } from "./container.js";
import { checkSize } from "./decode.js";
import { HYPER_STRIDE, STRIDE } from "./engine.js";

const SIDE = TILE / STRIDE; // positions of a tile along an axis
const TOTAL_BITS = 16; // the frequencies of a row add up to 2^16

/** What the symbols of y or z take, by the tables of a model. */
class Costs {
  constructor({ tables }, kind) {
    const numbers = (part) => new Int32Array(tables.find(({ name }) => name === `table.${kind}.${part}`).data.buffer);
    const cdfs = numbers("cdfs");
    this.offsets = numbers("offsets");
    this.rows = [];
    let at = 0;
    for (const size of numbers("sizes")) {
      const row = new Float32Array(size - 1);
      for (let i = 0; i < row.length; i++) row[i] = TOTAL_BITS - Math.log2(cdfs[at + i + 1] - cdfs[at + i]);
      this.rows.push(row);
      at += size;
    }
  }

  /** Bits of a symbol: those of its frequency, or of an escape, whose distance takes groups of 4 bits. */
  of(row, symbol) {
    const costs = this.rows[row], place = symbol - this.offsets[row], width = costs.length - 1;
    if (place >= 0 && place < width) return costs[place];
    const distance = place < 0 ? -2 * place - 1 : 2 * (place - width);
    return costs[width] + 4 + 4 * Math.ceil((32 - Math.clz32(distance)) / 4);
  }
}

/** The anchor nearest to a quality in hundredths. */
function anchor({ config }, quality) {
  const place = (quality - 100) * (config.anchors - 1), low = Math.min(Math.floor(place / 9900), config.anchors - 2);
  return place - 9900 * low < 4950 ? low : low + 1;
}

/**
 * {width, height, values} of a file: Float32Array of the bits of each position, 16 x 16 pixels, row by row. `model` is
 * the loaded one of latents; the bits of a lossless tile are spread over all of it.
 */
export function bitsOf(bytes, model, maxPixels) {
  const file = readFile(bytes, (header) => checkSize(header, maxPixels)), { header } = file;
  const costs = model && { y: new Costs(model, "y"), z: new Costs(model, "z") };
  const [width, height] = [header.width, header.height].map((side) => Math.ceil(side / STRIDE));
  const values = new Float32Array(width * height), across = Math.ceil(width / SIDE);
  file.tiles.forEach((tile, number) => {
    const x = (number % across) * SIDE, y = Math.floor(number / across) * SIDE;
    const w = Math.min(SIDE, width - x), h = Math.min(SIDE, height - y), payload = payloadOf(bytes, file, number);
    const found = header.lossless
      ? new Float32Array(w * h).fill((8 * payload.length) / (w * h))
      : ofTile(model, costs, payload, tile.symbols, header.quality, h, w);
    for (let i = 0; i < h; i++) values.set(found.subarray(i * w, (i + 1) * w), (y + i) * width + x);
  });
  return { width, height, values };
}

function ofTile(model, costs, payload, checksum, quality, h, w) {
  const { symbols, rows, hyper } = model.symbols(payload, checksum, quality, h, w), { y, z } = costs;
  const spent = new Float32Array(w * h), H = gridded(h), W = gridded(w), deep = W / HYPER_STRIDE;
  for (let k = 0, plane = 0; plane < symbols.length; k++, plane += H * W)
    for (let i = 0; i < h; i++)
      for (let j = 0, at = plane + i * W; j < w; j++, at++)
        if (rows[at]) spent[i * w + j] += y.of(rows[at], symbols[at]);
  const size = (H / HYPER_STRIDE) * deep, first = anchor(model, quality) * (hyper.length / size);
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      const place = Math.floor(i / HYPER_STRIDE) * deep + Math.floor(j / HYPER_STRIDE);
      for (let k = 0; k * size < hyper.length; k++)
        spent[i * w + j] += z.of(first + k, hyper[k * size + place]) / HYPER_STRIDE ** 2;
    }
  return spent;
}

/** Positions of the grid of a tile. */
const gridded = (positions) => Math.ceil(positions / HYPER_STRIDE) * HYPER_STRIDE;
