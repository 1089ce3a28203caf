/* A thread of an NVIDIA device is one lane: plain C with the device's own fused multiply-add and square root, which are
 * rounded to nearest and keep subnormals. Its compiler must be told not to contract (--fmad=false). */
#define fmaf __fmaf_rn
#define fma __fma_rn
#define sqrtf __fsqrt_rn
#define sqrt __dsqrt_rn

/* A whole number from -2^31 to 2^31: the conversion to signed numbers would saturate */
#define IC_WHOLE_OF(x) ((x) < 0 ? 0u - (uint32_t)-(x) : (uint32_t)(x))

/* x 2^n of an x from 1/2 to 2, exactly: only ic_exp asks, of exponents down to -60, where densities are negligible */
IC_INLINE double device_ldexp(double x, int n) {
  const uint64_t bits = (uint64_t)(n + 1023) << 52;
  double power;
  memcpy(&power, &bits, 8);
  return x * power;
}
#define ldexp device_ldexp

#include "kern/half.h"
#include "vec/scalar.h"

/* Stores, of so many bytes at once as devices can; `out` is aligned to them */
IC_INLINE void ic_put_piece(uint8_t *out, const uint8_t *bytes, int size) {
  uint32_t w[4] = {0, 0, 0, 0};
  memcpy(w, bytes, (size_t)size);
  if (size == 16)
    *(uint4 *)(void *)out = make_uint4(w[0], w[1], w[2], w[3]);
  else
    *(uint2 *)(void *)out = make_uint2(w[0], w[1]);
}
IC_INLINE void ic_put_element(uint8_t *out, const uint8_t *bytes, int size) {
  uint64_t word = 0;
  memcpy(&word, bytes, (size_t)size);
  if (size == 8)
    *(uint64_t *)(void *)out = word;
  else if (size == 4)
    *(uint32_t *)(void *)out = (uint32_t)word;
  else
    *(uint16_t *)(void *)out = (uint16_t)word;
}
