#include "platform/cpu.h"

int ic_fma_in_hardware = 0, ic_bf16_in_hardware = 0;

#if defined(__x86_64__) || defined(_M_X64)

#if defined(_MSC_VER)
#include <intrin.h>
static void cpuid(unsigned leaf, unsigned part, unsigned r[4]) { __cpuidex((int *)r, (int)leaf, (int)part); }
static uint64_t enabled_state(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid(unsigned leaf, unsigned part, unsigned r[4]) {
  if (!__get_cpuid_count(leaf, part, &r[0], &r[1], &r[2], &r[3])) r[0] = r[1] = r[2] = r[3] = 0;
}
static uint64_t enabled_state(void) {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}
#endif

static int all(unsigned value, unsigned bits) { return (value & bits) == bits; }

uint32_t ic_cpu_features(void) {
  enum { EAX, EBX, ECX, EDX };
  const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29, avx2 = 1u << 5;
  const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
  const unsigned bf16 = 1u << 5;
  unsigned basic[4], extended[4], more[4] = {0};
  cpuid(1, 0, basic);
  cpuid(7, 0, extended);
  if (extended[EAX] >= 1) cpuid(7, 1, more);
  if (!all(basic[ECX], fma | osxsave | avx | f16c)) return 0;
  const uint64_t state = enabled_state();
  if ((state & 0x06) != 0x06 || !all(extended[EBX], avx2)) return 0;             /* XMM and YMM registers are saved */
  if ((state & 0xe6) != 0xe6 || !all(extended[EBX], avx512)) return IC_HAS_AVX2; /* masks and ZMM too */
  return IC_HAS_AVX2 | IC_HAS_AVX512 | (more[EAX] & bf16 ? IC_HAS_BF16 : 0);
}

#else

uint32_t ic_cpu_features(void) { return 0; }

#endif
