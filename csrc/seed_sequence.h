/* The steps of NumPy's SeedSequence, whose constants these are. */
#ifndef IC_SEED_SEQUENCE_H
#define IC_SEED_SEQUENCE_H

#include "initcore.h"
#include "platform/compiler.h"

#define IC_SEED_FIRST_FACTOR 0x43b0d7e5u
#define IC_SEED_FACTOR 0x931e8875u

/* A word that is taken in; factors follow each other from the first one on */
IC_INLINE uint32_t ic_seed_hashed(uint32_t word, uint32_t factor, uint32_t next_factor) {
  word = (word ^ factor) * next_factor;
  return word ^ word >> 16;
}

/* A word of the pool that takes in a hashed word */
IC_INLINE uint32_t ic_seed_mixed(uint32_t pool, uint32_t hashed) {
  const uint32_t mixed = 0xca01f9ddu * pool - 0x4973f715u * hashed;
  return mixed ^ mixed >> 16;
}

/* The first two words that a pool, of which these are the first two, generates */
IC_INLINE void ic_seed_key(const uint32_t pool[2], uint32_t key[2]) {
  uint32_t factor = 0x8b51f9ddu;
  for (int i = 0; i < 2; i++) {
    const uint32_t next = factor * 0x58f38dedu;
    key[i] = ic_seed_hashed(pool[i], factor, next);
    factor = next;
  }
}

#endif
