/* Mass, moments and quantiles of the normal distribution between two bounds are made of IEEE operations alone, so that
 * they are the same everywhere. They are slow: they serve for parameters, and for what is drawn once in 2^100 values.
 */
#ifndef IC_TRUNCATION_H
#define IC_TRUNCATION_H

#include "platform/compiler.h"

/* x = origin + scale t with t from `from` to `to`, of density proportional to exp(-t (t / 2 + slope)): seen from the
 * bound nearest the mean, or from the mean if it lies between, so that nothing cancels however far out. */
typedef struct {
  double origin, scale, slope, from, to;
} ic_window;

#ifdef IC_DEVICE /* one source, whose functions are called nowhere else */
#define IC_TRUNCATION IC_INLINE
#else
#define IC_TRUNCATION
#endif

ic_window ic_window_of(double mean, double std, double low, double high); /* std > 0 */
int ic_window_holds_mean(const ic_window *window);
double ic_window_mass(const ic_window *window);
/* The x below which lies a share u of the window's mass, in the direction of `scale` */
IC_TRUNCATION double ic_window_quantile(const ic_window *window, double u);

IC_TRUNCATION double ic_exp(double x); /* x <= 0; within 2 ulp */

#endif
