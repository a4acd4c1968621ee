/* Memory that runs out: linked before the library's calls of malloc and calloc (tests/native/fuzz.py). */
#include <stdint.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
static _Atomic int64_t left = INT64_MAX;

/* How many allocations from now on succeed. */
__attribute__((visibility("default"))) void aec_fail_after(int64_t count) { left = count; }
void *__wrap_malloc(size_t size) { return left-- > 0 ? __real_malloc(size) : NULL; }
void *__wrap_calloc(size_t count, size_t size) { return left-- > 0 ? __real_calloc(count, size) : NULL; }
