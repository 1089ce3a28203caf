/* Uniform on [low, high): one word an element (float64: two), u = its top 24 (53) bits as a fraction,
 * fma(high - low, u, low), held below `high` in the output dtype. To change this is to change the stream. */
typedef struct {
  float low, span, cap; /* span: times 2^-24 already, where that is exact */
  double low64, span64, cap64;
  int prescaled, capped;
} uniform_params;

typedef struct {
  vu32 word[2];
  vf32 value[2];
} uniform_f32;

typedef struct {
  vu64 word[2];
  vf64 value[2];
} uniform_f64;

static ic_problem uniform_prepare(const double *values, ic_dtype dtype, uniform_params *p) {
  const double low = values[0], high = values[1];
  if (!ic_fits(low, dtype)) return ic_problem_with(0, "must be finite in the dtype of the array");
  if (!ic_fits(high, dtype)) return ic_problem_with(1, "must be finite in the dtype of the array");
  if (low > high) return ic_problem_with(1, "must not be less than the lower bound");
  const double span = dtype == IC_F64 ? high - low : (double)((float)high - (float)low);
  const int bits = dtype == IC_F64 ? 53 : 24;
  if (!ic_fits(span, dtype))
    return ic_problem_with(1, "is further above the lower bound than the dtype of the array can hold");
  const double cap = low == high ? low : ic_below(high, dtype);
  const double ulp = ic_power_of_two(-bits), smallest = ic_power_of_two(dtype == IC_F64 ? -1022 : -126);
  p->prescaled = span * ulp >= smallest;
  p->capped = low < high && !(fma(span, 1 - ulp, low) <= cap);
  p->low64 = low, p->cap64 = cap, p->span64 = p->prescaled ? span * ulp : span;
  p->low = (float)low, p->cap = (float)cap, p->span = (float)p->span64;
  return ic_no_problem;
}

IC_INLINE void uniform_f32_step(uniform_f32 *b, const uniform_params *p, int step) {
  if (step != 9) return;
  for (int i = 0; i < 2; i++) {
    vf32 u = f32_from_i32(u32_shr(b->word[i], 8));
    if (!p->prescaled) u = f32_mul(u, f32_set1(0x1p-24f));
    b->value[i] = f32_fma(f32_set1(p->span), u, f32_set1(p->low));
    if (p->capped) b->value[i] = f32_min(b->value[i], f32_set1(p->cap));
  }
}

IC_INLINE void uniform_f64_step(uniform_f64 *b, const uniform_params *p, int step) {
  if (step != 9) return;
  for (int i = 0; i < 2; i++) {
    vf64 u = f64_from_top53(b->word[i]);
    if (!p->prescaled) u = f64_mul(u, f64_set1(0x1p-53));
    b->value[i] = f64_fma(f64_set1(p->span64), u, f64_set1(p->low64));
    if (p->capped) b->value[i] = f64_min(b->value[i], f64_set1(p->cap64));
  }
}

#define IC_DIST uniform
#define IC_LIGHT
#include "kern/fill.h"
