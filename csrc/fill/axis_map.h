/* Where the elements of an array lie along one axis of a matrix, which may be several axes of the array. */
#ifndef IC_AXIS_MAP_H
#define IC_AXIS_MAP_H

#include "initcore.h"

/* Place a of the array has index first + a step of the matrix, and lies a stride bytes from the start. If `listed`, it
 * has index listed[a] and lies listed[count + a] bytes from the start. Indices increase. */
typedef struct {
  int64_t count, first, step, stride;
  int64_t *listed; /* or NULL */
} ic_axis_map;

/* Maps so many axes of an array, from `axis` on, to one of a matrix. Returns 0 if there is no memory for lists. What it
 * has made is to be given to ic_axis_map_free in any case. */
int ic_axis_map_of(const ic_array *array, int axis, int axes, int64_t first, ic_axis_map *map);
void ic_axis_map_free(ic_axis_map *map);
int64_t ic_axis_map_index(const ic_axis_map *map, int64_t place);
int64_t ic_axis_map_offset(const ic_axis_map *map, int64_t place);
int64_t ic_axis_map_before(const ic_axis_map *map, int64_t index); /* how many places have a lower index */
/* Whether the array has the whole axis of that length, `stride` bytes from place to place */
int ic_axis_map_is_whole(const ic_axis_map *map, int64_t length, int64_t stride);

#endif
