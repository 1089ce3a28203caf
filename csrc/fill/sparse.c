/* Sets to zero the elements of a matrix that kern/sparse.h finds. */
#include <string.h>

#include "integers.h"
#include "kernels.h"
#include "platform/arena.h"
#include "platform/work.h"

enum {
  COLUMNS = 32,       /* at once, so that rows are touched in whole cache lines, */
  ROWS_AT_ONCE = 128, /* whole vectors in every instruction set */
  ROWS_PER_UNIT = 4096,
  ELEMENTS_PER_THREAD = 1 << 15
};

typedef struct {
  const ic_array *array;
  size_t itemsize;
  const ic_sparse *sparse;
  const ic_kernels *kernels;
  size_t pitch, table_words, tables_bytes; /* of a half round, of a column, of a thread */
  uint8_t *tables;
  int64_t column_units, rows_per_unit;
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

/* To a thread's tables: what each half round adds to a digit, column by column, a half round's `pitch` entries apart */
static void scale_words(const sparse_task *task, int64_t first, size_t lanes, uint32_t *tables) {
  const ic_sparse *s = task->sparse;
  const uint32_t *words = s->words + first;
  for (int r = 0; r < s->half_rounds; r++) {
    const uint32_t base = r % 2 ? s->right_base : s->left_base, count = r % 2 ? s->left_base : s->right_base;
    for (uint32_t i = 0; i < count; i++, words += s->column_count)
      for (size_t l = 0; l < lanes; l++)
        tables[l * task->table_words + (size_t)r * task->pitch + i] = (uint32_t)((uint64_t)words[l] * base >> 32);
  }
}

/* The digits of some rows, and of row 0 to fill up: from a place that is no row the permutation may never lead to one
 */
static void list_digits(const ic_sparse *s, uint64_t row, size_t rows, uint32_t *left, uint32_t *right) {
  uint32_t l = (uint32_t)(row % s->left_base), r = (uint32_t)(row / s->left_base);
  for (size_t i = 0; i < ROWS_AT_ONCE; i++) {
    left[i] = i < rows ? l : 0;
    right[i] = i < rows ? r : 0;
    l++;
    if (l == s->left_base) l = 0, r++;
  }
}

/* Some rows of a few columns */
static void zero_unit(void *context, int thread, int64_t unit) {
  const sparse_task *task = context;
  const ic_array *array = task->array;
  const ic_sparse *s = task->sparse;
  const int64_t first = unit / task->column_units * task->rows_per_unit,
                last = at_most(array->shape[0], first + task->rows_per_unit);
  const int64_t column = unit % task->column_units * COLUMNS;
  const size_t lanes = (size_t)at_most(COLUMNS, array->shape[1] - column);
  uint32_t *tables = (uint32_t *)(void *)(task->tables + (size_t)thread * task->tables_bytes);
  uint32_t left[ROWS_AT_ONCE], right[ROWS_AT_ONCE];
  uint8_t by_column[COLUMNS][ROWS_AT_ONCE] = {{0}}, by_row[ROWS_AT_ONCE][COLUMNS];
  scale_words(task, column, lanes, tables);
  for (int64_t row = first; row < last; row += ROWS_AT_ONCE) {
    const size_t rows = (size_t)at_most(ROWS_AT_ONCE, last - row);
    uint8_t *out = array->data + row * array->stride[0] + column * array->stride[1];
    list_digits(s, s->first_row + (uint64_t)row, rows, left, right);
    for (size_t l = 0; l < lanes; l++)
      task->kernels->sparse_mask(s, tables + l * task->table_words, task->pitch, left, right, rows, by_column[l]);
    for (size_t i = 0; i < ROWS_AT_ONCE; i++)
      for (size_t l = 0; l < COLUMNS; l++) by_row[i][l] = by_column[l][i];
    for (size_t i = 0; i < rows; i++, out += array->stride[0])
      zero_marked(out, array->stride[1], task->itemsize, by_row[i], (int64_t)lanes);
  }
}

ic_status ic_set_sparse_zeros(const ic_array *array, size_t itemsize, const ic_sparse *sparse,
                              const ic_options *options) {
  const int64_t rows = array->shape[0], columns = array->shape[1];
  if (rows == 0 || columns == 0) return IC_OK;

  const ic_kernels *kernels = ic_kernels_current();
  const size_t longest = sparse->left_base > sparse->right_base ? sparse->left_base : sparse->right_base;
  sparse_task task = {.array = array, .itemsize = itemsize, .sparse = sparse, .kernels = kernels};
  task.pitch = (longest + IC_TABLE_WORDS - 1) / IC_TABLE_WORDS * IC_TABLE_WORDS;
  task.table_words = task.pitch * (size_t)sparse->half_rounds;
  task.tables_bytes = task.table_words * (size_t)at_most(COLUMNS, columns) * sizeof(uint32_t);
  task.rows_per_unit = at_least(ROWS_PER_UNIT, 4 * (int64_t)task.table_words);
  task.column_units = pieces(columns, COLUMNS);
  const int threads = (int)at_least(1, at_most(options->threads, rows * columns / ELEMENTS_PER_THREAD));
  void *allocated;
  task.tables = ic_allocate((size_t)threads * task.tables_bytes, &allocated);
  if (!allocated) return IC_NO_MEMORY;
  ic_progress progress = ic_progress_begin(options);
  ic_work work = {.unit = zero_unit,
                  .context = &task,
                  .units = task.column_units * pieces(rows, task.rows_per_unit),
                  .progress = &progress,
                  .calling = 1,
                  .share = 1};
  ic_work_run(&work, threads);
  free(allocated);
  return ic_progress_end(&progress);
}
