/* Who may stop a long computation: asked now and then by the calling thread, heard by all. */
#ifndef IC_WATCH_H
#define IC_WATCH_H

#include "platform/float_mode.h"
#include "platform/threads.h"

typedef struct {
  const ic_run *run;
  double *done;         /* what `poll` is told: a share of the work */
  double base, span;    /* the part of it that is at work */
  ic_float_mode before; /* of the calling thread, in which `poll` runs */
  int64_t polled;
  int stopped;
} ic_watch;

/* Whether to stop; `calling` in the calling thread alone. `share` of the part at work is done. */
int ic_watch_stops(ic_watch *watch, int calling, double share);

#endif
