/* One instruction set offers a const struct of functions, with a fill for each row of dist_table.h and dtype. */
#ifndef IC_KERNELS_H
#define IC_KERNELS_H

#include "initcore.h"
#include "platform/compiler.h"

/* Rows of four elements, as blocks are, that are turned into four columns; see kern/turn.h. nontemporal: past the
 * caches, each column whole lines on a 64-byte boundary. */
typedef struct {
  const uint8_t *rows;
  uint8_t *column[4];
  size_t groups; /* of rows */
  int nontemporal;
  int phase, phase_step; /* if it is skewed: of the first row, and from one group to the next, modulo 4 */
  const uint8_t *masks;  /* vectors: where rows' phases are 0, 1, 2, 3, 0, 1 more than the first one's, modulo 4 */
  uint8_t *carry;        /* three vectors for each group, from strip to strip; NULL if it is not skewed */
} ic_turn;
typedef struct {
  ic_turn *next;
  size_t count;
} ic_turns;

/* Blocks of four elements: consecutive ones from `first` on, whose high words are all the same, or if there is a list,
 * `first` and the list's numbers added. */
typedef struct {
  uint64_t first;
  const uint64_t *list;
  int near;            /* the list's high words are all the same too */
  ic_turns *meanwhile; /* what to turn, as far as that gets, while those of a list are made; or NULL */
} ic_blocks;

/* Writes `steps` times `step_blocks` blocks; nontemporal: past the caches, `out` on a 64-byte boundary. */
typedef void (*ic_fill_kernel)(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps,
                               uint8_t *out, int nontemporal);
typedef ic_problem (*ic_prepare_function)(const double *values, ic_dtype dtype, void *params);

enum {
#define IC_DIST_ROW(id, name, fills, count, params) IC_DIST_##name = id,
#include "dist_table.h"
  IC_N_DISTS
};

/* Products with a panel of Householder reflectors, in one working precision; see kern/panel.h. Panels and strips are
 * row by row, a panel's rows `pitch` elements apart, a strip's all IC_STRIP_BYTES; no more than IC_CHUNK_ROWS at once.
 * Of a strip, `columns` are in use.
 */
enum { IC_PANEL_WIDTH = 64, IC_CHUNK_ROWS = 64, IC_STRIP_BYTES = 192, IC_MOST_TILE_ROWS = 8 };

typedef struct {
  const void *rows;
  size_t pitch, row_count, width;
  int top;           /* whether these are a panel's first rows: lower triangular */
  const void *ahead; /* rows that are wanted next: fetched meanwhile */
} ic_chunk;

typedef struct {
  /* products += panel' strip */
  void (*gather)(const ic_chunk *panel, const void *strip, size_t columns, void *products);
  /* applied = factor products */
  void (*apply_t)(const void *factor, size_t width, const void *products, size_t columns, void *applied);
  /* strip -= panel applied; the rows of the strip from `ahead` on are wanted next */
  void (*update)(const ic_chunk *panel, const void *applied, size_t columns, void *strip, const void *ahead);
  /* gram += panel' panel on and under the diagonal, in float64; `widened` has room for a chunk in float64 */
  void (*gram)(const ic_chunk *panel, double *widened, double *gram);
  /* The upper triangular factor of a panel with that Gram product, by columns: in float64, and rounded */
  void (*factorise)(const double *gram, size_t width, double *exact, void *factor);
} ic_panel_ops;

typedef struct {
  const char *name;
  uint32_t features; /* of the processor, all needed: IC_HAS_* of cpu.h */
  unsigned step_blocks[IC_N_DISTS][IC_N_DTYPES];
  ic_prepare_function prepare[IC_N_DISTS];
  ic_fill_kernel fill[IC_N_DISTS][IC_N_DTYPES];
  ic_panel_ops panel[2]; /* by dtype: IC_F64, IC_F32 */
  void (*fence)(void);   /* after non-temporal stores */
  size_t turn_bytes;     /* of a column, that a group of rows makes, but one element at least */
  void (*turn)(ic_turns *turns, size_t itemsize); /* all */
  void (*set_pattern)(uint8_t *out, size_t bytes, uint64_t pattern, int nontemporal);
  void (*philox4x32)(const uint32_t *counters, const uint32_t *keys, int rounds, size_t n, uint32_t *out);
  void (*normal_from_words_f32)(const uint32_t *words, size_t pairs, float *out);
  void (*normal_from_words_f64)(const uint64_t *words, size_t pairs, double *out);
  void (*keys_below)(const ic_path *path, const uint32_t *words, size_t parts, size_t count, uint32_t *keys);
  /* see kern/sparse.h */
  void (*sparse_mask)(const ic_sparse *sparse, const void *turns, size_t pitch, const void *left, const void *right,
                      size_t rows, uint64_t *mask);
  void (*sparse_clear)(uint8_t *out, size_t itemsize, uint64_t bits, size_t count);
  uint64_t (*spin)(ic_spin kind, uint64_t rounds, double *end);
} ic_kernels;

enum { IC_SPARSE_ROWS = 256 }; /* that sparse_mask takes at most; whole vectors in every instruction set */
IC_INLINE int ic_sparse_in_bytes(const ic_sparse *s) { return s->left_base <= 256 && s->right_base <= 256; }

enum { IC_MAX_STEP_BLOCKS = 32, IC_MAX_STEP_BYTES = 1024 }; /* of any kernel; isa.c asserts it */

#define IC_ISA_ROW(name) extern const ic_kernels ic_kernels_##name;
#include "isa_table.h"

const ic_kernels *ic_kernels_current(void);
int ic_most_attempts(void); /* see ic_limit_attempts */

#endif
