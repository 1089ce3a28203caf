/* Draws values again for elements wherever they are, each from its own pair of words alone, and puts them in place.
 * kern/fill.h stamps this out for a distribution whose values have bounds.
 *
 * A batch has four groups of IC_COUNTERS elements. Element c of group k has its block, with bits of OF_PAIR, in
 * blocks[k IC_COUNTERS + c]; its value and its bit of `inside` are at 4 c + k.
 *
 * Two groups make a pair of vectors. As in kern/fill.h, its values are made between the Philox rounds of the next two
 * groups; the last two are followed by themselves, whose words nobody takes. */

IC_INLINE void IC_NAME(redraw32)(const ic_params *params, const philox_keys *keys, uint32_t plane, redrawn list,
                                 uint8_t *out, ic_dtype dtype) {
  const IC_NAME(params) p = *(const IC_NAME(params) *)(const void *)params;
  redraw_cursor cursor = redraw_cursor_at(keys, list.blocks, plane, IC_PLANES, 0, list.near);
  redraw_group group[2];
  IC_NAME(f32) pairs;
  vu32 next[2 * IC_PLANES];
  vf32 value[2];
  vm32 next_second, second;
  IC_ALIGN(64) uint8_t values[REDRAWN * 4];
#define EACH_GROUP for (int g = 0; g < 2; g++)
#define BITS_STEP(r)                                                                            \
  if (r == 1) EACH_GROUP redraw_open(&group[g], &cursor, keys, 2 * g);                          \
  if (r > 1 && r < 9) EACH_GROUP redraw_round(&group[g], &cursor, keys, r);                     \
  if (r == 9) {                                                                                 \
    for (int w = 0; w < IC_PLANES; w++) {                                                       \
      vctr even[2], odd[2];                                                                     \
      EACH_GROUP philox_close_pair(&group[g].plane[w], keys, group[g].high, &even[g], &odd[g]); \
      next[2 * w] = ctr_pair(even[0], even[1]);                                                 \
      next[2 * w + 1] = ctr_pair(odd[0], odd[1]);                                               \
    }                                                                                           \
    next_second = u32_bit30(ctr_pair(group[0].high, group[1].high));                            \
  }
#define BITS_AND_VALUES_STEP(r) BITS_STEP(r) IC_NAME(f32_step)(&pairs, &p, r);
#define UNIT(u, blocks_ahead)                                      \
  for (int i = 0; i < 2 * IC_PLANES; i++) pairs.word[i] = next[i]; \
  second = next_second;                                            \
  cursor.blocks += (blocks_ahead) * IC_COUNTERS;                   \
  TEN_STEPS(BITS_AND_VALUES_STEP)                                  \
  value[u] = f32_select(second, pairs.value[1], pairs.value[0]);

  TEN_STEPS(BITS_STEP)
  for (int left = list.count; left > 0; left -= REDRAWN) {
    UNIT(0, 1)
    UNIT(1, left > REDRAWN ? 3 : 0)
    store_pairs(values, value, dtype, 0);
    IC_IN_MEMORY(values);
    put_redrawn(values, list.offset, left, out, ic_itemsize(dtype));
    list.offset += REDRAWN;
    *list.inside++ = f32_inside(value, (float)p.low, (float)p.high);
  }
#undef BITS_STEP
#undef BITS_AND_VALUES_STEP
#undef EACH_GROUP
#undef UNIT
}

/* All at once: with pipelines of one group or two, truncated normals are 2 % slower on Zen 5. */
IC_INLINE void IC_NAME(redraw64)(const ic_params *params, const philox_keys *keys, uint32_t plane, redrawn list,
                                 uint8_t *out) {
#define VALUES_STEP(step) EACH_GROUP IC_NAME(f64_step)(&pairs[g], &p, step);
#define EACH_GROUP for (int g = 0; g < 4; g++)
  const IC_NAME(params) p = *(const IC_NAME(params) *)(const void *)params;
  redraw_cursor cursor = redraw_cursor_at(keys, list.blocks, plane, IC_PLANES, 1, list.near);
  IC_ALIGN(64) uint8_t values[REDRAWN * 8];
  for (int left = list.count; left > 0; left -= REDRAWN) {
    redraw_group group[4];
    IC_NAME(f64) pairs[4];
    vf64 value[4];
    EACH_GROUP redraw_open(&group[g], &cursor, keys, g);
    cursor.blocks += REDRAWN;
    for (int r = 2; r < PHILOX_ROUNDS - 1; r++) EACH_GROUP redraw_round(&group[g], &cursor, keys, r);
    EACH_GROUP {
      for (int w = 0; w < 2 * IC_PLANES; w += 2) {
        vctr even[2], odd[2];
        for (int h = 0; h < 2; h++) philox_close_pair(&group[g].plane[w + h], keys, group[g].high, &even[h], &odd[h]);
        pairs[g].word[w] = ctr_join(even[1], even[0]);
        pairs[g].word[w + 1] = ctr_join(odd[1], odd[0]);
      }
    }
    TEN_STEPS(VALUES_STEP)
    EACH_GROUP {
      const vm64 second = u64_bit62(ctr_join(group[g].low, group[g].high));
      value[g] = f64_select(second, pairs[g].value[1], pairs[g].value[0]);
    }
    f64_store_quads(values, value, 0);
    put_redrawn(values, list.offset, left, out, 8);
    list.offset += REDRAWN;
    *list.inside++ = f64_inside(value, p.low, p.high);
  }
#undef VALUES_STEP
#undef EACH_GROUP
}
