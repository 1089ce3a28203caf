/* AVX2 with FMA and F16C: 4 Philox counters, 8 float or 4 double lanes.
 *
 * Philox words live in the low halves of 64-bit lanes, as in avx512.h; the lanes carry counters 0, 2, 1, 3. A mask
 * is the top bit of each lane, which is all that a blend looks at. */
#if !defined(__AVX2__) || (!defined(__FMA__) && !defined(_MSC_VER)) || (!defined(__F16C__) && !defined(_MSC_VER))
#error "compile this instruction set with -mavx2 -mfma -mf16c"
#endif
#include <immintrin.h>

#define IC_FEATURES IC_HAS_AVX2
#define IC_COUNTERS 4
#define IC_FLIGHT 2
#define IC_FLIGHT_LIGHT 3
#define IC_FLIGHT_PLANES 2
#define IC_FLIGHT64 2
#define IC_FLIGHT64_LIGHT 2
#define IC_FLIGHT64_PLANES 1 /* two spill so much that float64 tails take twice as long on Zen 2 */
#define IC_SURE 4            /* rejected elements of 32 that are listed without a branch */
#define IC_LANES8 32
#define IC_CLEAR_BYTES 32
#define IC_LANES32 (2 * IC_COUNTERS)
#define IC_LANES64 IC_COUNTERS
#define IC_TILE_ROWS 4 /* by 3 vectors of sums: with one row of 3 and a broadcast, all 16 registers */

typedef __m256i vctr, vprod, vu8, vu32, vu64;
typedef __m256 vf32, vm32;
typedef __m256d vf64, vm64;

/* Philox words and 64-bit products */
IC_INLINE vctr ctr_set1(uint32_t x) { return _mm256_set1_epi32((int)x); }
IC_INLINE vctr ctr_lanes(uint64_t first) {
  return _mm256_add_epi64(_mm256_set1_epi64x((long long)first), _mm256_setr_epi64x(0, 2, 1, 3));
}
IC_INLINE void ctr_load(const uint64_t *blocks, uint64_t further, vctr *low, vctr *high) {
  const __m256i listed = _mm256_loadu_si256((const __m256i *)(const void *)blocks);
  *low = _mm256_permute4x64_epi64(_mm256_add_epi64(listed, _mm256_set1_epi64x((long long)further)), 0xD8);
  *high = _mm256_srli_epi64(*low, 32);
}
/* a where the top bit of the low half of s is set, else b; high halves as they come */
IC_INLINE vctr ctr_select(vctr s, vctr a, vctr b) {
  return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(b), _mm256_castsi256_ps(a), _mm256_castsi256_ps(s)));
}
IC_INLINE vprod ctr_mul(vctr a, vctr b) { return _mm256_mul_epu32(a, b); }
IC_INLINE vctr ctr_and(vctr a, vctr b) { return _mm256_and_si256(a, b); }
IC_INLINE vctr ctr_xor(vctr a, vctr b) { return _mm256_xor_si256(a, b); }
IC_INLINE vctr ctr_xor3(vctr a, vctr b, vctr c) { return _mm256_xor_si256(_mm256_xor_si256(b, c), a); }
IC_INLINE vprod prod_add(vprod p, uint64_t x) { return _mm256_add_epi64(p, _mm256_set1_epi64x((long long)x)); }
IC_INLINE vctr prod_high(vprod p) { return _mm256_srli_epi64(p, 32); }
IC_INLINE vctr prod_low(vprod p) { return p; }

/* Two words of each counter side by side, the first in the even lane */
IC_INLINE vu32 prod_pair_high(vprod a, vprod b) { return _mm256_blend_epi32(_mm256_srli_epi64(a, 32), b, 0xAA); }
IC_INLINE vu32 prod_pair_low(vprod a, vprod b) { return _mm256_blend_epi32(a, _mm256_slli_epi64(b, 32), 0xAA); }
IC_INLINE vu32 ctr_pair(vctr a, vctr b) { return prod_pair_low(a, b); }
IC_INLINE vu64 ctr_join(vctr low, vctr high) { return prod_pair_low(low, high); }
IC_INLINE vu32 u32_set1_pair(uint32_t even, uint32_t odd) {
  return _mm256_set1_epi64x((long long)((uint64_t)odd << 32 | even));
}

/* 32-bit integers */
#define u32_shl(a, n) _mm256_slli_epi32(a, n)
#define u32_shr(a, n) _mm256_srli_epi32(a, n)
IC_INLINE vu32 u32_set1(uint32_t x) { return _mm256_set1_epi32((int)x); }
IC_INLINE vu32 u32_add(vu32 a, vu32 b) { return _mm256_add_epi32(a, b); }
IC_INLINE vu32 u32_sub(vu32 a, vu32 b) { return _mm256_sub_epi32(a, b); }
IC_INLINE vu32 u32_and(vu32 a, vu32 b) { return _mm256_and_si256(a, b); }
IC_INLINE vu32 u32_xor3(vu32 a, vu32 b, vu32 c) { return ctr_xor3(a, b, c); }
IC_INLINE vm32 u32_bit30(vu32 a) { return _mm256_castsi256_ps(_mm256_slli_epi32(a, 1)); }
IC_INLINE vm32 u32_not_negative(vu32 a) { return _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, _mm256_set1_epi32(-1))); }

/* float32 */
IC_INLINE vf32 f32_set1(float x) { return _mm256_set1_ps(x); }
IC_INLINE vf32 f32_from_i32(vu32 a) { return _mm256_cvtepi32_ps(a); }
/* a whole number; 2^31 becomes -2^31 */
IC_INLINE vu32 f32_to_i32(vf32 a) { return _mm256_cvtps_epi32(a); }
IC_INLINE vu32 f32_bits(vf32 a) { return _mm256_castps_si256(a); }
IC_INLINE vf32 f32_from_bits(vu32 a) { return _mm256_castsi256_ps(a); }
IC_INLINE vf32 f32_mul(vf32 a, vf32 b) { return _mm256_mul_ps(a, b); }
IC_INLINE vf32 f32_fma(vf32 a, vf32 b, vf32 c) { return _mm256_fmadd_ps(a, b, c); }
IC_INLINE vf32 f32_sqrt(vf32 a) { return _mm256_sqrt_ps(a); }
IC_INLINE vf32 f32_min(vf32 a, vf32 b) { return _mm256_min_ps(a, b); }
IC_INLINE vf32 f32_max(vf32 a, vf32 b) { return _mm256_max_ps(a, b); }
/* floor(log2 |a|), and |a| scaled by a power of two into [1/2, 1) */
IC_INLINE vf32 f32_exponent(vf32 a) {
  const __m256i field = _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7f800000));
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(field), _mm256_set1_ps(0x1p-23f), _mm256_set1_ps(-127.0f));
}
IC_INLINE vf32 f32_half_mantissa(vf32 a) {
  return _mm256_or_ps(_mm256_and_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(0x007fffff))), _mm256_set1_ps(0.5f));
}
/* a with its sign turned where the top bit of s is set */
IC_INLINE vf32 f32_flip(vf32 a, vu32 s) {
  return _mm256_xor_ps(a, _mm256_and_ps(_mm256_castsi256_ps(s), _mm256_set1_ps(-0.0f)));
}
IC_INLINE vf32 f32_select(vm32 m, vf32 a, vf32 b) { return _mm256_blendv_ps(b, a, m); }
IC_INLINE vf32 f32_sub_or(vm32 m, vf32 a, vf32 b, vf32 other) {
  return _mm256_blendv_ps(other, _mm256_sub_ps(a, b), m);
}
IC_INLINE vf32 f32_fma_short_or_zero(vm32 m, vf32 a, vf32 b, vf32 c) {
  return _mm256_blendv_ps(_mm256_setzero_ps(), _mm256_fmadd_ps(a, b, c), m);
}

IC_INLINE vf32 f32_sub(vf32 a, vf32 b) { return _mm256_sub_ps(a, b); }
IC_INLINE vf32 f32_add(vf32 a, vf32 b) { return _mm256_add_ps(a, b); }
/* x where a < b, else y */
IC_INLINE vf32 f32_if_less(vf32 a, vf32 b, vf32 x, vf32 y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
/* A bit for each of a group's elements, in the order of the stream: low <= value <= high. NaN is outside. */
IC_INLINE uint32_t f32_bits_inside(vf32 v, vf32 low, vf32 high) {
  return (uint32_t)_mm256_movemask_ps(
      _mm256_and_ps(_mm256_cmp_ps(v, low, _CMP_GE_OQ), _mm256_cmp_ps(v, high, _CMP_LE_OQ)));
}
/* Pairs in the order of the stream. As integers, as u32_store_pairs does it: compilers see that both are one. */
IC_INLINE vf32 f32_zip_low(vf32 even, vf32 odd) {
  return _mm256_castsi256_ps(_mm256_unpacklo_epi32(_mm256_castps_si256(even), _mm256_castps_si256(odd)));
}
IC_INLINE vf32 f32_zip_high(vf32 even, vf32 odd) {
  return _mm256_castsi256_ps(_mm256_unpackhi_epi32(_mm256_castps_si256(even), _mm256_castps_si256(odd)));
}
IC_INLINE uint32_t f32_inside(const vf32 value[2], float low, float high) {
  const vf32 l = f32_set1(low), h = f32_set1(high);
  return f32_bits_inside(f32_zip_low(value[0], value[1]), l, h) |
         f32_bits_inside(f32_zip_high(value[0], value[1]), l, h) << 8;
}

/* 64-bit integers and float64 */
#define u64_shl(a, n) _mm256_slli_epi64(a, n)
#define u64_rotr(a, n) _mm256_or_si256(_mm256_srli_epi64(a, n), _mm256_slli_epi64(a, 64 - (n)))
IC_INLINE vu64 u64_set1(uint64_t x) { return _mm256_set1_epi64x((long long)x); }
IC_INLINE vu64 u64_add(vu64 a, vu64 b) { return _mm256_add_epi64(a, b); }
IC_INLINE vu64 u64_and(vu64 a, vu64 b) { return _mm256_and_si256(a, b); }
IC_INLINE vu64 u64_xor(vu64 a, vu64 b) { return _mm256_xor_si256(a, b); }
IC_INLINE vm64 u64_bit62(vu64 a) { return _mm256_castsi256_pd(_mm256_slli_epi64(a, 1)); }
IC_INLINE vm64 u64_not_negative(vu64 a) { return _mm256_castsi256_pd(_mm256_cmpgt_epi64(a, _mm256_set1_epi64x(-1))); }
IC_INLINE vf64 f64_set1(double x) { return _mm256_set1_pd(x); }
IC_INLINE vf64 f64_mul(vf64 a, vf64 b) { return _mm256_mul_pd(a, b); }
IC_INLINE vf64 f64_fma(vf64 a, vf64 b, vf64 c) { return _mm256_fmadd_pd(a, b, c); }
IC_INLINE vf64 f64_sqrt(vf64 a) { return _mm256_sqrt_pd(a); }
IC_INLINE vf64 f64_min(vf64 a, vf64 b) { return _mm256_min_pd(a, b); }
/* The top 53 bits as an integer. Both halves are put behind the exponents 2^84 and 2^52; every sum is exact. */
IC_INLINE vf64 f64_from_top53_less(vu64 a, double bias) {
  const __m256i k = _mm256_srli_epi64(a, 11);
  const __m256d high = _mm256_or_pd(_mm256_castsi256_pd(_mm256_srli_epi64(k, 32)), _mm256_set1_pd(0x1p84));
  const __m256d low = _mm256_castsi256_pd(_mm256_blend_epi32(k, _mm256_set1_epi64x(0x4330000000000000), 0xAA));
  return _mm256_add_pd(_mm256_sub_pd(high, _mm256_set1_pd(0x1p84 + 0x1p52 + bias)), low);
}
IC_INLINE vf64 f64_from_top53(vu64 a) { return f64_from_top53_less(a, 0); }
IC_INLINE vf64 f64_from_top53_signed(vu64 a) {
  return f64_from_top53_less(_mm256_xor_si256(a, _mm256_set1_epi64x((long long)(1ULL << 63))), 0x1p52);
}
IC_INLINE vf64 f64_exponent(vf64 a) {
  const __m256i field = _mm256_srli_epi64(_mm256_slli_epi64(_mm256_castpd_si256(a), 1), 53);
  return _mm256_sub_pd(_mm256_or_pd(_mm256_castsi256_pd(field), _mm256_set1_pd(0x1p52)), _mm256_set1_pd(0x1p52 + 1023));
}
IC_INLINE vf64 f64_half_mantissa(vf64 a) {
  return _mm256_or_pd(_mm256_and_pd(a, _mm256_castsi256_pd(_mm256_set1_epi64x(0x000fffffffffffff))),
                      _mm256_set1_pd(0.5));
}
IC_INLINE vf64 f64_flip(vf64 a, vu64 s) {
  return _mm256_xor_pd(a, _mm256_and_pd(_mm256_castsi256_pd(s), _mm256_set1_pd(-0.0)));
}
IC_INLINE vf64 f64_sub(vf64 a, vf64 b) { return _mm256_sub_pd(a, b); }
IC_INLINE vf64 f64_add(vf64 a, vf64 b) { return _mm256_add_pd(a, b); }
IC_INLINE vf64 f64_if_less(vf64 a, vf64 b, vf64 x, vf64 y) {
  return _mm256_blendv_pd(y, x, _mm256_cmp_pd(a, b, _CMP_LT_OQ));
}
IC_INLINE vf64 f64_select(vm64 m, vf64 a, vf64 b) { return _mm256_blendv_pd(b, a, m); }
IC_INLINE vf64 f64_sub_or(vm64 m, vf64 a, vf64 b, vf64 other) {
  return _mm256_blendv_pd(other, _mm256_sub_pd(a, b), m);
}
IC_INLINE vf64 f64_fma_or_zero(vm64 m, vf64 a, vf64 b, vf64 c) {
  return _mm256_blendv_pd(_mm256_setzero_pd(), _mm256_fmadd_pd(a, b, c), m);
}

/* Stores: 4 * IC_COUNTERS elements in the order of the stream. Non-temporal ones need a 64-byte boundary. */
IC_INLINE void bytes_store(uint8_t *out, __m256i v, int nontemporal) {
  if (nontemporal)
    _mm256_stream_si256((__m256i *)(void *)out, v);
  else
    _mm256_storeu_si256((__m256i *)(void *)out, v);
}
/* Whole lines of 64 bytes past the caches; both on a 64-byte boundary */
IC_INLINE void nt_lines(uint8_t *out, const uint8_t *in, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 32) bytes_store(out + i, _mm256_load_si256((const void *)(in + i)), 1);
}
IC_INLINE void u32_store_pairs(uint8_t *out, vu32 even, vu32 odd, int nontemporal) {
  bytes_store(out, _mm256_unpacklo_epi32(even, odd), nontemporal);
  bytes_store(out + 32, _mm256_unpackhi_epi32(even, odd), nontemporal);
}
IC_INLINE void f32_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  u32_store_pairs(out, _mm256_castps_si256(even), _mm256_castps_si256(odd), nontemporal);
}
IC_INLINE void f16_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  const __m128i low = _mm256_cvtps_ph(f32_zip_low(even, odd), _MM_FROUND_TO_NEAREST_INT);
  const __m128i high = _mm256_cvtps_ph(f32_zip_high(even, odd), _MM_FROUND_TO_NEAREST_INT);
  bytes_store(out, _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1), nontemporal);
}
/* One number to float16 */
#define IC_HALF_IN_HARDWARE
IC_INLINE uint16_t f32_half_of(float x) {
  return (uint16_t)_mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT));
}
/* The high halves of even and odd, as 16-bit elements */
IC_INLINE void high16_store_pairs(uint8_t *out, vu32 even, vu32 odd, int nontemporal) {
  const __m256i pairs = _mm256_blend_epi16(_mm256_srli_epi32(even, 16), odd, 0xAA);
  bytes_store(out, _mm256_permute4x64_epi64(pairs, 0xD8), nontemporal);
}
/* Word by word of each counter, to counter by counter */
IC_INLINE void f64_in_order(const vf64 z[4], vf64 v[4]) {
  const __m256d a = _mm256_unpacklo_pd(z[0], z[1]), b = _mm256_unpacklo_pd(z[2], z[3]);
  const __m256d c = _mm256_unpackhi_pd(z[0], z[1]), d = _mm256_unpackhi_pd(z[2], z[3]);
  v[0] = _mm256_permute2f128_pd(a, b, 0x20);
  v[1] = _mm256_permute2f128_pd(a, b, 0x31);
  v[2] = _mm256_permute2f128_pd(c, d, 0x20);
  v[3] = _mm256_permute2f128_pd(c, d, 0x31);
}
IC_INLINE void f64_store_quads(uint8_t *out, const vf64 z[4], int nontemporal) {
  vf64 v[4];
  f64_in_order(z, v);
  for (int i = 0; i < 4; i++) bytes_store(out + 32 * i, _mm256_castpd_si256(v[i]), nontemporal);
}
IC_INLINE uint32_t f64_bits_inside(vf64 v, vf64 low, vf64 high) {
  return (uint32_t)_mm256_movemask_pd(
      _mm256_and_pd(_mm256_cmp_pd(v, low, _CMP_GE_OQ), _mm256_cmp_pd(v, high, _CMP_LE_OQ)));
}
IC_INLINE uint32_t f64_inside(const vf64 z[4], double low, double high) {
  const vf64 l = f64_set1(low), h = f64_set1(high);
  vf64 v[4];
  f64_in_order(z, v);
  return f64_bits_inside(v[0], l, h) | f64_bits_inside(v[1], l, h) << 4 | f64_bits_inside(v[2], l, h) << 8 |
         f64_bits_inside(v[3], l, h) << 12;
}
/* Lanes as they come */
IC_INLINE vu32 u32_load(const uint32_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
IC_INLINE void u32_store(uint32_t *p, vu32 a) { _mm256_storeu_si256((__m256i *)(void *)p, a); }
IC_INLINE vu32 u32_min(vu32 a, vu32 b) { return _mm256_min_epu32(a, b); }
/* See avx512.h; numbers below 2^31 */
IC_INLINE uint64_t u32_pairs_at_most(vu32 high, vu32 low, vu32 bound_high, vu32 bound_low) {
  const __m256i low_above = _mm256_cmpgt_epi32(low, bound_low), same = _mm256_cmpeq_epi32(high, bound_high);
  const __m256i above = _mm256_or_si256(_mm256_cmpgt_epi32(high, bound_high), _mm256_and_si256(same, low_above));
  return (uint64_t)_mm256_movemask_ps(_mm256_castsi256_ps(above)) ^ 255;
}
/* table[at] of words; see avx512.h */
IC_INLINE vu32 u32_look_up(const uint32_t *table, uint32_t most, vu32 at) {
  (void)most;
  return _mm256_i32gather_epi32((const int *)(const void *)table, at, 4);
}
/* Bytes */
IC_INLINE vu8 u8_set1(uint8_t x) { return _mm256_set1_epi8((char)x); }
IC_INLINE vu8 u8_load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
IC_INLINE void u8_store(uint8_t *p, vu8 a) { _mm256_storeu_si256((__m256i *)(void *)p, a); }
IC_INLINE vu8 u8_add(vu8 a, vu8 b) { return _mm256_add_epi8(a, b); }
IC_INLINE vu8 u8_sub(vu8 a, vu8 b) { return _mm256_sub_epi8(a, b); }
IC_INLINE vu8 u8_min(vu8 a, vu8 b) { return _mm256_min_epu8(a, b); }
IC_INLINE vu8 u8_select(vu8 mask, vu8 a, vu8 b) {
  return _mm256_or_si256(_mm256_and_si256(mask, a), _mm256_andnot_si256(mask, b));
}
#define u8_zip(half, bits, a, b) _mm256_unpack##half##_epi##bits(a, b) /* see avx512.h */
IC_INLINE vu8 u8_even_pieces(vu8 a, vu8 b) { return _mm256_permute2x128_si256(a, b, 0x20); }
IC_INLINE vu8 u8_odd_pieces(vu8 a, vu8 b) { return _mm256_permute2x128_si256(a, b, 0x31); }
IC_INLINE vu8 u8_select_below(vu8 a, vu8 b, vu8 then, vu8 otherwise) {
  return _mm256_blendv_epi8(then, otherwise, _mm256_cmpeq_epi8(_mm256_max_epu8(a, b), a));
}
IC_INLINE uint64_t u8_pairs_at_most(vu8 high, vu8 low, vu8 bound_high, vu8 bound_low) {
  const vu8 not_above = _mm256_cmpeq_epi8(u8_min(high, bound_high), high), same = _mm256_cmpeq_epi8(high, bound_high);
  const vu8 low_not_above = _mm256_cmpeq_epi8(u8_min(low, bound_low), low);
  return (uint32_t)_mm256_movemask_epi8(_mm256_andnot_si256(_mm256_andnot_si256(low_not_above, same), not_above));
}
/* Blends look at the top bit of a byte: bit 4 of a place chooses between two tables of 16, bit 5 between two pairs of
 * them, and so on. A place from 128 on has a top bit that shuffles take for zero. */
IC_INLINE vu8 u8_of_16(const uint8_t *table, vu8 at) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table)), at);
}
IC_INLINE vu8 u8_of_32(const uint8_t *table, vu8 at) {
  return _mm256_blendv_epi8(u8_of_16(table, at), u8_of_16(table + 16, at), _mm256_slli_epi16(at, 3));
}
IC_INLINE vu8 u8_of_64(const uint8_t *table, vu8 at) {
  return _mm256_blendv_epi8(u8_of_32(table, at), u8_of_32(table + 32, at), _mm256_slli_epi16(at, 2));
}
IC_INLINE vu8 u8_of_128(const uint8_t *table, vu8 at) {
  return _mm256_blendv_epi8(u8_of_64(table, at), u8_of_64(table + 64, at), _mm256_slli_epi16(at, 1));
}
IC_INLINE vu8 u8_look_up(const uint8_t *table, uint32_t most, vu8 at) {
  if (most <= 16) return u8_of_16(table, at);
  if (most <= 32) return u8_of_32(table, at);
  if (most <= 64) return u8_of_64(table, at);
  if (most <= 128) return u8_of_128(table, at);
  const vu8 low = _mm256_and_si256(at, u8_set1(127));
  return _mm256_blendv_epi8(u8_of_128(table, low), u8_of_128(table + 128, low), at);
}
/* Zeros in place of those elements of IC_CLEAR_BYTES whose bits are set */
IC_INLINE void cleared(uint8_t *out, __m256i kept) { u8_store(out, _mm256_and_si256(u8_load(out), kept)); }
IC_INLINE void u16_clear(uint8_t *out, uint64_t bits) {
  const __m256i each = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
  cleared(out, _mm256_cmpeq_epi16(_mm256_and_si256(_mm256_set1_epi16((short)bits), each), _mm256_setzero_si256()));
}
IC_INLINE void u32_clear(uint8_t *out, uint64_t bits) {
  const __m256i each = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  cleared(out, _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), each), _mm256_setzero_si256()));
}
IC_INLINE void u64_clear(uint8_t *out, uint64_t bits) {
  const __m256i each = _mm256_setr_epi64x(1, 2, 4, 8);
  cleared(out, _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x((long long)bits), each), _mm256_setzero_si256()));
}
IC_INLINE vf32 f32_load(const float *p) { return _mm256_loadu_ps(p); }
IC_INLINE void f32_store(float *p, vf32 a) { _mm256_storeu_ps(p, a); }
IC_INLINE vu64 u64_load(const uint64_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
IC_INLINE void u64_store(uint64_t *p, vu64 a) { _mm256_storeu_si256((__m256i *)(void *)p, a); }
IC_INLINE vf64 f64_load(const double *p) { return _mm256_loadu_pd(p); }
IC_INLINE void f64_store(double *p, vf64 a) { _mm256_storeu_pd(p, a); }

static void nt_fence(void) { _mm_sfence(); }
