/* x_k, the normals of column k from row k on, becomes v_k = x_k + s_k |x_k| e_k, which differs from x_k in one element.
 * It is not scaled: the factor of a panel is made of the Gram product, in float64, of the reflectors as they are, so
 * that the panel's product is as orthogonal as float64 makes it, whatever the rounding of v_k. */
#include "orthogonal/reflectors.h"

#include <math.h>
#include <string.h>

#include "dtypes.h"

enum {
  MOST_BLOCKS = IC_CHUNK_ROWS * (IC_PANEL_WIDTH / 4 + 1) + IC_MAX_STEP_BLOCKS,
  SQUARE = IC_PANEL_WIDTH * IC_PANEL_WIDTH,
  SPARE = 64 /* bytes: tiles read past the end of a row that is no whole number of them */
};

ic_reflectors ic_reflectors_of(const ic_kernels *kernels, int64_t m, int64_t n, ic_dtype working,
                               const ic_stream *stream) {
  static const double standard[2] = {0, 1};
  ic_reflectors r = {.m = m, .n = n, .stream = *stream, .working = working};
  kernels->prepare[IC_DIST_normal](standard, working, &r.params);
  r.normals = kernels->fill[IC_DIST_normal][working];
  r.step_blocks = kernels->step_blocks[IC_DIST_normal][working];
  r.ops = &kernels->panel[working];
  return r;
}

size_t ic_panel_pitch(const ic_reflectors *r) { return r->n < IC_PANEL_WIDTH ? (size_t)r->n : IC_PANEL_WIDTH; }
size_t ic_panel_width(const ic_reflectors *r, int64_t p) {
  const int64_t left = r->n - p * IC_PANEL_WIDTH;
  return left < IC_PANEL_WIDTH ? (size_t)left : IC_PANEL_WIDTH;
}
size_t ic_panel_bytes(const ic_reflectors *r) {
  return (size_t)r->m * ic_panel_pitch(r) * ic_itemsize(r->working) + SPARE;
}
size_t ic_factor_bytes(const ic_reflectors *r) { return SQUARE * ic_itemsize(r->working); }

int64_t ic_chunk_rows(int64_t m, int64_t chunk) {
  const int64_t left = m - chunk * IC_CHUNK_ROWS;
  return left < IC_CHUNK_ROWS ? left : IC_CHUNK_ROWS;
}

ic_chunk ic_panel_chunk(const ic_reflectors *r, const ic_panel *panel, int64_t p, int64_t chunk) {
  const size_t pitch = ic_panel_pitch(r), before = (size_t)(chunk - p) * IC_CHUNK_ROWS;
  const size_t row_bytes = pitch * ic_itemsize(r->working);
  const uint8_t *rows = panel->rows + before * row_bytes;
  const int last = (chunk + 1) * IC_CHUNK_ROWS >= r->m;
  return (ic_chunk){.rows = rows,
                    .ahead = rows + (last ? 0 : IC_CHUNK_ROWS * row_bytes),
                    .pitch = pitch,
                    .row_count = (size_t)ic_chunk_rows(r->m, chunk),
                    .width = ic_panel_width(r, p),
                    .top = chunk == p};
}

ic_draw_buffers ic_draw_buffers_in(ic_arena *arena) {
  ic_draw_buffers b;
  b.blocks = ic_take(arena, MOST_BLOCKS, sizeof *b.blocks);
  b.values = ic_take(arena, MOST_BLOCKS, 4 * 8);
  b.widened = ic_take(arena, SQUARE, sizeof *b.widened);
  b.gram = ic_take(arena, SQUARE, sizeof *b.gram);
  b.exact = ic_take(arena, SQUARE, sizeof *b.exact);
  return b;
}

/* Runs of normals, `index_stride` apart in the stream, put `out_stride` bytes apart: each of `length`, but if they make
 * a triangle, run i of i + 1 at most. */
typedef struct {
  uint64_t index, index_stride;
  size_t count, length;
  int triangle;
} runs;

static size_t run_length(const runs *r, size_t i) { return r->triangle && i + 1 < r->length ? i + 1 : r->length; }

static void draw_runs(const ic_reflectors *r, const runs *wanted, uint8_t *out, size_t out_stride,
                      const ic_draw_buffers *b) {
  const size_t itemsize = ic_itemsize(r->working);
  size_t n = 0;
  for (size_t i = 0; i < wanted->count; i++) {
    const uint64_t first = wanted->index + i * wanted->index_stride, last = first + run_length(wanted, i) - 1;
    for (uint64_t block = first / 4; block <= last / 4; block++) b->blocks[n++] = block;
  }
  for (; n % r->step_blocks; n++) b->blocks[n] = b->blocks[n - 1];
  const int near = b->blocks[0] >> 32 == b->blocks[n - 1] >> 32; /* they are in order */
  r->normals(&r->params, &r->stream, (ic_blocks){.list = b->blocks, .near = near}, n / r->step_blocks, b->values, 0);
  n = 0;
  for (size_t i = 0; i < wanted->count; i++) {
    const size_t length = run_length(wanted, i);
    const uint64_t first = wanted->index + i * wanted->index_stride, last = first + length - 1;
    memcpy(out + i * out_stride, b->values + (4 * n + first % 4) * itemsize, length * itemsize);
    n += (size_t)(last / 4 - first / 4) + 1;
  }
}

void ic_draw_chunk(const ic_reflectors *r, ic_panel *panel, int64_t p, int64_t chunk, const ic_draw_buffers *buffers) {
  enum { NARROW = 8 /* columns: rows this short have no blocks over the diagonal that are worth leaving out */ };
  const ic_chunk part = ic_panel_chunk(r, panel, p, chunk);
  const size_t itemsize = ic_itemsize(r->working), row_bytes = part.pitch * itemsize;
  uint8_t *rows = panel->rows + (size_t)(chunk - p) * IC_CHUNK_ROWS * row_bytes;
  const uint64_t n = (uint64_t)r->n;
  runs wanted = {.index = r->first_index + (uint64_t)chunk * IC_CHUNK_ROWS * n + (uint64_t)p * IC_PANEL_WIDTH,
                 .index_stride = n,
                 .count = part.row_count,
                 .length = part.width,
                 .triangle = part.top};
  if (part.pitch == n && (!part.top || n <= NARROW)) /* rows follow one another in the stream too */
    wanted = (runs){.index = wanted.index, .count = 1, .length = part.row_count * part.pitch};
  draw_runs(r, &wanted, rows, row_bytes, buffers);
  if (part.top) {
    for (size_t i = 0; i < part.width; i++)
      memset(rows + i * row_bytes + (i + 1) * itemsize, 0, (part.width - i - 1) * itemsize);
    memset(buffers->gram, 0, ic_rows_touched(part.width) * IC_PANEL_WIDTH * sizeof(double));
  }
  r->ops->gram(&part, buffers->widened, buffers->gram);
}

#define STAMP_REFLECTION(name, real)                                                               \
  /* x + s |x| e in place of x; what it adds to the Gram product, of which |x| is known, too */    \
  static void name(real *rows, size_t pitch, size_t width, double *gram, int8_t *sign) {           \
    for (size_t l = 0; l < width; l++) {                                                           \
      real *lead = rows + l * pitch + l;                                                           \
      const double before = *lead, norm = sqrt(gram[l * IC_PANEL_WIDTH + l]);                      \
      sign[l] = before < 0 ? -1 : 1;                                                               \
      *lead = (real)(before + sign[l] * norm);                                                     \
      const double change = *lead - before;                                                        \
      for (size_t k = 0; k < l; k++) gram[l * IC_PANEL_WIDTH + k] += rows[l * pitch + k] * change; \
      gram[l * IC_PANEL_WIDTH + l] += change * (*lead + before);                                   \
    }                                                                                              \
  }
STAMP_REFLECTION(reflect_f32, float)
STAMP_REFLECTION(reflect_f64, double)
#undef STAMP_REFLECTION

void ic_finish_panel(const ic_reflectors *r, ic_panel *panel, int64_t p, const ic_draw_buffers *buffers, int8_t *sign) {
  const size_t pitch = ic_panel_pitch(r), width = ic_panel_width(r, p);
  if (r->working == IC_F64)
    reflect_f64((double *)(void *)panel->rows, pitch, width, buffers->gram, sign + p * IC_PANEL_WIDTH);
  else
    reflect_f32((float *)(void *)panel->rows, pitch, width, buffers->gram, sign + p * IC_PANEL_WIDTH);
  r->ops->factorise(buffers->gram, width, buffers->exact, panel->factor);
}
