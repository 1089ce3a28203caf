/* Draws values again for elements wherever they are, each from its own pair of words alone. kern/fill.h stamps this out
 * for a distribution whose values have bounds.
 *
 * A batch has four groups of IC_COUNTERS elements. Element c of group k has its block, with bits of OF_PAIR, in
 * blocks[k IC_COUNTERS + c]; its value and its bit of `inside` are put at 4 c + k. `near` says that the high words of
 * all blocks are the same. */

#define EACH_UNIT for (int u = 0; u < 2; u++)
#define EACH_GROUP \
  for (int g = 0; g < 2; g++) EACH_UNIT

IC_INLINE void IC_NAME(redraw32)(const ic_params *params, const philox_keys *keys, uint32_t plane,
                                 const uint64_t *blocks, int batches, int near, uint8_t *out, uint32_t *inside) {
#define VALUES_STEP(step) EACH_UNIT IC_NAME(f32_step)(&pairs[u], &p, step);
  const IC_NAME(params) p = *(const IC_NAME(params) *)(const void *)params;
  for (; batches > 0; batches--, blocks += 4 * IC_COUNTERS, out += 16 * IC_COUNTERS) {
    redraw_batch b;
    IC_NAME(f32) pairs[2];
    vf32 value[2];
    redraw_open(&b, blocks, keys, plane, IC_PLANES, 0, near);
    EACH_UNIT {
      for (int w = 0; w < IC_PLANES; w++) {
        vctr even[2], odd[2];
        for (int g = 0; g < 2; g++) philox_close_pair(&b.group[g][u][w], keys, b.high[g][u], &even[g], &odd[g]);
        pairs[u].word[2 * w] = ctr_pair(even[0], even[1]);
        pairs[u].word[2 * w + 1] = ctr_pair(odd[0], odd[1]);
      }
    }
    TEN_STEPS(VALUES_STEP)
    EACH_UNIT {
      const vm32 second = u32_bit30(ctr_pair(b.high[0][u], b.high[1][u]));
      value[u] = f32_select(second, pairs[u].value[1], pairs[u].value[0]);
    }
    store_pairs(out, value, IC_F32, 0);
    *inside++ = f32_inside(value, (float)p.low, (float)p.high);
  }
#undef VALUES_STEP
}

IC_INLINE void IC_NAME(redraw64)(const ic_params *params, const philox_keys *keys, uint32_t plane,
                                 const uint64_t *blocks, int batches, int near, uint8_t *out, uint32_t *inside) {
#define VALUES_STEP(step) EACH_GROUP IC_NAME(f64_step)(&pairs[g][u], &p, step);
  const IC_NAME(params) p = *(const IC_NAME(params) *)(const void *)params;
  for (; batches > 0; batches--, blocks += 4 * IC_COUNTERS, out += 32 * IC_COUNTERS) {
    redraw_batch b;
    IC_NAME(f64) pairs[2][2];
    vf64 value[4];
    redraw_open(&b, blocks, keys, plane, IC_PLANES, 1, near);
    EACH_GROUP {
      for (int w = 0; w < 2 * IC_PLANES; w += 2) {
        vctr even[2], odd[2];
        for (int h = 0; h < 2; h++) philox_close_pair(&b.group[g][u][w + h], keys, b.high[g][u], &even[h], &odd[h]);
        pairs[g][u].word[w] = ctr_join(even[1], even[0]);
        pairs[g][u].word[w + 1] = ctr_join(odd[1], odd[0]);
      }
    }
    TEN_STEPS(VALUES_STEP)
    EACH_GROUP {
      const vm64 second = u64_bit62(ctr_join(b.low[g][u], b.high[g][u]));
      value[2 * g + u] = f64_select(second, pairs[g][u].value[1], pairs[g][u].value[0]);
    }
    f64_store_quads(out, value, 0);
    *inside++ = f64_inside(value, p.low, p.high);
  }
#undef VALUES_STEP
}

#undef EACH_UNIT
#undef EACH_GROUP
