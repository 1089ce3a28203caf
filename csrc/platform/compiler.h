/* C compilers differ in how they spell these. */
#ifndef IC_COMPILER_H
#define IC_COMPILER_H

#if defined(_MSC_VER) && !defined(__clang__)
#define IC_INLINE static __forceinline
#define IC_ALIGN(n) __declspec(align(n))
#define IC_UNLIKELY(condition) (condition)
#define IC_PREFETCH(address) ((void)(address))
#pragma fp_contract(off)
#else
#define IC_INLINE static inline __attribute__((always_inline, unused))
#define IC_ALIGN(n) __attribute__((aligned(n)))
#define IC_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define IC_PREFETCH(address) __builtin_prefetch(address, 0, 3) /* into the second level */
#endif

#endif
