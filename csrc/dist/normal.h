/* Normals are made by Box-Muller of the two words of a pair of elements (float64: four), then fma(z, std, mean).
 * To change this is to change the stream. */
typedef struct {
  double mean, std; /* in float32 and below, values of float32 */
} normal_params;

/* No |z| is larger: sqrt(108 ln 2), sqrt(66 ln 2) */
#define NORMAL_FURTHEST(dtype) ((dtype) == IC_F64 ? 8.66 : 6.77)

typedef struct {
  vu32 word[2];
  vf32 value[2];
  box_muller_f32 pairs;
} normal_f32;

typedef struct {
  vu64 word[2];
  vf64 value[2];
  box_muller_f64 pairs;
} normal_f64;

#ifndef IC_DEVICE
static ic_problem normal_prepare(const double *values, ic_dtype dtype, normal_params *p) {
  const double mean = values[0], std = values[1];
  if (!ic_fits(mean, dtype)) return ic_problem_with(0, "must be finite in the dtype of the array");
  if (!(std >= 0)) return ic_problem_with(1, "must not be negative or NaN");
  if (!ic_fits(std, dtype) || !ic_fits(fabs(mean) + NORMAL_FURTHEST(dtype) * std, dtype))
    return ic_problem_with(1, "is so large that values would overflow the dtype of the array");
  p->mean = mean + 0.0, p->std = std; /* -0 is a mean like 0 */
  if (dtype != IC_F64) p->mean = (float)p->mean, p->std = (float)p->std;
  return ic_no_problem;
}
#endif

IC_INLINE void normal_f32_step(normal_f32 *b, const normal_params *p, int step) {
  if (step == 0) b->pairs.radius.word = b->word[0], b->pairs.angle = b->word[1];
  box_muller_f32_step(&b->pairs, step);
  if (step == 9)
    for (int i = 0; i < 2; i++) b->value[i] = f32_scale(b->pairs.normal[i], (float)p->std, (float)p->mean);
}

IC_INLINE void normal_f64_step(normal_f64 *b, const normal_params *p, int step) {
  if (step == 0) b->pairs.radius.word = b->word[0], b->pairs.angle = b->word[1];
  box_muller_f64_step(&b->pairs, step);
  if (step == 9)
    for (int i = 0; i < 2; i++) b->value[i] = f64_fma(b->pairs.normal[i], f64_set1(p->std), f64_set1(p->mean));
}

/* A normal is 0 or a multiple of 2^-72: its radius is at least 2^-16, the sine of its angle 0 or at least 2^-33 */
IC_INLINE int normal_never_tiny(double mean, double std) { return is_coarse(mean) && (std == 0 || std >= 0x1p-30); }

#define IC_DIST normal
#define IC_NEVER_TINY(p) normal_never_tiny((p)->mean, (p)->std)
#include "kern/fill.h"
