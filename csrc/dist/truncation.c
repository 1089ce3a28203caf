#include "dist/truncation.h"

#include <math.h>

#include "initcore.h"

/* The density is below e^-60 of its largest value beyond: less than a double can tell. */
static const double negligible_exponent = 60;
enum { MOST_POWERS = 7 };
static const double furthest_slope = 0x1p500; /* its square is finite; what is further out lies on the bound */

IC_TRUNCATION double ic_exp(double x) {
  const double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45; /* n ln2_high is exact */
  if (!(x > -745)) return 0;
  const double n = floor(x * 0x1.71547652b82fep+0 + 0.5), r = (x - n * ln2_high) - n * ln2_low;
  double p = 1;
  IC_NOT_UNROLLED
  for (int k = 14; k > 0; k--) p = 1 + r / k * p; /* |r| <= ln 2 / 2: the term after is below 2^-61 */
  return ldexp(p, (int)n);
}

static double at_most(double a, double b) { return a < b ? a : b; }

/* Where t (t / 2 + slope) reaches the exponent that is negligible */
static double reach(double slope) {
  return 2 * negligible_exponent / (slope + sqrt(slope * slope + 2 * negligible_exponent));
}

/* Gauss-Legendre, ten points in each of some panels: the integrals of (t - shift)^k times the density, for all k below
 * `powers`, relative to the density's largest value. Panels are at most 0.7 wide, or two of the density's own lengths:
 * the error is below that of double precision. */
static void integrate(const ic_window *w, double to, double shift, int powers, double *integrals) {
  static const double point[5] = {0x1.30e507891e27ap-3, 0x1.bbcc009016adcp-2, 0x1.5bdb9228de198p-1,
                                  0x1.bae995e9cb2f3p-1, 0x1.f2a3e062af2d8p-1};
  static const double weight[5] = {0x1.2e9de7014d6efp-2, 0x1.13baa7a559bfep-2, 0x1.c0b059d00bc31p-3,
                                   0x1.32138c878efe5p-3, 0x1.1115f8b62dc1fp-4};
  enum { PANELS = 32 };
  const double furthest = reach(w->slope);
  const double begin = -at_most(-w->from, furthest), end = at_most(to, furthest);
  const double half = (end - begin) / (2 * PANELS);
  double sum[MOST_POWERS] = {0}, lost[MOST_POWERS] = {0};
  IC_NOT_UNROLLED
  for (int i = 0; i < PANELS; i++) IC_NOT_UNROLLED
  for (int k = 0; k < 10; k++) {
    const double t = begin + half * (2 * i + 1 + (k < 5 ? -point[4 - k] : point[k - 5]));
    double term = weight[k < 5 ? 4 - k : k - 5] * ic_exp(-t * (t / 2 + w->slope));
    for (int j = 0; j < powers; j++, term *= t - shift) {
      const double total = sum[j] + term; /* what the sum loses: most terms are smaller than it */
      lost[j] += term - (total - sum[j]);
      sum[j] = total;
    }
  }
  for (int j = 0; j < powers; j++) integrals[j] = half > 0 ? (sum[j] + lost[j]) * half : 0;
}

static double share(const ic_window *w, double to) {
  double mass;
  integrate(w, to, 0, 1, &mass);
  return mass;
}

IC_TRUNCATION double ic_window_quantile(const ic_window *w, double u) {
  const double furthest = reach(w->slope), wanted = u * share(w, w->to);
  double low = -at_most(-w->from, furthest), high = at_most(w->to, furthest);
  IC_NOT_UNROLLED
  for (int i = 0; i < 64; i++) {
    const double middle = low + (high - low) / 2;
    if (share(w, middle) < wanted)
      low = middle;
    else
      high = middle;
  }
  return w->origin + w->scale * high;
}

#ifndef IC_DEVICE /* which needs the quantile alone */
ic_window ic_window_of(double mean, double std, double low, double high) {
  const double alpha = (low - mean) / std, beta = (high - mean) / std;
  ic_window w = {.origin = mean, .scale = std, .from = alpha, .to = beta};
  if (alpha >= 0)
    w = (ic_window){low, std, at_most(alpha, furthest_slope), 0, (high - low) / std};
  else if (beta <= 0)
    w = (ic_window){high, -std, at_most(-beta, furthest_slope), 0, (high - low) / std};
  return w;
}

int ic_window_holds_mean(const ic_window *w) { return w->from < 0; }

double ic_window_mass(const ic_window *w) {
  const double density = 0x1.9884533d43651p-2 * ic_exp(-w->slope * w->slope / 2); /* 1 / sqrt(2 pi) */
  return density * share(w, w->to);
}

double ic_truncated_mass(double mean, double std, double low, double high) {
  const ic_window w = ic_window_of(mean, std, low, high);
  return ic_window_mass(&w);
}

double ic_truncated_quantile(double mean, double std, double low, double high, double u) {
  const ic_window w = ic_window_of(mean, std, low, high);
  return ic_window_quantile(&w, u);
}

ic_moments ic_truncated_moments(double mean, double std, double low, double high) {
  const ic_window w = ic_window_of(mean, std, low, high);
  double raw[2], central[MOST_POWERS];
  integrate(&w, w.to, 0, 2, raw);
  const double mass = raw[0], middle = raw[1] / mass;
  integrate(&w, w.to, middle, MOST_POWERS, central);
  const double variance = central[2] / mass, spread = sqrt(variance);
  return (ic_moments){.mean = w.origin + w.scale * middle,
                      .std = fabs(w.scale) * spread,
                      .third = copysign(1, w.scale) * (central[3] / mass / (variance * spread)),
                      .fourth = central[4] / mass / (variance * variance),
                      .sixth = central[6] / mass / (variance * variance * variance)};
}
#endif
