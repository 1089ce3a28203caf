#include "platform/progress.h"

#include "platform/atomics.h"
#include "platform/threads.h"

static const int64_t nanoseconds_between_polls = 100 * 1000 * 1000;

ic_progress ic_progress_begin(const ic_options *options) {
  ic_progress progress = {.options = options, .mode = ic_float_mode_default()};
  if (options->poll) progress.polled = ic_nanoseconds();
  return progress;
}

ic_status ic_progress_end(const ic_progress *progress) {
  ic_float_mode_restore(progress->mode);
  return progress->stopped ? IC_INTERRUPTED : IC_OK;
}

int ic_progress_stops(ic_progress *progress, int calling, double done) {
  const ic_options *options = progress->options;
  if (ic_load(&progress->stopped)) return 1;
  if (!calling || !options->poll || ic_nanoseconds() - progress->polled < nanoseconds_between_polls) return 0;
  ic_float_mode_restore(progress->mode);
  const int stop = options->poll(options->context, done < 1 ? done : 1);
  (void)ic_float_mode_default();
  if (stop) ic_store(&progress->stopped, 1);
  progress->polled = ic_nanoseconds();
  return stop;
}
