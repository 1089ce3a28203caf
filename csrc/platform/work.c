#include "platform/work.h"

#include "platform/atomics.h"
#include "platform/threads.h"

int ic_work_stops(const ic_work *work, int thread, int64_t unit) {
  const double done = work->done + work->share * (double)unit / (double)work->units;
  return ic_progress_stops(work->progress, work->calling && thread == 0, done);
}

static void do_units(void *context, int thread) {
  ic_work *work = context;
  for (int64_t unit; (unit = ic_claim(&work->next)) < work->units && !ic_work_stops(work, thread, unit);)
    work->unit(work->context, thread, unit);
  if (work->fence) work->fence();
}

void ic_work_run(ic_work *work, int threads) {
  ic_parallel(work->units < threads ? (int)work->units : threads, do_units, work);
}
