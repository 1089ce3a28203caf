/* This processor's features, and those that are emulated; csrc/platform/cpu.c's own function has another name. */
#include "platform/cpu.h"

uint32_t ic_features_of_the_processor(void);

uint32_t ic_cpu_features(void) {
  const uint32_t features = ic_features_of_the_processor();
  return features & IC_HAS_AVX2 ? features | IC_HAS_AVX512 | IC_HAS_BF16 : features;
}
