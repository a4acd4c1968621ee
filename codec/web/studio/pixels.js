// Pixels of pictures and files, as {width, height, data}, RGBA of 8 bits; and what a browser draws fast, of pixels.

export const MOST_PIXELS = 64e6; // of a picture
export const TOO_LARGE = "it has more than 64 megapixels, which is what this page takes";
const FALSE_PIXELS = "this browser gives pages other pixels than it shows, as a protection against tracking";
const KEPT = 3; // of those last asked for: an original and two made of it
const ENOUGH = 2 ** 21; // pixels of a picture that needs no smaller copy beside it

// Bytes of the base64 that the page holds as text.
export function fromBase64(text) {
  return Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt());
}

// The pixels as ImageBitmaps, each half as large as the one before, for drawing them small.
export async function toBitmaps({ data, width, height }) {
  const bitmaps = [await createImageBitmap(new ImageData(data, width, height))];
  for (let last = bitmaps[0]; last.width * last.height > ENOUGH; last = bitmaps.at(-1)) {
    const [resizeWidth, resizeHeight] = [Math.ceil(last.width / 2), Math.ceil(last.height / 2)];
    bitmaps.push(await createImageBitmap(last, { resizeWidth, resizeHeight, resizeQuality: "medium" }));
  }
  return bitmaps;
}

export function toCanvas({ data, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

export class Pixels {
  #kept = new Map(); // by the layer's key

  // Of a layer: {key, blob}, which the browser reads, or {key, bytes}, which `decode` does. Rejects with one sentence.
  async of({ key, blob, bytes }, decode) {
    const pixels = this.#kept.get(key) ?? (await (blob ? read(blob) : decode(bytes)));
    this.#kept.delete(key);
    this.#kept.set(key, pixels);
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
    return pixels;
  }
}

// Of a file that the browser reads. Rejects with one sentence.
export async function read(blob) {
  if (!isTrue()) throw new Error(FALSE_PIXELS);
  const bitmap = await createImageBitmap(blob).catch(() => {
    throw new Error("this browser cannot read it as a picture");
  });
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) throw new Error(TOO_LARGE);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, data: context.getImageData(0, 0, width, height).data };
}

// Whether pixels that are drawn are those that are read: some browsers, and some settings, add noise.
function isTrue() {
  const drawn = Uint8ClampedArray.from({ length: 4096 }, (_, i) => (i % 4 === 3 ? 255 : (i * 37) % 256));
  const context = new OffscreenCanvas(32, 32).getContext("2d", { willReadFrequently: true });
  context.putImageData(new ImageData(drawn, 32, 32), 0, 0);
  return context.getImageData(0, 0, 32, 32).data.every((value, i) => value === drawn[i]);
}
