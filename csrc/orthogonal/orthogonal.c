/* Orthogonal matrices: Q = H_0 ... H_{n-1} [I; 0], its panels of reflectors applied from the last to the first.
 *
 * Panel p meets a strip of columns once all panels after it have, and only if the strip has a column from 64 p on; the
 * columns before are still those of the identity. The first product of a panel with a strip is then known but for the
 * rows that the panels before have changed. A panel's second product and the next one's first are made chunk by chunk
 * together, so that a tile of the strip is read from memory once for both.
 *
 * Strips are independent: threads share the panels of one group, and take strips and the drawing of the next group's
 * panels from one counter. */
#include <stdlib.h>
#include <string.h>

#include "dtypes.h"
#include "integers.h"
#include "orthogonal/reflectors.h"
#include "orthogonal/strips.h"
#include "platform/atomics.h"
#include "platform/work.h"

enum {
  GROUP = 4,              /* panels that a strip meets in one visit */
  SLOTS = 2 * GROUP,      /* of panels: those at work, and the next ones, being drawn */
  WHOLE_BYTES = 16 << 20, /* all columns are in a workspace if they take no more; else at a time, */
  FEWEST_COLUMNS = 384,   /* since each time all panels are drawn anew, that many; if there are more, */
  SHARE_OF_COLUMNS = 8,   /* no more than this part of the array, and */
  MOST_BYTES = 256 << 20,
  SOLO_BYTES = 8 << 20, /* matrices of a stack that need no more are made one by each thread */
  TILE_BYTES = IC_CHUNK_ROWS * IC_STRIP_BYTES
};
static const double operations_per_thread = 1.6e7; /* to spawn and join one takes as long, 40 us on Zen 5 */

typedef struct {
  ic_reflectors reflectors;
  ic_target target;
  int threads;
  int64_t chunks, panels, width; /* of a strip */
  int64_t block_columns;
  /* memory */
  int slots;
  ic_panel slot[SLOTS];
  ic_strips strips;
  int8_t *sign;
  uint8_t *thread_memory, *spare;
  size_t thread_bytes, spare_bytes;
  int spares;
  /* columns at work: places of target.k */
  int64_t first_column, column_count;
  /* panels that are drawn and applied in this phase: [from, to) */
  int64_t draw_from, draw_to, from, to;
  ic_work phase;
  int ordered; /* nothing comes after this phase */
  /* progress */
  ic_progress *progress;
  int calling;                        /* whether thread 0 is the one that called */
  double base, span;                  /* of a stack, what is done before this matrix, and what this matrix is */
  double operations, operations_done; /* of this matrix, in any unit */
} orthogonal;

typedef struct {
  ic_draw_buffers draw;
  uint8_t *products, *applied, *tile;
} thread_buffers;

static thread_buffers buffers_in(ic_arena *arena) {
  thread_buffers b;
  b.products = ic_take(arena, TILE_BYTES, 1);
  b.applied = ic_take(arena, TILE_BYTES, 1);
  b.tile = ic_take(arena, TILE_BYTES, 1);
  b.draw = ic_draw_buffers_in(arena);
  return b;
}

static thread_buffers buffers_of(const orthogonal *o, int thread) {
  ic_arena arena = {o->thread_memory + (size_t)thread * o->thread_bytes, 0};
  return buffers_in(&arena);
}

/* A strip: its columns' indices, and the last panel that any of them meets */
typedef struct {
  int64_t number, first, last_panel;
  size_t count;
  int64_t column[IC_STRIP_BYTES / 4];
} strip;

static strip strip_of(const orthogonal *o, int64_t number) {
  strip s = {.number = number, .first = o->first_column + number * o->width};
  s.count = (size_t)at_most(o->width, o->column_count - number * o->width);
  for (size_t j = 0; j < s.count; j++) s.column[j] = ic_axis_map_index(&o->target.k, s.first + (int64_t)j);
  s.last_panel = s.column[s.count - 1] / IC_PANEL_WIDTH;
  return s;
}

/* Column `j` of a tile that is the identity's, whose one is in row i of the panel's own, and of their product: row i.
 */
#define STAMP_IDENTITY(name, real)                                                              \
  static void name(const ic_chunk *top, size_t i, size_t j, uint8_t *tile, uint8_t *products) { \
    enum { PITCH = IC_STRIP_BYTES / sizeof(real) };                                             \
    const real *row = (const real *)top->rows + i * top->pitch;                                 \
    real *product = (real *)(void *)products + j;                                               \
    ((real *)(void *)tile)[i * PITCH + j] = 1;                                                  \
    for (size_t k = 0; k <= i && k < top->width; k++) product[k * PITCH] = row[k];              \
  }
STAMP_IDENTITY(identity_f32, float)
STAMP_IDENTITY(identity_f64, double)
#undef STAMP_IDENTITY

/* Panel p's own rows of a strip, which no panel after it has touched: those of the identity, and so the panel's product
 * with them is a part of its rows. */
static void begin_panel(const orthogonal *o, const strip *s, int64_t p, uint8_t *tile, uint8_t *products) {
  const ic_chunk top = ic_panel_chunk(&o->reflectors, &o->slot[p % o->slots], p, p);
  memset(tile, 0, top.row_count * IC_STRIP_BYTES);
  memset(products, 0, ic_rows_touched(top.width) * IC_STRIP_BYTES);
  for (size_t j = 0; j < s->count; j++) {
    if (s->column[j] / IC_PANEL_WIDTH != p) continue;
    const size_t i = (size_t)(s->column[j] % IC_PANEL_WIDTH);
    if (o->reflectors.working == IC_F64)
      identity_f64(&top, i, j, tile, products);
    else
      identity_f32(&top, i, j, tile, products);
  }
}

/* Applies the panels of this phase that the strip meets, last to first. */
static void visit(orthogonal *o, int64_t number, int thread, int64_t unit) {
  const ic_panel_ops *ops = o->reflectors.ops;
  const thread_buffers b = buffers_of(o, thread);
  const strip s = strip_of(o, number);
  int64_t p = at_most(o->to - 1, s.last_panel);
  if (p < o->from) return;
#define TILE(chunk) ic_strip_tile(&o->strips, number, chunk, b.tile)
#define PANEL_CHUNK(p, chunk) ic_panel_chunk(&o->reflectors, &o->slot[(p) % o->slots], p, chunk)
  int fresh = p == s.last_panel; /* all rows after the panel's own are zero */
  begin_panel(o, &s, p, TILE(p), b.products);
  for (int64_t chunk = p + 1; !fresh && chunk < o->chunks; chunk++) {
    const ic_chunk part = PANEL_CHUNK(p, chunk);
    ops->gather(&part, TILE(chunk), s.count, b.products);
  }
  for (; p >= o->from; p--, fresh = 0) {
    const int more = p > o->from, done = p == 0 && o->strips.place <= IC_IN_ONE_TILE;
    size_t width =
        ic_panel_width(&o->reflectors, p); /* of a fresh strip, reflectors past its last column have no part */
    if (fresh) width = (size_t)(s.column[s.count - 1] - p * IC_PANEL_WIDTH) + 1;
    ops->apply_t(o->slot[p % o->slots].factor, width, b.products, s.count, b.applied);
    if (more) begin_panel(o, &s, p - 1, TILE(p - 1), b.products);
    for (int64_t chunk = p; chunk < o->chunks; chunk++) {
      uint8_t *tile = TILE(chunk);
      ic_chunk part = PANEL_CHUNK(p, chunk);
      part.width = width;
      if (fresh && chunk > p) memset(tile, 0, part.row_count * IC_STRIP_BYTES);
      ops->update(&part, b.applied, s.count, tile, chunk + 1 < o->chunks ? TILE(chunk + 1) : tile);
      if (more) {
        const ic_chunk next = PANEL_CHUNK(p - 1, chunk);
        ops->gather(&next, tile, s.count, b.products);
      }
      if (done) ic_scatter_tile(&o->target, tile, chunk * IC_CHUNK_ROWS, part.row_count, s.first, s.count);
      if (ic_work_stops(&o->phase, thread, unit)) return;
    }
  }
#undef TILE
#undef PANEL_CHUNK
}

static void draw(orthogonal *o, int64_t p, int thread, int64_t unit) {
  const thread_buffers b = buffers_of(o, thread);
  ic_panel *panel = &o->slot[p % o->slots];
  for (int64_t chunk = p; chunk < o->chunks; chunk++) {
    ic_draw_chunk(&o->reflectors, panel, p, chunk, &b.draw);
    if (ic_work_stops(&o->phase, thread, unit)) return;
  }
  ic_finish_panel(&o->reflectors, panel, p, &b.draw, o->sign);
}

/* Units of a phase: first the panels of the next one, which are drawn, then the strips, which meet the panels of this
 */
static void draw_or_visit(void *context, int thread, int64_t unit) {
  orthogonal *o = context;
  const int64_t draws = o->draw_to - o->draw_from;
  if (unit < draws)
    draw(o, o->draw_to - 1 - unit, thread, unit);
  else
    visit(o, unit - draws, thread, unit);
}

static void order(void *context, int thread, int64_t unit) {
  orthogonal *o = context;
  ic_strips_order(&o->strips, &o->target, unit, o->spare + (size_t)thread * o->spare_bytes);
}

/* Chunks of strips that panels [from, to) meet, of the columns at work */
static double meetings(const orthogonal *o, int64_t from, int64_t to) {
  double sum = 0;
  for (int64_t j = 0; j < o->column_count; j += o->width) {
    const int64_t last = o->first_column + at_most(o->column_count, j + o->width) - 1;
    const int64_t met = at_most(to - 1, ic_axis_map_index(&o->target.k, last) / IC_PANEL_WIDTH);
    if (met >= from) sum += (double)(met - from + 1) * ((double)o->chunks - (double)(met + from) / 2);
  }
  return sum;
}

static ic_work phase_of(orthogonal *o, void (*unit)(void *, int, int64_t), int64_t units, double operations) {
  const ic_work work = {.unit = unit,
                        .context = o,
                        .units = units,
                        .progress = o->progress,
                        .calling = o->calling,
                        .done = o->base + o->span * o->operations_done / o->operations,
                        .share = o->span * operations / o->operations};
  o->operations_done += operations;
  return work;
}

/* The first phase of the columns from o->first_column on draws the last panels, and applies none. */
static ic_work begin_columns(orthogonal *o) {
  o->column_count = at_most(o->block_columns, o->target.k.count - o->first_column);
  const int64_t last_column = ic_axis_map_index(&o->target.k, o->first_column + o->column_count - 1);
  o->from = o->to = o->draw_to = last_column / IC_PANEL_WIDTH + 1;
  o->draw_from = (o->draw_to - 1) / GROUP * GROUP;
  return phase_of(o, draw_or_visit, o->draw_to - o->draw_from, 0);
}

static ic_work apply_next_panels(orthogonal *o) {
  o->from = o->draw_from;
  o->to = o->draw_to;
  o->draw_to = o->from;
  o->draw_from = at_least(0, o->from - GROUP);
  const int64_t units = o->draw_to - o->draw_from + pieces(o->column_count, o->width);
  return phase_of(o, draw_or_visit, units, meetings(o, o->from, o->to));
}

static int next_phase(void *context, ic_work *work) {
  orthogonal *o = context;
  if (ic_load(&o->progress->stopped) || o->ordered) return 0;
  if (o->draw_to == 0) { /* all panels are applied to these columns, or there were none yet */
    o->first_column += o->column_count;
    if (o->first_column < o->target.k.count) {
      *work = o->phase = begin_columns(o);
      return 1;
    }
    o->ordered = 1;
    *work = phase_of(o, order, ic_strips_units(&o->strips), 0);
    work->most_threads = o->spares;
    return work->units > 0;
  }
  *work = o->phase = apply_next_panels(o);
  return 1;
}

static void make_matrix(orthogonal *o, int64_t matrix) {
  o->reflectors.first_index = (uint64_t)matrix * (uint64_t)o->reflectors.m * (uint64_t)o->reflectors.n;
  const int64_t columns = o->target.k.count;
  o->operations = 1;
  o->operations_done = 0;
  for (o->first_column = 0; o->first_column < columns; o->first_column += o->block_columns) {
    o->column_count = at_most(o->block_columns, columns - o->first_column);
    o->operations += meetings(o, 0, o->panels);
  }
  o->first_column = o->column_count = o->draw_to = 0;
  o->ordered = 0;
  ic_work_run_all(next_phase, o, o->threads);
}

/* Whether the array's own memory can hold the strips */
static ic_strips_place place_of(const ic_target *t, int64_t m, int64_t n) {
  const int64_t size = (int64_t)ic_itemsize(t->working);
  if (n <= IC_PANEL_WIDTH) return IC_IN_ONE_TILE;
  if (t->dtype != t->working || t->swapped || (uintptr_t)t->data % (size_t)size != 0) return IC_IN_WORKSPACE;
  if (ic_axis_map_is_whole(&t->i, m, n * size) && ic_axis_map_is_whole(&t->k, n, size)) return IC_IN_ARRAY_ALONG;
  if (ic_axis_map_is_whole(&t->i, m, size) && ic_axis_map_is_whole(&t->k, n, m * size)) return IC_IN_ARRAY_ACROSS;
  return IC_IN_WORKSPACE;
}

static void plan(orthogonal *o) {
  const int64_t m = o->reflectors.m, n = o->reflectors.n, columns = o->target.k.count;
  o->chunks = pieces(m, IC_CHUNK_ROWS);
  o->panels = pieces(n, IC_PANEL_WIDTH);
  o->slots = (int)at_most(SLOTS, o->panels);
  o->width = IC_STRIP_BYTES / (int64_t)ic_itemsize(o->reflectors.working);
  o->strips = (ic_strips){.place = place_of(&o->target, m, n),
                          .m = m,
                          .n = n,
                          .width = o->width,
                          .itemsize = ic_itemsize(o->reflectors.working),
                          .base = o->target.data};
  const int in_array = o->strips.place > IC_IN_ONE_TILE;
  const double share = (double)o->target.i.count * (double)columns / (double)m / (double)SHARE_OF_COLUMNS;
  const int64_t column_bytes = m * (int64_t)ic_itemsize(o->reflectors.working);
  const int whole = in_array || o->strips.place == IC_IN_ONE_TILE || columns <= WHOLE_BYTES / column_bytes;
  o->block_columns = at_least(at_most((int64_t)share, MOST_BYTES / column_bytes), FEWEST_COLUMNS);
  o->block_columns = pieces(o->block_columns, o->width) * o->width;
  if (whole) o->block_columns = columns;
  o->block_columns = at_most(o->block_columns, columns);
  o->strips.whole = in_array ? n / o->width : pieces(o->block_columns, o->width);
  ic_arena counted = {NULL, 0};
  (void)buffers_in(&counted);
  o->thread_bytes = counted.taken;
}

/* What a matrix needs of memory; returns how many bytes that is. */
static size_t lay_out(orthogonal *o, uint8_t *memory) {
  ic_arena arena = {memory, 0};
  const size_t strip_bytes = (size_t)o->reflectors.m * IC_STRIP_BYTES;
  o->target.sign = o->sign = ic_take(&arena, (size_t)o->reflectors.n, sizeof *o->sign);
  o->thread_memory = ic_take(&arena, (size_t)o->threads, o->thread_bytes);
  o->spare = ic_take(&arena, 0, 1); /* the panels' memory, when they are done with */
  const size_t before = arena.taken;
  for (int i = 0; i < o->slots; i++) {
    o->slot[i].rows = ic_take(&arena, ic_panel_bytes(&o->reflectors), 1);
    o->slot[i].factor = ic_take(&arena, ic_factor_bytes(&o->reflectors), 1);
  }
  o->spare_bytes = (ic_strips_spare_bytes(&o->strips) + 63) / 64 * 64;
  if (arena.taken - before < o->spare_bytes) arena.taken = before + o->spare_bytes;
  o->spares = 0;
  if (o->spare_bytes) o->spares = (int)at_most((int64_t)((arena.taken - before) / o->spare_bytes), IC_MAX_THREADS);
  if (o->strips.place == IC_IN_WORKSPACE)
    o->strips.base = ic_take(&arena, (size_t)o->strips.whole, strip_bytes);
  else if (o->strips.place != IC_IN_ONE_TILE && o->strips.n % o->width != 0)
    o->strips.loose = ic_take(&arena, strip_bytes, 1);
  return arena.taken;
}

/* A stack, its matrices one after the other, or each by one thread alone */
typedef struct {
  const orthogonal *plan;
  int64_t count, first, stride;
  size_t bytes; /* for each thread */
  uint8_t *memory;
} stack;

static void make_one(void *context, int thread, int64_t number) {
  const stack *s = context;
  orthogonal o = *s->plan;
  lay_out(&o, s->memory + (size_t)thread * s->bytes);
  o.calling = thread == 0;
  o.base = (double)number / (double)s->count;
  o.span = 1 / (double)s->count;
  o.target.data += number * s->stride;
  if (o.strips.place > IC_IN_ONE_TILE) o.strips.base = o.target.data;
  make_matrix(&o, s->first + number);
}

static int threads_for(const ic_options *options, double operations) {
  const double wanted = operations / operations_per_thread;
  return wanted < 1 ? 1
                    : (int)at_most(at_most(options->threads, IC_MAX_THREADS), (int64_t)(wanted < 1e4 ? wanted : 1e4));
}

static ic_status make_all(orthogonal *o, const ic_array *array, const ic_matrices *matrices) {
  const ic_options *options = o->progress->options;
  stack s = {.plan = o, .count = array->shape[0], .first = matrices->first_matrix, .stride = array->stride[0]};
  const double operations = 4.0 * (double)o->reflectors.m * (double)o->reflectors.n * (double)o->target.k.count;
  int solo = 1;
  plan(o);
  o->threads = 1;
  s.bytes = lay_out(o, NULL);
  if (s.count > 1 && s.bytes <= SOLO_BYTES) {
    solo = (int)at_most(threads_for(options, operations * (double)s.count), s.count);
  } else {
    o->threads = threads_for(options, operations);
    s.bytes = lay_out(o, NULL);
  }
  void *allocated;
  s.memory = ic_allocate((size_t)solo * s.bytes, &allocated);
  if (!allocated) return IC_NO_MEMORY;
  ic_work work = {.unit = make_one, .context = &s, .units = s.count, .progress = o->progress, .calling = 1, .share = 1};
  ic_work_run(&work, solo);
  free(allocated);
  return IC_OK;
}

ic_status ic_orthogonal(const ic_array *array, const ic_matrices *matrices, const ic_stream *stream,
                        const ic_options *options) {
  const int wide = matrices->rows < matrices->columns;
  const int64_t m = wide ? matrices->columns : matrices->rows, n = wide ? matrices->rows : matrices->columns;
  const ic_dtype working = array->dtype == IC_F64 ? IC_F64 : IC_F32;
  for (int i = 0; i < array->ndim; i++)
    if (array->shape[i] == 0) return IC_OK;
  ic_progress progress = ic_progress_begin(options);
  orthogonal o = {.reflectors = ic_reflectors_of(ic_kernels_current(), m, n, working, stream),
                  .target = {.data = array->data,
                             .dtype = array->dtype,
                             .working = working,
                             .swapped = array->swapped,
                             .gain = matrices->gain},
                  .progress = &progress};
  ic_axis_map *rows = wide ? &o.target.k : &o.target.i, *columns = wide ? &o.target.i : &o.target.k;
  ic_status status = IC_NO_MEMORY;
  if (ic_axis_map_of(array, 1, 1, matrices->first_row, rows) &&
      ic_axis_map_of(array, 2, array->ndim - 2, matrices->first_column, columns))
    status = make_all(&o, array, matrices);
  ic_axis_map_free(&o.target.i);
  ic_axis_map_free(&o.target.k);
  const ic_status end = ic_progress_end(&progress);
  return status == IC_OK ? end : status;
}
