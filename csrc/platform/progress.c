#include "platform/progress.h"

static const int64_t nanoseconds_between_polls = 100 * 1000 * 1000;

int ic_watch_stops(ic_watch *watch, int calling, double share) {
  if (ic_load(&watch->stopped)) return 1;
  if (!calling || !watch->run->poll) return 0;
  const int64_t now = ic_nanoseconds();
  if (now - watch->polled < nanoseconds_between_polls) return 0;
  *watch->done = watch->base + watch->span * (share < 1 ? share : 1);
  ic_float_mode_restore(watch->before);
  const int stop = watch->run->poll(watch->run->context);
  (void)ic_float_mode_default();
  if (stop) ic_store(&watch->stopped, 1);
  watch->polled = ic_nanoseconds();
  return stop;
}
