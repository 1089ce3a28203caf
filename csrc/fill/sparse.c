/* Sets to zero the elements of a matrix that kern/sparse.h finds. */
#include <string.h>

#include "integers.h"
#include "kernels.h"
#include "platform/work.h"

enum {
  ROWS_AT_ONCE = 128,
  ROWS_PER_UNIT = 4096,
  ELEMENTS_PER_THREAD = 1 << 15,
  MOST_PACKED = 1 << 14 /* words, which stay in the first two levels of cache */
};

typedef struct {
  const ic_array *array;
  size_t itemsize;
  const ic_sparse *sparse;
  const ic_kernels *kernels;
  int64_t column_units;
} sparse_task;

/* Elements that are apart, or of another size than numbers have */
static void zero_each(uint8_t *out, int64_t stride, size_t itemsize, const uint8_t *mask, int64_t count) {
  for (int64_t j = 0; j < count; j++)
    if (mask[j]) memset(out + j * stride, 0, itemsize);
}

/* Those in one piece, without a branch that nobody can predict */
#define ZERO_TOGETHER(type)                                         \
  for (int64_t j = 0; j < count; j++) {                             \
    type element;                                                   \
    memcpy(&element, out + (size_t)j * sizeof(type), sizeof(type)); \
    element = (type)(element & ((type)mask[j] - (type)1));          \
    memcpy(out + (size_t)j * sizeof(type), &element, sizeof(type)); \
  }
static void zero_marked(uint8_t *restrict out, int64_t stride, size_t itemsize, const uint8_t *restrict mask,
                        int64_t count) {
  switch (stride == (int64_t)itemsize ? itemsize : 0) {
    case 2: ZERO_TOGETHER(uint16_t) break;
    case 4: ZERO_TOGETHER(uint32_t) break;
    case 8: ZERO_TOGETHER(uint64_t) break;
    default: zero_each(out, stride, itemsize, mask, count);
  }
}
#undef ZERO_TOGETHER

/* The words of some columns side by side: in a table of all columns those of one would be a page apart from each other,
 * in a few sets of the first cache. */
static void pack(ic_sparse *some, int64_t first, uint32_t lanes, uint32_t *packed) {
  const uint64_t columns = some->column_count;
  const uint64_t count = (uint64_t)(some->left_base + some->right_base) * (uint64_t)(some->half_rounds / 2);
  const uint32_t *words = some->words + first;
  some->words = words;
  if (count * IC_SPARSE_LANES > MOST_PACKED) return;
  for (uint64_t i = 0; i < count; i++) memcpy(packed + i * IC_SPARSE_LANES, words + i * columns, lanes * sizeof *words);
  some->words = packed;
  some->column_count = IC_SPARSE_LANES;
}

/* Some rows of a few columns */
static void zero_unit(void *context, int thread, int64_t unit) {
  const sparse_task *task = context;
  const ic_array *array = task->array;
  const int64_t first = unit / task->column_units * ROWS_PER_UNIT,
                last = at_most(array->shape[0], first + ROWS_PER_UNIT);
  const int64_t column = unit % task->column_units * IC_SPARSE_LANES;
  const uint32_t lanes = (uint32_t)at_most(IC_SPARSE_LANES, array->shape[1] - column);
  uint32_t packed[MOST_PACKED];
  uint8_t mask[ROWS_AT_ONCE * IC_SPARSE_LANES];
  ic_sparse some = *task->sparse;
  (void)thread;
  pack(&some, column, lanes, packed);
  for (int64_t row = first; row < last; row += ROWS_AT_ONCE) {
    const int64_t rows = at_most(ROWS_AT_ONCE, last - row);
    task->kernels->sparse_mask(&some, some.first_row + (uint64_t)row, (uint64_t)rows, lanes, mask);
    uint8_t *out = array->data + row * array->stride[0] + column * array->stride[1];
    for (int64_t i = 0; i < rows; i++)
      zero_marked(out + i * array->stride[0], array->stride[1], task->itemsize, mask + i * IC_SPARSE_LANES, lanes);
  }
}

ic_status ic_set_sparse_zeros(const ic_array *array, size_t itemsize, const ic_sparse *sparse,
                              const ic_options *options) {
  const int64_t rows = array->shape[0], columns = array->shape[1];
  if (rows == 0 || columns == 0) return IC_OK;
  sparse_task task = {.array = array, .itemsize = itemsize, .sparse = sparse, .kernels = ic_kernels_current()};
  task.column_units = pieces(columns, IC_SPARSE_LANES);
  ic_progress progress = ic_progress_begin(options);
  ic_work work = {.unit = zero_unit,
                  .context = &task,
                  .units = task.column_units * pieces(rows, ROWS_PER_UNIT),
                  .progress = &progress,
                  .calling = 1,
                  .share = 1};
  ic_work_run(&work, (int)at_least(1, at_most(options->threads, rows * columns / ELEMENTS_PER_THREAD)));
  return ic_progress_end(&progress);
}
