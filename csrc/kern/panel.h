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

_Static_assert(STRIP % TILE_COLUMNS == 0 && IC_MOST_TILE_ROWS % IC_TILE_ROWS == 0, "tiles fill a strip");

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

/* A strip's last tile of `left` columns needs no more vectors than those take */
#define AS_WIDE_AS(left, tile, ...) \
  do {                              \
    if ((left) > 2 * LANES)         \
      tile(__VA_ARGS__, 3);         \
    else if ((left) > LANES)        \
      tile(__VA_ARGS__, 2);         \
    else                            \
      tile(__VA_ARGS__, 1);         \
  } while (0)

IC_INLINE void OP(gather_tile)(const ic_chunk *panel, size_t k, const REAL *strip, REAL *products, tile_ahead ahead,
                               size_t vectors) {
  VECTOR sum[IC_TILE_ROWS * 3];
  OP(tile)(sum, (const REAL *)panel->rows + k, 1, panel->pitch, strip, STRIP, panel->row_count, IC_TILE_ROWS, vectors,
           ahead);
  EACH_SUM(IC_TILE_ROWS, vectors) {
    REAL *at = products + (k + r) * STRIP + v * LANES;
    OP(store)(at, OP(add)(OP(load)(at), sum[r * vectors + v]));
  }
}

static void OP(gather)(const ic_chunk *panel, const void *strip, size_t columns, void *products) {
  for (size_t k = 0; k < panel->width; k += IC_TILE_ROWS) {
    const tile_ahead ahead = {.panel = (const uint8_t *)panel->ahead + k * panel->row_count * sizeof(REAL),
                              .panel_step = IC_TILE_ROWS * sizeof(REAL)};
    for (size_t j = 0; j < columns; j += TILE_COLUMNS)
      AS_WIDE_AS(columns - j, OP(gather_tile), panel, k, (const REAL *)strip + j, (REAL *)products + j, ahead);
  }
}

IC_INLINE void OP(apply_t_tile)(const REAL *factor, size_t count, const REAL *products, REAL *applied, size_t vectors) {
  VECTOR sum[IC_TILE_ROWS * 3];
  OP(tile)(sum, factor, 1, IC_PANEL_WIDTH, products, STRIP, count, IC_TILE_ROWS, vectors, nothing_ahead);
  EACH_SUM(IC_TILE_ROWS, vectors) OP(store)(applied + r * STRIP + v * LANES, sum[r * vectors + v]);
}

static void OP(apply_t)(const void *factor, size_t width, const void *products, size_t columns, void *applied) {
  for (size_t k = 0; k < width; k += IC_TILE_ROWS)
    for (size_t j = 0; j < columns; j += TILE_COLUMNS)
      AS_WIDE_AS(columns - j, OP(apply_t_tile), (const REAL *)factor + k * IC_PANEL_WIDTH + k, width - k,
                 (const REAL *)products + k * STRIP + j, (REAL *)applied + k * STRIP + j);
}

IC_INLINE void OP(update_tile)(const ic_chunk *panel, size_t i, size_t rows, size_t count, const REAL *applied,
                               REAL *strip, tile_ahead ahead, size_t vectors) {
  VECTOR sum[IC_TILE_ROWS * 3];
  OP(tile)(sum, (const REAL *)panel->rows + i * panel->pitch, panel->pitch, 1, applied, STRIP, count, rows, vectors,
           ahead);
  EACH_SUM(rows, vectors) {
    REAL *at = strip + (i + r) * STRIP + v * LANES;
    OP(store)(at, OP(sub)(OP(load)(at), sum[r * vectors + v]));
  }
}

IC_INLINE void OP(update_rows)(const ic_chunk *panel, size_t i, size_t rows, const REAL *applied, size_t columns,
                               REAL *strip, const uint8_t *next) {
  const size_t count = panel->top && i + rows < panel->width ? i + rows : panel->width;
  const tile_ahead ahead = {.panel = (const uint8_t *)panel->ahead + i * panel->pitch * sizeof(REAL),
                            .panel_step = rows * sizeof(REAL),
                            .strip = next + i * IC_STRIP_BYTES,
                            .strip_step = rows * IC_STRIP_BYTES / IC_PANEL_WIDTH};
  for (size_t j = 0; j < columns; j += TILE_COLUMNS)
    AS_WIDE_AS(columns - j, OP(update_tile), panel, i, rows, count, applied + j, strip + j, ahead);
}

static void OP(update)(const ic_chunk *panel, const void *applied, size_t columns, void *strip, const void *next) {
  size_t i = 0;
  for (; i + IC_TILE_ROWS <= panel->row_count; i += IC_TILE_ROWS)
    OP(update_rows)(panel, i, IC_TILE_ROWS, applied, columns, strip, next);
  for (; i < panel->row_count; i++) OP(update_rows)(panel, i, 1, applied, columns, strip, next);
}
#ifdef IC_DOUBLE
/* On and under the diagonal. Rows of `panel` are IC_PANEL_WIDTH apart. As few vectors of sums a row as keep the
 * multiply-adds busy, so that columns over the diagonal cost less. */
enum { GRAM_VECTORS = IC_TILE_ROWS < 8 ? 3 : 2 };

IC_INLINE void gram_tile(const double *panel, size_t k, size_t l, size_t rows, double *gram, size_t vectors) {
  VECTOR sum[IC_TILE_ROWS * 3];
  OP(tile)(sum, panel + k, 1, IC_PANEL_WIDTH, panel + l, IC_PANEL_WIDTH, rows, IC_TILE_ROWS, vectors, nothing_ahead);
  EACH_SUM(IC_TILE_ROWS, vectors) {
    double *at = gram + (k + r) * IC_PANEL_WIDTH + l + v * LANES;
    OP(store)(at, OP(add)(OP(load)(at), sum[r * vectors + v]));
  }
}

static void gram_of_doubles(const double *panel, size_t rows, size_t width, int top, double *gram) {
  for (size_t k = 0; k < width; k += IC_TILE_ROWS)
    for (size_t l = 0; l < k + IC_TILE_ROWS && l < width; l += GRAM_VECTORS * LANES) {
      const size_t zeros = !top ? 0 : k > l ? k : l, left = k + IC_TILE_ROWS - l;
      const size_t columns = left < GRAM_VECTORS * LANES ? left : GRAM_VECTORS * LANES;
      AS_WIDE_AS(columns, gram_tile, panel + zeros * IC_PANEL_WIDTH, k, l, rows - zeros, gram);
    }
}

/* Of a vector with that square: a reflector of zeros, which has no direction, is the identity. */
static double reflection(double square) { return square > 0 ? 2 / square : 0; }

/* By columns: T[i][k] = -2 / g[k][k] sum over l < k of T[i][l] g[k][l], T[k][k] = 2 / g[k][k]. Two columns are made at
 * a time, so that twice as many sums are under way: the second one's lacks only the term of the first. */
static void factorise(const double *gram, size_t width, double *t) {
  enum { VECTORS = LANES < 4 ? 8 : 4, BLOCK = VECTORS * LANES };
  memset(t, 0, sizeof(double) * IC_PANEL_WIDTH * width);
  for (size_t k = 0; k < width; k += 2) {
    const int second = k + 1 < width;
    const double *g = gram + k * IC_PANEL_WIDTH, *g2 = g + (second ? IC_PANEL_WIDTH : 0);
    const double scale = reflection(g[k]), scale2 = second ? reflection(g2[k + 1]) : 0;
    double *column = t + k * IC_PANEL_WIDTH, *column2 = column + IC_PANEL_WIDTH;
    for (size_t i = 0; i < k; i += BLOCK) {
      VECTOR sum[2 * VECTORS];
      for (size_t v = 0; v < 2 * VECTORS; v++) sum[v] = OP(set1)(0);
      for (size_t l = i; l < k; l++) {
        const VECTOR factor = OP(set1)(g[l]), factor2 = OP(set1)(g2[l]);
        for (size_t v = 0; v < VECTORS; v++) {
          const VECTOR row = OP(load)(t + l * IC_PANEL_WIDTH + i + v * LANES);
          sum[v] = OP(fma)(row, factor, sum[v]);
          sum[VECTORS + v] = OP(fma)(row, factor2, sum[VECTORS + v]);
        }
      }
      for (size_t v = 0; v < VECTORS; v++) {
        OP(store)(column + i + v * LANES, OP(mul)(OP(set1)(-scale), sum[v]));
        if (second) OP(store)(column2 + i + v * LANES, sum[VECTORS + v]);
      }
    }
    column[k] = scale;
    if (!second) return;
    for (size_t i = 0; i <= k; i += LANES) {
      const VECTOR sum = OP(fma)(OP(load)(column + i), OP(set1)(g2[k]), OP(load)(column2 + i));
      OP(store)(column2 + i, OP(mul)(OP(set1)(-scale2), sum));
    }
    column2[k + 1] = scale2;
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
  for (size_t i = 0; i < IC_PANEL_WIDTH * width; i++) ((REAL *)factor)[i] = (REAL)exact[i];
}

#undef REAL
#undef VECTOR
#undef LANES
#undef OP
#undef STRIP
#undef TILE_COLUMNS
#undef EACH_SUM
#undef AS_WIDE_AS
#undef IC_DOUBLE
