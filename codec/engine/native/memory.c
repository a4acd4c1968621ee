/* Memory of a call: pieces of a few large chunks. */
#include "internal.h"
#include <stdlib.h>

enum { ALIGNMENT = 64 };
struct chunk {
    struct chunk *next;
};

void *aec_take(Arena *arena, size_t count, size_t size)
{
    if (!arena->failed && count <= PTRDIFF_MAX / 2 / size) {
        const size_t bytes = count * size;
        struct chunk *chunk = malloc(bytes + 2 * ALIGNMENT);
        if (chunk) {
            chunk->next = arena->chunks;
            arena->chunks = chunk;
            arena->total += bytes;
            return (void *)(((uintptr_t)(chunk + 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
        }
    }
    arena->failed = 1;
    return NULL;
}

void aec_give(Arena *arena)
{
    while (arena->chunks) {
        struct chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
}
