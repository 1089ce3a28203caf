#include "fill/scatter.h"

#include <stdlib.h>
#include <string.h>

#include "dtypes.h"
#include "kern/half.h"
#include "kernels.h"

enum { MOST_COLUMNS = IC_STRIP_BYTES / 4 };

void ic_scales(const ic_target *target, int64_t first, size_t count, void *scales) {
  for (size_t j = 0; j < count; j++) {
    const double scale = -target->sign[ic_axis_map_index(&target->k, first + (int64_t)j)] * target->gain;
    if (target->working == IC_F64)
      ((double *)scales)[j] = scale;
    else
      ((float *)scales)[j] = (float)scale;
  }
}

/* `count` elements of a tile, `step` apart, times scales, in the array's dtype. The steps are constants where it pays.
 */
#define STAMP_CONVERSION(name, real, stored, expression)                                                       \
  IC_INLINE void name##_by(const real *tile, size_t step, const real *scales, size_t scale_step, size_t count, \
                           uint8_t *out) {                                                                     \
    for (size_t a = 0; a < count; a++) {                                                                       \
      const real value = tile[a * step] * scales[a * scale_step];                                              \
      const stored held = expression;                                                                          \
      memcpy(out + a * sizeof(stored), &held, sizeof(stored));                                                 \
    }                                                                                                          \
  }                                                                                                            \
  static void name(const void *tile, size_t step, const void *scales, size_t count, uint8_t *out) {            \
    if (step == 1)                                                                                             \
      name##_by(tile, 1, scales, 1, count, out);                                                               \
    else                                                                                                       \
      name##_by(tile, IC_STRIP_BYTES / sizeof(real), scales, 0, count, out);                                   \
  }
STAMP_CONVERSION(convert_f64, double, double, value)
STAMP_CONVERSION(convert_f32, float, float, value)
STAMP_CONVERSION(convert_f16, float, uint16_t, half_of(value))
STAMP_CONVERSION(convert_bf16, float, uint16_t, bfloat_of(value))
#undef STAMP_CONVERSION

/* Along a row of a tile (step 1), by as many scales, or down a column, by one */
static void convert(const ic_target *target, const uint8_t *tile, size_t step, const uint8_t *scales, size_t count,
                    uint8_t *out) {
  switch (target->dtype) {
    case IC_F64: convert_f64(tile, step, scales, count, out); break;
    case IC_F16: convert_f16(tile, step, scales, count, out); break;
    case IC_BF16: convert_bf16(tile, step, scales, count, out); break;
    default: convert_f32(tile, step, scales, count, out);
  }
  if (target->swapped) ic_swap_bytes(out, count, ic_itemsize(target->dtype));
}

/* Elements to the places [first, first + count) of a map */
static void put(const ic_axis_map *map, int64_t first, size_t count, const uint8_t *values, size_t itemsize,
                uint8_t *data) {
  if (!map->listed && map->stride == (int64_t)itemsize) {
    memcpy(data + first * map->stride, values, count * itemsize);
    return;
  }
  for (size_t a = 0; a < count; a++)
    memcpy(data + ic_axis_map_offset(map, first + (int64_t)a), values + a * itemsize, itemsize);
}

void ic_scatter_tile(const ic_target *target, void *tile, int64_t row, size_t rows, int64_t first, size_t count) {
  IC_ALIGN(64) uint8_t scales[MOST_COLUMNS * 8], values[IC_CHUNK_ROWS * 8];
  const size_t itemsize = ic_itemsize(target->dtype), size = ic_itemsize(target->working),
               pitch = IC_STRIP_BYTES / size;
  const int64_t low = ic_axis_map_before(&target->i, row), high = ic_axis_map_before(&target->i, row + (int64_t)rows);
  const ic_axis_map *i = &target->i, *k = &target->k;
  if (low == high) return;
  ic_scales(target, first, count, scales);
  if (llabs(k->stride) <= llabs(i->stride)) {
    for (int64_t a = low; a < high; a++) {
      const uint8_t *from = (const uint8_t *)tile + (size_t)(ic_axis_map_index(i, a) - row) * IC_STRIP_BYTES;
      convert(target, from, 1, scales, count, values);
      put(k, first, count, values, itemsize, target->data + ic_axis_map_offset(i, a));
    }
    return;
  }
  const int together = high - low == (int64_t)rows;
  for (size_t j = 0; j < count; j++) {
    const uint8_t *from = (const uint8_t *)tile + j * size;
    uint8_t *data = target->data + ic_axis_map_offset(k, first + (int64_t)j);
    if (together)
      convert(target, from, pitch, scales + j * size, rows, values);
    else
      for (int64_t a = low; a < high; a++)
        convert(target, from + (size_t)(ic_axis_map_index(i, a) - row) * IC_STRIP_BYTES, 1, scales + j * size, 1,
                values + (size_t)(a - low) * itemsize);
    put(i, low, (size_t)(high - low), values, itemsize, data);
  }
}
