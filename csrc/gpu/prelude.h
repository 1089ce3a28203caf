/* What NVIDIA's runtime compiler has no headers for. */
#ifdef __CUDACC_RTC__
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t, uintptr_t;

#define NULL 0
#define NAN __int_as_float(0x7fffffff)
#if __CUDA_ARCH__ >= 750
IC_INLINE uint16_t device_half_of(float x) {
  uint16_t half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(x));
  return half;
}
#define IC_HALF_OF device_half_of
#endif
#endif
