// A codec of three threads, of which one fails once.
import { readFileSync } from "node:fs";
import { sha256 } from "./outcome.js";

const MOST = 60; // pictures until the thread that fails has had a part in one

export async function run(open, { path }) {
  const codec = await open({ model: "tiny", threads: 3, worker: new URL("starving.mjs", import.meta.url) });
  const decode = async () => sha256((await codec.decode(readFileSync(path), { format: "samples" })).data), pixels = [];
  let failed = null;
  for (let i = 0; i < MOST && !failed; i++)
    await decode().then((sum) => pixels.push(sum), (error) => (failed = error.kind));
  for (let i = 0; i < 3; i++) pixels.push(await decode());
  codec.close();
  return { failed, pixels };
}
