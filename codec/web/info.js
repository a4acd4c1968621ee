// What a file says of itself.
import { readHeader } from "./container.js";
import { view } from "./streams.js";

/** What a file says of itself, without decoding a pixel. Raises AecError. */
export const info = (bytes) => described(readHeader(view(bytes)));

/** The same of what `readHeader` gives. */
export function described({ header, tiles, sections, end, expected }) {
  const sizes = { header: end, tiles: tiles.reduce((sum, tile) => sum + tile.size, 0) };
  for (const [kind, { size }] of Object.entries(sections)) sizes[kind] = size;
  return { ...header, quality: header.quality / 100, tiles: tiles.length, bytes: { ...sizes, file: expected } };
}
