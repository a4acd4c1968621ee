// Files of other formats, as the browser makes them, of the size that a given one has.

export const RIVALS = { jpeg: "JPEG", webp: "WebP", avif: "AVIF" };
const BEST = 99; // hundredths: at 100 some browsers code WebP without loss

// The file of `canvas` whose size is nearest to `size`: {blob, quality, least}, `least` if no smaller one can be made.
// null where the browser cannot make files of this format. `check` is called between two, and may throw.
export async function equal(canvas, format, size, check) {
  const type = `image/${format}`;
  const tried = new Map();
  const make = async (quality) => {
    check();
    if (!tried.has(quality)) tried.set(quality, await canvas.convertToBlob({ type, quality: quality / 100 }));
    return tried.get(quality);
  };
  if ((await make(0)).type !== type) return null; // it makes a PNG instead
  let low = 0;
  let high = BEST + 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((await make(middle)).size <= size) low = middle;
    else high = middle;
  }
  const nearest = high <= BEST && tried.get(high).size - size < size - (await make(low)).size ? high : low;
  return { blob: await make(nearest), quality: nearest, least: nearest === 0 && tried.get(0).size > size };
}
