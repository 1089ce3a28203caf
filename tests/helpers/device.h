/* What a device's compiler knows without being told, for compilers of the host: a thread is an iteration of a loop. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __global__
#define __grid_constant__
#define __launch_bounds__(...)

struct place {
  unsigned x, y;
};
static thread_local place gridDim, blockDim, blockIdx, threadIdx;

struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
static inline uint2 make_uint2(unsigned x, unsigned y) { return uint2{x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return uint4{x, y, z, w}; }

static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline double __dsqrt_rn(double x) { return sqrt(x); }
static inline int __ffs(int word) { return __builtin_ffs(word); }

#include KERNELS

/* Every thread of a launch, one after the other */
extern "C" void ic_run(void (*kernel)(const ic_launch), const unsigned groups[2], const unsigned threads[2],
                       const ic_launch *launch) {
  gridDim = {groups[0], groups[1]}, blockDim = {threads[0], threads[1]};
  for (unsigned i = 0; i < groups[0] * groups[1]; i++)
    for (unsigned j = 0; j < threads[0] * threads[1]; j++) {
      blockIdx = {i % groups[0], i / groups[0]}, threadIdx = {j % threads[0], j / threads[0]};
      kernel(*launch);
    }
}
extern "C" size_t ic_argument_bytes(void) { return sizeof(ic_launch); }
