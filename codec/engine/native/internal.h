/* What the stages share: memory of a call, threads, the layer of integers that all networks are made of, tables, the
 * model. */
#ifndef AEC_INTERNAL_H
#define AEC_INTERNAL_H
#include "aec.h"

enum {
    GROUP = 16,
    ANCHORS = 64,
    ROWS = 84,
    STEPS = 4,
    MAX_RESIDUAL = 16384,
    FRACTION = 7,
    HEAD = 12,
    LATENT = 8,
    GAIN = 10,
    PULL = 12
};
enum {
    STRIDE = 16,
    MAX_ACTIVATION = 32767,
    MAX_TARGET = 1 << 27,
    LEVELS = 33,         /* of a model whose rounding knows some */
    BUSIEST = 3 << PULL, /* what of a latent counts as busyness */
    MAX_POSITIONS = 4096,
    MOST_BLOCKS = 64,
    GREATEST = 1024,
    BLOCK_LAYERS = 5,
    STREAMS = 6, /* of a folded layer */
    MOST_FOLDED = 192 /* its inputs */
};
static const int PHASE[STEPS] = {0, 3, 1, 2};

static inline int least(int a, int b) { return a < b ? a : b; }
static inline int padded(int channels) { return (channels + GROUP - 1) / GROUP * GROUP; }
static inline int32_t clamp(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }

/* r(x / 2^cut) within +-limit: input of a layer. */
static inline int32_t input_of(int32_t x, int cut, int32_t limit)
{ return clamp(cut ? ((x >> (cut - 1)) + 1) >> 1 : x, -limit, limit); }

/* Memory, taken piece by piece and given back together: of a model with aec_free, of a call between aec_borrow and
 * aec_return. What is taken is aligned to 64 bytes and not cleared. After a failure `failed` is set, and every piece is
 * NULL. */
typedef struct {
    struct block *blocks;
    size_t total;
    int failed;
} Arena;
void aec_borrow(Arena *arena);
void *aec_take(Arena *arena, size_t count, size_t size);
void aec_return(Arena *arena);
void aec_free(Arena *arena);

/* fn(context, begin, end) for stretches that together are 0 to count - 1, in threads. */
void aec_parallel(int count, void (*fn)(void *context, int begin, int end), void *context);

/* r(x * factor) within +-most, of a factor that is a mantissa of 17 bits times a power of two: a double holds the
 * product exactly, and the half beside it wherever that decides. */
static inline int32_t scaled(int32_t x, double factor, int32_t most)
{
    double v = x * factor + 0.5;
    v = v < -most ? -most : v > most ? most : v;
    const int32_t whole = (int32_t)v;
    return whole - (whole > v);
}

/* A layer of FORMAT.md ("A layer"), its weights in the order in which the kernel reads them. */
typedef struct {
    int inputs, outputs; /* channels of its arrays: padded to GROUP */
    int kernel, groups; /* 1 or 3; 4 where the outputs are shuffled by 2, each of which then has outputs / 4 channels,
                           padded to GROUP, else 1 */
    int leaky; /* the prior's activation */
    int shift_of_all; /* or -1 where each output has its own */
    int cut; /* bits that the input has and the layer drops */
    int block, blocks; /* outputs that the kernel computes at once */
    int folded; /* whether three outputs side by side are made of 6 products in place of 9: of the inputs d0 to d4 and
                   the weights g0 to g2 of each row (d0 - d1 - d2) g0, (d2 - d1 - d3) g1, (d4 - d2 - d3) g2,
                   d1 (g0 + g1), d2 (g0 + g2), d3 (g1 + g2) */
    int16_t *weight; /* [blocks][kernel^2 * inputs / 2][block][2], folded [blocks][STREAMS][3 * inputs / 2][..][2] */
    int32_t *start; /* [blocks * block] bias, and half of what `shift` drops where no activation comes between */
    int32_t *half, *shift; /* [blocks * block] */
    int32_t *limit; /* [inputs] */
    int64_t *bound; /* [outputs / groups] of the magnitude of what comes out, by channel */
} Layer;

/* x += b(activation(a(x))), with a gain at each quality. */
typedef struct {
    Layer a, b;
    int32_t *gain; /* [A][channels] */
} ResBlock;

/* Where the heads' outputs go: means and table rows of a group's channels at the positions of one phase, channel after
 * channel. */
typedef struct {
    const double *to_mean; /* [M/4] */
    const int32_t *row_offset; /* [M/4] */
    int32_t *mean; /* [M/4][positions] */
    uint8_t *row; /* [M/4][positions] */
    int channels; /* M/4 */
    size_t positions;
} Heads;

/* One layer over an array: positions are counted in `pitch` per row. Input [.., inputs] int16, clamped already, which
 * for kernel 3 has a border of one position around `src`. What comes out goes to `zoom` x `zoom` positions each. */
typedef struct {
    const Layer *layer;
    const int16_t *src;
    size_t src_pitch, src_step; /* src_step: positions from one output's inputs to the next one's, along both axes */
    int height, width;
    int zoom;
    const int32_t *positive, *negative; /* [channels] in 2^-15, factors of what is not negative and of what is, after it
                                           was cut to int16; NULL: no activation */
    const int32_t *parity; /* [4][channels], by row mod 2 and column mod 2, is added; NULL: nothing */
    const int32_t *add; /* [..][channels] is added; NULL: nothing */
    int32_t *keep; /* [..][channels] gets the sum; NULL: not kept */
    size_t add_pitch, keep_pitch;
    int16_t *next; /* [..][channels] gets it as input of the next layer; NULL: not wanted */
    size_t next_pitch;
    const int32_t *limit; /* of the next layer [channels], or by parity [4][channels] */
    size_t limit_step; /* channels, or 0 for one limit */
    int cut; /* of the next layer */
    const Heads *heads; /* these get all, if not NULL */
} Job;

/* An instruction set. */
typedef struct {
    const char *name;
    int (*here)(void); /* whether this processor has it */
    int (*block)(int outputs); /* outputs computed at once in a layer of so many */
    size_t (*place)(int block, int pair, int output, int half); /* of a weight in a block: of input 2 * pair + half */
    void (*run)(void *job, int begin, int end); /* output rows begin to end - 1 of a const Job */
} Simd;
extern const Simd aec_avx512vnni, aec_avx2, aec_baseline, aec_neon, aec_wasm, aec_plain;
const Simd *aec_simd(void);

/* Tables of rANS rows, each laid out by falling frequency. */
typedef struct {
    int rows;
    int32_t *start, *width, *offset; /* [rows] first slot, symbols without the escape, first symbol */
    uint32_t *ranked; /* sum of frequencies before | frequency << 16, the escape last */
    uint32_t *placed; /* the same by symbol */
    int32_t *symbol; /* by rank */
    uint8_t *first; /* [rows][256] rank at which a search for a state's upper 8 of 16 bits begins */
} Tables;

typedef struct {
    uint64_t state;
    const uint8_t *next, *end;
    int64_t count;
    int result;
} Reader;

typedef struct {
    const int32_t *symbols;
    const uint16_t *rows;
    size_t count;
    const Tables *tables;
} Run;

int aec_tables_make(Tables *tables, Arena *arena, const int32_t *cdfs, int64_t length, const int32_t *sizes,
                    const int32_t *offsets, int rows);
void aec_open(Reader *reader, const uint8_t *data, int64_t size);
void aec_get(Reader *reader, const Tables *tables, const uint16_t *rows, int32_t *symbols, size_t count);
/* The residuals of height x width positions of a plane with `pitch` in a row; those under row 0 are not coded and
 * become 0. */
void aec_get_plane(Reader *reader, const Tables *tables, const uint8_t *rows, int16_t *residuals, int pitch, int height,
                   int width);
void aec_close(Reader *reader);
/* Writes the runs' symbols, in order, at the end of words [room]; returns how many words, 0 where there is no room. */
size_t aec_put(const Run *runs, int count, uint32_t *words, size_t room);
uint32_t aec_crc(uint32_t crc, const void *data, size_t size);

struct aec_model {
    aec_config config;
    const Simd *simd;
    Arena memory;
    Tables y, z;
    int32_t *gain_y, *gain_z, *quality_bias, *exp2, *phase_bias, *pull;
    /* Of what rounds: [2 * levels][ROWS], and what says which level is a symbol's, by channel and busyness, or NULL. */
    int32_t *thresholds, *channel_levels, *busyness;
    int levels;
    struct {
        Layer up2, up1, body[BLOCK_LAYERS], join[STEPS], blocks[STEPS][BLOCK_LAYERS], heads[4];
    } prior;
    struct {
        Layer linear, first, up8, up4, last;
        ResBlock first_block, blocks[MOST_BLOCKS], render;
        int32_t *gain; /* [A][M] */
    } synthesis;
    struct {
        Layer linear, first, down, last;
        ResBlock blocks[MOST_BLOCKS], last_block;
    } analysis;
    struct {
        Layer a, b, c;
    } hyper;
    int encodes; /* whether it has what a writer needs */
};
/* FORMAT.md, "Quality": the anchor nearest to a quality, a vector between anchors, and pow(log2_gain) * 2^octaves. */
int aec_nearest_anchor(const aec_model *model, int32_t quality);
void aec_between(const aec_model *model, const int32_t *table, int channels, int32_t quality, int32_t *out);
double aec_power(const aec_model *model, int32_t log2_gain, int octaves);
void aec_layer(const aec_model *model, const Job *job);

/* A rectangle of a window's positions, and how many of them on each side (top, bottom, left, right) are there for the
 * others' sake. */
typedef struct {
    int top, left, height, width, halo[4];
} Region;
/* The region with no more than `keep` positions of its halo on each side. */
Region aec_shed(Region region, int keep);
/* The same at twice the resolution, in arrays that begin where the region does. */
Region aec_doubled(Region region);

/* An array of int16 with a border of zeros one position wide, and how far apart its rows are. */
typedef struct {
    int16_t *at;
    size_t pitch;
    int channels;
} Map;
Map aec_map(Arena *arena, int height, int width, int channels);
static inline int16_t *map_at(const Map *map, const Region *r)
{ return map->at + (r->top * map->pitch + r->left) * map->channels; }

/* x [..][pitch][channels] of region `from` to region `to`, part of it, whose block it becomes; `in` holds block->a's
 * input and gets `next`'s, `mid` is overwritten. next NULL: nothing follows. The activation is that of the quality;
 * `factors` [2][channels] is overwritten. */
void aec_block(const aec_model *model, const ResBlock *block, int32_t quality, const Region *from, const Region *to,
               int32_t *x, size_t pitch, const Map *in, const Map *mid, const Layer *next, int32_t *factors);

/* y of an analysis [h, w, M] to z [Z, ceil(h / 4), ceil(w / 4)]. */
int aec_hyper(const aec_model *model, int32_t quality, const int32_t *y, int h, int w, int32_t *z, Arena *arena);
#endif
