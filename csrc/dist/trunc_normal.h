/* Normals between bounds are made by rejection. Attempt t of an element is its normal in plane t (wide windows) or
 * Robert's proposal in two planes of its own (tails and narrow windows), until the value, as the array holds it, is
 * inside.
 * C. P. Robert, "Simulation of truncated normal variables", Statistics and Computing 5, 1995.
 * To change this is to change the stream. */
#define IC_TAIL_PLANE 0x40000000u  /* attempt t: 2t for the proposal and 2t + 1 for its acceptance after it */
#define IC_EXACT_PLANE 0x40000200u /* after the last attempt, the inverse distribution function */

enum { TRUNC_PLAIN, TRUNC_WIDE, TRUNC_TAIL };

typedef struct {
  double mean, std, low, high; /* as normal_params has them; bounds of what rounds into [a, b] */
  ic_window window;
  /* a proposal q, uniform or twice an exponential, gives base + base_low + q reach; twice the exponent of its
   * acceptance is (square q + linear) q + constant */
  double base, base_low, reach, square, linear, constant, most; /* q up to `most` is inside the window */
  int16_t kind, uniform;
  int32_t dtype;
} trunc_normal_params;

#ifndef IC_DEVICE
/* What the window's ends become where values are rounded on their way: the values from which on, and up to which, they
 * are rounded into [a, b] */
static double trunc_lowest(double low, ic_dtype dtype) {
  if (dtype == IC_F64 || dtype == IC_F32) return low;
  const double middle = (low + ic_below(low, dtype)) / 2;
  return ic_round(middle, dtype) >= low ? middle : (double)nextafterf((float)middle, INFINITY);
}

/* Half the distance to the value below, all but 2^-20 of it: what is above is rounded up, also by two additions */
static double trunc_margin(double low, ic_dtype dtype) {
  return dtype == IC_F64 ? 0 : (low - ic_below(low, IC_F32)) / 2 * (1 - 0x1p-20);
}

/* Robert's choice of the proposal that is accepted more often */
static void trunc_prepare_tail(trunc_normal_params *p, double low, double high) {
  const ic_window *w = &p->window;
  const double slope = w->slope, length = w->to - w->from, root = sqrt(slope * slope + 4);
  const double rate = (slope + root) / 2, offset = -2 / (slope + root); /* slope - rate */
  const int narrow = ic_window_holds_mean(w);
  const double base = narrow ? low : w->origin;
  p->base = base, p->base_low = 0;
  p->uniform = narrow || length * rate * ic_exp(-offset * offset / 2) < 1;
  if (p->uniform) {
    const double start = narrow ? w->from : slope;
    p->reach = w->scale < 0 ? low - high : high - low;
    p->square = length * length, p->linear = 2 * start * length, p->constant = narrow ? start * start : 0;
    p->most = 1;
  } else {
    const double unit = 0.5 / rate;
    p->reach = w->scale * unit;
    p->square = unit * unit, p->linear = 2 * offset * unit, p->constant = offset * offset;
    p->most = length / unit;
  }
}

static int trunc_is_wide(double mean, double std, double low, double high, double least) {
  const ic_window w = ic_window_of(mean, std, low, high);
  return (w.from < -0.5 && w.to > 0.5) || ic_window_mass(&w) >= least; /* half a std to both sides has mass 0.38 */
}

static ic_problem trunc_constant(double value, trunc_normal_params *p) {
  *p = (trunc_normal_params){.mean = value, .kind = TRUNC_PLAIN};
  return ic_no_problem;
}

static ic_problem trunc_check(const double *values, ic_dtype dtype, double low, double high) {
  const double mean = values[0], std = values[1], a = values[2], b = values[3];
  if (!ic_fits(mean, dtype)) return ic_problem_with(0, "must be finite in the dtype of the array");
  if (!(std >= 0)) return ic_problem_with(1, "must not be negative or NaN");
  if (!ic_fits(std, dtype)) return ic_problem_with(1, "must be finite in the dtype of the array");
  if (isnan(a)) return ic_problem_with(2, "must not be NaN");
  if (isnan(b)) return ic_problem_with(3, "must not be NaN");
  if (a > b) return ic_problem_with(3, "must not be less than a");
  if (std == 0 && !(a <= mean && mean <= b)) return ic_problem_with(1, "must not be 0 where mean is outside [a, b]");
  if (a == b && !ic_fits(a, dtype))
    return ic_problem_with(3, "must not be a where that overflows the dtype of the array");
  if (a < b && low > high) return ic_problem_with(3, "leaves no value of the dtype of the array in [a, b]");
  const double reach = NORMAL_FURTHEST(dtype) * std;
  if ((!ic_fits(a, dtype) && !ic_fits(mean - reach, dtype)) || (!ic_fits(b, dtype) && !ic_fits(mean + reach, dtype)))
    return ic_problem_with(1, "is so large that values would overflow the dtype of the array");
  return ic_no_problem;
}

static ic_problem trunc_normal_prepare(const double *values, ic_dtype dtype, trunc_normal_params *p) {
  const double mean = values[0], std = values[1], a = values[2], b = values[3];
  const double lowest = -ic_at_most(-a, dtype), highest = ic_at_most(b, dtype); /* values of the dtype in [a, b] */
  const ic_problem problem = trunc_check(values, dtype, lowest, highest);
  if (problem.rule) return problem;
  if (a == b) return trunc_constant(a, p);
  if (std == 0) return trunc_constant(fmin(fmax(mean, lowest), highest), p);

  const double low = trunc_lowest(lowest, dtype), high = -trunc_lowest(-highest, dtype);
  const double below = trunc_margin(low, dtype), above = trunc_margin(-high, dtype);
  *p = (trunc_normal_params){.mean = mean + 0.0, .std = std, .low = low, .high = high, .dtype = (int32_t)dtype};
  if (dtype != IC_F64) p->mean = (float)p->mean, p->std = (float)p->std;
  const double reach = NORMAL_FURTHEST(dtype) * p->std;
  if (p->mean - reach >= low && p->mean + reach <= high) return ic_no_problem;

  /* where values are coarse, few normals may be rounded into a window that has much of the mass */
  const int wide =
      trunc_is_wide(mean, std, a, b, 0.25) && trunc_is_wide(p->mean, p->std, low - below, high + above, 0.1);
  const double begin = fmax(a, low - below), end = fmin(b, high + above);
  p->window = ic_window_of(mean, std, begin, end);
  p->kind = wide ? TRUNC_WIDE : TRUNC_TAIL;
  if (!wide) trunc_prepare_tail(p, begin, end);
  if (!wide && dtype != IC_F64) {
    p->base_low = (float)(p->base - (float)p->base);
    p->base = (float)p->base;
  }
  return ic_no_problem;
}
#endif

#ifdef IC_DEVICE
/* What no attempt has settled; see settle_exactly of kern/attempts.h */
IC_INLINE void trunc_exactly(const philox_keys *keys, const trunc_normal_params *p, uint64_t block, uint32_t j,
                             uint8_t *bytes, ic_dtype dtype) {
  philox_group half[2];
  vu64 q[4];
  for (int h = 0; h < 2; h++) {
    const uint32_t plane = philox_plane(IC_EXACT_PLANE, h, 1);
    half[h] = philox_open_any((uint32_t)block, (uint32_t)(block >> 32), plane, keys);
    for (int r = 2; r < PHILOX_ROUNDS - 1; r++) philox_round(&half[h], keys, r);
  }
  philox_close_join(half[0], half[1], keys, q);
  const vu64 word = j == 0 ? q[0] : j == 1 ? q[1] : j == 2 ? q[2] : q[3];
  const double x = ic_window_quantile(&p->window, ((double)(word >> 11) + 0.5) * 0x1p-53);
  const double value = x < p->low ? p->low : x > p->high ? p->high : x;
  const vf32 single = f32_set1((float)value), both[2] = {single, single};
  uint8_t four[16];
  store_pairs(four, both, dtype, 0);
  if (dtype == IC_F64)
    memcpy(bytes, &value, 8);
  else
    memcpy(bytes, four, ic_itemsize(dtype));
}
#endif

/* Wide windows: the normal itself */
typedef trunc_normal_params trunc_wide_params;
typedef normal_f32 trunc_wide_f32;
typedef normal_f64 trunc_wide_f64;

IC_INLINE void trunc_wide_f32_step(trunc_wide_f32 *b, const trunc_wide_params *p, int step) {
  const normal_params normal = {p->mean, p->std};
  normal_f32_step(b, &normal, step);
}
IC_INLINE void trunc_wide_f64_step(trunc_wide_f64 *b, const trunc_wide_params *p, int step) {
  const normal_params normal = {p->mean, p->std};
  normal_f64_step(b, &normal, step);
}

#define IC_DIST trunc_wide
#define IC_BOUNDED
#define IC_FIRST_PLANE 0
#include "kern/fill.h"

/* Tails and narrow windows: a proposal that is not accepted becomes NaN, which is outside of any bounds */
typedef trunc_normal_params trunc_tail_params;

typedef struct {
  vu32 word[4];
  vf32 value[2];
  neg2log_f32 proposal[2], acceptance[2];
} trunc_tail_f32;

typedef struct {
  vu64 word[4];
  vf64 value[2];
  neg2log_f64 proposal[2], acceptance[2];
} trunc_tail_f64;

IC_INLINE void trunc_tail_f32_step(trunc_tail_f32 *b, const trunc_tail_params *p, int step) {
  for (int i = 0; i < 2; i++) {
    if (step == 0) b->proposal[i].word = b->word[i], b->acceptance[i].word = b->word[2 + i];
    neg2log_f32_step(&b->acceptance[i], step);
    if (!p->uniform) neg2log_f32_step(&b->proposal[i], step);
    if (step != 9) continue;
    vf32 q = b->proposal[i].log;
    if (p->uniform) q = f32_fma(f32_from_i32(u32_shr(b->word[i], 8)), f32_set1(0x1p-24f), f32_set1(0x1p-25f));
    const vf32 linear = f32_fma(q, f32_set1((float)p->square), f32_set1((float)p->linear));
    const vf32 exponent = f32_fma(q, linear, f32_set1((float)p->constant));
    const vf32 x =
        f32_add(f32_fma(q, f32_set1((float)p->reach), f32_set1((float)p->base_low)), f32_set1((float)p->base));
    const vf32 accepted = f32_if_less(b->acceptance[i].log, exponent, f32_set1(NAN), x);
    b->value[i] = f32_if_less(f32_set1((float)p->most), q, f32_set1(NAN), accepted);
  }
}

IC_INLINE void trunc_tail_f64_step(trunc_tail_f64 *b, const trunc_tail_params *p, int step) {
  for (int i = 0; i < 2; i++) {
    if (step == 0) b->proposal[i].word = b->word[i], b->acceptance[i].word = b->word[2 + i];
    neg2log_f64_step(&b->acceptance[i], step);
    if (!p->uniform) neg2log_f64_step(&b->proposal[i], step);
    if (step != 9) continue;
    vf64 q = b->proposal[i].log;
    if (p->uniform) q = f64_fma(f64_from_top53(b->word[i]), f64_set1(0x1p-53), f64_set1(0x1p-54));
    const vf64 linear = f64_fma(q, f64_set1(p->square), f64_set1(p->linear));
    const vf64 exponent = f64_fma(q, linear, f64_set1(p->constant));
    const vf64 x = f64_add(f64_fma(q, f64_set1(p->reach), f64_set1(p->base_low)), f64_set1(p->base));
    const vf64 accepted = f64_if_less(b->acceptance[i].log, exponent, f64_set1(NAN), x);
    b->value[i] = f64_if_less(f64_set1(p->most), q, f64_set1(NAN), accepted);
  }
}

#define IC_DIST trunc_tail
#define IC_PLANES 2
#define IC_BOUNDED
#define IC_FIRST_PLANE IC_TAIL_PLANE
#include "kern/fill.h"

#ifndef IC_DEVICE
#include "kern/attempts.h"
#else
enum { trunc_normal_AT_ONCE = trunc_wide_AT_ONCE };
#define STAMP_KERNEL(suffix)                                                             \
  IC_INLINE void trunc_normal_##suffix(const ic_launch *launch) {                        \
    const int kind = ((const trunc_normal_params *)(const void *)&launch->params)->kind; \
    if (kind == TRUNC_PLAIN)                                                             \
      normal_##suffix(launch);                                                           \
    else if (kind == TRUNC_WIDE)                                                         \
      trunc_wide_##suffix(launch);                                                       \
    else                                                                                 \
      trunc_tail_##suffix(launch);                                                       \
  }
STAMP_KERNEL(rows_f64)
STAMP_KERNEL(rows_f32)
STAMP_KERNEL(rows_f16)
STAMP_KERNEL(rows_bf16)
#undef STAMP_KERNEL
#endif
