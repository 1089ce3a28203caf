/* Threads share these numbers. */
#ifndef IC_ATOMICS_H
#define IC_ATOMICS_H

#include <stdint.h>

#include "platform/compiler.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
IC_INLINE int64_t ic_claim(int64_t *counter) { return _InterlockedExchangeAdd64((volatile long long *)counter, 1); }
IC_INLINE int ic_load(const int *value) { return *(const volatile int *)value; }
IC_INLINE void ic_store(int *value, int to) { _InterlockedExchange((volatile long *)value, to); }
IC_INLINE int ic_enter(int *in_use) { return _InterlockedExchange((volatile long *)in_use, 1) == 0; }
IC_INLINE int ic_load_in_order(int *value) { return _InterlockedOr((volatile long *)value, 0); }
IC_INLINE void ic_store_in_order(int *value, int to) { _InterlockedExchange((volatile long *)value, to); }
IC_INLINE void ic_add_in_order(int *value, int more) { _InterlockedExchangeAdd((volatile long *)value, more); }
#else
/* The counter's value before it grew by one */
IC_INLINE int64_t ic_claim(int64_t *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }
/* Who loads what was stored sees all that was written before it was. */
IC_INLINE int ic_load(const int *value) { return __atomic_load_n(value, __ATOMIC_ACQUIRE); }
IC_INLINE void ic_store(int *value, int to) { __atomic_store_n(value, to, __ATOMIC_RELEASE); }
/* Whether nobody else was in; to leave, store 0 */
IC_INLINE int ic_enter(int *in_use) { return __atomic_exchange_n(in_use, 1, __ATOMIC_ACQUIRE) == 0; }
/* All threads see these in one order. */
IC_INLINE int ic_load_in_order(int *value) { return __atomic_load_n(value, __ATOMIC_SEQ_CST); }
IC_INLINE void ic_store_in_order(int *value, int to) { __atomic_store_n(value, to, __ATOMIC_SEQ_CST); }
IC_INLINE void ic_add_in_order(int *value, int more) { (void)__atomic_fetch_add(value, more, __ATOMIC_SEQ_CST); }
#endif

#endif
