/* The fills of one distribution, stamped out by its header: IC_DIST is its name, and it has defined
 *
 *   NAME_params                               what a kernel needs of the parameters
 *   NAME_f32 { word[2 IC_PLANES]; value[2]; } a vector of pairs of elements, words in (plane by plane), values out
 *   NAME_f32_step(pairs, params, step)        its work in ten steps, 0 to 9
 *   NAME_f64, NAME_f64_step                   the same in double
 *
 * and IC_PLANES if it takes more than one word an element, IC_WORDS_ONLY if it fills with words, IC_LIGHT if its work
 * is small beside Philox's, IC_BOUNDED if values outside params.low .. params.high are drawn again, IC_HALVES if it
 * fills half precision alone, IC_HALF_KERNEL(suffix) if the kernels that do have another name, IC_FIRST_PLANE if it is
 * IC_BOUNDED: that of its first attempt, the others being IC_PLANES apart. If values other than 0 that are no normal
 * floats can be ruled out, IC_NEVER_TINY(params) says so: then the processor may round them to bfloat16.
 *
 * A batch's steps run between the Philox rounds of the batch after it. If IC_BOUNDED, the fills are no kernels, but for
 * kern/attempts.h, as are the functions of kern/redraw.h: they list in `outside` which values are to be drawn again,
 * and before they write to `out` they move what it held past the caches to `drain`, if there is one.
 *
 * What devices compile gets the rows of gpu/rows.h instead. */

#ifndef IC_PLANES
#define IC_PLANES 1
#endif
#ifdef IC_LIGHT
#define IC_GROUPS IC_FLIGHT_LIGHT
#define IC_GROUPS64 IC_FLIGHT64_LIGHT
#elif IC_PLANES > 1
#define IC_GROUPS IC_FLIGHT_PLANES
#define IC_GROUPS64 IC_FLIGHT64_PLANES
#else
#define IC_GROUPS IC_FLIGHT
#define IC_GROUPS64 IC_FLIGHT64
#endif
#ifndef IC_NAME
#define IC_NAME3(dist, what) dist##_##what
#define IC_NAME2(dist, what) IC_NAME3(dist, what)
#define IC_NAME(what) IC_NAME2(IC_DIST, what)
#endif

#ifdef IC_DEVICE
#include "gpu/rows.h"
#else
#define FIRST_FIVE_STEPS(step) step(0) step(1) step(2) step(3) step(4)
#define OTHER_FIVE_STEPS(step) step(5) step(6) step(7) step(8) step(9)
#define TEN_STEPS(step) FIRST_FIVE_STEPS(step) OTHER_FIVE_STEPS(step)

enum { IC_NAME(GROUPS) = IC_GROUPS, IC_NAME(GROUPS64) = IC_GROUPS64 };

IC_INLINE void IC_NAME(fill32)(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps,
                               uint8_t *out, offset_list *outside, uint8_t *drain, ic_dtype dtype, int by_processor,
                               int listed, int nontemporal) {
  enum { STEP_BLOCKS = IC_COUNTERS * IC_GROUPS };
#define EACH_GROUP for (int g = 0; g < IC_GROUPS; g++)
  const size_t group_bytes = 4 * IC_COUNTERS * ic_itemsize(dtype);
  const IC_NAME(params) p = *(const IC_NAME(params) *)(const void *)params;
  const philox_keys keys = philox_schedule(stream);
  philox_cursor cursor = philox_cursor_at(&keys, blocks, stream->plane, IC_PLANES, 0);
  philox_group group[IC_GROUPS][IC_PLANES];
  IC_NAME(f32) pairs[IC_GROUPS];
  vu32 next[IC_GROUPS][2 * IC_PLANES];
  ic_turns *turns = blocks.meanwhile;
  offset_list offsets = outside ? *outside : (offset_list){NULL, 0};
#ifdef IC_BOUNDED
  uint32_t inside[IC_GROUPS]; /* of the batch before, listed while its successor's values are made */
  EACH_GROUP inside[g] = ~0u;
  offsets.first -= IC_GROUPS * GROUP_BITS;
#endif

#define EACH_GROUP_AND_PLANE EACH_GROUP for (int w = 0; w < IC_PLANES; w++)
#define BITS_STEP(r)                                                                        \
  if (r == 1) EACH_GROUP_AND_PLANE group[g][w] = philox_open(&cursor, &keys, g, w, listed); \
  if (r > 1 && r < 9) EACH_GROUP_AND_PLANE philox_round(&group[g][w], &keys, r);            \
  if (r == 9) EACH_GROUP_AND_PLANE philox_close_pairs(&group[g][w], &keys, &next[g][2 * w], &next[g][2 * w + 1]);
#define BITS_AND_VALUES_STEP(r) BITS_STEP(r) EACH_GROUP IC_NAME(f32_step)(&pairs[g], &p, r);
  TEN_STEPS(BITS_STEP)
  for (size_t left = steps; left > 0; left--) {
    EACH_GROUP {
      for (int i = 0; i < 2 * IC_PLANES; i++) pairs[g].word[i] = next[g][i];
    }
    if (left > 1) philox_cursor_advance(&cursor, STEP_BLOCKS, listed);
    FIRST_FIVE_STEPS(BITS_AND_VALUES_STEP)
#ifdef IC_BOUNDED
    if (outside) list_outside(&offsets, inside, IC_GROUPS); /* always: the branch keeps gcc from mixing both, 4 % */
#endif
    OTHER_FIVE_STEPS(BITS_AND_VALUES_STEP)
    if (drain) nt_lines(drain, out, IC_GROUPS * group_bytes), drain += IC_GROUPS * group_bytes;
    if (by_processor)
      EACH_GROUP bf16_store_pairs(out + (size_t)g * group_bytes, pairs[g].value[0], pairs[g].value[1], nontemporal);
    else
      EACH_GROUP store_pairs(out + (size_t)g * group_bytes, pairs[g].value, dtype, nontemporal);
    if (listed == TURNING && turns)
      turn_groups(turns, TURNED_WITH(STEP_BLOCKS, ic_itemsize(dtype)), ic_itemsize(dtype));
    out += IC_GROUPS * group_bytes;
#ifdef IC_BOUNDED
    if (outside) EACH_GROUP inside[g] = f32_inside(pairs[g].value, (float)p.low, (float)p.high);
#endif
  }
#ifdef IC_BOUNDED
  list_outside(&offsets, inside, IC_GROUPS);
#endif
#undef EACH_GROUP
#undef EACH_GROUP_AND_PLANE
#undef BITS_STEP
#undef BITS_AND_VALUES_STEP
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
  ic_turns *turns = blocks.meanwhile;
  offset_list offsets = outside ? *outside : (offset_list){NULL, 0};
#ifdef IC_BOUNDED
  uint32_t inside[IC_GROUPS64];
  for (int g = 0; g < IC_GROUPS64; g++) inside[g] = ~0u;
  memset(pairs, 0, sizeof pairs); /* gcc does not see that each step reads only what others have written */
  offsets.first -= IC_GROUPS64 * GROUP_BITS;
#endif

#define EACH_GROUP for (int g = 0; g < IC_GROUPS64; g++)
#define EACH_GROUP_AND_HALF EACH_GROUP for (int h = 0; h < 2 * IC_PLANES; h++)
#define BITS_STEP(r)                                                                      \
  if (r == 1) EACH_GROUP_AND_HALF half[g][h] = philox_open(&cursor, &keys, g, h, listed); \
  if (r > 1 && r < 9) EACH_GROUP_AND_HALF philox_round(&half[g][h], &keys, r);            \
  if (r == 9)                                                                             \
    EACH_GROUP for (int w = 0; w < IC_PLANES; w++)                                        \
        philox_close_join(half[g][2 * w], half[g][2 * w + 1], &keys, next[g][w]);
#define BITS_AND_VALUES_STEP(r) \
  BITS_STEP(r) EACH_GROUP for (int i = 0; i < 2; i++) IC_NAME(f64_step)(&pairs[g][i], &p, r);

  TEN_STEPS(BITS_STEP)
  for (size_t left = steps; left > 0; left--) {
    EACH_GROUP {
      for (int i = 0; i < 2; i++)
        for (int w = 0; w < 2 * IC_PLANES; w++) pairs[g][i].word[w] = next[g][w / 2][2 * i + w % 2];
    }
    if (left > 1) philox_cursor_advance(&cursor, STEP_BLOCKS, listed);
    FIRST_FIVE_STEPS(BITS_AND_VALUES_STEP)
#ifdef IC_BOUNDED
    if (outside) list_outside(&offsets, inside, IC_GROUPS64);
#endif
    OTHER_FIVE_STEPS(BITS_AND_VALUES_STEP)
    if (drain) nt_lines(drain, out, IC_GROUPS64 * GROUP_BYTES), drain += IC_GROUPS64 * GROUP_BYTES;
    EACH_GROUP {
      const vf64 quad[4] = {pairs[g][0].value[0], pairs[g][0].value[1], pairs[g][1].value[0], pairs[g][1].value[1]};
      f64_store_quads(out + g * GROUP_BYTES, quad, nontemporal);
#ifdef IC_BOUNDED
      inside[g] = f64_inside(quad, p.low, p.high);
#endif
    }
    if (listed == TURNING && turns) turn_groups(turns, TURNED_WITH(STEP_BLOCKS, 8), 8);
    out += IC_GROUPS64 * GROUP_BYTES;
  }
#ifdef IC_BOUNDED
  list_outside(&offsets, inside, IC_GROUPS64);
#endif
#undef EACH_GROUP
#undef EACH_GROUP_AND_HALF
#undef BITS_STEP
#undef BITS_AND_VALUES_STEP
  if (outside) *outside = offsets;
}
#endif

#ifdef IC_BOUNDED
#include "kern/redraw.h"
#else
#define STAMP_KERNEL(name, fill, ...) STAMP_KERNEL_FOR(, name, fill, __VA_ARGS__)
/* Runs, runs past the caches, lists, and lists beside which others are turned, are functions of their own: in one,
 * gcc's registers are worse for some of them, by up to 5 % */
#define JOINED2(a, b) a##_##b
#define JOINED(a, b) JOINED2(a, b)
#define STAMP_PART(processor, name, fill, ...)                                                            \
  processor IC_APART static void name(const ic_params *params, const ic_stream *stream, ic_blocks blocks, \
                                      size_t steps, uint8_t *out) {                                       \
    IC_NAME(fill)(params, stream, blocks, steps, out, NULL, NULL, __VA_ARGS__);                           \
  }
#define STAMP_KERNEL_FOR(processor, name, fill, ...)                                                               \
  STAMP_PART(processor, JOINED(name, run), fill, __VA_ARGS__ 0, 0)                                                 \
  STAMP_PART(processor, JOINED(name, past_caches), fill, __VA_ARGS__ 0, 1)                                         \
  STAMP_PART(processor, JOINED(name, listed), fill, __VA_ARGS__ LISTED, 0)                                         \
  STAMP_PART(processor, JOINED(name, turning), fill, __VA_ARGS__ TURNING, 0)                                       \
  static void name(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps, uint8_t *out, \
                   int nontemporal) {                                                                              \
    if (blocks.list)                                                                                               \
      (blocks.meanwhile ? JOINED(name, turning) : JOINED(name, listed))(params, stream, blocks, steps, out);       \
    else                                                                                                           \
      (nontemporal ? JOINED(name, past_caches) : JOINED(name, run))(params, stream, blocks, steps, out);           \
  }
#define WITH(dtype) dtype, 0, /* arguments and their commas */
#ifndef IC_HALF_KERNEL
#define IC_HALF_KERNEL IC_NAME
#endif
#ifdef IC_WORDS_ONLY
STAMP_KERNEL(IC_NAME(fill_u32), fill32, WITH(IC_U32))
#else
STAMP_KERNEL(IC_HALF_KERNEL(fill_f16), fill32, WITH(IC_F16))
#ifdef IC_FOR_BF16
STAMP_KERNEL(IC_NAME(fill_bf16_in_software), fill32, WITH(IC_BF16))
STAMP_KERNEL_FOR(IC_FOR_BF16, IC_NAME(fill_bf16_by_processor), fill32, IC_BF16, 1, )
static void IC_HALF_KERNEL(fill_bf16)(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps,
                                      uint8_t *out, int nontemporal) {
  static const ic_fill_kernel kernels[] = {IC_NAME(fill_bf16_in_software), IC_NAME(fill_bf16_by_processor)};
  const IC_NAME(params) *p = (const IC_NAME(params) *)(const void *)params;
  kernels[ic_bf16_in_hardware && IC_NEVER_TINY(p)](params, stream, blocks, steps, out, nontemporal);
}
#else
STAMP_KERNEL(IC_HALF_KERNEL(fill_bf16), fill32, WITH(IC_BF16))
#endif
#ifndef IC_HALVES
STAMP_KERNEL(IC_NAME(fill_f32), fill32, WITH(IC_F32))
STAMP_KERNEL(IC_NAME(fill_f64), fill64, )
#endif
#endif
#undef STAMP_KERNEL
#undef STAMP_KERNEL_FOR
#undef STAMP_PART
#undef JOINED
#undef JOINED2
#undef IC_HALF_KERNEL
#undef WITH
#endif

#undef FIRST_FIVE_STEPS
#undef OTHER_FIVE_STEPS
#undef TEN_STEPS
#endif

#undef IC_GROUPS
#undef IC_GROUPS64
#undef IC_PLANES
#undef IC_DIST
#undef IC_LIGHT
#undef IC_WORDS_ONLY
#undef IC_BOUNDED
#undef IC_HALVES
#undef IC_FIRST_PLANE
#undef IC_NEVER_TINY
