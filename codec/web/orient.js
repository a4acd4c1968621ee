// The orientation that EXIF gives a picture, and turning it so.

/** 1 to 8 of a block of EXIF; 1 where there is none, or it is broken. */
export function orientationOf(exif) {
  if (!exif || exif.length < 8) return 1;
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength), little = exif[0] === 0x49;
  const start = view.getUint32(4, little);
  if (start + 2 > exif.length) return 1;
  const entries = view.getUint16(start, little);
  for (let at = start + 2, i = 0; i < entries && at + 12 <= exif.length; i++, at += 12)
    if (view.getUint16(at, little) === 0x0112) {
      const value = view.getUint16(at + 8, little);
      return view.getUint16(at + 2, little) === 3 && value >= 1 && value <= 8 ? value : 1;
    }
  return 1;
}

/** Width and height of a picture when it is turned. */
export const turnedSize = ({ width, height }, orientation) =>
  orientation > 4 ? { width: height, height: width } : { width, height };

/**
 * A tile {x, y, width, height, data} with so many samples per pixel, of a picture of that size, as it lies when the
 * picture is turned.
 */
export function turned(tile, whole, orientation, channels) {
  if (orientation === 1) return tile;
  const { x, y, width, height, data } = tile;
  const mirrored = [2, 3, 6, 7].includes(orientation), flipped = [3, 4, 7, 8].includes(orientation);
  const size = turnedSize(tile, orientation), found = new data.constructor(data.length);
  // Of the source, its columns and rows as those of the turned picture run, and how far apart they are.
  const [across, down] = orientation > 4 ? [width, 1] : [1, width];
  const from = { across: mirrored ? -across : across, down: flipped ? -down : down };
  let start = 0;
  if (mirrored) start += across * (size.width - 1);
  if (flipped) start += down * (size.height - 1);
  for (let i = 0, to = 0; i < size.height; i++)
    for (let j = 0, at = start + i * from.down; j < size.width; j++, at += from.across)
      for (let c = 0; c < channels; c++) found[to++] = data[at * channels + c];
  const all = turnedSize(whole, orientation), [left, top] = orientation > 4 ? [y, x] : [x, y];
  return {
    ...size,
    x: mirrored ? all.width - left - size.width : left,
    y: flipped ? all.height - top - size.height : top,
    data: found,
  };
}
