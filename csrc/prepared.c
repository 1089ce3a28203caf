/* Prepared parameters are kept where that may take longer than a small fill: the mass between two bounds takes 9 us. */
#include <string.h>

#include "kernels.h"
#include "platform/atomics.h"

enum { KEPT = 16, MOST_PARAMS = 4, PREPARED_AT_ONCE = 2 /* parameters: to look for them would take as long */ };

typedef struct {
  const ic_kernels *kernels; /* that prepared them, or NULL */
  double values[MOST_PARAMS];
  ic_prepared prepared;
} kept;

static kept known[KEPT];
static int in_use = 0; /* whoever finds it so does without: also the child of a fork in which a thread had it */

static uint64_t bits_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static kept *place_of(const double *values, int count, ic_dtype dtype) {
  uint64_t mixed = (uint64_t)dtype;
  for (int i = 0; i < count; i++) mixed = (mixed ^ bits_of(values[i])) * 0x9e3779b97f4a7c15u;
  return &known[mixed >> 60];
}

static int is_of(const kept *it, const ic_kernels *kernels, int dist, const double *values, int count, ic_dtype dtype) {
  const ic_prepared *p = &it->prepared;
  return it->kernels == kernels && p->dist == dist && p->dtype == dtype &&
         memcmp(it->values, values, (size_t)count * sizeof *values) == 0;
}

ic_problem ic_prepare_once(int dist, const double *values, ic_dtype dtype, ic_prepared *prepared) {
  const int count = ic_dist_param_count(dist);
  if (count <= PREPARED_AT_ONCE || count > MOST_PARAMS || !ic_enter(&in_use))
    return ic_prepare(dist, values, dtype, prepared);
  const ic_kernels *kernels = ic_kernels_current();
  kept *it = place_of(values, count, dtype);
  ic_problem problem = {0, NULL};
  if (is_of(it, kernels, dist, values, count, dtype)) {
    *prepared = it->prepared;
  } else {
    problem = ic_prepare(dist, values, dtype, prepared);
    if (!problem.rule) {
      it->kernels = kernels, it->prepared = *prepared;
      memcpy(it->values, values, (size_t)count * sizeof *values);
    }
  }
  ic_store(&in_use, 0);
  return problem;
}
