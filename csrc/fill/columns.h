/* Arrays whose memory follows another axis than the global index does, four columns at a time.
 *
 * A block has one element in each of four columns. So blocks are listed down the rows, strip by strip, and what is
 * drawn of them needs turning only within vectors. If rows begin at different places of their blocks, the columns are
 * skewed as well, which is made good in turning; see kern/turn.h. */
#ifndef IC_COLUMNS_H
#define IC_COLUMNS_H

#include "fill/job.h"
#include "fill/view.h"

typedef struct {
  ic_view view; /* the index follows the last axis */
  uint8_t *data;
  uint64_t first_index;
  int swapped;
  int row_axis;         /* memory follows this one fastest */
  int64_t rows, strips; /* of a whole tile: a strip has four columns */
  int64_t group;        /* rows that are turned together */
  int skewed;           /* rows begin at different places of their blocks */
  int64_t row_phase;    /* rows that the first tile has less */
  int overlapping;      /* the last group of rows begins earlier, so that no group is short */
  int nontemporal;
  int64_t row_tiles, strip_tiles, tiles;
  /* When it has its tables: blocks of any tile, as far on from its first, in the order in which rows are turned; the
   * largest of these that matters; what skewed turns want */
  const uint64_t *blocks;
  uint64_t reach;
  const uint8_t *masks;
} ic_column_tiling;

/* Whether an array is filled so; then `tiling` says how, but for its tables. */
int ic_tile_columns(const ic_job *job, const ic_view *view, const ic_array *array, int nontemporal,
                    ic_column_tiling *tiling);
size_t ic_column_table_bytes(const ic_column_tiling *tiling);
void ic_make_column_tables(ic_column_tiling *tiling, size_t itemsize, void *memory);
size_t ic_column_workspace(const ic_column_tiling *tiling, size_t itemsize); /* bytes for one thread */
void ic_fill_columns(const ic_job *job, const ic_column_tiling *tiling, int64_t first, int64_t count, void *workspace);

#endif
