/* Tells which features of the processor the operating system lets programs use. */
#ifndef IC_CPU_H
#define IC_CPU_H

#include <stdint.h>

#define IC_HAS_AVX2 1u   /* with FMA and F16C */
#define IC_HAS_AVX512 2u /* F, BW, DQ, VL */
#define IC_HAS_BF16 4u   /* AVX512_BF16 */

uint32_t ic_cpu_features(void);

/* since ic_init */
extern int ic_fma_in_hardware, ic_bf16_in_hardware;

#endif
