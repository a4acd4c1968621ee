// Maps drawn in the place of a picture: what differs between two pictures, and where a file's bits go.

export const GAIN = 8; // differences are shown so many times as large
export const RAMP = ["#0d0a2a", "#4b1170", "#992a72", "#de4d52", "#fb9b3c", "#fcf3a9"]; // from no bits to the most

const STOPS = RAMP.map((colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)));

// RGBA pixels of two pictures of one size -> RGBA: |a - b| * GAIN in each colour, as seen on black where transparent.
export function difference(a, b) {
  const out = new Uint8ClampedArray(a.length);
  for (let i = 0; i < a.length; i += 4) {
    const [left, right] = [a[i + 3] / 255, b[i + 3] / 255];
    for (let c = i; c < i + 3; c++) out[c] = GAIN * Math.abs(a[c] * left - b[c] * right);
    out[i + 3] = 255;
  }
  return out;
}

// Numbers from 0 to `most` -> RGBA along RAMP, opaque.
export function heat(values, most) {
  const out = new Uint8ClampedArray(4 * values.length);
  values.forEach((value, i) => {
    const place = Math.min(1, value / (most || 1)) * (STOPS.length - 1);
    const stop = Math.min(STOPS.length - 2, Math.floor(place));
    const rest = place - stop;
    for (let c = 0; c < 3; c++) out[4 * i + c] = STOPS[stop][c] * (1 - rest) + STOPS[stop + 1][c] * rest;
    out[4 * i + 3] = 255;
  });
  return out;
}

// The value that all but a hundredth of the numbers stay below: single ones must not darken the rest of a map.
export function nearlyMost(values) {
  const sorted = Float32Array.from(values).sort();
  return sorted[Math.floor(0.99 * (sorted.length - 1))] ?? 0;
}
