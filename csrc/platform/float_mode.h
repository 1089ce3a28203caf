/* The processor's floating-point mode: results must not depend on the rounding or the flushing of subnormal
 * numbers that a caller, or a library it uses, has asked for. */
#ifndef IC_FLOAT_MODE_H
#define IC_FLOAT_MODE_H

#include "platform/compiler.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
typedef unsigned ic_float_mode;
/* Flags of what has happened do not matter. To write the register takes longer than to read it, and it is seldom
 * needed. */
IC_INLINE ic_float_mode ic_float_mode_default(void) {
  const ic_float_mode before = _mm_getcsr(), flags = 0x3f, standard = 0x1f80; /* to nearest, no flushing, no traps */
  if ((before & ~flags) != standard) _mm_setcsr(standard);
  return before;
}
IC_INLINE void ic_float_mode_restore(ic_float_mode before) {
  if (_mm_getcsr() != before) _mm_setcsr(before);
}
#elif defined(__aarch64__) && !defined(_MSC_VER)
#include <stdint.h>
typedef uint64_t ic_float_mode;
IC_INLINE ic_float_mode ic_float_mode_default(void) {
  ic_float_mode before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
  return before;
}
IC_INLINE void ic_float_mode_restore(ic_float_mode before) { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#else
#include <fenv.h>
typedef fenv_t ic_float_mode;
IC_INLINE ic_float_mode ic_float_mode_default(void) {
  ic_float_mode before;
  fegetenv(&before);
  fesetenv(FE_DFL_ENV);
  return before;
}
IC_INLINE void ic_float_mode_restore(ic_float_mode before) { fesetenv(&before); }
#endif

#endif
