// Numbers as people read them.

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  if (count < 99_950) return `${(count / 1000).toFixed(1)} kB`;
  return count < 999_500 ? `${Math.round(count / 1000)} kB` : `${(count / 1e6).toFixed(2)} MB`;
}

export function quality(value) {
  return String(Math.round(value * 100) / 100);
}

export function duration(milliseconds) {
  return milliseconds < 995 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

// A size beside that of the original's file.
export function share(size, original) {
  const ratio = size / original;
  if (ratio > 1) return `${ratio.toFixed(1)} times the original file`;
  return `${(ratio * 100).toFixed(ratio < 0.1 ? 1 : 0)} % of the original file`;
}

export function bitsPerPixel(size, { width, height }) {
  return `${((size * 8) / (width * height)).toFixed(2)} bits per pixel`;
}

export function scale(value) {
  return `${Math.round(value * 100)} %`;
}

// A file's name without its suffix, and the same with another.
export const stem = (name) => name.replace(/\.[^.]*$/, "") || name;
export const renamed = (name, suffix) => stem(name) + suffix;
