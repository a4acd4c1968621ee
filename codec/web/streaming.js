// A picture whose file is still arriving, for `aec.js`.
import { headerEnd, readHeader } from "./container.js";
import { refuse } from "./errors.js";
import { described } from "./info.js";
import { orientationOf, turnedSize } from "./orient.js";
import { joined, view } from "./streams.js";

const SMALLEST_FILE = 27; // bytes
const MOST_BYTES = 2 ** 29;
/** Parts of a tile's bytes from which on a look is worth its time, in pictures of one tile and of several. */
const ONE = [0.08, 0.16, 0.3, 0.5, 0.75], SEVERAL = [0.25];

/** The first byte after `there` with which another look shows more, of a file as of `readHeader`; null: the last. */
export function worthwhile({ header, tiles, expected }, there) {
  const parts = header.lossless ? [] : tiles.length > 1 ? SEVERAL : ONE;
  for (const { start, size } of tiles)
    for (const place of [...parts.map((part) => start + Math.ceil(part * size)), start + size])
      if (place > there && place < expected) return place;
  return null;
}

/** Takes a file piece by piece, and shows what has come whenever the codec has nothing else to do. */
export class Stream {
  constructor(codec, { progress, signal, part, ...options }) {
    Object.assign(this, { _codec: codec, _progress: progress, _signal: signal, _part: part, _options: options });
    Object.assign(this, { _pieces: [], _size: 0, _end: SMALLEST_FILE, _looked: 0, _wanted: null, _looking: null });
    this._id = codec._next++;
    this.info = null; // of the file, once its header is there
    this.sized = new Promise((resolve) => (this._isSized = resolve));
  }

  /** Adds bytes. Returns `info`, or null before it is known. Throws AecError where this is no file to be read. */
  push(chunk) {
    const piece = view(chunk).slice();
    this._pieces.push(piece);
    this._size += piece.length;
    if (!this.info) this._begin();
    const expected = this._file?.expected ?? this._end;
    if (expected > MOST_BYTES) refuse("TooLarge", `the file has ${expected} bytes, more than ${MOST_BYTES}`);
    if (this._file && this._size > expected)
      refuse("Corrupt", `the file goes on after its end: expected ${expected} bytes, got ${this._size}`);
    this._look();
    return this.info;
  }

  /** The picture, as of `decode`, once all bytes were given. */
  async end() {
    this._wanted = null;
    if (this._looked && this._file.tiles.length > 1 && this._size === this._file.expected) {
      await this._looking;
      await this._see(); // the last tiles need not wait for all to be put together
    }
    this._ended = true;
    const options = { ...this._options, signal: this._signal, stream: this._id };
    const picture = this._codec.decode(joined(this._pieces), options);
    this._forget(); // after it
    return picture;
  }

  /** Lets go of everything. */
  cancel() {
    this._wanted = null;
    this._pieces = [];
    this._forget();
  }

  _begin() {
    if (this._size < this._end) return;
    const start = joined(this._pieces);
    this._pieces = [start];
    this._end = headerEnd(start);
    if (this._size < this._end) return;
    this._file = readHeader(start);
    this.info = described(this._file);
    this._prepare();
  }

  /** Finds out how the picture is turned, which its EXIF says at the end of the file, and allows looks from then on. */
  async _prepare() {
    const { header, sections: { exif } } = this._file, { orient = true, format } = this._options;
    this._turn = 1;
    let known = true;
    if (exif && orient && format !== "samples" && this._part) {
      const found = await this._part(exif.start, exif.size).catch(() => null);
      if (found) this._turn = orientationOf(found);
      else known = false; // better none than one that lies on its side
    }
    this._isSized(turnedSize(header, this._turn));
    if (this._progress && known && !this._ended) this._wanted = worthwhile(this._file, 0);
    this._look();
  }

  /** Asks for what has come, if that is more than the last time and nobody waits for something better. */
  async _look() {
    if (this._looking || this._codec.busy || this._wanted === null) return;
    if (this._size < this._wanted || this._size >= this._file.expected) return;
    this._looking = this._see();
    await this._looking;
    this._looking = null;
    this._look();
  }

  async _see() {
    const bytes = joined(this._pieces), chunk = bytes.slice(this._looked), of = this._file.expected;
    this._pieces = [bytes];
    this._looked = bytes.length;
    if (this._wanted !== null) this._wanted = worthwhile(this._file, bytes.length);
    const progress = (tile) => {
      if (!this._ended && !this._signal?.aborted) this._progress({ ...tile, bytes: bytes.length, of });
    };
    const { format = "rgba", maxPixels } = this._options, given = { stream: this._id, chunk, format, maxPixels };
    try {
      await this._codec._job("look", { ...given, turn: this._turn }, [chunk.buffer], { progress });
    } catch {
      this._wanted = null; // `end` says what is wrong
    }
  }

  _forget() {
    this._ended = true;
    if (this._looked) this._codec._job("forget", { stream: this._id }, [], {}).catch(() => {});
  }
}
