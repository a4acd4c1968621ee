/* FORMAT.md, "Quality": what lies between the anchors. */
#include "internal.h"
#include <math.h>

static int anchor_below(const aec_model *m, int32_t quality, int *part)
{
    const int last = m->config.anchors - 2, reach = (quality - 100) * (m->config.anchors - 1);
    *part = reach / 9900 > last ? 9900 : reach % 9900;
    return least(reach / 9900, last);
}

int aec_nearest_anchor(const aec_model *m, int32_t quality)
{
    int part;
    const int anchor = anchor_below(m, quality, &part);
    return anchor + (part >= 4950);
}

void aec_between(const aec_model *m, const int32_t *table, int channels, int32_t quality, int32_t *out)
{
    int part;
    const int32_t *low = table + (size_t)anchor_below(m, quality, &part) * padded(channels),
                  *high = low + padded(channels);
    for (int c = 0; c < padded(channels); c++) {
        const int64_t sum = (int64_t)low[c] * (9900 - part) + (int64_t)high[c] * part + 4950;
        out[c] = (int32_t)(sum >= 0 ? sum / 9900 : -((9899 - sum) / 9900));
    }
}

double aec_power(const aec_model *m, int32_t log2_gain, int octaves)
{ return ldexp(m->exp2[log2_gain & ((1 << GAIN) - 1)], (log2_gain >> GAIN) - 15 + octaves); }
