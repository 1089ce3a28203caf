/* Plain C: one Philox counter, its two pairs of words side by side. The reference that every other set equals.
 *
 * Multiply-adds and square roots are exact by IEEE 754, in hardware where the target has them. */
#include "vec/fma.h"

#define IC_FEATURES 0
#define IC_COUNTERS 1
#define IC_FLIGHT 1
#define IC_FLIGHT_LIGHT 1
#define IC_FLIGHT_PLANES 1
#define IC_FLIGHT64 1
#define IC_FLIGHT64_LIGHT 1
#define IC_FLIGHT64_PLANES 1
#define IC_SURE 0
#define IC_LANES8 1
#define IC_CLEAR_BYTES 0 /* no vectors */
#define IC_LANES32 2
#define IC_LANES64 1
#define IC_TILE_ROWS 4

typedef uint32_t vctr;
typedef uint8_t vu8;
typedef uint64_t vprod, vu64;
typedef double vf64;
typedef int vm64;
typedef struct {
  uint32_t v[2];
} vu32;
typedef struct {
  float v[2];
} vf32;
typedef struct {
  int v[2];
} vm32;

/* Philox words and 64-bit products */
IC_INLINE vctr ctr_set1(uint32_t x) { return x; }
IC_INLINE vctr ctr_lanes(uint64_t first) { return (uint32_t)first; }
IC_INLINE void ctr_load(const uint64_t *blocks, uint64_t further, vctr *low, vctr *high) {
  *low = (uint32_t)(*blocks + further);
  *high = (uint32_t)((*blocks + further) >> 32);
}
/* a where the top bit of s is set, else b */
IC_INLINE vctr ctr_select(vctr s, vctr a, vctr b) { return s >> 31 ? a : b; }
IC_INLINE vprod ctr_mul(vctr a, vctr b) { return (uint64_t)a * b; }
IC_INLINE vctr ctr_and(vctr a, vctr b) { return a & b; }
IC_INLINE vctr ctr_xor(vctr a, vctr b) { return a ^ b; }
IC_INLINE vctr ctr_xor3(vctr a, vctr b, vctr c) { return a ^ b ^ c; }
IC_INLINE vprod prod_add(vprod p, uint64_t x) { return p + x; }
IC_INLINE vctr prod_high(vprod p) { return (uint32_t)(p >> 32); }
IC_INLINE vctr prod_low(vprod p) { return (uint32_t)p; }

/* Two words of each counter side by side, the first in the even lane */
IC_INLINE vu32 ctr_pair(vctr a, vctr b) { return IC_OF(vu32){{a, b}}; }
IC_INLINE vu32 prod_pair_high(vprod a, vprod b) { return ctr_pair(prod_high(a), prod_high(b)); }
IC_INLINE vu32 prod_pair_low(vprod a, vprod b) { return ctr_pair(prod_low(a), prod_low(b)); }
IC_INLINE vu64 ctr_join(vctr low, vctr high) { return (uint64_t)high << 32 | low; }
IC_INLINE vu32 u32_set1_pair(uint32_t even, uint32_t odd) { return ctr_pair(even, odd); }

#define EACH(type, expression)                            \
  type result;                                            \
  for (int i = 0; i < 2; i++) result.v[i] = (expression); \
  return result

IC_INLINE uint64_t double_bits(double x) {
  uint64_t bits;
  memcpy(&bits, &x, 8);
  return bits;
}
IC_INLINE double double_of(uint64_t bits) {
  double x;
  memcpy(&x, &bits, 8);
  return x;
}

/* 32-bit integers */
IC_INLINE vu32 u32_shl(vu32 a, int n) { EACH(vu32, a.v[i] << n); }
IC_INLINE vu32 u32_shr(vu32 a, int n) { EACH(vu32, a.v[i] >> n); }
IC_INLINE vu32 u32_set1(uint32_t x) { EACH(vu32, x); }
IC_INLINE vu32 u32_add(vu32 a, vu32 b) { EACH(vu32, a.v[i] + b.v[i]); }
IC_INLINE vu32 u32_sub(vu32 a, vu32 b) { EACH(vu32, a.v[i] - b.v[i]); }
IC_INLINE vu32 u32_and(vu32 a, vu32 b) { EACH(vu32, a.v[i] & b.v[i]); }
IC_INLINE vu32 u32_xor3(vu32 a, vu32 b, vu32 c) { EACH(vu32, a.v[i] ^ b.v[i] ^ c.v[i]); }
IC_INLINE vm32 u32_bit30(vu32 a) { EACH(vm32, (int)(a.v[i] >> 30 & 1)); }
IC_INLINE vm32 u32_not_negative(vu32 a) { EACH(vm32, a.v[i] < 0x80000000u); }

/* float32 */
IC_INLINE vf32 f32_set1(float x) { EACH(vf32, x); }
IC_INLINE vf32 f32_from_i32(vu32 a) { EACH(vf32, (float)(int32_t)a.v[i]); }
/* a whole number; 2^31 becomes -2^31 */
#ifndef IC_WHOLE_OF
#define IC_WHOLE_OF(x) ((uint32_t)(int64_t)(x))
#endif
IC_INLINE vu32 f32_to_i32(vf32 a) { EACH(vu32, IC_WHOLE_OF(a.v[i])); }
IC_INLINE vu32 f32_bits(vf32 a) { EACH(vu32, float_bits(a.v[i])); }
IC_INLINE vf32 f32_from_bits(vu32 a) { EACH(vf32, float_of(a.v[i])); }
IC_INLINE vf32 f32_mul(vf32 a, vf32 b) { EACH(vf32, a.v[i] * b.v[i]); }
IC_INLINE vf32 f32_fma(vf32 a, vf32 b, vf32 c) { EACH(vf32, fma_f32(a.v[i], b.v[i], c.v[i])); }
IC_INLINE vf32 f32_sqrt(vf32 a) { EACH(vf32, sqrtf(a.v[i])); }
IC_INLINE vf32 f32_min(vf32 a, vf32 b) { EACH(vf32, a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }
IC_INLINE vf32 f32_max(vf32 a, vf32 b) { EACH(vf32, a.v[i] > b.v[i] ? a.v[i] : b.v[i]); }
/* floor(log2 |a|), and |a| scaled by a power of two into [1/2, 1) */
IC_INLINE vf32 f32_exponent(vf32 a) { EACH(vf32, (float)((int)(float_bits(a.v[i]) >> 23 & 0xff) - 127)); }
IC_INLINE vf32 f32_half_mantissa(vf32 a) { EACH(vf32, float_of((float_bits(a.v[i]) & 0x007fffff) | 0x3f000000)); }
/* a with its sign turned where the top bit of s is set */
IC_INLINE vf32 f32_flip(vf32 a, vu32 s) { EACH(vf32, float_of(float_bits(a.v[i]) ^ (s.v[i] & 0x80000000u))); }
IC_INLINE vf32 f32_select(vm32 m, vf32 a, vf32 b) { EACH(vf32, m.v[i] ? a.v[i] : b.v[i]); }
IC_INLINE vf32 f32_sub_or(vm32 m, vf32 a, vf32 b, vf32 other) { EACH(vf32, m.v[i] ? a.v[i] - b.v[i] : other.v[i]); }
IC_INLINE vf32 f32_fma_short_or_zero(vm32 m, vf32 a, vf32 b, vf32 c) {
  EACH(vf32, m.v[i] ? fma_f32(a.v[i], b.v[i], c.v[i]) : 0.0f);
}

IC_INLINE vf32 f32_sub(vf32 a, vf32 b) { EACH(vf32, a.v[i] - b.v[i]); }
IC_INLINE vf32 f32_add(vf32 a, vf32 b) { EACH(vf32, a.v[i] + b.v[i]); }
/* x where a < b, else y */
IC_INLINE vf32 f32_if_less(vf32 a, vf32 b, vf32 x, vf32 y) { EACH(vf32, a.v[i] < b.v[i] ? x.v[i] : y.v[i]); }
/* A bit for each of a group's elements, in the order of the stream: low <= value <= high. NaN is outside. */
IC_INLINE uint32_t f32_inside(const vf32 value[2], float low, float high) {
  uint32_t bits = 0;
  for (int i = 0; i < 4; i++) bits |= (uint32_t)(low <= value[i % 2].v[i / 2] && value[i % 2].v[i / 2] <= high) << i;
  return bits;
}

/* 64-bit integers and float64 */
IC_INLINE vu64 u64_shl(vu64 a, int n) { return a << n; }
IC_INLINE vu64 u64_rotr(vu64 a, int n) { return a >> n | a << (64 - n); }
IC_INLINE vu64 u64_set1(uint64_t x) { return x; }
IC_INLINE vu64 u64_add(vu64 a, vu64 b) { return a + b; }
IC_INLINE vu64 u64_and(vu64 a, vu64 b) { return a & b; }
IC_INLINE vu64 u64_xor(vu64 a, vu64 b) { return a ^ b; }
IC_INLINE vm64 u64_bit62(vu64 a) { return (int)(a >> 62 & 1); }
IC_INLINE vm64 u64_not_negative(vu64 a) { return a >> 63 == 0; }
IC_INLINE vf64 f64_set1(double x) { return x; }
/* the top 53 bits as an integer: unsigned, and in two's complement */
IC_INLINE vf64 f64_from_top53(vu64 a) { return (double)(a >> 11); }
IC_INLINE vf64 f64_from_top53_signed(vu64 a) {
  return (double)((int64_t)((a ^ 1ull << 63) >> 11) - ((int64_t)1 << 52));
}
IC_INLINE vf64 f64_mul(vf64 a, vf64 b) { return a * b; }
IC_INLINE vf64 f64_fma(vf64 a, vf64 b, vf64 c) { return fma_f64(a, b, c); }
IC_INLINE vf64 f64_sqrt(vf64 a) { return sqrt(a); }
IC_INLINE vf64 f64_min(vf64 a, vf64 b) { return a < b ? a : b; }
IC_INLINE vf64 f64_exponent(vf64 a) { return (double)((int)(double_bits(a) >> 52 & 0x7ff) - 1023); }
IC_INLINE vf64 f64_half_mantissa(vf64 a) {
  return double_of((double_bits(a) & 0x000fffffffffffff) | 0x3fe0000000000000);
}
IC_INLINE vf64 f64_flip(vf64 a, vu64 s) { return double_of(double_bits(a) ^ (s & 1ull << 63)); }
IC_INLINE vf64 f64_sub(vf64 a, vf64 b) { return a - b; }
IC_INLINE vf64 f64_add(vf64 a, vf64 b) { return a + b; }
IC_INLINE vf64 f64_if_less(vf64 a, vf64 b, vf64 x, vf64 y) { return a < b ? x : y; }
IC_INLINE vf64 f64_select(vm64 m, vf64 a, vf64 b) { return m ? a : b; }
IC_INLINE vf64 f64_sub_or(vm64 m, vf64 a, vf64 b, vf64 other) { return m ? a - b : other; }
IC_INLINE vf64 f64_fma_or_zero(vm64 m, vf64 a, vf64 b, vf64 c) { return m ? fma_f64(a, b, c) : 0.0; }

/* Stores: 4 * IC_COUNTERS elements in the order of the stream. Nothing streams here. */
IC_INLINE void u32_store_pairs(uint8_t *out, vu32 even, vu32 odd, int nontemporal) {
  const uint32_t words[4] = {even.v[0], odd.v[0], even.v[1], odd.v[1]};
  (void)nontemporal;
  memcpy(out, words, sizeof words);
}
IC_INLINE void f32_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  u32_store_pairs(out, f32_bits(even), f32_bits(odd), nontemporal);
}
IC_INLINE void u16_store_pairs(uint8_t *out, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  const uint16_t halves[4] = {(uint16_t)a, (uint16_t)b, (uint16_t)c, (uint16_t)d};
  memcpy(out, halves, sizeof halves);
}
IC_INLINE void f16_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  (void)nontemporal;
  u16_store_pairs(out, half_of(even.v[0]), half_of(odd.v[0]), half_of(even.v[1]), half_of(odd.v[1]));
}
/* The high halves of even and odd, as 16-bit elements */
IC_INLINE void high16_store_pairs(uint8_t *out, vu32 even, vu32 odd, int nontemporal) {
  (void)nontemporal;
  u16_store_pairs(out, even.v[0] >> 16, odd.v[0] >> 16, even.v[1] >> 16, odd.v[1] >> 16);
}
IC_INLINE void f64_store_quads(uint8_t *out, const vf64 z[4], int nontemporal) {
  (void)nontemporal;
  memcpy(out, z, 32);
}
IC_INLINE uint32_t f64_inside(const vf64 z[4], double low, double high) {
  uint32_t bits = 0;
  for (int i = 0; i < 4; i++) bits |= (uint32_t)(low <= z[i] && z[i] <= high) << i;
  return bits;
}
/* Lanes as they come */
IC_INLINE vu32 u32_load(const uint32_t *p) { EACH(vu32, p[i]); }
IC_INLINE void u32_store(uint32_t *p, vu32 a) { p[0] = a.v[0], p[1] = a.v[1]; }
IC_INLINE vu32 u32_min(vu32 a, vu32 b) { EACH(vu32, a.v[i] < b.v[i] ? a.v[i] : b.v[i]); }
IC_INLINE uint64_t u32_pairs_at_most(vu32 high, vu32 low, vu32 bound_high, vu32 bound_low) {
  uint64_t bits = 0;
  for (int i = 0; i < 2; i++) {
    const uint64_t pair = (uint64_t)high.v[i] << 32 | low.v[i];
    bits |= (uint64_t)(pair <= ((uint64_t)bound_high.v[i] << 32 | bound_low.v[i])) << i;
  }
  return bits;
}
/* table[at]; see avx512.h */
IC_INLINE vu32 u32_look_up(const uint32_t *table, uint32_t most, vu32 at) {
  (void)most;
  EACH(vu32, table[at.v[i]]);
}
/* Bytes */
IC_INLINE vu8 u8_set1(uint8_t x) { return x; }
IC_INLINE vu8 u8_load(const uint8_t *p) { return *p; }
IC_INLINE void u8_store(uint8_t *p, vu8 a) { *p = a; }
IC_INLINE vu8 u8_add(vu8 a, vu8 b) { return (vu8)(a + b); }
IC_INLINE vu8 u8_sub(vu8 a, vu8 b) { return (vu8)(a - b); }
IC_INLINE vu8 u8_min(vu8 a, vu8 b) { return a < b ? a : b; }
IC_INLINE vu8 u8_select_below(vu8 a, vu8 b, vu8 then, vu8 otherwise) { return a < b ? then : otherwise; }
IC_INLINE uint64_t u8_pairs_at_most(vu8 high, vu8 low, vu8 bound_high, vu8 bound_low) {
  return ((unsigned)high << 8 | low) <= ((unsigned)bound_high << 8 | bound_low);
}
IC_INLINE vu8 u8_look_up(const uint8_t *table, uint32_t most, vu8 at) {
  (void)most;
  return table[at];
}
IC_INLINE vf32 f32_load(const float *p) { EACH(vf32, p[i]); }
IC_INLINE void f32_store(float *p, vf32 a) { memcpy(p, a.v, 8); }
IC_INLINE vu64 u64_load(const uint64_t *p) { return *p; }
IC_INLINE void u64_store(uint64_t *p, vu64 a) { *p = a; }
IC_INLINE vf64 f64_load(const double *p) { return *p; }
IC_INLINE void f64_store(double *p, vf64 a) { *p = a; }

/* Past the caches, where that can be said; here it cannot */
IC_INLINE void nt_lines(uint8_t *out, const uint8_t *in, size_t bytes) { memcpy(out, in, bytes); }

static void nt_fence(void) {}
#undef EACH
