/* Panels of Householder reflectors are drawn from the stream when they are needed. */
#ifndef IC_REFLECTORS_H
#define IC_REFLECTORS_H

#include "kernels.h"
#include "platform/arena.h"

/* How many rows of products and of the Gram product a panel of that many reflectors touches: those of whole tiles */
IC_INLINE size_t ic_rows_touched(size_t width) {
  return (width + IC_MOST_TILE_ROWS - 1) / IC_MOST_TILE_ROWS * IC_MOST_TILE_ROWS;
}

/* Those of one m x n matrix, m >= n */
typedef struct {
  int64_t m, n;
  uint64_t first_index; /* of the matrix in its stack */
  ic_stream stream;
  ic_dtype working; /* IC_F64 or IC_F32 */
  ic_fill_kernel normals;
  ic_params params;
  size_t step_blocks;
  const ic_panel_ops *ops;
} ic_reflectors;

/* Reflectors [64 p, 64 p + width), from row 64 p on, and the factor of their product */
typedef struct {
  uint8_t *rows;
  uint8_t *factor;
} ic_panel;

typedef struct {
  uint64_t *blocks;
  uint8_t *values;
  double *widened, *gram, *exact;
} ic_draw_buffers;

/* In the default floating-point mode */
ic_reflectors ic_reflectors_of(const ic_kernels *kernels, int64_t m, int64_t n, ic_dtype working,
                               const ic_stream *stream);
size_t ic_panel_pitch(const ic_reflectors *r); /* elements between its rows */
size_t ic_panel_width(const ic_reflectors *r, int64_t p);
size_t ic_panel_bytes(const ic_reflectors *r);  /* of the rows of any panel */
size_t ic_factor_bytes(const ic_reflectors *r); /* of its factor */
ic_draw_buffers ic_draw_buffers_in(ic_arena *arena);

/* Rows [64 chunk, 64 chunk + 64) of panel p, or up to m; chunk >= p */
ic_chunk ic_panel_chunk(const ic_reflectors *r, const ic_panel *panel, int64_t p, int64_t chunk);
int64_t ic_chunk_rows(int64_t m, int64_t chunk);

/* A panel is drawn chunk by chunk, from chunk p on, and then finished: sign[k] becomes +1 or -1, s_k of the contract.
 */
void ic_draw_chunk(const ic_reflectors *r, ic_panel *panel, int64_t p, int64_t chunk, const ic_draw_buffers *buffers);
void ic_finish_panel(const ic_reflectors *r, ic_panel *panel, int64_t p, const ic_draw_buffers *buffers, int8_t *sign);

#endif
