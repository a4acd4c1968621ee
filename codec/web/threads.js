// Threads of the engine: workers that are instances of the same module in the same memory, see `threads.c`.
import { refuse } from "./errors.js";

const MOST = 4; // if not asked for more: a picture of one tile gains little
const MOST_ASKED = 32;
const PAGES = { initial: 64, maximum: 1 << 14 }; // of 64 KiB: those of `build.py`
const STACK = 1 << 18; // bytes of each

/** How many threads there are, if so many are asked for; one where the page is not isolated from others. */
export async function threadsHere(asked) {
  if (asked !== undefined) {
    if (Number.isInteger(asked) && asked >= 1 && asked <= MOST_ASKED) return asked;
    refuse("BadOption", `threads is ${asked}, outside 1 to ${MOST_ASKED}`);
  }
  if (typeof process === "object") return Math.min(MOST, (await import("node:os")).availableParallelism());
  return globalThis.crossOriginIsolated ? Math.min(MOST, navigator.hardwareConcurrency) : 1;
}

/** The memory that threads share; null where it is not to be had. */
export function sharedMemory() {
  try {
    return new WebAssembly.Memory({ ...PAGES, shared: true });
  } catch {
    return null;
  }
}

/** Starts helpers of an engine with shared memory, workers of a script; work does not wait for them. Returns what ends
 * them. */
export async function helpers(count, script, module, memory, { malloc }) {
  const workers = [], isNode = typeof process === "object";
  const { Worker: Kind } = isNode ? await import("node:worker_threads") : globalThis;
  for (let i = 0; i < count; i++) {
    const stack = malloc(STACK), worker = new Kind(script, { type: "module" });
    worker.unref?.();
    worker.on?.("error", () => {}); // where workers cannot start, there are fewer
    worker.postMessage({ help: { module, memory, stack: stack + STACK } });
    workers.push(worker);
  }
  return () => workers.forEach((worker) => worker.terminate());
}

/** Becomes a thread of the engine that started this worker, until it fails, which ends what the engine does. */
export function help({ module, memory, stack }) {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  exports.__stack_pointer.value = stack;
  try {
    exports.aec_help();
  } catch {
    exports.aec_lost();
  }
}
