/* Bits are the stream's own words: an element takes one. */
typedef struct {
  float unused;
} bits_params;

typedef struct {
  vu32 word[2];
  vf32 value[2];
} bits_f32;

#ifndef IC_DEVICE
static ic_problem bits_prepare(const double *values, ic_dtype dtype, bits_params *p) {
  (void)values, (void)dtype;
  p->unused = 0;
  return ic_no_problem;
}
#endif

IC_INLINE void bits_f32_step(bits_f32 *b, const bits_params *p, int step) {
  (void)p;
  if (step == 9)
    for (int i = 0; i < 2; i++) b->value[i] = f32_from_bits(b->word[i]);
}

#define IC_DIST bits
#define IC_LIGHT
#define IC_WORDS_ONLY
#include "kern/fill.h"
