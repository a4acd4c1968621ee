// The files of pictures [{path of samples, width, height, alpha...}], written beside them; or the errors.
import { readFileSync, writeFileSync } from "node:fs";

export async function run(open, { pictures, opening }) {
  const codec = await open(opening), found = [];
  for (const { samples, metadata = {}, options, ...size } of pictures)
    try {
      for (const kind of Object.keys(metadata)) metadata[kind] = Buffer.from(metadata[kind], "base64");
      const data = new Uint8ClampedArray(readFileSync(samples));
      const file = await codec.encode({ ...size, ...metadata, data }, options);
      writeFileSync(`${samples}.aec`, file);
      found.push({ bytes: file.length });
    } catch (error) {
      found.push({ error: error.kind ?? error.name, message: error.message });
    }
  codec.close();
  return found;
}
