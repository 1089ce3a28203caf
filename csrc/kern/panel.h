/* What panels of Householder reflectors are multiplied with: included for float64 (IC_DOUBLE), then for float32.
 *
 * A panel is I - V T V': V has IC_PANEL_WIDTH columns at most and comes in chunks of IC_CHUNK_ROWS rows, T is upper
 * triangular. Each element of a product is summed over its inner index in increasing order, from zero, by fused
 * multiply-adds, within one chunk; chunks are added one after the other. No order depends on the size of a tile, so
 * that every instruction set has the same sums; to change any is to change the stream.
 *
 * A tile of IC_TILE_ROWS by three vectors of sums stays in registers: each step of the inner index loads three
 * vectors and broadcasts one element for each row. */
#ifdef IC_DOUBLE
#define REAL double
#define VECTOR vf64
#define LANES IC_LANES64
#define OP(what) f64_##what
#else
#define REAL float
#define VECTOR vf32
#define LANES IC_LANES32
#define OP(what) f32_##what
#endif
#define STRIP (IC_STRIP_BYTES / sizeof(REAL))
#define TILE_COLUMNS ((size_t)(3 * LANES))
#define EACH_SUM(rows, vectors)     \
  for (size_t r = 0; r < rows; r++) \
    for (size_t v = 0; v < vectors; v++)

_Static_assert(STRIP % TILE_COLUMNS == 0 && IC_PANEL_WIDTH % IC_TILE_ROWS == 0, "tiles fill a strip");

#ifdef IC_DOUBLE
/* What a tile fetches into the caches at each step, evenly, so that memory keeps up */
typedef struct {
  const uint8_t *panel, *strip;
  size_t panel_step, strip_step;
} tile_ahead;
static const tile_ahead nothing_ahead = {NULL, NULL, 0, 0};
#endif

/* sum[r][v] = sum over t < count of left[r * row_step + t * step] right[t * right_pitch + v ..] */
IC_INLINE void OP(tile)(VECTOR *sum, const REAL *left, size_t row_step, size_t step, const REAL *right,
                        size_t right_pitch, size_t count, size_t rows, size_t vectors, tile_ahead ahead) {
  EACH_SUM(rows, vectors) sum[r * vectors + v] = OP(set1)(0);
  for (size_t t = 0; t < count; t++, left += step, right += right_pitch) {
    VECTOR row[3];
    if (ahead.panel_step) IC_PREFETCH(ahead.panel + t * ahead.panel_step);
    if (ahead.strip_step) IC_PREFETCH(ahead.strip + t * ahead.strip_step);
    for (size_t v = 0; v < vectors; v++) row[v] = OP(load)(right + v * LANES);
    for (size_t r = 0; r < rows; r++) {
      const VECTOR factor = OP(set1)(left[r * row_step]);
      for (size_t v = 0; v < vectors; v++) sum[r * vectors + v] = OP(fma)(factor, row[v], sum[r * vectors + v]);
    }
  }
}

static void OP(gather)(const ic_chunk *panel, const void *strip, void *products) {
  const REAL *reflectors = panel->rows;
  for (size_t k = 0; k < panel->width; k += IC_TILE_ROWS) {
    const tile_ahead ahead = {.panel = (const uint8_t *)panel->ahead + k * panel->row_count * sizeof(REAL),
                              .panel_step = IC_TILE_ROWS * sizeof(REAL)};
    for (size_t j = 0; j < STRIP; j += TILE_COLUMNS) {
      VECTOR sum[IC_TILE_ROWS * 3];
      REAL *to = (REAL *)products + k * STRIP + j;
      OP(tile)(sum, reflectors + k, 1, panel->pitch, (const REAL *)strip + j, STRIP, panel->row_count, IC_TILE_ROWS, 3,
               ahead);
      EACH_SUM(IC_TILE_ROWS, 3) {
        REAL *at = to + r * STRIP + v * LANES;
        OP(store)(at, OP(add)(OP(load)(at), sum[r * 3 + v]));
      }
    }
  }
}

static void OP(apply_t)(const void *factor, size_t width, const void *products, void *applied) {
  for (size_t k = 0; k < width; k += IC_TILE_ROWS)
    for (size_t j = 0; j < STRIP; j += TILE_COLUMNS) {
      VECTOR sum[IC_TILE_ROWS * 3];
      REAL *to = (REAL *)applied + k * STRIP + j;
      OP(tile)(sum, (const REAL *)factor + k * IC_PANEL_WIDTH + k, 1, IC_PANEL_WIDTH,
               (const REAL *)products + k * STRIP + j, STRIP, width - k, IC_TILE_ROWS, 3, nothing_ahead);
      EACH_SUM(IC_TILE_ROWS, 3) OP(store)(to + r * STRIP + v * LANES, sum[r * 3 + v]);
    }
}

IC_INLINE void OP(update_rows)(const ic_chunk *panel, size_t i, size_t rows, const REAL *applied, REAL *strip,
                               const uint8_t *next) {
  const REAL *reflectors = (const REAL *)panel->rows + i * panel->pitch;
  const size_t count = panel->top && i + rows < panel->width ? i + rows : panel->width;
  const tile_ahead ahead = {.panel = (const uint8_t *)panel->ahead + i * panel->pitch * sizeof(REAL),
                            .panel_step = rows * sizeof(REAL),
                            .strip = next + i * IC_STRIP_BYTES,
                            .strip_step = rows * IC_STRIP_BYTES / IC_PANEL_WIDTH};
  for (size_t j = 0; j < STRIP; j += TILE_COLUMNS) {
    VECTOR sum[IC_TILE_ROWS * 3];
    OP(tile)(sum, reflectors, panel->pitch, 1, applied + j, STRIP, count, rows, 3, ahead);
    EACH_SUM(rows, 3) {
      REAL *at = strip + (i + r) * STRIP + j + v * LANES;
      OP(store)(at, OP(sub)(OP(load)(at), sum[r * 3 + v]));
    }
  }
}

static void OP(update)(const ic_chunk *panel, const void *applied, void *strip, const void *next) {
  size_t i = 0;
  for (; i + IC_TILE_ROWS <= panel->row_count; i += IC_TILE_ROWS)
    OP(update_rows)(panel, i, IC_TILE_ROWS, applied, strip, next);
  for (; i < panel->row_count; i++) OP(update_rows)(panel, i, 1, applied, strip, next);
}

#ifdef IC_DOUBLE
/* Rows of `panel` are IC_PANEL_WIDTH apart. Two vectors of sums a row, so that columns under the diagonal cost less. */
static void gram_of_doubles(const double *panel, size_t rows, size_t width, int top, double *gram) {
  enum { COLUMNS = 2 * LANES };
  for (size_t k = 0; k < width; k += IC_TILE_ROWS)
    for (size_t l = k / COLUMNS * COLUMNS; l < width; l += COLUMNS) {
      const size_t zeros = !top ? 0 : k > l ? k : l;
      const double *from = panel + zeros * IC_PANEL_WIDTH;
      VECTOR sum[IC_TILE_ROWS * 2];
      OP(tile)(sum, from + k, 1, IC_PANEL_WIDTH, from + l, IC_PANEL_WIDTH, rows - zeros, IC_TILE_ROWS, 2,
               nothing_ahead);
      EACH_SUM(IC_TILE_ROWS, 2) {
        double *at = gram + (k + r) * IC_PANEL_WIDTH + l + v * LANES;
        OP(store)(at, OP(add)(OP(load)(at), sum[r * 2 + v]));
      }
    }
}

/* By columns: T[i][k] = -2 / g[k][k] sum over l < k of T[i][l] g[l][k], T[k][k] = 2 / g[k][k]. A reflector of zeros,
 * which has no direction, is the identity. */
static void factorise(const double *gram, size_t width, double *t) {
  enum { BLOCK = LANES < 4 ? 16 * LANES : 4 * LANES, VECTORS = BLOCK / LANES };
  memset(t, 0, sizeof(double) * IC_PANEL_WIDTH * IC_PANEL_WIDTH);
  for (size_t k = 0; k < width; k++) {
    const double square = gram[k * IC_PANEL_WIDTH + k], scale = square > 0 ? 2 / square : 0;
    double *column = t + k * IC_PANEL_WIDTH;
    for (size_t i = 0; i < k; i += BLOCK) {
      VECTOR sum[VECTORS];
      for (size_t v = 0; v < VECTORS; v++) sum[v] = OP(set1)(0);
      for (size_t l = i; l < k; l++) {
        const VECTOR factor = OP(set1)(gram[l * IC_PANEL_WIDTH + k]);
        for (size_t v = 0; v < VECTORS; v++)
          sum[v] = OP(fma)(OP(load)(t + l * IC_PANEL_WIDTH + i + v * LANES), factor, sum[v]);
      }
      for (size_t v = 0; v < VECTORS; v++) OP(store)(column + i + v * LANES, OP(mul)(OP(set1)(-scale), sum[v]));
    }
    column[k] = scale;
  }
}
#endif

static void OP(gram)(const ic_chunk *panel, double *widened, double *gram) {
  const REAL *from = panel->rows;
  for (size_t i = 0; i < panel->row_count; i++)
    for (size_t k = 0; k < panel->width; k++) widened[i * IC_PANEL_WIDTH + k] = from[i * panel->pitch + k];
  gram_of_doubles(widened, panel->row_count, panel->width, panel->top, gram);
}

static void OP(factorise_rounded)(const double *gram, size_t width, double *exact, void *factor) {
  factorise(gram, width, exact);
  for (size_t i = 0; i < IC_PANEL_WIDTH * IC_PANEL_WIDTH; i++) ((REAL *)factor)[i] = (REAL)exact[i];
}

#undef REAL
#undef VECTOR
#undef LANES
#undef OP
#undef STRIP
#undef TILE_COLUMNS
#undef EACH_SUM
#undef IC_DOUBLE
