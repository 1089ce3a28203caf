/* The kernels of trunc_normal: attempt 0 of a chunk in full vectors, then, attempt by attempt, those elements alone
 * whose value was outside.
 *
 * What is left of a chunk after an attempt is a list of offsets, and what is drawn for each is its own pair of words
 * alone. Loops over the list have no branches that depend on the values.
 *
 * A chunk must stay in the caches until all its values are inside. An array that is written past the caches gets it by
 * way of a buffer, from which each line goes to its place just before the next chunk overwrites it: so evenly, memory
 * keeps up.
 */

typedef void (*first_function)(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps,
                               uint8_t *out, offset_list *outside, uint8_t *drain);
typedef void (*redraw_function)(const ic_params *params, const philox_keys *keys, uint32_t plane, redrawn list,
                                uint8_t *out);

/* How a distribution's attempts are made, into arrays of one dtype */
typedef struct {
  ic_dtype dtype;
  first_function listed, plain, drained; /* the first, of all elements, in the dtype */
  redraw_function redraw;                /* each of the others, of listed elements */
  size_t step_blocks;
  uint32_t plane, planes;
} trunc_attempts;

enum {
  CHUNK_BYTES = 49152, /* with the list, 80 KiB of stack */
  CHUNK_ELEMENTS = CHUNK_BYTES / 4,
  BATCHES = 1024 / REDRAWN /* whose blocks are listed at once */
};

typedef struct {
  uint16_t offset[CHUNK_ELEMENTS + IC_SURE + REDRAWN]; /* in the chunk */
  int count;
  uint64_t blocks[BATCHES * REDRAWN];
  uint32_t inside[BATCHES];
  IC_ALIGN(64) uint8_t buffer[CHUNK_BYTES];
} trunc_pending;

/* The marked blocks of some elements */
static void list_blocks(uint64_t *restrict blocks, const uint16_t *restrict offset, int count, ic_blocks chunk) {
  for (int i = 0; i < count; i++) blocks[i] = (uint64_t)(offset[i] & 3) << 62;
  if (chunk.list)
    for (int i = 0; i < count; i++) blocks[i] |= chunk.first + chunk.list[offset[i] / 4];
  else
    for (int i = 0; i < count; i++) blocks[i] |= chunk.first + offset[i] / 4;
}

#ifndef IC_HALF_IN_HARDWARE
#define f32_half_of half_of
#endif
IC_INLINE void put_f32(uint8_t *out, float value, ic_dtype dtype) {
  const uint16_t half = dtype == IC_F16 ? f32_half_of(value) : bfloat_of(value);
  if (dtype == IC_F32)
    memcpy(out, &value, 4);
  else
    memcpy(out, &half, 2);
}

/* One more attempt of all pending elements */
static void try_again(trunc_pending *p, const trunc_attempts *how, const ic_params *params, const philox_keys *keys,
                      uint32_t plane, ic_blocks chunk, uint8_t *out) {
  const int count = p->count;
  int left = 0;
  for (int i = 0; i < REDRAWN; i++) p->offset[count + i] = p->offset[count - 1]; /* to a whole batch */
  for (int i = 0; i < count; i += BATCHES * REDRAWN) {
    const int now = count - i < BATCHES * REDRAWN ? count - i : BATCHES * REDRAWN;
    const redrawn list = {p->offset + i, p->blocks, now, !chunk.list || chunk.near, p->inside};
    list_blocks(p->blocks, list.offset, (now + REDRAWN - 1) / REDRAWN * REDRAWN, chunk);
    how->redraw(params, keys, plane, list, out);
    for (int b = 0; b < now; b += REDRAWN)
      left += keep_outside(list.offset + b, now - b, p->inside[b / REDRAWN], p->offset + left);
  }
  p->count = left;
}

/* What no attempt has settled, 0.9^256 of a window's elements at most: the quantile of a word of its own */
static void settle_exactly(trunc_pending *p, const trunc_normal_params *params, const ic_stream *stream,
                           ic_blocks chunk, uint8_t *out) {
  for (int i = 0; i < p->count; i++) {
    const unsigned offset = p->offset[i];
    const uint64_t block = chunk.first + (chunk.list ? chunk.list[offset / 4] : offset / 4);
    uint64_t word = 0;
    for (int half = 0; half < 2; half++) {
      const uint32_t plane = IC_EXACT_PLANE | (half ? IC_LOW_PLANE : 0);
      const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), plane, stream->draw};
      uint32_t words[4];
      philox4x32_blocks(counter, stream->key, PHILOX_ROUNDS, 1, words);
      word = word << 32 | words[offset % 4];
    }
    const double x = ic_window_quantile(&params->window, ((double)(word >> 11) + 0.5) * 0x1p-53);
    const double value = x < params->low ? params->low : x > params->high ? params->high : x; /* by an ulp */
    if (params->dtype == IC_F64)
      memcpy(out + offset * 8, &value, 8);
    else
      put_f32(out + offset * ic_itemsize((ic_dtype)params->dtype), (float)value, (ic_dtype)params->dtype);
  }
}

static void draw_until_inside(const trunc_attempts *how, const ic_params *params, const ic_stream *stream,
                              ic_blocks blocks, size_t steps, uint8_t *out, int nontemporal) {
  const size_t step_elements = how->step_blocks * 4, step_bytes = step_elements * ic_itemsize(how->dtype);
  const size_t most = (how->dtype == IC_F64 ? CHUNK_BYTES / 8 : CHUNK_ELEMENTS) / step_elements;
  const philox_keys keys = philox_schedule(stream);
  const int most_attempts = ic_most_attempts();
  trunc_pending pending;
  ic_stream at = *stream;
  at.plane += how->plane;
  uint8_t *drain = NULL; /* where what the buffer holds belongs */
  size_t held = 0;
  while (steps > 0) {
    const size_t now = steps < most ? steps : most, chunk_blocks = now * how->step_blocks, bytes = now * step_bytes;
    uint8_t *target = nontemporal ? pending.buffer : out;
    offset_list outside = {pending.offset, 0};
    const first_function first = blocks.list ? how->listed : drain ? how->drained : how->plain;
    first(params, &at, blocks, now, target, &outside, drain);
    if (held > bytes) nt_lines(drain + bytes, pending.buffer + bytes, held - bytes);
    pending.count = (int)(outside.next - pending.offset);
    uint32_t plane = at.plane;
    for (int t = 1; pending.count > 0 && t < most_attempts; t++)
      try_again(&pending, how, params, &keys, plane += how->planes, blocks, target);
    settle_exactly(&pending, (const void *)params, stream, blocks, target);
    if (nontemporal) drain = out, held = bytes;
    steps -= now;
    out += bytes;
    if (blocks.list)
      blocks.list += chunk_blocks;
    else
      blocks.first += chunk_blocks;
  }
  if (held) nt_lines(drain, pending.buffer, held);
}

enum { trunc_normal_GROUPS = trunc_wide_GROUPS, trunc_normal_GROUPS64 = trunc_wide_GROUPS64 };
_Static_assert(trunc_wide_GROUPS % trunc_tail_GROUPS == 0 && trunc_wide_GROUPS64 % trunc_tail_GROUPS64 == 0,
               "whole steps");

/* Functions of their own: in one, gcc's registers for each are worse, 8 %. A step of the kernels is one of
 * trunc_normal_GROUPS; a distribution with fewer groups makes several of its own. */
#define OWN_STEPS(kind, groups) (steps * (size_t)((int)trunc_normal_##groups / (int)kind##_##groups))
#define STAMP_FIRST(processor, kind, suffix, fill, groups, ...)                                                        \
  STAMP_FIRST_AS(                                                                                                      \
      processor, kind##_first_listed_##suffix,                                                                         \
      kind##_##fill(params, stream, blocks, OWN_STEPS(kind, groups), out, outside, NULL, __VA_ARGS__ TURNING, 0))      \
  STAMP_FIRST_AS(processor, kind##_first_plain_##suffix,                                                               \
                 kind##_##fill(params, stream, blocks, OWN_STEPS(kind, groups), out, outside, NULL, __VA_ARGS__ 0, 0)) \
  STAMP_FIRST_AS(                                                                                                      \
      processor, kind##_first_drained_##suffix,                                                                        \
      kind##_##fill(params, stream, blocks, OWN_STEPS(kind, groups), out, outside, drain, __VA_ARGS__ 0, 0))
#define STAMP_FIRST_AS(processor, name, call)                                                                  \
  processor static void name(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps, \
                             uint8_t *out, offset_list *outside, uint8_t *drain) {                             \
    (void)drain;                                                                                               \
    call;                                                                                                      \
  }
#define STAMP_REDRAW(kind, suffix, redraw, ...)                                                                     \
  static void kind##_again_##suffix(const ic_params *params, const philox_keys *keys, uint32_t plane, redrawn list, \
                                    uint8_t *out) {                                                                 \
    if (list.near)                                                                                                  \
      list.near = 1, kind##_##redraw(params, keys, plane, list, out __VA_ARGS__);                                   \
    else                                                                                                            \
      list.near = 0, kind##_##redraw(params, keys, plane, list, out __VA_ARGS__);                                   \
  }
#define WITH(dtype) dtype, 0, /* arguments and their commas */
#define STAMP_ATTEMPTS(kind)                               \
  STAMP_FIRST(, kind, f32, fill32, GROUPS, WITH(IC_F32))   \
  STAMP_FIRST(, kind, f16, fill32, GROUPS, WITH(IC_F16))   \
  STAMP_FIRST(, kind, bf16, fill32, GROUPS, WITH(IC_BF16)) \
  STAMP_FIRST(, kind, f64, fill64, GROUPS64, )             \
  STAMP_REDRAW(kind, f32, redraw32, , IC_F32)              \
  STAMP_REDRAW(kind, f16, redraw32, , IC_F16)              \
  STAMP_REDRAW(kind, bf16, redraw32, , IC_BF16)            \
  STAMP_REDRAW(kind, f64, redraw64, )
STAMP_ATTEMPTS(trunc_wide)
STAMP_ATTEMPTS(trunc_tail)
#ifdef IC_FOR_BF16
STAMP_FIRST(IC_FOR_BF16, trunc_wide, bf16_by_processor, fill32, GROUPS, IC_BF16, 1, )
#endif
#undef STAMP_FIRST
#undef OWN_STEPS
#undef STAMP_FIRST_AS
#undef STAMP_REDRAW
#undef STAMP_ATTEMPTS
#undef WITH

#define ATTEMPTS_OF(name, suffix, again, id, groups, plane, planes) \
  {id,                                                              \
   name##_first_listed_##suffix,                                    \
   name##_first_plain_##suffix,                                     \
   name##_first_drained_##suffix,                                   \
   name##_again_##again,                                            \
   (groups) * IC_COUNTERS,                                          \
   plane,                                                           \
   planes}
#define STAMP_KERNEL(suffix, id, groups, wide_suffix)                                                            \
  static void trunc_normal_fill_##suffix(const ic_params *params, const ic_stream *stream, ic_blocks blocks,     \
                                         size_t steps, uint8_t *out, int nontemporal) {                          \
    static const trunc_attempts wide[2] = {ATTEMPTS_OF(trunc_wide, suffix, suffix, id, groups, 0, 1),            \
                                           ATTEMPTS_OF(trunc_wide, wide_suffix, suffix, id, groups, 0, 1)};      \
    static const trunc_attempts tail = ATTEMPTS_OF(trunc_tail, suffix, suffix, id, groups, IC_TAIL_PLANE, 2);    \
    const trunc_normal_params *p = (const void *)params;                                                         \
    const int by_processor = ic_bf16_in_hardware && normal_never_tiny(p->mean, p->std);                          \
    if (p->kind == TRUNC_PLAIN)                                                                                  \
      normal_fill_##suffix(params, stream, blocks, steps, out, nontemporal);                                     \
    else                                                                                                         \
      draw_until_inside(p->kind == TRUNC_WIDE ? &wide[by_processor] : &tail, params, stream, blocks, steps, out, \
                        nontemporal);                                                                            \
  }
STAMP_KERNEL(f32, IC_F32, IC_FLIGHT, f32)
STAMP_KERNEL(f16, IC_F16, IC_FLIGHT, f16)
#ifdef IC_FOR_BF16
STAMP_KERNEL(bf16, IC_BF16, IC_FLIGHT, bf16_by_processor)
#else
STAMP_KERNEL(bf16, IC_BF16, IC_FLIGHT, bf16)
#endif
STAMP_KERNEL(f64, IC_F64, IC_FLIGHT64, f64)
#undef ATTEMPTS_OF
#undef STAMP_KERNEL
