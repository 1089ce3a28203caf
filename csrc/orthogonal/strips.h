/* Tells where strips of a matrix are kept while panels are applied to them. A strip has columns side by side,
 * IC_STRIP_BYTES wide, in tiles of IC_CHUNK_ROWS rows that are each one piece of memory. */
#ifndef IC_STRIPS_H
#define IC_STRIPS_H

#include "fill/scatter.h"

typedef enum {
  IC_IN_WORKSPACE,    /* strip after strip */
  IC_IN_ONE_TILE,     /* no longer than it takes to finish them */
  IC_IN_ARRAY_ACROSS, /* strip after strip, in the memory of an array whose columns are each one piece */
  IC_IN_ARRAY_ALONG,  /* chunk after chunk, tile after tile, in the memory of an array of whole rows */
} ic_strips_place;

typedef struct {
  ic_strips_place place;
  int64_t m, n, width;
  size_t itemsize;
  uint8_t *base;
  int64_t whole;  /* strips that are in the array, */
  uint8_t *loose; /* and the one that is not: narrower than a strip */
} ic_strips;

uint8_t *ic_strip_tile(const ic_strips *strips, int64_t strip, int64_t chunk, uint8_t *one);

/* In the array itself, whose tiles are, unit by unit, put in order at last; `spare` holds what a unit overwrites. */
int64_t ic_strips_units(const ic_strips *strips);
size_t ic_strips_spare_bytes(const ic_strips *strips);
void ic_strips_order(const ic_strips *strips, const ic_target *target, int64_t unit, uint8_t *spare);

#endif
