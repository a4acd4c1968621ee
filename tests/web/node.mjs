// Usage: node node.mjs SCRIPT, whose function `run(open, given)` gets the JSON of stdin; what it returns is printed as
// JSON.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { run } = await import(pathToFileURL(process.argv[2]));
const { package: folder, ...given } = JSON.parse(readFileSync(0, "utf8"));
const module = await import(new URL("aec.js", pathToFileURL(`${folder}/`)));
const models = pathToFileURL(`${given.models}/`);
const result = await run((options) => module.open({ models, ...options }), given, module);
process.stdout.write(JSON.stringify(result));
