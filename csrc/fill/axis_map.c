#include "fill/axis_map.h"

#include <stdlib.h>

#include "fill/view.h"

int64_t ic_axis_map_offset(const ic_axis_map *map, int64_t place) {
  return map->listed ? map->listed[map->count + place] : place * map->stride;
}

int64_t ic_axis_map_index(const ic_axis_map *map, int64_t place) {
  return map->listed ? map->listed[place] : map->first + place * map->step;
}

static void list(const ic_view *view, int64_t first, ic_axis_map *map) {
  int64_t place[IC_MAX_DIMS + 1] = {0}, index = first, offset = 0;
  for (int64_t a = 0; a < map->count; a++) {
    map->listed[a] = index;
    map->listed[map->count + a] = offset;
    for (int i = view->ndim - 1; i >= 0; i--) {
      const ic_axis *axis = &view->axis[i];
      index += axis->index_stride;
      offset += axis->stride;
      if (++place[i] < axis->length) break;
      place[i] = 0;
      index -= axis->index_stride * axis->length;
      offset -= axis->stride * axis->length;
    }
  }
}

int ic_axis_map_of(const ic_array *array, int axis, int axes, int64_t first, ic_axis_map *map) {
  ic_array part = {.dtype = array->dtype, .ndim = axes};
  for (int i = 0; i < axes; i++) {
    part.shape[i] = array->shape[axis + i];
    part.stride[i] = array->stride[axis + i];
    part.index_stride[i] = array->index_stride[axis + i];
  }
  ic_view view;
  ic_view_of(&part, &view);
  *map = (ic_axis_map){view.size, first, view.axis[0].index_stride, view.axis[0].stride, NULL};
  if (view.ndim == 1) return 1;
  map->listed = malloc(2 * sizeof(int64_t) * (size_t)view.size);
  if (map->listed) list(&view, first, map);
  return map->listed != NULL;
}

void ic_axis_map_free(ic_axis_map *map) { free(map->listed); }

int64_t ic_axis_map_before(const ic_axis_map *map, int64_t index) {
  int64_t low = 0, high = map->count;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (ic_axis_map_index(map, middle) < index)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

int ic_axis_map_is_whole(const ic_axis_map *map, int64_t length, int64_t stride) {
  return !map->listed && map->count == length && (length == 1 || (map->step == 1 && map->stride == stride));
}
