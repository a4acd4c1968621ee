// The codec for pages and for Node: `open` starts a worker, which decodes and encodes. README.md beside this file.
import { AecError, refusing } from "./errors.js";
import { Stream } from "./streaming.js";
import { eightBits, view } from "./streams.js";

export { AecError };
export { info } from "./info.js";

/** The bytes of a PNG: see aec.d.ts. Rejects with an AecError. */
export const encodePng = async (picture) => (await import("./png.js")).encodePng(picture);

/**
 * A Codec whose model is loaded.
 * model: a name of those in `models`, "default" if not given; or its decoder's part, or {decoder, encoder}, as URLs or
 * bytes. models: the folder of the models, URL. wasm, threaded, worker: URLs, or bytes and a Worker that was made
 * elsewhere. threads: as many as there are processors, up to 4, if not given; one where a page is not cross-origin
 * isolated, or threaded is null. maxPixels: larger pictures are refused. Rejects with an AecError.
 */
export async function open({
  model = "default",
  models = new URL("models/", import.meta.url),
  wasm = new URL("aec.wasm", import.meta.url),
  threaded = new URL("aec-threads.wasm", import.meta.url),
  worker = new URL("worker.js", import.meta.url),
  threads,
  maxPixels,
} = {}) {
  const parts = typeof model === "string" || model.decoder ? model : { decoder: model };
  const folder = plain(String(models).replace(/\/*$/, "/")), modules = { wasm: plain(wasm), threaded: plain(threaded) };
  const opening = { folder, ...modules, model: plainParts(parts), threads, maxPixels };
  const codec = new Codec(typeof worker === "string" ? plain(worker) : worker, opening);
  await codec.ready;
  return codec;
}

const STARTING = "the decoder's worker cannot start: it cannot be loaded, or the page's security policy forbids it";

/** What a worker can be sent: a URL as a string, which is relative to the page. */
const plain = (source) =>
  source instanceof URL || typeof source === "string" ? new URL(source, globalThis.document?.baseURI).href : source;

const plainParts = (model) =>
  typeof model === "string" ? model : Object.fromEntries(Object.entries(model).map(([k, part]) => [k, plain(part)]));

export class Codec {
  constructor(worker, opening) {
    Object.assign(this, { _source: worker, _opening: opening, _jobs: new Map(), _next: 0, _closed: false });
    this.ready = this._start();
  }

  /** A picture: see aec.d.ts. Rejects with AecError, or with the signal's reason. */
  async decode(bytes, { format = "rgba", orient = true, tiles = false, progress, signal, ...more } = {}) {
    const copy = view(bytes).slice(); // what the caller has stays with the caller
    const { fast = false, maxPixels, stream } = more;
    const given = { bytes: copy, format, fast, orient, tiles, progress: !!progress, maxPixels, stream };
    return this._job("decode", given, [copy.buffer], { progress, signal });
  }

  /** The bytes of the .aec file of 8-bit samples, gray, RGB or RGBA: see aec.d.ts. Rejects as `decode`. */
  async encode({ width, height, data, icc, exif, xmp, cicp } = {}, { quality = 60, progress, signal } = {}) {
    const samples = eightBits(data).slice(), picture = { width, height, data: samples, icc, exif, xmp, cicp };
    return this._job("encode", { picture, quality, progress: !!progress }, [samples.buffer], { progress, signal });
  }

  /** Where the bits of a file go: see aec.d.ts. Rejects as `decode`. */
  async bits(bytes, { signal, maxPixels } = {}) {
    const copy = view(bytes).slice();
    return this._job("bits", { bytes: copy, maxPixels }, [copy.buffer], { signal });
  }

  /** A Stream, for a file that is still arriving: see aec.d.ts. */
  stream(options = {}) {
    return new Stream(this, options);
  }

  /** Whether jobs wait for the worker. */
  get busy() {
    return this._jobs.size > 0;
  }

  /** Ends the worker; what it has not done is rejected. */
  close() {
    this._closed = true;
    this._fail(new AecError("Closed", "the codec was closed"));
  }

  async _start() {
    const own = (this._own = {}), heeded = (fn) => (value) => own === this._own && fn(value); // of no worker before
    const answer = heeded((message) => this._answer(message)), died = heeded((error) => this._died(error));
    try {
      const source = this._source;
      if (typeof source === "object" && "onmessage" in source) this._source = ""; // it can be had once
      if (!source) throw new AecError("Failed", "the worker that was given has ended");
      this._worker = await started(source, answer, died);
      if (this._closed) throw new AecError("Closed", "the codec was closed"); // meanwhile
      const { model, threads } = await this._ask("open", this._opening);
      Object.assign(this, { model, threads });
    } catch (error) {
      this._fail(error);
      throw error;
    }
  }

  async _job(what, given, transfer, listening) {
    const closed = new AecError("Closed", "the codec was closed");
    listening.signal?.throwIfAborted();
    if (this._closed) throw closed;
    if (!this._own) this.ready = this._start(); // the one before died
    await this.ready;
    listening.signal?.throwIfAborted();
    if (this._closed) throw closed;
    return this._ask(what, given, transfer, listening);
  }

  _ask(what, given, transfer = [], { progress, signal } = {}) {
    const id = this._next++;
    return new Promise((resolve, reject) => {
      const abort = () => {
        this._worker?.postMessage({ cancel: id });
        settle(() => reject(signal.reason));
      };
      const settle = (fn) => {
        signal?.removeEventListener("abort", abort);
        this._jobs.delete(id);
        if (!this._jobs.size) this._worker?.unref?.(); // Node ends when nobody waits
        fn();
      };
      signal?.addEventListener("abort", abort);
      const [fine, failed] = [resolve, reject].map((end) => (value) => settle(() => end(value)));
      this._jobs.set(id, { progress, resolve: fine, reject: failed });
      this._worker.ref?.();
      this._worker.postMessage({ id, what, ...given }, transfer);
    });
  }

  _answer({ id, progress, result, error }) {
    const job = this._jobs.get(id);
    if (progress) job?.progress?.(progress);
    else if (error) job?.reject(new AecError(error.kind, error.message));
    else job?.resolve(result);
  }

  _died(error) {
    const isUnsaid = error && !error.message; // an Event: the script or one that it imports did not come
    const ended = `the decoder's worker ended (${error?.message ?? "for no known reason"})`;
    this._fail(new AecError("Failed", isUnsaid ? STARTING : ended));
  }

  /** Lets go of the worker; the next job starts another. */
  _fail(error) {
    this._worker?.terminate();
    this._worker = this._own = null;
    for (const job of [...this._jobs.values()]) job.reject(error);
  }
}

/** A worker, of a browser or of Node, of a URL or one that was made already. */
async function started(source, onMessage, onError) {
  if (typeof Worker === "undefined") {
    const { Worker: NodeWorker } = await import("node:worker_threads");
    const worker = new NodeWorker(source);
    worker.on("message", onMessage).on("error", onError).on("exit", () => onError());
    worker.unref();
    return worker;
  }
  const made = () => new Worker(sameOrigin(source), { type: "module" });
  const worker = source instanceof Worker ? source : await refusing("Failed", STARTING, made);
  worker.onmessage = ({ data }) => onMessage(data);
  worker.onerror = onError;
  return worker;
}

/** The URL of a script; of another host's, that of one of the page's own which imports it, as browsers want it. */
function sameOrigin(url) {
  if (new URL(url).origin === location.origin || !/^https?:/.test(url)) return url;
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(String(url))};`], { type: "text/javascript" }));
}
