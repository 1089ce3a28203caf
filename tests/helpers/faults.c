/* Preloaded into a process, refuses what it is told to of the allocations and threads that one library asks for, and
 * counts what that library has not freed. tests/helpers/faults.py compiles it and tells it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* glibc's own, which those of this file stand before */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void __libc_free(void *memory);

enum { MOST_OUTSTANDING = 4096 };

static struct {
  uintptr_t low, high;                       /* where the library's code is */
  long allocations, refused_allocation;      /* the number of the one to refuse, from 1; 0: none */
  long threads, first_refused, last_refused; /* the same, of threads: a range */
  long outstanding;
  void *memory[MOST_OUTSTANDING];
} faults;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void faults_watch(uintptr_t low, uintptr_t high) {
  faults.low = low;
  faults.high = high;
}

/* Count anew; refuse the allocation of that number, and the threads of those. */
void faults_refuse(long allocation, long first_thread, long last_thread) {
  pthread_mutex_lock(&lock);
  faults.allocations = faults.threads = 0;
  faults.refused_allocation = allocation;
  faults.first_refused = first_thread;
  faults.last_refused = last_thread;
  pthread_mutex_unlock(&lock);
}

long faults_allocations(void) { return faults.allocations; }
long faults_threads(void) { return faults.threads; }
long faults_outstanding(void) { return faults.outstanding; }

static int is_watched(const void *caller) { return (uintptr_t)caller - faults.low < faults.high - faults.low; }

static int refuses_allocation(void) {
  pthread_mutex_lock(&lock);
  const int refuses = ++faults.allocations == faults.refused_allocation;
  pthread_mutex_unlock(&lock);
  return refuses;
}

static void *remember(void *memory) {
  pthread_mutex_lock(&lock);
  for (int i = 0; memory && i < MOST_OUTSTANDING; i++)
    if (!faults.memory[i]) {
      faults.memory[i] = memory;
      faults.outstanding++;
      break;
    }
  pthread_mutex_unlock(&lock);
  return memory;
}

static void forget(const void *memory) {
  if (!memory || !__atomic_load_n(&faults.outstanding, __ATOMIC_RELAXED)) return;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MOST_OUTSTANDING; i++)
    if (faults.memory[i] == memory) {
      faults.memory[i] = NULL;
      faults.outstanding--;
      break;
    }
  pthread_mutex_unlock(&lock);
}

void *malloc(size_t size) {
  if (!is_watched(__builtin_return_address(0))) return __libc_malloc(size);
  return refuses_allocation() ? NULL : remember(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
  if (!is_watched(__builtin_return_address(0))) return __libc_calloc(count, size);
  return refuses_allocation() ? NULL : remember(__libc_calloc(count, size));
}

void *realloc(void *memory, size_t size) {
  if (!is_watched(__builtin_return_address(0))) {
    forget(memory);
    return __libc_realloc(memory, size);
  }
  if (refuses_allocation()) return NULL;
  forget(memory);
  return remember(__libc_realloc(memory, size));
}

void free(void *memory) {
  forget(memory);
  __libc_free(memory);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
  static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
  if (is_watched(__builtin_return_address(0))) {
    pthread_mutex_lock(&lock);
    const long number = ++faults.threads;
    const int refuses = faults.first_refused <= number && number <= faults.last_refused;
    pthread_mutex_unlock(&lock);
    if (refuses) return EAGAIN;
  }
  return real(thread, attributes, start, argument);
}
