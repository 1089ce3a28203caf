/* Transposes square blocks of elements, 16 bytes a side: rows are read `at` bytes from their begin, columns are written
 * `to` bytes from theirs. This moves bytes only, so it needs no more than what every processor of an architecture has.
 */
#ifndef IC_TRANSPOSE_H
#define IC_TRANSPOSE_H

#include <string.h>

#include "initcore.h"
#include "platform/compiler.h"

#if defined(__SSE2__) || defined(_M_X64)

#include <emmintrin.h>

IC_INLINE __m128i load16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
IC_INLINE void store16(uint8_t *p, __m128i v) { _mm_storeu_si128((__m128i *)(void *)p, v); }

IC_INLINE void transpose_2x2_u64(const uint8_t *const *row, size_t at, uint8_t *const *column, size_t to) {
  const __m128i a = load16(row[0] + at), b = load16(row[1] + at);
  store16(column[0] + to, _mm_unpacklo_epi64(a, b));
  store16(column[1] + to, _mm_unpackhi_epi64(a, b));
}

IC_INLINE void transpose_4x4_u32(const uint8_t *const *row, size_t at, uint8_t *const *column, size_t to) {
  const __m128i a = load16(row[0] + at), b = load16(row[1] + at), c = load16(row[2] + at), d = load16(row[3] + at);
  const __m128i ab0 = _mm_unpacklo_epi32(a, b), ab1 = _mm_unpackhi_epi32(a, b);
  const __m128i cd0 = _mm_unpacklo_epi32(c, d), cd1 = _mm_unpackhi_epi32(c, d);
  store16(column[0] + to, _mm_unpacklo_epi64(ab0, cd0));
  store16(column[1] + to, _mm_unpackhi_epi64(ab0, cd0));
  store16(column[2] + to, _mm_unpacklo_epi64(ab1, cd1));
  store16(column[3] + to, _mm_unpackhi_epi64(ab1, cd1));
}

IC_INLINE void transpose_8x8_u16(const uint8_t *const *row, size_t at, uint8_t *const *column, size_t to) {
  __m128i pairs[8], quads[8];
  for (int i = 0; i < 4; i++) {
    const __m128i a = load16(row[2 * i] + at), b = load16(row[2 * i + 1] + at);
    pairs[i] = _mm_unpacklo_epi16(a, b);     /* columns 0 to 3 of rows 2i, 2i + 1 */
    pairs[i + 4] = _mm_unpackhi_epi16(a, b); /* columns 4 to 7 */
  }
  for (int i = 0; i < 4; i++) { /* columns 2i, 2i + 1 of rows 0 to 3, and of rows 4 to 7 */
    const __m128i a = pairs[4 * (i / 2)], b = pairs[4 * (i / 2) + 1];
    const __m128i c = pairs[4 * (i / 2) + 2], d = pairs[4 * (i / 2) + 3];
    quads[i] = i % 2 ? _mm_unpackhi_epi32(a, b) : _mm_unpacklo_epi32(a, b);
    quads[i + 4] = i % 2 ? _mm_unpackhi_epi32(c, d) : _mm_unpacklo_epi32(c, d);
  }
  for (int i = 0; i < 4; i++) {
    store16(column[2 * i] + to, _mm_unpacklo_epi64(quads[i], quads[i + 4]));
    store16(column[2 * i + 1] + to, _mm_unpackhi_epi64(quads[i], quads[i + 4]));
  }
}

#else

#define STAMP_TRANSPOSE(name, side, size)                                                                \
  IC_INLINE void name(const uint8_t *const *row, size_t at, uint8_t *const *column, size_t to) {         \
    for (size_t j = 0; j < side; j++)                                                                    \
      for (size_t i = 0; i < side; i++) memcpy(column[j] + to + i * size, row[i] + at + j * size, size); \
  }
STAMP_TRANSPOSE(transpose_2x2_u64, 2, 8)
STAMP_TRANSPOSE(transpose_4x4_u32, 4, 4)
STAMP_TRANSPOSE(transpose_8x8_u16, 8, 2)
#undef STAMP_TRANSPOSE

#endif

#endif
