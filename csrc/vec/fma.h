/* fma_f32 and fma_f64: fused multiply-adds, exact by IEEE 754. They are C's, but on x86-64, whose oldest processors
 * have no instruction for them. There C's are calls, in glibc of one instruction where the processor has it all the
 * same; if not, glibc changes the rounding mode, and a normal takes 1.4 us in float32 and 5 us in float64. Here it
 * takes 0.02 and 0.3. musl's fmaf rounds some subnormal results twice. */
#ifndef IC_FMA_H
#define IC_FMA_H

#if !defined(IC_FMA_IN_SOFTWARE) && \
    (defined(__FMA__) || defined(IC_DEVICE) || !(defined(__x86_64__) || defined(_M_X64)))
#define fma_f32 fmaf
#define fma_f64 fma
#else

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "platform/compiler.h"

#if defined(__GLIBC__) && !defined(IC_FMA_IN_SOFTWARE)
#include "platform/cpu.h"
#define FMA_CALL_IS_FAST ic_fma_in_hardware
#else
#define FMA_CALL_IS_FAST 0
#endif

/* The sum of two numbers, and what rounding took from it: exact, if nothing overflows (Knuth, 1969) */
typedef struct {
  double high, low;
} fma_sum;
IC_INLINE fma_sum fma_two_sum(double a, double b) {
  const double sum = a + b, other = sum - a;
  return (fma_sum){sum, (a - (sum - other)) + (b - other)};
}

/* Rounded to odd: a sum that is not exact becomes that of its two neighbours whose last bit is set, so that rounding it
 * once more, to fewer bits, is as good as rounding the exact sum (Boldo and Melquiond, 2008). */
IC_INLINE double fma_sum_to_odd(double a, double b) {
  const fma_sum s = fma_two_sum(a, b);
  uint64_t bits;
  memcpy(&bits, &s.high, 8);
  if (s.low != 0 && !(bits & 1)) bits += (s.low > 0) == (s.high > 0) ? 1 : UINT64_MAX;
  double odd;
  memcpy(&odd, &bits, 8);
  return odd;
}

static float fma_f32_of_odd(double product, float c) { return (float)fma_sum_to_odd(product, c); }

/* The product of two floats is exact in double. Their sum is rounded twice, which shows only if the double lies
 * half-way between two floats, or is so small that floats have fewer bits. Then it is rounded to odd first. */
IC_INLINE float fma_f32(float a, float b, float c) {
  const uint64_t below = ((uint64_t)1 << 29) - 1, half = (uint64_t)1 << 28;
  const double product = (double)a * b, sum = product + c;
  uint64_t bits;
  memcpy(&bits, &sum, 8);
  return IC_UNLIKELY((bits & below) == half || fabs(sum) < 0x1p-125) ? fma_f32_of_odd(product, c) : (float)sum;
}

/* The two halves of a double's bits, exactly (Veltkamp, 1968) */
IC_INLINE fma_sum fma_split(double a) {
  const double scaled = a * 0x8000001p0, high = scaled - (scaled - a);
  return (fma_sum){high, a - high};
}

/* The exact product of two doubles is a sum of two (Dekker, 1971), unless it is very small or a factor very large. */
static double fma_f64_in_software(double a, double b, double c) {
  const double product = a * b;
  if (IC_UNLIKELY(!(fabs(product) > 0x1p-900 && fabs(product) < 0x1p900 && fabs(a) < 0x1p900 && fabs(b) < 0x1p900 &&
                    fabs(c) < 0x1p900)))
    return a == 0 || b == 0 ? product + c : fma(a, b, c);
  const fma_sum x = fma_split(a), y = fma_split(b);
  const double rest = ((x.high * y.high - product) + x.high * y.low + x.low * y.high) + x.low * y.low;
  const fma_sum low = fma_two_sum(c, rest), high = fma_two_sum(product, low.high);
  return high.high + fma_sum_to_odd(low.low, high.low);
}

IC_INLINE double fma_f64(double a, double b, double c) {
  return FMA_CALL_IS_FAST ? fma(a, b, c) : fma_f64_in_software(a, b, c);
}
#endif

#endif
