#if !defined(_WIN32)
#define _GNU_SOURCE /* pthread_tryjoin_np */
#endif
#include "platform/threads.h"

#include "platform/float_mode.h"

enum { SHORT_WAITS = 2000 }; /* 20 to 80 us */

typedef struct {
  void (*task)(void *context, int thread);
  void *context;
  int thread;
} assignment;

static void start(const assignment *a) {
  (void)ic_float_mode_default(); /* whatever a new thread begins with */
  a->task(a->context, a->thread);
}

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <process.h>
#include <windows.h>

typedef HANDLE thread_handle;

static unsigned __stdcall run(void *argument) {
  start(argument);
  return 0;
}
static int spawn(thread_handle *handle, assignment *a) {
  *handle = (HANDLE)_beginthreadex(NULL, 0, run, a, 0, NULL);
  return *handle != NULL;
}
static void join(thread_handle handle) {
  WaitForSingleObject(handle, INFINITE);
  CloseHandle(handle);
}
int64_t ic_nanoseconds(void) {
  LARGE_INTEGER ticks, per_second;
  QueryPerformanceCounter(&ticks);
  QueryPerformanceFrequency(&per_second);
  return (int64_t)((double)ticks.QuadPart / (double)per_second.QuadPart * 1e9);
}
typedef int signal_mask;
static void let_others(void) { SwitchToThread(); }
static void block_signals(signal_mask *before) { *before = 0; }
static void restore_signals(const signal_mask *before) { (void)before; }

#else

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

typedef pthread_t thread_handle;

static void *run(void *argument) {
  start(argument);
  return NULL;
}
static int spawn(thread_handle *handle, assignment *a) { return pthread_create(handle, NULL, run, a) == 0; }
static void join(thread_handle handle) {
#if defined(__linux__)
  /* Who sleeps is woken late: on a virtual machine 30 us later. Threads end nearly together. */
  for (int times = 0; times < SHORT_WAITS; ic_wait(&times))
    if (pthread_tryjoin_np(handle, NULL) == 0) return;
#endif
  pthread_join(handle, NULL);
}

int64_t ic_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void let_others(void) { sched_yield(); }

/* Signals are the caller's: a spawned thread inherits a mask that blocks all of them. Not those that its own
 * instructions raise, as a store into a mapping of a file that was cut short: POSIX leaves it undefined what comes of
 * them if they are blocked, and Linux ends the process without calling the handler. */
typedef sigset_t signal_mask;
static void block_signals(signal_mask *before) {
  static const int own[] = {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
  sigset_t others;
  sigfillset(&others);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&others, own[i]);
  pthread_sigmask(SIG_SETMASK, &others, before);
}
static void restore_signals(const signal_mask *before) { pthread_sigmask(SIG_SETMASK, before, NULL); }

#endif

void ic_wait(int *times) {
  if (*times >= SHORT_WAITS) {
    let_others();
    return;
  }
  ++*times;
  IC_PAUSE();
}

void ic_parallel(int threads, void (*task)(void *context, int thread), void *context) {
  thread_handle handles[IC_MAX_THREADS];
  assignment assignments[IC_MAX_THREADS];
  int spawned = 0;
  if (threads > IC_MAX_THREADS) threads = IC_MAX_THREADS;
  if (threads > 1) {
    signal_mask before;
    block_signals(&before);
    for (int i = 1; i < threads; i++) {
      assignments[i] = (assignment){task, context, i};
      if (!spawn(&handles[spawned], &assignments[i])) break;
      spawned++;
    }
    restore_signals(&before);
  }
  task(context, 0);
  for (int i = 0; i < spawned; i++) join(handles[i]);
}
