/* Memory of a call: pieces of a block, which is kept for the next call, or of their own where the block is too small.
 */
#include "internal.h"
#include <stdatomic.h>
#include <stdlib.h>

enum { ALIGNMENT = 64, KEPT = 4 }; /* blocks kept for calls to come */
#if defined(__SANITIZE_ADDRESS__) || defined(AEC_APART)
static const size_t MOST_KEPT = 0; /* each piece apart, so that a step beyond it is seen */
#else
static const size_t MOST_KEPT = 64 << 20; /* bytes of each */
#endif

struct block {
    struct block *next;
    size_t size, used; /* bytes after the header, from the first aligned one on */
};
static _Atomic(struct block *) kept[KEPT];

static struct block *block_of(size_t size)
{
    struct block *block = malloc(sizeof *block + ALIGNMENT + size);
    if (block) *block = (struct block){NULL, size, 0};
    return block;
}

/* Keeps a block for another call, or frees it. */
static void keep(struct block *block)
{
    for (int i = 0; i < KEPT && block; i++) {
        struct block *none = NULL;
        if (atomic_compare_exchange_strong(&kept[i], &none, block)) return;
    }
    free(block);
}

void aec_borrow(Arena *arena)
{
    for (int i = 0; i < KEPT && !arena->blocks; i++) arena->blocks = atomic_exchange(&kept[i], NULL);
    if (arena->blocks) arena->blocks->used = 0;
}

void *aec_take(Arena *arena, size_t count, size_t size)
{
    struct block *block = arena->blocks;
    if (arena->failed || count > (PTRDIFF_MAX / 2 - arena->total) / size) {
        arena->failed = 1;
        return NULL;
    }
    size = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!block || block->size - block->used < size) {
        if (!(block = block_of(size))) {
            arena->failed = 1;
            return NULL;
        }
        if (arena->blocks) { /* the first stays the one that may have room */
            block->next = arena->blocks->next;
            arena->blocks->next = block;
        } else {
            arena->blocks = block;
        }
    }
    arena->total += size;
    block->used += size;
    const uintptr_t first = ((uintptr_t)(block + 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return (void *)(first + block->used - size);
}

void aec_free(Arena *arena)
{
    while (arena->blocks) {
        struct block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}

void aec_return(Arena *arena)
{
    struct block *block = arena->blocks;
    if (arena->total > MOST_KEPT || !block) {
        aec_free(arena);
    } else if (!block->next) {
        arena->blocks = NULL;
        keep(block);
    } else { /* next time one block will do */
        aec_free(arena);
        keep(block_of(arena->total));
    }
}
