/* Sylvester's Hadamard matrix times a number: element (i, j) is `plus` or `minus`, by the parity of the ones that the
 * binary digits of i and j have in common. A row that is twice as long is the row again, with its signs turned if the
 * digit is one that tells its halves apart. The matrix is its own transpose, so that any axis may be the rows. */
#include <string.h>

#include "fill/nontemporal.h"
#include "integers.h"
#include "kernels.h"
#include "platform/work.h"

enum {
  PERIOD_BYTES = 2048, /* of a row, whose signs are made at once: 4096 take 10 % longer, 1024 35 % in float16 */
  UNIT = 1 << 20,      /* bytes that a thread takes at a time */
  SHORTEST_IN_LINES = 1024,
  SQUARE = 16,
  SQUARE_ITEMSIZE = 16
};

typedef struct {
  uint8_t *data;
  int64_t rows, columns, row_stride, column_stride;
  uint64_t first_row, first_column;
  const uint8_t *element[2]; /* plus, minus */
  size_t itemsize;
  uint64_t period; /* columns: a power of two */
  int64_t unit_rows, unit_columns, units_across;
  int nontemporal;
} hadamard_task;

/* The first columns of a row, and the same with all signs turned */
typedef struct {
  IC_ALIGN(64) uint8_t of[2][PERIOD_BYTES];
} signs;

/* From the first `have` columns to the first `columns` */
static void extend(uint64_t row, uint64_t have, uint64_t columns, size_t itemsize, signs *s) {
  for (; have < columns; have *= 2) {
    const size_t bytes = (size_t)have * itemsize;
    const int turns = (row & have) != 0;
    for (int turned = 0; turned < 2; turned++) memcpy(s->of[turned] + bytes, s->of[turned ^ turns], bytes);
  }
}

/* The first SQUARE columns, of any row: few copies of few bytes are left to make then. */
typedef struct {
  uint64_t columns; /* SQUARE, or 1 */
  uint8_t of[SQUARE][2][SQUARE * SQUARE_ITEMSIZE];
} first_columns;

static void make_first_columns(const hadamard_task *t, first_columns *f) {
  signs s;
  f->columns = t->period >= SQUARE && t->itemsize <= SQUARE_ITEMSIZE ? SQUARE : 1;
  for (uint64_t row = 0; row < SQUARE && f->columns == SQUARE; row++) {
    for (int turned = 0; turned < 2; turned++) memcpy(s.of[turned], t->element[turned], t->itemsize);
    extend(row, 1, SQUARE, t->itemsize, &s);
    for (int turned = 0; turned < 2; turned++) memcpy(f->of[row][turned], s.of[turned], SQUARE * t->itemsize);
  }
}

static void make_signs(const hadamard_task *t, const first_columns *f, uint64_t row, signs *s) {
  for (int turned = 0; turned < 2; turned++) {
    if (f->columns == 1)
      memcpy(s->of[turned], t->element[turned], t->itemsize);
    else if (t->itemsize == 4)
      memcpy(s->of[turned], f->of[row % SQUARE][turned], SQUARE * 4);
    else
      memcpy(s->of[turned], f->of[row % SQUARE][turned], SQUARE * t->itemsize);
  }
  extend(row, f->columns, t->period, t->itemsize, s);
}

static int is_odd(uint64_t word) {
  for (int shift = 32; shift > 0; shift /= 2) word ^= word >> shift;
  return (int)(word & 1);
}

#define COPY_APART(size) \
  for (int64_t j = 0; j < count; j++) memcpy(out + j * t->column_stride, from + j * (size), (size_t)(size))
static void copy_run(const hadamard_task *t, uint8_t *out, const uint8_t *from, int64_t count) {
  const size_t bytes = (size_t)count * t->itemsize;
  const size_t head = (64 - (uintptr_t)out % 64) % 64, lines = bytes < head ? 0 : (bytes - head) / 64 * 64;
  const int64_t size = (int64_t)t->itemsize;
  switch (t->column_stride == size ? 0 : size) {
    case 0:
      if (!t->nontemporal || bytes < SHORTEST_IN_LINES) {
        memcpy(out, from, bytes);
      } else {
        memcpy(out, from, head);
        nt_copy(out + head, from + head, lines);
        memcpy(out + head + lines, from + head + lines, bytes - head - lines);
      }
      break;
    case 2: COPY_APART(2); break;
    case 4: COPY_APART(4); break;
    case 8: COPY_APART(8); break;
    default: COPY_APART(size);
  }
}
#undef COPY_APART

static void set_unit(void *context, int thread, int64_t unit) {
  const hadamard_task *t = context;
  const int64_t row = unit / t->units_across * t->unit_rows, column = unit % t->units_across * t->unit_columns;
  const int64_t last_row = at_most(t->rows, row + t->unit_rows),
                columns = at_most(t->unit_columns, t->columns - column);
  first_columns f;
  signs s;
  (void)thread;
  make_first_columns(t, &f);
  for (int64_t i = row; i < last_row; i++) {
    const uint64_t global_row = t->first_row + (uint64_t)i;
    uint8_t *out = t->data + i * t->row_stride + column * t->column_stride;
    make_signs(t, &f, global_row, &s);
    for (int64_t done = 0, count; done < columns; done += count) {
      const uint64_t global_column = t->first_column + (uint64_t)(column + done), at = global_column % t->period;
      const int turned = is_odd(global_row & (global_column - at));
      count = at_most(columns - done, (int64_t)(t->period - at));
      copy_run(t, out + done * t->column_stride, s.of[turned] + (size_t)at * t->itemsize, count);
    }
  }
}

static int64_t distance(int64_t stride) { return stride < 0 ? -stride : stride; }

static hadamard_task task_of(const ic_array *array, size_t itemsize, const ic_hadamard *matrix) {
  const int along = distance(array->stride[0]) < distance(array->stride[1]) ? 0 : 1; /* the axis of neighbours */
  hadamard_task t = {.data = array->data,
                     .rows = array->shape[1 - along],
                     .columns = array->shape[along],
                     .row_stride = array->stride[1 - along],
                     .column_stride = array->stride[along],
                     .first_row = along ? matrix->first_row : matrix->first_column,
                     .first_column = along ? matrix->first_column : matrix->first_row,
                     .element = {matrix->plus, matrix->minus},
                     .itemsize = itemsize,
                     .period = 1};
  const uint64_t end = t.first_column + (uint64_t)t.columns;
  while (t.period < end && 2 * t.period * itemsize <= PERIOD_BYTES) t.period *= 2;
  const int64_t elements = (int64_t)(UNIT / itemsize);
  t.unit_columns = at_most(t.columns, elements);
  t.unit_rows = elements / t.unit_columns;
  t.units_across = pieces(t.columns, t.unit_columns);
  return t;
}

ic_status ic_set_hadamard(const ic_array *array, size_t itemsize, const ic_hadamard *matrix,
                          const ic_options *options) {
  if (array->shape[0] == 0 || array->shape[1] == 0) return IC_OK;
  hadamard_task task = task_of(array, itemsize, matrix);
  const int64_t bytes = task.rows * task.columns * (int64_t)itemsize;
  const int64_t wanted = 1 + bytes / (IC_ELEMENTS_PER_THREAD * 16);
  task.nontemporal = (uint64_t)bytes >= options->nontemporal_bytes;
  ic_progress progress = ic_progress_begin(options);
  ic_work work = {.unit = set_unit,
                  .fence = ic_kernels_current()->fence,
                  .context = &task,
                  .units = task.units_across * pieces(task.rows, task.unit_rows),
                  .progress = &progress,
                  .calling = 1,
                  .share = 1};
  ic_work_run(&work, (int)at_most(wanted, options->threads));
  return ic_progress_end(&progress);
}
