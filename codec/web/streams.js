// Bytes in pieces; zlib and gzip by the streams that browsers and Node have.
import { refuse } from "./errors.js";

/** Bytes inflated, format "deflate" or "gzip"; at most so many, else an Error. */
export async function inflated(bytes, format, most) {
  if (!globalThis.DecompressionStream) refuse("Failed", "this browser has no DecompressionStream, which it takes");
  const pieces = [];
  let size = 0;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format)), reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel();
      throw new Error(`more than ${most} bytes come out`);
    }
    pieces.push(value);
  }
  return joined(pieces);
}

/** Bytes deflated as zlib does. */
export async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const BLOCK = 65535; // bytes of a stored block at most

/** Bytes as zlib packs them without compression. */
export function stored(bytes) {
  const blocks = Math.max(1, Math.ceil(bytes.length / BLOCK)), whole = new Uint8Array(6 + 5 * blocks + bytes.length);
  whole.set([0x78, 0x01]);
  let at = 2, a = 1, b = 0;
  for (let k = 0; k < blocks; k++) {
    const block = bytes.subarray(k * BLOCK, (k + 1) * BLOCK), size = block.length;
    whole.set([+(k === blocks - 1), size & 255, size >> 8, ~size & 255, (~size >> 8) & 255], at);
    whole.set(block, at + 5);
    at += 5 + size;
    for (let i = 0; i < size; ) {
      for (const stop = Math.min(i + 3800, size); i < stop; i++) b += a += block[i]; // which 32 bits hold
      a %= 65521;
      b %= 65521;
    }
  }
  whole.set([b >> 8, b & 255, a >> 8, a & 255], at);
  return whole;
}

/** The bytes of a buffer or a view of one. Raises BadOption for anything else. */
export function view(bytes) {
  if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = Object.prototype.toString.call(bytes).slice(8, -1); // which holds for those of other frames
  if (/^(?:Shared)?ArrayBuffer$/.test(kind)) return new Uint8Array(bytes);
  return refuse("BadOption", `bytes are an ArrayBuffer or a view of one, not ${kind}`);
}

/** The same of samples of 8 bits. */
export function eightBits(data) {
  if ((data?.BYTES_PER_ELEMENT ?? 1) > 1) refuse("BadOption", "samples have 8 bits: Uint8Array or Uint8ClampedArray");
  return view(data);
}

export function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
