#define _DEFAULT_SOURCE /* madvise */
#include "platform/pages.h"

#include <stdint.h>

#if defined(__linux__)
#include <sys/mman.h>

enum { PAGE = 4096, SMALLEST = 1 << 22 }; /* as NumPy has it for its own arrays */

void ic_want_huge_pages(void *memory, size_t bytes) {
  const uintptr_t start = ((uintptr_t)memory + PAGE - 1) / PAGE * PAGE, end = ((uintptr_t)memory + bytes) / PAGE * PAGE;
  if (bytes >= SMALLEST) (void)madvise((void *)start, end - start, MADV_HUGEPAGE); /* no harm if it is refused */
}
#else
void ic_want_huge_pages(void *memory, size_t bytes) {
  (void)memory;
  (void)bytes;
}
#endif
