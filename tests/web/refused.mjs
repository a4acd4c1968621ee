// The kinds of errors of what pages may give by mistake.
import { readFileSync } from "node:fs";

export async function run(open, { path }, { encodePng, info }) {
  const codec = await open({ model: "tiny" }), file = readFileSync(path), data = new Uint8Array(300);
  const kind = (promise) => promise.then(() => "fine", (error) => `${error.kind}`), size = { width: 10, height: 10 };
  const found = [];
  for (const bytes of [undefined, "a path", 5, [1, 2, 3], Promise.resolve(file), new Blob([file])]) {
    found.push(await kind(codec.decode(bytes)));
    found.push(await kind((async () => info(bytes))()));
  }
  for (const pixels of [
    undefined,
    size,
    { ...size, data: new Float32Array(100) },
    { ...size, data: new Uint16Array(300) },
    { ...size, data, cicp: new Uint8Array(3) },
    { ...size, data, cicp: new Uint8Array([1, 13, 1, 1]) },
    { ...size, data, exif: "a path" },
  ])
    found.push(await kind(codec.encode(pixels)));
  found.push(await kind(encodePng({ width: 11, height: 10, data })));
  for (const format of ["bgr", "toString", null]) found.push(await kind(codec.decode(file, { format })));
  for (const threads of [0, -1, 1.5, "many", 33]) found.push(await kind(open({ model: "tiny", threads })));
  for (const maxPixels of [NaN, 10]) found.push(await kind(codec.decode(file, { maxPixels })));
  const stream = codec.stream();
  stream.push(file);
  found.push(await kind((async () => stream.push(data))()));
  const { exif } = await codec.decode(await codec.encode({ ...size, data, exif: new Uint8Array(3).buffer }));
  codec.close();
  return { found, exif: exif.length, last: await kind(codec.decode(file)) };
}
