// What happens to a codec that is used by several at once, whose jobs are cancelled, whose worker dies, whose engine
// fails, and that is closed.
import { readFileSync } from "node:fs";
import { sha256 } from "./outcome.js";

const failed = (promise) => promise.then(() => "fine", (error) => error.kind ?? error.name);

export async function run(open, { small, large }) {
  const codec = await open({ model: "tiny" }), found = {};
  const [one, many] = [small, large].map((path) => readFileSync(path));
  const pixels = async () => sha256((await codec.decode(one)).data);
  found.pixels = new Set(await Promise.all([pixels(), pixels(), pixels()])).size;

  const abort = new AbortController(), seen = [];
  const progress = (tile) => {
    seen.push(tile);
    abort.abort();
  };
  found.cancelled = await failed(codec.decode(many, { progress, signal: abort.signal }));
  found.cancelledBefore = await failed(codec.decode(one, { signal: abort.signal }));
  found.after = await sha256((await codec.decode(many)).data);
  found.seen = seen.length;

  const going = failed(codec.decode(many));
  codec._worker.terminate();
  found.died = await going;
  found.again = await sha256((await codec.decode(many)).data);

  const tiles = [];
  const rest = await codec.decode(many, { tiles: true, progress: (tile) => tiles.push(tile) });
  found.tiles = tiles.map((tile) => [tile.done, tile.total, tile.x, tile.y, tile.width, tile.height, tile.data.length]);
  found.whole = rest.data ?? null;

  const last = failed(codec.decode(many));
  codec.close();
  found.closed = [await last, await failed(codec.decode(one))];
  return found;
}
