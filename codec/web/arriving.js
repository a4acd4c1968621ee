// A file that is still arriving: its tiles as far as they have come, coarse first.
import { readHeader } from "./container.js";
import { Decoding, spans } from "./decode.js";
import { joined } from "./streams.js";

const MOST_KEPT = 16; // tiles, of whose latents each takes 5 MB

/** What a worker knows of such a file. */
export class Arriving {
  /** `maxPixels`: more are refused. */
  constructor(maxPixels) {
    this.maxPixels = maxPixels;
    this.bytes = new Uint8Array(0);
    this.known = new Map(); // latents of tiles, by number
    this.next = 0; // the tile that has not come whole
  }

  /** The file with more bytes, of which its header must be there. Raises AecError. */
  push(chunk) {
    this.bytes = joined([this.bytes, chunk]);
    this.decoding ??= Decoding.begun(this.bytes, readHeader(this.bytes), this.maxPixels);
    this.decoding.bytes = this.bytes;
    return this.decoding;
  }

  /**
   * Yields the tiles, as `Decoding.tiles` does, that have come since the last time, and the one that is on its way, if
   * enough of it is there: with `coarse`, whether that is all of it.
   */
  *tiles(model) {
    const { header, file } = this.decoding, halo = header.lossless ? 0 : model.synthesisHalo;
    const rows = spans(header.height, halo), columns = spans(header.width, halo);
    const spansOf = (number) => [rows[Math.floor(number / columns.length)], columns[number % columns.length]];
    const whole = (number) => file.tiles[number].start + file.tiles[number].size <= this.bytes.length;
    const found = [];
    for (; this.next < file.tiles.length && whole(this.next); this.next++) {
      if (!header.lossless) this.known.set(this.next, this.decoding.latents(model, this.next, ...spansOf(this.next)));
      found.push({ number: this.next, coarse: false });
    }
    const { next } = this, begun = next < file.tiles.length && !header.lossless;
    const latents = begun && this.decoding.begunLatents(model, next, ...spansOf(next));
    if (latents) {
      this.known.set(next, latents);
      found.push({ number: next, coarse: true });
    }
    for (const { number, coarse } of found)
      yield { ...this.decoding.tile(model, this.known, number, ...spansOf(number)), coarse };
    for (const number of this.known.keys())
      if (number >= MOST_KEPT && number < next - columns.length - 1) this.known.delete(number);
  }

  /** Latents of tiles that have come whole, by number, as far as they are kept. */
  read() {
    return new Map([...this.known].filter(([number]) => number < this.next));
  }
}
