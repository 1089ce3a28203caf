/* Copies past the caches, if every processor of the architecture can. */
#ifndef IC_NONTEMPORAL_H
#define IC_NONTEMPORAL_H

#include <stdint.h>
#include <string.h>

#include "platform/compiler.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
/* `out` on a 16-byte boundary, and whole lines of 64 bytes together */
IC_INLINE void nt_copy(uint8_t *out, const uint8_t *in, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 16) {
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
    _mm_stream_si128((__m128i *)(void *)(out + i), v);
  }
}
#else
IC_INLINE void nt_copy(uint8_t *out, const uint8_t *in, size_t bytes) { memcpy(out, in, bytes); }
#endif

#endif
