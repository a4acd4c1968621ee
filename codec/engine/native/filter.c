/* Rows of samples as a PNG holds them, for who has no other library to make them. */
#include "internal.h"
#include <string.h>

enum { FILTERS = 4, MOST_PIXEL = 8, MOST_ROW = 1 << 30 }; /* none, of what is left, above, and the mean of both */

/* A row of bytes by a filter: current[-pixel] and above[-pixel] are there. */
static void filtered(int filter, const uint8_t *current, const uint8_t *above, int64_t width, int pixel, uint8_t *out)
{
    const uint8_t *left = current - pixel;
    for (int64_t i = 0; i < width; i++)
        out[i] = (uint8_t)(current[i] - (filter == 0   ? 0
                                         : filter == 1 ? left[i]
                                         : filter == 2 ? above[i]
                                                       : (left[i] + above[i]) >> 1));
}

/* The sum of the bytes' magnitudes, read as signed. */
static uint64_t magnitude(const uint8_t *row, int64_t width)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < width;) {
        uint32_t part = 0;
        for (const int64_t end = i + 4096 < width ? i + 4096 : width; i < end; i++)
            part += row[i] < 128 ? row[i] : 256 - row[i];
        sum += part;
    }
    return sum;
}

int32_t aec_filter(const uint8_t *rows, int64_t count, int64_t width, int32_t pixel, uint8_t *out)
{
    if (count < 1 || width < 1 || width > MOST_ROW || pixel < 1 || pixel > MOST_PIXEL) return AEC_ARGUMENT;
    Arena arena = {0};
    aec_borrow(&arena);
    uint8_t *line[2], *made = aec_take(&arena, FILTERS, (size_t)width);
    for (int i = 0; i < 2; i++) line[i] = aec_take(&arena, (size_t)width + MOST_PIXEL, 1);
    if (!arena.failed) {
        for (int i = 0; i < 2; i++) memset(line[i], 0, (size_t)width + MOST_PIXEL);
        for (int64_t y = 0; y < count; y++, rows += width, out += width + 1) {
            uint8_t *current = line[y & 1] + MOST_PIXEL, *above = line[~y & 1] + MOST_PIXEL;
            memcpy(current, rows, (size_t)width);
            uint64_t least = UINT64_MAX;
            for (int f = 0; f < FILTERS; f++) {
                filtered(f, current, above, width, pixel, made + f * width);
                const uint64_t size = magnitude(made + f * width, width);
                if (size < least) least = size, out[0] = (uint8_t)f;
            }
            memcpy(out + 1, made + out[0] * width, (size_t)width);
        }
    }
    const int failed = arena.failed;
    aec_return(&arena);
    return failed ? AEC_MEMORY : AEC_FINE;
}
