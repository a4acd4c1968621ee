// What tests ask of files: run by Node and by pages.

export async function sha256(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What a file decodes to, its arrays as SHA-256, or the kind and sentence of the error. */
export async function outcome(codec, bytes, options) {
  try {
    const { data, alpha, icc, exif, xmp, cicp, ...rest } = await codec.decode(bytes, options), found = { ...rest };
    for (const [name, array] of Object.entries({ data, alpha, icc, exif, xmp, cicp }))
      found[name] = array ? await sha256(array) : null;
    return found;
  } catch (error) {
    return { error: error.name === "AecError" ? error.kind : error.name, message: error.message };
  }
}
