/* Tells how many bytes elements have, and what the floating-point dtypes can hold. */
#ifndef IC_DTYPES_H
#define IC_DTYPES_H

#include "initcore.h"
#include "platform/compiler.h"

IC_INLINE size_t ic_itemsize(ic_dtype dtype) {
  return dtype == IC_F64 ? 8 : dtype == IC_F16 || dtype == IC_BF16 ? 2 : 4;
}

/* From one byte order to the other, in place */
void ic_swap_bytes(uint8_t *values, size_t count, size_t itemsize);

double ic_power_of_two(int exponent);
/* x rounded to nearest even; infinite if that overflows */
double ic_round(double x, ic_dtype dtype);
/* the largest finite value of the dtype that is at most x, or -infinity if none is */
double ic_at_most(double x, ic_dtype dtype);
/* the largest finite value of the dtype below a finite x; below the smallest, what would come next */
double ic_below(double x, ic_dtype dtype);

#endif
