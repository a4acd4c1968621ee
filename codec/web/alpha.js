// The alpha plane in an .aec file, a PNG that is read as strictly as Python reads it.
import { crc32 } from "./crc.js";
import { refuse, refusing } from "./errors.js";
import { SIGNATURE, u32 } from "./png.js";
import { inflated, joined } from "./streams.js";

/** Alpha, Uint8Array or Uint16Array [height, width], of a PNG of just this size and depth. Raises Corrupt. */
export async function alphaOf(png, width, height, depth) {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength), bytes = depth / 8, stride = width * bytes;
  const broken = () => refuse("Corrupt", "the alpha plane is not a whole PNG");
  if (png.length < 33 || SIGNATURE.some((byte, i) => png[i] !== byte)) broken();
  const pixels = [], name = (at) => String.fromCharCode(...png.subarray(at, at + 4));
  let at = 8, kind = "", last = "";
  for (; kind !== "IEND"; last = kind) {
    if (at + 12 > png.length) broken();
    const length = view.getUint32(at), end = at + 8 + length;
    kind = name(at + 4);
    if (end + 4 > png.length || view.getUint32(end) !== crc32(png.subarray(at + 4, end))) broken();
    const data = png.subarray(at + 8, end);
    if ((last === "") !== (kind === "IHDR")) broken();
    if (kind === "IHDR") {
      const expected = [...u32(width), ...u32(height), depth, 0, 0, 0, 0];
      if (length !== 13 || expected.some((byte, i) => data[i] !== byte))
        refuse("Corrupt", `the alpha plane is not a gray PNG of ${width} x ${height} pixels with ${depth} bits`);
    } else if (kind === "IDAT") {
      if (pixels.length && last !== "IDAT") broken();
      pixels.push(data);
    } else if (kind !== "IEND") broken();
    at = end + 4;
  }
  if (at !== png.length) broken();
  const size = height * (1 + stride);
  const rows = await refusing("Corrupt", "the alpha plane is not a whole PNG", () =>
    inflated(joined(pixels), "deflate", size));
  if (rows.length !== size || !unfiltered(rows, height, stride, bytes)) broken();
  return samplesOf(rows, width, height, bytes);
}

/** Takes the filters off rows that begin with their types, in place; whether all are known. */
function unfiltered(rows, height, stride, bytes) {
  for (let y = 0, at = 1; y < height; y++, at += stride + 1) {
    const above = y ? at - stride - 1 : -1, filter = rows[at - 1];
    if (filter > 4) return false;
    for (let x = 0; filter && x < stride; x++) {
      const a = x < bytes ? 0 : rows[at + x - bytes], b = above < 0 ? 0 : rows[above + x];
      let guess = filter === 1 ? a : filter === 2 ? b : (a + b) >> 1;
      if (filter === 4) guess = paeth(a, b, x < bytes || above < 0 ? 0 : rows[above + x - bytes]);
      rows[at + x] += guess;
    }
  }
  return true;
}

function paeth(a, b, c) {
  const p = a + b - c, left = Math.abs(p - a), up = Math.abs(p - b), both = Math.abs(p - c);
  return left <= up && left <= both ? a : up <= both ? b : c;
}

function samplesOf(rows, width, height, bytes) {
  const plane = new (bytes === 1 ? Uint8Array : Uint16Array)(width * height);
  for (let y = 0, at = 0, from = 0; y < height; y++) {
    from++;
    for (let x = 0; x < width; x++, from += bytes)
      plane[at++] = bytes === 1 ? rows[from] : (rows[from] << 8) | rows[from + 1];
  }
  return plane;
}
