/* Any processor: C alone. */
#include "internal.h"
#include <string.h>
#define NAME plain
#define LANES 1
#define VECTOR int32_t
#define LOAD(p) loaded(p)
#define STORE(p, v) *(p) = v
#define STORE16(p, v) *(p) = (int16_t)(v)
#define ALL(n) (n)
#define PAIR(p) loaded(p)
#define DOT(sums, pair, weights) ADD(sums, dot(pair, weights))
#define PLACE(output, half) (2 * (output) + (half))
#define ADD(a, b) ((int32_t)((uint32_t)(a) + (uint32_t)(b)))
#define MULTIPLY(a, b) ((a) * (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define NEGATED(v) (-(v))
#define IF_NEGATIVE(v, a, b) ((v) < 0 ? (a) : (b))
#define SHIFT_LEFT(v, n) ((v) << (n))
#define SHIFT(v, n) ((v) >> (n))
#define SHIFT_EACH(v, counts) ((v) >> (counts))
#define SHAPES(S) S(1, 16)
#define MOST_SUMS 16
#define MOST_BESIDE 1
static inline int32_t loaded(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
/* Of two inputs and two weights, 16 bits each. */
static inline int32_t dot(int32_t pair, int32_t weights)
{
    int16_t x[2], w[2];
    memcpy(x, &pair, sizeof pair);
    memcpy(w, &weights, sizeof weights);
    return x[0] * w[0] + x[1] * w[1];
}
#include "kernel.h"
static int here(void) { return 1; }
static int block(int outputs) { return (void)outputs, 16; }
const Simd aec_plain = {"plain", here, block, plain_place, plain_run};
