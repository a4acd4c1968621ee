// What is open in the page: pictures, .aec files, and files together with the pictures they were made of.

import { MOST_PIXELS, TOO_LARGE } from "./pixels.js";
import { stem } from "./words.js";

const SIGNATURE = [0xae, 0x41, 0x45, 0x43];

let last = 0;

// One picture: `picture` is the original {key, blob}, `given` the .aec file {key, bytes, info}; either may be missing.
// `coded` is the file that is looked at, and `shown` what there is to draw, by side.
class Entry {
  constructor(name) {
    this.name = name;
    this.shown = {};
  }

  // Keeps nothing to draw, as of a picture that is not looked at.
  release() {
    for (const { bitmaps } of Object.values(this.shown)) for (const bitmap of bitmaps) bitmap.close();
    this.shown = {};
  }
}

// What a file {name, blob} becomes: an entry of `entries` that lacked it, or a new one. Rejects with one sentence.
export async function entryOf({ name, blob }, entries, coder) {
  const start = new Uint8Array(await blob.slice(0, 4).arrayBuffer());
  const isFile = SIGNATURE.every((byte, i) => start[i] === byte) || /\.aec$/i.test(name);
  const found = isFile ? await file(name, blob, coder) : await picture(name, blob, coder);
  const [has, lacks] = isFile ? ["picture", "given"] : ["given", "picture"];
  const other = entries.find((one) => one[has] && !one[lacks] && stem(one.name) === stem(name) && sameSize(one, found));
  return Object.assign(other ?? new Entry(name), found, isFile && other ? {} : { name });
}

async function file(name, blob, coder) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const info = await coder.call("look", { bytes });
  if (info.width * info.height > MOST_PIXELS) throw new Error(TOO_LARGE);
  const given = { key: `given ${++last}`, bytes, info };
  return { given, coded: undefined, width: info.width, height: info.height };
}

async function picture(name, blob, coder) {
  const picture = { key: `picture ${++last}`, blob };
  const { width, height } = await coder.call("size", { layer: picture });
  return { picture, width, height };
}

// A file's size is that before it is turned as EXIF says, a picture's that after.
function sameSize(one, two) {
  return [[two.width, two.height], [two.height, two.width]].some(([w, h]) => w === one.width && h === one.height);
}
