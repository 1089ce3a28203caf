/* C compilers differ in how they spell these. */
#ifndef IC_COMPILER_H
#define IC_COMPILER_H

/* IC_OF(type){...} is a value of a type: what devices compile is C++, which has no compound literals */
#ifdef __cplusplus
#define IC_OF(type) type
#else
#define IC_OF(type) (type)
#endif

/* What a device's compiler is to do with a loop: not to unroll it, at the cost of registers that all of the kernel's
 * threads then hold; and to unroll it, so that no switch on the step is left */
#if defined(__CUDACC_RTC__)
#define IC_NOT_UNROLLED _Pragma("unroll 1")
#define IC_UNROLLED _Pragma("unroll")
#else
#define IC_NOT_UNROLLED
#define IC_UNROLLED
#endif

#if defined(__CUDACC_RTC__)
#define IC_INLINE static __forceinline__
#define IC_ALIGN(n) __align__(n)
#define IC_UNLIKELY(condition) (condition)
#elif defined(_MSC_VER) && !defined(__clang__)
#define IC_INLINE static __forceinline
#define IC_ALIGN(n) __declspec(align(n))
#define IC_UNLIKELY(condition) (condition)
#define IC_SELDOM __declspec(noinline)
#define IC_APART __declspec(noinline)
#define IC_PREFETCH(address) ((void)(address))
#define IC_IN_MEMORY(array) ((void)(array))
#pragma fp_contract(off)
#else
#define IC_INLINE static inline __attribute__((always_inline, unused))
#define IC_ALIGN(n) __attribute__((aligned(n)))
#define IC_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define IC_SELDOM __attribute__((noinline, cold, unused))      /* a function that is out of the way */
#define IC_APART __attribute__((noinline, unused))             /* one that leaves its callers their registers */
#define IC_PREFETCH(address) __builtin_prefetch(address, 0, 3) /* into the second level */
/* Not to be kept in registers, from whose vectors single elements are taken one by one */
#define IC_IN_MEMORY(array) __asm__ volatile("" : : "r"(array) : "memory")
#endif

/* Tells the processor that this thread waits for another one */
#if defined(__CUDACC_RTC__)
#elif defined(__x86_64__) || defined(__i386__)
#define IC_PAUSE() __builtin_ia32_pause()
#elif defined(_MSC_VER)
#define IC_PAUSE() YieldProcessor()
#elif defined(__aarch64__)
#define IC_PAUSE() __asm__ volatile("yield")
#else
#define IC_PAUSE() ((void)0)
#endif

#endif
