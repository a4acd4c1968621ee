// Threads of the engine: workers that are instances of the same module in the same memory, see `threads.c`.

const MOST = 4; // beyond, a picture of one tile gains little
const PAGES = { initial: 64, maximum: 1 << 14 }; // of 64 KiB: those of `build.py`
const STACK = 1 << 18; // bytes of each

/** How many threads there may be here: one where the page is not isolated from others. */
export async function threadsHere() {
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

/** Becomes a thread of the engine that started this worker, for ever. */
export function help({ module, memory, stack }) {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  exports.__stack_pointer.value = stack;
  exports.aec_help();
}
