#include "platform/progress.h"

static const int64_t nanoseconds_between_polls = 100 * 1000 * 1000;

int ic_progress_stops(ic_progress *progress, int calling, double share) {
  if (ic_load(&progress->stopped)) return 1;
  if (!calling || !progress->options->poll) return 0;
  const int64_t now = ic_nanoseconds();
  if (now - progress->polled < nanoseconds_between_polls) return 0;
  *progress->done = progress->base + progress->span * (share < 1 ? share : 1);
  ic_float_mode_restore(progress->before);
  const int stop = progress->options->poll(progress->options->context);
  (void)ic_float_mode_default();
  if (stop) ic_store(&progress->stopped, 1);
  progress->polled = ic_nanoseconds();
  return stop;
}
