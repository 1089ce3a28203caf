/* Finished tiles of a matrix to wherever its elements lie in an array. */
#ifndef IC_SCATTER_H
#define IC_SCATTER_H

#include "initcore.h"

/* What an array holds of one axis of a matrix: place a is index first + a step of the matrix, a stride bytes from the
 * start, or, where several axes of an array make one, index[a] and offset[a]. Indices increase. */
typedef struct {
  int64_t count, first, step, stride;
  int64_t *listed; /* NULL, or all indices, then all offsets */
} ic_axis_map;

/* Of `axes` axes from `axis` on; 0 if there is no memory for lists. ic_axis_map_free in any case. */
int ic_axis_map_of(const ic_array *array, int axis, int axes, int64_t first, ic_axis_map *map);
void ic_axis_map_free(ic_axis_map *map);
int64_t ic_axis_map_index(const ic_axis_map *map, int64_t place);
int64_t ic_axis_map_before(const ic_axis_map *map, int64_t index); /* how many places have a lower index */
int ic_axis_map_is_whole(const ic_axis_map *map, int64_t length, int64_t stride);

/* The tall matrix Q, element (i, k), before the signs and the gain */
typedef struct {
  uint8_t *data;
  ic_dtype dtype, working;
  int swapped;
  ic_axis_map i, k;
  double gain;
  const int8_t *sign; /* of column k: s_k */
} ic_target;

/* What the places [first, first + count) of k are multiplied with */
void ic_scales(const ic_target *target, int64_t first, size_t count, void *scales);
/* Rows [row, row + rows) of a tile, whose columns are those places; the tile is spent. */
void ic_scatter_tile(const ic_target *target, void *tile, int64_t row, size_t rows, int64_t first, size_t count);

#endif
