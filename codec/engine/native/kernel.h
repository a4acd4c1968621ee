/* The kernel of a layer, once for every instruction set, which defines before it includes this:
 * NAME, LANES (sums in a vector), VECTOR, LOAD(p), PAIR(p) (two neighbouring inputs, for all lanes), DOT(sums, pair,
 * weights), STORE(p, sums), PLACE(output, half) (of the weights of two inputs in a block), SHAPES(S) (S(positions,
 * vectors) of sums held in registers, wide ones first) and MOST_SUMS in them. */
#include "internal.h"
#include <string.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define PART(name) JOIN(NAME, name)
#if defined(__clang__)
#define TIMES(i, n) _Pragma("clang loop unroll(full)") for (int i = 0; i < n; i++)
#define EACH(i) _Pragma("clang loop vectorize(assume_safety)") for (int i = 0; i < GROUP; i++)
#else
#define TIMES(i, n) _Pragma("GCC unroll 16") for (int i = 0; i < n; i++)
#define EACH(i) _Pragma("GCC ivdep") for (int i = 0; i < GROUP; i++)
#endif

/* Sums of C * LANES outputs at R positions that follow each other, into out [R][C * LANES]. The three inputs side by
 * side under a 3 x 3 kernel are one run of numbers; `below` leads to the next row's. */
#define SUMS(R, C) \
    static void PART(sums##R##x##C)(const int16_t *src, size_t step, size_t below, int runs, int length, \
                                    const int16_t *weight, const int32_t *start, int32_t *out) \
    { \
        VECTOR sums[R][C]; \
        TIMES(r, R) \
            TIMES(c, C) sums[r][c] = LOAD(start + c * LANES); \
        for (int run = 0; run < runs; run++, src += below) \
            for (int k = 0; k < length; k += 2, weight += 2 * C * LANES) { \
                VECTOR weights[C]; \
                TIMES(c, C) weights[c] = LOAD(weight + 2 * c * LANES); \
                TIMES(r, R) { \
                    const VECTOR pair = PAIR(src + r * step + k); \
                    TIMES(c, C) sums[r][c] = DOT(sums[r][c], pair, weights[c]); \
                } \
            } \
        TIMES(r, R) \
            TIMES(c, C) STORE(out + (r * C + c) * LANES, sums[r][c]); \
    }
SHAPES(SUMS)

/* What becomes of the sums of positions x to x + count - 1 of row y, outputs of one block. */
static void PART(settle)(const Job *j, const int32_t *sums, int b, int y, int x, int count)
{
    const Layer *l = j->layer;
    const int block = l->block, channels = l->outputs / l->groups, per_group = l->blocks / l->groups,
              part = b / per_group;
    const int row = y * j->zoom + (part >> 1), column = x * j->zoom + (part & 1);
    for (int g = 0; g < block; g += GROUP) {
        const int c = b % per_group * block + g;
        if (c >= channels) return;
        const int32_t *half = l->half + b * block + g, *shift = l->shift + b * block + g;
        for (int r = 0; r < count; r++) {
            const int at = column + r * j->zoom, phase = (row & 1) * 2 + (at & 1);
            const int32_t *sum = sums + r * block + g;
            int32_t v[GROUP];
            if (l->leaky)
                EACH(i) v[i] = sum[i] < 0 ? (sum[i] + 8 * half[i]) >> (shift[i] + 3) : (sum[i] + half[i]) >> shift[i];
            else
                EACH(i) v[i] = sum[i] >> shift[i];
            if (j->positive) {
                const int32_t *positive = j->positive + c, *negative = j->negative + c;
                EACH(i) {
                    const int32_t u = clamp(v[i], INT16_MIN, INT16_MAX);
                    v[i] = (u * (u < 0 ? negative[i] : positive[i]) + (1 << 14)) >> 15;
                }
            }
            if (j->parity) {
                const int32_t *add = j->parity + phase * channels + c;
                EACH(i) v[i] += add[i];
            }
            if (j->add) {
                const int32_t *add = j->add + (row * j->add_pitch + at) * channels + c;
                EACH(i) v[i] += add[i];
            }
            if (j->keep) {
                int32_t *keep = j->keep + (row * j->keep_pitch + at) * channels + c;
                EACH(i) keep[i] = v[i];
            }
            if (j->next) {
                const int32_t *limit = j->limit + phase * j->limit_step + c;
                int16_t *next = j->next + (row * j->next_pitch + at) * channels + c;
                const int cut = j->cut;
                EACH(i) next[i] = (int16_t)input_of(v[i], cut, limit[i]);
            }
        }
    }
}

/* The same for the heads: each channel is a mean or a table row. */
static void PART(speak)(const Job *j, const int32_t *sums, int b, int y, int x, int count)
{
    const Layer *l = j->layer;
    const Heads *h = j->heads;
    const size_t at = (size_t)y * j->width + x;
    for (int g = 0; g < l->block; g++) {
        const int c = b * l->block + g, shift = l->shift[c];
        if (c < h->channels) {
            const Factor *f = h->to_mean + c;
            int32_t *mean = h->mean + c * h->positions + at;
            for (int r = 0; r < count; r++) {
                const int64_t v = scaled(sums[r * l->block + g] >> shift, f), most = MAX_RESIDUAL << LATENT;
                mean[r] = (int32_t)(v < -most ? -most : v > most ? most : v);
            }
        } else if (c < 2 * h->channels) {
            const int32_t offset = h->row_offset[c - h->channels];
            uint8_t *row = h->row + (c - h->channels) * h->positions + at;
            for (int r = 0; r < count; r++)
                row[r] = (uint8_t)clamp(((sums[r * l->block + g] >> shift) + offset) >> (HEAD - 3), 0, ROWS - 1);
        }
    }
}

/* How many positions are done at once, for blocks of so many outputs: those that come first, where they fit. */
static const struct {
    int count, block;
    void (*sums)(const int16_t *, size_t, size_t, int, int, const int16_t *, const int32_t *, int32_t *);
} PART(shapes)[] = {
#define SHAPE_OF(R, C) {R, C * LANES, PART(sums##R##x##C)},
    SHAPES(SHAPE_OF)};

static void PART(run)(void *job, int begin, int end)
{
    const Job *j = job;
    const Layer *l = j->layer;
    const size_t inputs = (size_t)l->inputs, step = j->src_step * inputs, below = j->src_pitch * inputs,
                 corner = l->kernel == 3 ? below + inputs : 0;
    const int length = l->kernel * l->inputs;
    int32_t sums[MOST_SUMS] __attribute__((aligned(64)));
    for (int y = begin; y < end; y++)
        for (int x = 0; x < j->width;) {
            int s = 0;
            while (PART(shapes)[s].count > j->width - x || PART(shapes)[s].block != l->block) s++;
            const int16_t *src = j->src + y * j->src_step * below + x * step - corner;
            for (int b = 0; b < l->blocks; b++) {
                const size_t at = (size_t)b * l->block;
                PART(shapes)
                [s].sums(src, step, below, l->kernel, length, l->weight + at * l->kernel * length, l->start + at, sums);
                (j->heads ? PART(speak) : PART(settle))(j, sums, b, y, x, PART(shapes)[s].count);
            }
            x += PART(shapes)[s].count;
        }
}

static size_t PART(place)(int block, int pair, int output, int half)
{ return (size_t)2 * block * pair + PLACE(output, half); }
