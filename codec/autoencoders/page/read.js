"use strict";
// What all parts share: the data, elements, numbers as text, colours, and rows drawn from their sheets. Read first;
// map.js, charts.js, page.js follow.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const pictures = "height" in data.look;

// Tableau's ten and two more: told apart on light and dark ground.
const COLOURS = [
  "#4e79a7",
  "#f28e2b",
  "#e15759",
  "#76b7b2",
  "#59a14f",
  "#d4ac1f",
  "#b07aa1",
  "#ff7f9a",
  "#9c755f",
  "#8a8a8a",
  "#3fb3d9",
  "#a3c644",
  "#777777",
];
const colour = (label) => COLOURS[label % COLOURS.length];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function element(name, content = "", attributes = {}) {
  const made =
    name === "svg" || attributes.svg
      ? document.createElementNS("http://www.w3.org/2000/svg", name)
      : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (key !== "svg") made.setAttribute(key, value);
  made.append(...[content].flat());
  return made;
}

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}\u00a0%`;
const count = (number) => number.toLocaleString("en");
const short = (number) =>
  number === 0
    ? "0"
    : Math.abs(number) >= 1e5 || Math.abs(number) < 1e-3
      ? number.toExponential(1)
      : String(+number.toPrecision(3));
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

// A block is a sheet of pictures or rows of numbers; its pictures are decoded once.
async function ready(block) {
  if (block?.sheet) {
    block.image = new Image();
    block.image.src = block.sheet;
    await block.image.decode();
  }
}
function draw(canvas, block, index) {
  const { width, height } = data.look;
  canvas.width = width;
  canvas.height = height;
  canvas
    .getContext("2d")
    .drawImage(
      block.image,
      (index % block.across) * width,
      Math.floor(index / block.across) * height,
      width,
      height,
      0,
      0,
      width,
      height,
    );
}
