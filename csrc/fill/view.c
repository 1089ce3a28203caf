#include "fill/view.h"

#include <stdlib.h>

#include "dtypes.h"

void ic_view_of(const ic_array *array, ic_view *view) {
  view->ndim = 0;
  view->size = 1;
  for (int i = 0; i < array->ndim; i++) {
    const ic_axis next = {array->shape[i], array->stride[i], array->index_stride[i]};
    view->size *= next.length;
    if (next.length == 1) continue;
    ic_axis *last = view->ndim ? &view->axis[view->ndim - 1] : NULL;
    if (last && last->stride == next.stride * next.length && last->index_stride == next.index_stride * next.length)
      *last = (ic_axis){last->length * next.length, next.stride, next.index_stride};
    else
      view->axis[view->ndim++] = next;
  }
  if (view->ndim == 0) view->axis[view->ndim++] = (ic_axis){1, (int64_t)ic_itemsize(array->dtype), 1};
}

int ic_fastest_axis(const ic_view *view) {
  int fastest = view->ndim - 1;
  for (int i = view->ndim - 2; i >= 0; i--)
    if (llabs(view->axis[i].stride) < llabs(view->axis[fastest].stride)) fastest = i;
  return fastest;
}
