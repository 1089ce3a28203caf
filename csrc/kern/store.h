/* Stores values, which are rounded once from float32 to what the array holds. */

IC_INLINE vu32 bf16_round(vf32 value) {
  const vu32 bits = f32_bits(value);
  const vu32 last = u32_and(u32_shr(bits, 16), u32_set1(1));
  return u32_add(u32_add(bits, u32_set1(0x7fff)), last); /* to nearest even, in the high half; no NaN comes here */
}

IC_INLINE void store_pairs(uint8_t *out, const vf32 value[2], ic_dtype dtype, int nontemporal) {
  switch (dtype) {
    case IC_F32: f32_store_pairs(out, value[0], value[1], nontemporal); break;
    case IC_F16: f16_store_pairs(out, value[0], value[1], nontemporal); break;
    case IC_BF16: high16_store_pairs(out, bf16_round(value[0]), bf16_round(value[1]), nontemporal); break;
    default: u32_store_pairs(out, f32_bits(value[0]), f32_bits(value[1]), nontemporal);
  }
}

/* Whether a parameter is 0, or so large that what it adds to a value is a multiple of the smallest normal float */
IC_INLINE int is_coarse(double parameter) { return parameter == 0 || fabs(parameter) >= 0x1p-102; }

#ifndef IC_FOR_BF16 /* no processor rounds bfloat16 itself */
IC_INLINE void bf16_store_pairs(uint8_t *out, vf32 even, vf32 odd, int nontemporal) {
  high16_store_pairs(out, bf16_round(even), bf16_round(odd), nontemporal);
}
#endif

/* The same eight bytes over and over; `out` on a 64-byte boundary, and whole lines */
IC_INLINE void repeat_pattern(uint8_t *out, size_t bytes, uint64_t pattern, int nontemporal) {
  const vu32 even = u32_set1((uint32_t)pattern), odd = u32_set1((uint32_t)(pattern >> 32));
  size_t i = 0;
  for (; i + 16 * IC_COUNTERS <= bytes; i += 16 * IC_COUNTERS) u32_store_pairs(out + i, even, odd, nontemporal);
  for (; i < bytes; i += 8) memcpy(out + i, &pattern, 8);
}
static void set_pattern(uint8_t *out, size_t bytes, uint64_t pattern, int nontemporal) {
  if (nontemporal)
    repeat_pattern(out, bytes, pattern, 1);
  else
    repeat_pattern(out, bytes, pattern, 0);
}
