// The bytes of an .aec file, read: FORMAT.md up to "Lossless tiles". Nothing is trusted before its checksum.
import { crc32 } from "./crc.js";
import { refuse } from "./errors.js";

export const TILE = 1024; // pixels: side of the tiles that are coded on their own
export const SIGNATURE = [0xae, 0x41, 0x45, 0x43];
export const VERSION = 2;
const SMALLEST_FILE = 27; // bytes: one tile of no symbols
const SMALLEST_TILE = 9; // bytes of a tile in the header
const CRC = 4; // bytes of a checksum
const U32 = 2 ** 32 - 1;
const NO_MODEL = "00000000";
const MOST_DRAWN = 2 ** 24; // pixels of a picture with the section drawn
export const SPELLED = 3; // value of the flag suffix of a name that is not in SUFFIXES
export const SUFFIXES = ["", "png", "jpg"];
/** Parts of the flags from the lowest bit up, each with its number of bits. */
export const FLAGS = [
  ["gray", 1], ["deep", 1], ["suffix", 2], ["alpha", 1], ["icc", 1], ["exif", 1], ["xmp", 1], ["lossless", 1],
  ["rounded", 1], ["drawn", 1], ["cicp", 1], ["range", 1],
];
/** Kinds of sections, in file order. */
export const SECTIONS = ["alpha", "icc", "exif", "xmp", "drawn", "cicp", "range"];

/** A place in bytes that moves on as they are read. */
class Cursor {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  take(count) {
    if (this.at + count > this.bytes.length) refuse("Corrupt", "the header is shorter than what it describes");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  u32() {
    const [a, b, c, d] = this.take(4);
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  varint(name, low, high) {
    let value = 0;
    for (let k = 0; k < 5; k++) {
      const [byte] = this.take(1);
      value += (byte & 127) * 2 ** (7 * k);
      if (byte > 127) continue;
      if (byte === 0 && k > 0) break; // a zero on top: a second way to write the same number
      if (value < low || value > high)
        refuse("Corrupt", `the field ${name} is ${value}, outside ${low} to ${high}`);
      return value;
    }
    return refuse("Corrupt", "a number in the header is not written in its shortest form of at most 5 bytes");
  }
}

/** Where the header ends, its checksum included; Truncated where there are too few bytes to say. */
export function headerEnd(bytes) {
  if (SIGNATURE.some((byte, i) => i < bytes.length && bytes[i] !== byte))
    refuse("NotAec", "this is not an .aec file: it does not begin with the signature of one");
  if (bytes.length < SMALLEST_FILE) tooShort(`at least ${SMALLEST_FILE}`, bytes.length);
  const cursor = new Cursor(bytes, 5), size = cursor.varint("header_size", 1, 2 ** 28 - 1);
  if (bytes[4] !== VERSION)
    refuse("UnsupportedVersion", `the file has format version ${bytes[4]} and this decoder reads version ${VERSION}`);
  return cursor.at + size + CRC;
}

function tooShort(expected, found) {
  refuse("Truncated", `the file ends too early: expected ${expected} bytes, got ${found}`);
}

/**
 * The header of a file, of which at least that is there:
 * {header, tiles: [{start, size, crc, symbols}], sections: {kind: {start, size, crc}}, end, expected}, where `end` is
 * that of the header and `expected` the size of the whole file. `check(header)` may refuse it before the tiles are
 * listed. Raises NotAec, UnsupportedVersion, Truncated, Corrupt.
 */
export function readHeader(bytes, check = () => {}) {
  const end = headerEnd(bytes);
  if (bytes.length < end) tooShort(`at least ${end}`, bytes.length);
  const checked = bytes.subarray(0, end - CRC);
  if (new Cursor(bytes, checked.length).u32() !== crc32(checked))
    refuse("Corrupt", "the header is damaged: its checksum does not match");
  const cursor = new Cursor(checked, 5);
  cursor.varint("header_size", 1, 2 ** 28 - 1);
  const { header, parts } = readPicture(cursor);
  const count = tileCount(header);
  if (count * SMALLEST_TILE > checked.length - cursor.at) {
    const size = `${header.width} x ${header.height}`;
    refuse("Corrupt", `${size} px need ${count} tiles, more than the header has room for`);
  }
  check(header);
  let position = end;
  const place = (name, low, high) => {
    const size = cursor.varint(name, low, high), found = { start: position, size, crc: cursor.u32() };
    position += size;
    return found;
  };
  const tiles = [], sections = {};
  for (let i = 0; i < count; i++) {
    const tile = place("payload_size", 0, 2 ** 28 - 1);
    tiles.push({ ...tile, symbols: cursor.u32() });
  }
  for (const kind of SECTIONS) if (parts[kind]) sections[kind] = place("section_size", 1, U32);
  if (cursor.at !== checked.length) refuse("Corrupt", "the header is longer than what it describes");
  return { header, tiles, sections, end, expected: position };
}

/** The group `picture` and what follows from its flags. */
function readPicture(cursor) {
  const model = Array.from(cursor.take(4), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const flags = cursor.varint("flags", 0, U32);
  const width = cursor.varint("width", 1, 2 ** 30), height = cursor.varint("height", 1, 2 ** 30);
  const quality = cursor.varint("quality", 100, 10000), parts = splitFlags(flags);
  const suffix = parts.suffix === SPELLED ? readSuffix(cursor) : SUFFIXES[parts.suffix];
  const header = {
    width, height, quality, model, suffix,
    channels: parts.gray ? 1 : 3,
    depth: parts.deep ? 16 : 8,
    alpha: !!parts.alpha,
    lossless: !!parts.lossless,
    rounded: !!parts.rounded,
  };
  if (header.lossless !== (model === NO_MODEL))
    refuse("Corrupt", `the header names model ${model} for a picture whose flag lossless is ${header.lossless}`);
  if (header.rounded && !header.lossless) refuse("Corrupt", "the header has the flag rounded without lossless");
  if (parts.range && header.depth !== 16)
    refuse("Corrupt", "the header has the flag range for a picture of 8 bits");
  if (parts.drawn && (header.lossless || header.depth !== 8 || width * height > MOST_DRAWN))
    refuse("Corrupt", "the header has the flag drawn with lossless or deep, or for a picture too large for it");
  return { header, parts };
}

function splitFlags(flags) {
  const parts = {};
  let rest = flags;
  for (const [name, bits] of FLAGS) {
    parts[name] = rest % 2 ** bits;
    rest = Math.floor(rest / 2 ** bits);
  }
  if (rest)
    refuse("UnsupportedVersion", `the file uses features that this decoder does not know (flags ${flags})`);
  return parts;
}

function readSuffix(cursor) {
  const [size] = cursor.take(1);
  if (size < 1 || size > 8) refuse("Corrupt", `the field suffix is ${size}, outside 1 to 8`);
  const suffix = String.fromCharCode(...cursor.take(size));
  if (!/^[a-z0-9]+$/.test(suffix) || SUFFIXES.includes(suffix))
    refuse("Corrupt", "the suffix is not lower-case letters and digits, or has a flag of its own");
  return suffix;
}

export const tileCount = (header) => Math.ceil(header.width / TILE) * Math.ceil(header.height / TILE);

/** The same of a file that is whole: Truncated and Corrupt where it ends too early or goes on. */
export function readFile(bytes, check) {
  const file = readHeader(bytes, check);
  if (bytes.length < file.expected) tooShort(file.expected, bytes.length);
  if (bytes.length > file.expected)
    refuse("Corrupt", `the file goes on after its end: expected ${file.expected} bytes, got ${bytes.length}`);
  return file;
}

/** The content of a place, its checksum tested. */
function contentOf(bytes, { start, size, crc }, name) {
  const content = bytes.subarray(start, start + size);
  if (crc32(content) !== crc) refuse("Corrupt", `${name} is damaged: its checksum does not match`);
  return content;
}

export const payloadOf = (bytes, file, number) =>
  contentOf(bytes, file.tiles[number], `tile ${number + 1} of ${file.tiles.length}`);

/** The content of a section, undefined where the file has none of that kind. */
export function sectionOf(bytes, file, kind) {
  if (!file.sections[kind]) return undefined;
  const content = contentOf(bytes, file.sections[kind], `section ${kind}`);
  if (kind === "cicp" && !isCicp(content))
    refuse("Corrupt", "the section cicp does not hold code points of RGB colours");
  if (kind === "range" && !isRange(content))
    refuse("Corrupt", "the section range does not hold a least and a greatest sample");
  return content;
}

/** Whether these are code points of RGB colours. */
export const isCicp = (content) => content.length === 4 && content[2] === 0 && content[3] < 2;

const isRange = (content) => content.length === 4 && rangeOf(content).low <= rangeOf(content).high;

export const rangeOf = ([a, b, c, d]) => ({ low: a | (b << 8), high: c | (d << 8) });
