/* FORMAT.md, "Pixels": latents to samples. */
#include "internal.h"
#include <string.h>

enum {
    PIECE = 12,
    PIXEL_BITS = 20
}; /* positions that become pixels at once; fractional bits of a sample before it is one */

typedef struct {
    const aec_model *model;
    const int32_t *latents;
    const Region *region; /* of the window `latents` is */
    int pitch; /* positions in a row of the window */
    const double *gain; /* [M] */
    const Layer *layer;
    int16_t *out; /* [region] */
} Entry;

/* Latents by their gain, as input of a layer. */
static void enter(void *context, int begin, int end)
{
    const Entry *e = context;
    const int M = e->model->config.latent, inputs = e->layer->inputs, cut = e->layer->cut;
    const int32_t *limit = e->layer->limit;
    for (int y = begin; y < end; y++)
        for (int x = 0; x < e->region->width; x++) {
            const int32_t *t = e->latents + ((size_t)(e->region->top + y) * e->pitch + e->region->left + x) * M;
            int16_t *out = e->out + ((size_t)y * e->region->width + x) * inputs;
            for (int c = 0; c < M; c++) {
                out[c] = (int16_t)input_of(scaled(t[c], e->gain[c], MAX_ACTIVATION), cut, limit[c]);
            }
            for (int c = M; c < inputs; c++) out[c] = 0;
        }
}

typedef struct {
    const aec_model *model;
    const Region *inner, *fine; /* the positions that become pixels, in the window and at 1/4 */
    const int16_t *latents; /* of inner */
    const Map *render;
    int height, width, channels, depth;
    void *pixels;
} Exit;

/* A row of 16 x 16 samples of the sums of the linear layer [count][768] and of the last [4][4 * PIECE][48]. */
static void samples(const Exit *e, const int32_t *linear, const int32_t *last, int row, int column, int count)
{
    const int rows = least(STRIDE, e->height - row * STRIDE),
              columns = least(count * STRIDE, e->width - column * STRIDE);
    const int gray = e->channels == 1, deep = e->depth == 16, top = (deep ? 65535 : 255) / (gray ? 3 : 1);
    const int32_t whole = (gray ? 3 : 1) << PIXEL_BITS, half = whole / 2;
    for (int i = 0; i < rows; i++) {
        int32_t line[PIECE * STRIDE * 3];
        for (int j = 0; j < count; j++)
            for (int k = 0; k < 48; k++)
                line[48 * j + k] = linear[768 * j + 48 * i + k] +
                                   last[((size_t)(i / 4) * 4 * PIECE + 4 * j + k / 12) * 48 + 12 * (i % 4) + k % 12];
        if (gray)
            for (int j = 0; j < columns; j++) line[j] = line[3 * j] + line[3 * j + 1] + line[3 * j + 2];
        const size_t at = ((size_t)(row * STRIDE + i) * e->width + (size_t)column * STRIDE) * e->channels;
        const int n = columns * e->channels;
        if (deep) {
            uint16_t *out = (uint16_t *)e->pixels + at;
            for (int j = 0; j < n; j++)
                out[j] = (uint16_t)(((int64_t)clamp(line[j] + half, 0, whole) * top + (1 << (PIXEL_BITS - 1))) >>
                                    PIXEL_BITS);
        } else {
            uint8_t *out = (uint8_t *)e->pixels + at;
            for (int j = 0; j < n; j++)
                out[j] = (uint8_t)((clamp(line[j] + half, 0, whole) * top + (1 << (PIXEL_BITS - 1))) >> PIXEL_BITS);
        }
    }
}

/* Pieces of rows: the last two layers and what becomes of them, while it is in the cache. */
static void leave(void *context, int begin, int end)
{
    const Exit *e = context;
    const aec_model *m = e->model;
    const int across = (e->inner->width + PIECE - 1) / PIECE, inputs = m->synthesis.linear.inputs;
    int32_t linear[PIECE * 768], last[4 * 4 * PIECE * 48];
    for (int i = begin; i < end; i++) {
        const int row = i / across, column = i % across * PIECE, count = least(PIECE, e->inner->width - column);
        const Region part = {e->fine->top + 4 * row, e->fine->left + 4 * column, 4, 4 * count, {0}};
        m->simd->run(&(Job){.layer = &m->synthesis.linear,
                            .src = e->latents + ((size_t)row * e->inner->width + column) * inputs,
                            .src_step = 1,
                            .height = 1,
                            .width = count,
                            .zoom = 1,
                            .keep = linear,
                            .keep_pitch = PIECE},
                     0, 1);
        m->simd->run(&(Job){.layer = &m->synthesis.last,
                            .src = map_at(e->render, &part),
                            .src_pitch = e->render->pitch,
                            .src_step = 1,
                            .height = 4,
                            .width = 4 * count,
                            .zoom = 1,
                            .keep = last,
                            .keep_pitch = 4 * PIECE},
                     0, 4);
        samples(e, linear, last, row, column, count);
    }
}

static int render(const aec_model *m, int32_t quality, const int32_t *latents, Region window, Exit *e, Arena *arena)
{
    const int S = m->config.synthesis_blocks, M = m->config.latent, deep = padded(m->config.deep),
              width = padded(m->config.width), thin = padded(m->config.render);
    const Region inner = aec_shed(window, 0), at16 = aec_shed(window, S + 1);
    Region at8 = aec_doubled(at16);
    const size_t n = (size_t)window.height * window.width;
    int32_t *factors = aec_take(arena, (size_t)2 * GREATEST, 4), *log2 = aec_take(arena, (size_t)padded(M), 4);
    double *gain = aec_take(arena, (size_t)M, sizeof *gain);
    int16_t *u = aec_take(arena, n * padded(M), 2),
            *shortcut = aec_take(arena, (size_t)inner.height * inner.width * padded(M), 2);
    int32_t *x16 = aec_take(arena, n * deep, 4), *x8 = aec_take(arena, (size_t)at8.height * at8.width * width, 4);
    Map in = aec_map(arena, window.height, window.width, deep), mid = aec_map(arena, window.height, window.width, deep);
    Map in8 = aec_map(arena, at8.height, at8.width, width), mid8 = aec_map(arena, at8.height, at8.width, width);
    if (arena->failed) return AEC_MEMORY;
    aec_between(m, m->synthesis.gain, M, quality, log2);
    for (int c = 0; c < M; c++) gain[c] = aec_power(m, log2[c], -PULL);

    aec_parallel(window.height, enter, &(Entry){m, latents, &window, window.width, gain, &m->synthesis.first, u});
    aec_parallel(inner.height, enter, &(Entry){m, latents, &inner, window.width, gain, &m->synthesis.linear, shortcut});
    const ResBlock *first = &m->synthesis.first_block, *blocks = m->synthesis.blocks, *last = &m->synthesis.render;
    aec_layer(m, &(Job){.layer = &m->synthesis.first,
                        .src = u,
                        .src_pitch = window.width,
                        .src_step = 1,
                        .height = window.height,
                        .width = window.width,
                        .zoom = 1,
                        .keep = x16,
                        .keep_pitch = window.width,
                        .next = in.at,
                        .next_pitch = in.pitch,
                        .limit = first->a.limit,
                        .cut = first->a.cut});
    aec_block(m, first, quality, &window, &at16, x16, window.width, &in, &mid, &m->synthesis.up8, factors);

    const Layer *next = S ? &blocks[0].a : &m->synthesis.up4;
    const size_t pitch8 = at8.width;
    aec_layer(m, &(Job){.layer = &m->synthesis.up8,
                        .src = map_at(&in, &at16),
                        .src_pitch = in.pitch,
                        .src_step = 1,
                        .height = at16.height,
                        .width = at16.width,
                        .zoom = 2,
                        .keep = x8,
                        .keep_pitch = pitch8,
                        .next = in8.at,
                        .next_pitch = in8.pitch,
                        .limit = next->limit,
                        .cut = next->cut});
    for (int s = 0; s < S; s++) {
        const Region less = aec_shed(at8, 2 * (S - s));
        aec_block(m, blocks + s, quality, &at8, &less, x8, pitch8, &in8, &mid8,
                  s + 1 < S ? &blocks[s + 1].a : &m->synthesis.up4, factors);
        at8 = less;
    }

    const Region at4 = aec_doubled(at8), fine = aec_shed(at4, 1), pixels = aec_shed(at4, 0);
    int32_t *x4 = aec_take(arena, (size_t)at4.height * at4.width * thin, 4);
    Map in4 = aec_map(arena, at4.height, at4.width, thin), mid4 = aec_map(arena, at4.height, at4.width, thin);
    if (arena->failed) return AEC_MEMORY;
    aec_layer(m, &(Job){.layer = &m->synthesis.up4,
                        .src = map_at(&in8, &at8),
                        .src_pitch = in8.pitch,
                        .src_step = 1,
                        .height = at8.height,
                        .width = at8.width,
                        .zoom = 2,
                        .keep = x4,
                        .keep_pitch = at4.width,
                        .next = in4.at,
                        .next_pitch = in4.pitch,
                        .limit = last->a.limit,
                        .cut = last->a.cut});
    aec_block(m, last, quality, &at4, &fine, x4, at4.width, &in4, &mid4, &m->synthesis.last, factors);
    e->inner = &inner, e->fine = &pixels, e->latents = shortcut, e->render = &in4;
    aec_parallel(inner.height * ((inner.width + PIECE - 1) / PIECE), leave, e);
    return AEC_FINE;
}

int32_t aec_render(const aec_model *m, int32_t quality, const int32_t *latents, int32_t h, int32_t w,
                   const int32_t halo[4], int32_t height, int32_t width, int32_t channels, int32_t depth, void *pixels)
{
    if (quality < 100 || quality > 10000 || h < 1 || w < 1 || h > MAX_POSITIONS || w > MAX_POSITIONS ||
        (channels != 1 && channels != 3) || (depth != 8 && depth != 16))
        return AEC_ARGUMENT;
    for (int i = 0; i < 4; i++)
        if (halo[i] < 0 || halo[i] >= MAX_POSITIONS) return AEC_ARGUMENT;
    const int64_t high = h - halo[0] - halo[1], wide = w - halo[2] - halo[3];
    if (height < 1 || width < 1 || height > high * STRIDE || width > wide * STRIDE || height <= (high - 1) * STRIDE ||
        width <= (wide - 1) * STRIDE)
        return AEC_ARGUMENT;
    Arena arena = {0};
    aec_borrow(&arena);
    Exit e = {.model = m, .height = height, .width = width, .channels = channels, .depth = depth, .pixels = pixels};
    const int result =
        render(m, quality, latents, (Region){0, 0, h, w, {halo[0], halo[1], halo[2], halo[3]}}, &e, &arena);
    aec_return(&arena);
    return result;
}
