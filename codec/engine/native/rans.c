/* FORMAT.md, "rANS": symbols to words and back, byte for byte as CompressAI's coder writes them; and the checksum. */
#include "internal.h"
#include <stdlib.h>
#include <string.h>

static const uint64_t LOW = 1ull << 31;
enum { TOTAL = 65536, MAX_OFFSET = 1 << 20, MAX_GROUPS = 6, MIN_SYMBOLS = 4, FILLER = TOTAL - 1 };

/* Rising numbers: Shell's sort, as the C library's would be a tenth of the library where that is WebAssembly. */
static void sort(uint64_t *numbers, int count)
{
    int gap = 1;
    while (gap < count / 3) gap = 3 * gap + 1;
    for (; gap; gap /= 3)
        for (int i = gap; i < count; i++) {
            const uint64_t number = numbers[i];
            int j = i;
            for (; j >= gap && numbers[j - gap] > number; j -= gap) numbers[j] = numbers[j - gap];
            numbers[j] = number;
        }
}

static void make_row(Tables *t, int row, const int32_t *cdf, uint64_t *order)
{
    const int width = t->width[row];
    uint32_t *ranked = t->ranked + t->start[row], *placed = t->placed + t->start[row], sum = 0;
    for (int k = 0; k < width; k++) order[k] = (uint64_t)(TOTAL - (cdf[k + 1] - cdf[k])) << 32 | (uint32_t)k;
    sort(order, width); /* slots by falling frequency, equal ones by rising symbol */
    for (int rank = 0; rank <= width; rank++) {
        const int place = rank < width ? (int)(uint32_t)order[rank] : width;
        const uint32_t frequency = (uint32_t)(cdf[place + 1] - cdf[place]);
        ranked[rank] = placed[place] = sum | frequency << 16;
        t->symbol[t->start[row] + rank] = place + t->offset[row];
        sum += frequency;
    }
    for (int upper = 0, rank = 0; upper < 256; upper++) {
        while (rank < width && (ranked[rank + 1] & 0xffff) <= (uint32_t)upper << 8) rank++;
        t->first[row * 256 + upper] = (uint8_t)least(rank, 255);
    }
}

/* Whether the rows are tables as FORMAT.md wants them, end to end in `length` numbers. */
static int is_table(const int32_t *cdfs, int64_t length, const int32_t *sizes, const int32_t *offsets, int rows)
{
    for (int row = 0; row < rows; row++) {
        const int32_t size = sizes[row];
        if (size < 3 || size > length || offsets[row] < -MAX_OFFSET || offsets[row] > MAX_OFFSET - TOTAL) return 0;
        if (cdfs[0] != 0 || cdfs[size - 1] != TOTAL) return 0;
        for (int k = 1; k < size; k++)
            if (cdfs[k] <= cdfs[k - 1]) return 0;
        cdfs += size, length -= size;
    }
    return length == 0;
}

int aec_tables_make(Tables *t, Arena *arena, const int32_t *cdfs, int64_t length, const int32_t *sizes,
                    const int32_t *offsets, int rows)
{
    if (length > INT32_MAX || !is_table(cdfs, length, sizes, offsets, rows)) return AEC_MODEL;
    const size_t n = (size_t)rows, slots = (size_t)length - n;
    *t = (Tables){rows,
                  aec_take(arena, n, 4),
                  aec_take(arena, n, 4),
                  aec_take(arena, n, 4),
                  aec_take(arena, slots, 4),
                  aec_take(arena, slots, 4),
                  aec_take(arena, slots, 4),
                  aec_take(arena, n, 256)};
    uint64_t *order = malloc(TOTAL * sizeof *order);
    if (arena->failed || !order) {
        free(order);
        return AEC_MEMORY;
    }
    for (int row = 0, start = 0; row < rows; row++) {
        t->start[row] = start, t->width[row] = sizes[row] - 2, t->offset[row] = offsets[row];
        make_row(t, row, cdfs, order);
        cdfs += sizes[row], start += sizes[row] - 1;
    }
    free(order);
    return AEC_FINE;
}

static inline uint32_t word_at(const uint8_t *p)
{ return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

void aec_open(Reader *r, const uint8_t *data, int64_t size)
{
    *r = (Reader){.state = LOW, .result = AEC_SIZE};
    if (size < 8 || size % 4) return;
    *r = (Reader){word_at(data) | (uint64_t)word_at(data + 4) << 32, data + 8, data + size, 0, AEC_FINE};
    if (r->state < LOW || r->state >> 63) r->result = AEC_STATE;
}

/* The state with another word where it needs one; past the end of the payload its reading goes on with any state that
 * is harmless. */
static inline uint64_t refilled(Reader *r, uint64_t state)
{
    if (state >= LOW) return state;
    if (r->next == r->end) {
        if (r->result == AEC_FINE) r->result = AEC_SHORT;
        return LOW;
    }
    r->next += 4;
    return state << 32 | word_at(r->next - 4);
}

static int32_t escaped(Reader *r, uint64_t *state, int32_t offset, int32_t width)
{
    uint64_t s = *state;
    uint32_t groups = 0, bits, e = 0;
    do {
        bits = s & 15, s = refilled(r, s >> 4), groups += bits;
    } while (bits == 15 && groups <= MAX_GROUPS);
    if (groups > MAX_GROUPS) {
        if (r->result == AEC_FINE) r->result = AEC_SYMBOL;
        groups = 0;
    }
    for (uint32_t i = 0; i < groups; i++) bits = s & 15, s = refilled(r, s >> 4), e |= bits << 4 * i;
    if (groups && !bits && r->result == AEC_FINE) r->result = AEC_FORM;
    *state = s;
    return e & 1 ? offset - (int32_t)((e + 1) / 2) : offset + width + (int32_t)(e / 2);
}

static inline int32_t symbol_of(Reader *r, uint64_t *state, const Tables *t, int row)
{
    const uint64_t s = *state;
    const uint32_t u = s & 0xffff, *slot = t->ranked + t->start[row];
    int rank = t->first[row << 8 | u >> 8];
    while (u - (slot[rank] & 0xffff) >= slot[rank] >> 16) rank++; /* the frequencies of a row fill all of 16 bits */
    *state = refilled(r, (slot[rank] >> 16) * (s >> 16) + u - (slot[rank] & 0xffff));
    const int32_t x = rank < t->width[row] ? t->symbol[t->start[row] + rank] : escaped(r, state, t->offset[row], rank);
    if (x > MAX_RESIDUAL || x < -MAX_RESIDUAL) {
        if (r->result == AEC_FINE) r->result = AEC_SYMBOL;
        return 0;
    }
    return x;
}

void aec_get(Reader *r, const Tables *t, const uint16_t *rows, int32_t *symbols, size_t count)
{
    uint64_t s = r->state;
    for (size_t i = 0; i < count; i++) symbols[i] = symbol_of(r, &s, t, rows[i]);
    r->state = s, r->count += (int64_t)count;
}

void aec_get_plane(Reader *r, const Tables *t, const uint8_t *rows, int16_t *residuals, int pitch, int height,
                   int width)
{
    uint64_t s = r->state;
    int64_t count = 0;
    for (int i = 0; i < height; i++, rows += pitch, residuals += pitch)
        for (int j = 0; j < width; j++)
            if (rows[j])
                residuals[j] = (int16_t)symbol_of(r, &s, t, rows[j]), count++;
            else
                residuals[j] = 0;
    r->state = s, r->count += count;
}

void aec_close(Reader *r)
{
    uint64_t s = r->state;
    int whole = 1;
    for (int64_t n = r->count; n < MIN_SYMBOLS; n++) {
        whole &= (s & 0xffff) < FILLER;
        s = refilled(r, FILLER * (s >> 16) + (s & 0xffff));
    }
    if (r->result == AEC_FINE && !(whole && s == LOW && r->next == r->end)) r->result = AEC_LONG;
}

typedef struct {
    uint64_t state;
    uint32_t *words, *next;
} Writer;

/* Makes room in the state for what multiplies it up to `bound`; 0 where the words are full. */
static inline int made_room(Writer *w, uint64_t bound)
{
    if (w->state < bound) return 1;
    if (w->next == w->words) return 0;
    *--w->next = (uint32_t)w->state;
    w->state >>= 32;
    return 1;
}

static inline int put_bits(Writer *w, uint32_t bits)
{
    if (!made_room(w, 1ull << 59)) return 0;
    w->state = w->state << 4 | bits;
    return 1;
}

static inline int put_slot(Writer *w, uint32_t sum, uint32_t frequency)
{
    if (!made_room(w, (uint64_t)frequency << 47)) return 0;
    w->state = (w->state / frequency << 16) + w->state % frequency + sum;
    return 1;
}

static int put_symbol(Writer *w, const Tables *t, int row, int32_t symbol)
{
    const int32_t width = t->width[row];
    int32_t place = symbol - t->offset[row];
    if (place < 0 || place >= width) {
        const uint32_t e = place < 0 ? (uint32_t)(-2 * place - 1) : (uint32_t)(2 * (place - width));
        uint32_t groups = 0;
        while (groups < 8 && e >> 4 * groups) groups++;
        for (uint32_t g = groups; g-- > 0;)
            if (!put_bits(w, e >> 4 * g & 15)) return 0;
        if (!put_bits(w, groups)) return 0;
        place = width;
    }
    const uint32_t slot = t->placed[t->start[row] + place];
    return put_slot(w, slot & 0xffff, slot >> 16);
}

size_t aec_put(const Run *runs, int count, uint32_t *words, size_t room)
{
    Writer w = {LOW, words, words + room};
    size_t symbols = 0;
    for (int k = 0; k < count; k++) symbols += runs[k].count;
    for (; symbols < MIN_SYMBOLS; symbols++)
        if (!put_slot(&w, 0, FILLER)) return 0;
    for (int k = count; k-- > 0;)
        for (size_t i = runs[k].count; i-- > 0;)
            if (!put_symbol(&w, runs[k].tables, runs[k].rows[i], runs[k].symbols[i])) return 0;
    if (w.next - w.words < 2) return 0;
    *--w.next = (uint32_t)(w.state >> 32);
    *--w.next = (uint32_t)w.state;
    return (size_t)(words + room - w.next);
}

/* CRC-32 of PNG and zlib, eight bytes at a time. */
uint32_t aec_crc(uint32_t crc, const void *data, size_t size)
{
    uint32_t table[8][256];
    const uint8_t *p = data;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int k = 0; k < 8; k++) v = v & 1 ? v >> 1 ^ 0xEDB88320u : v >> 1;
        table[0][i] = v;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++) table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
    crc = ~crc;
    for (; size >= 8; size -= 8, p += 8) {
        const uint32_t low = crc ^ word_at(p), high = word_at(p + 4);
        crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^ table[4][low >> 24] ^
              table[3][high & 255] ^ table[2][high >> 8 & 255] ^ table[1][high >> 16 & 255] ^ table[0][high >> 24];
    }
    for (; size; size--, p++) crc = crc >> 8 ^ table[0][(crc ^ *p) & 255];
    return ~crc;
}
