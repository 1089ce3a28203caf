/* Counts the cases in which the multiply-adds of vec/fma.h, or those of vec/sse2.h, are not those of C, among cases
 * that are hard to round. */
#define IC_FMA_IN_SOFTWARE
#include "vec/fma.h"

#include <stdio.h>

#ifdef OF_VECTORS
#include "vec/sse2.h"

/* A case in one lane, the others being easy; both forms of a float must be the same. */
static int lane = 0;
#define STAMP_MINE(name, real, vector, lanes, call, compare)                                \
  static real name(real a, real b, real c) {                                                \
    real x[lanes], y[lanes], z[lanes], got[lanes];                                          \
    for (int i = 0; i < (lanes); i++) x[i] = (real)1.25, y[i] = 3, z[i] = (real) - 0.5;     \
    lane = (lane + 1) % (lanes);                                                            \
    x[lane] = a, y[lane] = b, z[lane] = c;                                                  \
    const vector of_a = vector##_load(x), of_b = vector##_load(y), of_c = vector##_load(z); \
    const vector result = (call);                                                           \
    vector##_store(got, result);                                                            \
    compare;                                                                                \
    return got[lane];                                                                       \
  }
#define vf32_load f32_load
#define vf32_store f32_store
#define vf64_load f64_load
#define vf64_store f64_store
static void compare_forms(vf32 a, float *got) {
  double wide[4];
  _mm_storeu_pd(wide, a.low), _mm_storeu_pd(wide + 2, a.high);
  const double single = (double)got[lane];
  if (memcmp(&single, &wide[lane], 8) != 0 && single == single) got[lane] = (float)NAN;
}
/* What is doubted is made again by f32_fma; the rest must be right where the result is 0 or of normal size */
static vf32 likely(vf32 a, vf32 b, vf32 c) {
  float x[4], y[4], z[4];
  vdoubt doubt = f32_no_doubt();
  const vf32 guess = f32_fma_likely(a, b, c, &doubt);
  f32_store(x, a), f32_store(y, b), f32_store(z, c);
  const double size = fabs((double)x[lane] * (double)y[lane] + (double)z[lane]);
  const int is_promised = size == 0 || (size >= 0x1p-125 && size < 0x1p127);
  return f32_is_doubted(doubt) || !is_promised ? f32_fma(a, b, c) : guess;
}
STAMP_MINE(mine_f32, float, vf32, 4, f32_fma(of_a, of_b, of_c), compare_forms(result, got))
STAMP_MINE(mine_likely, float, vf32, 4, likely(of_a, of_b, of_c), compare_forms(result, got))
STAMP_MINE(mine_scaled, float, vf32, 4, ((void)of_b, (void)of_c, f32_scale(of_a, b, c)), compare_forms(result, got))
STAMP_MINE(mine_f64, double, vf64, 2, f64_fma(of_a, of_b, of_c), (void)0)
static void unused(void) { (void)nt_fence; }
#else
static float mine_f32(float a, float b, float c) { return fma_f32(a, b, c); }
static double mine_f64(double a, double b, double c) { return fma_f64(a, b, c); }
#define mine_likely mine_f32
#define mine_scaled mine_f32
static void unused(void) {}
#endif

static uint64_t state = 0x9e3779b97f4a7c15u;
static uint64_t random_bits(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

/* Of few bits, or of many; the exponent at most `range` from that of 1 */
#define STAMP_RANDOM(name, real, digits)                                                 \
  static real name(int range) {                                                          \
    const uint64_t bits = random_bits() >> (64 - digits), kept = random_bits() % digits; \
    const real value = (real)((bits >> kept << kept) | (uint64_t)1 << (digits - 1));     \
    const int exponent = (int)(random_bits() % (2 * (unsigned)range + 1)) - range;       \
    return (real)ldexp(random_bits() & 1 ? value : -value, exponent - digits + 1);       \
  }
STAMP_RANDOM(random_f32, float, 24)
STAMP_RANDOM(random_f64, double, 53)

/* Addends of all sizes beside the product, and those that cancel it but for a little, or leave half a unit of it */
#define STAMP_COUNT(name, real, mine, theirs, random, next, digits)                                       \
  static long name(long cases, int range) {                                                               \
    long wrong = 0;                                                                                       \
    for (long i = 0; i < cases; i++) {                                                                    \
      const real a = random(range), b = random(range), product = a * b;                                   \
      const real halves = (real)ldexp(product, (int)(random_bits() % 3) - digits);                        \
      const real near = next(-product, random_bits() & 1 ? 2 * product : (real)0);                        \
      const real c[] = {                                                                                  \
          random(range), random(2 * range), -product, near, halves, 0, (real)ldexp(product, digits + 1)}; \
      for (size_t k = 0; k < sizeof c / sizeof *c; k++) {                                                 \
        const real got = mine(a, b, c[k]), expected = theirs(a, b, c[k]);                                 \
        wrong += memcmp(&got, &expected, sizeof got) != 0 && (got == got || expected == expected);        \
      }                                                                                                   \
    }                                                                                                     \
    return wrong;                                                                                         \
  }
STAMP_COUNT(wrong_f32, float, mine_f32, fmaf, random_f32, nextafterf, 24)
STAMP_COUNT(wrong_likely, float, mine_likely, fmaf, random_f32, nextafterf, 24)
STAMP_COUNT(wrong_f64, double, mine_f64, fma, random_f64, nextafter, 53)

/* With two factors whose product is a little less than half of the least number, and what is rounded up if it is half
 */
#define STAMP_SPECIAL(name, real, mine, theirs, least, most, factor, factor2, addend)                                  \
  static long name(void) {                                                                                             \
    const real values[] = {0,     -(real)0, 1,      -1,      3,      least,          -least,          3 * least, most, \
                           -most, most / 2, factor, factor2, addend, (real)INFINITY, -(real)INFINITY, (real)NAN};      \
    enum { COUNT = sizeof values / sizeof *values };                                                                   \
    long wrong = 0;                                                                                                    \
    for (int i = 0; i < COUNT * COUNT * COUNT; i++) {                                                                  \
      const real a = values[i % COUNT], b = values[i / COUNT % COUNT], c = values[i / COUNT / COUNT];                  \
      const real got = mine(a, b, c), expected = theirs(a, b, c);                                                      \
      wrong += memcmp(&got, &expected, sizeof got) != 0 && (got == got || expected == expected);                       \
    }                                                                                                                  \
    return wrong;                                                                                                      \
  }
#define ENDS_F32 0x1p-149f, 0x1.fffffep127f, 0x1.000002p-75f, 0x1.fffffcp-76f, 0x1.000004p-127f
#define ENDS_F64 \
  0x1p-1074, 0x1.fffffffffffffp1023, 0x1.0000000000001p-537, 0x1.ffffffffffffep-539, 0x1.0000000000002p-1023
#define STAMP_SPECIAL_AT(name, real, mine, theirs, ends) STAMP_SPECIAL(name, real, mine, theirs, ends)
STAMP_SPECIAL_AT(special_f32, float, mine_f32, fmaf, ENDS_F32)
STAMP_SPECIAL_AT(special_likely, float, mine_likely, fmaf, ENDS_F32)
STAMP_SPECIAL_AT(special_scaled, float, mine_scaled, fmaf, ENDS_F32)
STAMP_SPECIAL_AT(special_f64, double, mine_f64, fma, ENDS_F64)

int main(void) {
  unused();
  printf("%ld %ld %ld %ld\n", special_f32(), special_likely(), special_scaled(), special_f64());
  printf("%ld %ld %ld ", wrong_f32(2000000, 3), wrong_f32(2000000, 70), wrong_f32(2000000, 120));
  printf("%ld %ld ", wrong_likely(2000000, 3), wrong_likely(2000000, 60));
  printf("%ld %ld %ld\n", wrong_f64(2000000, 3), wrong_f64(2000000, 120), wrong_f64(2000000, 800));
  return 0;
}
