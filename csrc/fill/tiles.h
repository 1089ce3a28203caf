/* Any view is cut into tiles, each of which is made in a buffer and then put in place. */
#ifndef IC_TILES_H
#define IC_TILES_H

#include "fill/job.h"
#include "fill/view.h"

typedef struct {
  ic_view view; /* of two axes at least */
  uint8_t *data;
  uint64_t first_index;
  int swapped;
  int row_axis; /* a tile is some of this axis times some of those after it, flattened to `trailing` */
  int across;   /* memory follows row_axis faster than the axes after it */
  int64_t trailing;
  int64_t rows, columns; /* of a whole tile */
  int nontemporal;
  int64_t row_phase; /* rows that the first tile has less */
  int64_t row_tiles, column_tiles, tiles;
  int64_t most_runs, most_blocks; /* of a tile: bounds */
  uint64_t reach;                 /* how far the index goes in some rows at most */
} ic_tiling;

ic_tiling ic_tile(const ic_view *view, const ic_array *array, int nontemporal);
size_t ic_tile_workspace(const ic_tiling *tiling); /* bytes for one thread */
void ic_fill_tiles(const ic_job *job, const ic_tiling *tiling, int64_t first, int64_t count, void *workspace);

#endif
