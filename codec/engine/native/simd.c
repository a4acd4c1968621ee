/* Which instruction set is used. */
#include "internal.h"
#include <string.h>

static const Simd *const known[] = {
/* the best first */
#if defined(__x86_64__)
    &aec_avx512vnni,
    &aec_avx2,
    &aec_baseline,
#elif defined(__aarch64__)
    &aec_neon,
#endif
#if defined(__wasm_simd128__) /* whoever can load this module has it */
    &aec_wasm,
#else
    &aec_plain,
#endif
};
static const Simd *used;

int32_t aec_version(void) { return AEC_VERSION; }

const char *aec_use(const char *wanted)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((wanted == NULL || !strcmp(wanted, known[i]->name)) && known[i]->here()) {
            used = known[i];
            return used->name;
        }
    return NULL;
}

const Simd *aec_simd(void)
{
    if (!used) aec_use(NULL);
    return used;
}
