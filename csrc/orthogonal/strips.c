#include "orthogonal/strips.h"

#include <string.h>

#include "dtypes.h"
#include "kernels.h"
#include "orthogonal/reflectors.h"

uint8_t *ic_strip_tile(const ic_strips *strips, int64_t strip, int64_t chunk, uint8_t *one) {
  const size_t above = (size_t)chunk * IC_CHUNK_ROWS;
  if (strips->place == IC_IN_ONE_TILE) return one;
  if (strip == strips->whole) return strips->loose + above * IC_STRIP_BYTES;
  if (strips->place != IC_IN_ARRAY_ALONG)
    return strips->base + ((size_t)strip * (size_t)strips->m + above) * IC_STRIP_BYTES;
  const size_t rows = (size_t)ic_chunk_rows(strips->m, chunk);
  return strips->base + above * (size_t)strips->n * strips->itemsize + (size_t)strip * rows * IC_STRIP_BYTES;
}

int64_t ic_strips_units(const ic_strips *strips) {
  if (strips->place == IC_IN_ARRAY_ALONG) return (strips->m + IC_CHUNK_ROWS - 1) / IC_CHUNK_ROWS;
  return strips->place == IC_IN_ARRAY_ACROSS ? (strips->n + strips->width - 1) / strips->width : 0;
}

size_t ic_strips_spare_bytes(const ic_strips *strips) {
  if (strips->place == IC_IN_ARRAY_ALONG) return IC_CHUNK_ROWS * (size_t)strips->n * strips->itemsize;
  return strips->place == IC_IN_ARRAY_ACROSS ? (size_t)strips->m * IC_STRIP_BYTES : 0;
}

#define STAMP_SCALING(name, real)                                                                                     \
  static void name##_along(real *out, const real *in, const real *scales, size_t count) {                             \
    for (size_t j = 0; j < count; j++) out[j] = in[j] * scales[j];                                                    \
  }                                                                                                                   \
  static void name##_across(real *out, size_t pitch, const real *in, size_t rows, const real *scales, size_t count) { \
    for (size_t j = 0; j < count; j++)                                                                                \
      for (size_t i = 0; i < rows; i++) out[j * pitch + i] = in[i * (IC_STRIP_BYTES / sizeof(real)) + j] * scales[j]; \
  }
STAMP_SCALING(scale_f32, float)
STAMP_SCALING(scale_f64, double)
#undef STAMP_SCALING

static void order_chunk(const ic_strips *s, const ic_target *target, int64_t chunk, uint8_t *spare) {
  IC_ALIGN(64) uint8_t scales[IC_STRIP_BYTES];
  const size_t rows = (size_t)ic_chunk_rows(s->m, chunk), width = (size_t)s->width;
  uint8_t *out = s->base + (size_t)chunk * IC_CHUNK_ROWS * (size_t)s->n * s->itemsize;
  memcpy(spare, out, (size_t)s->whole * rows * IC_STRIP_BYTES);
  for (int64_t strip = 0; strip * s->width < s->n; strip++) {
    const uint8_t *tile = strip < s->whole ? spare + (size_t)strip * rows * IC_STRIP_BYTES
                                           : s->loose + (size_t)chunk * IC_CHUNK_ROWS * IC_STRIP_BYTES;
    const size_t left = (size_t)(s->n - strip * s->width), count = left < width ? left : width;
    ic_scales(target, strip * s->width, count, scales);
    for (size_t i = 0; i < rows; i++) {
      void *to = out + (i * (size_t)s->n + (size_t)strip * width) * s->itemsize;
      const void *from = tile + i * IC_STRIP_BYTES;
      if (s->itemsize == 8)
        scale_f64_along(to, from, (const void *)scales, count);
      else
        scale_f32_along(to, from, (const void *)scales, count);
    }
  }
}

static void order_strip(const ic_strips *s, const ic_target *target, int64_t strip, uint8_t *spare) {
  IC_ALIGN(64) uint8_t scales[IC_STRIP_BYTES];
  const size_t left = (size_t)(s->n - strip * s->width), m = (size_t)s->m;
  const size_t count = left < (size_t)s->width ? left : (size_t)s->width;
  uint8_t *out = s->base + (size_t)strip * m * IC_STRIP_BYTES;
  const uint8_t *tiles = s->loose;
  if (strip < s->whole) tiles = memcpy(spare, out, m * IC_STRIP_BYTES);
  ic_scales(target, strip * s->width, count, scales);
  for (size_t i = 0; i < m; i += IC_CHUNK_ROWS) {
    const size_t rows = m - i < IC_CHUNK_ROWS ? m - i : IC_CHUNK_ROWS;
    void *to = out + i * s->itemsize;
    const void *from = tiles + i * IC_STRIP_BYTES;
    if (s->itemsize == 8)
      scale_f64_across(to, m, from, rows, (const void *)scales, count);
    else
      scale_f32_across(to, m, from, rows, (const void *)scales, count);
  }
}

void ic_strips_order(const ic_strips *strips, const ic_target *target, int64_t unit, uint8_t *spare) {
  if (strips->place == IC_IN_ARRAY_ALONG)
    order_chunk(strips, target, unit, spare);
  else
    order_strip(strips, target, unit, spare);
}
