/* Finished tiles of a matrix are scattered to wherever its elements lie in an array. */
#ifndef IC_SCATTER_H
#define IC_SCATTER_H

#include "fill/axis_map.h"

/* The tall matrix Q, element (i, k), before the signs and the gain */
typedef struct {
  uint8_t *data;
  ic_dtype dtype, working;
  int swapped;
  ic_axis_map i, k;
  double gain;
  const int8_t *sign; /* of column k: s_k */
} ic_target;

/* Writes what the places [first, first + count) of k are multiplied with. */
void ic_scales(const ic_target *target, int64_t first, size_t count, void *scales);
/* Puts rows [row, row + rows) of the matrix in place. Its tile has these rows, and those places of k as columns; it is
 * spent. */
void ic_scatter_tile(const ic_target *target, void *tile, int64_t row, size_t rows, int64_t first, size_t count);

#endif
