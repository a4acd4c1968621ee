// PNG: pictures written with their profile.
import { crc32 } from "./crc.js";
import { refuse } from "./errors.js";
import { deflated, eightBits, joined, stored, view } from "./streams.js";

export const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10];
const COLOURS = { 1: 0, 3: 2, 4: 6 }; // type of colour by samples per pixel

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

export const u32 = (number) => [number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255];
