/* Fills arrays whose memory does not follow the global index: transposed, sliced, reversed, shards with short rows.
 *
 * A tile is made of the blocks that its elements lie in, listed one after the other in a buffer, and then put in
 * place, so that Philox runs at full width however short the runs are. Tiles extend along the axis that memory
 * follows fastest as well as along the one that the index does: both sides touch whole cache lines. */
#include "fill/tiles.h"

#include <stdlib.h>
#include <string.h>

#include "dtypes.h"
#include "fill/nontemporal.h"
#include "fill/transpose.h"
#include "integers.h"
#include "platform/arena.h"

enum {
  TILE_BLOCKS = 1280,   /* in a buffer: 20 KiB of float32, which stays in the first-level cache */
  TILE_SIDE = 64,       /* where memory and index follow different axes */
  LONGEST_PIECE = 2048, /* of a row, where they follow the same, */
  SHORTEST_PIECE = 512  /* and what a row should have */
};

/* Runs of consecutive indices among some columns of a row, and blocks that these lie in, at most */
static int64_t most_runs(const ic_tiling *t, int64_t columns) {
  const ic_axis last = t->view.axis[t->view.ndim - 1];
  return last.index_stride == 1 ? at_most(columns, columns / last.length + 2) : columns;
}
static int64_t most_blocks(const ic_tiling *t, int64_t columns) {
  return at_most(columns, columns / 4 + 2 * most_runs(t, columns));
}

/* Whether all columns of a tile begin at the same place of a cache line */
static int columns_aligned(const ic_tiling *t, size_t itemsize) {
  if (t->view.axis[t->row_axis].stride != (int64_t)itemsize || (uintptr_t)t->data % itemsize != 0) return 0;
  for (int i = 0; i < t->view.ndim; i++)
    if (i != t->row_axis && t->view.axis[i].stride % 64 != 0) return 0;
  return 1;
}

ic_tiling ic_tile(const ic_view *view, const ic_array *array, int nontemporal) {
  ic_tiling t = {.view = *view, .data = array->data, .first_index = array->first_index, .swapped = array->swapped};
  if (view->ndim == 1) { /* one row, or if its elements lie apart in the stream, a row for each */
    const int apart = view->axis[0].index_stride != 1;
    t.view.axis[!apart] = view->axis[0];
    t.view.axis[apart] = (ic_axis){1, 0, 0};
    t.view.ndim = 2;
  }
  const int last = t.view.ndim - 1, fastest = view->ndim == 1 ? last : ic_fastest_axis(view);
  t.across = fastest < last;
  t.row_axis = t.across ? fastest : last - 1;
  t.trailing = 1;
  for (int i = last; i > t.row_axis; i--) t.trailing *= t.view.axis[i].length;
  while (!t.across && t.row_axis > 0 && t.trailing < SHORTEST_PIECE) t.trailing *= t.view.axis[t.row_axis--].length;

  const int64_t length = t.view.axis[t.row_axis].length;
  const int64_t side = at_least(TILE_SIDE, TILE_SIDE * TILE_SIDE / length);
  t.columns = at_most(t.trailing, t.across ? side : LONGEST_PIECE);
  t.rows = at_most(length, at_least(1, TILE_BLOCKS / most_blocks(&t, t.columns)));
  const int64_t line = (int64_t)(64 / ic_itemsize(array->dtype));
  if (t.across && t.rows > line) t.rows -= t.rows % line;
  t.nontemporal = nontemporal && t.across && columns_aligned(&t, (size_t)(64 / line));
  /* the first tile is cut short so that the others begin with a line */
  if (t.nontemporal) t.row_phase = (int64_t)((uintptr_t)t.data % 64) * line / 64;
  if (t.row_phase) t.row_phase = t.rows - (line - t.row_phase);
  t.row_tiles = pieces(length + t.row_phase, t.rows);
  t.column_tiles = pieces(t.trailing, t.columns);
  t.tiles = t.row_tiles * t.column_tiles;
  for (int i = 0; i < t.row_axis; i++) t.tiles *= t.view.axis[i].length;
  t.reach = (uint64_t)((t.rows - 1) * t.view.axis[t.row_axis].index_stride);
  for (int i = last; i > t.row_axis; i--)
    t.reach += (uint64_t)((t.view.axis[i].length - 1) * t.view.axis[i].index_stride);
  t.most_runs = most_runs(&t, t.columns);
  t.most_blocks = t.rows * most_blocks(&t, t.columns) + IC_MAX_STEP_BLOCKS;
  return t;
}

/* Columns that are consecutive in the global index, and perhaps together in memory */
typedef struct {
  int64_t first, count;
  uint64_t index;
  int64_t stride; /* bytes from one column to the next, or 0 if they are not evenly apart */
} tile_run;

/* One thread's buffers */
typedef struct {
  uint64_t *blocks; /* what to make */
  uint8_t *values;  /* made of them, four elements each */
  int64_t *offset;  /* of a column, in bytes */
  tile_run *run;
  int64_t *position;   /* of run r of row i: [i * runs + r], in elements of `values` */
  const uint8_t **row; /* where one run's values begin in each row */
  uint8_t *transposed; /* and some columns of the same values */
  int64_t block_count, runs, first_column, column_count;
} tile_buffers;

static tile_buffers buffers_in(ic_arena arena, const ic_tiling *t, size_t *bytes) {
  const size_t rows = (size_t)t->rows, columns = (size_t)t->columns, runs = (size_t)t->most_runs;
  const size_t blocks = (size_t)t->most_blocks;
  tile_buffers b = {.first_column = -1};
  b.blocks = ic_take(&arena, blocks, sizeof *b.blocks);
  b.values = ic_take(&arena, blocks, 4 * 8);
  b.offset = ic_take(&arena, columns, sizeof *b.offset);
  b.run = ic_take(&arena, runs, sizeof *b.run);
  b.position = ic_take(&arena, rows * runs, sizeof *b.position);
  b.row = ic_take(&arena, rows, sizeof *b.row);
  b.transposed = ic_take(&arena, t->across ? rows + 8 : 0, 16);
  *bytes = arena.taken;
  return b;
}

size_t ic_tile_workspace(const ic_tiling *tiling) {
  size_t bytes;
  (void)buffers_in((ic_arena){NULL, 0}, tiling, &bytes);
  return bytes;
}

/* Offsets of columns [first, first + count) of one axis, and their runs. Along one run no offset but its first is read:
 * to list all took a third of the time of a reversed array. */
static void lay_out_axis(const ic_axis *axis, int64_t first, int64_t count, size_t itemsize, int across,
                         tile_buffers *b) {
  const int64_t stride = axis->stride, step = axis->index_stride;
  const int64_t listed = step == 1 && !across ? 1 : count;
  for (int64_t j = 0; j < listed; j++) b->offset[j] = (first + j) * stride;
  if (step == 1) {
    b->runs = 1;
    b->run[0] = (tile_run){0, count, (uint64_t)first, count == 1 ? (int64_t)itemsize : stride};
    return;
  }
  b->runs = count;
  for (int64_t j = 0; j < count; j++) b->run[j] = (tile_run){j, 1, (uint64_t)((first + j) * step), (int64_t)itemsize};
}

/* The same where several axes after row_axis are flattened */
static void lay_out_axes(const ic_tiling *t, int64_t first, int64_t count, size_t itemsize, tile_buffers *b) {
  int64_t place[IC_MAX_DIMS + 1], offset = 0, rest = first;
  uint64_t index = 0, expected = 0;
  const int last = t->view.ndim - 1;
  for (int i = last; i > t->row_axis; rest /= t->view.axis[i--].length) {
    place[i] = rest % t->view.axis[i].length;
    offset += place[i] * t->view.axis[i].stride;
    index += (uint64_t)(place[i] * t->view.axis[i].index_stride);
  }
  b->runs = 0;
  for (int64_t j = 0; j < count; j++) {
    b->offset[j] = offset;
    if (j == 0 || index != expected) b->run[b->runs++] = (tile_run){j, 0, index, (int64_t)itemsize};
    tile_run *run = &b->run[b->runs - 1];
    const int64_t apart = run->count ? offset - b->offset[j - 1] : 0;
    if (run->count == 1) run->stride = apart;
    if (run->count++ > 1 && apart != run->stride) run->stride = 0;
    expected = index + 1;
    for (int i = last; i > t->row_axis; i--) {
      const ic_axis *axis = &t->view.axis[i];
      offset += axis->stride;
      index += (uint64_t)axis->index_stride;
      if (++place[i] < axis->length) break;
      place[i] = 0;
      offset -= axis->stride * axis->length;
      index -= (uint64_t)(axis->index_stride * axis->length);
    }
  }
}

/* Keeps what was laid out for the tile before, if it has the same columns */
static void lay_out_columns(const ic_tiling *t, int64_t first, int64_t count, size_t itemsize, tile_buffers *b) {
  if (b->first_column == first && b->column_count == count) return;
  b->first_column = first, b->column_count = count;
  if (t->row_axis == t->view.ndim - 2)
    lay_out_axis(&t->view.axis[t->view.ndim - 1], first, count, itemsize, t->across, b);
  else
    lay_out_axes(t, first, count, itemsize, b);
}

/* Rows of one run each, in one block or two: without a branch, since which rows have two cannot be foreseen */
static void list_short_rows(uint64_t index, uint64_t row_stride, uint64_t count, int64_t rows, tile_buffers *b) {
  uint64_t *next = b->blocks, listed = index / 4 + 1; /* one that is not the first */
  for (int64_t i = 0; i < rows; i++, index += row_stride) {
    const uint64_t block = index / 4, end = (index + count - 1) / 4;
    next -= block == listed;
    b->position[i] = 4 * (next - b->blocks) + (int64_t)(index % 4);
    next[0] = block;
    next[1] = listed = end;
    next += 1 + (end - block);
  }
  b->block_count = next - b->blocks;
}

/* Consecutive blocks, four at a time: where the list ends */
IC_INLINE uint64_t *list_run(uint64_t block, uint64_t last, uint64_t *next) {
  for (; block + 3 <= last; block += 4, next += 4)
    for (uint64_t i = 0; i < 4; i++) next[i] = block + i;
  while (block <= last) *next++ = block++;
  return next;
}

/* Lists the blocks of some rows, a block that two runs share once */
static void list_blocks(const ic_tiling *t, uint64_t index, int64_t rows, tile_buffers *b) {
  const uint64_t row_stride = (uint64_t)t->view.axis[t->row_axis].index_stride;
  int64_t n = 0;
  if (b->runs == 1 && b->run[0].count <= 5) {
    list_short_rows(index + b->run[0].index, row_stride, (uint64_t)b->run[0].count, rows, b);
    return;
  }
  for (int64_t i = 0; i < rows; i++, index += row_stride)
    for (int64_t r = 0; r < b->runs; r++) {
      const uint64_t first = index + b->run[r].index, end = (first + (uint64_t)b->run[r].count - 1) / 4;
      const uint64_t block = first / 4;
      if (n > 0 && b->blocks[n - 1] == block) n--;
      b->position[i * b->runs + r] = 4 * n + (int64_t)(first % 4);
      n = list_run(block, end, b->blocks + n) - b->blocks;
    }
  b->block_count = n;
}

static void make_values(const ic_job *job, int near, tile_buffers *b) {
  const int64_t step = job->step / 4, steps = pieces(b->block_count, step);
  for (int64_t i = b->block_count; i < steps * step; i++) b->blocks[i] = b->blocks[b->block_count - 1];
  job->kernel(job->params, &job->stream, (ic_blocks){.list = b->blocks, .near = near}, (size_t)steps, b->values, 0);
}

static void copy_element(uint8_t *out, const uint8_t *in, size_t itemsize) {
  switch (itemsize) {
    case 2: memcpy(out, in, 2); break;
    case 4: memcpy(out, in, 4); break;
    default: memcpy(out, in, 8);
  }
}

/* Elements of one piece to where they belong. Loops of their own, that no choice is made for each: 2 ns of 2.6; and
 * functions of their own, which gcc gives better registers, 0.1. */
#define SCATTER_AS(type, place)                                    \
  for (int64_t j = 0; j < count; j++) {                            \
    type element;                                                  \
    memcpy(&element, in + (size_t)j * sizeof(type), sizeof(type)); \
    memcpy(out + (place), &element, sizeof(type));                 \
  }
#define SCATTER(place)                         \
  switch (itemsize) {                          \
    case 2: SCATTER_AS(uint16_t, place) break; \
    case 4: SCATTER_AS(uint32_t, place) break; \
    default: SCATTER_AS(uint64_t, place)       \
  }
IC_APART static void scatter(uint8_t *restrict out, const int64_t *restrict offset, const uint8_t *restrict in,
                             int64_t count, size_t itemsize){SCATTER(offset[j])}
/* Evenly apart: an offset less to load for each, and in the order of the array for a compiler that turns vectors round
 */
IC_APART static void scatter_evenly(uint8_t *restrict out, int64_t stride, const uint8_t *restrict in, int64_t count,
                                    size_t itemsize) {
  if (stride == -(int64_t)itemsize) {
    out -= (size_t)(count - 1) * itemsize;
    SCATTER((size_t)(count - 1 - j) * itemsize)
  } else if (stride == 2 * (int64_t)itemsize) {
    SCATTER((size_t)j * 2 * itemsize)
  } else {
    SCATTER(j * stride)
  }
}
#undef SCATTER
#undef SCATTER_AS

/* At most 16 bytes, a multiple of 2, by two copies that may overlap: a call for each short row takes longer */
static void copy_short(uint8_t *out, const uint8_t *in, size_t bytes) {
  uint8_t head[8], tail[8];
#define COPY_ENDS(size)                     \
  do {                                      \
    memcpy(head, in, size);                 \
    memcpy(tail, in + bytes - size, size);  \
    memcpy(out, head, size);                \
    memcpy(out + bytes - size, tail, size); \
  } while (0)
  if (bytes >= 8)
    COPY_ENDS(8);
  else if (bytes >= 4)
    COPY_ENDS(4);
  else
    COPY_ENDS(2);
#undef COPY_ENDS
}

/* A run where memory follows it: row by row */
static void place_along(const tile_run *run, uint8_t *out, const int64_t *offset, int64_t row_stride,
                        const uint8_t *const *row, int64_t rows, size_t itemsize) {
  const size_t together = run->stride == (int64_t)itemsize ? (size_t)run->count * itemsize : 0; /* bytes */
  if (together && together <= 16) {
    for (int64_t i = 0; i < rows; i++, out += row_stride) copy_short(out + offset[0], row[i], together);
    return;
  }
  for (int64_t i = 0; i < rows; i++, out += row_stride) {
    if (together)
      memcpy(out + offset[0], row[i], together);
    else if (run->stride)
      scatter_evenly(out + offset[0], run->stride, row[i], run->count, itemsize);
    else
      scatter(out, offset, row[i], run->count, itemsize);
  }
}

/* Rows to columns, as many as 16 bytes hold. All of a few columns before the next ones: that many lines of the target
 * stay in the first cache. Row by row took 2.5 times as long, since columns a page apart share few of its sets. */
IC_INLINE void transpose_columns(const uint8_t *const *row, size_t rows, size_t at, size_t itemsize,
                                 uint8_t *const *column) {
  const size_t side = 16 / itemsize;
  size_t i = 0;
  for (; i + side <= rows; i += side) {
    switch (itemsize) {
      case 2: transpose_8x8_u16(row + i, at, column, i * 2); break;
      case 4: transpose_4x4_u32(row + i, at, column, i * 4); break;
      default: transpose_2x2_u64(row + i, at, column, i * 8);
    }
  }
  for (; i < rows; i++)
    for (size_t c = 0; c < side; c++) copy_element(column[c] + i * itemsize, row[i] + at + c * itemsize, itemsize);
}

/* A column that is in one piece to where it belongs */
IC_INLINE void put_column(uint8_t *out, int64_t stride, const uint8_t *column, size_t rows, size_t itemsize) {
  if (stride != (int64_t)itemsize) {
    for (size_t i = 0; i < rows; i++) copy_element(out + (int64_t)i * stride, column + i * itemsize, itemsize);
    return;
  }
  const size_t bytes = rows * itemsize, lines = (uintptr_t)out % 64 == 0 ? bytes / 64 * 64 : 0;
  nt_copy(out, column, lines);
  memcpy(out + lines, column + lines, bytes - lines);
}

/* A run where memory follows the rows: column by column, in place where they are in one piece and stay in the caches */
IC_INLINE void place_across_of(const ic_tiling *t, const tile_run *run, uint8_t *out, const tile_buffers *b,
                               size_t rows, size_t itemsize) {
  const int64_t stride = t->view.axis[t->row_axis].stride, *offset = b->offset + run->first;
  const size_t side = 16 / itemsize, columns = (size_t)run->count, pitch = (rows * itemsize + 15) / 16 * 16;
  const int in_place = stride == (int64_t)itemsize && !t->nontemporal;
  size_t j = 0;
  for (; j + side <= columns; j += side) {
    uint8_t *column[8];
    for (size_t c = 0; c < side; c++) column[c] = in_place ? out + offset[j + c] : b->transposed + c * pitch;
    transpose_columns(b->row, rows, j * itemsize, itemsize, column);
    if (in_place) continue;
    for (size_t c = 0; c < side; c++) put_column(out + offset[j + c], stride, column[c], rows, itemsize);
  }
  for (; j < columns; j++)
    for (size_t i = 0; i < rows; i++)
      copy_element(out + offset[j] + (int64_t)i * stride, b->row[i] + j * itemsize, itemsize);
}
static void place_across(const ic_tiling *t, const tile_run *run, uint8_t *out, const tile_buffers *b, size_t rows,
                         size_t itemsize) {
  switch (itemsize) {
    case 2: place_across_of(t, run, out, b, rows, 2); break;
    case 4: place_across_of(t, run, out, b, rows, 4); break;
    default: place_across_of(t, run, out, b, rows, 8);
  }
}

static void fill_tile(const ic_job *job, const ic_tiling *t, int64_t tile, tile_buffers *b) {
  const size_t itemsize = ic_itemsize(job->dtype);
  const ic_axis row_axis = t->view.axis[t->row_axis];
  const int64_t before = tile % t->row_tiles * t->rows - t->row_phase, first_row = at_least(0, before);
  const int64_t first_column = tile / t->row_tiles % t->column_tiles * t->columns;
  const int64_t rows = at_most(before + t->rows, row_axis.length) - first_row;
  const int64_t columns = at_most(t->columns, t->trailing - first_column);
  int64_t outer = tile / t->row_tiles / t->column_tiles;
  uint64_t index = t->first_index + (uint64_t)(first_row * row_axis.index_stride);
  uint8_t *out = t->data + first_row * row_axis.stride;
  for (int i = t->row_axis - 1; i >= 0; outer /= t->view.axis[i--].length) {
    out += outer % t->view.axis[i].length * t->view.axis[i].stride;
    index += (uint64_t)(outer % t->view.axis[i].length * t->view.axis[i].index_stride);
  }
  lay_out_columns(t, first_column, columns, itemsize, b);
  list_blocks(t, index, rows, b);
  make_values(job, index >> 34 == (index + t->reach) >> 34, b);
  if (t->swapped) ic_swap_bytes(b->values, 4 * (size_t)b->block_count, itemsize);
  for (int64_t r = 0; r < b->runs; r++) {
    for (int64_t i = 0; i < rows; i++) b->row[i] = b->values + (size_t)b->position[i * b->runs + r] * itemsize;
    if (t->across)
      place_across(t, &b->run[r], out, b, (size_t)rows, itemsize);
    else
      place_along(&b->run[r], out, b->offset + b->run[r].first, row_axis.stride, b->row, rows, itemsize);
  }
}

void ic_fill_tiles(const ic_job *job, const ic_tiling *t, int64_t first, int64_t count, void *workspace) {
  size_t bytes;
  tile_buffers buffers = buffers_in((ic_arena){workspace, 0}, t, &bytes);
  for (int64_t tile = first; tile < first + count; tile++) fill_tile(job, t, tile, &buffers);
}
