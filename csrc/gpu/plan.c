/* Lays an array out for the threads of a device. The device's memory is not touched. */
#include "dtypes.h"
#include "gpu/launch.h"
#include "integers.h"
#include "kernels.h"

enum {
  WANTED_THREADS = 1 << 19,    /* twice what the largest devices run at once */
  MOST_GROUPS_ALONG = 1 << 20, /* a device takes 2^31 - 1 of them, */
  MOST_GROUPS_ACROSS = 65535   /* and so many; what is left, threads come to later */
};

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

/* The axes across rows, the one with the smallest stride first, so that neighbouring threads write side by side; the
 * row is what axis `along` is, or, if that is below 0, one element. Returns how many axes there are. */
static int sort_axes(const ic_view *view, int along, ic_axis *axis) {
  int count = 0;
  for (int i = view->ndim - 1; i >= 0; i--) {
    if (i == along) continue;
    int at = count++;
    for (; at > 0 && magnitude(axis[at - 1].stride) > magnitude(view->axis[i].stride); at--) axis[at] = axis[at - 1];
    axis[at] = view->axis[i];
  }
  return count;
}

/* The view's axis along which the global index rises one by one, or -1 */
static int along_of(const ic_view *view) { return view->axis[view->ndim - 1].index_stride == 1 ? view->ndim - 1 : -1; }

int64_t ic_launch_count(const ic_array *array) {
  ic_view view;
  ic_view_of(array, &view);
  ic_axis axis[IC_MAX_DIMS + 1];
  int64_t count = view.size > 0;
  for (int i = sort_axes(&view, along_of(&view), axis) - 1; i >= IC_LAUNCH_AXES; i--) count *= axis[i].length;
  return count;
}

static uint32_t power_of_two_from(int64_t least, uint32_t most) {
  uint32_t power = 1;
  while (power < most && power < least) power *= 2;
  return power;
}

static ic_grid grid_of(const ic_launch *launch, int64_t itemsize) {
  const int64_t before =
      launch->rows == 1 ? (int64_t)(launch->first_index % 4) : 3; /* in a row's first block, at most */
  const int64_t blocks = pieces(before + launch->row.length, 4),
                threads = at_most(WANTED_THREADS, blocks * launch->rows);
  const int64_t each = at_least(1, at_most(IC_THREAD_BLOCKS, blocks * launch->rows / at_least(1, threads)));
  ic_grid grid;
  if (launch->row.stride == itemsize) {
    grid.threads[0] = power_of_two_from(blocks, IC_LAUNCH_THREADS);
    grid.threads[1] = IC_LAUNCH_THREADS / grid.threads[0];
  } else {
    grid.threads[1] = power_of_two_from(launch->rows, IC_LAUNCH_THREADS);
    grid.threads[0] = IC_LAUNCH_THREADS / grid.threads[1];
  }
  grid.groups[0] = (uint32_t)at_most(pieces(blocks, each * grid.threads[0]), MOST_GROUPS_ALONG);
  grid.groups[1] = (uint32_t)at_most(pieces(launch->rows, grid.threads[1]), MOST_GROUPS_ACROSS);
  return grid;
}

ic_grid ic_launch_of(const ic_array *array, const ic_prepared *prepared, const ic_stream *stream, int64_t number,
                     ic_launch *launch) {
  ic_view view;
  ic_view_of(array, &view);
  const int64_t itemsize = (int64_t)ic_itemsize(array->dtype);
  const ic_axis one = {1, itemsize, 1};
  const int along = along_of(&view);
  ic_axis axis[IC_MAX_DIMS + 1];
  const int count = sort_axes(&view, along, axis);
  launch->params = prepared->params;
  launch->keys = philox_schedule(stream);
  launch->most_attempts = (uint32_t)ic_most_attempts();
  launch->out = (uint64_t)(uintptr_t)array->data;
  launch->first_index = array->first_index;
  launch->row = along < 0 ? one : view.axis[along];
  launch->rows = 1;
  for (int i = 0; i < IC_LAUNCH_AXES; i++) {
    launch->axis[i] = i < count ? axis[i] : one;
    launch->rows *= launch->axis[i].length;
  }
  for (int i = IC_LAUNCH_AXES; i < count; number /= axis[i++].length) {
    launch->out += (uint64_t)(number % axis[i].length * axis[i].stride);
    launch->first_index += (uint64_t)(number % axis[i].length * axis[i].index_stride);
  }
  return grid_of(launch, itemsize);
}
