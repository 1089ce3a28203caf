/* Arrays whose memory follows another axis than the global index does, four columns at a time.
 *
 * If all rows begin at the same place of a block, a block has one element in each of four columns. So blocks are
 * listed down the rows, and what is drawn of them needs turning only within vectors. */
#ifndef IC_COLUMNS_H
#define IC_COLUMNS_H

#include "fill/job.h"
#include "fill/view.h"

typedef struct {
  ic_view view; /* the index follows the last axis */
  uint8_t *data;
  uint64_t first_index;
  int swapped;
  int row_axis;                    /* memory follows this one fastest */
  int64_t rows, strips;            /* of a whole tile: a strip has four columns */
  int64_t group;                   /* rows that are turned together */
  int64_t row_phase, column_phase; /* rows and columns that the first tile has less */
  int overlapping;                 /* the last group of rows begins earlier, so that no group is short */
  uint64_t reach;                  /* the largest number of the next */
  const uint64_t *blocks;          /* of any tile, as far on from its first, in the order in which rows are turned */
  int nontemporal;
  int64_t row_tiles, strip_tiles, tiles;
} ic_column_tiling;

/* Whether an array can be filled so; then `tiling` says how, when it has its list. */
int ic_tile_columns(const ic_job *job, const ic_view *view, const ic_array *array, int nontemporal,
                    ic_column_tiling *tiling);
size_t ic_column_list_bytes(const ic_column_tiling *tiling);
void ic_list_columns(ic_column_tiling *tiling, uint64_t *blocks);
size_t ic_column_workspace(const ic_column_tiling *tiling, size_t itemsize); /* bytes for one thread */
void ic_fill_columns(const ic_job *job, const ic_column_tiling *tiling, int64_t first, int64_t count, void *workspace);

#endif
