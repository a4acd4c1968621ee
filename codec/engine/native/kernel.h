/* The kernel of a layer, once for every instruction set, which defines before it includes this:
 * NAME; VECTOR, of LANES sums; LOAD(p) and STORE(p, v) of one, STORE16(p, v) of what fits into int16; ALL(n);
 * PAIR(p), two neighbouring inputs for all lanes; DOT(sums, pair, weights);
 * PLACE(output, half), where in a block the two weights of a pair lie;
 * ADD, MULTIPLY (the low 32 bits), MIN, MAX, NEGATED, IF_NEGATIVE(v, a, b) lane by lane, SHIFT_LEFT(v, n), and, to the
 * right, SHIFT(v, n) and SHIFT_EACH(v, counts), which may expect |v| < 2^24;
 * SHAPES(S): S(positions, vectors) of sums held in registers, the most positions first; MOST_SUMS in any of them, of
 * MOST_BESIDE. */
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
        for (int run = 0; run < runs; run++, src += below) { \
            /* three positions from each, so that no address waits for a chain of others */ \
            const int16_t *at[(R + 2) / 3]; \
            TIMES(g, (R + 2) / 3) at[g] = src + 3 * g * step; \
            for (int k = 0; k < length; k += 2, weight += 2 * C * LANES) { \
                VECTOR weights[C]; \
                TIMES(c, C) weights[c] = LOAD(weight + 2 * c * LANES); \
                TIMES(r, R) { \
                    const VECTOR pair = PAIR(at[r / 3] + r % 3 * step); \
                    TIMES(c, C) sums[r][c] = DOT(sums[r][c], pair, weights[c]); \
                } \
                TIMES(g, (R + 2) / 3) at[g] += 2; \
            } \
        } \
        TIMES(r, R) \
            TIMES(c, C) STORE(out + (r * C + c) * LANES, sums[r][c]); \
    }
SHAPES(SUMS)

/* What becomes of the sums of positions x to x + count - 1 of row y, outputs of one block. What a job has is said once
 * more, by constants, so that each kind of job has a loop without the rest. */
static inline __attribute__((always_inline)) void PART(settle_as)(const Job *j, const int32_t *sums, int b, int y,
                                                                  int x, int count, int leaky, int active, int adds,
                                                                  int keeps, int feeds)
{
    const Layer *l = j->layer;
    const int block = l->block, channels = l->outputs / l->groups, per_group = l->blocks / l->groups;
    const int part = b / per_group, row = y * j->zoom + (part >> 1), column = x * j->zoom + (part & 1);
    const VECTOR cut_half = ALL((1 << j->cut) >> 1), activation_half = ALL(1 << 14);
    const VECTOR lowest = ALL(INT16_MIN), highest = ALL(INT16_MAX), three = ALL(3);
    for (int g = 0, c = b % per_group * block; g < block && c < channels; g += LANES, c += LANES) {
        const VECTOR half = LOAD(l->half + b * block + g), shift = LOAD(l->shift + b * block + g);
        const VECTOR positive = active ? LOAD(j->positive + c) : three;
        const VECTOR negative = active ? LOAD(j->negative + c) : three;
        const int32_t *add = adds ? j->add + (row * j->add_pitch + column) * channels + c : NULL;
        int32_t *keep = keeps ? j->keep + (row * j->keep_pitch + column) * channels + c : NULL;
        int16_t *next = feeds ? j->next + (row * j->next_pitch + column) * channels + c : NULL;
        for (int r = 0, at = 0; r < count; r++, at += j->zoom * channels) {
            const int phase = (row & 1) * 2 + ((column + r * j->zoom) & 1);
            VECTOR v = LOAD(sums + r * block + g);
            if (leaky) {
                const VECTOR rounded = ADD(v, IF_NEGATIVE(v, SHIFT_LEFT(half, 3), half));
                v = SHIFT_EACH(rounded, IF_NEGATIVE(v, ADD(shift, three), shift));
            } else if (l->shift_of_all < 0) {
                v = SHIFT_EACH(v, shift);
            } else {
                v = SHIFT(v, l->shift_of_all);
            }
            if (active) {
                v = MAX(MIN(v, highest), lowest);
                v = SHIFT(ADD(MULTIPLY(v, IF_NEGATIVE(v, negative, positive)), activation_half), 15);
            }
            if (j->parity) v = ADD(v, LOAD(j->parity + phase * channels + c));
            if (adds) v = ADD(v, LOAD(add + at));
            if (keeps) STORE(keep + at, v);
            if (feeds) {
                const VECTOR limit = LOAD(j->limit + phase * j->limit_step + c);
                v = MAX(MIN(SHIFT(ADD(v, cut_half), j->cut), limit), NEGATED(limit));
                STORE16(next + at, v);
            }
        }
    }
}

static void PART(settle)(const Job *j, const int32_t *sums, int b, int y, int x, int count)
{
    const int leaky = j->layer->leaky, active = !!j->positive, adds = !!j->add, keeps = !!j->keep, feeds = !!j->next;
#define SETTLE(...) PART(settle_as)(j, sums, b, y, x, count, __VA_ARGS__)
    if (!leaky && active && !adds && !keeps && feeds)
        SETTLE(0, 1, 0, 0, 1); /* the first half of a block */
    else if (!leaky && !active && adds && keeps && feeds)
        SETTLE(0, 0, 1, 1, 1); /* the second */
    else if (leaky && !active && !adds && !keeps && feeds)
        SETTLE(1, 0, 0, 0, 1); /* within the prior */
    else
        SETTLE(leaky, active, adds, keeps, feeds);
#undef SETTLE
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

/* The largest of the shapes that fits; where none does, the smallest. */
static int PART(shape)(int count, int block)
{
    int s = 0;
    while (PART(shapes)[s].count > count || PART(shapes)[s].block != block) s++;
    return s;
}

/* Inputs of three rows, from `src` on, to the streams [3][STREAMS][count][inputs] of `count` times three outputs; the
 * last three streams are inputs as they are, and only made where asked for. Behind `last`, where the border is, there
 * are no inputs. */
static void PART(fold)(const int16_t *src, size_t below, int inputs, int last, int count, int as_they_are,
                       int16_t *out)
{
    for (int row = 0; row < 3; row++, src += below, out += STREAMS * count * inputs)
        for (int i = 0; i < count; i++) {
            const int16_t *d[5];
            for (int k = 0; k < 5; k++) d[k] = src + (ptrdiff_t)least(3 * i + k - 1, last) * inputs;
            int16_t *const a = out + i * inputs, *const b = a + count * inputs, *const c = b + count * inputs;
            for (int k = 0; k < inputs; k++) a[k] = (int16_t)(d[0][k] - d[1][k] - d[2][k]);
            for (int k = 0; k < inputs; k++) b[k] = (int16_t)(d[2][k] - d[1][k] - d[3][k]);
            for (int k = 0; k < inputs; k++) c[k] = (int16_t)(d[4][k] - d[2][k] - d[3][k]);
            for (int k = 0; k < 3 && as_they_are; k++)
                memcpy(out + ((size_t)(k + 3) * count + i) * inputs, d[k + 1], (size_t)inputs * 2);
        }
}

/* Sums of the streams, [STREAMS][MOST_SUMS], to those of the outputs. */
static void PART(unfold)(int32_t streams[STREAMS][MOST_SUMS], int count, int block, int32_t *out)
{
    for (int i = 0; i < count; i++, out += 3 * block)
        for (int c = 0; c < block; c += LANES) {
            const int at = i * block + c;
            const VECTOR left = LOAD(streams[3] + at), outer = LOAD(streams[4] + at), right = LOAD(streams[5] + at);
            STORE(out + c, ADD(LOAD(streams[0] + at), ADD(left, outer)));
            STORE(out + block + c, ADD(LOAD(streams[1] + at), ADD(left, right)));
            STORE(out + 2 * block + c, ADD(LOAD(streams[2] + at), ADD(outer, right)));
        }
}

/* Output rows of a folded layer. */
static void PART(run_folded)(const Job *j, int begin, int end)
{
    static const int32_t none[MOST_SUMS];
    const Layer *l = j->layer;
    const int inputs = l->inputs;
    const size_t below = j->src_pitch * inputs, share = (size_t)3 * inputs * l->block;
    int16_t folded[3 * STREAMS * MOST_BESIDE * MOST_FOLDED] __attribute__((aligned(64)));
    int32_t streams[STREAMS][MOST_SUMS] __attribute__((aligned(64))), sums[3 * MOST_SUMS] __attribute__((aligned(64)));
    for (int y = begin; y < end; y++)
        for (int x = 0; x < j->width;) {
            const int s = PART(shape)((j->width - x + 2) / 3, l->block), count = PART(shapes)[s].count;
            const int partly = 3 * count > j->width - x;
            const int16_t *src = j->src + y * below - below + (size_t)x * inputs;
            PART(fold)(src, below, inputs, j->width - x, count, partly, folded);
            for (int b = 0; b < l->blocks; b++) {
                for (int p = 0; p < STREAMS; p++) {
                    const int there = p >= 3 && !partly;
                    PART(shapes)
                    [s].sums(there ? src + (p - 3) * inputs : folded + p * count * inputs, there ? 3 * inputs : inputs,
                             there ? below : (size_t)STREAMS * count * inputs, 3, inputs,
                             l->weight + (b * STREAMS + p) * share, p < 3 ? l->start + b * l->block : none, streams[p]);
                }
                PART(unfold)(streams, count, l->block, sums);
                PART(settle)(j, sums, b, y, x, least(3 * count, j->width - x));
            }
            x += 3 * count;
        }
}

static void PART(run)(void *job, int begin, int end)
{
    const Job *j = job;
    const Layer *l = j->layer;
    if (l->folded) {
        PART(run_folded)(j, begin, end);
        return;
    }
    const size_t inputs = (size_t)l->inputs, step = j->src_step * inputs, below = j->src_pitch * inputs,
                 corner = l->kernel == 3 ? below + inputs : 0;
    const int length = l->kernel * l->inputs;
    int32_t sums[MOST_SUMS] __attribute__((aligned(64)));
    for (int y = begin; y < end; y++)
        for (int x = 0; x < j->width;) {
            const int s = PART(shape)(j->width - x, l->block);
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
