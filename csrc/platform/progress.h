/* A call of the core has a floating-point mode of its own from its beginning to its end, and its caller may stop it. */
#ifndef IC_PROGRESS_H
#define IC_PROGRESS_H

#include "initcore.h"
#include "platform/float_mode.h"

typedef struct {
  const ic_options *options;
  ic_float_mode mode; /* the caller's, in which `poll` runs */
  int64_t polled;     /* when `poll` ran last */
  int stopped;
} ic_progress;

/* From the first of these to the second the calling thread computes in the default floating-point mode. */
ic_progress ic_progress_begin(const ic_options *options);
ic_status ic_progress_end(const ic_progress *progress);

/* Whether to stop. If `calling`, this is the calling thread, which asks `poll` now and then; `done` is the share of the
 * work that is done. */
int ic_progress_stops(ic_progress *progress, int calling, double done);

#endif
