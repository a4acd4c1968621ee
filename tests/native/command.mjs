// Runs a WASI program with these arguments; the folder is all it sees of the disk, as its root.
// Usage: node command.mjs PROGRAM.wasm FOLDER ARGUMENT...
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [path, folder, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [path, ...args], preopens: { "/": folder } });
const program = new WebAssembly.Module(readFileSync(path));
process.exitCode = wasi.start(new WebAssembly.Instance(program, wasi.getImportObject()));
