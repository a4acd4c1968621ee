// Where the bits of files go.
import { readFileSync } from "node:fs";

export async function run(open, { files }) {
  const codec = await open({}), found = [];
  for (const file of files) {
    const { width, height, values } = await codec.bits(readFileSync(file));
    found.push({ width, height, values: [...values] });
  }
  codec.close();
  return found;
}
