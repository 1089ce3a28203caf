#include "fill/columns.h"

#include <stdlib.h>
#include <string.h>

#include "dtypes.h"
#include "fill/nontemporal.h"
#include "integers.h"
#include "platform/arena.h"

enum {
  TILE_BLOCKS = 1280, /* 20 KiB of float32, which stay in the first-level cache */
  FEWEST_BLOCKS = 256 /* of a tile: with fewer, a kernel's start costs more than turning rows of several strips */
};

static int64_t fewest_multiple(int64_t n, int64_t of) { return (n + of - 1) / of * of; }

/* Rows of a strip as they are listed and drawn: whole groups */
static int64_t listed_rows(const ic_column_tiling *t, int64_t rows) { return fewest_multiple(rows, t->group); }

/* Whether all columns begin at the same place of a cache line */
static int columns_aligned(const ic_column_tiling *t, size_t itemsize) {
  if (t->view.axis[t->row_axis].stride != (int64_t)itemsize || (uintptr_t)t->data % itemsize != 0) return 0;
  for (int i = 0; i < t->view.ndim; i++)
    if (i != t->row_axis && t->view.axis[i].stride % 64 != 0) return 0;
  return 1;
}

int ic_tile_columns(const ic_job *job, const ic_view *view, const ic_array *array, int nontemporal,
                    ic_column_tiling *tiling) {
  const int last = view->ndim - 1, fastest = ic_fastest_axis(view);
  if (fastest == last || view->axis[last].index_stride != 1) return 0;
  for (int i = 0; i < last; i++)
    if (view->axis[i].index_stride % 4 != 0) return 0;

  const size_t itemsize = ic_itemsize(job->dtype);
  const int64_t length = view->axis[fastest].length, phase = (int64_t)(array->first_index % 4);
  const int64_t line = (int64_t)(64 / itemsize), strips = pieces(view->axis[last].length + phase, 4);
  ic_column_tiling t = {.view = *view,
                        .data = array->data,
                        .first_index = array->first_index,
                        .swapped = array->swapped,
                        .row_axis = fastest,
                        .column_phase = phase};
  t.group = at_least(1, (int64_t)(job->kernels->turn_bytes / itemsize));
  t.nontemporal = nontemporal && columns_aligned(&t, itemsize);
  if (t.nontemporal) t.row_phase = (int64_t)((uintptr_t)t.data % 64 / itemsize); /* the others begin with a line */
  t.row_tiles = pieces(length + t.row_phase, TILE_BLOCKS);
  t.rows = t.row_tiles == 1 ? length : fewest_multiple(pieces(length + t.row_phase, t.row_tiles), line);
  if (t.row_tiles == 1) t.row_phase = 0;
  t.strips = at_most(strips, at_least(1, TILE_BLOCKS / t.rows));
  if (t.rows * t.strips < FEWEST_BLOCKS || listed_rows(&t, t.rows) > t.rows + t.rows / 6) return 0;
  const int in_one_piece = view->axis[fastest].stride == (int64_t)itemsize;
  t.overlapping = t.row_tiles == 1 && t.rows >= t.group && in_one_piece && !t.nontemporal;
  t.row_tiles = pieces(length + t.row_phase, t.rows);
  t.strip_tiles = pieces(strips, t.strips);
  t.tiles = t.row_tiles * t.strip_tiles;
  for (int i = 0; i < last; i++)
    if (i != fastest) t.tiles *= view->axis[i].length;
  *tiling = t;
  return 1;
}

size_t ic_column_list_bytes(const ic_column_tiling *t) {
  return ((size_t)(listed_rows(t, t->rows) * t->strips) + IC_MAX_STEP_BLOCKS) * sizeof(uint64_t);
}

/* From one row to the next, in the global index */
static uint64_t row_blocks(const ic_column_tiling *t) { return (uint64_t)t->view.axis[t->row_axis].index_stride / 4; }

/* The rows of a group, from `first` on, in the order in which they are turned */
static void list_group(const ic_column_tiling *t, int64_t first, uint64_t *blocks) {
  const uint64_t apart = row_blocks(t), begin = (uint64_t)first * apart;
  const int64_t in_vector = t->group / 4;
  if (in_vector == 0)
    for (int64_t i = 0; i < t->group; i++) *blocks++ = begin + (uint64_t)i * apart;
  for (int64_t v = 0; v < 4; v++)
    for (int64_t i = 0; i < in_vector; i++) *blocks++ = begin + (uint64_t)(4 * i + v) * apart;
}

void ic_list_columns(ic_column_tiling *t, uint64_t *blocks) {
  const int64_t listed = listed_rows(t, t->rows), count = listed * t->strips;
  for (int64_t i = 0; i < listed; i += t->group)
    list_group(t, t->overlapping ? at_most(i, t->rows - t->group) : i, blocks + i);
  for (int64_t i = listed; i < count; i++) blocks[i] = blocks[i - listed] + 1;
  for (int64_t i = count; i < count + IC_MAX_STEP_BLOCKS; i++) blocks[i] = blocks[i - 1];
  t->blocks = blocks;
  t->reach = (uint64_t)(listed - 1) * row_blocks(t) + (uint64_t)(t->strips - 1);
}

/* Where the columns of a strip belong: up to four, of which so many come before in its blocks */
typedef struct {
  uint8_t *out;
  int64_t before, count;
} strip_place;

/* One thread's buffers */
typedef struct {
  uint8_t *values[2]; /* of the blocks of two tiles, four elements each: one is turned while the other is drawn */
  uint8_t *turned;    /* what does not go to its place at once */
  uint8_t *unused;    /* a column that is not of the array */
  strip_place *place; /* of the strips of the tile that is turned */
  ic_turn *turn;      /* two for each of them at most */
  ic_turns turns;
  int64_t strips, rows, rows_at_once; /* of that tile */
} column_buffers;

static column_buffers buffers_in(ic_arena arena, const ic_column_tiling *t, size_t itemsize, size_t *bytes) {
  const size_t rows = (size_t)listed_rows(t, t->rows), strips = (size_t)t->strips;
  column_buffers b = {.strips = 0};
  for (int i = 0; i < 2; i++) b.values[i] = ic_take(&arena, rows * strips + IC_MAX_STEP_BLOCKS, 4 * itemsize);
  b.turned = ic_take(&arena, 4 * rows * strips, itemsize);
  b.unused = ic_take(&arena, rows, itemsize);
  b.place = ic_take(&arena, strips, sizeof *b.place);
  b.turn = ic_take(&arena, 2 * strips, sizeof *b.turn);
  *bytes = arena.taken;
  return b;
}

size_t ic_column_workspace(const ic_column_tiling *tiling, size_t itemsize) {
  size_t bytes;
  (void)buffers_in((ic_arena){NULL, 0}, tiling, itemsize, &bytes);
  return bytes;
}

/* A column that is in one piece to where it belongs */
static void put_column(uint8_t *out, int64_t stride, const uint8_t *column, size_t rows, size_t itemsize,
                       int nontemporal) {
  if (stride != (int64_t)itemsize) {
    for (size_t i = 0; i < rows; i++) memcpy(out + (int64_t)i * stride, column + i * itemsize, itemsize);
    return;
  }
  const size_t bytes = rows * itemsize, before_line = (64 - (uintptr_t)out % 64) % 64;
  const size_t head = nontemporal && before_line < bytes ? before_line : bytes, lines = (bytes - head) / 64 * 64;
  memcpy(out, column, head);
  nt_copy(out + head, column + head, lines);
  memcpy(out + head + lines, column + head + lines, bytes - head - lines);
}

/* Of the buffer for what does not go to its place at once, column c of strip s */
static uint8_t *turned_column(const column_buffers *b, const ic_column_tiling *t, int64_t s, int64_t c,
                              size_t itemsize) {
  return b->turned + (size_t)((4 * s + c) * listed_rows(t, b->rows - b->rows_at_once)) * itemsize;
}

/* Puts all in place that was waiting to be turned. */
static void finish_tile(const ic_job *job, const ic_column_tiling *t, column_buffers *b) {
  const size_t itemsize = ic_itemsize(job->dtype);
  const int64_t stride = t->view.axis[t->row_axis].stride, column_stride = t->view.axis[t->view.ndim - 1].stride;
  job->kernels->turn(&b->turns, itemsize);
  if (b->rows_at_once < b->rows)
    for (int64_t s = 0; s < b->strips; s++)
      for (int64_t j = 0; j < b->place[s].count; j++)
        put_column(b->place[s].out + j * column_stride + b->rows_at_once * stride, stride,
                   turned_column(b, t, s, j + b->place[s].before, itemsize), (size_t)(b->rows - b->rows_at_once),
                   itemsize, t->nontemporal);
  b->strips = 0;
}

/* What is to be turned of some strips whose places are known: whole groups go where they belong if their columns are in
 * one piece, all else to the buffer. */
static void plan_turns(const ic_column_tiling *t, const uint8_t *values, size_t itemsize, column_buffers *b) {
  const int64_t stride = t->view.axis[t->row_axis].stride, column_stride = t->view.axis[t->view.ndim - 1].stride;
  const int nontemporal = t->nontemporal && (uintptr_t)b->place->out % 64 == 0;
  const size_t strip_bytes = (size_t)listed_rows(t, t->rows) * 4 * itemsize;
  ic_turn *next = b->turn;
  const int64_t together = nontemporal ? at_least(t->group, (int64_t)(64 / itemsize)) : t->group;
  b->rows_at_once = stride == (int64_t)itemsize && t->nontemporal == nontemporal ? b->rows - b->rows % together : 0;
  const size_t groups = (size_t)(b->rows_at_once / t->group),
               rest = (size_t)pieces(b->rows - b->rows_at_once, t->group);
  const int64_t overlapped = t->overlapping ? (b->rows - t->group) * stride : -1;
  if (t->overlapping) b->rows_at_once = b->rows;
  for (int64_t s = 0; s < b->strips; s++, values += strip_bytes) {
    const strip_place *place = &b->place[s];
    ic_turn whole = {values, {NULL}, groups, nontemporal}, others = {NULL, {NULL}, rest, 0};
    others.rows = values + groups * (size_t)t->group * 4 * itemsize;
    for (int64_t c = 0; c < 4; c++) {
      const int64_t j = c - place->before;
      whole.column[c] = j >= 0 && j < place->count ? place->out + j * column_stride : b->unused;
      others.column[c] = overlapped >= 0 ? whole.column[c] + overlapped : turned_column(b, t, s, c, itemsize);
    }
    if (groups) *next++ = whole;
    if (rest) *next++ = others;
  }
  b->turns = (ic_turns){b->turn, (size_t)(next - b->turn)};
}

static void fill_tile(const ic_job *job, const ic_column_tiling *t, int64_t tile, column_buffers *b) {
  const size_t itemsize = ic_itemsize(job->dtype);
  const int last = t->view.ndim - 1;
  const ic_axis row_axis = t->view.axis[t->row_axis], column_axis = t->view.axis[last];
  const int64_t before = tile % t->row_tiles * t->rows - t->row_phase, first_row = at_least(0, before);
  const int64_t rows = at_most(before + t->rows, row_axis.length) - first_row;
  const int64_t first_strip = tile / t->row_tiles % t->strip_tiles * t->strips;
  const int64_t all_strips = pieces(column_axis.length + t->column_phase, 4);
  const int64_t strips = at_most(t->strips, all_strips - first_strip);
  int64_t outer = tile / t->row_tiles / t->strip_tiles;
  uint64_t block = t->first_index / 4 + (uint64_t)(first_row * row_axis.index_stride / 4 + first_strip);
  uint8_t *out = t->data + first_row * row_axis.stride, *values = b->values[tile % 2];
  for (int i = last - 1; i >= 0; i--) {
    if (i == t->row_axis) continue;
    const ic_axis *axis = &t->view.axis[i];
    out += outer % axis->length * axis->stride;
    block += (uint64_t)(outer % axis->length * axis->index_stride / 4);
    outer /= axis->length;
  }
  const int64_t blocks = (strips - 1) * listed_rows(t, t->rows) + listed_rows(t, rows);
  const int near = block >> 32 == (block + t->reach) >> 32;
  job->kernel(job->params, &job->stream, (ic_blocks){block, t->blocks, near, &b->turns},
              (size_t)pieces(4 * blocks, job->step), values, 0);
  if (t->swapped) ic_swap_bytes(values, 4 * (size_t)blocks, itemsize);
  finish_tile(job, t, b);
  for (int64_t s = 0; s < strips; s++) {
    const int64_t column = 4 * (first_strip + s) - t->column_phase, first = at_least(0, column);
    b->place[s] = (strip_place){.out = out + first * column_axis.stride,
                                .before = first - column,
                                .count = at_most(column + 4, column_axis.length) - first};
  }
  b->strips = strips, b->rows = rows;
  plan_turns(t, values, itemsize, b);
}

void ic_fill_columns(const ic_job *job, const ic_column_tiling *t, int64_t first, int64_t count, void *workspace) {
  const size_t itemsize = ic_itemsize(job->dtype);
  size_t bytes;
  column_buffers buffers = buffers_in((ic_arena){workspace, 0}, t, itemsize, &bytes);
  for (int64_t tile = first; tile < first + count; tile++) fill_tile(job, t, tile, &buffers);
  finish_tile(job, t, &buffers);
}
