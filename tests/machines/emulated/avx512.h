/* AVX-512 on a processor that has AVX2 alone, by SIMDe: it is included before csrc/isa.c, with AVX2's flags.
 *
 * csrc/vec/avx512.h then takes the names of its intrinsics for those that are defined here. What SIMDe lacks is written
 * out lane by lane. Addresses that the processor wants on a boundary of 64 bytes must be on one. */
#include <immintrin.h> /* the compiler's, whose constants and types SIMDe takes over */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define __AVX512F__ 1
#define __AVX512BW__ 1
#define __AVX512DQ__ 1
#define __AVX512VL__ 1

#define EMULATED static inline __attribute__((always_inline, unused))

typedef union {
  __m512i i;
  __m512 s;
  __m512d d;
  __m256i half[2];
  __m256 half_s[2];
  __m128i quarter[4];
  uint8_t u8[64];
  uint16_t u16[32];
  uint32_t u32[16];
  int32_t i32[16];
  uint64_t u64[8];
  int64_t i64[8];
  float f32[16];
  double f64[8];
} emulated_lanes;

/* A vector, and a mask, each lane of which is an expression of its number i */
#define EMULATED_VECTOR(lane, count, value) \
  emulated_lanes found;                     \
  for (int i = 0; i < (count); i++) found.lane[i] = (value)
#define EMULATED_MASK(type, count, condition)                            \
  uint64_t found = 0;                                                    \
  for (int i = 0; i < (count); i++) found |= (uint64_t)(condition) << i; \
  return (type)found

#define _mm512_cmpeq_epu32_mask emulated_cmpeq_epu32_mask
EMULATED __mmask16 emulated_cmpeq_epu32_mask(__m512i a, __m512i b) {
  const emulated_lanes x = {.i = a}, y = {.i = b};
  EMULATED_MASK(__mmask16, 16, x.u32[i] == y.u32[i]);
}
#define _mm512_cmplt_epu32_mask emulated_cmplt_epu32_mask
EMULATED __mmask16 emulated_cmplt_epu32_mask(__m512i a, __m512i b) {
  const emulated_lanes x = {.i = a}, y = {.i = b};
  EMULATED_MASK(__mmask16, 16, x.u32[i] < y.u32[i]);
}
#define _mm512_testn_epi32_mask emulated_testn_epi32_mask
EMULATED __mmask16 emulated_testn_epi32_mask(__m512i a, __m512i b) {
  const emulated_lanes x = {.i = a}, y = {.i = b};
  EMULATED_MASK(__mmask16, 16, (x.u32[i] & y.u32[i]) == 0);
}
#define _mm512_cmpeq_epu8_mask emulated_cmpeq_epu8_mask
EMULATED __mmask64 emulated_cmpeq_epu8_mask(__m512i a, __m512i b) {
  const emulated_lanes x = {.i = a}, y = {.i = b};
  EMULATED_MASK(__mmask64, 64, x.u8[i] == y.u8[i]);
}
/* SIMDe 0.7.4 takes one argument too many for these two */
#undef _mm512_mask_cmple_epu32_mask
#undef _mm512_mask_cmple_epu8_mask
#define _mm512_mask_cmple_epu32_mask(among, a, b) ((__mmask16)((among) & simde_mm512_cmple_epu32_mask(a, b)))
#define _mm512_mask_cmple_epu8_mask(among, a, b) ((__mmask64)((among) & simde_mm512_cmple_epu8_mask(a, b)))
#define _mm512_mask_cmp_ps_mask(among, a, b, how) ((__mmask16)((among) & _mm512_cmp_ps_mask(a, b, how)))
#define _mm512_mask_cmp_pd_mask(among, a, b, how) ((__mmask8)((among) & _mm512_cmp_pd_mask(a, b, how)))

#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
EMULATED __m512 emulated_cvtepi32_ps(__m512i a) {
  const emulated_lanes x = {.i = a};
  EMULATED_VECTOR(half_s, 2, _mm256_cvtepi32_ps(x.half[i]));
  return found.s;
}
#define _mm512_cvtps_epi32 emulated_cvtps_epi32
EMULATED __m512i emulated_cvtps_epi32(__m512 a) {
  const emulated_lanes x = {.s = a};
  EMULATED_VECTOR(half, 2, _mm256_cvtps_epi32(x.half_s[i]));
  return found.i;
}
#define _mm512_cvtepi64_pd emulated_cvtepi64_pd
EMULATED __m512d emulated_cvtepi64_pd(__m512i a) {
  const emulated_lanes x = {.i = a};
  EMULATED_VECTOR(f64, 8, (double)x.i64[i]);
  return found.d;
}
#define _mm512_cvtps_ph(a, rounding)                                     \
  __extension__({                                                        \
    const emulated_lanes x = {.s = (a)};                                 \
    EMULATED_VECTOR(quarter, 2, _mm256_cvtps_ph(x.half_s[i], rounding)); \
    found.half[0];                                                       \
  })
#define _mm_maskz_cvtps_ph(keep, a, rounding)                        \
  __extension__({                                                    \
    emulated_lanes found = {.quarter = {_mm_cvtps_ph(a, rounding)}}; \
    for (int i = 0; i < 4; i++)                                      \
      if (!((keep) >> i & 1)) found.u16[i] = 0;                      \
    found.quarter[0];                                                \
  })
#define _mm512_getexp_ps emulated_getexp_ps
EMULATED __m512 emulated_getexp_ps(__m512 a) {
  const emulated_lanes x = {.s = a};
  EMULATED_VECTOR(f32, 16, logbf(x.f32[i]));
  return found.s;
}
#define _mm512_getexp_pd emulated_getexp_pd
EMULATED __m512d emulated_getexp_pd(__m512d a) {
  const emulated_lanes x = {.d = a};
  EMULATED_VECTOR(f64, 8, logb(x.f64[i]));
  return found.d;
}
#define _mm512_maskz_fmadd_pd(keep, a, b, c) _mm512_maskz_mov_pd(keep, _mm512_fmadd_pd(a, b, c))

#define _mm512_srai_epi64 emulated_srai_epi64
EMULATED __m512i emulated_srai_epi64(__m512i a, unsigned n) {
  const emulated_lanes x = {.i = a};
  EMULATED_VECTOR(i64, 8, x.i64[i] >> (n < 63 ? n : 63));
  return found.i;
}
#define _mm512_mask_shuffle_epi32 emulated_mask_shuffle_epi32
EMULATED __m512i emulated_mask_shuffle_epi32(__m512i other, __mmask16 from, __m512i a, int order) {
  const emulated_lanes x = {.i = a}, y = {.i = other};
  EMULATED_VECTOR(u32, 16, from >> i & 1 ? x.u32[i / 4 * 4 + (order >> i % 4 * 2 & 3)] : y.u32[i]);
  return found.i;
}
#define _mm512_i32gather_epi32 emulated_i32gather_epi32
EMULATED __m512i emulated_i32gather_epi32(__m512i at, const void *table, int scale) {
  const emulated_lanes x = {.i = at};
  emulated_lanes found;
  for (int i = 0; i < 16; i++) memcpy(&found.u32[i], (const char *)table + (int64_t)x.i32[i] * scale, 4);
  return found.i;
}

/* Memory of lanes that are not stored is not touched */
#define EMULATED_MASKED_STORE(lane, count) \
  const emulated_lanes x = {.i = a};       \
  for (int i = 0; i < (count); i++)        \
    if (which >> i & 1) memcpy((char *)out + (size_t)i * sizeof x.lane[i], &x.lane[i], sizeof x.lane[i])
#define _mm512_mask_storeu_epi16 emulated_mask_storeu_epi16
EMULATED void emulated_mask_storeu_epi16(void *out, __mmask32 which, __m512i a) { EMULATED_MASKED_STORE(u16, 32); }
#define _mm512_mask_storeu_epi32 emulated_mask_storeu_epi32
EMULATED void emulated_mask_storeu_epi32(void *out, __mmask16 which, __m512i a) { EMULATED_MASKED_STORE(u32, 16); }
#define _mm512_mask_storeu_epi64 emulated_mask_storeu_epi64
EMULATED void emulated_mask_storeu_epi64(void *out, __mmask8 which, __m512i a) { EMULATED_MASKED_STORE(u64, 8); }

#define _mm512_stream_si512 emulated_stream_si512
EMULATED void emulated_stream_si512(void *out, __m512i a) {
  if ((uintptr_t)out % 64) __builtin_trap();
  memcpy(out, &a, 64);
}
#undef _mm512_load_si512
#define _mm512_load_si512 emulated_load_si512
EMULATED __m512i emulated_load_si512(const void *in) {
  __m512i found;
  if ((uintptr_t)in % 64) __builtin_trap();
  memcpy(&found, in, 64);
  return found;
}

/* AVX512_BF16: to nearest, ties to even; what is too small for a normal number is a zero of its sign. */
EMULATED uint16_t emulated_bf16_of(uint32_t bits) {
  const uint32_t size = bits & 0x7fffffff;
  if (size > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
  if (size < 0x00800000) return (uint16_t)(bits >> 16 & 0x8000);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
EMULATED __m512i emulated_cvtne2ps_pbh(__m512 high, __m512 low) {
  const emulated_lanes x = {.s = low}, y = {.s = high};
  EMULATED_VECTOR(u16, 32, emulated_bf16_of(i < 16 ? x.u32[i] : y.u32[i - 16]));
  return found.i;
}
#define IC_FOR_BF16
#define ROUND_TO_BF16(rounded, high, low) ((rounded) = emulated_cvtne2ps_pbh(high, low))
