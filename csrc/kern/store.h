/* Values to output: the one rounding from float32 to what the array holds. */

IC_INLINE vu32 bf16_round(vf32 value) {
  const vu32 bits = f32_bits(value);
  const vu32 last = u32_and(u32_shr(bits, 16), u32_set1(1));
  return u32_add(u32_add(bits, u32_set1(0x7fff)), last); /* to nearest even, in the high half; no NaN comes here */
}

IC_INLINE void store_pairs(uint8_t *out, const vf32 value[2], ic_dtype dtype, int streaming) {
  switch (dtype) {
    case IC_F32: f32_store_pairs(out, value[0], value[1], streaming); break;
    case IC_F16: f16_store_pairs(out, value[0], value[1], streaming); break;
    case IC_BF16: high16_store_pairs(out, bf16_round(value[0]), bf16_round(value[1]), streaming); break;
    default: u32_store_pairs(out, f32_bits(value[0]), f32_bits(value[1]), streaming);
  }
}
