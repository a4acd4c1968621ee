// Models as `codec/web/parts.py` packs them: fetched once, kept in the browser's cache, their SHA-256 checked.
import { AecError, refuse, refusing } from "./errors.js";
import { inflated } from "./streams.js";

const FORMAT = "aecodec web 1";
const CACHE = "aecodec";
const MOST = 64 << 20; // bytes of an unpacked part
const BYTES = { I8: 1, I16: 2, I32: 4 };

/** The bytes at a URL, or given; `asked`: options of `fetch`. */
export async function bytesOf(source, asked) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  const url = new URL(source);
  if (url.protocol === "file:" && typeof process === "object")
    return new Uint8Array(await (await import("node:fs/promises")).readFile(url));
  return new Uint8Array(await (await fetched(url, asked)).arrayBuffer());
}

async function fetched(url, asked) {
  const reply = await fetch(url, asked).catch((error) =>
    refuse("UnknownModel", `${url} cannot be loaded: ${error.message}`));
  if (!reply.ok) refuse("UnknownModel", `${url} cannot be loaded: ${reply.status} ${reply.statusText}`);
  return reply;
}

/** A part's {model, part, config, tensors: [{name, dtype, shape, data}]}, of bytes or a URL. Raises BadWeights. */
export async function loadPart(source) {
  const isUrl = typeof source === "string" || source instanceof URL;
  if (!isUrl || !/^https?:/.test(source)) return unpacked(await bytesOf(source));
  const cache = await opened();
  try {
    const kept = await cache?.match(source);
    if (kept) return await unpacked(new Uint8Array(await kept.arrayBuffer()));
  } catch {
    await cache.delete(source).catch(() => {}); // what was kept is damaged
  }
  const bytes = await bytesOf(source), part = await unpacked(bytes);
  await cache?.put(source, new Response(bytes)).catch(() => {}); // a full disk costs no picture
  return part;
}

/** What keeps parts; null where the browser keeps nothing. */
async function opened() {
  try {
    return await caches.open(CACHE);
  } catch {
    return null;
  }
}

/** Lets go of the parts that are kept of a folder's models, but for those with these ids. */
export async function forgetOthers(folder, ids) {
  const isOther = (url) => url.startsWith(folder) && !ids.some((id) => url.startsWith(`${folder}${id}.`));
  const cache = await opened(), kept = (await cache?.keys()) ?? [];
  for (const { url } of kept) if (isOther(url)) await cache.delete(url);
}

async function unpacked(packed) {
  return refusing("BadWeights", "the model is damaged", async () => {
    const data = await inflated(packed, "gzip", MOST);
    const start = 8 + Number(new DataView(data.buffer).getBigUint64(0, true));
    const { format, sha256, tensors, ...head } = JSON.parse(new TextDecoder().decode(data.subarray(8, start)));
    if (format !== FORMAT) throw new Error(`its format is ${format}, and ${FORMAT} is read`);
    // Without a secure context there is no SHA-256: then gzip's own checksum has to do.
    const sum = globalThis.crypto?.subtle && (await crypto.subtle.digest("SHA-256", data.subarray(start)));
    if (sum && hex(new Uint8Array(sum)) !== sha256) throw new Error("its SHA-256 is another");
    return { ...head, tensors: taken(data, start, tensors) };
  });
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function taken(data, at, tensors) {
  const found = tensors.map(([name, dtype, shape]) => {
    const width = BYTES[dtype], count = shape.reduce((product, side) => product * side, 1), end = at + count * width;
    if (!(end <= data.length)) throw new Error("it ends too early");
    const numbers = new Uint8Array(count * width);
    for (let k = 0; k < width; k++, at += count)
      for (let i = 0; i < count; i++) numbers[i * width + k] = data[at + i];
    return { name, dtype, shape, data: numbers };
  });
  if (at !== data.length) throw new Error("it goes on after its end");
  return found;
}

/** The models of a folder by name, {name: id}. */
export async function modelsOf(folder) {
  const bytes = await bytesOf(new URL("models.json", folder), { cache: "no-cache" }); // which sees what is new
  return refusing("UnknownModel", `there is no list of models in ${folder}`, () =>
    JSON.parse(new TextDecoder().decode(bytes)));
}

/** The URL of a part of the model with an id. */
export const partUrl = (folder, id, part) => new URL(`${id}.${part}.gz`, folder).href;

/** What says that a model is not there. */
export const unknown = (id, error) =>
  new AecError("UnknownModel", `the file was made with model ${id}, which is not here (${error.message})`);
