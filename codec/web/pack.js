// The bytes of an .aec file, written.
import { FLAGS, SECTIONS, SIGNATURE, SPELLED, SUFFIXES, VERSION } from "./container.js";
import { crc32 } from "./crc.js";
import { joined } from "./streams.js";

/** The file of a header with `model` as hexadecimal digits, tiles {payload, symbols} and sections {kind: bytes}. */
export function pack(header, tiles, sections) {
  const spelled = !SUFFIXES.includes(header.suffix), present = SECTIONS.filter((kind) => sections[kind]);
  const parts = {
    ...header, ...Object.fromEntries(present.map((kind) => [kind, 1])),
    gray: header.channels === 1,
    deep: header.depth === 16,
    suffix: spelled ? SPELLED : SUFFIXES.indexOf(header.suffix),
    alpha: present.includes("alpha"),
  };
  let flags = 0, shift = 0;
  for (const [name, bits] of FLAGS) {
    flags += Number(parts[name] ?? 0) * 2 ** shift;
    shift += bits;
  }
  const described = header.model.match(/../g).map((digits) => parseInt(digits, 16));
  for (const number of [flags, header.width, header.height, header.quality]) described.push(...varint(number));
  if (spelled) described.push(header.suffix.length, ...Array.from(header.suffix, (c) => c.charCodeAt(0)));
  for (const { payload, symbols } of tiles)
    described.push(...varint(payload.length), ...u32(crc32(payload)), ...u32(symbols));
  for (const kind of present) described.push(...varint(sections[kind].length), ...u32(crc32(sections[kind])));
  const checked = [...SIGNATURE, VERSION, ...varint(described.length), ...described];
  const pieces = [checked, u32(crc32(checked)), ...tiles.map((tile) => tile.payload)];
  return joined([...pieces, ...present.map((kind) => sections[kind])]);
}

const u32 = (number) => [number & 255, (number >>> 8) & 255, (number >>> 16) & 255, number >>> 24];

function varint(number) {
  const groups = [];
  for (; number > 127; number = Math.floor(number / 128)) groups.push((number % 128) | 128);
  return [...groups, number];
}
