/* AArch64 NEON: 4 Philox counters, 8 float or 4 double lanes, in two registers.
 *
 * A register of words carries counters 0, 1, 2, 3. The even lanes of avx2.h are the first register of a vu32 here and
 * the odd ones the second, so that pairs are free and the stores interleave. Of 64-bit lanes the first register has
 * counters 0 and 1, the second 2 and 3. A mask is all ones or all zeros in each lane.
 *
 * No store is non-temporal: these processors find by themselves that whole lines are being written. */
#if (!defined(__aarch64__) && !defined(_M_ARM64)) || defined(__AARCH64EB__)
#error "this instruction set is for little-endian AArch64"
#endif
#include <arm_neon.h>

#define IC_FEATURES 0
#define IC_COUNTERS 4
/* In LLVM's models of Neoverse N1 and V1 one group more takes 4 to 19 % more cycles, as it spills; 15 to 32 % in
 * double. Where a value takes little more than its bits, two are 5 to 19 % faster than one, and three no faster. */
#define IC_FLIGHT 1
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
#define IC_TILE_ROWS 4 /* by 3 vectors of sums: with one row of 3 and a broadcast, 31 of 32 registers */

typedef uint32x4_t vctr;
typedef uint8x16_t vu8;
typedef struct {
  uint32x4_t v[2];
} vu32, vm32;
typedef struct {
  float32x4_t v[2];
} vf32;
typedef struct {
  uint64x2_t v[2];
} vprod, vu64, vm64;
typedef struct {
  float64x2_t v[2];
} vf64;

#define EACH(type, expression)                            \
  type result;                                            \
  for (int i = 0; i < 2; i++) result.v[i] = (expression); \
  return result

#define U32(a) vreinterpretq_u32_f32(a)
#define F32(a) vreinterpretq_f32_u32(a)
#define U64(a) vreinterpretq_u64_f64(a)
#define F64(a) vreinterpretq_f64_u64(a)
#define WORDS(a) vreinterpretq_u32_u64(a)

/* Philox words and 64-bit products */
IC_INLINE vctr ctr_set1(uint32_t x) { return vdupq_n_u32(x); }
IC_INLINE vctr ctr_lanes(uint64_t first) {
  static const uint32_t lanes[4] = {0, 1, 2, 3};
  return vaddq_u32(vdupq_n_u32((uint32_t)first), vld1q_u32(lanes));
}
IC_INLINE void ctr_load(const uint64_t *blocks, uint64_t further, vctr *low, vctr *high) {
  const uint64x2_t more = vdupq_n_u64(further);
  const uint32x4_t a = WORDS(vaddq_u64(vld1q_u64(blocks), more)), b = WORDS(vaddq_u64(vld1q_u64(blocks + 2), more));
  *low = vuzp1q_u32(a, b);
  *high = vuzp2q_u32(a, b);
}
/* a where the top bit of s is set, else b */
IC_INLINE vctr ctr_select(vctr s, vctr a, vctr b) { return vbslq_u32(vcltzq_s32(vreinterpretq_s32_u32(s)), a, b); }
IC_INLINE vprod ctr_mul(vctr a, vctr b) {
  return (vprod){{vmull_u32(vget_low_u32(a), vget_low_u32(b)), vmull_high_u32(a, b)}};
}
IC_INLINE vctr ctr_and(vctr a, vctr b) { return vandq_u32(a, b); }
IC_INLINE vctr ctr_xor(vctr a, vctr b) { return veorq_u32(a, b); }
#if defined(__ARM_FEATURE_SHA3) /* in all of Apple's */
IC_INLINE vctr ctr_xor3(vctr a, vctr b, vctr c) { return veor3q_u32(a, b, c); }
#else
IC_INLINE vctr ctr_xor3(vctr a, vctr b, vctr c) { return veorq_u32(veorq_u32(b, c), a); }
#endif
IC_INLINE vprod prod_add(vprod p, uint64_t x) { EACH(vprod, vaddq_u64(p.v[i], vdupq_n_u64(x))); }
IC_INLINE vctr prod_high(vprod p) { return vuzp2q_u32(WORDS(p.v[0]), WORDS(p.v[1])); }
IC_INLINE vctr prod_low(vprod p) { return vuzp1q_u32(WORDS(p.v[0]), WORDS(p.v[1])); }

/* Two words of each counter, each in a register */
IC_INLINE vu32 ctr_pair(vctr a, vctr b) { return (vu32){{a, b}}; }
IC_INLINE vu32 prod_pair_high(vprod a, vprod b) { return ctr_pair(prod_high(a), prod_high(b)); }
IC_INLINE vu32 prod_pair_low(vprod a, vprod b) { return ctr_pair(prod_low(a), prod_low(b)); }
IC_INLINE vu64 ctr_join(vctr low, vctr high) {
  return (vu64){{vreinterpretq_u64_u32(vzip1q_u32(low, high)), vreinterpretq_u64_u32(vzip2q_u32(low, high))}};
}
IC_INLINE vu32 u32_set1_pair(uint32_t even, uint32_t odd) { return ctr_pair(ctr_set1(even), ctr_set1(odd)); }

/* 32-bit integers */
#define u32_shl(a, n) ((vu32){{vshlq_n_u32((a).v[0], n), vshlq_n_u32((a).v[1], n)}})
#define u32_shr(a, n) ((vu32){{vshrq_n_u32((a).v[0], n), vshrq_n_u32((a).v[1], n)}})
IC_INLINE vu32 u32_set1(uint32_t x) { EACH(vu32, vdupq_n_u32(x)); }
IC_INLINE vu32 u32_add(vu32 a, vu32 b) { EACH(vu32, vaddq_u32(a.v[i], b.v[i])); }
IC_INLINE vu32 u32_sub(vu32 a, vu32 b) { EACH(vu32, vsubq_u32(a.v[i], b.v[i])); }
IC_INLINE vu32 u32_and(vu32 a, vu32 b) { EACH(vu32, vandq_u32(a.v[i], b.v[i])); }
IC_INLINE vu32 u32_xor3(vu32 a, vu32 b, vu32 c) { EACH(vu32, ctr_xor3(a.v[i], b.v[i], c.v[i])); }
IC_INLINE vm32 u32_bit30(vu32 a) { EACH(vm32, vtstq_u32(a.v[i], vdupq_n_u32(0x40000000))); }
IC_INLINE vm32 u32_not_negative(vu32 a) { EACH(vm32, vcgezq_s32(vreinterpretq_s32_u32(a.v[i]))); }

/* float32 */
IC_INLINE vf32 f32_set1(float x) { EACH(vf32, vdupq_n_f32(x)); }
IC_INLINE vf32 f32_from_i32(vu32 a) { EACH(vf32, vcvtq_f32_s32(vreinterpretq_s32_u32(a.v[i]))); }
/* a whole number, positive or negative, modulo 2^32 */
IC_INLINE vu32 f32_to_i32(vf32 a) {
  EACH(vu32, vbslq_u32(vcgeq_f32(a.v[i], vdupq_n_f32(0x1p31f)), vdupq_n_u32(0x80000000),
                       vreinterpretq_u32_s32(vcvtq_s32_f32(a.v[i]))));
}
IC_INLINE vu32 f32_bits(vf32 a) { EACH(vu32, U32(a.v[i])); }
IC_INLINE vf32 f32_from_bits(vu32 a) { EACH(vf32, F32(a.v[i])); }
IC_INLINE vf32 f32_mul(vf32 a, vf32 b) { EACH(vf32, vmulq_f32(a.v[i], b.v[i])); }
IC_INLINE vf32 f32_fma(vf32 a, vf32 b, vf32 c) { EACH(vf32, vfmaq_f32(c.v[i], a.v[i], b.v[i])); }
IC_INLINE vf32 f32_sqrt(vf32 a) { EACH(vf32, vsqrtq_f32(a.v[i])); }
/* b if they are equal, as elsewhere, zeros of either sign too: fmin has -0 below +0 */
IC_INLINE vf32 f32_min(vf32 a, vf32 b) { EACH(vf32, vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
IC_INLINE vf32 f32_max(vf32 a, vf32 b) { EACH(vf32, vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i])); }
/* floor(log2 |a|), and |a| scaled by a power of two into [1/2, 1) */
IC_INLINE vf32 f32_exponent(vf32 a) {
  const uint32x4_t field = vdupq_n_u32(0x7f800000);
  EACH(vf32, vsubq_f32(vcvtq_n_f32_u32(vandq_u32(U32(a.v[i]), field), 23), vdupq_n_f32(127.0f)));
}
IC_INLINE vf32 f32_half_mantissa(vf32 a) { EACH(vf32, vbslq_f32(vdupq_n_u32(0x007fffff), a.v[i], vdupq_n_f32(0.5f))); }
/* a with its sign turned where the top bit of s is set */
IC_INLINE vf32 f32_flip(vf32 a, vu32 s) {
  EACH(vf32, F32(veorq_u32(U32(a.v[i]), vandq_u32(s.v[i], vdupq_n_u32(0x80000000)))));
}
IC_INLINE vf32 f32_sub(vf32 a, vf32 b) { EACH(vf32, vsubq_f32(a.v[i], b.v[i])); }
IC_INLINE vf32 f32_add(vf32 a, vf32 b) { EACH(vf32, vaddq_f32(a.v[i], b.v[i])); }
/* x where a < b, else y */
IC_INLINE vf32 f32_if_less(vf32 a, vf32 b, vf32 x, vf32 y) {
  EACH(vf32, vbslq_f32(vcltq_f32(a.v[i], b.v[i]), x.v[i], y.v[i]));
}
IC_INLINE vf32 f32_select(vm32 m, vf32 a, vf32 b) { EACH(vf32, vbslq_f32(m.v[i], a.v[i], b.v[i])); }
IC_INLINE vf32 f32_sub_or(vm32 m, vf32 a, vf32 b, vf32 other) {
  EACH(vf32, vbslq_f32(m.v[i], vsubq_f32(a.v[i], b.v[i]), other.v[i]));
}
IC_INLINE vf32 f32_fma_short_or_zero(vm32 m, vf32 a, vf32 b, vf32 c) {
  EACH(vf32, F32(vandq_u32(m.v[i], U32(vfmaq_f32(c.v[i], a.v[i], b.v[i])))));
}

/* 64-bit integers and float64 */
#define u64_shl(a, n) ((vu64){{vshlq_n_u64((a).v[0], n), vshlq_n_u64((a).v[1], n)}})
#define rotr_u64x2(a, n) vorrq_u64(vshrq_n_u64(a, n), vshlq_n_u64(a, 64 - (n)))
#define u64_rotr(a, n) ((vu64){{rotr_u64x2((a).v[0], n), rotr_u64x2((a).v[1], n)}})
IC_INLINE vu64 u64_set1(uint64_t x) { EACH(vu64, vdupq_n_u64(x)); }
IC_INLINE vu64 u64_add(vu64 a, vu64 b) { EACH(vu64, vaddq_u64(a.v[i], b.v[i])); }
IC_INLINE vu64 u64_and(vu64 a, vu64 b) { EACH(vu64, vandq_u64(a.v[i], b.v[i])); }
IC_INLINE vu64 u64_xor(vu64 a, vu64 b) { EACH(vu64, veorq_u64(a.v[i], b.v[i])); }
IC_INLINE vm64 u64_bit62(vu64 a) { EACH(vm64, vtstq_u64(a.v[i], vdupq_n_u64(1ull << 62))); }
IC_INLINE vm64 u64_not_negative(vu64 a) { EACH(vm64, vcgezq_s64(vreinterpretq_s64_u64(a.v[i]))); }
IC_INLINE vf64 f64_set1(double x) { EACH(vf64, vdupq_n_f64(x)); }
/* the top 53 bits as an integer: unsigned, and in two's complement */
IC_INLINE vf64 f64_from_top53(vu64 a) { EACH(vf64, vcvtq_f64_u64(vshrq_n_u64(a.v[i], 11))); }
IC_INLINE vf64 f64_from_top53_signed(vu64 a) {
  EACH(vf64, vcvtq_f64_s64(vshrq_n_s64(vreinterpretq_s64_u64(a.v[i]), 11)));
}
IC_INLINE vf64 f64_mul(vf64 a, vf64 b) { EACH(vf64, vmulq_f64(a.v[i], b.v[i])); }
IC_INLINE vf64 f64_fma(vf64 a, vf64 b, vf64 c) { EACH(vf64, vfmaq_f64(c.v[i], a.v[i], b.v[i])); }
IC_INLINE vf64 f64_sqrt(vf64 a) { EACH(vf64, vsqrtq_f64(a.v[i])); }
IC_INLINE vf64 f64_min(vf64 a, vf64 b) { EACH(vf64, vbslq_f64(vcltq_f64(a.v[i], b.v[i]), a.v[i], b.v[i])); }
IC_INLINE vf64 f64_exponent(vf64 a) {
  const uint64x2_t field = vdupq_n_u64(0x7ff0000000000000);
  EACH(vf64, vsubq_f64(vcvtq_n_f64_u64(vandq_u64(U64(a.v[i]), field), 52), vdupq_n_f64(1023.0)));
}
IC_INLINE vf64 f64_half_mantissa(vf64 a) {
  EACH(vf64, vbslq_f64(vdupq_n_u64(0x000fffffffffffff), a.v[i], vdupq_n_f64(0.5)));
}
IC_INLINE vf64 f64_flip(vf64 a, vu64 s) {
  EACH(vf64, F64(veorq_u64(U64(a.v[i]), vandq_u64(s.v[i], vdupq_n_u64(1ull << 63)))));
}
IC_INLINE vf64 f64_sub(vf64 a, vf64 b) { EACH(vf64, vsubq_f64(a.v[i], b.v[i])); }
IC_INLINE vf64 f64_add(vf64 a, vf64 b) { EACH(vf64, vaddq_f64(a.v[i], b.v[i])); }
IC_INLINE vf64 f64_if_less(vf64 a, vf64 b, vf64 x, vf64 y) {
  EACH(vf64, vbslq_f64(vcltq_f64(a.v[i], b.v[i]), x.v[i], y.v[i]));
}
IC_INLINE vf64 f64_select(vm64 m, vf64 a, vf64 b) { EACH(vf64, vbslq_f64(m.v[i], a.v[i], b.v[i])); }
IC_INLINE vf64 f64_sub_or(vm64 m, vf64 a, vf64 b, vf64 other) {
  EACH(vf64, vbslq_f64(m.v[i], vsubq_f64(a.v[i], b.v[i]), other.v[i]));
}
IC_INLINE vf64 f64_fma_or_zero(vm64 m, vf64 a, vf64 b, vf64 c) {
  EACH(vf64, F64(vandq_u64(m.v[i], U64(vfmaq_f64(c.v[i], a.v[i], b.v[i])))));
}

/* Stores: 4 * IC_COUNTERS elements in the order of the stream */
IC_INLINE void bytes_store(uint8_t *out, uint8x16_t v, int nontemporal) {
  (void)nontemporal;
  vst1q_u8(out, v);
}
IC_INLINE void words_store(uint8_t *out, uint32x4_t v) { vst1q_u8(out, vreinterpretq_u8_u32(v)); }
IC_INLINE void doubles_store(uint8_t *out, float64x2_t v) { vst1q_u8(out, vreinterpretq_u8_f64(v)); }
/* Of each of two (four) counters in turn, its pair of elements in `first`, then that in `second` */
IC_INLINE void u32_zip_store(uint8_t *out, uint32x4_t first, uint32x4_t second) {
  const uint64x2_t a = vreinterpretq_u64_u32(first), b = vreinterpretq_u64_u32(second);
  words_store(out, WORDS(vzip1q_u64(a, b)));
  words_store(out + 16, WORDS(vzip2q_u64(a, b)));
}
IC_INLINE void u16_zip_store(uint8_t *out, uint16x8_t first, uint16x8_t second) {
  const uint32x4_t a = vreinterpretq_u32_u16(first), b = vreinterpretq_u32_u16(second);
  words_store(out, vzip1q_u32(a, b));
  words_store(out + 16, vzip2q_u32(a, b));
}
IC_INLINE void u32_store_pairs(uint8_t *out, vu32 even, vu32 odd, int nontemporal) {
  (void)nontemporal;
  u32_zip_store(out, vzip1q_u32(even.v[0], odd.v[0]), vzip1q_u32(even.v[1], odd.v[1]));
  u32_zip_store(out + 32, vzip2q_u32(even.v[0], odd.v[0]), vzip2q_u32(even.v[1], odd.v[1]));
}
IC_INLINE void f32_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  u32_store_pairs(out, f32_bits(even), f32_bits(odd), nontemporal);
}
IC_INLINE uint16x8_t halves_of(vf32 a) {
  return vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(a.v[0]), a.v[1]));
}
IC_INLINE void f16_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  const uint16x8_t a = halves_of(even), b = halves_of(odd);
  (void)nontemporal;
  u16_zip_store(out, vzip1q_u16(a, b), vzip2q_u16(a, b));
}
/* The high halves of even and odd, as 16-bit elements */
IC_INLINE uint16x8_t high16_pairs(uint32x4_t even, uint32x4_t odd) {
  return vtrn2q_u16(vreinterpretq_u16_u32(even), vreinterpretq_u16_u32(odd));
}
IC_INLINE void high16_store_pairs(uint8_t *out, vu32 even, vu32 odd, int nontemporal) {
  (void)nontemporal;
  u16_zip_store(out, high16_pairs(even.v[0], odd.v[0]), high16_pairs(even.v[1], odd.v[1]));
}
IC_INLINE void f64_store_quads(uint8_t *out, const vf64 z[4], int nontemporal) {
  (void)nontemporal;
  for (int i = 0; i < 2; i++, out += 64) {
    doubles_store(out, vzip1q_f64(z[0].v[i], z[1].v[i]));
    doubles_store(out + 16, vzip1q_f64(z[2].v[i], z[3].v[i]));
    doubles_store(out + 32, vzip2q_f64(z[0].v[i], z[1].v[i]));
    doubles_store(out + 48, vzip2q_f64(z[2].v[i], z[3].v[i]));
  }
}
/* A bit for each of a group's elements, in the order of the stream: low <= value <= high. NaN is outside. */
IC_INLINE uint32_t f32_inside(const vf32 value[2], float low, float high) {
  static const uint32_t places[4] = {1, 1 << 4, 1 << 8, 1 << 12};
  const float32x4_t l = vdupq_n_f32(low), h = vdupq_n_f32(high);
  uint32x4_t bits = vdupq_n_u32(0);
  for (int word = 3; word >= 0; word--) {
    const float32x4_t v = value[word % 2].v[word / 2];
    bits = vsubq_u32(vshlq_n_u32(bits, 1), vandq_u32(vcgeq_f32(v, l), vcleq_f32(v, h)));
  }
  return vaddvq_u32(vmulq_u32(bits, vld1q_u32(places)));
}
IC_INLINE uint32_t f64_inside(const vf64 z[4], double low, double high) {
  const float64x2_t l = vdupq_n_f64(low), h = vdupq_n_f64(high);
  uint32_t inside = 0;
  for (int i = 1; i >= 0; i--) {
    uint64x2_t bits = vdupq_n_u64(0);
    for (int word = 3; word >= 0; word--) {
      const float64x2_t v = z[word].v[i];
      bits = vsubq_u64(vshlq_n_u64(bits, 1), vandq_u64(vcgeq_f64(v, l), vcleq_f64(v, h)));
    }
    inside = inside << 8 | (uint32_t)vgetq_lane_u64(bits, 1) << 4 | (uint32_t)vgetq_lane_u64(bits, 0);
  }
  return inside;
}
/* Lanes as they come */
IC_INLINE vu32 u32_load(const uint32_t *p) { EACH(vu32, vld1q_u32(p + 4 * i)); }
IC_INLINE void u32_store(uint32_t *p, vu32 a) { vst1q_u32(p, a.v[0]), vst1q_u32(p + 4, a.v[1]); }
IC_INLINE vu32 u32_min(vu32 a, vu32 b) { EACH(vu32, vminq_u32(a.v[i], b.v[i])); }
IC_INLINE uint64_t u32_pairs_at_most(vu32 high, vu32 low, vu32 bound_high, vu32 bound_low) {
  uint32_t h[IC_LANES32], l[IC_LANES32], to_h[IC_LANES32], to_l[IC_LANES32];
  uint64_t bits = 0;
  u32_store(h, high), u32_store(l, low), u32_store(to_h, bound_high), u32_store(to_l, bound_low);
  for (int i = 0; i < IC_LANES32; i++) bits |= (uint64_t)(h[i] < to_h[i] || (h[i] == to_h[i] && l[i] <= to_l[i])) << i;
  return bits;
}
/* table[at]; see avx512.h */
IC_INLINE vu32 u32_look_up(const uint32_t *table, uint32_t most, vu32 at) {
  uint32_t place[8], found[8];
  (void)most;
  u32_store(place, at);
  for (int i = 0; i < 8; i++) found[i] = table[place[i]];
  return u32_load(found);
}
/* Bytes */
IC_INLINE vu8 u8_set1(uint8_t x) { return vdupq_n_u8(x); }
IC_INLINE vu8 u8_load(const uint8_t *p) { return vld1q_u8(p); }
IC_INLINE void u8_store(uint8_t *p, vu8 a) { vst1q_u8(p, a); }
IC_INLINE vu8 u8_add(vu8 a, vu8 b) { return vaddq_u8(a, b); }
IC_INLINE vu8 u8_sub(vu8 a, vu8 b) { return vsubq_u8(a, b); }
IC_INLINE vu8 u8_min(vu8 a, vu8 b) { return vminq_u8(a, b); }
IC_INLINE vu8 u8_select(vu8 mask, vu8 a, vu8 b) { return vbslq_u8(mask, a, b); }
#define zip_lo(bits, a, b) vzip1q_u##bits(vreinterpretq_u##bits##_u8(a), vreinterpretq_u##bits##_u8(b))
#define zip_hi(bits, a, b) vzip2q_u##bits(vreinterpretq_u##bits##_u8(a), vreinterpretq_u##bits##_u8(b))
#define u8_zip(half, bits, a, b) vreinterpretq_u8_u##bits(zip_##half(bits, a, b)) /* see avx512.h */
IC_INLINE vu8 u8_select_below(vu8 a, vu8 b, vu8 then, vu8 otherwise) {
  return vbslq_u8(vcltq_u8(a, b), then, otherwise);
}
IC_INLINE uint64_t u8_pairs_at_most(vu8 high, vu8 low, vu8 bound_high, vu8 bound_low) {
  static const uint8_t each[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  const vu8 low_not_above = vandq_u8(vceqq_u8(high, bound_high), vcleq_u8(low, bound_low));
  const vu8 bits = vandq_u8(vorrq_u8(vcltq_u8(high, bound_high), low_not_above), vld1q_u8(each));
  return (uint64_t)vaddv_u8(vget_high_u8(bits)) << 8 | vaddv_u8(vget_low_u8(bits));
}
/* A place past a table finds zero, or leaves what was found. */
IC_INLINE vu8 u8_look_up(const uint8_t *table, uint32_t most, vu8 at) {
  if (most <= 16) return vqtbl1q_u8(vld1q_u8(table), at);
  if (most <= 32) return vqtbl2q_u8(vld1q_u8_x2(table), at);
  vu8 found = vqtbl4q_u8(vld1q_u8_x4(table), at);
  for (uint32_t first = 64; first < most; first += 64)
    found = vqtbx4q_u8(found, vld1q_u8_x4(table + first), vsubq_u8(at, vdupq_n_u8((uint8_t)first)));
  return found;
}
/* See avx512.h */
IC_INLINE void u16_clear(uint8_t *out, uint64_t bits) {
  static const uint16_t each[8] = {1, 2, 4, 8, 16, 32, 64, 128};
  const uint16x8_t set = vtstq_u16(vdupq_n_u16((uint16_t)bits), vld1q_u16(each));
  u8_store(out, vbicq_u8(u8_load(out), vreinterpretq_u8_u16(set)));
}
IC_INLINE void u32_clear(uint8_t *out, uint64_t bits) {
  static const uint32_t each[4] = {1, 2, 4, 8};
  const uint32x4_t set = vtstq_u32(vdupq_n_u32((uint32_t)bits), vld1q_u32(each));
  u8_store(out, vbicq_u8(u8_load(out), vreinterpretq_u8_u32(set)));
}
IC_INLINE void u64_clear(uint8_t *out, uint64_t bits) {
  static const uint64_t each[2] = {1, 2};
  const uint64x2_t set = vtstq_u64(vdupq_n_u64(bits), vld1q_u64(each));
  u8_store(out, vbicq_u8(u8_load(out), vreinterpretq_u8_u64(set)));
}
IC_INLINE vf32 f32_load(const float *p) { EACH(vf32, vld1q_f32(p + 4 * i)); }
IC_INLINE void f32_store(float *p, vf32 a) {
  for (int i = 0; i < 2; i++) vst1q_f32(p + 4 * i, a.v[i]);
}
IC_INLINE vu64 u64_load(const uint64_t *p) { EACH(vu64, vld1q_u64(p + 2 * i)); }
IC_INLINE void u64_store(uint64_t *p, vu64 a) {
  for (int i = 0; i < 2; i++) vst1q_u64(p + 2 * i, a.v[i]);
}
IC_INLINE vf64 f64_load(const double *p) { EACH(vf64, vld1q_f64(p + 2 * i)); }
IC_INLINE void f64_store(double *p, vf64 a) {
  for (int i = 0; i < 2; i++) vst1q_f64(p + 2 * i, a.v[i]);
}

/* Past the caches, where that can be said; here it cannot */
IC_INLINE void nt_lines(uint8_t *out, const uint8_t *in, size_t bytes) { memcpy(out, in, bytes); }

static void nt_fence(void) {}
#undef EACH
#undef U32
#undef F32
#undef U64
#undef F64
#undef WORDS
