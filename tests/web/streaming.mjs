// Gives a file in pieces of so many bytes: the tiles that are shown meanwhile, and the picture in the end;
// the last two of them as files in the folder `keep`, if that is given.
import { readFileSync, writeFileSync } from "node:fs";
import { sha256 } from "./outcome.js";

export async function run(open, { file, piece, options, keep }) {
  const codec = await open(), bytes = readFileSync(file), shown = [];
  const progress = ({ data, ...tile }) => shown.push({ ...tile, size: data.length, data });
  const stream = codec.stream({ ...options, progress });
  let known = 0; // bytes at which the header was there
  try {
    for (let at = 0; at < bytes.length; at += piece) {
      if (stream.push(bytes.subarray(at, at + piece)) && !known) known = at + piece;
      do await new Promise((resolve) => setTimeout(resolve, 1));
      while (codec.busy);
    }
    const { data, ...picture } = await stream.end();
    if (keep) {
      writeFileSync(`${keep}/last.png`, shown.at(-1).data);
      writeFileSync(`${keep}/end.png`, data);
    }
    for (const tile of shown) tile.data = await sha256(tile.data);
    return { shown, known, picture: { ...picture, data: await sha256(data) } };
  } catch (error) {
    return { error: error.kind ?? error.name, message: error.message, shown: shown.length };
  } finally {
    codec.close();
  }
}
