/* What one launch of a device's kernel is given: the host makes it, and every thread reads it. */
#ifndef IC_LAUNCH_H
#define IC_LAUNCH_H

#include "fill/view.h"
#include "kern/schedule.h"

enum {
  IC_LAUNCH_AXES = 7,      /* beside the one along which threads make blocks */
  IC_LAUNCH_THREADS = 256, /* in a group */
  IC_THREAD_BLOCKS = 8     /* of four elements, that a thread keeps an eye on: a word has a bit for each element */
};

/* A view is rows, along which the global index rises one by one. The first of the other axes is the fastest. */
typedef struct {
  ic_params params;
  philox_keys keys;
  uint32_t most_attempts;
  uint64_t out, first_index; /* the address in the device's memory, and the global index, of the first element */
  ic_axis row;
  int64_t rows;
  ic_axis axis[IC_LAUNCH_AXES]; /* those that the view has not are of length 1 */
} ic_launch;

/* Groups and threads in them, along rows and across them */
typedef struct {
  uint32_t groups[2], threads[2];
} ic_grid;

/* How many launches fill an array: one but for views of very many axes; */
int64_t ic_launch_count(const ic_array *array);
/* and the launch with that number. */
ic_grid ic_launch_of(const ic_array *array, const ic_prepared *prepared, const ic_stream *stream, int64_t number,
                     ic_launch *launch);

#endif
