/* The keys of Philox's rounds, which a fill makes once: on the host, for a device too. */
#ifndef IC_SCHEDULE_H
#define IC_SCHEDULE_H

#include "initcore.h"

#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u
#define PHILOX_ROUNDS 10

typedef struct {
  uint32_t k0[PHILOX_ROUNDS], k1[PHILOX_ROUNDS];
  uint32_t draw;
} philox_keys;

static inline philox_keys philox_schedule(const ic_stream *stream) {
  philox_keys keys = {.draw = stream->draw};
  for (uint32_t r = 0; r < PHILOX_ROUNDS; r++) {
    keys.k0[r] = stream->key[0] + r * PHILOX_W0;
    keys.k1[r] = stream->key[1] + r * PHILOX_W1;
  }
  return keys;
}

#endif
