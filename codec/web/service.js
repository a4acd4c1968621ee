// What a worker does for `aec.js`: an engine, its models, and one job after the other.
import { Arriving } from "./arriving.js";
import { readFile } from "./container.js";
import { Decoding, MOST_PIXELS } from "./decode.js";
import { Engine } from "./engine.js";
import { AecError, refuse, refusing } from "./errors.js";
import { bytesOf, forgetOthers, loadPart, modelsOf, partUrl, unknown } from "./model.js";
import { orientationOf, turnedSize } from "./orient.js";
import { formed, FORMATS, Preview, Whole } from "./picture.js";
import { encodePng } from "./png.js";
import { helpers, sharedMemory, threadsHere } from "./threads.js";

const MOST_PREVIEWED = 2e6; // pixels of a PNG of what has come of a file

/**
 * The service of a port: `post(message, transfer)` answers; give it the messages that come. `script`: of the worker,
 * for more of them.
 */
export class Service {
  constructor(script, post) {
    this.script = script;
    this.post = post;
    this.cancelled = new Set();
    this.last = Promise.resolve(); // of the jobs, which wait for each other
    this.models = new Map(); // by id
    this.arriving = new Map(); // files that are, by the number of their stream
  }

  take(message) {
    if ("cancel" in message) this.cancelled.add(message.cancel);
    else this.last = this.last.then(() => this.job(message));
  }

  async job({ id, what, ...given }) {
    try {
      if (this.cancelled.has(id)) refuse("Cancelled", "the job was cancelled");
      const [result, transfer] = await this[what](given, id);
      this.post({ id, result }, transfer);
    } catch (error) {
      const known = error instanceof AecError;
      this.post({ id, error: { kind: known ? error.kind : "Failed", message: error?.message ?? String(error) } });
    }
    this.cancelled.delete(id);
  }

  /** `model`: a name, or {decoder, encoder}: URLs or bytes. */
  async open({ folder, wasm, threaded, model, threads, maxPixels = MOST_PIXELS }) {
    Object.assign(this, { folder, maxPixels });
    this.threads = threaded ? await threadsHere(threads) : 1;
    this.memory = this.threads > 1 ? sharedMemory() : null;
    const loading = async () => {
      if (typeof model !== "string") return loadPart((this.parts = model).decoder);
      const models = await modelsOf(folder), id = idOf(models, model);
      this.parts = partsOf(folder, id);
      const part = await loadPart(this.parts.decoder);
      forgetOthers(folder, Object.values(models)).catch(() => {}); // which nobody waits for
      return checked(part, id);
    };
    const compiling = bytesOf(this.memory ? threaded : wasm).then(compiled);
    const [module, part] = await Promise.all([compiling, loading()]);
    this.module = module;
    this.default = part.model;
    (await this.started()).models.set(part.model, this.engine.load(part));
    return [{ model: part.model, threads: this.memory ? this.threads : 1 }];
  }

  /** With an engine that works. */
  async started() {
    if (this.engine && !this.engine.broken) return this;
    this.end?.();
    if (this.engine && this.memory) this.memory = sharedMemory() ?? refuse("Failed", "there is no memory left");
    this.engine = new Engine(this.module, this.memory);
    this.models.clear();
    if (this.memory)
      this.end = await helpers(this.threads - 1, this.script, this.module, this.memory, this.engine.aec);
    return this;
  }

  /** The opened model with what encodes, which is fetched when it is asked for first. */
  async encoder() {
    await this.started();
    const { decoder, encoder } = this.parts, known = this.models.get(this.default);
    if (known?.encodes) return known;
    if (!encoder) refuse("BadOption", "the model was opened without the part that encodes");
    const parts = await Promise.all([loadPart(decoder), loadPart(encoder)]);
    const model = this.engine.load(...parts);
    known?.unload();
    this.models.set(this.default, model);
    return model;
  }

  /** The model of an id, loaded. */
  async model(id) {
    await this.started();
    if (!this.models.has(id)) {
      const parts = id === this.default ? this.parts : partsOf(this.folder, id);
      const part = await loadPart(parts.decoder).catch((error) => {
        throw id === this.default ? error : unknown(id, error);
      });
      this.models.set(id, this.engine.load(checked(part, id)));
    }
    return this.models.get(id);
  }

  /** `stream`: the one whose file this is, if it is that of one. */
  async decode({ bytes, format, fast, orient, tiles, progress, maxPixels, stream }, id) {
    const decoding = Decoding.of(bytes, maxPixels ?? this.maxPixels), { header } = decoding;
    const weights = header.lossless ? null : await this.model(header.model), sections = await decoding.sections();
    const orientation = orientationOf(sections.exif), turn = orient && format !== "samples" ? orientation : 1;
    const form = formOf(format, header.alpha), each = FORMATS[form] || header.channels;
    const whole = new Whole(header, turn);
    let done = 0;
    const total = decoding.file.tiles.length;
    for (const found of decoding.tiles(weights, this.arriving.get(stream)?.read())) {
      const tile = formed(found, header, form, turn), { x, y, width, height, data, alpha } = tile;
      if (!tiles) whole.put(tile, "data", each);
      if (!tiles && format === "samples") whole.put(tile, "alpha", 1);
      done++;
      if (progress) {
        const copy = tiles ? data : data.slice(); // what is put together is kept
        this.post({ id, progress: { done, total, x, y, width, height, data: copy, alpha } }, [copy.buffer]);
      }
      if (done < total) await this.turn(id);
    }
    const { icc, exif, xmp, cicp } = sections;
    if (format === "png") whole.planes.data = await encodePng({ ...whole, ...whole.planes, icc, cicp }, fast);
    const { channels, depth, quality, model } = header;
    const result = {
      width: whole.width, height: whole.height, channels, depth, ...whole.planes, orientation,
      icc: icc?.slice(), exif: exif?.slice(), xmp: xmp?.slice(), cicp: cicp?.slice(), quality: quality / 100, model,
    };
    return [result, Object.values(whole.planes).map((plane) => plane.buffer)];
  }

  async encode({ picture, quality, progress }, id) {
    const { Encoding } = await import("./encode.js"); // which pages that show pictures need not load
    const encoding = new Encoding(picture, quality, this.maxPixels), model = await this.encoder(), tiles = [];
    for (const tile of encoding.tiles(model)) {
      tiles.push(tile);
      if (progress) this.post({ id, progress: { done: tiles.length, total: encoding.count } });
      if (tiles.length < encoding.count) await this.turn(id);
    }
    const bytes = await encoding.file(tiles, model.id);
    return [bytes, [bytes.buffer]];
  }

  /** Where the bits of a file go. */
  async bits({ bytes, maxPixels }) {
    const { lossless, model } = readFile(bytes).header;
    const { bitsOf } = await import("./bits.js");
    const found = bitsOf(bytes, lossless ? null : await this.model(model), maxPixels ?? this.maxPixels);
    return [found, [found.values.buffer]];
  }

  /** Shows what has come of a file, by bytes that follow those of the last time: its tiles, turned, as progress. */
  async look({ stream, chunk, format, turn, maxPixels }, id) {
    if (!this.arriving.has(stream)) this.arriving.set(stream, new Arriving(maxPixels ?? this.maxPixels));
    const arriving = this.arriving.get(stream), decoding = arriving.push(chunk), { header } = decoding;
    await decoding.prepare();
    const form = format === "png" ? "rgba" : format, model = header.lossless ? null : await this.model(header.model);
    const picture = turnedSize(header, turn), show = (tile) => this.post({ id, progress: tile }, [tile.data.buffer]);
    const step = Math.ceil(Math.sqrt((header.width * header.height) / MOST_PREVIEWED));
    let tiles = 0;
    for (const found of arriving.tiles(model)) {
      const tile = formed(found, header, form, turn), { x, y, width, height, data } = tile;
      if (format === "png") (arriving.preview ??= new Preview(header, turn, step)).put(tile);
      else show({ x, y, width, height, data, picture, coarse: found.coarse });
      tiles++;
      await this.turn(id);
    }
    if (tiles && format === "png")
      show({ x: 0, y: 0, ...picture, data: await encodePng(arriving.preview, true), picture, coarse: true, step });
    return [{}];
  }

  async forget({ stream }) {
    this.arriving.delete(stream);
    return [{}];
  }

  /** Lets messages in. Raises where the job was cancelled. */
  async turn(id) {
    await macrotask();
    if (this.cancelled.has(id)) refuse("Cancelled", "the job was cancelled");
  }
}

/** The format of the samples that a picture is put together of. */
function formOf(format, transparent) {
  if (format === "png") return transparent ? "rgba" : "rgb";
  if (Object.hasOwn(FORMATS, format)) return format;
  return refuse("BadOption", `the format is ${format}, and there are ${[...Object.keys(FORMATS), "png"].join(", ")}`);
}

const partsOf = (folder, id) => ({ decoder: partUrl(folder, id, "decoder"), encoder: partUrl(folder, id, "encoder") });

function idOf(models, name) {
  const names = Object.keys(models).join(", ");
  return models[name] ?? refuse("UnknownModel", `there is no model ${name}; there are: ${names}`);
}

/** A part, which is of the model with this id. Raises BadWeights. */
function checked(part, id) {
  if (part.model !== id) refuse("BadWeights", `the model ${part.model} stands where ${id} should`);
  return part;
}

/** Without SIMD, or where a content security policy forbids it, there is none. */
const compiled = (bytes) =>
  refusing("Failed", "this browser does not run the decoder", () => WebAssembly.compile(bytes));

/** Resolves after the messages that have come; timeouts would wait for 4 ms. */
function macrotask() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
