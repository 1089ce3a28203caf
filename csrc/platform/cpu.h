/* Tells which features of the processor the operating system lets programs use. */
#ifndef IC_CPU_H
#define IC_CPU_H

#include <stdint.h>

#define IC_HAS_AVX2 1u   /* with FMA and F16C */
#define IC_HAS_AVX512 2u /* F, BW, DQ, VL */

uint32_t ic_cpu_features(void);

extern int ic_fma_in_hardware; /* since ic_init */

#endif
