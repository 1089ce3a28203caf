/* The kernels of trunc_normal: attempt 0 of a chunk in full vectors, then, attempt by attempt, the blocks of those
 * elements alone whose value was outside.
 *
 * What is left of a chunk after an attempt is a list of offsets; loops over the list have no branches that depend on
 * the values. A chunk stays in the first-level cache until all its values are inside: stores past the caches would need
 * a buffer, with which a float32 of a large array takes 1.15 ns instead of 0.85. */

typedef void (*attempt_function)(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps,
                                 uint8_t *out, offset_list *outside);

/* How a distribution's attempts are made, into arrays of one dtype */
typedef struct {
  ic_dtype dtype;
  attempt_function first, again; /* of all elements, in the dtype; of listed blocks, in working precision */
  size_t step_blocks;
  uint32_t plane, planes;
} trunc_attempts;

enum {
  CHUNK_BYTES = 32768, /* in working precision */
  CHUNK_ELEMENTS = CHUNK_BYTES / 4,
  STEP_ELEMENTS = 4 * IC_MAX_STEP_BLOCKS
};

typedef struct {
  int count;
  uint16_t offset[CHUNK_ELEMENTS + SURE], position[CHUNK_ELEMENTS]; /* in the chunk; in what is drawn again */
  uint64_t blocks[CHUNK_ELEMENTS / 4 + STEP_ELEMENTS];
  IC_ALIGN(64) uint8_t values[CHUNK_BYTES + 8 * STEP_ELEMENTS];
} trunc_pending;

/* The blocks of the pending elements, to whole steps: one for each element where these are few, else each once */
static size_t list_pending_blocks(trunc_pending *p, ic_blocks chunk, size_t chunk_blocks, size_t step_blocks) {
  const uint16_t *restrict offset = p->offset;
  uint16_t *restrict position = p->position;
  uint64_t *restrict blocks = p->blocks;
  const size_t count = (size_t)p->count;
  uint64_t last = ~(uint64_t)0; /* no block: there are fewer than 2^62 */
  size_t n = 0;
  if (!chunk.list && 2 * count < chunk_blocks) {
    for (size_t i = 0; i < count; i++) blocks[i] = chunk.first + offset[i] / 4;
    for (size_t i = 0; i < count; i++) position[i] = (uint16_t)(4 * i + offset[i] % 4);
    last = blocks[count - 1], n = count;
  } else {
    for (size_t i = 0; i < count; i++) {
      const uint64_t block = chunk.list ? chunk.list[offset[i] / 4] : chunk.first + offset[i] / 4;
      n += block != last;
      blocks[n - 1] = last = block;
      position[i] = (uint16_t)(4 * (n - 1) + offset[i] % 4);
    }
  }
  const size_t steps = (n + step_blocks - 1) / step_blocks;
  for (; n < steps * step_blocks; n++) blocks[n] = last;
  return steps;
}

IC_INLINE void put_f32(uint8_t *out, float value, ic_dtype dtype) {
  const uint16_t half = dtype == IC_F16 ? half_of(value) : bfloat_of(value);
  if (dtype == IC_F32)
    memcpy(out, &value, 4);
  else
    memcpy(out, &half, 2);
}

/* Puts the new values in place; those outside stay pending */
IC_INLINE void settle_f32(trunc_pending *p, float low, float high, uint8_t *restrict out, ic_dtype dtype) {
  const float *restrict values = (const float *)(const void *)p->values;
  const uint16_t *restrict position = p->position;
  const int count = p->count;
  int left = 0;
  for (int i = 0; i < count; i++) {
    const float value = values[position[i]];
    const unsigned offset = p->offset[i];
    put_f32(out + offset * ic_itemsize(dtype), value, dtype);
    p->offset[left] = (uint16_t)offset;
    left += !((low <= value) & (value <= high));
  }
  p->count = left;
}
static void settle_f64(trunc_pending *p, double low, double high, uint8_t *restrict out) {
  const double *restrict values = (const double *)(const void *)p->values;
  const int count = p->count;
  int left = 0;
  for (int i = 0; i < count; i++) {
    const double value = values[p->position[i]];
    const unsigned offset = p->offset[i];
    memcpy(out + offset * 8, &value, 8);
    p->offset[left] = (uint16_t)offset;
    left += !((low <= value) & (value <= high));
  }
  p->count = left;
}
static void settle(trunc_pending *p, const trunc_normal_params *params, uint8_t *out) {
  const float low = (float)params->low, high = (float)params->high;
  switch (params->dtype) {
    case IC_F64: settle_f64(p, params->low, params->high, out); break;
    case IC_F32: settle_f32(p, low, high, out, IC_F32); break;
    case IC_F16: settle_f32(p, low, high, out, IC_F16); break;
    default: settle_f32(p, low, high, out, IC_BF16);
  }
}

/* What no attempt has settled, 0.9^256 of a window's elements at most: the quantile of a word of its own */
static void settle_exactly(trunc_pending *p, const trunc_normal_params *params, const ic_stream *stream,
                           ic_blocks chunk, uint8_t *out) {
  for (int i = 0; i < p->count; i++) {
    const unsigned offset = p->offset[i];
    const uint64_t block = chunk.list ? chunk.list[offset / 4] : chunk.first + offset / 4;
    uint64_t word = 0;
    for (int half = 0; half < 2; half++) {
      const uint32_t plane = IC_EXACT_PLANE | (half ? IC_LOW_PLANE : 0);
      const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), plane, stream->draw};
      uint32_t words[4];
      philox4x32_door(counter, stream->key, PHILOX_ROUNDS, 1, words);
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
                              ic_blocks blocks, size_t steps, uint8_t *out) {
  const trunc_normal_params *p = (const trunc_normal_params *)(const void *)params;
  const size_t step_bytes = how->step_blocks * 4 * ic_itemsize(how->dtype);
  const size_t working = how->dtype == IC_F64 ? 8 : 4, most = CHUNK_BYTES / (how->step_blocks * 4 * working);
  trunc_pending pending;
  ic_stream at = *stream;
  const int most_attempts = ic_most_attempts();
  while (steps > 0) {
    const size_t now = steps < most ? steps : most, chunk_blocks = now * how->step_blocks;
    at.plane = stream->plane + how->plane;
    offset_list outside = {pending.offset, 0};
    how->first(params, &at, blocks, now, out, &outside);
    pending.count = (int)(outside.next - pending.offset);
    for (int t = 1; pending.count > 0 && t < most_attempts; t++) {
      const size_t again = list_pending_blocks(&pending, blocks, chunk_blocks, how->step_blocks);
      at.plane += how->planes;
      how->again(params, &at, (ic_blocks){0, pending.blocks}, again, pending.values, NULL);
      settle(&pending, p, out);
    }
    settle_exactly(&pending, p, stream, blocks, out);
    steps -= now;
    out += now * step_bytes;
    if (blocks.list)
      blocks.list += chunk_blocks;
    else
      blocks.first += chunk_blocks;
  }
}

#define ATTEMPTS(kind, suffix, fill, ...)                                                                             \
  static void kind##_first_##suffix(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps, \
                                    uint8_t *out, offset_list *outside) {                                             \
    if (blocks.list)                                                                                                  \
      kind##_##fill(params, stream, blocks, steps, out, outside, __VA_ARGS__ 1, 0);                                   \
    else                                                                                                              \
      kind##_##fill(params, stream, blocks, steps, out, outside, __VA_ARGS__ 0, 0);                                   \
  }
#define AGAIN(kind, suffix, fill, ...)                                                                                \
  static void kind##_again_##suffix(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps, \
                                    uint8_t *out, offset_list *outside) {                                             \
    (void)outside;                                                                                                    \
    kind##_##fill(params, stream, blocks, steps, out, NULL, __VA_ARGS__ 1, 0);                                        \
  }
#define WITH(dtype) dtype, /* an argument and its comma */
#define ALL_ATTEMPTS(kind)                    \
  ATTEMPTS(kind, f32, fill32, WITH(IC_F32))   \
  ATTEMPTS(kind, f16, fill32, WITH(IC_F16))   \
  ATTEMPTS(kind, bf16, fill32, WITH(IC_BF16)) \
  ATTEMPTS(kind, f64, fill64, )               \
  AGAIN(kind, f32, fill32, WITH(IC_F32))      \
  AGAIN(kind, f64, fill64, )
ALL_ATTEMPTS(trunc_wide)
ALL_ATTEMPTS(trunc_tail)

#define TRUNC_KERNEL(suffix, working, id, groups)                                                             \
  static void trunc_normal_fill_##suffix(const ic_params *params, const ic_stream *stream, ic_blocks blocks,  \
                                         size_t steps, uint8_t *out, int streaming) {                         \
    static const trunc_attempts wide = {                                                                      \
        id, trunc_wide_first_##suffix, trunc_wide_again_##working, (groups) * IC_COUNTERS, 0, 1};             \
    static const trunc_attempts tail = {                                                                      \
        id, trunc_tail_first_##suffix, trunc_tail_again_##working, (groups) * IC_COUNTERS, IC_TAIL_PLANE, 2}; \
    const int kind = ((const trunc_normal_params *)(const void *)params)->kind;                               \
    if (kind == TRUNC_PLAIN)                                                                                  \
      normal_fill_##suffix(params, stream, blocks, steps, out, streaming);                                    \
    else                                                                                                      \
      draw_until_inside(kind == TRUNC_WIDE ? &wide : &tail, params, stream, blocks, steps, out);              \
  }
enum { trunc_normal_GROUPS = trunc_wide_GROUPS };
TRUNC_KERNEL(f32, f32, IC_F32, IC_FLIGHT)
TRUNC_KERNEL(f16, f32, IC_F16, IC_FLIGHT)
TRUNC_KERNEL(bf16, f32, IC_BF16, IC_FLIGHT)
TRUNC_KERNEL(f64, f64, IC_F64, IC_FLIGHT64)

#undef ATTEMPTS
#undef AGAIN
#undef WITH
#undef ALL_ATTEMPTS
#undef TRUNC_KERNEL
