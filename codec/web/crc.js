// CRC-32 of PNG and zlib.
const TABLES = [new Uint32Array(256)];
for (let i = 0; i < 256; i++) {
  let v = i;
  for (let k = 0; k < 8; k++) v = v & 1 ? (v >>> 1) ^ 0xedb88320 : v >>> 1;
  TABLES[0][i] = v;
}
for (let k = 1; k < 4; k++)
  TABLES.push(TABLES[k - 1].map((v) => (v >>> 8) ^ TABLES[0][v & 255]));

/** Of bytes, going on from the CRC-32 of what came before. */
export function crc32(bytes, before = 0) {
  const [t0, t1, t2, t3] = TABLES;
  const whole = bytes.length & ~3;
  let crc = ~before, i = 0;
  for (; i < whole; i += 4) {
    crc ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    crc = t3[crc & 255] ^ t2[(crc >>> 8) & 255] ^ t1[(crc >>> 16) & 255] ^ t0[crc >>> 24];
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]) & 255];
  return ~crc >>> 0;
}
