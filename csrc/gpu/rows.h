/* The rows of one distribution, stamped out by its header as kern/fill.h says, for a thread of a device. It makes block
 * after block; if IC_BOUNDED, values that are outside are drawn again, one by one, before the thread goes on: so all
 * threads have about as many to draw, where a block's neighbours would wait for its slowest. */

/* Groups of threads that a processor of the device holds at once, at the least: what it leaves a thread in registers
 * lets no architecture spill. */
#ifdef IC_BOUNDED
enum { IC_NAME(AT_ONCE) = 1 };
#else
enum { IC_NAME(AT_ONCE) = 2 };
#endif

/* A block's four elements, to `bytes`; if IC_BOUNDED, a bit for each that is inside */
IC_INLINE uint32_t IC_NAME(block32)(const IC_NAME(params) * p, const philox_keys *keys, uint64_t block, uint32_t plane,
                                    uint8_t *bytes, ic_dtype dtype) {
  IC_NAME(f32) pairs;
  for (int w = 0; w < IC_PLANES; w++) {
    philox_group g = philox_open_any((uint32_t)block, (uint32_t)(block >> 32), plane + (uint32_t)w, keys);
    for (int r = 2; r < PHILOX_ROUNDS - 1; r++) philox_round(&g, keys, r);
    philox_close_pairs(&g, keys, &pairs.word[2 * w], &pairs.word[2 * w + 1]);
  }
  IC_UNROLLED
  for (int step = 0; step < 10; step++) IC_NAME(f32_step)(&pairs, p, step);
  store_pairs(bytes, pairs.value, dtype, 0);
#ifdef IC_BOUNDED
  return f32_inside(pairs.value, (float)p->low, (float)p->high);
#else
  return 15;
#endif
}

#if !defined(IC_WORDS_ONLY) && !defined(IC_HALVES)
IC_INLINE uint32_t IC_NAME(block64)(const IC_NAME(params) * p, const philox_keys *keys, uint64_t block, uint32_t plane,
                                    uint8_t *bytes) {
  IC_NAME(f64) pairs[2];
  for (int w = 0; w < IC_PLANES; w++) {
    philox_group half[2];
    vu64 q[4];
    for (int h = 0; h < 2; h++) {
      const uint32_t of_half = philox_plane(plane, 2 * w + h, 1);
      half[h] = philox_open_any((uint32_t)block, (uint32_t)(block >> 32), of_half, keys);
      for (int r = 2; r < PHILOX_ROUNDS - 1; r++) philox_round(&half[h], keys, r);
    }
    philox_close_join(half[0], half[1], keys, q);
    for (int i = 0; i < 4; i++) pairs[i / 2].word[2 * w + i % 2] = q[i];
  }
  IC_UNROLLED
  for (int i = 0; i < 2; i++) {
    IC_UNROLLED
    for (int step = 0; step < 10; step++) IC_NAME(f64_step)(&pairs[i], p, step);
  }
  const vf64 quad[4] = {pairs[0].value[0], pairs[0].value[1], pairs[1].value[0], pairs[1].value[1]};
  f64_store_quads(bytes, quad, 0);
#ifdef IC_BOUNDED
  return f64_inside(quad, p->low, p->high);
#else
  return 15;
#endif
}
#endif

IC_INLINE uint32_t IC_NAME(block)(const IC_NAME(params) * p, const philox_keys *keys, uint64_t block, uint32_t plane,
                                  uint8_t *bytes, ic_dtype dtype) {
#if !defined(IC_WORDS_ONLY) && !defined(IC_HALVES)
  if (dtype == IC_F64) return IC_NAME(block64)(p, keys, block, plane, bytes);
#endif
  return IC_NAME(block32)(p, keys, block, plane, bytes, dtype);
}

#ifdef IC_BOUNDED
/* Attempt t of element j of a block, to `bytes`: whether it is inside. Both lanes of the float32 vectors have the same
 * words, so the compiler makes one. */
IC_INLINE uint32_t IC_NAME(again32)(const IC_NAME(params) * p, const philox_keys *keys, uint64_t block, uint32_t j,
                                    uint32_t plane, uint8_t *bytes, ic_dtype dtype) {
  const uint32_t low = (uint32_t)block, high = (uint32_t)(block >> 32);
  IC_NAME(f32) pairs;
  for (int w = 0; w < IC_PLANES; w++) {
    philox_group g = philox_open_any(low, high, plane + (uint32_t)w, keys);
    vctr even, odd;
    for (int r = 2; r < PHILOX_ROUNDS - 1; r++) philox_round(&g, keys, r);
    philox_close_pair(&g, keys, j << 30, &even, &odd);
    pairs.word[2 * w] = ctr_pair(even, even);
    pairs.word[2 * w + 1] = ctr_pair(odd, odd);
  }
  IC_UNROLLED
  for (int step = 0; step < 10; step++) IC_NAME(f32_step)(&pairs, p, step);
  const vu32 marks = ctr_pair(j << 30, j << 30);
  const vf32 value = f32_select(u32_bit30(marks), pairs.value[1], pairs.value[0]), both[2] = {value, value};
  uint8_t four[16];
  store_pairs(four, both, dtype, 0);
  memcpy(bytes, four, ic_itemsize(dtype));
  return f32_inside(both, (float)p->low, (float)p->high) & 1;
}

IC_INLINE uint32_t IC_NAME(again64)(const IC_NAME(params) * p, const philox_keys *keys, uint64_t block, uint32_t j,
                                    uint32_t plane, uint8_t *bytes) {
  const uint32_t low = (uint32_t)block, high = (uint32_t)(block >> 32);
  IC_NAME(f64) pairs;
  for (int w = 0; w < IC_PLANES; w++) {
    vctr even[2], odd[2];
    for (int h = 0; h < 2; h++) {
      philox_group g = philox_open_any(low, high, philox_plane(plane, 2 * w + h, 1), keys);
      for (int r = 2; r < PHILOX_ROUNDS - 1; r++) philox_round(&g, keys, r);
      philox_close_pair(&g, keys, j << 30, &even[h], &odd[h]);
    }
    pairs.word[2 * w] = ctr_join(even[1], even[0]);
    pairs.word[2 * w + 1] = ctr_join(odd[1], odd[0]);
  }
  IC_UNROLLED
  for (int step = 0; step < 10; step++) IC_NAME(f64_step)(&pairs, p, step);
  const vf64 value = f64_select((int)(j & 1), pairs.value[1], pairs.value[0]), all[4] = {value, value, value, value};
  memcpy(bytes, &value, 8);
  return f64_inside(all, p->low, p->high) & 1;
}

/* Draws elements again until they are inside: those that `outside` has a bit for, of blocks at, at + step ... of a row
 */
IC_INLINE void IC_NAME(settle)(const ic_launch *launch, const IC_NAME(params) * p, const ic_row *row, int64_t at,
                               uint32_t outside, ic_dtype dtype) {
  uint32_t t = 1;
  IC_NOT_UNROLLED
  while (outside) {
    const uint32_t place = (uint32_t)__ffs((int)outside) - 1, j = place % 4;
    const int64_t here = at + place / 4 * row->step;
    const uint64_t block = row->block + (uint64_t)here;
    const uint32_t plane = IC_FIRST_PLANE + t * IC_PLANES;
    uint8_t bytes[8];
    uint32_t inside = 1;
    if (t >= launch->most_attempts)
      trunc_exactly(&launch->keys, p, block, j, bytes, dtype);
    else if (dtype == IC_F64)
      inside = IC_NAME(again64)(p, &launch->keys, block, j, plane, bytes);
    else
      inside = IC_NAME(again32)(p, &launch->keys, block, j, plane, bytes, dtype);
    t++;
    if (!inside) continue;
    row_put_element(row, here, (int)j, bytes, (int)ic_itemsize(dtype));
    outside &= outside - 1;
    t = 1;
  }
}
#endif

IC_INLINE void IC_NAME(rows)(const ic_launch *launch, ic_dtype dtype) {
  const IC_NAME(params) *p = (const IC_NAME(params) *)(const void *)&launch->params;
  const int itemsize = (int)ic_itemsize(dtype);
  IC_ALIGN(16) uint8_t bytes[32];
  for (int64_t number = row_first(); number < launch->rows; number += row_step()) {
    const ic_row row = row_of(launch, number);
#ifdef IC_BOUNDED
    for (int64_t at = row.first; at < row.blocks; at += IC_THREAD_BLOCKS * row.step) {
      uint32_t outside = 0;
      IC_NOT_UNROLLED
      for (int i = 0; i < IC_THREAD_BLOCKS && at + i * row.step < row.blocks; i++) {
        const int64_t here = at + i * row.step;
        const uint64_t block = row.block + (uint64_t)here;
        const uint32_t inside = IC_NAME(block)(p, &launch->keys, block, IC_FIRST_PLANE, bytes, dtype);
        outside |= (row_put_block(&row, here, bytes, itemsize) & ~inside) << 4 * i;
      }
      IC_NAME(settle)(launch, p, &row, at, outside, dtype);
    }
#else
    IC_NOT_UNROLLED
    for (int64_t at = row.first; at < row.blocks; at += row.step) {
      IC_NAME(block)(p, &launch->keys, row.block + (uint64_t)at, 0, bytes, dtype);
      row_put_block(&row, at, bytes, itemsize);
    }
#endif
  }
}

#ifndef IC_HALF_KERNEL
#define IC_HALF_KERNEL IC_NAME
#endif
#ifdef IC_WORDS_ONLY
IC_INLINE void IC_NAME(rows_u32)(const ic_launch *launch) { IC_NAME(rows)(launch, IC_U32); }
#else
IC_INLINE void IC_HALF_KERNEL(rows_f16)(const ic_launch *launch) { IC_NAME(rows)(launch, IC_F16); }
IC_INLINE void IC_HALF_KERNEL(rows_bf16)(const ic_launch *launch) { IC_NAME(rows)(launch, IC_BF16); }
#ifndef IC_HALVES
IC_INLINE void IC_NAME(rows_f32)(const ic_launch *launch) { IC_NAME(rows)(launch, IC_F32); }
IC_INLINE void IC_NAME(rows_f64)(const ic_launch *launch) { IC_NAME(rows)(launch, IC_F64); }
#endif
#endif
#undef IC_HALF_KERNEL
