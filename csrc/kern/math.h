/* Box-Muller on pairs of words: (u1, angle) -> (r cos angle, r sin angle), r = sqrt(-2 ln u1).
 *
 * Radius. The first word is read as a signed integer n: v = (n + 1/2) 2^-32 is u1 in the lower half of its range and
 * u1 - 1, exactly, in the upper half, where the logarithm starts from v itself (log1p) and so keeps its relative
 * precision as u1 -> 1. In the lower half v = m 2^e with m in [1/2, 1), and ln u1 = e ln 2 + log1p(m - 1). Both
 * need log1p on [-1/2, 0] only, and nothing cancels.
 *
 * Direction. The second word modulo a quarter turn, again signed, is the exact angle in [-pi/4, pi/4); its two top
 * bits, rounded, say which of sine and cosine goes where and with which sign.
 *
 * The work is cut into ten steps so that it can be interleaved with the ten Philox rounds of the next batch: the
 * rounds keep the shift and logic ports busy, the polynomials the fused multiply-add ports (8 % on Zen 4).
 *
 * Largest error of a normal, in ulp of the exact value: float32 3.81, found by pairing the worst of all first words
 * with the worst of all second words (3.5 among 2^22 random pairs), float64 2.5 (among 2^16). tests/core/test_math.py
 * holds both below the 4 of the stream contract. Coefficients: coefficients.py. */
#include "kern/coefficients.h"

/* The angle is kept as the integer that it is, 2^31 times y, and its unit in the coefficients: one multiplication less
 */
#define ANGLE_UNIT 0x1p-31f
/* pi/4 2^-31 times the mean cosine where the loss matters: without it the worst normal is 4.04 ulp off */
#define SINE_LOST 0x1.5cp-32f
#define NEG2LN2 (-0x1.62e42fefa39efp+0)

/* Multiply-adds of which more is known, which saves time where no instruction makes them:
 *
 *   f32_fma_short      the exact result has no more than 53 bits
 *   f32_fma_within     it is from `least`, a power of two, to its double; the addend is a multiple of its last bit
 *   f32_fma_likely     it is 0 or between 2^-125 and 2^127; if rounding it takes longer, `doubt` is set instead, and
 *                      whoever asked makes all of it again by f32_fma, `exactly`: for one word in 10^5
 *   f32_scale          factor and addend are numbers, the same in all lanes
 *
 * tests/core/promises.c finds all this to be true of every word. */
#ifndef IC_FMA_PROMISES
typedef int vdoubt;
#define f32_no_doubt() 0
#define f32_fma_short(a, b, c) f32_fma(a, b, c)
#define f32_fma_within(a, b, c, least) f32_fma(a, b, c)
#define f32_fma_likely(a, b, c, doubt) f32_fma(a, b, c)
#define f32_scale(a, factor, addend) f32_fma(a, f32_set1(factor), f32_set1(addend))
#endif

/* -2 ln u of u = (word + 1/2) 2^-32, in steps 0 to 7 */
typedef struct {
  vu32 word;      /* in */
  vf32 log;       /* out */
  vf32 s, linear; /* log1p's argument; -2 (e ln 2 + s): log = linear + s s (...) */
  vdoubt doubt;
} neg2log_f32;

#ifdef IC_FMA_PROMISES
static IC_SELDOM vf32 neg2log_f32_exactly(vu32 word);
#define FMA(a, b, c, doubt) (exactly ? f32_fma(a, b, c) : f32_fma_likely(a, b, c, &(doubt)))
#else
#define FMA(a, b, c, doubt) f32_fma(a, b, c)
#endif

IC_INLINE void neg2log_f32_part(neg2log_f32 *b, int step, int exactly) {
  const float *l = NEG2LOG1P_F32;
  (void)exactly;
  switch (step) {
    case 0: b->s = f32_fma_short(f32_from_i32(b->word), f32_set1(0x1p-32f), f32_set1(0x1p-33f)); break;
    case 1: {
      const vm32 lower = u32_not_negative(b->word);
      const vf32 k = f32_set1((float)NEG2LN2);
      b->linear = f32_fma_short_or_zero(lower, f32_exponent(b->s), k, k);
      b->s = f32_sub_or(lower, f32_half_mantissa(b->s), f32_set1(1.0f), b->s);
      break;
    }
    case 2:
      b->log = FMA(f32_set1(l[8]), b->s, f32_set1(l[7]), b->doubt);
      b->linear = f32_fma_short(f32_set1(l[0]), b->s, b->linear);
      break;
    case 3:
      b->log = FMA(b->log, b->s, f32_set1(l[6]), b->doubt);
      b->log = FMA(b->log, b->s, f32_set1(l[5]), b->doubt);
      break;
    case 4: b->log = FMA(b->log, b->s, f32_set1(l[4]), b->doubt); break;
    case 5:
      b->log = FMA(b->log, b->s, f32_set1(l[3]), b->doubt);
      b->log = FMA(b->log, b->s, f32_set1(l[2]), b->doubt);
      break;
    case 6:
      b->log = FMA(b->log, b->s, f32_set1(l[1]), b->doubt);
      b->s = f32_mul(b->s, b->s);
      break;
    case 7: b->log = FMA(b->s, b->log, b->linear, b->doubt);
#ifdef IC_FMA_PROMISES
      if (!exactly && IC_UNLIKELY(f32_is_doubted(b->doubt))) b->log = neg2log_f32_exactly(b->word);
#endif
      break;
    default: break;
  }
}
IC_INLINE void neg2log_f32_step(neg2log_f32 *b, int step) {
  if (step == 0) b->doubt = f32_no_doubt();
  neg2log_f32_part(b, step, 0);
}

typedef struct {
  vu32 angle;     /* in, and radius.word */
  vf32 normal[2]; /* out */
  neg2log_f32 radius;
  vf32 y, z, sine, cosine; /* angle / (pi/4) in units of ANGLE_UNIT, its square without a unit */
  vdoubt doubt;
} box_muller_f32;

/* Sine and cosine of the angle modulo a quarter turn, in steps 0 to 7 */
IC_INLINE void direction_f32_part(box_muller_f32 *b, int step, int exactly) {
  const float *s = SINE_F32, *c = COSINE_F32;
  (void)exactly;
  switch (step) {
    case 0: b->y = f32_from_i32(u32_shl(b->angle, 2)); break;
    case 2: b->z = f32_mul(b->y, f32_mul(b->y, f32_set1(ANGLE_UNIT * ANGLE_UNIT))); break;
    case 3:
      b->sine = f32_fma_within(f32_set1(s[3] * ANGLE_UNIT), b->z, f32_set1(s[2] * ANGLE_UNIT), 0x1p-9f * ANGLE_UNIT);
      break;
    case 4:
      b->cosine = f32_fma_within(f32_set1(c[4]), b->z, f32_set1(c[3]), 0x1p-12f);
      b->sine = f32_fma_within(b->sine, b->z, f32_set1(s[1] * ANGLE_UNIT), 0x1p-4f * ANGLE_UNIT);
      break;
    case 5: b->cosine = FMA(b->cosine, b->z, f32_set1(c[2]), b->doubt); break;
    case 6:
      b->sine = FMA(b->sine, b->z, f32_set1(SINE_F32_REST * ANGLE_UNIT), b->doubt);
      b->cosine = f32_fma_within(b->cosine, b->z, f32_set1(c[1]), 0x1p-2f);
      break;
    case 7: {
      const vu32 angle = u32_shl(b->angle, 2), lost = u32_sub(angle, f32_to_i32(b->y));
      b->cosine = f32_fma_within(b->cosine, b->z, f32_set1(c[0]), 0x1p-1f);
      b->sine = FMA(b->sine, b->y, f32_mul(f32_from_i32(lost), f32_set1(SINE_LOST)), b->doubt);
      b->sine = FMA(f32_set1(s[0] * ANGLE_UNIT), b->y, b->sine, b->doubt);
      break;
    }
    default: break;
  }
}

#ifdef IC_FMA_PROMISES
static vf32 neg2log_f32_exactly(vu32 word) {
  neg2log_f32 b;
  b.word = word;
  for (int step = 0; step < 8; step++) neg2log_f32_part(&b, step, 1);
  return b.log;
}
static IC_SELDOM box_muller_f32 direction_f32_exactly(vu32 angle) {
  box_muller_f32 b;
  b.angle = angle;
  for (int step = 0; step < 8; step++) direction_f32_part(&b, step, 1);
  return b;
}
#endif
#undef FMA

IC_INLINE void box_muller_f32_step(box_muller_f32 *b, int step) {
  if (step == 0) b->doubt = f32_no_doubt();
  neg2log_f32_step(&b->radius, step);
  direction_f32_part(b, step, 0);
  switch (step) {
    case 7: b->radius.log = f32_sqrt(b->radius.log);
#ifdef IC_FMA_PROMISES
      if (IC_UNLIKELY(f32_is_doubted(b->doubt))) {
        const box_muller_f32 exact = direction_f32_exactly(b->angle);
        b->sine = exact.sine, b->cosine = exact.cosine;
      }
#endif
      break;
    case 8: {
      const vu32 turned = u32_add(b->angle, u32_set1(0x20000000u));
      const vm32 swap = u32_bit30(turned);
      b->radius.log = f32_flip(b->radius.log, turned);
      b->y = f32_sub_or(swap, f32_set1(0.0f), b->sine, b->cosine);
      b->z = f32_select(swap, b->cosine, b->sine);
      break;
    }
    case 9:
      b->normal[0] = f32_mul(b->radius.log, b->y);
      b->normal[1] = f32_mul(b->radius.log, b->z);
      break;
    default: break;
  }
}

/* The same in double, on 53-bit words that fill the top of 64-bit lanes (the low 11 bits are not looked at) */
typedef struct {
  vu64 word;
  vf64 log;
  vf64 s, linear;
} neg2log_f64;

IC_INLINE void neg2log_f64_step(neg2log_f64 *b, int step) {
  const double *l = NEG2LOG1P_F64;
  switch (step) {
    case 0: b->s = f64_fma(f64_from_top53_signed(b->word), f64_set1(0x1p-53), f64_set1(0x1p-54)); break;
    case 1: {
      const vm64 lower = u64_not_negative(b->word);
      const vf64 k = f64_set1(NEG2LN2);
      b->linear = f64_fma_or_zero(lower, f64_exponent(b->s), k, k);
      b->s = f64_sub_or(lower, f64_half_mantissa(b->s), f64_set1(1.0), b->s);
      b->log = f64_set1(l[20]);
      break;
    }
    case 7: b->log = f64_fma(b->s, b->log, b->linear); break;
    case 8:
    case 9: break;
    default: /* 2 to 6 */
      for (int i = 27 - 4 * step; i >= 24 - 4 * step; i--) b->log = f64_fma(b->log, b->s, f64_set1(l[i]));
  }
}

typedef struct {
  vu64 angle;
  vf64 normal[2];
  neg2log_f64 radius;
  vf64 y, z, sine, cosine;
} box_muller_f64;

IC_INLINE void box_muller_f64_step(box_muller_f64 *b, int step) {
  const double *s = SINE_F64, *c = COSINE_F64;
  neg2log_f64_step(&b->radius, step);
  switch (step) {
    case 0:
      b->y = f64_mul(f64_from_top53_signed(u64_shl(u64_and(b->angle, u64_set1(~0x7ffull)), 2)), f64_set1(0x1p-52));
      break;
    case 1:
      b->z = f64_mul(b->y, b->y);
      b->sine = f64_set1(s[6]);
      b->cosine = f64_set1(c[7]);
      break;
    case 7:
      b->sine = f64_fma(b->sine, b->z, f64_set1(SINE_F64_REST));
      b->cosine = f64_fma(f64_fma(b->cosine, b->z, f64_set1(c[1])), b->z, f64_set1(c[0]));
      break;
    case 8: {
      const vu64 turned = u64_add(b->angle, u64_set1(1ull << 61));
      const vm64 swap = u64_bit62(turned);
      b->radius.log = f64_flip(f64_sqrt(b->radius.log), turned);
      b->sine = f64_fma(f64_set1(s[0]), b->y, f64_mul(b->sine, b->y));
      b->y = f64_sub_or(swap, f64_set1(0.0), b->sine, b->cosine);
      b->z = f64_select(swap, b->cosine, b->sine);
      break;
    }
    case 9:
      b->normal[0] = f64_mul(b->radius.log, b->y);
      b->normal[1] = f64_mul(b->radius.log, b->z);
      break;
    default: /* 2 to 6 */
      b->sine = f64_fma(b->sine, b->z, f64_set1(s[7 - step]));
      b->cosine = f64_fma(b->cosine, b->z, f64_set1(c[8 - step]));
  }
}
