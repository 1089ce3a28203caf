/* Uniform numbers on [low, high) take one word an element (float64: two), whose top 24 (53) bits are a fraction u. They
 * are fma(high - low, u, low), held in [low, high) in the output dtype. To change this is to change the stream. */
typedef struct {
  float low, span, cap, least; /* span: times 2^-24 already, where that is exact; less than least is lifted to it */
  double low64, span64, cap64;
  int prescaled, capped, lifted;
} uniform_params;

typedef struct {
  vu32 word[2];
  vf32 value[2];
} uniform_f32;

typedef struct {
  vu64 word[2];
  vf64 value[2];
} uniform_f64;

#ifndef IC_DEVICE /* whose parameters come prepared */
static double uniform_span(const double *values, ic_dtype dtype) {
  return dtype == IC_F64 ? values[1] - values[0] : (double)((float)values[1] - (float)values[0]);
}

static ic_problem uniform_check(const double *values, ic_dtype dtype) {
  if (!ic_fits(values[0], dtype)) return ic_problem_with(0, "must be finite in the dtype of the array");
  if (!ic_fits(values[1], dtype)) return ic_problem_with(1, "must be finite in the dtype of the array");
  if (values[0] > values[1]) return ic_problem_with(1, "must not be less than the lower bound");
  if (!ic_fits(uniform_span(values, dtype), dtype))
    return ic_problem_with(1, "is further above the lower bound than the dtype of the array can hold");
  return ic_no_problem;
}

static ic_problem uniform_prepare(const double *values, ic_dtype dtype, uniform_params *p) {
  const ic_problem problem = uniform_check(values, dtype);
  if (problem.rule) return problem;
  /* half precision is compared with the bounds that its values are made of: as float32 holds them */
  const int wide = dtype == IC_F64, half = dtype == IC_F16 || dtype == IC_BF16;
  const double low = half ? (float)values[0] : values[0], high = half ? (float)values[1] : values[1];
  const double least = half ? -ic_at_most(-low, dtype) : low, cap = low == high ? low : ic_below(high, dtype);
  if (half && low < high && least > cap)
    return ic_problem_with(1, "leaves no value of the dtype of the array in [a, b)");

  const double span = uniform_span(values, dtype), first = wide ? low : (float)low; /* the value where u is 0 */
  const double ulp = ic_power_of_two(wide ? -53 : -24), smallest = ic_power_of_two(wide ? -1022 : -126);
  p->prescaled = span * ulp >= smallest;
  p->capped = low < high && !(fma(span, 1 - ulp, first) <= cap);
  p->lifted = half && low < high && ic_round(low, dtype) < low;
  p->low64 = low, p->cap64 = cap, p->span64 = p->prescaled ? span * ulp : span;
  p->low = (float)low, p->cap = (float)cap, p->least = (float)least, p->span = (float)p->span64;
  return ic_no_problem;
}
#endif

IC_INLINE void uniform_f32_step(uniform_f32 *b, const uniform_params *p, int step) {
  if (step != 9) return;
  for (int i = 0; i < 2; i++) {
    vf32 u = f32_from_i32(u32_shr(b->word[i], 8));
    if (!p->prescaled) u = f32_mul(u, f32_set1(0x1p-24f));
    b->value[i] = f32_scale(u, p->span, p->low);
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

IC_INLINE int uniform_never_tiny(const uniform_params *p) {
  return p->prescaled && is_coarse(p->span) && is_coarse(p->low) && (!p->capped || is_coarse(p->cap)) &&
         (!p->lifted || is_coarse(p->least));
}

#define IC_DIST uniform
#define IC_NEVER_TINY uniform_never_tiny
#define IC_LIGHT
#define IC_HALF_KERNEL(suffix) uniform_plain_##suffix
#include "kern/fill.h"

/* Half precision whose lowest values are lifted: in kernels of its own, since a branch costs the others 1 % */
typedef uniform_params uniform_lifted_params;
typedef uniform_f32 uniform_lifted_f32;

IC_INLINE void uniform_lifted_f32_step(uniform_lifted_f32 *b, const uniform_lifted_params *p, int step) {
  uniform_f32_step(b, p, step);
  if (step == 9)
    for (int i = 0; i < 2; i++) b->value[i] = f32_max(f32_set1(p->least), b->value[i]); /* +0 stays +0 */
}

#define IC_DIST uniform_lifted
#define IC_NEVER_TINY uniform_never_tiny
#define IC_LIGHT
#define IC_HALVES
#include "kern/fill.h"

#ifndef IC_DEVICE
#define STAMP_KERNEL(suffix)                                                                                          \
  static void uniform_##suffix(const ic_params *params, const ic_stream *stream, ic_blocks blocks, size_t steps,      \
                               uint8_t *out, int nontemporal) {                                                       \
    static const ic_fill_kernel kernels[] = {uniform_plain_##suffix, uniform_lifted_##suffix};                        \
    kernels[((const uniform_params *)(const void *)params)->lifted](params, stream, blocks, steps, out, nontemporal); \
  }
STAMP_KERNEL(fill_f16)
STAMP_KERNEL(fill_bf16)
#else
#define STAMP_KERNEL(suffix)                                             \
  IC_INLINE void uniform_##suffix(const ic_launch *launch) {             \
    if (((const uniform_params *)(const void *)&launch->params)->lifted) \
      uniform_lifted_##suffix(launch);                                   \
    else                                                                 \
      uniform_plain_##suffix(launch);                                    \
  }
STAMP_KERNEL(rows_f16)
STAMP_KERNEL(rows_bf16)
#endif
#undef STAMP_KERNEL
