/* Tells how large the last cache is. */
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#include <stdio.h>
#include "initcore.h"

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
