/* What memory can take, for comparison, and how large the last cache is. */
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#include <stdio.h>
#include <string.h>

#include "kernels.h"
#include "threads.h"

typedef struct {
  uint8_t *out;
  size_t bytes;
  uint64_t pattern;
  int streaming;
  int64_t next;
  const ic_kernels *kernels;
} set_task;

enum { SET_UNIT = 1 << 20, LINE = 64 };

static void set_plainly(uint8_t *out, size_t bytes, uint64_t pattern) {
  const uint64_t byte = pattern & 0xff;
  size_t i = 0;
  if (pattern == byte * 0x0101010101010101u) {
    memset(out, (int)byte, bytes);
    return;
  }
  for (; i + 8 <= bytes; i += 8) memcpy(out + i, &pattern, 8);
  memcpy(out + i, &pattern, bytes - i);
}

/* Units begin at multiples of 8 bytes of the array; what streams, at lines of memory */
static void set_some(void *context, int thread) {
  set_task *task = context;
  (void)thread;
  for (size_t begin; (begin = (size_t)ic_claim(&task->next) * SET_UNIT) < task->bytes;) {
    uint8_t *out = task->out + begin;
    const size_t bytes = task->bytes - begin < SET_UNIT ? task->bytes - begin : SET_UNIT;
    const size_t to_line = (LINE - (uintptr_t)out % LINE) % LINE, head = to_line < bytes ? to_line : bytes;
    const size_t lines = task->streaming ? (bytes - head) / LINE * LINE : 0, turn = 8 * (head % 8);
    const uint64_t turned = turn ? task->pattern >> turn | task->pattern << (64 - turn) : task->pattern;
    set_plainly(out, head, task->pattern);
    task->kernels->stream_pattern(out + head, lines, turned);
    set_plainly(out + head + lines, bytes - head - lines, turned);
  }
  task->kernels->fence();
}

void ic_set_pattern(uint8_t *out, size_t bytes, uint64_t pattern, int streaming, int threads) {
  const uint64_t wanted =
      1 + bytes / ((uint64_t)IC_ELEMENTS_PER_THREAD * 16); /* a constant costs a sixth of a normal */
  set_task task = {out, bytes, pattern, streaming, 0, ic_kernels_current()};
  ic_parallel(wanted < (uint64_t)threads ? (int)wanted : threads, set_some, &task);
}

/* Linux's own account, not sysconf's: on AMD the C library adds up caches that a core does not reach. */
uint64_t ic_cache_bytes(void) {
  unsigned long long bytes = 0;
#if defined(__APPLE__)
  size_t size = sizeof bytes;
  if (sysctlbyname("hw.l3cachesize", &bytes, &size, NULL, 0) != 0) bytes = 0;
#elif defined(__linux__)
  FILE *file = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "r");
  unsigned long long kibibytes;
  if (file && fscanf(file, "%lluK", &kibibytes) == 1) bytes = kibibytes << 10;
  if (file) fclose(file);
#endif
  return bytes > 0 ? (uint64_t)bytes : (uint64_t)32 << 20;
}
