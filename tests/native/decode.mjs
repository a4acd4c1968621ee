// Decodes tiles with the native engine in WebAssembly: loads a weight file as it lies on disk, and prints for each tile
// the SHA-256 of its latents and of its samples.
// Usage: node decode.mjs LIBRARY.wasm SIMD WEIGHTS TILES, of a file that tests/native/wasm.py writes.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const [library, simd, weights, tiles] = process.argv.slice(2);
const TYPES = ["I8", "I16", "I32", "F32"]; // by number in aec.h
const SIZES = "latent hyper anchors prior prior_mid width deep render synthesis_blocks analysis_blocks".split(" ");
const TENSOR = 56; // bytes of an aec_tensor where pointers take 4

const aec = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(library)), {}).exports;
aec._initialize();
const view = () => new DataView(aec.memory.buffer); // anew each time, as memory that grows leaves its old buffer

function allocated(size) {
  const at = aec.malloc(size);
  if (!at) throw new Error(`no memory for ${size} bytes`);
  return at >>> 0;
}

function put(bytes) {
  const at = allocated(bytes.length || 1);
  new Uint8Array(aec.memory.buffer).set(bytes, at);
  return at;
}

const text = (string) => put(Buffer.from(string + "\0"));
const sha256 = (at, size) => createHash("sha256").update(new Uint8Array(aec.memory.buffer, at, size)).digest("hex");

function load(file) {
  const start = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(file.toString("utf8", 8, start));
  const data = put(file.subarray(start));
  const names = Object.keys(entries);
  const config = put(new Uint8Array(Int32Array.from(SIZES, (size) => JSON.parse(metadata.config)[size]).buffer));
  const tensors = allocated(TENSOR * names.length);
  names.forEach((name, i) => {
    const { dtype, shape, data_offsets: [begin, end] } = entries[name];
    const at = tensors + TENSOR * i, of = text(name), memory = view();
    memory.setUint32(at, of, true);
    memory.setUint32(at + 4, data + begin, true);
    memory.setBigInt64(at + 8, BigInt(end - begin), true);
    for (let k = 0; k < 4; k++) memory.setBigInt64(at + 16 + 8 * k, BigInt(shape[k] ?? 0), true);
    memory.setInt32(at + 48, shape.length, true);
    memory.setInt32(at + 52, TYPES.indexOf(dtype), true);
  });
  const message = put(Buffer.alloc(240));
  const model = aec.aec_load(config, tensors, BigInt(names.length), message, 240n);
  if (!model) throw new Error(Buffer.from(aec.memory.buffer, message, 240).toString().split("\0")[0]);
  return { model, latent: view().getInt32(config, true) };
}

function decode({ model, latent }, tile) {
  const { quality, h, w, halo, height, width, channels, depth } = tile;
  const payload = Buffer.from(tile.payload, "base64");
  const sizes = { latents: h * w * latent * 4, samples: (height * width * channels * depth) / 8 };
  const latents = allocated(sizes.latents), samples = allocated(sizes.samples), found = allocated(16);
  const input = put(payload), around = put(new Uint8Array(Int32Array.from(halo).buffer));
  const result =
    aec.aec_read(model, quality, input, BigInt(payload.length), h, w, latents, found, 0, 0, 0, found + 8) ||
    aec.aec_render(model, quality, latents, h, w, around, height, width, channels, depth, samples);
  if (result) throw new Error(`result ${result}`);
  if (view().getUint32(found, true) !== tile.symbols_crc) throw new Error("other symbols");
  const sums = `${sha256(latents, sizes.latents)} ${sha256(samples, sizes.samples)}`;
  [latents, samples, found, input, around].forEach((at) => aec.free(at));
  return sums;
}

if (!aec.aec_use(text(simd))) throw new Error(`this library lacks ${simd}`);
const loaded = load(readFileSync(weights));
for (const tile of JSON.parse(readFileSync(tiles))) console.log(decode(loaded, tile));
