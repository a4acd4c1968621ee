/* Any processor: C alone. */
#include "internal.h"
#define NAME plain
#define LANES 16
#define VECTOR Sums
#define LOAD(p) load(p)
#define STORE(p, v) memcpy(p, &(v), sizeof(v))
#define PAIR(p) pair_at(p)
#define DOT(sums, pair, weights) dot(sums, pair, weights)
#define PLACE(output, half) ((half) * LANES + (output))
#define SHAPES(S) S(2, 1) S(1, 1)
#define MOST_SUMS (2 * LANES)
#include <string.h>
typedef struct {
    int32_t
        of[LANES]; /* sums, or in the same bytes LANES weights of one input and LANES of the next, or the two inputs */
} Sums;
static inline Sums load(const void *p)
{
    Sums v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline Sums pair_at(const int16_t *p)
{
    Sums v = {{p[0], p[1]}};
    return v;
}
static inline Sums dot(Sums sums, Sums pair, Sums weights)
{
    int16_t w[2 * LANES];
    memcpy(w, &weights, sizeof w);
    for (int i = 0; i < LANES; i++) sums.of[i] += pair.of[0] * w[i] + pair.of[1] * w[LANES + i];
    return sums;
}
#include "kernel.h"
static int here(void) { return 1; }
static int block(int outputs) { return (void)outputs, LANES; }
const Simd aec_plain = {"plain", here, block, plain_place, plain_run};
