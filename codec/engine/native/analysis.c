/* FORMAT.md, "Analysis": samples to latents, and latents to the hyper-latent. */
#include "internal.h"
#include <string.h>

enum {
    INPUT_BITS = 12,
    HYPER_BITS = 8,
    CELL = 8,
    SLOPE = 3277
}; /* bits of the range of samples; fractional bits of z; samples per position at 1/8; 0.1 in 2^-15 */

typedef struct {
    const void *pixels;
    int64_t stride; /* samples from row to row */
    int height, width, channels, depth, across; /* across: positions in a row */
    const aec_model *model;
    Map cells; /* at 1/8 */
    const Region *inner;
    int16_t *blocks; /* at 1/16, of the inner region */
} Entry;

/* X of the sample of a channel; the picture's last row and column are repeated. */
static inline int32_t sample(const Entry *e, int row, int column, int channel)
{
    const size_t at = (size_t)least(row, e->height - 1) * e->stride +
                      (size_t)least(column, e->width - 1) * e->channels + (e->channels == 1 ? 0 : channel);
    const uint32_t most = e->depth == 8 ? 255 : 65535,
                   p = e->depth == 8 ? ((const uint8_t *)e->pixels)[at] : ((const uint16_t *)e->pixels)[at];
    return (int32_t)(((p << (INPUT_BITS + 1)) + most) / (2 * most)) - (1 << (INPUT_BITS - 1));
}

/* Rows of positions: the input of both layers that look at samples. */
static void enter(void *context, int begin, int end)
{
    const Entry *e = context;
    const Layer *first = &e->model->analysis.first, *linear = &e->model->analysis.linear;
    const Region *r = e->inner;
    for (int y = begin; y < end; y++)
        for (int i = 0; i < STRIDE; i++)
            for (int x = 0; x < e->across; x++) {
                const int inside = y >= r->top && y < r->top + r->height && x >= r->left && x < r->left + r->width;
                int16_t *block =
                    inside ? e->blocks + ((size_t)(y - r->top) * r->width + x - r->left) * linear->inputs + i * 48
                           : NULL;
                int16_t *cell =
                    e->cells.at + ((size_t)(2 * y + i / CELL) * e->cells.pitch + 2 * x) * first->inputs + i % CELL * 24;
                for (int j = 0; j < 48; j++) {
                    const int32_t v = sample(e, STRIDE * y + i, STRIDE * x + j / 3, j % 3);
                    const int at = i % CELL * 24 + j % 24;
                    cell[j / 24 * first->inputs + j % 24] = (int16_t)input_of(v, first->cut, first->limit[at]);
                    if (block) block[j] = (int16_t)input_of(v, linear->cut, linear->limit[i * 48 + j]);
                }
            }
}

static int analyse(const aec_model *m, int32_t quality, Entry *e, Region window, int32_t *y, Arena *arena)
{
    const int B = m->config.analysis_blocks, width = padded(m->config.width), deep = padded(m->config.deep);
    const Region inner = aec_shed(window, 0);
    Region at8 = aec_doubled(window);
    int32_t *factors = aec_take(arena, (size_t)2 * GREATEST, 4),
            *x8 = aec_take(arena, (size_t)at8.height * at8.width * width, 4);
    e->cells = aec_map(arena, at8.height, at8.width, m->analysis.first.inputs);
    e->blocks = aec_take(arena, (size_t)inner.height * inner.width * m->analysis.linear.inputs, 2);
    Map in8 = aec_map(arena, at8.height, at8.width, width), mid8 = aec_map(arena, at8.height, at8.width, width);
    if (arena->failed) return AEC_MEMORY;
    e->model = m, e->inner = &inner, e->across = window.width;
    aec_parallel(window.height, enter, e);

    const Layer *next = B ? &m->analysis.blocks[0].a : &m->analysis.down;
    const size_t pitch8 = at8.width;
    aec_layer(m, &(Job){.layer = &m->analysis.first,
                        .src = e->cells.at,
                        .src_pitch = e->cells.pitch,
                        .src_step = 1,
                        .height = at8.height,
                        .width = at8.width,
                        .zoom = 1,
                        .keep = x8,
                        .keep_pitch = pitch8,
                        .next = in8.at,
                        .next_pitch = in8.pitch,
                        .limit = next->limit,
                        .cut = next->cut});
    for (int s = 0; s < B; s++) {
        const Region less =
            aec_shed(at8, 4 + 2 * (B - 1 - s) + 2); /* what two layers at 1/16 and those to come see, made even */
        aec_block(m, m->analysis.blocks + s, quality, &at8, &less, x8, pitch8, &in8, &mid8,
                  s + 1 < B ? &m->analysis.blocks[s + 1].a : &m->analysis.down, factors);
        at8 = less;
    }

    const Region at16 = {0,
                         0,
                         at8.height / 2,
                         at8.width / 2,
                         {at8.halo[0] / 2, at8.halo[1] / 2, at8.halo[2] / 2, at8.halo[3] / 2}},
                 last = aec_shed(at16, 0);
    const ResBlock *block = &m->analysis.last_block;
    int32_t *x16 = aec_take(arena, (size_t)at16.height * at16.width * deep, 4),
            *branch = aec_take(arena, (size_t)inner.height * inner.width * padded(m->config.latent), 4);
    Map in16 = aec_map(arena, at16.height, at16.width, deep), mid16 = aec_map(arena, at16.height, at16.width, deep);
    if (arena->failed) return AEC_MEMORY;
    aec_layer(m, &(Job){.layer = &m->analysis.down,
                        .src = map_at(&in8, &at8),
                        .src_pitch = in8.pitch,
                        .src_step = 2,
                        .height = at16.height,
                        .width = at16.width,
                        .zoom = 1,
                        .keep = x16,
                        .keep_pitch = at16.width,
                        .next = in16.at,
                        .next_pitch = in16.pitch,
                        .limit = block->a.limit,
                        .cut = block->a.cut});
    aec_block(m, block, quality, &at16, &last, x16, at16.width, &in16, &mid16, &m->analysis.last, factors);
    aec_layer(m, &(Job){.layer = &m->analysis.last,
                        .src = map_at(&in16, &last),
                        .src_pitch = in16.pitch,
                        .src_step = 1,
                        .height = last.height,
                        .width = last.width,
                        .zoom = 1,
                        .keep = branch,
                        .keep_pitch = last.width});
    aec_layer(m, &(Job){.layer = &m->analysis.linear,
                        .src = e->blocks,
                        .src_pitch = inner.width,
                        .src_step = 1,
                        .height = inner.height,
                        .width = inner.width,
                        .zoom = 1,
                        .add = branch,
                        .add_pitch = inner.width,
                        .keep = branch,
                        .keep_pitch = inner.width});
    for (size_t i = 0; i < (size_t)inner.height * inner.width; i++)
        memcpy(y + i * m->config.latent, branch + i * padded(m->config.latent), (size_t)m->config.latent * 4);
    return AEC_FINE;
}

int32_t aec_analyse(const aec_model *m, int32_t quality, const void *pixels, int64_t stride, int32_t height,
                    int32_t width, int32_t channels, int32_t depth, const int32_t halo[4], int32_t *latents)
{
    if (!m->encodes || quality < 100 || quality > 10000 || height < 1 || width < 1 || height > MAX_POSITIONS * STRIDE ||
        width > MAX_POSITIONS * STRIDE || (channels != 1 && channels != 3) || (depth != 8 && depth != 16))
        return AEC_ARGUMENT;
    const Region window = {
        0, 0, (height + STRIDE - 1) / STRIDE, (width + STRIDE - 1) / STRIDE, {halo[0], halo[1], halo[2], halo[3]}};
    for (int i = 0; i < 4; i++)
        if (halo[i] < 0 || halo[i] >= MAX_POSITIONS) return AEC_ARGUMENT;
    if (halo[0] + halo[1] >= window.height || halo[2] + halo[3] >= window.width) return AEC_ARGUMENT;
    Arena arena = {0};
    aec_borrow(&arena);
    Entry e = {
        .pixels = pixels, .stride = stride, .height = height, .width = width, .channels = channels, .depth = depth};
    const int result = analyse(m, quality, &e, window, latents, &arena);
    aec_return(&arena);
    return result;
}

typedef struct {
    const int32_t *y;
    int channels, width;
    const Layer *layer;
    int16_t *out;
} Halfway;

static void enter_hyper(void *context, int begin, int end)
{
    const Halfway *e = context;
    for (size_t i = (size_t)begin * e->width; i < (size_t)end * e->width; i++) {
        int16_t *out = e->out + i * e->layer->inputs;
        for (int c = 0; c < e->channels; c++)
            out[c] = (int16_t)input_of(e->y[i * e->channels + c], e->layer->cut, e->layer->limit[c]);
        for (int c = e->channels; c < e->layer->inputs; c++) out[c] = 0;
    }
}

int aec_hyper(const aec_model *m, int32_t quality, const int32_t *y, int h, int w, int32_t *z, Arena *arena)
{
    const int width = padded(m->config.width), hyper = padded(m->config.hyper), h2 = (h + 1) / 2, w2 = (w + 1) / 2,
              h4 = (h2 + 1) / 2, w4 = (w2 + 1) / 2;
    Map a = aec_map(arena, h, w, width), b = aec_map(arena, h2, w2, width);
    int16_t *in = aec_take(arena, (size_t)h * w * m->hyper.a.inputs, 2);
    int32_t *out = aec_take(arena, (size_t)h4 * w4 * hyper, 4), *positive = aec_take(arena, (size_t)width, 4);
    int32_t *negative = aec_take(arena, (size_t)width, 4), *log2 = aec_take(arena, (size_t)hyper, 4);
    if (arena->failed) return AEC_MEMORY;
    for (int c = 0; c < width; c++) positive[c] = 1 << 15, negative[c] = SLOPE;
    aec_parallel(h, enter_hyper, &(Halfway){y, m->config.latent, w, &m->hyper.a, in});
    aec_layer(m, &(Job){.layer = &m->hyper.a,
                        .src = in,
                        .src_pitch = (size_t)w,
                        .src_step = 1,
                        .height = h,
                        .width = w,
                        .zoom = 1,
                        .positive = positive,
                        .negative = negative,
                        .next = a.at,
                        .next_pitch = a.pitch,
                        .limit = m->hyper.b.limit});
    aec_layer(m, &(Job){.layer = &m->hyper.b,
                        .src = a.at,
                        .src_pitch = a.pitch,
                        .src_step = 2,
                        .height = h2,
                        .width = w2,
                        .zoom = 1,
                        .positive = positive,
                        .negative = negative,
                        .next = b.at,
                        .next_pitch = b.pitch,
                        .limit = m->hyper.c.limit});
    aec_layer(m, &(Job){.layer = &m->hyper.c,
                        .src = b.at,
                        .src_pitch = b.pitch,
                        .src_step = 2,
                        .height = h4,
                        .width = w4,
                        .zoom = 1,
                        .keep = out,
                        .keep_pitch = (size_t)w4});
    aec_between(m, m->gain_z, m->config.hyper, quality, log2);
    for (int c = 0; c < m->config.hyper; c++) {
        const double factor = aec_power(m, log2[c], -HYPER_BITS);
        for (int i = 0; i < h4 * w4; i++)
            z[(size_t)c * h4 * w4 + i] = scaled(out[(size_t)i * hyper + c], factor, MAX_RESIDUAL);
    }
    return AEC_FINE;
}
