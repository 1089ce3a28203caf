/* Who may stop a long computation: asked now and then by the calling thread, heard by all. */
#ifndef IC_PROGRESS_H
#define IC_PROGRESS_H

#include "platform/float_mode.h"
#include "platform/threads.h"

typedef struct {
  const ic_options *options;
  double *done;         /* what `poll` is told: a share of the work */
  double base, span;    /* the part of it that is at work */
  ic_float_mode before; /* of the calling thread, in which `poll` runs */
  int64_t polled;
  int stopped;
} ic_progress;

/* Whether to stop; `calling` in the calling thread alone. `share` of the part at work is done. */
int ic_progress_stops(ic_progress *progress, int calling, double share);

#endif
