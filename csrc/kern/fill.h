/* The fills of one distribution, stamped out by its header: IC_DIST is its name, and it has defined
 *
 *   NAME_params                               what a kernel needs of the parameters
 *   NAME_f32 { word[2 IC_PLANES]; value[2]; } a vector of pairs of elements, words in (plane by plane), values out
 *   NAME_f32_step(pairs, params, step)        its work in ten steps, 0 to 9
 *   NAME_f64, NAME_f64_step                   the same in double
 *
 * and IC_PLANES if it takes more than one word an element, IC_WORDS_ONLY if it fills with words, IC_LIGHT if its work
 * is small beside Philox's, IC_BOUNDED if values outside params.low .. params.high are drawn again: the fills are then
 * not stamped as kernels, but for kern/attempts.h: they list in `outside` which these are, and before they write to
 * `out` move what it held to `drain`, if there is one, past the caches. A batch's steps run between the Philox rounds
 * of the batch after it. IC_HALVES if it fills half precision alone, IC_HALF_KERNEL(suffix) if the kernels that do have
 * another name. */

#ifndef IC_PLANES
#define IC_PLANES 1
#endif
#ifdef IC_LIGHT
#define IC_GROUPS IC_FLIGHT_LIGHT
#define IC_GROUPS64 IC_FLIGHT64_LIGHT
#else
#define IC_GROUPS IC_FLIGHT
#define IC_GROUPS64 IC_FLIGHT64
#endif
#ifndef IC_NAME
#define IC_NAME3(dist, what) dist##_##what
#define IC_NAME2(dist, what) IC_NAME3(dist, what)
#define IC_NAME(what) IC_NAME2(IC_DIST, what)
#endif

enum { IC_NAME(GROUPS) = IC_GROUPS, IC_NAME(GROUPS64) = IC_GROUPS64 };

IC_INLINE void IC_NAME(fill32)(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps,
                               uint8_t *out, offset_list *outside, uint8_t *drain, ic_dtype dtype, int listed,
                               int nontemporal) {
  enum { STEP_BLOCKS = IC_COUNTERS * IC_GROUPS };
#define EACH for (int g = 0; g < IC_GROUPS; g++)
  const size_t group_bytes = 4 * IC_COUNTERS * ic_itemsize(dtype);
  const IC_NAME(params) p = *(const IC_NAME(params) *)(const void *)params;
  const philox_keys keys = philox_schedule(stream);
  philox_cursor cursor = philox_cursor_at(&keys, blocks, stream->plane, IC_PLANES, 0);
  philox_group group[IC_GROUPS][IC_PLANES];
  IC_NAME(f32) pairs[IC_GROUPS];
  vu32 next[IC_GROUPS][2 * IC_PLANES];
  offset_list offsets = outside ? *outside : (offset_list){NULL, 0};
#ifdef IC_BOUNDED
  uint32_t inside[IC_GROUPS]; /* of the batch before, listed while its successor's values are made */
  EACH inside[g] = ~0u;
  offsets.first -= IC_GROUPS * GROUP_BITS;
#endif

#define EACH_PLANE EACH for (int w = 0; w < IC_PLANES; w++)
#define BITS(r)                                                                   \
  if (r == 1) EACH_PLANE group[g][w] = philox_open(&cursor, &keys, g, w, listed); \
  if (r > 1 && r < 9) EACH_PLANE philox_round(&group[g][w], &keys, r);            \
  if (r == 9) EACH_PLANE philox_close_pairs(&group[g][w], &keys, &next[g][2 * w], &next[g][2 * w + 1]);
#define BITS_AND_VALUES(r) BITS(r) EACH IC_NAME(f32_step)(&pairs[g], &p, r);
#define FIVE(what) what(0) what(1) what(2) what(3) what(4)
#define OTHER_FIVE(what) what(5) what(6) what(7) what(8) what(9)
#define TEN(what) FIVE(what) OTHER_FIVE(what)

  TEN(BITS)
  for (size_t left = steps; left > 0; left--) {
    EACH for (int i = 0; i < 2 * IC_PLANES; i++) pairs[g].word[i] = next[g][i];
    if (left > 1) philox_cursor_advance(&cursor, STEP_BLOCKS, listed);
    FIVE(BITS_AND_VALUES)
#ifdef IC_BOUNDED
    if (outside) list_outside(&offsets, inside, IC_GROUPS); /* always: the branch keeps gcc from mixing both, 4 % */
#endif
    OTHER_FIVE(BITS_AND_VALUES)
    if (drain) nt_lines(drain, out, IC_GROUPS * group_bytes), drain += IC_GROUPS * group_bytes;
    EACH store_pairs(out + (size_t)g * group_bytes, pairs[g].value, dtype, nontemporal);
    out += IC_GROUPS * group_bytes;
#ifdef IC_BOUNDED
    if (outside) EACH inside[g] = f32_inside(pairs[g].value, (float)p.low, (float)p.high);
#endif
  }
#ifdef IC_BOUNDED
  list_outside(&offsets, inside, IC_GROUPS);
#endif
#undef EACH
#undef EACH_PLANE
#undef BITS
#undef BITS_AND_VALUES
  if (outside) *outside = offsets;
}

#if !defined(IC_WORDS_ONLY) && !defined(IC_HALVES)
IC_INLINE void IC_NAME(fill64)(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps,
                               uint8_t *out, offset_list *outside, uint8_t *drain, int listed, int nontemporal) {
  enum { STEP_BLOCKS = IC_COUNTERS * IC_GROUPS64, GROUP_BYTES = 4 * IC_COUNTERS * 8 };
  const IC_NAME(params) p = *(const IC_NAME(params) *)(const void *)params;
  const philox_keys keys = philox_schedule(stream);
  philox_cursor cursor = philox_cursor_at(&keys, blocks, stream->plane, IC_PLANES, 1);
  philox_group half[IC_GROUPS64][2 * IC_PLANES]; /* high and low ones by turns */
  IC_NAME(f64) pairs[IC_GROUPS64][2];
  vu64 next[IC_GROUPS64][IC_PLANES][4];
  offset_list offsets = outside ? *outside : (offset_list){NULL, 0};

#define EACH for (int g = 0; g < IC_GROUPS64; g++)
#define EACH_HALF EACH for (int h = 0; h < 2 * IC_PLANES; h++)
#define BITS(r)                                                                 \
  if (r == 1) EACH_HALF half[g][h] = philox_open(&cursor, &keys, g, h, listed); \
  if (r > 1 && r < 9) EACH_HALF philox_round(&half[g][h], &keys, r);            \
  if (r == 9)                                                                   \
    EACH for (int w = 0; w < IC_PLANES; w++) philox_close_join(half[g][2 * w], half[g][2 * w + 1], &keys, next[g][w]);
#define BITS_AND_VALUES(r) BITS(r) EACH for (int i = 0; i < 2; i++) IC_NAME(f64_step)(&pairs[g][i], &p, r);

  TEN(BITS)
  for (size_t left = steps; left > 0; left--) {
    EACH for (int i = 0; i < 2; i++) for (int w = 0; w < 2 * IC_PLANES; w++) pairs[g][i].word[w] =
        next[g][w / 2][2 * i + w % 2];
    if (left > 1) philox_cursor_advance(&cursor, STEP_BLOCKS, listed);
    TEN(BITS_AND_VALUES)
    if (drain) nt_lines(drain, out, IC_GROUPS64 * GROUP_BYTES), drain += IC_GROUPS64 * GROUP_BYTES;
    EACH {
      const vf64 quad[4] = {pairs[g][0].value[0], pairs[g][0].value[1], pairs[g][1].value[0], pairs[g][1].value[1]};
      f64_store_quads(out + g * GROUP_BYTES, quad, nontemporal);
#ifdef IC_BOUNDED
      const uint32_t inside = f64_inside(quad, p.low, p.high);
      list_outside(&offsets, &inside, 1);
#endif
    }
    out += IC_GROUPS64 * GROUP_BYTES;
  }
#undef EACH
#undef EACH_HALF
#undef BITS
#undef BITS_AND_VALUES
  if (outside) *outside = offsets;
}
#endif

#ifdef IC_BOUNDED
/* Values for elements wherever they are, each from its own pair of words alone, in batches of four groups. Element c of
 * group k of a batch, 4 IC_COUNTERS of them, has its block in blocks[k IC_COUNTERS + c], with bits of OF_PAIR, and gets
 * its value at 4 c + k, where its bit of `inside` is too. `near`: the high words of all blocks are the same. */
#define EACH_UNIT for (int u = 0; u < 2; u++)
#define EACH_GROUP \
  for (int g = 0; g < 2; g++) EACH_UNIT
#define EACH_PLANE EACH_GROUP for (int w = 0; w < PLANES; w++)
#define OPEN                                                                                                        \
  philox_run run[PLANES];                                                                                           \
  philox_group group[2][2][PLANES];                                                                                 \
  vctr low[2][2], high[2][2];                                                                                       \
  for (int w = 0; w < PLANES; w++) run[w] = philox_shared(keys, (uint32_t)((*blocks & ~OF_PAIR) >> 32), PLANE(w));  \
  EACH_GROUP {                                                                                                      \
    ctr_load(blocks + (2 * g + u) * IC_COUNTERS, &low[g][u], &high[g][u]);                                          \
    for (int w = 0; w < PLANES; w++)                                                                                \
      group[g][u][w] = near ? philox_open_near(low[g][u], &run[w])                                                  \
                            : philox_open_any(low[g][u], ctr_and(high[g][u], ctr_set1(~(uint32_t)(OF_PAIR >> 32))), \
                                              PLANE(w), keys);                                                      \
  }                                                                                                                 \
  for (int r = 2; r < PHILOX_ROUNDS - 1; r++) EACH_PLANE philox_round(&group[g][u][w], keys, r);

IC_INLINE void IC_NAME(redraw32)(const ic_params *params, const philox_keys *keys, uint32_t plane,
                                 const uint64_t *blocks, int batches, int near, uint8_t *out, uint32_t *inside) {
  enum { PLANES = IC_PLANES };
#define PLANE(w) (plane + (uint32_t)(w))
#define VALUES(step) EACH_UNIT IC_NAME(f32_step)(&pairs[u], &p, step);
  const IC_NAME(params) p = *(const IC_NAME(params) *)(const void *)params;
  for (; batches > 0; batches--, blocks += 4 * IC_COUNTERS, out += 16 * IC_COUNTERS) {
    IC_NAME(f32) pairs[2];
    vf32 value[2];
    OPEN EACH_UNIT for (int w = 0; w < PLANES; w++) {
      vctr even[2], odd[2];
      for (int g = 0; g < 2; g++) philox_close_pair(&group[g][u][w], keys, high[g][u], &even[g], &odd[g]);
      pairs[u].word[2 * w] = ctr_pair(even[0], even[1]);
      pairs[u].word[2 * w + 1] = ctr_pair(odd[0], odd[1]);
    }
    TEN(VALUES)
    EACH_UNIT value[u] = f32_select(u32_bit30(ctr_pair(high[0][u], high[1][u])), pairs[u].value[1], pairs[u].value[0]);
    store_pairs(out, value, IC_F32, 0);
    *inside++ = f32_inside(value, (float)p.low, (float)p.high);
  }
#undef PLANE
#undef VALUES
}

IC_INLINE void IC_NAME(redraw64)(const ic_params *params, const philox_keys *keys, uint32_t plane,
                                 const uint64_t *blocks, int batches, int near, uint8_t *out, uint32_t *inside) {
  enum { PLANES = 2 * IC_PLANES }; /* high and low halves by turns */
#define PLANE(w) ((plane + (uint32_t)(w) / 2) | ((w) % 2 ? IC_LOW_PLANE : 0))
#define VALUES(step) EACH_GROUP IC_NAME(f64_step)(&pairs[g][u], &p, step);
  const IC_NAME(params) p = *(const IC_NAME(params) *)(const void *)params;
  for (; batches > 0; batches--, blocks += 4 * IC_COUNTERS, out += 32 * IC_COUNTERS) {
    IC_NAME(f64) pairs[2][2];
    vf64 value[4];
    OPEN EACH_GROUP for (int w = 0; w < PLANES; w += 2) {
      vctr even[2], odd[2];
      for (int h = 0; h < 2; h++) philox_close_pair(&group[g][u][w + h], keys, high[g][u], &even[h], &odd[h]);
      pairs[g][u].word[w] = ctr_join(even[1], even[0]);
      pairs[g][u].word[w + 1] = ctr_join(odd[1], odd[0]);
    }
    TEN(VALUES)
    EACH_GROUP value[2 * g + u] =
        f64_select(u64_bit62(ctr_join(low[g][u], high[g][u])), pairs[g][u].value[1], pairs[g][u].value[0]);
    f64_store_quads(out, value, 0);
    *inside++ = f64_inside(value, p.low, p.high);
  }
#undef PLANE
#undef VALUES
}
#undef EACH_UNIT
#undef EACH_GROUP
#undef EACH_PLANE
#undef OPEN
#endif

#ifndef IC_BOUNDED
#define IC_KERNEL(name, fill, ...)                                                                                 \
  static void name(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps, uint8_t *out, \
                   int nontemporal) {                                                                              \
    if (blocks.list)                                                                                               \
      IC_NAME(fill)(params, stream, blocks, steps, out, NULL, NULL, __VA_ARGS__ 1, 0);                             \
    else                                                                                                           \
      IC_NAME(fill)(params, stream, blocks, steps, out, NULL, NULL, __VA_ARGS__ 0, nontemporal);                   \
  }
#define WITH(dtype) dtype, /* an argument and its comma */
#ifndef IC_HALF_KERNEL
#define IC_HALF_KERNEL IC_NAME
#endif
#ifdef IC_WORDS_ONLY
IC_KERNEL(IC_NAME(fill_u32), fill32, WITH(IC_U32))
#else
IC_KERNEL(IC_HALF_KERNEL(fill_f16), fill32, WITH(IC_F16))
IC_KERNEL(IC_HALF_KERNEL(fill_bf16), fill32, WITH(IC_BF16))
#ifndef IC_HALVES
IC_KERNEL(IC_NAME(fill_f32), fill32, WITH(IC_F32))
IC_KERNEL(IC_NAME(fill_f64), fill64, )
#endif
#endif
#undef IC_KERNEL
#undef IC_HALF_KERNEL
#undef WITH
#endif

#undef TEN
#undef IC_GROUPS
#undef IC_GROUPS64
#undef IC_PLANES
#undef IC_DIST
#undef IC_LIGHT
#undef IC_WORDS_ONLY
#undef IC_BOUNDED
#undef IC_HALVES
