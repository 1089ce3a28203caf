#include "platform/work.h"

#include "platform/atomics.h"
#include "platform/threads.h"

int ic_work_stops(const ic_work *work, int thread, int64_t unit) {
  const double done = work->done + work->share * (double)unit / (double)work->units;
  return ic_progress_stops(work->progress, work->calling && thread == 0, done);
}

static void do_units(void *context, int thread) {
  ic_work *work = context;
  if (work->most_threads && thread >= work->most_threads) return;
  for (int64_t unit; (unit = ic_claim(&work->next)) < work->units && !ic_work_stops(work, thread, unit);)
    work->unit(work->context, thread, unit);
  if (work->fence) work->fence();
}

void ic_work_run(ic_work *work, int threads) {
  ic_parallel(work->units < threads ? (int)work->units : threads, do_units, work);
}

/* The threads of a call that has several works. Thread 0 opens one after the other; a thread enters if it comes in
 * time, so that none waits for threads that the system starts late or not at all. */
typedef struct {
  int (*next)(void *context, ic_work *work);
  void *context;
  ic_work work;
  int open;   /* the number of the work that may be entered, or 0 */
  int inside; /* how many threads but thread 0 are in it */
  int finished;
} crew;

static void lead(crew *c) {
  for (int number = 1; c->next(c->context, &c->work); number++) {
    ic_store_in_order(&c->open, number);
    do_units(&c->work, 0);
    ic_store_in_order(&c->open, 0);
    for (int times = 0; ic_load_in_order(&c->inside);) ic_wait(&times);
  }
  ic_store(&c->finished, 1);
}

static void follow(crew *c, int thread) {
  int last = 0;
  for (int times = 0; !ic_load(&c->finished);) {
    const int number = ic_load(&c->open);
    if (number == 0 || number == last) {
      ic_wait(&times);
      continue;
    }
    ic_add_in_order(&c->inside, 1);
    if (ic_load_in_order(&c->open) == number) do_units(&c->work, thread);
    ic_add_in_order(&c->inside, -1);
    last = number;
    times = 0;
  }
}

static void take_part(void *context, int thread) {
  if (thread == 0)
    lead(context);
  else
    follow(context, thread);
}

void ic_work_run_all(int (*next)(void *context, ic_work *work), void *context, int threads) {
  crew c = {.next = next, .context = context};
  ic_parallel(threads, take_part, &c);
}
