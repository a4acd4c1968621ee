// Decodes files with these options; the picture of each, or its error.
import { readFileSync } from "node:fs";
import { outcome } from "./outcome.js";

export async function run(open, { files, options, opening }) {
  const codec = await open(opening), found = [];
  for (const file of files) found.push(await outcome(codec, readFileSync(file), options));
  codec.close();
  return found;
}
