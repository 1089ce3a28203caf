/* SSE2, which every x86-64 processor has, without fused multiply-adds: 2 Philox counters, 4 float or 2 double lanes.
 *
 * Philox words live in the low halves of 64-bit lanes, as in avx2.h. Of 32-bit lanes the first two are what avx2.h has
 * in even lanes, the other two what it has in odd ones, so that one shuffle makes a pair.
 *
 * Floats are kept twice: as themselves, and as doubles, in which a multiply-add is a product, which is exact, and a
 * sum that is rounded to 24 bits. What uses one form alone leaves the other to the compiler, which then never makes it.
 */
#if !defined(__SSE2__) && !defined(_M_X64)
#error "this instruction set is for x86-64"
#endif
#include <emmintrin.h>

#include "vec/fma.h"

#define IC_FEATURES 0
#define IC_COUNTERS 2
#define IC_FLIGHT 2
#define IC_FLIGHT_LIGHT 2
#define IC_FLIGHT_PLANES 1
#define IC_FLIGHT64 1
#define IC_FLIGHT64_LIGHT 1
#define IC_FLIGHT64_PLANES 1
#define IC_SURE 3 /* rejected elements of 16 that are listed without a branch */
#define IC_LANES8 16
#define IC_CLEAR_BYTES 16
#define IC_LANES32 (2 * IC_COUNTERS)
#define IC_LANES64 IC_COUNTERS
#define IC_TILE_ROWS 4

typedef __m128i vctr, vprod, vu8, vu32, vu64;
typedef __m128 vm32;
typedef __m128d vf64, vm64;
typedef struct {
  __m128 single;
  __m128d low, high; /* lanes 0 and 1, lanes 2 and 3 */
} vf32;

#define U32(a) _mm_castps_si128(a)
#define F32(a) _mm_castsi128_ps(a)
#define U64(a) _mm_castpd_si128(a)
#define F64(a) _mm_castsi128_pd(a)
/* Lanes 0 and 2 of a, then of b; the same of lanes 1 and 3 */
#define EVEN_LANES(a, b) U32(_mm_shuffle_ps(F32(a), F32(b), _MM_SHUFFLE(2, 0, 2, 0)))
#define ODD_LANES(a, b) U32(_mm_shuffle_ps(F32(a), F32(b), _MM_SHUFFLE(3, 1, 3, 1)))

/* a where all bits of m are set, b where none is */
IC_INLINE __m128i bits_select(__m128i m, __m128i a, __m128i b) {
  return _mm_or_si128(_mm_and_si128(m, a), _mm_andnot_si128(m, b));
}
IC_INLINE __m128i top_bits(__m128i a) { return _mm_srai_epi32(a, 31); }

/* Philox words and 64-bit products */
IC_INLINE vctr ctr_set1(uint32_t x) { return _mm_set1_epi32((int)x); }
IC_INLINE vctr ctr_lanes(uint64_t first) { return _mm_set_epi64x((long long)(first + 1), (long long)first); }
IC_INLINE void ctr_load(const uint64_t *blocks, uint64_t further, vctr *low, vctr *high) {
  *low = _mm_add_epi64(_mm_loadu_si128((const __m128i *)(const void *)blocks), _mm_set1_epi64x((long long)further));
  *high = _mm_srli_epi64(*low, 32);
}
/* a where the top bit of the low half of s is set, else b; high halves as they come */
IC_INLINE vctr ctr_select(vctr s, vctr a, vctr b) { return bits_select(top_bits(s), a, b); }
IC_INLINE vprod ctr_mul(vctr a, vctr b) { return _mm_mul_epu32(a, b); }
IC_INLINE vctr ctr_and(vctr a, vctr b) { return _mm_and_si128(a, b); }
IC_INLINE vctr ctr_xor(vctr a, vctr b) { return _mm_xor_si128(a, b); }
IC_INLINE vctr ctr_xor3(vctr a, vctr b, vctr c) { return _mm_xor_si128(_mm_xor_si128(b, c), a); }
IC_INLINE vprod prod_add(vprod p, uint64_t x) { return _mm_add_epi64(p, _mm_set1_epi64x((long long)x)); }
IC_INLINE vctr prod_high(vprod p) { return _mm_srli_epi64(p, 32); }
IC_INLINE vctr prod_low(vprod p) { return p; }

/* Two words of each counter, the first in lanes 0 and 1 */
IC_INLINE vu32 prod_pair_high(vprod a, vprod b) { return ODD_LANES(a, b); }
IC_INLINE vu32 prod_pair_low(vprod a, vprod b) { return EVEN_LANES(a, b); }
IC_INLINE vu32 ctr_pair(vctr a, vctr b) { return EVEN_LANES(a, b); }
IC_INLINE vu64 ctr_join(vctr low, vctr high) {
  return _mm_shuffle_epi32(EVEN_LANES(low, high), _MM_SHUFFLE(3, 1, 2, 0));
}
IC_INLINE vu32 u32_set1_pair(uint32_t even, uint32_t odd) {
  return _mm_setr_epi32((int)even, (int)even, (int)odd, (int)odd);
}

/* 32-bit integers */
#define u32_shl(a, n) _mm_slli_epi32(a, n)
#define u32_shr(a, n) _mm_srli_epi32(a, n)
IC_INLINE vu32 u32_set1(uint32_t x) { return _mm_set1_epi32((int)x); }
IC_INLINE vu32 u32_add(vu32 a, vu32 b) { return _mm_add_epi32(a, b); }
IC_INLINE vu32 u32_sub(vu32 a, vu32 b) { return _mm_sub_epi32(a, b); }
IC_INLINE vu32 u32_and(vu32 a, vu32 b) { return _mm_and_si128(a, b); }
IC_INLINE vu32 u32_xor3(vu32 a, vu32 b, vu32 c) { return ctr_xor3(a, b, c); }
IC_INLINE vm32 u32_bit30(vu32 a) { return F32(top_bits(_mm_slli_epi32(a, 1))); }
IC_INLINE vm32 u32_not_negative(vu32 a) { return F32(_mm_cmpgt_epi32(a, _mm_set1_epi32(-1))); }

/* float32, of either form */
IC_INLINE vf32 f32_of_single(__m128 a) {
  return (vf32){.single = a, .low = _mm_cvtps_pd(a), .high = _mm_cvtps_pd(_mm_movehl_ps(a, a))};
}
IC_INLINE __m128 single_of(__m128d low, __m128d high) { return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high)); }
IC_INLINE vf32 f32_of_doubles(__m128d low, __m128d high) {
  return (vf32){.single = single_of(low, high), .low = low, .high = high};
}

/* Where the exact product and an addend are doubles, a double's sum is rounded twice, which shows only if it lies
 * half-way between two floats, or is not in the range of normal floats; see fma.h. Rounding once, to odd, then
 * is slower, and needed so seldom that it is apart. */
static IC_SELDOM __m128d sum_rounded_once(__m128d product, __m128d c) {
  const __m128d sum = _mm_add_pd(product, c), other = _mm_sub_pd(sum, product);
  const __m128d rest = _mm_add_pd(_mm_sub_pd(product, _mm_sub_pd(sum, other)), _mm_sub_pd(c, other));
  const __m128i inexact = U64(_mm_cmpneq_pd(rest, _mm_setzero_pd()));
  const __m128i one = _mm_and_si128(U64(_mm_and_pd(F64(inexact), _mm_cmpord_pd(rest, rest))), _mm_set1_epi64x(1));
  const __m128i back = _mm_and_si128(_mm_srli_epi64(U64(_mm_xor_pd(rest, sum)), 63), one);
  return _mm_cvtps_pd(_mm_cvtpd_ps(F64(_mm_or_si128(_mm_sub_epi64(U64(sum), back), one))));
}

/* Half a unit is added and what is below it taken away: rounded to nearest, if no other float is as near */
IC_INLINE __m128d f64_rounded(__m128d sum) {
  const __m128i raised = _mm_add_epi64(U64(sum), _mm_set1_epi64x(1 << 28));
  return F64(_mm_and_si128(raised, _mm_set1_epi64x(-(1ll << 29))));
}
/* Lanes whose last 29 bits are a half */
IC_INLINE __m128i half_way(__m128d low, __m128d high) {
  const __m128i bits = _mm_slli_epi32(EVEN_LANES(U64(low), U64(high)), 3);
  return _mm_cmpeq_epi32(bits, _mm_set1_epi32((int)0x80000000));
}
/* Lanes that are less than 2^-125, zero included, or 2^127 or more: by the bits of exponents, without signs */
IC_INLINE __m128i not_normal(__m128d low, __m128d high) {
  const uint32_t least = (1023u - 125) << 21, end = (1023u + 127) << 21, lowest = 0x80000000;
  const __m128i fields = _mm_slli_epi32(ODD_LANES(U64(low), U64(high)), 1);
  const __m128i place = _mm_sub_epi32(_mm_set1_epi32((int)(end - 1 + lowest)), fields);
  return _mm_cmpgt_epi32(place, _mm_set1_epi32((int)(end - 1 - least + lowest)));
}

typedef struct {
  __m128d product[2], c[2], sum[2];
} wide_fma;
IC_INLINE wide_fma f32_fma_wide(vf32 a, vf32 b, vf32 c) {
  const __m128d p = _mm_mul_pd(a.low, b.low), q = _mm_mul_pd(a.high, b.high);
  return (wide_fma){{p, q}, {c.low, c.high}, {_mm_add_pd(p, c.low), _mm_add_pd(q, c.high)}};
}
IC_INLINE vf32 f32_fma_unless(__m128i unsure, wide_fma w) {
  __m128d low, high;
  if (IC_UNLIKELY(_mm_movemask_ps(F32(unsure)))) {
    low = sum_rounded_once(w.product[0], w.c[0]);
    high = sum_rounded_once(w.product[1], w.c[1]);
  } else {
    low = f64_rounded(w.sum[0]);
    high = f64_rounded(w.sum[1]);
  }
  return f32_of_doubles(low, high);
}
IC_INLINE vf32 f32_fma(vf32 a, vf32 b, vf32 c) {
  const wide_fma w = f32_fma_wide(a, b, c);
  return f32_fma_unless(_mm_or_si128(half_way(w.sum[0], w.sum[1]), not_normal(w.sum[0], w.sum[1])), w);
}
/* See kern/math.h: a vector of words asks twice whether a sum lay half-way, not at each of twelve */
#define IC_FMA_PROMISES
typedef __m128i vdoubt;
IC_INLINE vdoubt f32_no_doubt(void) { return _mm_setzero_si128(); }
IC_INLINE int f32_is_doubted(vdoubt doubt) { return _mm_movemask_ps(F32(doubt)); }
IC_INLINE vf32 f32_fma_likely(vf32 a, vf32 b, vf32 c, vdoubt *doubt) {
  const wide_fma w = f32_fma_wide(a, b, c);
  *doubt = _mm_or_si128(*doubt, half_way(w.sum[0], w.sum[1]));
  return f32_of_doubles(f64_rounded(w.sum[0]), f64_rounded(w.sum[1]));
}
IC_INLINE vf32 f32_fma_short(vf32 a, vf32 b, vf32 c) {
  const wide_fma w = f32_fma_wide(a, b, c);
  return f32_of_single(single_of(w.sum[0], w.sum[1]));
}
/* With a number whose last bit is that of the result, the sum is rounded where the result is, and once */
IC_INLINE vf32 f32_fma_within(vf32 a, vf32 b, vf32 c, float least) {
  const __m128d unit = _mm_set1_pd(0x1.8p29 * (double)least);
  const __m128d low = _mm_add_pd(_mm_mul_pd(a.low, b.low), _mm_add_pd(c.low, unit));
  const __m128d high = _mm_add_pd(_mm_mul_pd(a.high, b.high), _mm_add_pd(c.high, unit));
  return f32_of_doubles(_mm_sub_pd(low, unit), _mm_sub_pd(high, unit));
}

/* float32 */
IC_INLINE vf32 f32_set1(float x) {
  return (vf32){.single = _mm_set1_ps(x), .low = _mm_set1_pd((double)x), .high = _mm_set1_pd((double)x)};
}
/* A product is rounded once where nothing is added to it: but for the sign of a zero, which is settled first, so that
 * what is too small for a float keeps its own */
IC_INLINE vf32 f32_scale(vf32 a, float factor, float addend) {
  if (addend == 0 && factor > 0)
    return f32_of_single(_mm_mul_ps(_mm_add_ps(a.single, _mm_set1_ps(addend)), _mm_set1_ps(factor)));
  return f32_fma(a, f32_set1(factor), f32_set1(addend));
}
IC_INLINE vf32 f32_from_i32(vu32 a) { return f32_of_single(_mm_cvtepi32_ps(a)); }
/* a whole number; 2^31 becomes -2^31 */
IC_INLINE vu32 f32_to_i32(vf32 a) { return _mm_cvtps_epi32(a.single); }
IC_INLINE vu32 f32_bits(vf32 a) { return U32(a.single); }
IC_INLINE vf32 f32_from_bits(vu32 a) { return f32_of_single(F32(a)); }
IC_INLINE vf32 f32_mul(vf32 a, vf32 b) { return f32_of_single(_mm_mul_ps(a.single, b.single)); }
IC_INLINE vf32 f32_sqrt(vf32 a) { return f32_of_single(_mm_sqrt_ps(a.single)); }
IC_INLINE vf32 f32_min(vf32 a, vf32 b) { return f32_of_single(_mm_min_ps(a.single, b.single)); }
IC_INLINE vf32 f32_max(vf32 a, vf32 b) { return f32_of_single(_mm_max_ps(a.single, b.single)); }
/* floor(log2 |a|), and |a| scaled by a power of two into [1/2, 1) */
IC_INLINE vf32 f32_exponent(vf32 a) {
  const __m128i field = _mm_and_si128(U32(a.single), _mm_set1_epi32(0x7f800000));
  return f32_of_single(_mm_sub_ps(_mm_mul_ps(_mm_cvtepi32_ps(field), _mm_set1_ps(0x1p-23f)), _mm_set1_ps(127.0f)));
}
IC_INLINE vf32 f32_half_mantissa(vf32 a) {
  const __m128 mantissa = _mm_and_ps(a.single, F32(_mm_set1_epi32(0x007fffff)));
  return f32_of_single(_mm_or_ps(mantissa, _mm_set1_ps(0.5f)));
}
/* a with its sign turned where the top bit of s is set */
IC_INLINE vf32 f32_flip(vf32 a, vu32 s) {
  return f32_of_single(_mm_xor_ps(a.single, _mm_and_ps(F32(s), _mm_set1_ps(-0.0f))));
}
IC_INLINE __m128 single_select(vm32 m, __m128 a, __m128 b) { return F32(bits_select(U32(m), U32(a), U32(b))); }
IC_INLINE vf32 f32_select(vm32 m, vf32 a, vf32 b) { return f32_of_single(single_select(m, a.single, b.single)); }
IC_INLINE vf32 f32_sub_or(vm32 m, vf32 a, vf32 b, vf32 other) {
  return f32_of_single(single_select(m, _mm_sub_ps(a.single, b.single), other.single));
}
IC_INLINE vf32 f32_fma_short_or_zero(vm32 m, vf32 a, vf32 b, vf32 c) {
  return f32_of_single(_mm_and_ps(m, f32_fma_short(a, b, c).single));
}

IC_INLINE vf32 f32_sub(vf32 a, vf32 b) { return f32_of_single(_mm_sub_ps(a.single, b.single)); }
IC_INLINE vf32 f32_add(vf32 a, vf32 b) { return f32_of_single(_mm_add_ps(a.single, b.single)); }
/* x where a < b, else y */
IC_INLINE vf32 f32_if_less(vf32 a, vf32 b, vf32 x, vf32 y) {
  return f32_of_single(single_select(_mm_cmplt_ps(a.single, b.single), x.single, y.single));
}
/* A counter's four words, from pairs of both: the first counter's, and the second's */
IC_INLINE void u32_in_order(vu32 even, vu32 odd, vu32 v[2]) {
  const __m128i a = _mm_unpacklo_epi32(even, odd), b = _mm_unpackhi_epi32(even, odd);
  v[0] = _mm_unpacklo_epi64(a, b);
  v[1] = _mm_unpackhi_epi64(a, b);
}
/* A bit for each of a group's elements, in the order of the stream: low <= value <= high. NaN is outside. */
IC_INLINE uint32_t f32_inside(const vf32 value[2], float low, float high) {
  const __m128 l = _mm_set1_ps(low), h = _mm_set1_ps(high);
  __m128i v[2], inside[2];
  u32_in_order(U32(value[0].single), U32(value[1].single), v);
  for (int i = 0; i < 2; i++) inside[i] = U32(_mm_and_ps(_mm_cmpge_ps(F32(v[i]), l), _mm_cmple_ps(F32(v[i]), h)));
  const __m128i words = _mm_packs_epi32(inside[0], inside[1]);
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(words, _mm_setzero_si128()));
}

/* 64-bit integers and float64 */
#define u64_shl(a, n) _mm_slli_epi64(a, n)
#define u64_rotr(a, n) _mm_or_si128(_mm_srli_epi64(a, n), _mm_slli_epi64(a, 64 - (n)))
IC_INLINE vu64 u64_set1(uint64_t x) { return _mm_set1_epi64x((long long)x); }
IC_INLINE vu64 u64_add(vu64 a, vu64 b) { return _mm_add_epi64(a, b); }
IC_INLINE vu64 u64_and(vu64 a, vu64 b) { return _mm_and_si128(a, b); }
IC_INLINE vu64 u64_xor(vu64 a, vu64 b) { return _mm_xor_si128(a, b); }
/* The top bits of 64-bit lanes, 64 times each */
IC_INLINE vm64 top_bits_of_64(vu64 a) { return F64(top_bits(_mm_shuffle_epi32(a, _MM_SHUFFLE(3, 3, 1, 1)))); }
IC_INLINE vm64 u64_bit62(vu64 a) { return top_bits_of_64(_mm_slli_epi64(a, 1)); }
IC_INLINE vm64 u64_not_negative(vu64 a) { return top_bits_of_64(_mm_xor_si128(a, _mm_set1_epi32(-1))); }
IC_INLINE vf64 f64_set1(double x) { return _mm_set1_pd(x); }
IC_INLINE vf64 f64_mul(vf64 a, vf64 b) { return _mm_mul_pd(a, b); }
IC_INLINE vf64 f64_sqrt(vf64 a) { return _mm_sqrt_pd(a); }
IC_INLINE vf64 f64_min(vf64 a, vf64 b) { return _mm_min_pd(a, b); }
IC_INLINE vf64 f64_sub(vf64 a, vf64 b) { return _mm_sub_pd(a, b); }
IC_INLINE vf64 f64_add(vf64 a, vf64 b) { return _mm_add_pd(a, b); }

typedef struct {
  vf64 high, low;
} f64_sum; /* see fma.h */
IC_INLINE f64_sum f64_two_sum(vf64 a, vf64 b) {
  const vf64 sum = _mm_add_pd(a, b), other = _mm_sub_pd(sum, a);
  return (f64_sum){sum, _mm_add_pd(_mm_sub_pd(a, _mm_sub_pd(sum, other)), _mm_sub_pd(b, other))};
}
IC_INLINE f64_sum f64_split(vf64 a) {
  const vf64 scaled = _mm_mul_pd(a, _mm_set1_pd(0x8000001p0)), high = _mm_sub_pd(scaled, _mm_sub_pd(scaled, a));
  return (f64_sum){high, _mm_sub_pd(a, high)};
}
static IC_SELDOM vf64 f64_fma_one_by_one(vf64 a, vf64 b, vf64 c) {
  double x[2], y[2], z[2];
  _mm_storeu_pd(x, a), _mm_storeu_pd(y, b), _mm_storeu_pd(z, c);
  return _mm_setr_pd(fma_f64(x[0], y[0], z[0]), fma_f64(x[1], y[1], z[1]));
}
/* The exact product as a sum of two, as in fma.h, and three numbers are added, the largest two exactly. What is left is
 * known to 2^-53 of `small`: four times as much, taken or added, is as good as exact if it makes no difference to the
 * result. If a factor or the sum is too large, these are NaN and differ. */
IC_INLINE vf64 f64_fma(vf64 a, vf64 b, vf64 c) {
  const vf64 product = _mm_mul_pd(a, b);
  const f64_sum x = f64_split(a), y = f64_split(b), sum = f64_two_sum(product, c);
  const vf64 heads = _mm_sub_pd(_mm_mul_pd(x.high, y.high), product);
  const vf64 middle = _mm_add_pd(_mm_add_pd(heads, _mm_mul_pd(x.high, y.low)), _mm_mul_pd(x.low, y.high));
  const vf64 small = _mm_add_pd(sum.low, _mm_add_pd(middle, _mm_mul_pd(x.low, y.low)));
  const vf64 high = _mm_add_pd(sum.high, small); /* the larger one first: if they cancel, both are exact */
  const vf64 low = _mm_sub_pd(small, _mm_sub_pd(high, sum.high));
  const vf64 margin = _mm_mul_pd(small, _mm_set1_pd(0x1p-51));
  const vf64 one = _mm_add_pd(high, _mm_sub_pd(low, margin)), other = _mm_add_pd(high, _mm_add_pd(low, margin));
  const vf64 size = _mm_andnot_pd(_mm_set1_pd(-0.0), product);
  const vf64 unsure = _mm_or_pd(_mm_cmpneq_pd(one, other), _mm_cmplt_pd(size, _mm_set1_pd(0x1p-900)));
  return IC_UNLIKELY(_mm_movemask_pd(unsure)) ? f64_fma_one_by_one(a, b, c) : one;
}

/* The top 53 bits as an integer. Both halves are put behind the exponents 2^84 and 2^52; every sum is exact. */
IC_INLINE vf64 f64_from_top53_less(vu64 a, double bias) {
  const __m128i k = _mm_srli_epi64(a, 11);
  const __m128d high = _mm_or_pd(F64(_mm_srli_epi64(k, 32)), _mm_set1_pd(0x1p84));
  const __m128d low = _mm_or_pd(F64(_mm_and_si128(k, _mm_set1_epi64x(0xffffffff))), _mm_set1_pd(0x1p52));
  return _mm_add_pd(_mm_sub_pd(high, _mm_set1_pd(0x1p84 + 0x1p52 + bias)), low);
}
IC_INLINE vf64 f64_from_top53(vu64 a) { return f64_from_top53_less(a, 0); }
IC_INLINE vf64 f64_from_top53_signed(vu64 a) {
  return f64_from_top53_less(_mm_xor_si128(a, _mm_set1_epi64x((long long)(1ULL << 63))), 0x1p52);
}
IC_INLINE vf64 f64_exponent(vf64 a) {
  const __m128i field = _mm_srli_epi64(_mm_slli_epi64(U64(a), 1), 53);
  return _mm_sub_pd(_mm_or_pd(F64(field), _mm_set1_pd(0x1p52)), _mm_set1_pd(0x1p52 + 1023));
}
IC_INLINE vf64 f64_half_mantissa(vf64 a) {
  return _mm_or_pd(_mm_and_pd(a, F64(_mm_set1_epi64x(0x000fffffffffffff))), _mm_set1_pd(0.5));
}
IC_INLINE vf64 f64_flip(vf64 a, vu64 s) { return _mm_xor_pd(a, _mm_and_pd(F64(s), _mm_set1_pd(-0.0))); }
IC_INLINE vf64 f64_select(vm64 m, vf64 a, vf64 b) { return F64(bits_select(U64(m), U64(a), U64(b))); }
IC_INLINE vf64 f64_if_less(vf64 a, vf64 b, vf64 x, vf64 y) { return f64_select(_mm_cmplt_pd(a, b), x, y); }
IC_INLINE vf64 f64_sub_or(vm64 m, vf64 a, vf64 b, vf64 other) { return f64_select(m, _mm_sub_pd(a, b), other); }
IC_INLINE vf64 f64_fma_or_zero(vm64 m, vf64 a, vf64 b, vf64 c) { return _mm_and_pd(m, f64_fma(a, b, c)); }

/* Stores: 4 * IC_COUNTERS elements in the order of the stream. Non-temporal ones need a 64-byte boundary. */
IC_INLINE void bytes_store(uint8_t *out, __m128i v, int nontemporal) {
  if (nontemporal)
    _mm_stream_si128((__m128i *)(void *)out, v);
  else
    _mm_storeu_si128((__m128i *)(void *)out, v);
}
/* Whole lines of 64 bytes past the caches; both on a 64-byte boundary */
IC_INLINE void nt_lines(uint8_t *out, const uint8_t *in, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 16) bytes_store(out + i, _mm_load_si128((const void *)(in + i)), 1);
}
IC_INLINE void u32_store_pairs(uint8_t *out, vu32 even, vu32 odd, int nontemporal) {
  vu32 v[2];
  u32_in_order(even, odd, v);
  for (int i = 0; i < 2; i++) bytes_store(out + 16 * i, v[i], nontemporal);
}
IC_INLINE void f32_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  u32_store_pairs(out, U32(even.single), U32(odd.single), nontemporal);
}
/* The magnitudes of halves; see half_of of half.h */
IC_INLINE __m128i halves_of(__m128i bits) {
  const __m128i magnitude = _mm_and_si128(bits, _mm_set1_epi32(0x7fffffff));
  const __m128i odd = _mm_and_si128(_mm_srli_epi32(magnitude, 13), _mm_set1_epi32(1));
  const __m128i rounded = _mm_add_epi32(_mm_sub_epi32(magnitude, _mm_set1_epi32(0x38000000 - 0xfff)), odd);
  const __m128i shifted = U32(_mm_add_ps(F32(magnitude), _mm_set1_ps(0.5f)));
  const __m128i small = _mm_cmpgt_epi32(_mm_set1_epi32(0x38800000), magnitude);
  const __m128i large = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x47800000 - 1));
  const __m128i half =
      bits_select(small, _mm_sub_epi32(shifted, _mm_set1_epi32(0x3f000000)), _mm_srli_epi32(rounded, 13));
  return bits_select(large, _mm_set1_epi32(0x7c00), half);
}
IC_INLINE void f16_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  vu32 v[2];
  u32_in_order(U32(even.single), U32(odd.single), v);
  const __m128i signs = _mm_slli_epi16(_mm_packs_epi32(top_bits(v[0]), top_bits(v[1])), 15);
  bytes_store(out, _mm_or_si128(_mm_packs_epi32(halves_of(v[0]), halves_of(v[1])), signs), nontemporal);
}
/* The high halves of even and odd, as 16-bit elements */
IC_INLINE void high16_store_pairs(uint8_t *out, vu32 even, vu32 odd, int nontemporal) {
  vu32 v[2];
  u32_in_order(even, odd, v);
  bytes_store(out, _mm_packs_epi32(_mm_srai_epi32(v[0], 16), _mm_srai_epi32(v[1], 16)), nontemporal);
}
/* Word by word of each counter, to counter by counter */
IC_INLINE void f64_in_order(const vf64 z[4], vf64 v[4]) {
  v[0] = _mm_unpacklo_pd(z[0], z[1]), v[1] = _mm_unpacklo_pd(z[2], z[3]);
  v[2] = _mm_unpackhi_pd(z[0], z[1]), v[3] = _mm_unpackhi_pd(z[2], z[3]);
}
IC_INLINE void f64_store_quads(uint8_t *out, const vf64 z[4], int nontemporal) {
  vf64 v[4];
  f64_in_order(z, v);
  for (int i = 0; i < 4; i++) bytes_store(out + 16 * i, U64(v[i]), nontemporal);
}
IC_INLINE uint32_t f64_inside(const vf64 z[4], double low, double high) {
  const vf64 l = f64_set1(low), h = f64_set1(high);
  vf64 v[4];
  uint32_t bits = 0;
  f64_in_order(z, v);
  for (int i = 0; i < 4; i++)
    bits |= (uint32_t)_mm_movemask_pd(_mm_and_pd(_mm_cmpge_pd(v[i], l), _mm_cmple_pd(v[i], h))) << 2 * i;
  return bits;
}
/* Lanes as they come */
IC_INLINE vu32 u32_load(const uint32_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
IC_INLINE void u32_store(uint32_t *p, vu32 a) { _mm_storeu_si128((__m128i *)(void *)p, a); }
IC_INLINE vu32 u32_min(vu32 a, vu32 b) {
  const __m128i sign = _mm_set1_epi32((int)0x80000000);
  return bits_select(_mm_cmpgt_epi32(_mm_xor_si128(b, sign), _mm_xor_si128(a, sign)), a, b);
}
/* See avx512.h; numbers below 2^31 */
IC_INLINE uint64_t u32_pairs_at_most(vu32 high, vu32 low, vu32 bound_high, vu32 bound_low) {
  const __m128i low_above = _mm_cmpgt_epi32(low, bound_low), same = _mm_cmpeq_epi32(high, bound_high);
  const __m128i above = _mm_or_si128(_mm_cmpgt_epi32(high, bound_high), _mm_and_si128(same, low_above));
  return (uint64_t)_mm_movemask_ps(F32(above)) ^ 15;
}
/* table[at]; see avx512.h */
IC_INLINE vu32 u32_look_up(const uint32_t *table, uint32_t most, vu32 at) {
  uint32_t place[4];
  (void)most;
  u32_store(place, at);
  return _mm_setr_epi32((int)table[place[0]], (int)table[place[1]], (int)table[place[2]], (int)table[place[3]]);
}
/* Bytes */
IC_INLINE vu8 u8_set1(uint8_t x) { return _mm_set1_epi8((char)x); }
IC_INLINE vu8 u8_load(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
IC_INLINE void u8_store(uint8_t *p, vu8 a) { _mm_storeu_si128((__m128i *)(void *)p, a); }
IC_INLINE vu8 u8_add(vu8 a, vu8 b) { return _mm_add_epi8(a, b); }
IC_INLINE vu8 u8_sub(vu8 a, vu8 b) { return _mm_sub_epi8(a, b); }
IC_INLINE vu8 u8_min(vu8 a, vu8 b) { return _mm_min_epu8(a, b); }
IC_INLINE vu8 u8_select(vu8 mask, vu8 a, vu8 b) { return bits_select(mask, a, b); }
#define u8_zip(half, bits, a, b) _mm_unpack##half##_epi##bits(a, b) /* see avx512.h */
IC_INLINE vu8 u8_select_below(vu8 a, vu8 b, vu8 then, vu8 otherwise) {
  return bits_select(_mm_cmpeq_epi8(_mm_max_epu8(a, b), a), otherwise, then);
}
IC_INLINE uint64_t u8_pairs_at_most(vu8 high, vu8 low, vu8 bound_high, vu8 bound_low) {
  const vu8 not_above = _mm_cmpeq_epi8(u8_min(high, bound_high), high), same = _mm_cmpeq_epi8(high, bound_high);
  const vu8 low_not_above = _mm_cmpeq_epi8(u8_min(low, bound_low), low);
  return (uint64_t)_mm_movemask_epi8(_mm_andnot_si128(_mm_andnot_si128(low_not_above, same), not_above));
}
IC_INLINE vu8 u8_look_up(const uint8_t *table, uint32_t most, vu8 at) {
  uint8_t byte[16];
  (void)most;
  u8_store(byte, at);
  for (int i = 0; i < 16; i++) byte[i] = table[byte[i]];
  return u8_load(byte);
}
/* See avx512.h */
IC_INLINE void cleared(uint8_t *out, __m128i kept) { u8_store(out, _mm_and_si128(u8_load(out), kept)); }
IC_INLINE void u16_clear(uint8_t *out, uint64_t bits) {
  const __m128i each = _mm_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128);
  cleared(out, _mm_cmpeq_epi16(_mm_and_si128(_mm_set1_epi16((short)bits), each), _mm_setzero_si128()));
}
IC_INLINE void u32_clear(uint8_t *out, uint64_t bits) {
  const __m128i each = _mm_setr_epi32(1, 2, 4, 8);
  cleared(out, _mm_cmpeq_epi32(_mm_and_si128(_mm_set1_epi32((int)bits), each), _mm_setzero_si128()));
}
IC_INLINE void u64_clear(uint8_t *out, uint64_t bits) {
  const __m128i each = _mm_setr_epi32(1, 1, 2, 2);
  cleared(out, _mm_cmpeq_epi32(_mm_and_si128(_mm_set1_epi32((int)bits), each), _mm_setzero_si128()));
}
IC_INLINE vf32 f32_load(const float *p) { return f32_of_single(_mm_loadu_ps(p)); }
IC_INLINE void f32_store(float *p, vf32 a) { _mm_storeu_ps(p, a.single); }
IC_INLINE vu64 u64_load(const uint64_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
IC_INLINE void u64_store(uint64_t *p, vu64 a) { _mm_storeu_si128((__m128i *)(void *)p, a); }
IC_INLINE vf64 f64_load(const double *p) { return _mm_loadu_pd(p); }
IC_INLINE void f64_store(double *p, vf64 a) { _mm_storeu_pd(p, a); }

static void nt_fence(void) { _mm_sfence(); }
