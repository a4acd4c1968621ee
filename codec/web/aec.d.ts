/** Everything that is refused, with one sentence that says why. */
export class AecError extends Error {
  /** NotAec, Truncated, Corrupt, UnsupportedVersion, UnknownModel, BadWeights, TooLarge, BadOption, Failed, Closed. */
  kind: string;
}

type Bytes = ArrayBufferLike | ArrayBufferView;
/** Whose buffers are of the page's own, as `ImageData` and `Blob` want them; TypeScript has known that since 5.7. */
type Clamped = Uint8ClampedArray<ArrayBuffer>;
type FileBytes = Uint8Array<ArrayBuffer>;
type Samples = FileBytes | Uint16Array<ArrayBuffer>;
export type Format = "rgba" | "rgb" | "samples" | "png";
/** What `data` is by the format. */
type DataOf<F extends Format> = F extends "samples" ? Samples : F extends "png" ? FileBytes : Clamped;
type Source = string | URL | Bytes;

export interface OpenOptions {
  /** A name of those in `models` ("default" if not given, or "psnr"), or parts of a model as URLs or bytes. */
  model?: string | Source | { decoder: Source; encoder?: Source };
  /** The folder of the models; the one beside this module if not given. */
  models?: string | URL;
  wasm?: Source;
  /** The module for threads; null: none. */
  threaded?: Source | null;
  /** How many threads, if the page is cross-origin isolated, and in Node; if not given the processors, up to 4. */
  threads?: number;
  worker?: string | URL | Worker;
  /** Pictures of more pixels are refused, 64e6 if not given. */
  maxPixels?: number;
}

/** A part of a picture, or all of it. */
export interface Tile<F extends Format = "rgba"> {
  x: number;
  y: number;
  width: number;
  height: number;
  data: F extends "png" ? Clamped : DataOf<F>;
  /** With format "samples" only. */
  alpha?: Samples;
}

export interface DecodeOptions<F extends Format = Format> {
  /**
   * "rgba", which is the default, and "rgb": 8 bits per sample, of whatever file; "samples": those of the file, gray or
   * RGB of 8 or 16 bits, unturned, and alpha apart; "png": the bytes of a PNG of 8 bits, with the profile.
   */
  format?: F;
  /** Whether a PNG is made without compression, as it is only to be shown. */
  fast?: boolean;
  /** Whether the picture is turned as its EXIF says; true if not given. */
  orient?: boolean;
  /** With true, tiles come by `progress` alone, and no picture is put together. */
  tiles?: boolean;
  /** Called for each tile of up to 1024 x 1024 pixels when it is decoded. */
  progress?: (tile: Tile<F> & { done: number; total: number }) => void;
  signal?: AbortSignal;
  maxPixels?: number;
}

export interface Picture<F extends Format = "rgba"> {
  width: number;
  height: number;
  /** Of the file: 1 gray or 3, alpha not counted; depth 8 or 16. */
  channels: 1 | 3;
  depth: 8 | 16;
  /** With `tiles` there is none. */
  data: DataOf<F>;
  alpha?: Samples;
  /** What EXIF says, 1 to 8; `data` is turned already, unless `orient` was false or `format` "samples". */
  orientation: number;
  /** The colours are those of the profile; of sRGB where there is neither that nor `cicp`. */
  icc?: FileBytes;
  cicp?: FileBytes;
  exif?: FileBytes;
  xmp?: FileBytes;
  quality: number;
  model: string;
}

export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray | Uint8Array;
  icc?: Bytes;
  exif?: Bytes;
  xmp?: Bytes;
  cicp?: Bytes;
}

export interface EncodeOptions {
  /** 1 to 100, 60 if not given; any decimal. */
  quality?: number;
  /** Called for each tile of up to 1024 x 1024 pixels when it is coded. */
  progress?: (tiles: { done: number; total: number }) => void;
  signal?: AbortSignal;
}

export interface Info {
  width: number;
  height: number;
  channels: 1 | 3;
  depth: 8 | 16;
  alpha: boolean;
  quality: number;
  /** The first bytes of the model's SHA-256 in hexadecimal digits; zeros of a lossless file. */
  model: string;
  /** Of the original's name, without the dot. */
  suffix: string;
  lossless: boolean;
  rounded: boolean;
  tiles: number;
  /** By section, and of the whole file. */
  bytes: { header: number; tiles: number; file: number; [section: string]: number };
}

/** A tile of a picture whose file is still arriving. */
export interface Sight<F extends Format = "rgba"> extends Omit<Tile<F>, "data"> {
  data: DataOf<F>;
  /** Whether more of it is to come. */
  coarse: boolean;
  /** Of the whole picture, turned where `part` tells how; alpha and what is drawn come last, and are not there yet. */
  picture: { width: number; height: number };
  /** With format "png": one pixel in so many along both axes is there, of large pictures. */
  step?: number;
  /** Bytes that are there, of so many. */
  bytes: number;
  of: number;
}

export interface StreamOptions<F extends Format = Format> extends Omit<DecodeOptions<F>, "progress" | "tiles"> {
  /** Called for tiles as they come, coarse ones first; with format "png" each time for all that is there. */
  progress?: (sight: Sight<F>) => void;
  /**
   * Gives bytes of the file from another request, null if it cannot: those of the EXIF, which says how it is turned.
   */
  part?: (start: number, size: number) => Promise<Uint8Array | null>;
}

export interface Stream<F extends Format = "rgba"> {
  /** Null until enough bytes have come. */
  readonly info: Info | null;
  /** The size of the picture, turned where `part` tells how. */
  readonly sized: Promise<{ width: number; height: number }>;
  /** Adds bytes; returns `info`. Throws AecError where they are no file. */
  push(chunk: Bytes): Info | null;
  /** The picture, as of `Codec.decode`, once all bytes were given. */
  end(): Promise<Picture<F>>;
  /** Lets go of everything. */
  cancel(): void;
}

export interface BitsMap {
  width: number;
  height: number;
  values: Float32Array;
}

/** As of `open`. */
export interface Codec {
  /** Of the model that was opened. */
  readonly model: string;
  readonly threads: number;
  decode<F extends Format = "rgba">(bytes: Bytes, options?: DecodeOptions<F>): Promise<Picture<F>>;
  /**
   * The file of 8-bit samples, gray, RGB or RGBA by their number; as a photograph, whatever it shows. Alpha that is all
   * opaque takes no byte.
   */
  encode(picture: Pixels, options?: EncodeOptions): Promise<FileBytes>;
  /** For a file that is still arriving. */
  stream<F extends Format = "rgba">(options?: StreamOptions<F>): Stream<F>;
  /** Whether there are jobs that wait for the worker. */
  readonly busy: boolean;
  /**
   * Where the bits of a file go, by the model's own tables: those of each 16 x 16 pixels, not turned, row by row; the
   * bits of a lossless tile are spread over all of it.
   */
  bits(bytes: Bytes, options?: { signal?: AbortSignal; maxPixels?: number }): Promise<BitsMap>;
  close(): void;
}

export function open(options?: OpenOptions): Promise<Codec>;
export function info(bytes: Bytes): Info;

/** The PNG of 8-bit samples, gray, RGB or RGBA, with a profile, code points of colours and EXIF. */
export function encodePng(picture: Pixels): Promise<FileBytes>;
