/* Gets at the bits of single floats, and rounds them to half precision. */

IC_INLINE uint32_t float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}
IC_INLINE float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

/* To float16, to nearest even; values here are finite */
#ifndef IC_HALF_OF
IC_INLINE uint16_t half_of(float x) {
  const uint32_t bits = float_bits(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  uint32_t half;
  if (magnitude >= 0x47800000) /* 2^16 */
    half = 0x7c00;
  else if (magnitude < 0x38800000) /* 2^-14: adding 0.5 leaves the subnormal in the last bits, rounded */
    half = float_bits(float_of(magnitude) + 0.5f) - 0x3f000000;
  else
    half = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  return (uint16_t)(sign | half);
}
#else
IC_INLINE uint16_t half_of(float x) { return IC_HALF_OF(x); }
#endif

/* To bfloat16 */
IC_INLINE uint16_t bfloat_of(float x) {
  const uint32_t bits = float_bits(x);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
