/** What the codec refuses; `kind` is the name of the same error in Python: NotAec, Truncated, Corrupt … */
export class AecError extends Error {
  constructor(kind, message) {
    super(message);
    this.name = "AecError";
    this.kind = kind;
  }
}

export function refuse(kind, message) {
  throw new AecError(kind, message);
}

/** What `fn` gives, its errors but for AecErrors as one of this kind that begins with a sentence. */
export async function refusing(kind, sentence, fn) {
  try {
    return await fn();
  } catch (error) {
    throw error instanceof AecError ? error : new AecError(kind, `${sentence} (${error?.message ?? error})`);
  }
}
