/** Everything that is refused, with one sentence that says why. */
export class AecError extends Error {
  /** NotAec, Truncated, Corrupt, UnsupportedVersion, UnknownModel, BadWeights, TooLarge, BadOption, Failed, Closed. */
  kind: string;
}

type Bytes = ArrayBuffer | ArrayBufferView;
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
export interface Tile {
  x: number;
  y: number;
  width: number;
  height: number;
  data: Uint8ClampedArray | Uint8Array | Uint16Array;
  /** With format "samples" only. */
  alpha?: Uint8Array | Uint16Array;
}

export interface DecodeOptions {
  /**
   * "rgba", which is the default, and "rgb": 8 bits per sample, of whatever file; "samples": those of the file, gray or
   * RGB of 8 or 16 bits, unturned, and alpha apart; "png": the bytes of a PNG of 8 bits, with the profile.
   */
  format?: "rgba" | "rgb" | "samples" | "png";
  /** Whether a PNG is made without compression, as it is only to be shown. */
  fast?: boolean;
  /** Whether the picture is turned as its EXIF says; true if not given. */
  orient?: boolean;
  /** With true, tiles come by `progress` alone, and no picture is put together. */
  tiles?: boolean;
  /** Called for each tile of up to 1024 x 1024 pixels when it is decoded. */
  progress?: (tile: Tile & { done: number; total: number }) => void;
  signal?: AbortSignal;
  maxPixels?: number;
}

export interface Picture {
  width: number;
  height: number;
  /** Of the file: 1 gray or 3, alpha not counted; depth 8 or 16. */
  channels: 1 | 3;
  depth: 8 | 16;
  data: Uint8ClampedArray | Uint8Array | Uint16Array;
  alpha?: Uint8Array | Uint16Array;
  /** What EXIF says, 1 to 8; `data` is turned already, unless `orient` was false or `format` "samples". */
  orientation: number;
  /** The colours are those of the profile; of sRGB where there is neither that nor `cicp`. */
  icc?: Uint8Array;
  cicp?: Uint8Array;
  exif?: Uint8Array;
  xmp?: Uint8Array;
  quality: number;
  model: string;
}

export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray | Uint8Array;
  icc?: Uint8Array;
  exif?: Uint8Array;
  xmp?: Uint8Array;
  cicp?: Uint8Array;
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
export interface Sight extends Tile {
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

export interface StreamOptions extends Omit<DecodeOptions, "progress" | "tiles"> {
  /** Called for tiles as they come, coarse ones first; with format "png" each time for all that is there. */
  progress?: (sight: Sight) => void;
  /** Gives bytes of the file from another request, null if it cannot: those of the EXIF, which says how it is turned. */
  part?: (start: number, size: number) => Promise<Uint8Array | null>;
}

export interface Stream {
  /** Null until enough bytes have come. */
  readonly info: Info | null;
  /** The size of the picture, turned where `part` tells how. */
  readonly sized: Promise<{ width: number; height: number }>;
  /** Adds bytes; returns `info`. Throws AecError where they are no file. */
  push(chunk: Bytes): Info | null;
  /** The picture, as of `Codec.decode`, once all bytes were given. */
  end(): Promise<Picture>;
  /** Lets go of everything. */
  cancel(): void;
}

export interface BitsMap {
  width: number;
  height: number;
  values: Float32Array;
}

export class Codec {
  /** Of the model that was opened. */
  readonly model: string;
  readonly threads: number;
  decode(bytes: Bytes, options?: DecodeOptions): Promise<Picture>;
  /**
   * The file of 8-bit samples, gray, RGB or RGBA by their number; as a photograph, whatever it shows. Alpha that is all
   * opaque takes no byte.
   */
  encode(picture: Pixels, options?: EncodeOptions): Promise<Uint8Array>;
  /** For a file that is still arriving. */
  stream(options?: StreamOptions): Stream;
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
export function encodePng(picture: Pixels): Promise<Uint8Array>;
