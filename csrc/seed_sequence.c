#include "seed_sequence.h"

#include "kernels.h"

static uint32_t take_in(ic_path *path, int at, uint32_t word) {
  const uint32_t next = path->factor * IC_SEED_FACTOR, hashed = ic_seed_hashed(word, path->factor, next);
  path->factor = next;
  return at < 0 ? hashed : ic_seed_mixed(path->pool[at], hashed);
}

ic_path ic_path_of(uint32_t seed, const uint32_t *words, size_t count) {
  ic_path path = {.factor = IC_SEED_FIRST_FACTOR};
  for (int i = 0; i < IC_SEED_POOL; i++) path.pool[i] = take_in(&path, -1, i == 0 ? seed : 0);
  for (int i = 0; i < IC_SEED_POOL; i++)
    for (int j = 0; j < IC_SEED_POOL; j++)
      if (i != j) path.pool[j] = take_in(&path, j, path.pool[i]);
  for (size_t i = 0; i < count; i++)
    for (int j = 0; j < IC_SEED_POOL; j++) path.pool[j] = take_in(&path, j, words[i]);
  return path;
}

void ic_keys_below(const ic_path *path, const uint32_t *words, size_t parts, size_t count, uint32_t *keys) {
  ic_kernels_current()->keys_below(path, words, parts, count, keys);
}
