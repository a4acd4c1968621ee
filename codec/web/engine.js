// The native engine in WebAssembly: aec.h on arrays. Latents are Int32Arrays [h, w, M] in 2^-12, sizes are positions of
// 16 x 16 pixels, qualities hundredths.
import { AecError, refuse } from "./errors.js";

export const STRIDE = 16; // pixels per position
export const HYPER_STRIDE = 4; // positions per symbol of z, along an axis
const SIZES = [
  "latent", "hyper", "anchors", "prior", "prior_mid", "width", "deep", "render", "synthesis_blocks", "analysis_blocks",
];
const TYPES = { I8: 0, I16: 1, I32: 2 };
const TENSOR = 56; // bytes of an aec_tensor where pointers take 4
const MESSAGE = 240; // bytes
const MEMORY = 1; // of aec_result
const CORRUPT = {
  4: (size) => `${size} bytes cannot be the entropy-coded data of a tile`,
  5: () => "the entropy-coded data begin with an impossible state",
  6: (_, count) => `the entropy-coded data end before their symbol ${count}`,
  7: () => "the tile holds a symbol beyond ±16384",
  8: (_, count) => `the entropy-coded data do not end after ${count} symbols`,
  9: () => "the entropy-coded data are not in their shortest form",
};
const DESYNCED = "the decoded symbols do not match their checksum: the file is damaged";

/** An instance of the library; a trap leaves it unfit for more, see `broken`. */
export class Engine {
  /** Of a compiled module, and the memory it shares with others if it is one for threads. */
  constructor(module, memory) {
    const { exports } = new WebAssembly.Instance(module, memory ? { env: { memory } } : {});
    this.aec = exports;
    this.memory = memory ?? exports.memory;
    this.broken = false;
    exports._initialize();
  }

  /** Runs `fn` with what takes memory, all of which is given back after it. Raises AecError. */
  run(fn) {
    const taken = [];
    const take = (size) => {
      const at = this.aec.malloc(size) >>> 0;
      if (!at) refuse("TooLarge", "the decoder has no memory left for a picture of this size");
      taken.push(at);
      return at;
    };
    try {
      return fn(take);
    } catch (error) {
      if (error instanceof AecError) throw error;
      this.broken = true;
      throw new AecError("Failed", `the decoder failed (${error.message})`);
    } finally {
      if (!this.broken) for (const at of taken) this.aec.free(at);
    }
  }

  bytes(at, size) {
    return new Uint8Array(this.memory.buffer, at, size);
  }

  ints(at, count) {
    return new Int32Array(this.memory.buffer, at, count);
  }

  put(take, data) {
    const at = take(data.byteLength || 1);
    this.bytes(at, data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return at;
  }

  /** A Model of parts as of `model.js`: of a decoder, or of that and an encoder. Raises BadWeights. */
  load(...parts) {
    const tensors = parts.flatMap((part) => part.tensors), { config, model } = parts[0];
    if (parts.some((part) => part.model !== model)) refuse("BadWeights", "the parts are of two models");
    return this.run((take) => {
      const text = (string) => this.put(take, new TextEncoder().encode(`${string}\0`));
      const at = take(TENSOR * tensors.length), message = take(MESSAGE);
      tensors.forEach(({ name, dtype, shape, data }, i) => {
        const here = at + TENSOR * i, of = text(name), where = this.put(take, data);
        const view = new DataView(this.memory.buffer);
        view.setUint32(here, of, true);
        view.setUint32(here + 4, where, true);
        view.setBigInt64(here + 8, BigInt(data.length), true);
        for (let k = 0; k < 4; k++) view.setBigInt64(here + 16 + 8 * k, BigInt(shape[k] ?? 0), true);
        view.setInt32(here + 48, shape.length, true);
        view.setInt32(here + 52, TYPES[dtype], true);
      });
      const sizes = this.put(take, Int32Array.from(SIZES, (size) => config[size]));
      const handle = this.aec.aec_load(sizes, at, BigInt(tensors.length), message, BigInt(MESSAGE));
      if (!handle) {
        const sentence = new TextDecoder().decode(this.bytes(message, MESSAGE).slice());
        refuse("BadWeights", sentence.split("\0")[0]);
      }
      const tables = tensors.filter(({ name }) => name.startsWith("table."));
      return new Model(this, handle, model, config, tables, parts.length > 1);
    });
  }
}

/** A loaded model: `id` in hexadecimal digits, `config`, `tables` of frequencies as tensors, whether it `encodes`. */
export class Model {
  constructor(engine, handle, id, config, tables, encodes) {
    Object.assign(this, { engine, handle, id, config, tables, encodes });
  }

  get channels() {
    return this.config.latent;
  }

  /** Positions around a window that its pixels depend on. */
  get synthesisHalo() {
    return this.config.synthesis_blocks + 3;
  }

  /** Positions around a window that its latents depend on. */
  get analysisHalo() {
    return this.config.analysis_blocks + 3;
  }

  unload() {
    if (!this.engine.broken) this.engine.aec.aec_unload(this.handle);
  }

  /** The latents of a tile's payload. Raises Corrupt. */
  read(payload, symbols, quality, h, w) {
    return this.engine.run((take) => this._read(take, [0, 0, 0], payload, symbols, quality, h, w));
  }

  /**
   * What a payload holds, on the tile's grid of H x W positions, multiples of HYPER_STRIDE: {symbols, rows, hyper},
   * residuals and table rows [M, H, W], symbols of z [Z, H / HYPER_STRIDE, W / HYPER_STRIDE]. Raises Corrupt.
   */
  symbols(payload, checksum, quality, h, w) {
    const { engine } = this, hypers = Math.ceil(h / HYPER_STRIDE) * Math.ceil(w / HYPER_STRIDE);
    const counts = { y: hypers * HYPER_STRIDE ** 2 * this.channels, z: hypers * this.config.hyper };
    return engine.run((take) => {
      const [symbols, rows, hyper] = [take(4 * counts.y), take(counts.y), take(4 * counts.z)];
      this._read(take, [symbols, rows, hyper], payload, checksum, quality, h, w);
      return {
        symbols: engine.ints(symbols, counts.y).slice(),
        rows: engine.bytes(rows, counts.y).slice(),
        hyper: engine.ints(hyper, counts.z).slice(),
      };
    });
  }

  _read(take, places, payload, symbols, quality, h, w) {
    const { engine } = this, count = h * w * this.channels;
    const latents = take(4 * count), found = take(16), data = engine.put(take, payload), size = payload.length;
    const result = engine.aec.aec_read(
      this.handle, quality, data, BigInt(size), h, w, latents, found, ...places, found + 8);
    const view = new DataView(engine.memory.buffer, found, 16);
    if (CORRUPT[result]) refuse("Corrupt", CORRUPT[result](size, view.getBigInt64(8, true)));
    done(result);
    if (view.getUint32(0, true) !== symbols) refuse("Corrupt", DESYNCED);
    return engine.ints(latents, count).slice();
  }

  /**
   * {latents, reached} of the first bytes of a tile's payload, however few: means are in place of what has not come;
   * `reached` is 0 where that is no picture yet, to 5, the whole. Raises Corrupt.
   */
  peek(start, quality, h, w) {
    const { engine } = this, count = h * w * this.channels;
    return engine.run((take) => {
      const latents = take(4 * count), found = take(16), data = engine.put(take, start), size = start.length;
      const result = engine.aec.aec_peek(
        this.handle, quality, data, BigInt(size), h, w, latents, found, found + 8);
      const view = new DataView(engine.memory.buffer, found, 16);
      if (CORRUPT[result]) refuse("Corrupt", CORRUPT[result](size, view.getBigInt64(8, true)));
      done(result);
      return { latents: engine.ints(latents, count).slice(), reached: view.getInt32(0, true) };
    });
  }

  /**
   * The samples [height, width, channels], Uint8Array or for depth 16 Uint16Array, of the latents [h, w, M] that
   * `fill(array)` writes, but for those of the halo (positions at top, bottom, left and right).
   */
  render(fill, quality, h, w, halo, { height, width, channels, depth }) {
    const { engine } = this, count = h * w * this.channels, size = (height * width * channels * depth) / 8;
    return engine.run((take) => {
      const latents = take(4 * count), pixels = take(size), around = engine.put(take, Int32Array.from(halo));
      fill(engine.ints(latents, count));
      done(engine.aec.aec_render(this.handle, quality, latents, h, w, around, height, width, channels, depth, pixels));
      const samples = engine.bytes(pixels, size).slice();
      return depth === 16 ? new Uint16Array(samples.buffer) : samples;
    });
  }

  /**
   * Payload and checksum, {payload, symbols}, of a tile of h x w positions: of samples Uint8Array [height, width,
   * channels] that it lies in with this halo.
   */
  write(samples, quality, h, w, halo, { height, width, channels }) {
    const { engine } = this, { aec } = engine;
    return engine.run((take) => {
      const latents = take(4 * h * w * this.channels), room = Number(aec.aec_room(this.handle, h, w));
      const pixels = engine.put(take, samples), around = engine.put(take, Int32Array.from(halo));
      const stride = BigInt(width * channels);
      done(aec.aec_analyse(
        this.handle, quality, pixels, stride, height, width, channels, 8, around, latents));
      const words = take(4 * room), found = take(16);
      done(aec.aec_write(this.handle, quality, latents, h, w, words, BigInt(room), found + 8, found));
      const view = new DataView(engine.memory.buffer, found, 16), size = 4 * Number(view.getBigInt64(8, true));
      const payload = engine.bytes(words + 4 * room - size, size).slice();
      return { payload, symbols: view.getUint32(0, true) };
    });
  }
}

function done(result) {
  if (result === MEMORY) refuse("TooLarge", "the decoder has no memory left for a picture of this size");
  if (result) refuse("BadOption", "the engine was given sizes that it does not take");
}
