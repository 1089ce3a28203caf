#include "fill/columns.h"

#include <stdlib.h>
#include <string.h>

#include "dtypes.h"
#include "fill/nontemporal.h"
#include "integers.h"
#include "platform/arena.h"

enum {
  TILE_BLOCKS = 1280, /* 20 KiB of float32, which stay in the first-level cache */
  SKEWED_ROWS = 512,  /* a thread that begins within them draws one strip more */
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

/* Strips that some rows have whose first one begins so many elements after a block does. Skewed columns are complete
 * with a strip in which three elements more begin. */
static int64_t strips_of(const ic_column_tiling *t, int64_t phase) {
  return pieces(t->view.axis[t->view.ndim - 1].length + phase + (t->skewed ? 3 : 0), 4);
}
static int64_t most_strips(const ic_column_tiling *t) { return t->strips + t->skewed; }

/* Chooses the rows and strips of a tile: whether few enough of what is drawn belong to no element. */
static int choose_tile(ic_column_tiling *t, size_t itemsize) {
  const int64_t length = t->view.axis[t->row_axis].length, columns = t->view.axis[t->view.ndim - 1].length;
  const int64_t line = (int64_t)(64 / itemsize), phase = (int64_t)(t->first_index % 4);
  t->row_tiles = pieces(length + t->row_phase, t->skewed ? SKEWED_ROWS : TILE_BLOCKS);
  t->rows = t->row_tiles == 1 ? length : fewest_multiple(pieces(length + t->row_phase, t->row_tiles), line);
  if (t->row_tiles == 1) t->row_phase = 0;
  t->strips = at_most(strips_of(t, phase), at_least(1, TILE_BLOCKS / t->rows));
  t->row_tiles = pieces(length + t->row_phase, t->rows);
  t->strip_tiles = pieces(strips_of(t, t->skewed ? 3 : phase), t->strips);
  if (t->rows < t->group || t->rows * t->strips < FEWEST_BLOCKS) return 0;
  const int64_t listed = listed_rows(t, t->rows), drawn = 4 * strips_of(t, phase) * listed, wanted = columns * t->rows;
  /* With more that belongs to none, tiles.c is as fast (Zen 4); in float64 drawing takes more of the time. */
  return itemsize == 8 ? 10 * drawn <= 11 * wanted : 5 * drawn <= 7 * wanted && 4 * listed <= 5 * t->rows;
}

int ic_tile_columns(const ic_job *job, const ic_view *view, const ic_array *array, int nontemporal,
                    ic_column_tiling *tiling) {
  const int last = view->ndim - 1, fastest = ic_fastest_axis(view);
  if (fastest == last || view->axis[last].index_stride != 1) return 0;
  const size_t itemsize = ic_itemsize(job->dtype);
  ic_column_tiling t = {.view = *view,
                        .data = array->data,
                        .first_index = array->first_index,
                        .swapped = array->swapped,
                        .row_axis = fastest};
  for (int i = 0; i < last; i++) t.skewed |= view->axis[i].index_stride % 4 != 0;
  t.group = at_least(1, (int64_t)(job->kernels->turn_bytes / itemsize));
  t.nontemporal = nontemporal && columns_aligned(&t, itemsize);
  if (t.nontemporal) t.row_phase = (int64_t)((uintptr_t)t.data % 64 / itemsize); /* the others begin with a line */
  if (!choose_tile(&t, itemsize)) return 0;
  const int in_one_piece = view->axis[fastest].stride == (int64_t)itemsize;
  t.overlapping = t.row_tiles == 1 && t.rows >= t.group && in_one_piece && !t.nontemporal;
  t.tiles = t.row_tiles * t.strip_tiles;
  for (int i = 0; i < last; i++)
    if (i != fastest) t.tiles *= view->axis[i].length;
  *tiling = t;
  return 1;
}

/* The blocks of a group's rows, from `first` on, in the order in which they are turned */
static void list_group(const ic_column_tiling *t, int64_t first, uint64_t *blocks) {
  const uint64_t apart = (uint64_t)t->view.axis[t->row_axis].index_stride, begin = (uint64_t)first * apart;
  const int64_t in_vector = t->group / 4;
  if (in_vector == 0)
    for (int64_t i = 0; i < t->group; i++) *blocks++ = (begin + (uint64_t)i * apart) / 4;
  for (int64_t v = 0; v < 4; v++)
    for (int64_t i = 0; i < in_vector; i++) *blocks++ = (begin + (uint64_t)(4 * i + v) * apart) / 4;
}

static int64_t phase_of_row(const ic_column_tiling *t, int64_t row) {
  return row % 4 * (t->view.axis[t->row_axis].index_stride % 4) % 4;
}

/* Six vectors of a column's elements: in vector i those are set whose rows' phases are i more than a group's first
 * one's, modulo 4 */
static void make_masks(const ic_column_tiling *t, size_t itemsize, uint8_t *masks) {
  const int64_t bytes = t->group * (int64_t)itemsize;
  memset(masks, 0, 6 * (size_t)bytes);
  for (int64_t row = 0; row < t->group; row++)
    for (int64_t i = phase_of_row(t, row); i < 6; i += 4)
      memset(masks + i * bytes + row * (int64_t)itemsize, 0xFF, itemsize);
}

/* The tables' bytes, those of the masks first */
static size_t mask_bytes(const ic_column_tiling *t) { return t->skewed ? 6 * 64 : 0; }
size_t ic_column_table_bytes(const ic_column_tiling *t) {
  return mask_bytes(t) + ((size_t)(listed_rows(t, t->rows) * most_strips(t)) + IC_MAX_STEP_BLOCKS) * sizeof(uint64_t);
}

void ic_make_column_tables(ic_column_tiling *t, size_t itemsize, void *memory) {
  const int64_t listed = listed_rows(t, t->rows), count = listed * most_strips(t);
  uint64_t *blocks = (uint64_t *)memory + mask_bytes(t) / sizeof *blocks;
  if (t->skewed) make_masks(t, itemsize, memory);
  for (int64_t i = 0; i < listed; i += t->group)
    list_group(t, t->overlapping ? at_most(i, t->rows - t->group) : i, blocks + i);
  t->reach = (uint64_t)((t->rows - 1) * t->view.axis[t->row_axis].index_stride) / 4 + (uint64_t)most_strips(t);
  for (int64_t i = listed; i < count; i++) blocks[i] = blocks[i - listed] + 1;
  for (int64_t i = count; i < count + IC_MAX_STEP_BLOCKS; i++) blocks[i] = blocks[i - 1];
  t->blocks = blocks;
  t->masks = memory;
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
  uint8_t *carry;     /* of skewed turns */
  strip_place *place; /* of the strips of the tile that is turned */
  ic_turn *turn;      /* two for each of them at most */
  ic_turns turns;
  int64_t tile, strips, rows, rows_at_once; /* that tile; there is none if it has no strips */
  uint64_t drawn;                           /* tiles */
} column_buffers;

static column_buffers buffers_in(ic_arena arena, const ic_column_tiling *t, size_t itemsize, size_t *bytes) {
  const size_t rows = (size_t)listed_rows(t, t->rows), strips = (size_t)most_strips(t);
  column_buffers b = {.tile = -1};
  for (int i = 0; i < 2; i++) b.values[i] = ic_take(&arena, rows * strips + IC_MAX_STEP_BLOCKS, 4 * itemsize);
  b.turned = ic_take(&arena, 4 * rows * strips, itemsize);
  b.unused = ic_take(&arena, rows, itemsize);
  b.carry = ic_take(&arena, t->skewed ? 3 * rows : 0, itemsize);
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
static void plan_turns(const ic_column_tiling *t, const uint8_t *values, int nontemporal, size_t itemsize,
                       column_buffers *b) {
  const int64_t stride = t->view.axis[t->row_axis].stride, column_stride = t->view.axis[t->view.ndim - 1].stride;
  const int64_t together = nontemporal ? at_least(t->group, (int64_t)(64 / itemsize)) : t->group;
  const size_t group_bytes = (size_t)t->group * itemsize;
  b->rows_at_once = stride == (int64_t)itemsize && t->nontemporal == nontemporal ? b->rows - b->rows % together : 0;
  const int64_t begin = t->overlapping ? b->rows - t->group : b->rows_at_once; /* of the rest */
  ic_turn whole = {.groups = (size_t)(b->rows_at_once / t->group), .nontemporal = nontemporal}, others = {.groups = 0};
  others.groups = (size_t)pieces(b->rows - b->rows_at_once, t->group);
  whole.phase_step = others.phase_step = (int)phase_of_row(t, t->group);
  others.phase = (int)phase_of_row(t, begin);
  whole.masks = others.masks = t->masks;
  if (t->overlapping) b->rows_at_once = b->rows;
  ic_turn *next = b->turn;
  for (int64_t s = 0; s < b->strips; s++, values += (size_t)listed_rows(t, t->rows) * 4 * itemsize) {
    const strip_place *place = &b->place[s];
    whole.rows = values, others.rows = values + whole.groups * 4 * group_bytes;
    if (t->skewed) whole.carry = b->carry, others.carry = b->carry + whole.groups * 3 * group_bytes;
    for (int64_t c = 0; c < 4; c++) {
      const int64_t j = c - place->before;
      whole.column[c] = j >= 0 && j < place->count ? place->out + j * column_stride : b->unused;
      others.column[c] = t->overlapping ? whole.column[c] + begin * stride : turned_column(b, t, s, c, itemsize);
    }
    if (whole.groups) *next++ = whole;
    if (others.groups) *next++ = others;
  }
  b->turns = (ic_turns){b->turn, (size_t)(next - b->turn)};
}

/* A tile: which elements of the array it has, and what is drawn for them */
typedef struct {
  uint8_t *out; /* the first row in the array's first column */
  int64_t rows;
  int64_t low, high; /* its columns, none if high is not above low */
  int64_t first;     /* the column that its first strip begins with, which may be less */
  int64_t strips;
  uint64_t block; /* that the first row begins in */
} tile_place;

/* Tiles go down the rows first, or if they are skewed, across, so that columns may be carried over. */
static tile_place place_of(const ic_column_tiling *t, int64_t tile) {
  const int last = t->view.ndim - 1;
  const ic_axis row_axis = t->view.axis[t->row_axis];
  const int64_t row_tile = t->skewed ? tile / t->strip_tiles % t->row_tiles : tile % t->row_tiles;
  const int64_t strip_tile = t->skewed ? tile % t->strip_tiles : tile / t->row_tiles % t->strip_tiles;
  const int64_t rows_before = row_tile * t->rows - t->row_phase, first_row = at_least(0, rows_before);
  const int64_t columns = t->view.axis[last].length, first_strip = strip_tile * t->strips;
  int64_t outer = tile / t->row_tiles / t->strip_tiles;
  tile_place p = {.out = t->data + first_row * row_axis.stride,
                  .rows = at_most(rows_before + t->rows, row_axis.length) - first_row};
  uint64_t index = t->first_index + (uint64_t)(first_row * row_axis.index_stride);
  for (int i = last - 1; i >= 0; i--) {
    if (i == t->row_axis) continue;
    const ic_axis *axis = &t->view.axis[i];
    p.out += outer % axis->length * axis->stride;
    index += (uint64_t)(outer % axis->length * axis->index_stride);
    outer /= axis->length;
  }
  const int64_t phase = (int64_t)(index % 4);
  p.strips = at_most(t->strips, strips_of(t, phase) - first_strip);
  p.block = index / 4 + (uint64_t)first_strip;
  p.first = 4 * first_strip - phase - (t->skewed ? 3 : 0);
  p.low = at_least(0, p.first);
  p.high = at_most(columns, p.first + 4 * p.strips);
  return p;
}

static void fill_tile(const ic_job *job, const ic_column_tiling *t, int64_t tile, column_buffers *b) {
  const size_t itemsize = ic_itemsize(job->dtype);
  const int64_t column_stride = t->view.axis[t->view.ndim - 1].stride;
  tile_place p = place_of(t, tile);
  if (p.high <= p.low) return;
  if (t->skewed && tile % t->strip_tiles > 0 && b->tile != tile - 1)
    p.block--, p.strips++, p.first -= 4; /* for what is carried over alone */
  const int64_t blocks = (p.strips - 1) * listed_rows(t, t->rows) + listed_rows(t, p.rows);
  uint8_t *values = b->values[b->drawn++ % 2];
  const int near = p.block >> 32 == (p.block + t->reach) >> 32;
  job->kernel(job->params, &job->stream, (ic_blocks){p.block, t->blocks, near, &b->turns},
              (size_t)pieces(4 * blocks, job->step), values, 0);
  if (t->swapped) ic_swap_bytes(values, 4 * (size_t)blocks, itemsize);
  finish_tile(job, t, b);
  for (int64_t s = 0; s < p.strips; s++) {
    const int64_t column = p.first + 4 * s, first = at_least(p.low, column);
    b->place[s] = (strip_place){
        .out = p.out + first * column_stride, .before = first - column, .count = at_most(column + 4, p.high) - first};
  }
  b->tile = tile, b->strips = p.strips, b->rows = p.rows;
  plan_turns(t, values, t->nontemporal && (uintptr_t)p.out % 64 == 0, itemsize, b);
}

void ic_fill_columns(const ic_job *job, const ic_column_tiling *t, int64_t first, int64_t count, void *workspace) {
  size_t bytes;
  column_buffers buffers = buffers_in((ic_arena){workspace, 0}, t, ic_itemsize(job->dtype), &bytes);
  for (int64_t tile = first; tile < first + count; tile++) fill_tile(job, t, tile, &buffers);
  finish_tile(job, t, &buffers);
}
