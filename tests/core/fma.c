/* Counts the cases in which the multiply-adds of vec/fma.h are not those of C, among cases that are hard to round. */
#define IC_FMA_IN_SOFTWARE
#include "vec/fma.h"

#include <stdio.h>

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
STAMP_COUNT(wrong_f32, float, fma_f32, fmaf, random_f32, nextafterf, 24)
STAMP_COUNT(wrong_f64, double, fma_f64, fma, random_f64, nextafter, 53)

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
STAMP_SPECIAL(special_f32, float, fma_f32, fmaf, 0x1p-149f, 0x1.fffffep127f, 0x1.000002p-75f, 0x1.fffffcp-76f,
              0x1.000004p-127f)
STAMP_SPECIAL(special_f64, double, fma_f64, fma, 0x1p-1074, 0x1.fffffffffffffp1023, 0x1.0000000000001p-537,
              0x1.ffffffffffffep-539, 0x1.0000000000002p-1023)

int main(void) {
  printf("%ld %ld %ld %ld %ld %ld %ld\n", special_f32(), special_f64(), wrong_f32(2000000, 3), wrong_f32(2000000, 70),
         wrong_f32(2000000, 120), wrong_f64(2000000, 3), wrong_f64(2000000, 800));
  return 0;
}
