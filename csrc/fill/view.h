/* A view describes a strided array with as few axes as can be. */
#ifndef IC_VIEW_H
#define IC_VIEW_H

#include "initcore.h"

typedef struct {
  int64_t length, stride, index_stride; /* elements, bytes, elements of the global array */
} ic_axis;

typedef struct {
  int ndim; /* at least 1 */
  ic_axis axis[IC_MAX_DIMS + 1];
  int64_t size;
} ic_view;

/* Drops axes of length 1 and joins neighbours that are one in memory and in the global index alike. To a pointer: a
 * view has 1.5 KiB, and to copy them takes a tenth of the time of the smallest fills. */
void ic_view_of(const ic_array *array, ic_view *view);
int ic_fastest_axis(const ic_view *view); /* which memory follows fastest */

#endif
