/* Threads live for one call, so that nothing survives a fork and no other runtime is met. */
#ifndef IC_THREADS_H
#define IC_THREADS_H

#include "initcore.h"

/* Runs task(context, i) for i = 0 .. threads - 1 at once, 0 in the caller. If the system refuses a thread, the
 * tasks that are there run alone: a task must take its work from a shared counter, not from its number. */
void ic_parallel(int threads, void (*task)(void *context, int thread), void *context);

/* A moment, for who asks again and again whether something has happened: the shortest there is for the first 20 to 80
 * us, then others get the processor. `times` is 0 at first. */
void ic_wait(int *times);

int64_t ic_nanoseconds(void); /* of a clock that only goes forward */

#endif
