#include "dtypes.h"

#include <math.h>

typedef struct {
  int precision, min_exponent, max_exponent; /* of the leading bit */
} format;

static format format_of(ic_dtype dtype) {
  switch (dtype) {
    case IC_F64: return (format){53, -1022, 1023};
    case IC_F16: return (format){11, -14, 15};
    case IC_BF16: return (format){8, -126, 127};
    default: return (format){24, -126, 127};
  }
}

void ic_swap_bytes(uint8_t *values, size_t count, size_t itemsize) {
  for (size_t i = 0; i < count; i++, values += itemsize)
    for (size_t k = 0; k < itemsize / 2; k++) {
      const uint8_t low = values[k];
      values[k] = values[itemsize - 1 - k];
      values[itemsize - 1 - k] = low;
    }
}

double ic_power_of_two(int exponent) { return ldexp(1.0, exponent); }

static double largest(format f) { return ldexp(2.0 - ldexp(1.0, 1 - f.precision), f.max_exponent); }

/* The spacing of a format's values just above |x| */
static double spacing(double x, format f) {
  int exponent;
  frexp(x, &exponent);
  exponent = x == 0 || exponent - 1 < f.min_exponent ? f.min_exponent : exponent - 1;
  return ldexp(1.0, exponent - f.precision + 1);
}

double ic_round(double x, ic_dtype dtype) {
  if (dtype == IC_F64 || !isfinite(x)) return x;
  const format f = format_of(dtype);
  const double ulp = spacing(x, f), shift = copysign(0x1.8p52, x);
  const double rounded = (x / ulp + shift - shift) * ulp; /* |x / ulp| < 2^24: adding 1.5 * 2^52 rounds to even */
  return fabs(rounded) > largest(f) ? copysign(INFINITY, x) : rounded;
}

int ic_fits(double x, ic_dtype dtype) {
  return fabs(x) < 0x1p15 || isfinite(ic_round(x, dtype)); /* smaller ones fit in all: asked for every small fill */
}

double ic_below(double x, ic_dtype dtype) {
  if (dtype == IC_F64) return nextafter(x, -INFINITY);
  const format f = format_of(dtype);
  double below = floor(x / spacing(x, f)) * spacing(x, f);
  if (below == x) below -= x > 0 ? spacing(nextafter(x, 0), f) : spacing(x, f);
  return below > largest(f) ? largest(f) : below;
}

double ic_at_most(double x, ic_dtype dtype) {
  const double most = largest(format_of(dtype));
  if (!(x < most)) return most;
  if (x < -most) return -INFINITY;
  const double rounded = ic_round(x, dtype);
  return rounded <= x ? rounded : ic_below(x, dtype);
}
