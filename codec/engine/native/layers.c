/* Layers and blocks over arrays. */
#include "internal.h"
#include <string.h>

void aec_layer(const aec_model *m, const Job *job) { aec_parallel(job->height, m->simd->run, (void *)job); }

Region aec_shed(Region r, int keep)
{
    int less[4];
    for (int i = 0; i < 4; i++) less[i] = r.halo[i] - least(r.halo[i], keep), r.halo[i] -= less[i];
    r.top += less[0], r.left += less[2], r.height -= less[0] + less[1], r.width -= less[2] + less[3];
    return r;
}

Region aec_doubled(Region r)
{ return (Region){0, 0, 2 * r.height, 2 * r.width, {2 * r.halo[0], 2 * r.halo[1], 2 * r.halo[2], 2 * r.halo[3]}}; }

Map aec_map(Arena *arena, int height, int width, int channels)
{
    const size_t pitch = (size_t)width + 2, row = pitch * channels;
    int16_t *all = aec_take(arena, (size_t)height + 2, row * 2);
    if (!all) return (Map){0};
    memset(all, 0, (row + channels) * 2);
    for (int y = 1; y < height; y++) memset(all + (y + 1) * row - channels, 0, (size_t)4 * channels);
    memset(all + (height + 1) * row - channels, 0, (row + channels) * 2);
    return (Map){all + row + channels, pitch, channels};
}

void aec_block(const aec_model *m, const ResBlock *b, int32_t quality, const Region *from, const Region *to, int32_t *x,
               size_t pitch, const Map *in, const Map *mid, const Layer *next, int32_t *factors)
{
    const int channels = b->a.outputs;
    int32_t *positive = factors, *negative = factors + channels, *inner = x + (to->top * pitch + to->left) * channels;
    aec_between(m, b->gain, channels, quality, positive);
    for (int c = 0; c < channels; c++) {
        positive[c] = scaled(1, aec_power(m, positive[c], 15), INT16_MAX);
        negative[c] = (positive[c] * 3277 + (1 << 14)) >> 15; /* a slope of 0.1 */
    }
    aec_layer(m, &(Job){.layer = &b->a,
                        .src = map_at(in, from),
                        .src_pitch = in->pitch,
                        .src_step = 1,
                        .height = from->height,
                        .width = from->width,
                        .zoom = 1,
                        .positive = positive,
                        .negative = negative,
                        .next = map_at(mid, from),
                        .next_pitch = mid->pitch,
                        .limit = b->b.limit});
    aec_layer(m, &(Job){.layer = &b->b,
                        .src = map_at(mid, to),
                        .src_pitch = mid->pitch,
                        .src_step = 1,
                        .height = to->height,
                        .width = to->width,
                        .zoom = 1,
                        .add = inner,
                        .keep = inner,
                        .add_pitch = pitch,
                        .keep_pitch = pitch,
                        .next = next ? map_at(in, to) : NULL,
                        .next_pitch = in->pitch,
                        .limit = next ? next->limit : NULL,
                        .cut = next ? next->cut : 0});
}
