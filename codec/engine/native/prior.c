/* FORMAT.md, "The prior": from the hyper-latent and the latents decoded so far to a mean and a table row for every
 * symbol still to come. The walk is the same in both directions; what happens between its steps is the caller's. */
#include "prior.h"
#include <string.h>

int aec_walk_start(Walk *k, const aec_model *m, int32_t quality, int h, int w, Arena *arena)
{
    const aec_config *c = &m->config;
    const int H = (h + 3) / 4 * 4, W = (w + 3) / 4 * 4, P = padded(c->prior), M = padded(c->latent);
    const size_t n = (size_t)H * W;
    *k = (Walk){.model = m, .h = h, .w = w, .H = H, .W = W, .positions = n / 4};
    k->to_mean = aec_take(arena, c->latent, sizeof(double)), k->to_context = aec_take(arena, c->latent, sizeof(double));
    k->from_z = aec_take(arena, c->hyper, sizeof(double)), k->row_offset = aec_take(arena, c->latent, 4);
    k->quality_bias = aec_take(arena, (size_t)4 * P, 4), k->limits = aec_take(arena, (size_t)4 * P, 4);
    k->a = aec_take(arena, n * P, 2), k->b = aec_take(arena, n * padded(c->prior_mid), 2),
    k->f = aec_take(arena, n * P, 2);
    k->d = aec_take(arena, (size_t)(H + 2) * (W + 2) * padded(c->prior_mid), 2);
    k->g = aec_take(arena, n * padded(2 * c->prior), 2), k->joined = aec_take(arena, n * (P + M), 2),
    k->heard = aec_take(arena, n * P, 2);
    k->features = aec_take(arena, n * P, 4), k->x = aec_take(arena, n * P, 4), k->context = aec_take(arena, n * M, 2);
    k->mean = aec_take(arena, n / 4 * c->latent, 4), k->row = aec_take(arena, n / 4 * c->latent, 1);
    k->residual = aec_take(arena, n / 4 * c->latent, 2), k->y = aec_take(arena, n * c->latent, 4);
    int32_t *gains = aec_take(arena, (size_t)padded(c->latent) + padded(c->hyper), 4);
    if (arena->failed) return AEC_MEMORY;
    memset(k->d, 0, (size_t)(H + 2) * (W + 2) * padded(c->prior_mid) * 2);
    memset(k->context, 0, n * M * 2);

    aec_between(m, m->gain_y, c->latent, quality, gains);
    for (int i = 0; i < c->latent; i++) {
        k->to_mean[i] = aec_power(m, gains[i], LATENT - HEAD);
        k->to_context[i] = aec_power(m, -gains[i], FRACTION - LATENT);
        k->row_offset[i] = gains[i] * (1 << (HEAD - GAIN)) + (5 << (HEAD - 1)); /* ROW_START is -2.5 */
    }
    aec_between(m, m->gain_z, c->hyper, quality, gains);
    for (int i = 0; i < c->hyper; i++) k->from_z[i] = aec_power(m, -gains[i], FRACTION);
    aec_between(m, m->quality_bias, c->prior, quality, k->quality_bias);
    for (int i = P; i < 4 * P; i++) k->quality_bias[i] = k->quality_bias[i - P];
    return AEC_FINE;
}

/* x + b(d(a(x))), then x1 + f2(f1(x1)); k->a holds the first layer's input. The last layer's end is the caller's. */
static void block(Walk *k, const Layer *l, int32_t *x, const Job *end)
{
    const aec_model *m = k->model;
    const size_t H = (size_t)k->H, W = (size_t)k->W;
    Job job = {.height = k->H,
               .width = k->W,
               .src_step = 1,
               .zoom = 1,
               .src_pitch = W,
               .add_pitch = W,
               .keep_pitch = W,
               .next_pitch = W};
    int16_t *inner = k->d + (W + 3) * l[1].inputs;
    (void)H;
    job.layer = l, job.src = k->a, job.next = inner, job.next_pitch = W + 2, job.limit = l[1].limit;
    aec_layer(m, &job);
    job.layer = l + 1, job.src = inner, job.src_pitch = W + 2, job.next = k->b, job.next_pitch = W,
    job.limit = l[2].limit;
    aec_layer(m, &job);
    job.layer = l + 2, job.src = k->b, job.src_pitch = W, job.add = job.keep = x, job.next = k->f,
    job.limit = l[3].limit;
    aec_layer(m, &job);
    job.layer = l + 3, job.src = k->f, job.add = job.keep = NULL, job.next = k->g, job.limit = l[4].limit;
    aec_layer(m, &job);
    job = *end;
    job.layer = l + 4, job.src = k->g, job.add = x, job.height = k->H, job.width = k->W, job.src_step = job.zoom = 1;
    job.src_pitch = job.add_pitch = job.keep_pitch = job.next_pitch = W;
    aec_layer(m, &job);
}

typedef struct {
    const Walk *walk;
    const int32_t *z;
    int16_t *out;
} Unhyper;

/* z by its gain, as input of the first layer. */
static void unhyper(void *context, int begin, int end)
{
    const Unhyper *u = context;
    const Layer *l = &u->walk->model->prior.up2;
    const size_t n = u->walk->positions / 4;
    for (int i = begin; i < end; i++)
        for (int c = 0; c < l->inputs; c++) {
            const int32_t v =
                c < u->walk->model->config.hyper ? scaled(u->z[c * n + i], u->walk->from_z[c], MAX_ACTIVATION) : 0;
            u->out[(size_t)i * l->inputs + c] = (int16_t)clamp(v, -l->limit[c], l->limit[c]);
        }
}

void aec_walk_features(Walk *k, const int32_t *z)
{
    const aec_model *m = k->model;
    const int W = k->W;
    Unhyper u = {k, z, k->heard};
    aec_parallel(k->H / 4 * (W / 4), unhyper, &u);
    aec_layer(m, &(Job){.layer = &m->prior.up2,
                        .src = k->heard,
                        .src_pitch = W / 4,
                        .src_step = 1,
                        .height = k->H / 4,
                        .width = W / 4,
                        .zoom = 2,
                        .next = k->joined,
                        .next_pitch = W / 2,
                        .limit = m->prior.up1.limit});
    aec_layer(m, &(Job){.layer = &m->prior.up1,
                        .src = k->joined,
                        .src_pitch = W / 2,
                        .src_step = 1,
                        .height = k->H / 2,
                        .width = W / 2,
                        .zoom = 2,
                        .parity = k->quality_bias,
                        .keep = k->features,
                        .keep_pitch = W,
                        .next = k->a,
                        .next_pitch = W,
                        .limit = m->prior.body[0].limit});
    block(k, m->prior.body, k->features, &(Job){.keep = k->features});
}

typedef struct {
    const Walk *walk;
    const Layer *join;
} Joining;

/* Features and context side by side, clamped to the limits of step t. */
static void joining(void *context, int begin, int end)
{
    const Joining *j = context;
    const Walk *k = j->walk;
    const int P = padded(k->model->config.prior), M = j->join->inputs - P;
    const int32_t *limit = j->join->limit;
    for (size_t i = (size_t)begin * k->W; i < (size_t)end * k->W; i++) {
        int16_t *out = k->joined + i * (P + M);
        const int32_t *x = k->features + i * P;
        const int16_t *c = k->context + i * M;
        for (int p = 0; p < P; p++) out[p] = (int16_t)clamp(x[p], -limit[p], limit[p]);
        for (int p = 0; p < M; p++) out[P + p] = (int16_t)clamp(c[p], -limit[P + p], limit[P + p]);
    }
}

void aec_walk_step(Walk *k, int t)
{
    const aec_model *m = k->model;
    const int W = k->W, P = padded(m->config.prior), q = m->config.latent / 4;
    Joining j = {k, m->prior.join + t};
    aec_parallel(k->H, joining, &j);
    aec_layer(m, &(Job){.layer = m->prior.join + t,
                        .src = k->joined,
                        .src_pitch = W,
                        .src_step = 1,
                        .height = k->H,
                        .width = W,
                        .zoom = 1,
                        .parity = m->phase_bias + t * 4 * P,
                        .keep = k->x,
                        .keep_pitch = W,
                        .next = k->a,
                        .next_pitch = W,
                        .limit = m->prior.blocks[t][0].limit});
    for (int g = 0; g < 4; g++) memcpy(k->limits + PHASE[(t + g) % 4] * P, m->prior.heads[g].limit, (size_t)P * 4);
    block(k, m->prior.blocks[t], k->x, &(Job){.next = k->heard, .limit = k->limits, .limit_step = P});
    for (int g = 0; g < 4; g++) {
        const int phase = PHASE[(t + g) % 4];
        const size_t at = (size_t)g * q * k->positions;
        const Heads heads = {k->to_mean + g * q, k->row_offset + g * q, k->mean + at, k->row + at, q, k->positions};
        aec_layer(m, &(Job){.layer = m->prior.heads + g,
                            .src = k->heard + (size_t)(phase / 2 * W + phase % 2) * P,
                            .src_pitch = W,
                            .src_step = 2,
                            .height = k->H / 2,
                            .width = W / 2,
                            .zoom = 1,
                            .heads = &heads});
    }
}

typedef struct {
    const Walk *walk;
    int t;
} Settling;

static void settling(void *context, int begin, int end)
{
    const Walk *k = ((Settling *)context)->walk;
    const int t = ((Settling *)context)->t, q = k->model->config.latent / 4, M = padded(k->model->config.latent),
              half = k->W / 2;
    for (int i = begin; i < end; i++)
        for (int c = 0; c < 4 * q; c++) {
            const int phase = PHASE[(t + c / q) % 4];
            const size_t plane = c * k->positions + (size_t)i * half, row = 2 * i + phase / 2;
            const int16_t *residual = k->residual + plane;
            const int32_t *mean = k->mean + plane;
            int32_t *y = k->y + (c * (size_t)k->H + row) * k->W + phase % 2;
            int16_t *out = k->context + (row * k->W + phase % 2) * M + c;
            const double factor = k->to_context[c];
            for (int j = 0; j < half; j++) {
                const int32_t v = residual[j] * (1 << LATENT) + mean[j];
                y[2 * j] = v;
                out[(size_t)2 * j * M] = (int16_t)scaled(v, factor, MAX_ACTIVATION);
            }
        }
}

void aec_walk_settle(Walk *k, int t)
{
    Settling s = {k, t};
    aec_parallel(k->H / 2, settling, &s);
}

Inside aec_inside(const Walk *k, int t, int g)
{
    const int phase = PHASE[(t + g) % 4], row = phase / 2, column = phase % 2;
    return (Inside){(k->h - row + 1) / 2, (k->w - column + 1) / 2, row, column};
}
