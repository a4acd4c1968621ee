/* Memory of a call or a model: pieces of blocks, which are kept for calls to come. */
#define _DEFAULT_SOURCE /* madvise */
#include "internal.h"
#include <stdatomic.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

enum { ALIGNMENT = 64, KEPT = 4 }; /* chains of blocks kept for calls to come */
#if defined(__SANITIZE_ADDRESS__) || defined(AEC_APART)
static const size_t MOST_KEPT = 0, LEAST = 0, PAGE = ALIGNMENT; /* each piece apart, so that a step beyond it is seen */
#elif defined(__linux__)
static const size_t MOST_KEPT = 64 << 20, LEAST = 8 << 20, PAGE = 2 << 20; /* pages so large are few to be made */
#else
static const size_t MOST_KEPT = 64 << 20, LEAST = 1 << 20, PAGE = ALIGNMENT;
#endif

struct block {
    struct block *next;
    unsigned char *first; /* aligned */
    size_t size, used; /* bytes from there */
};
static _Atomic(struct block *) kept[KEPT]; /* chains, each of MOST_KEPT bytes at most */

static size_t rounded(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

static struct block *block_of(size_t size)
{
    const size_t page = size < PAGE ? ALIGNMENT : PAGE;
    size = rounded(size, page);
    struct block *block = malloc(sizeof *block + page + size);
    if (!block) return NULL;
    unsigned char *first = (unsigned char *)rounded((uintptr_t)(block + 1), page);
    *block = (struct block){NULL, first, size, 0};
#if defined(MADV_HUGEPAGE)
    if (page > ALIGNMENT) madvise(first, size, MADV_HUGEPAGE); /* where it is refused, pages are small */
#endif
    return block;
}

void aec_borrow(Arena *arena)
{
    for (int i = 0; i < KEPT && !arena->blocks; i++) arena->blocks = atomic_exchange(&kept[i], NULL);
    for (struct block *block = arena->blocks; block; block = block->next) block->used = 0;
}

void *aec_take(Arena *arena, size_t count, size_t size)
{
    if (arena->failed || count > (PTRDIFF_MAX / 2 - arena->total) / size) {
        arena->failed = 1;
        return NULL;
    }
    size = rounded(count * size, ALIGNMENT);
    struct block *block = arena->blocks;
    while (block && block->size - block->used < size) block = block->next;
    if (!block) {
        if (!(block = block_of(size > LEAST ? size : LEAST))) {
            arena->failed = 1;
            return NULL;
        }
        block->next = arena->blocks;
        arena->blocks = block;
    }
    arena->total += size;
    block->used += size;
    return block->first + block->used - size;
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
    size_t room = MOST_KEPT;
    for (struct block **at = &arena->blocks; *at;) {
        struct block *block = *at;
        if (block->size <= room) {
            room -= block->size;
            at = &block->next;
        } else {
            *at = block->next;
            free(block);
        }
    }
    for (int i = 0; i < KEPT && arena->blocks; i++) {
        struct block *none = NULL;
        if (atomic_compare_exchange_strong(&kept[i], &none, arena->blocks)) arena->blocks = NULL;
    }
    aec_free(arena);
}
