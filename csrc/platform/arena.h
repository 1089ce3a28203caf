/* An arena hands out pieces of one allocation, each of which begins a cache line. Pieces are taken twice: first from an
 * arena without memory, which only counts their bytes. */
#ifndef IC_ARENA_H
#define IC_ARENA_H

#include <stdint.h>
#include <stdlib.h>

#include "platform/compiler.h"

typedef struct {
  uint8_t *memory; /* on a cache line, or NULL */
  size_t taken;
} ic_arena;

IC_INLINE void *ic_take(ic_arena *arena, size_t count, size_t size) {
  uint8_t *piece = arena->memory ? arena->memory + arena->taken : NULL;
  arena->taken += (count * size + 63) / 64 * 64;
  return piece;
}

/* The first cache line of what is allocated for so many bytes. `*allocated` is what to free, or NULL if there is no
 * memory. */
IC_INLINE uint8_t *ic_allocate(size_t bytes, void **allocated) {
  uint8_t *memory = malloc(bytes + 64);
  *allocated = memory;
  return memory ? memory + (64 - (uintptr_t)memory % 64) : NULL;
}

#endif
