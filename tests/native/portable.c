/* Pictures and payloads through the library, on processors that have no Python here: prints what each operation gave,
 * as checksums, a line for each. Usage: portable FILE SIMD, of a file that tests/native/portable.py writes. */
#include "../../codec/engine/native/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1000 };
static uint8_t *data;
static size_t at;

static int32_t number(void)
{
    int32_t n;
    memcpy(&n, data + at, 4);
    at += 4;
    return n;
}

static void *piece(size_t size)
{
    void *p = data + (at + 7) / 8 * 8;
    at = (at + 7) / 8 * 8 + size;
    return p;
}

/* The next picture, or the next payload, and back: whether anything failed. */
static int through(const aec_model *model, int latent)
{
    const int quality = number(), height = number(), width = number(), channels = number(), depth = number();
    const int given = number(); /* bytes of a payload; 0: pixels follow */
    const int h = (height + 15) / 16, w = (width + 15) / 16, halo[4] = {0};
    const size_t samples = (size_t)height * width * channels * (depth / 8), numbers = (size_t)h * w * latent * 4;
    const uint8_t *source = piece(given ? (size_t)given : samples), *payload = source;
    const int64_t room = aec_room(model, h, w);
    int32_t *latents = malloc(numbers);
    uint32_t *words = malloc((size_t)room * 4), check = 0, found = 0;
    uint8_t *made = malloc(samples);
    int64_t length = given / 4, symbols = 0;
    if (!latents || !words || !made) return 1;
    int result = 0;
    if (!given) {
        result |= aec_analyse(model, quality, source, width * channels, height, width, channels, depth, halo, latents);
        printf("%08x ", (unsigned)aec_crc(0, latents, numbers));
        result |= aec_write(model, quality, latents, h, w, words, room, &length, &check);
        payload = (const uint8_t *)(words + room - length);
        printf("%08x ", (unsigned)aec_crc(0, payload, (size_t)length * 4));
    }
    result |= aec_read(model, quality, payload, length * 4, h, w, latents, &found, NULL, NULL, NULL, &symbols);
    result |= aec_render(model, quality, latents, h, w, halo, height, width, channels, depth, made);
    printf("%08x %08x %08x\n", (unsigned)found, (unsigned)aec_crc(0, latents, numbers),
           (unsigned)aec_crc(0, made, samples));
    free(latents), free(words), free(made);
    return result | (!given && found != check);
}

int main(int argc, char **argv)
{
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    const char *simd = argc == 3 ? aec_use(argv[2]) : NULL;
    if (!file || !simd) return 2;
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    rewind(file);
    data = malloc((size_t)size);
    if (!data || fread(data, 1, (size_t)size, file) != (size_t)size) return 2;

    aec_config config;
    memcpy(&config, piece(sizeof config), sizeof config);
    static aec_tensor tensors[MOST];
    const int count = number();
    for (int i = 0; i < count && i < MOST; i++) {
        aec_tensor *t = tensors + i;
        const int name = number();
        t->type = number(), t->dimensions = number();
        for (int k = 0; k < 4; k++) t->shape[k] = number();
        t->bytes = number();
        t->name = piece((size_t)name);
        t->data = piece((size_t)t->bytes);
    }

    char message[240] = "";
    const aec_model *model = aec_load(&config, tensors, count, message, sizeof message);
    if (!model) {
        fprintf(stderr, "%s\n", message);
        return 1;
    }
    for (int left = number(); left > 0; left--)
        if (through(model, config.latent)) return 1;
    return 0;
}
