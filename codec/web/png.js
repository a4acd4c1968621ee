// PNG: the alpha plane in an .aec file, read as strictly as Python reads it, and pictures written with their profile.
import { crc32 } from "./crc.js";
import { refuse, refusing } from "./errors.js";
import { deflated, eightBits, inflated, joined, stored, view } from "./streams.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10];
const COLOURS = { 1: 0, 3: 2, 4: 6 }; // type of colour by samples per pixel

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

/**
 * The PNG of 8-bit samples [height, width, 1, 3 or 4], with an ICC profile, code points of colours (cicp) and a block
 * of EXIF where these are given. fast: not compressed.
 */
export async function encodePng({ width, height, data: given, icc, cicp, exif }, fast = false) {
  const data = eightBits(given), channels = data.length / (width * height), stride = width * channels;
  if (!(channels in COLOURS)) {
    const size = `${width} x ${height}`;
    refuse("BadOption", `${data.length} samples are no gray, RGB or RGBA picture of ${size} pixels`);
  }
  const rows = new Uint8Array(height * (1 + stride));
  for (let y = 0; y < height; y++)
    if (fast) rows.set(data.subarray(y * stride, (y + 1) * stride), y * (1 + stride) + 1);
    else filtered(rows, data, y, stride, channels);
  const header = [...u32(width), ...u32(height), 8, COLOURS[channels], 0, 0, 0];
  const pieces = [SIGNATURE, chunk("IHDR", Uint8Array.from(header))];
  if (cicp) pieces.push(chunk("cICP", view(cicp)));
  if (icc) pieces.push(chunk("iCCP", joined([latin("ICC profile\0\0"), await deflated(view(icc))])));
  if (exif) pieces.push(chunk("eXIf", view(exif)));
  return joined([...pieces, chunk("IDAT", fast ? stored(rows) : await deflated(rows)), chunk("IEND", [])]);
}

/** Row y by the filter "up", or for the first "sub", which photographs are smaller with than without. */
function filtered(rows, data, y, stride, channels) {
  const to = y * (stride + 1) + 1, from = y * stride;
  rows[to - 1] = y ? 2 : 1;
  for (let x = 0; x < stride; x++)
    rows[to + x] = data[from + x] - (y ? data[from + x - stride] : x < channels ? 0 : data[from + x - channels]);
}

function chunk(kind, data) {
  const body = joined([latin(kind), data]);
  return joined([u32(data.length), body, u32(crc32(body))]);
}

const latin = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));

const u32 = (number) => [number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255];
