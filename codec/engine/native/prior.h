/* The walk of a tile's symbols; see prior.c. */
#ifndef AEC_PRIOR_H
#define AEC_PRIOR_H
#include "internal.h"

/* One step's symbols are in planes [M][H/2][W/2], in the order in which they are coded: those of group g at the
 * positions of PHASE[(t + g) mod 4]. */
typedef struct {
    const aec_model *model;
    int h, w, H, W; /* positions of the tile, and of its grid */
    size_t positions; /* of a plane */
    double *to_mean, *to_context, *from_z;
    int32_t *row_offset, *quality_bias;
    int16_t *a, *d, *b, *f, *g, *joined, *heard;
    int32_t *features, *x, *limits;
    int16_t *context; /* [H][W][M] */
    int32_t *mean; /* of the step */
    uint8_t *row;
    int16_t *residual;
    int32_t *y; /* [M][H][W] */
} Walk;

int aec_walk_start(Walk *walk, const aec_model *model, int32_t quality, int h, int w, Arena *arena);
void aec_walk_features(Walk *walk, const int32_t *z);
/* Means and rows of step t. */
void aec_walk_step(Walk *walk, int t);
/* y and context by the residuals of step t. */
void aec_walk_settle(Walk *walk, int t);
/* Rows and columns of group g's planes in step t that lie in the tile, and the first one's place. */
typedef struct {
    int height, width, row, column;
} Inside;
Inside aec_inside(const Walk *walk, int t, int g);
#endif
