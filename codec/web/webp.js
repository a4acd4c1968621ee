// WebP lossless bitstreams (RFC 9649, section 3): lossless tiles and drawn parts, to the last bit.
import { refuse } from "./errors.js";

const SIGNATURE = 0x2f;
const ORDER = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]; // of the lengths of code lengths
const LENGTHS = 256, DISTANCES = 40; // symbols of lengths in the green code, and of distances
const PREDICTOR = 0, CROSS = 1, GREEN = 2, INDEXED = 3;
const BLACK = 0xff000000;
/** Distances 1 to 120 as (x, y): pixels to the left and up. */
const NEAR = [];
for (const [i, pair] of (
  "0,1 1,0 1,1 -1,1 0,2 2,0 1,2 -1,2 2,1 -2,1 2,2 -2,2 0,3 3,0 1,3 -1,3 3,1 -3,1 2,3 -2,3 3,2 -3,2 0,4 4,0 1,4 -1,4 " +
  "4,1 -4,1 3,3 -3,3 2,4 -2,4 4,2 -4,2 0,5 3,4 -3,4 4,3 -4,3 5,0 1,5 -1,5 5,1 -5,1 2,5 -2,5 5,2 -5,2 4,4 -4,4 3,5 " +
  "-3,5 5,3 -5,3 0,6 6,0 1,6 -1,6 6,1 -6,1 2,6 -2,6 6,2 -6,2 4,5 -4,5 5,4 -5,4 3,6 -3,6 6,3 -6,3 0,7 7,0 1,7 -1,7 " +
  "5,5 -5,5 7,1 -7,1 4,6 -4,6 6,4 -6,4 2,7 -2,7 7,2 -7,2 3,7 -3,7 7,3 -7,3 5,6 -5,6 6,5 -6,5 8,0 4,7 -4,7 7,4 -7,4 " +
  "8,1 8,2 6,6 -6,6 8,3 5,7 -5,7 7,5 -7,5 8,4 6,7 -6,7 7,6 -7,6 8,5 7,7 -7,7 8,6 8,7"
).split(" ").entries()) NEAR[i] = pair.split(",").map(Number);

class Broken extends Error {}
const broken = (reason) => {
  throw new Broken(reason);
};

/** Bits from the lowest of each byte up; those past the end are zero, and an error as soon as `check` is called. */
class Bits {
  constructor(bytes, at) {
    Object.assign(this, { bytes, at, held: 0, count: 0 });
    this.end = bytes.length + (bytes.length % 2); // in a file, an odd stream is followed by a zero, which libwebp takes
  }

  /** Makes at least 24 bits available, of which those past the end are zero. */
  fill() {
    while (this.count <= 24) {
      this.held |= (this.bytes[this.at] ?? 0) << this.count;
      this.at++;
      this.count += 8;
    }
  }

  read(n) {
    this.fill();
    const value = this.held & ((1 << n) - 1);
    this.held >>>= n;
    this.count -= n;
    return value;
  }

  check() {
    if (this.at - (this.count >> 3) > this.end) broken("it ends too early");
  }
}

/** A prefix code of lengths by symbol: a table by the next 8 bits; longer codes bit by bit, as tables of them would
 * take thousands of times the memory of the file that asks for them. */
class Code {
  constructor(lengths) {
    const used = [];
    lengths.forEach((length, symbol) => length && used.push(symbol));
    if (!used.length) broken("a code has no symbols");
    this.only = used.length === 1 ? used[0] : -1;
    if (this.only >= 0) return;
    used.sort((a, b) => lengths[a] - lengths[b] || a - b);
    this.symbols = Uint16Array.from(used);
    this.counts = new Uint16Array(16); // symbols of each length
    for (const symbol of used) this.counts[lengths[symbol]]++;
    if (this.counts.reduce((sum, count, length) => sum + (count << (15 - length)), 0) !== 1 << 15)
      broken("a code is not complete");
    const bits = Math.min(lengths[used.at(-1)], 8);
    this.table = new Uint16Array(1 << bits); // length | symbol << 4, or 0 where the code is longer
    let code = 0, before = 0;
    for (const symbol of used) {
      const length = lengths[symbol];
      if (length > bits) break;
      code <<= length - before;
      before = length;
      let reversed = 0;
      for (let k = 0; k < length; k++) reversed |= ((code >> k) & 1) << (length - 1 - k);
      for (let i = reversed; i < this.table.length; i += 1 << length) this.table[i] = length | (symbol << 4);
      code++;
    }
  }

  next(bits) {
    if (this.only >= 0) return this.only;
    bits.fill();
    const found = this.table[bits.held & (this.table.length - 1)];
    if (!found) return this.long(bits);
    bits.held >>>= found & 15;
    bits.count -= found & 15;
    return found >> 4;
  }

  long(bits) {
    for (let length = 1, code = 0, first = 0, index = 0; ; length++) {
      code |= bits.read(1);
      const count = this.counts[length];
      if (code - first < count) return this.symbols[index + code - first];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
  }
}

function readCode(bits, size) {
  const lengths = new Uint8Array(size);
  if (bits.read(1)) {
    const two = bits.read(1), first = bits.read(bits.read(1) ? 8 : 1);
    const symbols = two ? [first, bits.read(8)] : [first];
    for (const symbol of symbols) if (symbol < size) lengths[symbol] = 1; // as libwebp, which passes over others
    return new Code(lengths);
  }
  const own = new Uint8Array(19);
  for (let i = 0, n = 4 + bits.read(4); i < n; i++) own[ORDER[i]] = bits.read(3);
  const code = new Code(own);
  let left = size;
  if (bits.read(1)) left = 2 + bits.read(2 + 2 * bits.read(3));
  if (left > size) broken("a code has more lengths than symbols");
  for (let i = 0, previous = 8; i < size && left > 0; left--) {
    const symbol = code.next(bits);
    bits.check();
    if (symbol < 16) {
      lengths[i++] = symbol;
      if (symbol) previous = symbol;
      continue;
    }
    const times = symbol === 16 ? 3 + bits.read(2) : symbol === 17 ? 3 + bits.read(3) : 11 + bits.read(7);
    if (i + times > size) broken("a code has more lengths than symbols");
    lengths.fill(symbol === 16 ? previous : 0, i, i + times);
    i += times;
  }
  return new Code(lengths);
}

const parts = (size, bits) => (size + (1 << bits) - 1) >> bits;

/** Pixels Uint32Array (alpha, red, green, blue from the top) of an image coded by prefix codes. */
function readImage(bits, width, height, outermost) {
  const hasCache = bits.read(1), cacheBits = hasCache && bits.read(4);
  if (hasCache && (cacheBits < 1 || cacheBits > 11)) broken("its colour cache is of a size that none has");
  let meta = null, metaBits = 0, groups = 1;
  if (outermost && bits.read(1)) {
    metaBits = bits.read(3) + 2;
    meta = readImage(bits, parts(width, metaBits), parts(height, metaBits), false);
    for (let i = 0; i < meta.length; i++) groups = Math.max(groups, (meta[i] = (meta[i] >>> 8) & 0xffff) + 1);
  }
  const cacheSize = cacheBits ? 1 << cacheBits : 0, codes = [];
  const sizes = [256 + 24 + cacheSize, 256, 256, 256, DISTANCES], used = meta && new Set(meta);
  for (let i = 0; i < groups; i++) {
    const group = sizes.map((size) => readCode(bits, size));
    codes.push(!used || used.has(i) ? group : null);
    bits.check();
  }
  return readPixels(bits, width, height, codes, cacheBits, meta, metaBits);
}

function readPixels(bits, width, height, codes, cacheBits, meta, metaBits) {
  const pixels = new Uint32Array(width * height), across = parts(width, metaBits);
  const cache = cacheBits ? new Uint32Array(1 << cacheBits) : null, shift = 32 - cacheBits;
  let cached = 0; // pixels that are in the cache
  const remember = (to) => {
    for (; cache && cached < to; cached++) cache[Math.imul(pixels[cached], 0x1e35a7bd) >>> shift] = pixels[cached];
  };
  let x = 0, y = 0;
  for (let at = 0; at < pixels.length; ) {
    const group = codes[meta ? meta[(y >> metaBits) * across + (x >> metaBits)] : 0], green = group[0].next(bits);
    let count = 1;
    if (green < 256) {
      const red = group[1].next(bits), blue = group[2].next(bits), alpha = group[3].next(bits);
      pixels[at] = (alpha << 24) | (red << 16) | (green << 8) | blue;
    } else if (green < 256 + 24) {
      count = prefixed(bits, green - LENGTHS);
      const distance = near(prefixed(bits, group[4].next(bits)), width);
      if (distance > at || count > pixels.length - at) broken("a copy reaches beyond the picture");
      for (let k = 0; k < count; k++) pixels[at + k] = pixels[at + k - distance];
    } else {
      remember(at);
      pixels[at] = cache[green - 256 - 24];
    }
    at += count;
    for (x += count; x >= width; x -= width) y++;
    bits.check();
  }
  return pixels;
}

/** A number of a prefix symbol and the bits that follow. */
function prefixed(bits, symbol) {
  if (symbol < 4) return symbol + 1;
  const extra = (symbol - 2) >> 1;
  return ((2 + (symbol & 1)) << extra) + bits.read(extra) + 1;
}

function near(distance, width) {
  if (distance > NEAR.length) return distance - NEAR.length;
  const [x, y] = NEAR[distance - 1];
  return Math.max(1, x + y * width);
}

/** The transforms in the order in which they come, and the width of the image that is left. */
function readTransforms(bits, width, height) {
  const transforms = [], seen = new Set();
  while (bits.read(1)) {
    const kind = bits.read(2);
    if (seen.has(kind)) broken("a transform comes twice");
    seen.add(kind);
    const transform = { kind, width, bits: 0, data: null };
    if (kind === PREDICTOR || kind === CROSS) {
      transform.bits = bits.read(3) + 2;
      transform.data = readImage(bits, parts(width, transform.bits), parts(height, transform.bits), false);
    } else if (kind === INDEXED) {
      const size = bits.read(8) + 1;
      transform.bits = size > 16 ? 0 : size > 4 ? 1 : size > 2 ? 2 : 3;
      transform.data = new Uint32Array(1 << (8 >> transform.bits));
      transform.data.set(readImage(bits, size, 1, false));
      for (let i = 1; i < size; i++) transform.data[i] = added(transform.data[i], transform.data[i - 1]);
      width = parts(width, transform.bits);
    }
    bits.check();
    transforms.push(transform);
  }
  return { transforms, width };
}

/** Sum of two pixels, byte by byte. */
const added = (a, b) =>
  (((a & 0xff00ff00) + (b & 0xff00ff00)) & 0xff00ff00) | (((a & 0xff00ff) + (b & 0xff00ff)) & 0xff00ff);

/** Mean of two pixels, rounded down byte by byte. */
const mean = (a, b) => (((a ^ b) & 0xfefefefe) >>> 1) + (a & b);

const byte = (value) => (value < 0 ? 0 : value > 255 ? 255 : value);

function each(fn) {
  return (fn(24) << 24) | (fn(16) << 16) | (fn(8) << 8) | fn(0);
}

/** Whichever of left and top is nearer to left + top - corner. */
function selected(left, top, corner) {
  let sum = 0;
  for (let k = 0; k < 32; k += 8) {
    const c = (corner >>> k) & 255;
    sum += Math.abs(((top >>> k) & 255) - c) - Math.abs(((left >>> k) & 255) - c);
  }
  return sum < 0 ? left : top;
}

const PREDICTORS = [
  () => BLACK,
  (p, i) => p[i - 1],
  (p, i, w) => p[i - w],
  (p, i, w) => p[i - w + 1],
  (p, i, w) => p[i - w - 1],
  (p, i, w) => mean(mean(p[i - 1], p[i - w + 1]), p[i - w]),
  (p, i, w) => mean(p[i - 1], p[i - w - 1]),
  (p, i, w) => mean(p[i - 1], p[i - w]),
  (p, i, w) => mean(p[i - w - 1], p[i - w]),
  (p, i, w) => mean(p[i - w], p[i - w + 1]),
  (p, i, w) => mean(mean(p[i - 1], p[i - w - 1]), mean(p[i - w], p[i - w + 1])),
  (p, i, w) => selected(p[i - 1], p[i - w], p[i - w - 1]),
  (p, i, w) => {
    const left = p[i - 1], top = p[i - w], corner = p[i - w - 1];
    return each((k) => byte(((left >>> k) & 255) + ((top >>> k) & 255) - ((corner >>> k) & 255)));
  },
  (p, i, w) => {
    const middle = mean(p[i - 1], p[i - w]), corner = p[i - w - 1];
    return each((k) => {
      const m = (middle >>> k) & 255;
      return byte(m + Math.trunc((m - ((corner >>> k) & 255)) / 2));
    });
  },
  () => BLACK,
  () => BLACK,
];

function unpredict(pixels, { width, bits, data }) {
  const across = parts(width, bits), height = pixels.length / width;
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) {
      let predict = PREDICTORS[(data[(y >> bits) * across + (x >> bits)] >>> 8) & 15];
      if (y === 0) predict = PREDICTORS[x ? 1 : 0];
      else if (x === 0) predict = PREDICTORS[2];
      pixels[i] = added(pixels[i], predict(pixels, i, width));
    }
}

const signed = (value) => (value << 24) >> 24;

function uncross(pixels, { width, bits, data }) {
  const across = parts(width, bits), height = pixels.length / width;
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) {
      const factors = data[(y >> bits) * across + (x >> bits)], pixel = pixels[i], green = signed(pixel >>> 8);
      const red = ((pixel >>> 16) + ((signed(factors) * green) >> 5)) & 255;
      const blue =
        (pixel + ((signed(factors >>> 8) * green) >> 5) + ((signed(factors >>> 16) * signed(red)) >> 5)) & 255;
      pixels[i] = (pixel & 0xff00ff00) | (red << 16) | blue;
    }
}

function addGreen(pixels) {
  for (let i = 0; i < pixels.length; i++) {
    const pixel = pixels[i], green = (pixel >>> 8) & 255;
    pixels[i] = (pixel & 0xff00ff00) | (((pixel & 0xff00ff) + (green << 16) + green) & 0xff00ff);
  }
}

function unindex(pixels, { width, bits, data }) {
  const across = parts(width, bits), height = pixels.length / across, each = 8 >> bits, most = (1 << each) - 1;
  const found = new Uint32Array(width * height);
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) {
      const packed = (pixels[y * across + (x >> bits)] >>> 8) & 255;
      found[i] = data[(packed >> ((x & ((1 << bits) - 1)) * each)) & most];
    }
  return found;
}

/** Pixels Uint32Array, alpha in the highest byte, of a bitstream of just this size. Raises Corrupt. */
function decode(bytes, width, height, hasAlpha, name) {
  if (bytes.length < 5 || bytes[0] !== SIGNATURE) refuse("Corrupt", `${name} is not a WebP lossless bitstream`);
  const head = (bytes[1] | (bytes[2] << 8) | (bytes[3] << 16) | (bytes[4] << 24)) >>> 0;
  if (width > 16384 || height > 16384 || head !== (((width - 1) | ((height - 1) << 14)) + (hasAlpha ? 1 << 28 : 0)))
    refuse("Corrupt", `${name} is not of ${width} x ${height} pixels with${hasAlpha ? "" : "out"} alpha`);
  try {
    const bits = new Bits(bytes, 5), { transforms, width: inner } = readTransforms(bits, width, height);
    let pixels = readImage(bits, inner, height, true);
    for (const transform of transforms.reverse()) {
      if (transform.kind === PREDICTOR) unpredict(pixels, transform);
      if (transform.kind === CROSS) uncross(pixels, transform);
      if (transform.kind === GREEN) addGreen(pixels);
      if (transform.kind === INDEXED) pixels = unindex(pixels, transform);
    }
    return pixels;
  } catch (error) {
    if (error instanceof Broken) refuse("Corrupt", `${name} is broken (${error.message})`);
    throw error;
  }
}

/** Samples [height, width, channels] of a lossless tile: Uint8Array, or of depth 16 Uint16Array. Raises Corrupt. */
export function decodeTile(bytes, width, height, channels, depth) {
  const samples = new (depth === 8 ? Uint8Array : Uint16Array)(width * height * channels);
  const wide = bytes.length > 4 && ((bytes[1] | (bytes[2] << 8)) & 0x3fff) + 1 === 2 * width;
  const halves = depth === 16 && channels === 3 && wide;
  const across = halves ? 2 * width : width, pixels = decode(bytes, across, height, false, "a lossless tile");
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const pixel = pixels[y * across + x];
      if (depth === 8) {
        for (let c = 0; c < channels; c++) samples[at++] = pixel >>> (16 - 8 * c);
      } else if (channels === 1) {
        samples[at++] = pixel;
      } else {
        const low = halves ? pixels[y * across + width + x] : pixel;
        for (let c = 0; c < 3; c++)
          samples[at++] = (((pixel >>> (16 - 8 * c)) & 255) << 8) | ((low >>> (16 - 8 * c)) & 255);
      }
    }
  return samples;
}

/** RGBA [height, width, 4] of a section `drawn`, transparent where nothing is drawn. Raises Corrupt. */
export function decodeDrawn(bytes, width, height) {
  const pixels = decode(bytes, width, height, true, "the section drawn"), samples = new Uint8Array(4 * pixels.length);
  for (let i = 0; i < pixels.length; i++) {
    const pixel = pixels[i], alpha = pixel >>> 24;
    if (alpha % 255) refuse("Corrupt", "the section drawn is partly transparent");
    samples.set([pixel >>> 16, pixel >>> 8, pixel, alpha], 4 * i);
  }
  return samples;
}
