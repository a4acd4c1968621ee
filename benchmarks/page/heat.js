// Heat maps for the explorer: the error of a decoded picture against its original, and where our codec spends its bits.

const RAMP = [
  [0, 0, 4],
  [40, 11, 84],
  [101, 21, 110],
  [159, 42, 99],
  [212, 72, 66],
  [245, 125, 21],
  [250, 193, 39],
  [252, 255, 164],
]; // dark to light: readable without colour
const ERROR_TOP = 25; // 8-bit levels shown as the brightest colour

const heatTable = Uint8ClampedArray.from({ length: 256 * 3 }, (_, i) => {
  const at = (Math.floor(i / 3) / 255) * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  const channel = i % 3;
  return RAMP[low][channel] + (RAMP[low + 1][channel] - RAMP[low][channel]) * (at - low);
});
const rampCss = `linear-gradient(90deg, ${RAMP.map((c) => `rgb(${c.join(" ")})`).join(", ")})`;

function sheet(width, height) {
  const canvas = el("canvas", { width, height });
  return [canvas, canvas.getContext("2d", { willReadFrequently: true })];
}

function pixels(image) {
  const [, context] = sheet(image.width, image.height);
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height).data;
}

// A canvas as large as the picture: mean absolute difference over the three channels.
function errorMap(original, decoded) {
  const [canvas, context] = sheet(original.width, original.height);
  const a = pixels(original);
  const b = pixels(decoded);
  const out = context.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < a.length; i += 4) {
    const error = (Math.abs(a[i] - b[i]) + Math.abs(a[i + 1] - b[i + 1]) + Math.abs(a[i + 2] - b[i + 2])) / 3;
    const at = 3 * Math.min(255, Math.round((error / ERROR_TOP) * 255));
    for (let c = 0; c < 3; c++) out.data[i + c] = heatTable[at + c];
    out.data[i + 3] = 255;
  }
  context.putImageData(out, 0, 0);
  return canvas;
}

// A canvas as large as the picture: cells of bits over the picture in grey. `bits`: {width, height, cell, data: base64,
// 255 = the top}.
function bitsMap(original, bits) {
  const [canvas, context] = sheet(original.width, original.height);
  context.filter = "grayscale(1)";
  context.drawImage(original, 0, 0);
  context.filter = "none";
  const cells = atob(bits.data);
  context.globalAlpha = 0.8;
  for (let i = 0; i < cells.length; i++) {
    const at = 3 * cells.charCodeAt(i);
    context.fillStyle = `rgb(${heatTable[at]} ${heatTable[at + 1]} ${heatTable[at + 2]})`;
    context.fillRect((i % bits.width) * bits.cell, Math.floor(i / bits.width) * bits.cell, bits.cell, bits.cell);
  }
  return canvas;
}
