/* AVX-512 (F, BW, DQ, VL): 8 Philox counters, 16 float or 8 double lanes.
 *
 * Philox words live in the low halves of 64-bit lanes, where the widening multiply reads them; the high
 * halves hold whatever is left. Lane 2i carries counter i and lane 2i+1 counter 4+i, so that two unpack
 * steps bring a pair of vectors into the order of the stream. */
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile this instruction set with -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif
#include <immintrin.h>

#define IC_FEATURES (IC_HAS_AVX2 | IC_HAS_AVX512)
#define IC_COUNTERS 8
#define IC_FLIGHT 3         /* groups of counters in flight: 3 beats 2 and 4 by 4 % on Zen 4 */
#define IC_FLIGHT_LIGHT 4   /* where a value takes only a few operations more than its bits */
#define IC_FLIGHT_PLANES 1  /* where an element takes several words, each from its own plane: 19 % on Zen 4 */
#define IC_FLIGHT64 1       /* in double precision, where a group takes two Philox planes */
#define IC_FLIGHT64_LIGHT 2 /* 13 % on Zen 4 */
#define IC_FLIGHT64_PLANES 1
#define IC_SURE 5 /* rejected elements of 32 that are listed without a branch */
#define IC_LANES8 64
#define IC_CLEAR_BYTES 64
#define IC_LANES32 (2 * IC_COUNTERS)
#define IC_LANES64 IC_COUNTERS
#define IC_TILE_ROWS 8 /* by 3 vectors of sums: with one row of 3 and a broadcast, 28 of 32 registers */

typedef __m512i vctr, vprod, vu8, vu32, vu64;
typedef __m512 vf32;
typedef __m512d vf64;
typedef __mmask16 vm32;
typedef __mmask8 vm64;

/* Philox words and 64-bit products */
IC_INLINE vctr ctr_set1(uint32_t x) { return _mm512_set1_epi32((int)x); }
IC_INLINE vctr ctr_lanes(uint64_t first) {
  return _mm512_add_epi64(_mm512_set1_epi64((long long)first), _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7));
}
/* The block numbers of a list, each of them that much further on */
IC_INLINE void ctr_load(const uint64_t *blocks, uint64_t further, vctr *low, vctr *high) {
  const __m512i listed = _mm512_add_epi64(_mm512_loadu_si512(blocks), _mm512_set1_epi64((long long)further));
  *low = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), listed);
  *high = _mm512_srli_epi64(*low, 32);
}
/* a where the top bit of the low half of s is set, else b */
IC_INLINE vctr ctr_select(vctr s, vctr a, vctr b) {
  return _mm512_mask_mov_epi64(b, _mm512_test_epi64_mask(s, _mm512_set1_epi64(0x80000000)), a);
}
IC_INLINE vprod ctr_mul(vctr a, vctr b) { return _mm512_mul_epu32(a, b); }
IC_INLINE vctr ctr_and(vctr a, vctr b) { return _mm512_and_si512(a, b); }
IC_INLINE vctr ctr_xor(vctr a, vctr b) { return _mm512_xor_si512(a, b); }
IC_INLINE vctr ctr_xor3(vctr a, vctr b, vctr c) { return _mm512_ternarylogic_epi32(a, b, c, 0x96); }
IC_INLINE vprod prod_add(vprod p, uint64_t x) { return _mm512_add_epi64(p, _mm512_set1_epi64((long long)x)); }
IC_INLINE vctr prod_high(vprod p) { return _mm512_srli_epi64(p, 32); }
IC_INLINE vctr prod_low(vprod p) { return p; }

/* Two words of each counter side by side, the first in the even lane */
IC_INLINE vu32 prod_pair_high(vprod a, vprod b) { return _mm512_mask_shuffle_epi32(b, 0x5555, a, _MM_PERM_DDBB); }
IC_INLINE vu32 prod_pair_low(vprod a, vprod b) { return _mm512_mask_shuffle_epi32(a, 0xAAAA, b, _MM_PERM_CCAA); }
IC_INLINE vu32 ctr_pair(vctr a, vctr b) { return prod_pair_low(a, b); }
IC_INLINE vu64 ctr_join(vctr low, vctr high) { return prod_pair_low(low, high); }
IC_INLINE vu32 u32_set1_pair(uint32_t even, uint32_t odd) {
  return _mm512_set1_epi64((long long)((uint64_t)odd << 32 | even));
}

/* 32-bit integers */
#define u32_shl(a, n) _mm512_slli_epi32(a, n)
#define u32_shr(a, n) _mm512_srli_epi32(a, n)
IC_INLINE vu32 u32_set1(uint32_t x) { return _mm512_set1_epi32((int)x); }
IC_INLINE vu32 u32_add(vu32 a, vu32 b) { return _mm512_add_epi32(a, b); }
IC_INLINE vu32 u32_sub(vu32 a, vu32 b) { return _mm512_sub_epi32(a, b); }
IC_INLINE vu32 u32_and(vu32 a, vu32 b) { return _mm512_and_si512(a, b); }
IC_INLINE vu32 u32_xor3(vu32 a, vu32 b, vu32 c) { return _mm512_ternarylogic_epi32(a, b, c, 0x96); }
IC_INLINE vm32 u32_bit30(vu32 a) { return _mm512_test_epi32_mask(a, _mm512_set1_epi32(0x40000000)); }
IC_INLINE vm32 u32_not_negative(vu32 a) { return _mm512_testn_epi32_mask(a, _mm512_set1_epi32((int)0x80000000)); }

/* float32 */
IC_INLINE vf32 f32_set1(float x) { return _mm512_set1_ps(x); }
IC_INLINE vf32 f32_from_i32(vu32 a) { return _mm512_cvtepi32_ps(a); }
/* a whole number; 2^31 becomes -2^31 */
IC_INLINE vu32 f32_to_i32(vf32 a) { return _mm512_cvtps_epi32(a); }
IC_INLINE vu32 f32_bits(vf32 a) { return _mm512_castps_si512(a); }
IC_INLINE vf32 f32_from_bits(vu32 a) { return _mm512_castsi512_ps(a); }
IC_INLINE vf32 f32_mul(vf32 a, vf32 b) { return _mm512_mul_ps(a, b); }
IC_INLINE vf32 f32_fma(vf32 a, vf32 b, vf32 c) { return _mm512_fmadd_ps(a, b, c); }
IC_INLINE vf32 f32_sqrt(vf32 a) { return _mm512_sqrt_ps(a); }
IC_INLINE vf32 f32_min(vf32 a, vf32 b) { return _mm512_min_ps(a, b); }
IC_INLINE vf32 f32_max(vf32 a, vf32 b) { return _mm512_max_ps(a, b); }
/* floor(log2 |a|), and |a| scaled by a power of two into [1/2, 1) */
IC_INLINE vf32 f32_exponent(vf32 a) { return _mm512_getexp_ps(a); }
IC_INLINE vf32 f32_half_mantissa(vf32 a) {
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_castps_si512(a), _mm512_set1_epi32(0x007fffff),
                                                       _mm512_set1_epi32(0x3f000000), 0xEA));
}
/* a with its sign turned where the top bit of s is set */
IC_INLINE vf32 f32_flip(vf32 a, vu32 s) {
  return _mm512_castsi512_ps(
      _mm512_ternarylogic_epi32(_mm512_castps_si512(a), s, _mm512_set1_epi32((int)0x80000000), 0x78));
}
IC_INLINE vf32 f32_select(vm32 m, vf32 a, vf32 b) { return _mm512_mask_mov_ps(b, m, a); }
IC_INLINE vf32 f32_sub_or(vm32 m, vf32 a, vf32 b, vf32 other) { return _mm512_mask_sub_ps(other, m, a, b); }
IC_INLINE vf32 f32_fma_short_or_zero(vm32 m, vf32 a, vf32 b, vf32 c) { return _mm512_maskz_fmadd_ps(m, a, b, c); }

IC_INLINE vf32 f32_sub(vf32 a, vf32 b) { return _mm512_sub_ps(a, b); }
IC_INLINE vf32 f32_add(vf32 a, vf32 b) { return _mm512_add_ps(a, b); }
/* x where a < b, else y */
IC_INLINE vf32 f32_if_less(vf32 a, vf32 b, vf32 x, vf32 y) {
  return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x);
}
/* A bit for each of a group's elements, in the order of the stream: low <= value <= high. NaN is outside. */
IC_INLINE uint32_t f32_bits_inside(vf32 v, vf32 low, vf32 high) {
  return _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(v, low, _CMP_GE_OQ), v, high, _CMP_LE_OQ);
}
/* Pairs in the order of the stream. As integers, as u32_store_pairs does it: compilers see that both are one. */
IC_INLINE vf32 f32_zip_low(vf32 even, vf32 odd) {
  return _mm512_castsi512_ps(_mm512_unpacklo_epi32(_mm512_castps_si512(even), _mm512_castps_si512(odd)));
}
IC_INLINE vf32 f32_zip_high(vf32 even, vf32 odd) {
  return _mm512_castsi512_ps(_mm512_unpackhi_epi32(_mm512_castps_si512(even), _mm512_castps_si512(odd)));
}
IC_INLINE uint32_t f32_inside(const vf32 value[2], float low, float high) {
  const vf32 l = f32_set1(low), h = f32_set1(high);
  return f32_bits_inside(f32_zip_low(value[0], value[1]), l, h) |
         f32_bits_inside(f32_zip_high(value[0], value[1]), l, h) << 16;
}

/* 64-bit integers and float64 */
#define u64_shl(a, n) _mm512_slli_epi64(a, n)
#define u64_rotr(a, n) _mm512_ror_epi64(a, n)
IC_INLINE vu64 u64_set1(uint64_t x) { return _mm512_set1_epi64((long long)x); }
IC_INLINE vu64 u64_add(vu64 a, vu64 b) { return _mm512_add_epi64(a, b); }
IC_INLINE vu64 u64_and(vu64 a, vu64 b) { return _mm512_and_si512(a, b); }
IC_INLINE vu64 u64_xor(vu64 a, vu64 b) { return _mm512_xor_si512(a, b); }
IC_INLINE vm64 u64_bit62(vu64 a) { return _mm512_test_epi64_mask(a, _mm512_set1_epi64(1LL << 62)); }
IC_INLINE vm64 u64_not_negative(vu64 a) {
  return _mm512_testn_epi64_mask(a, _mm512_set1_epi64((long long)(1ULL << 63)));
}
IC_INLINE vf64 f64_set1(double x) { return _mm512_set1_pd(x); }
/* the top 53 bits as an integer: unsigned, and in two's complement */
IC_INLINE vf64 f64_from_top53(vu64 a) { return _mm512_cvtepi64_pd(_mm512_srli_epi64(a, 11)); }
IC_INLINE vf64 f64_from_top53_signed(vu64 a) { return _mm512_cvtepi64_pd(_mm512_srai_epi64(a, 11)); }
IC_INLINE vf64 f64_mul(vf64 a, vf64 b) { return _mm512_mul_pd(a, b); }
IC_INLINE vf64 f64_fma(vf64 a, vf64 b, vf64 c) { return _mm512_fmadd_pd(a, b, c); }
IC_INLINE vf64 f64_sqrt(vf64 a) { return _mm512_sqrt_pd(a); }
IC_INLINE vf64 f64_min(vf64 a, vf64 b) { return _mm512_min_pd(a, b); }
IC_INLINE vf64 f64_exponent(vf64 a) { return _mm512_getexp_pd(a); }
IC_INLINE vf64 f64_half_mantissa(vf64 a) {
  return _mm512_castsi512_pd(_mm512_ternarylogic_epi64(_mm512_castpd_si512(a), _mm512_set1_epi64(0x000fffffffffffff),
                                                       _mm512_set1_epi64(0x3fe0000000000000), 0xEA));
}
IC_INLINE vf64 f64_flip(vf64 a, vu64 s) {
  return _mm512_castsi512_pd(
      _mm512_ternarylogic_epi64(_mm512_castpd_si512(a), s, _mm512_set1_epi64((long long)(1ULL << 63)), 0x78));
}
IC_INLINE vf64 f64_sub(vf64 a, vf64 b) { return _mm512_sub_pd(a, b); }
IC_INLINE vf64 f64_add(vf64 a, vf64 b) { return _mm512_add_pd(a, b); }
IC_INLINE vf64 f64_if_less(vf64 a, vf64 b, vf64 x, vf64 y) {
  return _mm512_mask_mov_pd(y, _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), x);
}
IC_INLINE vf64 f64_select(vm64 m, vf64 a, vf64 b) { return _mm512_mask_mov_pd(b, m, a); }
IC_INLINE vf64 f64_sub_or(vm64 m, vf64 a, vf64 b, vf64 other) { return _mm512_mask_sub_pd(other, m, a, b); }
IC_INLINE vf64 f64_fma_or_zero(vm64 m, vf64 a, vf64 b, vf64 c) { return _mm512_maskz_fmadd_pd(m, a, b, c); }

/* Stores: 4 * IC_COUNTERS elements in the order of the stream. Non-temporal ones need a 64-byte boundary. */
IC_INLINE void bytes_store(uint8_t *out, __m512i v, int nontemporal) {
  if (nontemporal)
    _mm512_stream_si512((__m512i *)(void *)out, v);
  else
    _mm512_storeu_si512(out, v);
}
/* Whole lines of 64 bytes past the caches; both on a 64-byte boundary */
IC_INLINE void nt_lines(uint8_t *out, const uint8_t *in, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) bytes_store(out + i, _mm512_load_si512(in + i), 1);
}
IC_INLINE void u32_store_pairs(uint8_t *out, vu32 even, vu32 odd, int nontemporal) {
  bytes_store(out, _mm512_unpacklo_epi32(even, odd), nontemporal);
  bytes_store(out + 64, _mm512_unpackhi_epi32(even, odd), nontemporal);
}
IC_INLINE void f32_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  u32_store_pairs(out, _mm512_castps_si512(even), _mm512_castps_si512(odd), nontemporal);
}
IC_INLINE void f16_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  const __m256i low = _mm512_cvtps_ph(f32_zip_low(even, odd), _MM_FROUND_TO_NEAREST_INT);
  const __m256i high = _mm512_cvtps_ph(f32_zip_high(even, odd), _MM_FROUND_TO_NEAREST_INT);
  if (nontemporal) { /* a line in one piece */
    bytes_store(out, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1), nontemporal);
  } else { /* 2 % on Zen 4 */
    _mm256_storeu_si256((__m256i *)(void *)out, low);
    _mm256_storeu_si256((__m256i *)(void *)(out + 32), high);
  }
}
/* One number to float16 */
#define IC_HALF_IN_HARDWARE
IC_INLINE uint16_t f32_half_of(float x) {
  return (uint16_t)_mm_cvtsi128_si32(_mm_maskz_cvtps_ph(1, _mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT));
}
#if defined(__GNUC__)
/* Rounds to bfloat16 by one instruction, in functions for processors that have it (Zen 4, Sapphire Rapids): 6 to 10 %
 * in the caches, nothing past them. It takes values below the smallest normal float for zeros. In assembly, since gcc
 * inlines no intrinsics of newer processors into functions that are inlined into both kinds. */
#ifndef IC_FOR_BF16 /* tests/machines emulates them */
#define IC_FOR_BF16 __attribute__((target("avx512bf16")))
#define ROUND_TO_BF16(rounded, high, low) __asm__("vcvtne2ps2bf16 %2, %1, %0" : "=v"(rounded) : "v"(high), "v"(low))
#endif
IC_INLINE void bf16_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  __m512i rounded;
  ROUND_TO_BF16(rounded, f32_zip_high(even, odd), f32_zip_low(even, odd));
  bytes_store(out, rounded, nontemporal);
}
#endif
/* The high halves of even and odd, as 16-bit elements */
IC_INLINE void high16_store_pairs(uint8_t *out, vu32 even, vu32 odd, int nontemporal) {
  const __m512i pairs = _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi32(even, 16), odd);
  bytes_store(out, _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), pairs), nontemporal);
}
/* Word by word of each counter, to counter by counter */
IC_INLINE void f64_in_order(const vf64 z[4], vf64 v[4]) {
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  const __m512d a = _mm512_unpacklo_pd(z[0], z[1]), b = _mm512_unpacklo_pd(z[2], z[3]);
  const __m512d c = _mm512_unpackhi_pd(z[0], z[1]), d = _mm512_unpackhi_pd(z[2], z[3]);
  v[0] = _mm512_permutex2var_pd(a, first, b);
  v[1] = _mm512_permutex2var_pd(a, second, b);
  v[2] = _mm512_permutex2var_pd(c, first, d);
  v[3] = _mm512_permutex2var_pd(c, second, d);
}
IC_INLINE void f64_store_quads(uint8_t *out, const vf64 z[4], int nontemporal) {
  vf64 v[4];
  f64_in_order(z, v);
  for (int i = 0; i < 4; i++) bytes_store(out + 64 * i, _mm512_castpd_si512(v[i]), nontemporal);
}
IC_INLINE uint32_t f64_bits_inside(vf64 v, vf64 low, vf64 high) {
  return _mm512_mask_cmp_pd_mask(_mm512_cmp_pd_mask(v, low, _CMP_GE_OQ), v, high, _CMP_LE_OQ);
}
IC_INLINE uint32_t f64_inside(const vf64 z[4], double low, double high) {
  const vf64 l = f64_set1(low), h = f64_set1(high);
  vf64 v[4];
  f64_in_order(z, v);
  return f64_bits_inside(v[0], l, h) | f64_bits_inside(v[1], l, h) << 8 | f64_bits_inside(v[2], l, h) << 16 |
         f64_bits_inside(v[3], l, h) << 24;
}
/* Lanes as they come */
IC_INLINE vu32 u32_load(const uint32_t *p) { return _mm512_loadu_si512(p); }
IC_INLINE void u32_store(uint32_t *p, vu32 a) { _mm512_storeu_si512(p, a); }
IC_INLINE vu32 u32_min(vu32 a, vu32 b) { return _mm512_min_epu32(a, b); }
/* A bit for each lane of pairs that are at most a pair: by their high numbers, and by their low ones where these are
 * equal */
IC_INLINE uint64_t u32_pairs_at_most(vu32 high, vu32 low, vu32 bound_high, vu32 bound_low) {
  return _mm512_cmplt_epu32_mask(high, bound_high) |
         _mm512_mask_cmple_epu32_mask(_mm512_cmpeq_epu32_mask(high, bound_high), low, bound_low);
}
/* table[at], at < most. Of bytes there is room for that many, which are 16, 32, 64, 128 or 256. */
IC_INLINE vu32 u32_look_up(const uint32_t *table, uint32_t most, vu32 at) {
  (void)most;
  return _mm512_i32gather_epi32(at, table, 4);
}
/* Bytes */
IC_INLINE vu8 u8_set1(uint8_t x) { return _mm512_set1_epi8((char)x); }
IC_INLINE vu8 u8_load(const uint8_t *p) { return _mm512_loadu_si512(p); }
IC_INLINE void u8_store(uint8_t *p, vu8 a) { _mm512_storeu_si512(p, a); }
IC_INLINE vu8 u8_add(vu8 a, vu8 b) { return _mm512_add_epi8(a, b); }
IC_INLINE vu8 u8_sub(vu8 a, vu8 b) { return _mm512_sub_epi8(a, b); }
IC_INLINE vu8 u8_min(vu8 a, vu8 b) { return _mm512_min_epu8(a, b); }
/* Bits of a where the mask has ones, of b where it has zeros */
IC_INLINE vu8 u8_select(vu8 mask, vu8 a, vu8 b) { return _mm512_ternarylogic_epi64(mask, a, b, 0xCA); }
/* In each 16 bytes, elements of so many bits from the low or high halves (`half`: lo, hi) of a and b by turns */
#define u8_zip(half, bits, a, b) _mm512_unpack##half##_epi##bits(a, b)
/* Even (odd) pieces of 16 bytes of a and b by turns */
IC_INLINE vu8 u8_even_pieces(vu8 a, vu8 b) {
  return _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), b);
}
IC_INLINE vu8 u8_odd_pieces(vu8 a, vu8 b) {
  return _mm512_permutex2var_epi64(a, _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15), b);
}
/* Where a < b the one, else the other */
IC_INLINE vu8 u8_select_below(vu8 a, vu8 b, vu8 then, vu8 otherwise) {
  return _mm512_mask_mov_epi8(otherwise, _mm512_cmplt_epu8_mask(a, b), then);
}
IC_INLINE uint64_t u8_pairs_at_most(vu8 high, vu8 low, vu8 bound_high, vu8 bound_low) {
  return _mm512_cmplt_epu8_mask(high, bound_high) |
         _mm512_mask_cmple_epu8_mask(_mm512_cmpeq_epu8_mask(high, bound_high), low, bound_low);
}
IC_INLINE vu8 u8_look_up(const uint8_t *table, uint32_t most, vu8 at) {
  const vu8 low = _mm512_and_si512(at, u8_set1(15));
  vu8 found = _mm512_setzero_si512();
  for (uint32_t first = 0; first < most; first += 16) {
    const vu8 part = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)(table + first)));
    if (first == 0)
      found = _mm512_shuffle_epi8(part, low);
    else
      found = _mm512_mask_shuffle_epi8(found, _mm512_cmpge_epu8_mask(at, u8_set1((uint8_t)first)), part, low);
  }
  return found;
}
/* Zeros in place of those elements of IC_CLEAR_BYTES whose bits are set */
IC_INLINE void u16_clear(uint8_t *out, uint64_t bits) {
  _mm512_mask_storeu_epi16(out, (__mmask32)bits, _mm512_setzero_si512());
}
IC_INLINE void u32_clear(uint8_t *out, uint64_t bits) {
  _mm512_mask_storeu_epi32(out, (__mmask16)bits, _mm512_setzero_si512());
}
IC_INLINE void u64_clear(uint8_t *out, uint64_t bits) {
  _mm512_mask_storeu_epi64(out, (__mmask8)bits, _mm512_setzero_si512());
}
IC_INLINE vf32 f32_load(const float *p) { return _mm512_loadu_ps(p); }
IC_INLINE void f32_store(float *p, vf32 a) { _mm512_storeu_ps(p, a); }
IC_INLINE vu64 u64_load(const uint64_t *p) { return _mm512_loadu_si512(p); }
IC_INLINE void u64_store(uint64_t *p, vu64 a) { _mm512_storeu_si512(p, a); }
IC_INLINE vf64 f64_load(const double *p) { return _mm512_loadu_pd(p); }
IC_INLINE void f64_store(double *p, vf64 a) { _mm512_storeu_pd(p, a); }

static void nt_fence(void) { _mm_sfence(); }
