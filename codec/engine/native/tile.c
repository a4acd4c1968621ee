/* A tile's payload: its latents as one rANS stream, both ways. */
#include "prior.h"
#include <string.h>

typedef struct {
    const Walk *walk;
    int t;
    int32_t *latents;
    int32_t *symbols;
    uint8_t *rows;
} Unpacking;

/* What the callers of aec_read want of a step: y freed of its pull (FORMAT.md, "Pixels"), symbols and rows. */
static void unpack(void *context, int begin, int end)
{
    const Unpacking *u = context;
    const Walk *k = u->walk;
    const int M = k->model->config.latent, half = k->W / 2;
    const int32_t *pulls = k->model->pull;
    for (int i = begin; i < end; i++)
        for (int c = 0; c < M; c++) {
            const Inside in = aec_inside(k, u->t, c / (M / 4));
            const size_t plane = c * k->positions + (size_t)i * half, row = 2 * i + in.row;
            const size_t at = (c * (size_t)k->H + row) * k->W + in.column;
            const int16_t *residual = k->residual + plane;
            const uint8_t *table = k->row + plane;
            const int32_t *y = k->y + at;
            int32_t *out = u->latents + (row * k->w + in.column) * M + c;
            for (int j = 0; j < in.width && i < in.height; j++) {
                const int sign = (residual[j] > 0) - (residual[j] < 0);
                out[(size_t)2 * j * M] = y[2 * j] * (1 << (PULL - LATENT)) - sign * pulls[table[j]];
            }
            for (int j = 0; j < half && u->symbols; j++) u->symbols[at + 2 * j] = residual[j];
            for (int j = 0; j < half && u->rows; j++) u->rows[at + 2 * j] = table[j];
        }
}

static uint16_t *hyper_rows(const aec_model *m, int32_t quality, size_t positions, Arena *arena)
{
    const size_t channels = (size_t)m->config.hyper, first = (size_t)aec_nearest_anchor(m, quality) * channels;
    uint16_t *rows = aec_take(arena, channels * positions, 2);
    for (size_t c = 0; rows && c < channels; c++)
        for (size_t i = 0; i < positions; i++) rows[c * positions + i] = (uint16_t)(first + c);
    return rows;
}

static int fits(int32_t quality, int32_t h, int32_t w)
{ return quality >= 100 && quality <= 10000 && h >= 1 && w >= 1 && h <= MAX_POSITIONS && w <= MAX_POSITIONS; }

static uint32_t checksum(const Walk *k, const int32_t *z)
{
    const size_t n = (size_t)k->H * k->W;
    return aec_crc(aec_crc(0, z, n / 16 * k->model->config.hyper * 4), k->y, n * k->model->config.latent * 4);
}

/* z. Of a payload that may end early, those of its symbols that have come whole, and 0 for the others: they are read
 * once more, one by one, if it does. */
static void read_hyper(Reader *r, const aec_model *m, const uint16_t *rows, int32_t *z, size_t count, int partial)
{
    const Reader before = *r;
    if (r->result == AEC_FINE) aec_get(r, &m->z, rows, z, count);
    if (!partial || r->result != AEC_SHORT) return;
    size_t i = 0;
    for (*r = before; r->result == AEC_FINE; i++) aec_get(r, &m->z, rows + i, z + i, 1);
    i -= i > 0, r->count = (int64_t)i;
    memset(z + i, 0, (count - i) * 4);
}

/* The same for the residuals of channel c in a step, which are 0 before. */
static void read_channel(Reader *r, const Walk *k, int t, int c, int partial)
{
    const Tables *tables = &k->model->y;
    const Inside in = aec_inside(k, t, c / (k->model->config.latent / 4));
    const int half = k->W / 2;
    const uint8_t *rows = k->row + c * k->positions;
    int16_t *residuals = k->residual + c * k->positions;
    const Reader before = *r;
    aec_get_plane(r, tables, rows, residuals, half, in.height, in.width);
    if (!partial || r->result != AEC_SHORT) return;
    memset(residuals, 0, k->positions * 2);
    size_t i = 0;
    for (*r = before; r->result == AEC_FINE; i++)
        if (i % half < (size_t)in.width) aec_get_plane(r, tables, rows + i, residuals + i, half, 1, 1);
    residuals[i - 1] = 0, r->count--;
}

/* part: NULL where the payload must be whole, else as of aec_peek. */
static int read_tile(const aec_model *m, int32_t quality, Reader *r, Walk *k, Unpacking *u, uint32_t *check,
                     int32_t *hyper, int32_t *part, Arena *arena)
{
    const size_t hypers = k->positions / 4 * m->config.hyper;
    const uint16_t *rows = hyper_rows(m, quality, k->positions / 4, arena);
    int32_t *z = aec_take(arena, hypers, 4);
    if (arena->failed) return AEC_MEMORY;
    const int partial = part != NULL, enough = partial ? AEC_SHORT : AEC_FINE;
    read_hyper(r, m, rows, z, hypers, partial);
    if (r->result != AEC_FINE && r->result != enough) return r->result;
    aec_walk_features(k, z);
    for (u->t = 0; u->t < STEPS; u->t++) {
        if (partial && r->result == AEC_FINE) *part = u->t + 1;
        aec_walk_step(k, u->t);
        memset(k->residual, 0, k->positions * m->config.latent * 2);
        for (int c = 0; c < m->config.latent && !(partial && r->result != AEC_FINE); c++)
            read_channel(r, k, u->t, c, partial);
        if (r->result != AEC_FINE && r->result != enough) return r->result;
        aec_walk_settle(k, u->t);
        aec_parallel(k->H / 2, unpack, u);
    }
    if (partial && r->result == AEC_SHORT) return AEC_FINE;
    aec_close(r);
    if (partial) *part = STEPS + 1;
    if (check) *check = checksum(k, z);
    if (hyper) memcpy(hyper, z, hypers * 4);
    return r->result;
}

static int read_payload(const aec_model *m, int32_t quality, Reader *r, int32_t h, int32_t w, Unpacking *u,
                        uint32_t *check, int32_t *hyper, int32_t *part)
{
    Arena arena = {0};
    aec_borrow(&arena);
    Walk walk;
    u->walk = &walk;
    int result = aec_walk_start(&walk, m, quality, h, w, &arena);
    if (result == AEC_FINE) result = read_tile(m, quality, r, &walk, u, check, hyper, part, &arena);
    aec_return(&arena);
    return result;
}

int32_t aec_read(const aec_model *m, int32_t quality, const uint8_t *payload, int64_t size, int32_t h, int32_t w,
                 int32_t *latents, uint32_t *check, int32_t *symbols, uint8_t *rows, int32_t *hyper, int64_t *count)
{
    if (!fits(quality, h, w)) return AEC_ARGUMENT;
    Reader r;
    aec_open(&r, payload, size);
    Unpacking u = {.latents = latents, .symbols = symbols, .rows = rows};
    const int result = r.result != AEC_FINE ? r.result : read_payload(m, quality, &r, h, w, &u, check, hyper, NULL);
    *count = r.count;
    return result;
}

int32_t aec_peek(const aec_model *m, int32_t quality, const uint8_t *payload, int64_t size, int32_t h, int32_t w,
                 int32_t *latents, int32_t *part, int64_t *count)
{
    if (!fits(quality, h, w) || size < 0) return AEC_ARGUMENT;
    Reader r;
    aec_open(&r, payload, size / 4 * 4);
    if (r.result == AEC_SIZE) r.result = AEC_SHORT; /* there is no state yet */
    Unpacking u = {.latents = latents};
    *part = 0;
    const int result = r.result == AEC_STATE ? r.result : read_payload(m, quality, &r, h, w, &u, NULL, NULL, part);
    *count = r.count;
    return result;
}

/* Busyness over the usual, times 2^8, from which the level is one more: a quarter of an octave each. */
static const int32_t EDGES[] = {70, 83, 99, 117, 140, 166, 197, 235, 279, 332, 395, 470, 558, 664, 790, 939};

typedef struct {
    const aec_model *model;
    const int32_t *target; /* [positions][M] */
    double usual;          /* 2^8 over the usual busyness */
    int32_t *levels;
} Levels;

/* The level of each position: how busy it is, for its errors show less there. */
static void find_levels(void *context, int begin, int end)
{
    const Levels *o = context;
    const int M = o->model->config.latent;
    for (int i = begin; i < end; i++) {
        const int32_t *y = o->target + (size_t)i * M;
        int32_t busyness = 0, level = 0;
        for (int c = 0; c < M; c++) {
            const int32_t part = clamp(y[c], -BUSIEST, BUSIEST);
            busyness += part < 0 ? -part : part;
        }
        const int32_t relative = scaled(busyness, o->usual, 1 << 16);
        for (size_t k = 0; k < sizeof EDGES / sizeof *EDGES; k++) level += relative >= EDGES[k];
        o->levels[i] = level - (int)(sizeof EDGES / sizeof *EDGES) / 2;
    }
}

typedef struct {
    const Walk *walk;
    int t;
    const int32_t *target, *levels; /* of positions, or NULL */
} Rounding;

/* The symbol of a residual: a larger one where the error that this saves is worth its bits. */
static inline int16_t rounded(int32_t wanted, int row, const int32_t *ones)
{
    const int32_t *mores = ones + padded(ROWS);
    const int32_t sign = wanted >> 31, size = (wanted ^ sign) - sign;
    const int32_t whole = (size - mores[row] + (1 << PULL)) >> PULL, one = size >= ones[row];
    const int32_t symbol = least(whole > 1 ? whole : one, MAX_RESIDUAL) & -(row > 0);
    return (int16_t)((symbol ^ sign) - sign);
}

/* The residuals of a step. */
static void rounding(void *context, int begin, int end)
{
    const Rounding *o = context;
    const Walk *k = o->walk;
    const int M = k->model->config.latent, q = M / 4, half = k->W / 2;
    const int32_t *thresholds = k->model->thresholds;
    for (int i = begin; i < end; i++)
        for (int c = 0; c < M; c++) {
            const Inside in = aec_inside(k, o->t, c / q);
            const size_t plane = c * k->positions + (size_t)i * half;
            int16_t *residual = k->residual + plane;
            memset(residual, 0, half * sizeof *residual);
            if (i >= in.height) continue;
            const size_t first = (size_t)(2 * i + in.row) * k->w + in.column;
            const int32_t *target = o->target + first * M + c, *mean = k->mean + plane;
            const uint8_t *rows = k->row + plane;
            const int32_t *levels = o->levels ? o->levels + first : NULL;
            const int32_t middle = LEVELS / 2 + (levels ? k->model->channel_levels[c] : 0);
            for (int j = 0; j < in.width; j++) {
                const int level = levels ? clamp(middle + levels[2 * j], 0, LEVELS - 1) : 0;
                const int32_t wanted =
                    clamp(target[(size_t)2 * j * M], -MAX_TARGET, MAX_TARGET) - mean[j] * (1 << (PULL - LATENT));
                residual[j] = rounded(wanted, rows[j], thresholds + level * 2 * padded(ROWS));
            }
        }
}

/* Appends the step's symbols that are coded to a run. */
static size_t collect(const Walk *k, int t, int32_t *symbols, uint16_t *rows)
{
    const int M = k->model->config.latent, half = k->W / 2;
    size_t n = 0;
    for (int c = 0; c < M; c++) {
        const Inside in = aec_inside(k, t, c / (M / 4));
        for (int i = 0; i < in.height; i++) {
            const size_t plane = c * k->positions + (size_t)i * half;
            for (int j = 0; j < in.width; j++) {
                symbols[n] = k->residual[plane + j], rows[n] = k->row[plane + j];
                n += rows[n] > 0;
            }
        }
    }
    return n;
}

int64_t aec_room(const aec_model *m, int32_t h, int32_t w)
{
    if (!fits(100, h, w)) return 0;
    const int64_t H = (h + 3) / 4, W = (w + 3) / 4;
    return 8 + 2 * (H * W * m->config.hyper +
                    (int64_t)h * w *
                        m->config.latent); /* an escape takes 44 bits and more than half a word is never left over */
}

static int pack_tile(const aec_model *m, int32_t quality, const int32_t *z, const int32_t *target, Walk *k,
                     uint32_t *words, size_t room, int64_t *size, uint32_t *check, Arena *arena)
{
    const size_t hypers = k->positions / 4 * m->config.hyper, most = (size_t)k->h * k->w * m->config.latent;
    const uint16_t *hyper = hyper_rows(m, quality, k->positions / 4, arena);
    int32_t *symbols = aec_take(arena, most + 1, 4);
    uint16_t *rows = aec_take(arena, most + 1, 2);
    int32_t *levels = m->levels > 1 ? aec_take(arena, (size_t)k->h * k->w, 4) : NULL;
    if (arena->failed) return AEC_MEMORY;
    if (levels) {
        int32_t usual[GROUP];
        aec_between(m, m->busyness, 1, quality, usual);
        aec_parallel(k->h * k->w, find_levels, &(Levels){m, target, aec_power(m, usual[0], 8), levels});
    }
    for (size_t i = 0; i < hypers; i++)
        if (z[i] > MAX_RESIDUAL || z[i] < -MAX_RESIDUAL) return AEC_ARGUMENT;
    Run runs[2] = {{z, hyper, hypers, &m->z}, {symbols, rows, 0, &m->y}};
    aec_walk_features(k, z);
    for (int t = 0; t < STEPS; t++) {
        aec_walk_step(k, t);
        Rounding r = {k, t, target, levels};
        aec_parallel(k->H / 2, rounding, &r);
        runs[1].count += collect(k, t, symbols + runs[1].count, rows + runs[1].count);
        aec_walk_settle(k, t);
    }
    *size = (int64_t)aec_put(runs, 2, words, room);
    *check = checksum(k, z);
    return *size ? AEC_FINE : AEC_ARGUMENT;
}

int32_t aec_pack(const aec_model *m, int32_t quality, const int32_t *hyper, const int32_t *target, int32_t h, int32_t w,
                 uint32_t *words, int64_t room, int64_t *size, uint32_t *check)
{
    if (!m->encodes || !fits(quality, h, w) || room < 0) return AEC_ARGUMENT;
    Arena arena = {0};
    aec_borrow(&arena);
    Walk walk;
    int result = aec_walk_start(&walk, m, quality, h, w, &arena);
    if (result == AEC_FINE)
        result = pack_tile(m, quality, hyper, target, &walk, words, (size_t)room, size, check, &arena);
    aec_return(&arena);
    return result;
}

int32_t aec_write(const aec_model *m, int32_t quality, const int32_t *latents, int32_t h, int32_t w, uint32_t *words,
                  int64_t room, int64_t *size, uint32_t *check)
{
    if (!m->encodes || !fits(quality, h, w) || room < 0) return AEC_ARGUMENT;
    const size_t M = (size_t)m->config.latent, n = (size_t)h * w;
    Arena arena = {0};
    aec_borrow(&arena);
    Walk walk;
    int32_t *z = aec_take(&arena, (size_t)((h + 3) / 4) * ((w + 3) / 4) * m->config.hyper, 4),
            *target = aec_take(&arena, n * M, 4), *gains = aec_take(&arena, padded(M), 4);
    double *factors = aec_take(&arena, M, sizeof *factors);
    int result = arena.failed ? AEC_MEMORY : aec_hyper(m, quality, latents, h, w, z, &arena);
    if (result == AEC_FINE) result = aec_walk_start(&walk, m, quality, h, w, &arena);
    if (result == AEC_FINE) {
        aec_between(m, m->gain_y, (int)M, quality, gains);
        for (size_t c = 0; c < M; c++) factors[c] = aec_power(m, gains[c], 0);
        for (size_t i = 0; i < n * M; i++) target[i] = scaled(latents[i], factors[i % M], MAX_TARGET);
        result = pack_tile(m, quality, z, target, &walk, words, (size_t)room, size, check, &arena);
    }
    aec_return(&arena);
    return result;
}
