/* The kernel of a layer, once for every instruction set, which defines before it includes this:
 * NAME; VECTOR, of LANES sums; LOAD(p) and STORE(p, v) of one, STORE16(p, v) of what fits into int16; ALL(n);
 * PAIR(p), two neighbouring inputs for all lanes; DOT(sums, pair, weights);
 * PLACE(output, half), where in a block the two weights of a pair lie;
 * ADD, MULTIPLY (the low 32 bits), MIN, MAX, NEGATED, IF_NEGATIVE(v, a, b) lane by lane, SHIFT_LEFT(v, n), and, to the
 * right, SHIFT(v, n) and SHIFT_EACH(v, counts), which may expect |v| < 2^24;
 * SHAPES(S): S(positions, vectors) of sums held in registers, the most positions first; MOST_SUMS in any of them. */
#include "internal.h"
#include <string.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define PART(name) JOIN(NAME, name)
#if defined(__clang__)
#define TIMES(i, n) _Pragma("clang loop unroll(full)") for (int i = 0; i < n; i++)
#else
#define TIMES(i, n) _Pragma("GCC unroll 16") for (int i = 0; i < n; i++)
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
    const int block = l->block, channels = l->outputs / l->groups, per_group = l->blocks / l->groups;
    const int part = b / per_group, row = y * j->zoom + (part >> 1), column = x * j->zoom + (part & 1);
    const VECTOR cut_half = ALL((1 << j->cut) >> 1), activation_half = ALL(1 << 14);
    const VECTOR lowest = ALL(INT16_MIN), highest = ALL(INT16_MAX), three = ALL(3);
    for (int g = 0, c = b % per_group * block; g < block && c < channels; g += LANES, c += LANES) {
        const VECTOR half = LOAD(l->half + b * block + g), shift = LOAD(l->shift + b * block + g);
        for (int r = 0; r < count; r++) {
            const int at = column + r * j->zoom, phase = (row & 1) * 2 + (at & 1);
            VECTOR v = LOAD(sums + r * block + g);
            if (l->leaky) {
                const VECTOR rounded = ADD(v, IF_NEGATIVE(v, SHIFT_LEFT(half, 3), half));
                v = SHIFT_EACH(rounded, IF_NEGATIVE(v, ADD(shift, three), shift));
            } else if (l->shift_of_all < 0) {
                v = SHIFT_EACH(v, shift);
            } else {
                v = SHIFT(v, l->shift_of_all);
            }
            if (j->positive) {
                v = MAX(MIN(v, highest), lowest);
                const VECTOR factor = IF_NEGATIVE(v, LOAD(j->negative + c), LOAD(j->positive + c));
                v = SHIFT(ADD(MULTIPLY(v, factor), activation_half), 15);
            }
            if (j->parity) v = ADD(v, LOAD(j->parity + phase * channels + c));
            if (j->add) v = ADD(v, LOAD(j->add + (row * j->add_pitch + at) * channels + c));
            if (j->keep) STORE(j->keep + (row * j->keep_pitch + at) * channels + c, v);
            if (j->next) {
                const VECTOR limit = LOAD(j->limit + phase * j->limit_step + c);
                v = MAX(MIN(SHIFT(ADD(v, cut_half), j->cut), limit), NEGATED(limit));
                STORE16(j->next + (row * j->next_pitch + at) * channels + c, v);
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
            int32_t *mean = h->mean + c * h->positions + at;
            for (int r = 0; r < count; r++)
                mean[r] = scaled(sums[r * l->block + g] >> shift, h->to_mean[c], MAX_RESIDUAL << LATENT);
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
