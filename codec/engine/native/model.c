/* FORMAT.md, "Weight file": tensors to a model, or a sentence that says why they are none. */
#include "internal.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const int64_t MAX_STREAM = (INT64_C(1) << 31) - (1 << 16);
enum { EXACT = 1 << 23, MAX_GAIN = 64 << GAIN, MAX_SHIFT = 24, MAX_PRIOR_SHIFT = 20, LEAST_SHIFT = 3, MAX_CUT = 16 };

typedef struct {
    aec_model *model;
    const aec_tensor *tensors;
    int64_t count;
    char *message;
    size_t room;
} Loading;

/* Texts up to a NULL, one after the other; what has no room is cut. (snprintf would be a third of the library where
 * that is WebAssembly.) */
static void join(char *to, size_t room, ...)
{
    va_list texts;
    va_start(texts, room);
    for (const char *text; (text = va_arg(texts, const char *));)
        for (; *text && room > 1; room--) *to++ = *text++;
    va_end(texts);
    if (room) *to = 0;
}
#define JOIN(to, ...) join(to, sizeof to, __VA_ARGS__, (const char *)NULL)

/* What an index below 100 adds to a name; nothing where it is negative. */
typedef struct {
    char text[4];
} Index;
static Index index_of(int n)
{
    if (n < 0) return (Index){""};
    return n < 10 ? (Index){{'.', (char)('0' + n)}} : (Index){{'.', (char)('0' + n / 10), (char)('0' + n % 10)}};
}

static int refuse(Loading *g, const char *name, const char *reason)
{
    join(g->message, g->room, "the weight file's ", name, " ", reason, (const char *)NULL);
    return 0;
}

static int64_t size_of(int type) { return type == AEC_I8 ? 1 : type == AEC_I16 ? 2 : 4; }

/* The tensor of that name, type and shape (0: any length), or NULL. */
static const aec_tensor *find(Loading *g, const char *name, int type, int dimensions, const int64_t *shape)
{
    for (int64_t i = 0; i < g->count; i++) {
        const aec_tensor *t = g->tensors + i;
        if (strcmp(t->name, name)) continue;
        int64_t length = 1;
        int fits = t->type == type && t->dimensions == dimensions;
        for (int k = 0; k < dimensions && fits; k++) {
            fits = t->shape[k] >= 0 && t->shape[k] <= INT32_MAX && (!shape[k] || t->shape[k] == shape[k]) &&
                   length <= INT64_C(1) << 40;
            length *= t->shape[k];
        }
        if (fits && length <= INT64_MAX / 4 && t->bytes == length * size_of(type) &&
            (uintptr_t)t->data % (uintptr_t)size_of(type) == 0)
            return t;
        refuse(g, name, "is not of the type and shape of this config");
        return NULL;
    }
    refuse(g, name, "is missing");
    return NULL;
}
#define FIND(g, name, type, ...) \
    find(g, name, type, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__})

/* A copy of a vector per row (rows 0: of one vector), each padded with zeros to GROUP; NULL for no memory, or a value
 * outside low to high. */
static int32_t *vectors(Loading *g, const char *name, int rows, int columns, int32_t low, int32_t high)
{
    const aec_tensor *t = rows ? FIND(g, name, AEC_I32, rows, columns) : FIND(g, name, AEC_I32, columns);
    rows = rows ? rows : 1;
    const size_t pitch = (size_t)padded(columns);
    int32_t *out = t ? aec_take(&g->model->memory, (size_t)rows * pitch, 4) : NULL;
    if (!out) return NULL;
    memset(out, 0, (size_t)rows * pitch * 4);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            const int32_t v = ((const int32_t *)t->data)[(size_t)r * columns + c];
            if (v < low || v > high) {
                refuse(g, name, "is out of range");
                return NULL;
            }
            out[r * pitch + c] = v;
        }
    return out;
}

/* What a layer is like, beyond its tensors. */
typedef struct {
    const char *name;
    int inputs, more; /* channels of its first input, and of its second or 0 */
    int outputs, kernel, groups, leaky, least_shift, stride;
} Form;

/* The layers of the prior have a shift per output and small weights; the others one for all, and a cut. */
static int in_prior(const Form *f) { return f->name[0] == 'p'; }

/* Puts `count` inputs of one output's weights, the taps of each side by side, to their places in a block that has `tap`
 * numbers for each tap and `pair` for each two inputs. */
static void place(int16_t *to, size_t tap, size_t pair, const size_t places[2], const int16_t *row, int count, int taps)
{
    for (int t = 0; t < taps; t++, to += tap, row++) {
        int16_t *even = to + places[0], *odd = to + places[1];
        int k = 0;
        for (; k + 1 < count; k += 2, even += pair, odd += pair) *even = row[k * taps], *odd = row[(k + 1) * taps];
        if (k < count) *even = row[k * taps];
    }
}

/* The sum of |weight| * limit of an output. */
static int64_t largest_sum(const int16_t *row, const int32_t *limits, int inputs, int taps)
{
    int64_t sum = 0;
    for (int k = 0; k < inputs; k++) {
        int32_t size = 0;
        for (int t = 0; t < taps; t++) size += abs(row[k * taps + t]);
        sum += (int64_t)size * limits[k];
    }
    return sum;
}

static size_t taps_of(const Layer *l) { return l->folded ? STREAMS * 3 : (size_t)l->kernel * l->kernel; }

/* Weights [inputs][3][3] of an output to those of its streams, [inputs][STREAMS][3]. */
static void fold(int16_t *to, const int16_t *row, int inputs)
{
    for (int i = 0; i < inputs; i++, to += STREAMS * 3)
        for (int t = 0; t < 3; t++, row += 3) {
            to[t] = row[0], to[3 + t] = row[1], to[6 + t] = row[2];
            to[9 + t] = (int16_t)(row[0] + row[1]), to[12 + t] = (int16_t)(row[0] + row[2]);
            to[15 + t] = (int16_t)(row[1] + row[2]);
        }
}

/* Whether a layer can be folded: whether all its streams are int16. */
static int folds(const Form *f, const void *weights, const int32_t *limits)
{
    if (f->kernel != 3 || f->stride != 1 || f->more || f->inputs > MOST_FOLDED) return 0;
    for (int k = 0; k < f->inputs; k++)
        if (limits[k] > MAX_ACTIVATION / 3) return 0;
    const int16_t *w = weights;
    for (int i = 0; i < f->outputs * f->inputs * 3 && !in_prior(f); i++, w += 3) {
        const int sums[3] = {w[0] + w[1], w[0] + w[2], w[1] + w[2]};
        for (int k = 0; k < 3; k++)
            if (sums[k] != (int16_t)sums[k]) return 0;
    }
    return 1;
}

/* Sums and outputs of a layer that is laid out, from the tensors as they are stored. */
static int load_outputs(Loading *g, Layer *l, const Form *f, const void *weights, const int32_t *biases,
                        const int8_t *shifts, const int32_t *limits)
{
    const int inputs = f->inputs + f->more, taps = f->kernel * f->kernel, per_group = f->outputs / f->groups;
    const int64_t most = in_prior(f) ? EXACT : INT64_C(1) << 31;
    const size_t tap = (size_t)l->inputs * l->block, pair = (size_t)2 * l->block;
    int16_t widened[2 * GREATEST * 9], folded[MOST_FOLDED * STREAMS * 3];
    for (int o = 0; o < f->outputs; o++) {
        const int c = o % per_group, b = o / per_group * (l->blocks / f->groups) + c / l->block,
                  shift = shifts[in_prior(f) ? o : 0];
        const size_t at = (size_t)b * l->block + c % l->block, start = (size_t)o * inputs * taps;
        const int16_t *row = in_prior(f) ? widened : (const int16_t *)weights + start;
        for (int k = 0; in_prior(f) && k < inputs * taps; k++) widened[k] = ((const int8_t *)weights)[start + k];
        const size_t places[2] = {g->model->simd->place(l->block, 0, c % l->block, 0),
                                  g->model->simd->place(l->block, 0, c % l->block, 1)};
        int16_t *to = l->weight + b * taps_of(l) * tap;
        if (l->folded) {
            fold(folded, row, inputs);
            place(to, tap, pair, places, folded, inputs, STREAMS * 3);
        } else {
            place(to, tap, pair, places, row, f->inputs, taps);
            place(to + padded(f->inputs) / 2 * pair, tap, pair, places, row + f->inputs * taps, f->more, taps);
        }
        int64_t sum = llabs((int64_t)biases[o]) + largest_sum(row, limits, inputs, taps);
        l->shift[at] = shift, l->half[at] = (INT32_C(1) << shift) >> 1;
        if (!in_prior(f)) sum += l->half[at];
        if (sum >= most) return refuse(g, f->name, "does not keep its sums exact");
        l->start[at] = biases[o] + (f->leaky ? 0 : l->half[at]);
        if (sum >> shift > l->bound[c]) l->bound[c] = sum >> shift;
    }
    return 1;
}

static int in_range(const int8_t *values, int count, int low, int high)
{
    for (int i = 0; i < count; i++)
        if (values[i] < low || values[i] > high) return 0;
    return 1;
}

static void *cleared(Arena *arena, size_t count, size_t size)
{
    void *p = aec_take(arena, count, size);
    return p ? memset(p, 0, count * size) : NULL;
}

static int load_layer(Loading *g, Layer *l, const Form *f)
{
    char name[5][96];
    static const char *const parts[] = {"weight", "bias", "shift", "limit", "cut"};
    for (int i = 0; i < 5; i++) JOIN(name[i], f->name, ".", parts[i]);
    const int inputs = f->inputs + f->more, prior = in_prior(f), shifts = prior ? f->outputs : 1;
    const aec_tensor *weight = FIND(g, name[0], prior ? AEC_I8 : AEC_I16, f->outputs, inputs, f->kernel, f->kernel);
    const aec_tensor *bias = FIND(g, name[1], AEC_I32, f->outputs), *shift = FIND(g, name[2], AEC_I8, shifts),
                     *limit = FIND(g, name[3], AEC_I32, inputs);
    const aec_tensor *cut = prior ? shift : FIND(g, name[4], AEC_I8, 1);
    if (!weight || !bias || !shift || !limit || !cut) return 0;
    if (!in_range(shift->data, shifts, f->least_shift, prior ? MAX_PRIOR_SHIFT : MAX_SHIFT))
        return refuse(g, name[2], "is out of range");
    if (!prior && !in_range(cut->data, 1, 0, MAX_CUT)) return refuse(g, name[4], "is out of range");

    const int channels = padded(f->outputs / f->groups), block = g->model->simd->block(channels),
              blocks = (channels + block - 1) / block * f->groups;
    Arena *memory = &g->model->memory;
    *l = (Layer){.inputs = padded(f->inputs) + padded(f->more),
                 .outputs = channels * f->groups,
                 .kernel = f->kernel,
                 .groups = f->groups,
                 .leaky = f->leaky,
                 .shift_of_all = prior ? -1 : *(const int8_t *)shift->data,
                 .cut = prior ? 0 : *(const int8_t *)cut->data,
                 .block = block,
                 .blocks = blocks,
                 .folded = folds(f, weight->data, limit->data)};
    const size_t outputs = (size_t)block * blocks;
    l->weight = cleared(memory, taps_of(l) * l->inputs * outputs, 2);
    l->start = cleared(memory, outputs, 4), l->half = cleared(memory, outputs, 4),
    l->shift = cleared(memory, outputs, 4);
    l->limit = cleared(memory, (size_t)l->inputs, 4), l->bound = cleared(memory, (size_t)channels, 8);
    if (memory->failed) return 0;
    for (int k = 0; k < inputs; k++) {
        const int32_t most = ((const int32_t *)limit->data)[k];
        if (most < 0 || most > MAX_ACTIVATION) return refuse(g, name[3], "is out of range");
        l->limit[k < f->inputs ? k : padded(f->inputs) + k - f->inputs] = most;
    }
    return load_outputs(g, l, f, weight->data, bias->data, shift->data, limit->data);
}

static int prior_layer(Loading *g, Layer *l, const char *name, int index, const char *part, int inputs, int more,
                       int outputs, int kernel, int groups, int leaky)
{
    char full[64];
    JOIN(full, "prior.network.", name, index_of(index).text, part);
    return load_layer(
        g, l, &(Form){full, inputs, more, outputs, kernel, groups, leaky, strcmp(name, "heads") ? LEAST_SHIFT : 0, 1});
}

static int prior_block(Loading *g, Layer *l, const char *name, int index)
{
    const int p = g->model->config.prior, d = g->model->config.prior_mid;
    return prior_layer(g, l, name, index, ".a", p, 0, d, 1, 1, 1) &&
           prior_layer(g, l + 1, name, index, ".d", d, 0, d, 3, 1, 1) &&
           prior_layer(g, l + 2, name, index, ".b", d, 0, p, 1, 1, 0) &&
           prior_layer(g, l + 3, name, index, ".f1", p, 0, 2 * p, 1, 1, 1) &&
           prior_layer(g, l + 4, name, index, ".f2", 2 * p, 0, p, 1, 1, 0);
}

/* The vectors that each step adds by a position's parity, [STEPS][4][P]. */
static int load_phase_bias(Loading *g)
{
    const int p = g->model->config.prior, pitch = padded(p);
    const aec_tensor *t = FIND(g, "prior.network.phase_bias", AEC_I32, STEPS, p, 2, 2);
    int32_t *out = t ? aec_take(&g->model->memory, (size_t)STEPS * 4 * pitch, 4) : NULL;
    if (!out) return 0;
    memset(out, 0, (size_t)STEPS * 4 * pitch * 4);
    for (int i = 0; i < STEPS * p * 4; i++) {
        const int32_t v = ((const int32_t *)t->data)[i];
        if (v <= -EXACT || v >= EXACT) return refuse(g, t->name, "does not keep sums exact");
        out[(i / (4 * p) * 4 + i % 4) * pitch + i / 4 % p] = v;
    }
    g->model->phase_bias = out;
    return 1;
}

static int load_prior(Loading *g)
{
    aec_model *m = g->model;
    const aec_config *c = &m->config;
    if (!(m->gain_z = vectors(g, "prior.gain_z", c->anchors, c->hyper, -MAX_GAIN, MAX_GAIN)) ||
        !(m->gain_y = vectors(g, "prior.gain_y", c->anchors, c->latent, -MAX_GAIN, MAX_GAIN)) ||
        !(m->quality_bias = vectors(g, "prior.quality_bias", c->anchors, c->prior, 1 - EXACT, EXACT - 1)) ||
        !(m->exp2 = vectors(g, "prior.exp2", 0, 1 << GAIN, 1 << 15, 1 << 16)))
        return 0;
    if (!prior_layer(g, &m->prior.up2, "up2", -1, "", c->hyper, 0, 4 * 96, 1, 4, 1) ||
        !prior_layer(g, &m->prior.up1, "up1", -1, "", 96, 0, 4 * c->prior, 1, 4, 1))
        return 0;
    if (!prior_block(g, m->prior.body, "body", -1) || !load_phase_bias(g)) return 0;
    for (int t = 0; t < STEPS; t++)
        if (!prior_layer(g, m->prior.join + t, "join", t, "", c->prior, t ? c->latent : 0, c->prior, 1, 1, 0) ||
            !prior_block(g, m->prior.blocks[t], "blocks", t) ||
            !prior_layer(g, m->prior.heads + t, "heads", t, "", c->prior, 0, c->latent / 2, 1, 1, 0))
            return 0;
    return 1;
}

static int layer(Loading *g, Layer *l, const char *name, int inputs, int outputs, int kernel, int groups)
{ return load_layer(g, l, &(Form){name, inputs, 0, outputs, kernel, groups, 0, 0, 1}); }

/* One of half the resolution. */
static int downwards(Loading *g, Layer *l, const char *name, int inputs, int outputs)
{ return load_layer(g, l, &(Form){name, inputs, 0, outputs, 3, 1, 0, 0, 2}); }

/* A block of the transforms; index < 0: the only one of its name. */
static int res_block(Loading *g, ResBlock *b, const char *of, int index, int channels)
{
    char name[64], part[80];
    JOIN(name, of, index_of(index).text);
    JOIN(part, name, ".a");
    if (!layer(g, &b->a, part, channels, channels, 3, 1)) return 0;
    JOIN(part, name, ".b");
    if (!layer(g, &b->b, part, channels, channels, 3, 1)) return 0;
    JOIN(part, name, ".gain.log2");
    return !!(b->gain = vectors(g, part, g->model->config.anchors, channels, -MAX_GAIN, MAX_GAIN));
}

/* Whether what a layer gives, and blocks that add to it, stay below a bound in each channel. */
static int stream(Loading *g, const char *name, const Layer *first, const ResBlock *blocks, int count, int64_t most)
{
    for (int c = 0; c < first->outputs / first->groups; c++) {
        int64_t sum = first->bound[c];
        for (int i = 0; i < count; i++) sum += blocks[i].b.bound[c];
        if (sum >= most) return refuse(g, name, "does not keep its sums exact");
    }
    return 1;
}

static int64_t largest(const Layer *l)
{
    int64_t most = 0;
    for (int c = 0; c < l->outputs / l->groups; c++)
        if (l->bound[c] > most) most = l->bound[c];
    return most;
}

static int load_synthesis(Loading *g)
{
    aec_model *m = g->model;
    const aec_config *c = &m->config;
    if (!(m->synthesis.gain = vectors(g, "synthesis.gain.log2", c->anchors, c->latent, -MAX_GAIN, MAX_GAIN))) return 0;
    if (!layer(g, &m->synthesis.linear, "synthesis.linear", c->latent, 3 * STRIDE * STRIDE, 1, 1) ||
        !layer(g, &m->synthesis.first, "synthesis.first", c->latent, c->deep, 1, 1) ||
        !res_block(g, &m->synthesis.first_block, "synthesis.first_block", -1, c->deep) ||
        !layer(g, &m->synthesis.up8, "synthesis.up8", c->deep, 4 * c->width, 1, 4))
        return 0;
    for (int i = 0; i < c->synthesis_blocks; i++)
        if (!res_block(g, m->synthesis.blocks + i, "synthesis.blocks", i, c->width)) return 0;
    if (!layer(g, &m->synthesis.up4, "synthesis.up4", c->width, 4 * c->render, 1, 4) ||
        !res_block(g, &m->synthesis.render, "synthesis.render", -1, c->render) ||
        !layer(g, &m->synthesis.last, "synthesis.last", c->render, 48, 3, 1))
        return 0;
    if (largest(&m->synthesis.linear) + largest(&m->synthesis.last) >= 1 << 29)
        return refuse(g, "synthesis.last", "does not keep its sums exact");
    return stream(g, "synthesis.first", &m->synthesis.first, &m->synthesis.first_block, 1, MAX_STREAM) &&
           stream(g, "synthesis.up8", &m->synthesis.up8, m->synthesis.blocks, c->synthesis_blocks, MAX_STREAM) &&
           stream(g, "synthesis.up4", &m->synthesis.up4, &m->synthesis.render, 1, MAX_STREAM);
}

/* Whether any tensor's name begins so. */
static int has(const Loading *g, const char *beginning)
{
    for (int64_t i = 0; i < g->count; i++)
        if (!strncmp(g->tensors[i].name, beginning, strlen(beginning))) return 1;
    return 0;
}

static int load_rounding(Loading *g)
{
    aec_model *m = g->model;
    m->levels = has(g, "thresholds_") ? LEVELS : 1;
    return (m->thresholds = vectors(g, "thresholds", 2 * m->levels, ROWS, 0, 2 << PULL)) &&
           (m->levels == 1 ||
            ((m->channel_levels = vectors(g, "thresholds_channel", 0, m->config.latent, -LEVELS, LEVELS)) &&
             (m->busyness = vectors(g, "thresholds_busyness", m->config.anchors, 1, -MAX_GAIN, MAX_GAIN))));
}

static int load_analysis(Loading *g)
{
    aec_model *m = g->model;
    const aec_config *c = &m->config;
    if (!layer(g, &m->analysis.linear, "analysis.linear", 3 * STRIDE * STRIDE, c->latent, 1, 1) ||
        !layer(g, &m->analysis.first, "analysis.first", 3 * 64, c->width, 3, 1))
        return 0;
    for (int i = 0; i < c->analysis_blocks; i++)
        if (!res_block(g, m->analysis.blocks + i, "analysis.blocks", i, c->width)) return 0;
    if (!downwards(g, &m->analysis.down, "analysis.down", c->width, c->deep) ||
        !res_block(g, &m->analysis.last_block, "analysis.last_block", -1, c->deep) ||
        !layer(g, &m->analysis.last, "analysis.last", c->deep, c->latent, 1, 1) ||
        !layer(g, &m->hyper.a, "hyper_analysis.a", c->latent, c->width, 1, 1) ||
        !downwards(g, &m->hyper.b, "hyper_analysis.b", c->width, c->width) ||
        !downwards(g, &m->hyper.c, "hyper_analysis.c", c->width, c->hyper))
        return 0;
    if (largest(&m->analysis.linear) + largest(&m->analysis.last) >= 1 << 30)
        return refuse(g, "analysis.last", "does not keep its sums exact");
    if (largest(&m->hyper.c) >= 1 << 30) return refuse(g, "hyper_analysis.c", "does not keep its sums exact");
    return stream(g, "analysis.first", &m->analysis.first, m->analysis.blocks, c->analysis_blocks, MAX_STREAM) &&
           stream(g, "analysis.down", &m->analysis.down, &m->analysis.last_block, 1, MAX_STREAM) &&
           load_rounding(g);
}

static int load_tables(Loading *g, Tables *tables, const char *which, int rows)
{
    char name[3][32];
    static const char *const parts[] = {"cdfs", "sizes", "offsets"};
    for (int i = 0; i < 3; i++) JOIN(name[i], "table.", which, ".", parts[i]);
    const aec_tensor *cdfs = FIND(g, name[0], AEC_I32, 0), *sizes = FIND(g, name[1], AEC_I32, rows),
                     *offsets = FIND(g, name[2], AEC_I32, rows);
    if (!cdfs || !sizes || !offsets) return 0;
    const int result =
        aec_tables_make(tables, &g->model->memory, cdfs->data, cdfs->shape[0], sizes->data, offsets->data, rows);
    return result == AEC_MODEL ? refuse(g, name[0], "has rows that are no distributions") : result == AEC_FINE;
}

static int is_config(const aec_config *c)
{
    const int32_t sizes[] = {c->latent, c->hyper, c->prior, c->prior_mid, c->width, c->deep, c->render};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] < 1 || sizes[i] > GREATEST) return 0;
    return c->latent % 4 == 0 && c->anchors >= 2 && c->anchors <= ANCHORS && c->synthesis_blocks >= 0 &&
           c->synthesis_blocks <= MOST_BLOCKS && c->analysis_blocks >= 0 && c->analysis_blocks <= MOST_BLOCKS;
}

aec_model *aec_load(const aec_config *config, const aec_tensor *tensors, int64_t count, char *message, int64_t room)
{
    join(message, (size_t)room, "there is no memory for the weight file", (const char *)NULL);
    aec_model *model = is_config(config) ? calloc(1, sizeof *model) : NULL;
    Loading g = {model, tensors, count, message, (size_t)room};
    if (!is_config(config)) refuse(&g, "config", "is out of range");
    if (!model) return NULL;
    model->config = *config, model->simd = aec_simd();
    model->encodes = has(&g, "analysis.");
    if (load_prior(&g) && load_tables(&g, &model->y, "y", ROWS) &&
        load_tables(&g, &model->z, "z", config->anchors * config->hyper) &&
        (model->pull = vectors(&g, "pull", 0, ROWS, 0, 1 << PULL)) && load_synthesis(&g) &&
        (!model->encodes || load_analysis(&g)))
        return model;
    aec_unload(model);
    return NULL;
}

void aec_unload(aec_model *model)
{
    if (!model) return;
    aec_free(&model->memory);
    free(model);
}
