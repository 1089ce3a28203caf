/* Makes keys of paths that end in integers: BLAKE2b (RFC 7693) of a short text for each, and the steps of NumPy's
 * SeedSequence with the digest's words (M. E. O'Neill, "Developing a seed_seq Alternative", 2015). */

#define DIGEST_ROUNDS 12
#define DIGEST_PARAMETERS 0x01010010 /* no key, and 16 bytes of digest */
#define PART_BYTES 12                /* of a part's text at most: "i:" and the digits of a number below 2^32 */

static const uint64_t digest_initial[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};
/* Where each round adds the two words of the message that are not 0 */
static const uint8_t digest_place[DIGEST_ROUNDS][2] = {{0, 1}, {10, 8}, {3, 13}, {13, 3}, {1, 9}, {4, 14},
                                                       {8, 2}, {9, 5},  {6, 12}, {15, 6}, {0, 1}, {10, 8}};

IC_INLINE void digest_mix(vu64 *a, vu64 *b, vu64 *c, vu64 *d, const vu64 added[2]) {
  *a = u64_add(u64_add(*a, *b), added[0]);
  *d = u64_rotr(u64_xor(*d, *a), 32);
  *c = u64_add(*c, *d);
  *b = u64_rotr(u64_xor(*b, *c), 24);
  *a = u64_add(u64_add(*a, *b), added[1]);
  *d = u64_rotr(u64_xor(*d, *a), 16);
  *c = u64_add(*c, *d);
  *b = u64_rotr(u64_xor(*b, *c), 63);
}

/* The first 16 bytes of the digests of texts of at most 16 bytes: words of 64 bits, those of one text in a lane */
static void digest(const uint64_t text[2][IC_LANES64], const uint64_t bytes[IC_LANES64], uint64_t out[2][IC_LANES64]) {
  const vu64 word[2] = {u64_load(text[0]), u64_load(text[1])};
  vu64 v[16], added[16];
  for (int i = 0; i < 16; i++) {
    v[i] = u64_set1(digest_initial[i % 8] ^ (i == 0 ? DIGEST_PARAMETERS : 0));
    added[i] = u64_set1(0);
  }
  v[12] = u64_xor(v[12], u64_load(bytes));
  v[14] = u64_xor(v[14], u64_set1(~(uint64_t)0));
  for (int round = 0; round < DIGEST_ROUNDS; round++) {
    const uint8_t *place = digest_place[round];
    for (int i = 0; i < 2; i++) added[place[i]] = word[i];
    for (int i = 0; i < 4; i++) digest_mix(&v[i], &v[4 + i], &v[8 + i], &v[12 + i], added + 2 * i);
    for (int i = 0; i < 4; i++)
      digest_mix(&v[i], &v[4 + (i + 1) % 4], &v[8 + (i + 2) % 4], &v[12 + (i + 3) % 4], added + 8 + 2 * i);
    for (int i = 0; i < 2; i++) added[place[i]] = u64_set1(0);
  }
  for (int i = 0; i < 2; i++) {
    const uint64_t initial = digest_initial[i] ^ (i == 0 ? DIGEST_PARAMETERS : 0);
    u64_store(out[i], u64_xor(u64_set1(initial), u64_xor(v[i], v[8 + i])));
  }
}

/* Writes "i:" and the digits of a number, as two words in little endian; returns how many bytes these are. */
static uint64_t part_text(uint32_t number, uint64_t *first, uint64_t *second) {
  uint64_t bytes = 2, low = 0, high = 0; /* the digits, the last one in the lowest byte */
  do {
    high = high << 8 | low >> 56;
    low = low << 8 | ('0' + number % 10);
    number /= 10;
    bytes++;
  } while (number);
  *first = low << 16 | ('i' | ':' << 8);
  *second = high << 16 | low >> 48;
  return bytes;
}

/* Paths, one in each lane. Loops over lanes are vectors to a compiler. */
typedef struct {
  uint32_t pool[IC_SEED_POOL][IC_LANES64];
  uint32_t factor;
} key_paths;

#define EACH_LANE for (int l = 0; l < IC_LANES64; l++)

IC_INLINE void take_in_word(key_paths *paths, const uint64_t digest[IC_LANES64], int shift) {
  for (int j = 0; j < IC_SEED_POOL; j++) {
    const uint32_t factor = paths->factor, next = factor * IC_SEED_FACTOR;
    EACH_LANE {
      const uint32_t x = ic_seed_hashed((uint32_t)(digest[l] >> shift), factor, next);
      paths->pool[j][l] = ic_seed_mixed(paths->pool[j][l], x);
    }
    paths->factor = next;
  }
}

/* The keys of some paths, no more than there are lanes */
static void keys_of_lanes(const ic_path *path, const uint32_t *words, size_t parts, int count, uint32_t *keys) {
  key_paths paths = {.factor = path->factor};
  uint64_t text[2][IC_LANES64] = {{0}}, bytes[IC_LANES64] = {0}, digests[2][IC_LANES64];
  for (int j = 0; j < IC_SEED_POOL; j++) EACH_LANE paths.pool[j][l] = path->pool[j];
  for (size_t part = 0; part < parts; part++) {
    for (int l = 0; l < count; l++) bytes[l] = part_text(words[(size_t)l * parts + part], &text[0][l], &text[1][l]);
    digest(text, bytes, digests);
    for (int i = 0; i < 4; i++) take_in_word(&paths, digests[i / 2], 32 * (i % 2));
  }
  for (int l = 0; l < count; l++) {
    const uint32_t pool[2] = {paths.pool[0][l], paths.pool[1][l]};
    ic_seed_key(pool, keys + 2 * l);
  }
}

static void keys_below(const ic_path *path, const uint32_t *words, size_t parts, size_t count, uint32_t *keys) {
  for (size_t first = 0; first < count; first += IC_LANES64) {
    const size_t left = count - first;
    keys_of_lanes(path, words + first * parts, parts, left < IC_LANES64 ? (int)left : IC_LANES64, keys + 2 * first);
  }
}

#undef EACH_LANE
