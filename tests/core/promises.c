/* Counts the multiply-adds of kern/math.h of which more is promised than is true, in Box-Muller of the first words from
 * `from` on, of which `count` are taken, each `step` after the one before, and of the same words as angles. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/compiler.h"
#include "platform/cpu.h"
#include "kern/half.h"
#define f32_fma_short_or_zero f32_fma_short_or_zero_of_scalar
#include "vec/scalar.h"
#undef f32_fma_short_or_zero

static uint64_t wrong[3];

static vf32 promised(vf32 a, vf32 b, vf32 c, int which, float least) {
  const vf32 result = f32_fma(a, b, c);
  for (int i = 0; i < 2; i++) {
    const double product = (double)a.v[i] * b.v[i], size = fabs((double)result.v[i]);
    const fma_sum sum = fma_two_sum(product, (double)c.v[i]);
    const double exact = fabs(sum.high);
    const int kept[] = {exact == 0 || (exact >= 0x1p-125 && exact < 0x1p127), sum.low == 0,
                        exact >= least && size <= 2 * least && fmod(c.v[i], least * 0x1p-23) == 0};
    wrong[which] += !kept[which];
  }
  return result;
}
#define IC_FMA_PROMISES
typedef int vdoubt;
static int f32_no_doubt(void) { return 0; }
static int f32_is_doubted(vdoubt doubt) { return doubt; }
static vf32 f32_fma_likely(vf32 a, vf32 b, vf32 c, vdoubt *doubt) {
  (void)doubt;
  return promised(a, b, c, 0, 0);
}
static vf32 f32_fma_short(vf32 a, vf32 b, vf32 c) { return promised(a, b, c, 1, 0); }
static vf32 f32_fma_within(vf32 a, vf32 b, vf32 c, float least) { return promised(a, b, c, 2, least); }
static vf32 f32_fma_short_or_zero(vm32 m, vf32 a, vf32 b, vf32 c) {
  return f32_select(m, f32_fma_short(a, b, c), f32_set1(0));
}
#include "kern/math.h"

int main(int count, char **arguments) {
  (void)nt_fence;
  if (count < 4) return 1;
  const uint64_t from = strtoull(arguments[1], NULL, 10), words = strtoull(arguments[2], NULL, 10);
  const uint64_t step = strtoull(arguments[3], NULL, 10);
  for (uint64_t i = 0; i < words; i += 2) {
    const uint32_t word = (uint32_t)(from + i * step), next = (uint32_t)(word + step);
    box_muller_f32 b = {.radius.word = {{word, next}}, .angle = {{word, next}}};
    for (int part = 0; part < 10; part++) box_muller_f32_step(&b, part);
  }
  printf("%llu %llu %llu\n", (unsigned long long)wrong[0], (unsigned long long)wrong[1], (unsigned long long)wrong[2]);
  return 0;
}
