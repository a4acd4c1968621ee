/* The codec of one tile as a C library: pixels to latents to a payload, and back. The bytes and the arithmetic are
 * those of codec/FORMAT.md, whose names are used here. Every function checks what it is given and returns AEC_FINE or
 * what is wrong; a model may be shared by threads. Arrays are contiguous, the last index fastest. */
#ifndef AEC_H
#define AEC_H
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define AEC_API __declspec(dllexport)
#elif defined(__GNUC__)
#define AEC_API __attribute__((visibility("default")))
#else
#define AEC_API
#endif

enum { AEC_VERSION = 1 }; /* of these declarations */
AEC_API int32_t aec_version(void);

enum aec_result {
    AEC_FINE,
    AEC_MEMORY, /* an allocation failed */
    AEC_ARGUMENT, /* an argument outside what the function says */
    AEC_MODEL, /* the tensors are no model; the message names the reason */
    AEC_SIZE, /* the payload's number of bytes cannot be a stream */
    AEC_STATE, /* the payload begins with an impossible state */
    AEC_SHORT, /* the payload ends before its symbols */
    AEC_SYMBOL, /* a symbol beyond MAX_RESIDUAL */
    AEC_LONG, /* the payload does not end after its symbols */
    AEC_FORM, /* the payload is not in its shortest form */
};

typedef struct aec_model aec_model;

/* The sizes of a model, as in FORMAT.md, "Weight file": M, Z, A, P, D, W, E, R, S, and the blocks at 1/8 of the
 * analysis. */
typedef struct {
    int32_t latent, hyper, anchors, prior, prior_mid, width, deep, render, synthesis_blocks, analysis_blocks;
} aec_config;

enum aec_type { AEC_I8, AEC_I16, AEC_I32, AEC_F32 };

/* A tensor of a weight file: `bytes` at `data` hold numbers of that type, aligned for it, in `dimensions` dimensions.
 */
typedef struct {
    const char *name;
    const void *data;
    int64_t bytes;
    int64_t shape[4];
    int32_t dimensions, type;
} aec_tensor;

/* Chooses the instruction set, before the first model is made: avx512vnni, avx2, baseline, neon, wasm or plain; NULL:
 * the best this processor has. Returns the name of what is used from now on, NULL where the processor lacks what was
 * asked for. */
AEC_API const char *aec_use(const char *wanted);

/* Sets how many threads a call may use, 1 to 256; returns what it will use. */
AEC_API int32_t aec_threads(int32_t count);

/* Makes a model of tensors, which may go afterwards. NULL: what is wrong is in `message`, a sentence of at most `room`
 * bytes with its zero. A model without tensors `analysis.*` only decodes. */
AEC_API aec_model *aec_load(const aec_config *config, const aec_tensor *tensors, int64_t count, char *message,
                            int64_t room);
AEC_API void aec_unload(aec_model *model);

/* Payload to latents of a tile of h x w positions (1 to 4096 each) at a quality in hundredths: latents [h, w, M] in
 * 2^-12 quantiser steps, pulled to their means (FORMAT.md, "Pixels"); check: its symbols_crc, which the caller
 * compares; symbols, rows: NULL, or [M, H, W] of the grid; hyper: NULL, or [Z, H/4, W/4]. `count` gets the number of
 * symbols read. */
AEC_API int32_t aec_read(const aec_model *model, int32_t quality, const uint8_t *payload, int64_t size, int32_t h,
                         int32_t w, int32_t *latents, uint32_t *check, int32_t *symbols, uint8_t *rows, int32_t *hyper,
                         int64_t *count);

/* The same of the first `size` bytes of a payload, any number of them, for a picture of what has come: in place of the
 * symbols that have not, z is 0 and y the mean that the prior finds. `part` gets how far they reach: 0: into z, 1 to 4:
 * into that step of y, 5: the payload is whole. There is no checksum of a part: AEC_STATE, AEC_SYMBOL, AEC_FORM and
 * AEC_LONG tell some damage. */
AEC_API int32_t aec_peek(const aec_model *model, int32_t quality, const uint8_t *payload, int64_t size, int32_t h,
                         int32_t w, int32_t *latents, int32_t *part, int64_t *count);

/* The other way: the payload of latents [h, w, M] of an analysis, in 2^-12. It is put at the end of `words` [room]
 * (`aec_room` says how much is enough), little-endian where the machine is; `size` gets its number of words. */
AEC_API int32_t aec_write(const aec_model *model, int32_t quality, const int32_t *latents, int32_t h, int32_t w,
                          uint32_t *words, int64_t room, int64_t *size, uint32_t *check);
/* The same of symbols of z [Z, H/4, W/4] and what y should be near to, [h, w, M] in 2^-12 quantiser steps, within
 * +-2^27. */
AEC_API int32_t aec_pack(const aec_model *model, int32_t quality, const int32_t *hyper, const int32_t *target,
                         int32_t h, int32_t w, uint32_t *words, int64_t room, int64_t *size, uint32_t *check);
AEC_API int64_t aec_room(const aec_model *model, int32_t h, int32_t w);

/* Latents [h, w, M], as of aec_read, of a window with `halo` positions at its top, bottom, left and right that are
 * there for their neighbours (S + 3, or fewer where the picture ends), to the samples [height, width, channels] of what
 * is within the halo, cut there: uint8 or, for depth 16, uint16. */
AEC_API int32_t aec_render(const aec_model *model, int32_t quality, const int32_t *latents, int32_t h, int32_t w,
                           const int32_t halo[4], int32_t height, int32_t width, int32_t channels, int32_t depth,
                           void *pixels);

/* Rows [count][width] of bytes, those of a pixel side by side, to rows [count][1 + width] of a PNG: each by the filter,
 * which its first byte names, whose result has the least sum of magnitudes; Paeth's is not tried. */
AEC_API int32_t aec_filter(const uint8_t *rows, int64_t count, int64_t width, int32_t pixel, uint8_t *out);

/* Samples [height, width, channels], `stride` samples from row to row, to latents [h, w, M] in 2^-12 of the positions
 * within the halo. */
AEC_API int32_t aec_analyse(const aec_model *model, int32_t quality, const void *pixels, int64_t stride, int32_t height,
                            int32_t width, int32_t channels, int32_t depth, const int32_t halo[4], int32_t *latents);
#endif
