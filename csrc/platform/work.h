/* Work comes in units, which threads take one after the other from a shared counter until none is left. */
#ifndef IC_WORK_H
#define IC_WORK_H

#include "platform/progress.h"

typedef struct {
  void (*unit)(void *context, int thread, int64_t unit);
  void (*fence)(void); /* NULL, or what each thread does at its end */
  void *context;
  int64_t units, next; /* and the counter */
  ic_progress *progress;
  int most_threads;   /* that have room for it; 0: all */
  int calling;        /* whether thread 0 is the one that called the core */
  double done, share; /* of all that the call does: what was done before, and what these units are */
} ic_work;

/* The threads are as many as there are units at most. */
void ic_work_run(ic_work *work, int threads);
/* One work after the other, by the same threads, each begun when the one before is done: `next` puts it into `work`, or
 * returns 0 if there is no more. */
void ic_work_run_all(int (*next)(void *context, ic_work *work), void *context, int threads);
/* Whether a thread should stop before it does this unit, or amid it */
int ic_work_stops(const ic_work *work, int thread, int64_t unit);

#endif
