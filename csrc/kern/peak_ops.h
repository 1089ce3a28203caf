/* Finds how many operations a processor can start at most, so that speeds can be set beside it. The loops do nothing
 * but one kind of operation, with enough chains in flight that no result is waited for, and few enough that all stay in
 * 16 registers. They are not tuned further. */

enum { SPIN_CHAINS = 12 };

#define STAMP_SPIN_FMA(real, vector, lanes)                                              \
  static uint64_t spin_fma_##real(uint64_t rounds, double *end) {                        \
    const vector half = real##_set1(0.5), start = real##_set1(3);                        \
    vector chain[SPIN_CHAINS];                                                           \
    for (int i = 0; i < SPIN_CHAINS; i++) chain[i] = start;                              \
    for (uint64_t r = 0; r < rounds; r++)                                                \
      for (int i = 0; i < SPIN_CHAINS; i++) chain[i] = real##_fma(chain[i], half, half); \
    for (int i = 1; i < SPIN_CHAINS; i++) chain[0] = real##_add(chain[0], chain[i]);     \
    real##_sink(chain[0], end);                                                          \
    return 2 * rounds * SPIN_CHAINS * (lanes); /* a multiplication and an addition */    \
  }
IC_INLINE void f32_sink(vf32 a, double *end) {
  float lanes[IC_LANES32];
  f32_store(lanes, a);
  *end = (double)lanes[0];
}
IC_INLINE void f64_sink(vf64 a, double *end) {
  double lanes[IC_LANES64];
  f64_store(lanes, a);
  *end = lanes[0];
}
STAMP_SPIN_FMA(f32, vf32, IC_LANES32)
STAMP_SPIN_FMA(f64, vf64, IC_LANES64)
#undef STAMP_SPIN_FMA

/* A widening multiplication, a shift and a three-way xor in turn: the operations of a Philox round, but not its work */
static uint64_t spin_integer(uint64_t rounds, double *end) {
  const vctr factor = ctr_set1(0x9E3779B9u), key = ctr_set1(0xBB67AE85u);
  vctr chain[SPIN_CHAINS];
  for (int i = 0; i < SPIN_CHAINS; i++) chain[i] = ctr_set1((uint32_t)i + 1);
  for (uint64_t r = 0; r < rounds; r++)
    for (int i = 0; i < SPIN_CHAINS; i++) {
      const vprod product = ctr_mul(chain[i], factor);
      chain[i] = ctr_xor3(prod_high(product), prod_low(product), key);
    }
  for (int i = 1; i < SPIN_CHAINS; i++) chain[0] = ctr_xor(chain[0], chain[i]);
  f32_sink(f32_from_i32(ctr_pair(chain[0], chain[0])), end);
  return 3 * rounds * SPIN_CHAINS * IC_COUNTERS;
}

static uint64_t spin(ic_spin kind, uint64_t rounds, double *end) {
  switch (kind) {
    case IC_SPIN_FMA_F32: return spin_fma_f32(rounds, end);
    case IC_SPIN_FMA_F64: return spin_fma_f64(rounds, end);
    default: return spin_integer(rounds, end);
  }
}
