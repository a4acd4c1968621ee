// From pixels to the bytes of an .aec file, tile by tile, as photographs are coded.
import { isCicp, TILE } from "./container.js";
import { spans } from "./decode.js";
import { STRIDE } from "./engine.js";
import { refuse } from "./errors.js";
import { pack } from "./pack.js";
import { encodePng } from "./png.js";
import { view } from "./streams.js";

const MOST_SIDE = 2 ** 30;
const METADATA = ["icc", "exif", "xmp", "cicp"];

/** A picture to be encoded: 8-bit samples [height, width, 1, 3 or 4], gray, RGB or RGBA. Raises BadOption, TooLarge. */
export class Encoding {
  constructor({ width, height, data, ...metadata }, quality, maxPixels) {
    const isSide = (side) => Number.isInteger(side) && side >= 1 && side <= MOST_SIDE;
    if (!isSide(width) || !isSide(height)) refuse("BadOption", `${width} x ${height} is the size of no picture`);
    if (!(width * height <= maxPixels))
      refuse("TooLarge", `${width} x ${height} pixels are more than the ${maxPixels} that maxPixels allows`);
    const each = data.length / (width * height);
    if (![1, 3, 4].includes(each))
      refuse("BadOption", `${data.length} samples are no gray, RGB or RGBA picture of ${width} x ${height} pixels`);
    if (!(quality >= 1 && quality <= 100)) refuse("BadOption", `the quality is ${quality}, outside 1 to 100`);
    for (const kind of METADATA) if (metadata[kind]) metadata[kind] = view(metadata[kind]);
    if (metadata.cicp?.length && !isCicp(metadata.cicp))
      refuse("BadOption", "cicp are four bytes, the third 0 and the last 0 or 1, of RGB colours");
    Object.assign(this, { width, height, data, each, metadata, quality: Math.round(100 * quality) });
    this.channels = each === 1 ? 1 : 3;
  }

  /** Yields each tile {payload, symbols}, row by row. */
  *tiles(model) {
    const halo = model.analysisHalo, rows = spans(this.height, halo), columns = spans(this.width, halo);
    for (const row of rows)
      for (const column of columns) {
        const around = [row.start - row.outerStart, row.outerStop - row.stop];
        around.push(column.start - column.outerStart, column.outerStop - column.stop);
        const h = row.stop - row.start, w = column.stop - column.start;
        const { samples, ...size } = this._window(row, column);
        yield model.write(samples, this.quality, h, w, around, { ...size, channels: this.channels });
      }
  }

  get count() {
    return Math.ceil(this.height / TILE) * Math.ceil(this.width / TILE);
  }

  /** The samples of two spans with their halos, without alpha. */
  _window(row, column) {
    const { each, channels, data } = this;
    const top = row.outerStart * STRIDE, height = Math.min(row.outerStop * STRIDE, this.height) - top;
    const left = column.outerStart * STRIDE, width = Math.min(column.outerStop * STRIDE, this.width) - left;
    const samples = new Uint8Array(height * width * channels);
    for (let y = 0, to = 0; y < height; y++)
      for (let x = 0, from = ((top + y) * this.width + left) * each; x < width; x++, from += each)
        for (let c = 0; c < channels; c++) samples[to++] = data[from + c];
    return { samples, height, width };
  }

  /** The file of the tiles by a model of that id. */
  async file(tiles, model) {
    const { width, height, quality, channels } = this, sections = {}, alpha = this._alpha();
    for (const kind of METADATA) if (this.metadata[kind]?.length) sections[kind] = this.metadata[kind];
    if (alpha) sections.alpha = await encodePng({ width, height, data: alpha });
    return pack({ width, height, quality, channels, depth: 8, suffix: "", model }, tiles, sections);
  }

  /** The plane of alpha, where any of it is transparent. */
  _alpha() {
    if (this.each < 4) return null;
    const plane = new Uint8Array(this.width * this.height);
    let least = 255;
    for (let i = 0; i < plane.length; i++) least = Math.min(least, (plane[i] = this.data[4 * i + 3]));
    return least < 255 ? plane : null;
  }
}
