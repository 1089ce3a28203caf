/* Lets tests choose what a fill does not: counters, keys, rounds and words. This is not tuned. */

static void philox4x32_blocks(const uint32_t *counters, const uint32_t *keys, int rounds, size_t n, uint32_t *out) {
  for (size_t i = 0; i < n; i += IC_COUNTERS) {
    const size_t rows = n - i < IC_COUNTERS ? n - i : IC_COUNTERS;
    uint64_t words01[IC_COUNTERS] = {0}, words23[IC_COUNTERS] = {0}, key[IC_COUNTERS] = {0};
    uint32_t done[4 * IC_COUNTERS];
    for (size_t j = 0; j < rows; j++) {
      const uint32_t *c = counters + 4 * (i + j), *k = keys + 2 * (i + j);
      words01[j] = (uint64_t)c[1] << 32 | c[0];
      words23[j] = (uint64_t)c[3] << 32 | c[2];
      key[j] = (uint64_t)k[1] << 32 | k[0];
    }
    philox_group g;
    ctr_load(words01, 0, &g.c0, &g.c1);
    ctr_load(words23, 0, &g.c2, &g.c3);
    for (int r = 0; r < rounds; r++) {
      vctr k0, k1;
      ctr_load(key, 0, &k0, &k1);
      philox_round_keyed(&g, k0, k1);
      for (size_t j = 0; j < rows; j++)
        key[j] = (uint64_t)((uint32_t)(key[j] >> 32) + PHILOX_W1) << 32 | ((uint32_t)key[j] + PHILOX_W0);
    }
    u32_store_pairs((uint8_t *)done, ctr_pair(g.c0, g.c2), ctr_pair(g.c1, g.c3), 0);
    memcpy(out + 4 * i, done, 16 * rows);
  }
}

static void normal_from_words_f32(const uint32_t *words, size_t pairs, float *out) {
  for (size_t i = 0; i < pairs; i += IC_LANES32) {
    const size_t rows = pairs - i < IC_LANES32 ? pairs - i : IC_LANES32;
    uint32_t in[2][IC_LANES32] = {{0}};
    float z[2][IC_LANES32];
    for (size_t j = 0; j < 2 * rows; j++) in[j % 2][j / 2] = words[2 * i + j];
    box_muller_f32 b = {.radius.word = u32_load(in[0]), .angle = u32_load(in[1])};
    for (int step = 0; step < 10; step++) box_muller_f32_step(&b, step);
    for (int k = 0; k < 2; k++) f32_store(z[k], b.normal[k]);
    for (size_t j = 0; j < 2 * rows; j++) out[2 * i + j] = z[j % 2][j / 2];
  }
}

static void normal_from_words_f64(const uint64_t *words, size_t pairs, double *out) {
  for (size_t i = 0; i < pairs; i += IC_LANES64) {
    const size_t rows = pairs - i < IC_LANES64 ? pairs - i : IC_LANES64;
    uint64_t in[2][IC_LANES64] = {{0}};
    double z[2][IC_LANES64];
    for (size_t j = 0; j < 2 * rows; j++) in[j % 2][j / 2] = words[2 * i + j];
    box_muller_f64 b = {.radius.word = u64_load(in[0]), .angle = u64_load(in[1])};
    for (int step = 0; step < 10; step++) box_muller_f64_step(&b, step);
    for (int k = 0; k < 2; k++) f64_store(z[k], b.normal[k]);
    for (size_t j = 0; j < 2 * rows; j++) out[2 * i + j] = z[j % 2][j / 2];
  }
}
