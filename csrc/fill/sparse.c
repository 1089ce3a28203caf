/* Sets to zero the elements of a matrix that kern/sparse.h finds. */
#include <string.h>

#include "integers.h"
#include "kernels.h"
#include "platform/arena.h"
#include "platform/work.h"

enum {
  COLUMNS = 64,          /* at once, so that a row's bits are a word, and */
  COLUMNS_OF_WORDS = 16, /* if tables are of words: those of all columns stay in the second-level cache */
  ROWS_PER_UNIT = 4096,
  ELEMENTS_PER_THREAD = 1 << 15
};

typedef struct {
  const ic_array *array;
  size_t itemsize;
  const ic_sparse *sparse;
  const ic_kernels *kernels;
  int in_bytes;        /* digits */
  size_t pitch;        /* digits of a half round's table */
  size_t column_bytes; /* of a column's tables */
  size_t tables_bytes; /* of a thread's */
  uint8_t *tables;
  int64_t columns, column_units, rows_per_unit;
} sparse_task;

/* Digits of some rows, and of row 0 to fill up: from a place that is no row the permutation may never lead to one */
typedef union {
  uint8_t byte[IC_SPARSE_ROWS];
  uint32_t word[IC_SPARSE_ROWS];
} row_digits;

static void list_digits(const sparse_task *task, uint64_t row, size_t rows, row_digits *left, row_digits *right) {
  const ic_sparse *s = task->sparse;
  uint32_t l = (uint32_t)(row % s->left_base), r = (uint32_t)(row / s->left_base);
  for (size_t i = 0; i < IC_SPARSE_ROWS; i++) {
    const uint32_t this_left = i < rows ? l : 0, this_right = i < rows ? r : 0;
    if (task->in_bytes) {
      left->byte[i] = (uint8_t)this_left;
      right->byte[i] = (uint8_t)this_right;
    } else {
      left->word[i] = this_left;
      right->word[i] = this_right;
    }
    l++;
    if (l == s->left_base) l = 0, r++;
  }
}

/* What each half round adds to a digit, column by column, a half round's `pitch` entries apart. Words are fetched some
 * rows ahead: those of the same columns lie too far apart for the processor to foresee. */
#define STAMP_SCALING(name, digit)                                                                                     \
  static void name(const sparse_task *task, int64_t first, size_t columns, digit *tables) {                            \
    enum { ROWS_AHEAD = 8 };                                                                                           \
    const ic_sparse *s = task->sparse;                                                                                 \
    const uint32_t *words = s->words + first;                                                                          \
    const size_t column_digits = task->column_bytes / sizeof(digit);                                                   \
    for (int r = 0; r < s->half_rounds; r++, tables += task->pitch) {                                                  \
      const uint32_t base = r % 2 ? s->right_base : s->left_base, count = r % 2 ? s->left_base : s->right_base;        \
      for (uint32_t i = 0; i < count; i++, words += s->column_count) {                                                 \
        for (size_t j = 0; j < columns; j += 16) IC_PREFETCH(words + ROWS_AHEAD * s->column_count + j);                \
        for (size_t j = 0; j < columns; j++) tables[j * column_digits + i] = (digit)((uint64_t)words[j] * base >> 32); \
      }                                                                                                                \
    }                                                                                                                  \
  }
STAMP_SCALING(scale_to_bytes, uint8_t)
STAMP_SCALING(scale_to_words, uint32_t)
#undef STAMP_SCALING

/* Bit j of word i becomes bit i of word j. */
static void transpose_bits(uint64_t word[64]) {
  uint64_t low = 0x00000000ffffffffu;
  for (unsigned half = 32; half > 0; half /= 2, low ^= low << half)
    for (unsigned first = 0; first < 64; first += 2 * half)
      for (unsigned i = first; i < first + half; i++) {
        const uint64_t differ = (word[i] >> half ^ word[i + half]) & low;
        word[i] ^= differ << half;
        word[i + half] ^= differ;
      }
}

/* Elements that are apart, or of another size than numbers have */
static void clear_each(uint8_t *out, int64_t stride, size_t itemsize, uint64_t bits, size_t count) {
  for (size_t j = 0; j < count; j++, out += stride)
    if (bits >> j & 1) memset(out, 0, itemsize);
}

/* Up to 64 rows of a few columns: `word` has a bit for each row of a column. */
static void clear_rows(const sparse_task *task, uint8_t *out, size_t rows, size_t columns, uint64_t word[64]) {
  const int64_t *stride = task->array->stride;
  const size_t size = task->itemsize;
  const int together = stride[1] == (int64_t)size && (size == 2 || size == 4 || size == 8);
  transpose_bits(word);
  for (size_t i = 0; i < rows; i++, out += stride[0])
    if (together)
      task->kernels->sparse_clear(out, size, word[i], columns);
    else
      clear_each(out, stride[1], size, word[i], columns);
}

/* Fetches some rows, meanwhile: memory takes longer than to find out which of their elements are zero. */
static void fetch_rows(const sparse_task *task, const uint8_t *out, size_t first, int64_t last, size_t columns) {
  const int64_t *stride = task->array->stride;
  const int64_t bytes = (int64_t)(columns * task->itemsize);
  if (stride[1] != (int64_t)task->itemsize) return;
  for (int64_t i = (int64_t)first; i < last; i++)
    for (int64_t at = 0; at < bytes; at += 64) IC_PREFETCH(out + i * stride[0] + at);
}

/* Some rows of a few columns */
static void clear_unit(void *context, int thread, int64_t unit) {
  enum { WORDS = IC_SPARSE_ROWS / 64 };
  const sparse_task *task = context;
  const ic_array *array = task->array;
  const ic_sparse *s = task->sparse;
  const int64_t first = unit / task->column_units * task->rows_per_unit,
                last = at_most(array->shape[0], first + task->rows_per_unit);
  const int64_t column = unit % task->column_units * task->columns;
  const size_t columns = (size_t)at_most(task->columns, array->shape[1] - column);
  uint8_t *tables = task->tables + (size_t)thread * task->tables_bytes;
  row_digits left, right;
  uint64_t mask[COLUMNS][WORDS], word[COLUMNS] = {0};
  if (task->in_bytes)
    scale_to_bytes(task, column, columns, tables);
  else
    scale_to_words(task, column, columns, (uint32_t *)(void *)tables);
  for (int64_t row = first; row < last; row += IC_SPARSE_ROWS) {
    const size_t rows = (size_t)at_most(IC_SPARSE_ROWS, last - row);
    uint8_t *out = array->data + row * array->stride[0] + column * array->stride[1];
    list_digits(task, s->first_row + (uint64_t)row, rows, &left, &right);
    for (size_t j = 0; j < columns; j++) {
      fetch_rows(task, out, j * IC_SPARSE_ROWS / columns,
                 at_most((int64_t)rows, (int64_t)((j + 1) * IC_SPARSE_ROWS / columns)), columns);
      task->kernels->sparse_mask(s, tables + j * task->column_bytes, task->pitch, &left, &right, rows, mask[j]);
    }
    for (size_t i = 0; i < rows; i += 64, out += 64 * array->stride[0]) {
      for (size_t j = 0; j < columns; j++) word[j] = mask[j][i / 64];
      clear_rows(task, out, rows - i < 64 ? rows - i : 64, columns, word);
    }
  }
}

/* Room for a digit's table: of bytes, what registers look up in */
static size_t pitch_for(const ic_sparse *s) {
  size_t pitch = 16;
  if (!ic_sparse_in_bytes(s)) return s->left_base > s->right_base ? s->left_base : s->right_base;
  while (pitch < s->left_base || pitch < s->right_base) pitch *= 2;
  return pitch;
}

static sparse_task task_of(const ic_array *array, size_t itemsize, const ic_sparse *sparse) {
  sparse_task t = {.array = array,
                   .itemsize = itemsize,
                   .sparse = sparse,
                   .kernels = ic_kernels_current(),
                   .in_bytes = ic_sparse_in_bytes(sparse),
                   .pitch = pitch_for(sparse)};
  t.columns = t.in_bytes ? COLUMNS : COLUMNS_OF_WORDS;
  t.column_bytes = t.pitch * (size_t)sparse->half_rounds * (t.in_bytes ? sizeof(uint8_t) : sizeof(uint32_t));
  t.tables_bytes = (t.column_bytes * (size_t)at_most(t.columns, array->shape[1]) + 63) / 64 * 64;
  /* to make a table's entry takes as long as to find out of a few elements whether they are zero */
  t.rows_per_unit = at_least(ROWS_PER_UNIT, 4 * (int64_t)t.pitch * sparse->half_rounds);
  t.column_units = pieces(array->shape[1], t.columns);
  return t;
}

ic_status ic_set_sparse_zeros(const ic_array *array, size_t itemsize, const ic_sparse *sparse,
                              const ic_options *options) {
  const int64_t rows = array->shape[0], columns = array->shape[1];
  if (rows == 0 || columns == 0 || sparse->zeros == 0) return IC_OK;
  sparse_task task = task_of(array, itemsize, sparse);
  const int threads = (int)at_least(1, at_most(options->threads, rows * columns / ELEMENTS_PER_THREAD));
  void *allocated;
  task.tables = ic_allocate((size_t)threads * task.tables_bytes, &allocated);
  if (!allocated) return IC_NO_MEMORY;
  memset(task.tables, 0, (size_t)threads * task.tables_bytes);
  ic_progress progress = ic_progress_begin(options);
  ic_work work = {.unit = clear_unit,
                  .context = &task,
                  .units = task.column_units * pieces(rows, task.rows_per_unit),
                  .progress = &progress,
                  .calling = 1,
                  .share = 1};
  ic_work_run(&work, threads);
  free(allocated);
  return ic_progress_end(&progress);
}
