/* Finds which elements of a sparse matrix are zero: those that a pseudorandom permutation of the rows, another one for
 * each column, puts first. Each element is found alone.
 *
 * The permutation is a Feistel network on pairs (left, right) of digits of a mixed base just large enough for the rows.
 * Its round functions are words of the stream; what leaves the range of the rows goes through again. J. Black, P.
 * Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
 *
 * Lanes are rows of one column, so that they look up words in the same tables, which registers hold if they are short.
 */

/* A half round: one digit plus what the other digit chooses, modulo the base */
IC_INLINE vu32 sparse_half_round(vu32 digit, vu32 other, const uint32_t *turns, uint32_t count, uint32_t base) {
  const vu32 sum = u32_add(digit, u32_look_up(turns, count, other));
  return u32_min(sum, u32_sub(sum, u32_set1(base)));
}

typedef struct {
  vu32 left, right;
} sparse_digits;

/* `most`: a bound of both bases, for tables that registers hold; or 0 */
IC_INLINE void sparse_permute(const ic_sparse *s, const uint32_t *turns, size_t pitch, uint32_t most,
                              sparse_digits *d) {
  for (int r = 0; r < s->half_rounds; r += 2, turns += 2 * pitch) {
    d->left = sparse_half_round(d->left, d->right, turns, most ? most : s->right_base, s->left_base);
    d->right = sparse_half_round(d->right, d->left, turns + pitch, most ? most : s->left_base, s->right_base);
  }
}

/* A bit for each lane whose place is below a bound, which comes as digits too */
IC_INLINE uint32_t sparse_below(const sparse_digits *d, const sparse_digits *bound) {
  return u32_pairs_below(d->right, d->left, bound->right, bound->left);
}

IC_INLINE sparse_digits sparse_digits_of(const ic_sparse *s, uint64_t place) {
  return (sparse_digits){.left = u32_set1((uint32_t)(place % s->left_base)),
                         .right = u32_set1((uint32_t)(place / s->left_base))};
}

IC_INLINE void sparse_mask_of(const ic_sparse *s, const uint32_t *turns, size_t pitch, uint32_t most,
                              const uint32_t *left, const uint32_t *right, size_t rows, uint8_t *mask) {
  const sparse_digits end = sparse_digits_of(s, s->rows), zeros = sparse_digits_of(s, s->zeros);
  const uint32_t all = 0xffffffffu >> (32 - IC_LANES32);
  for (size_t i = 0; i < rows; i += IC_LANES32) {
    sparse_digits d = {.left = u32_load(left + i), .right = u32_load(right + i)};
    sparse_permute(s, turns, pitch, most, &d);
    uint32_t inside = sparse_below(&d, &end), zero = sparse_below(&d, &zeros);
    while (IC_UNLIKELY(inside != all)) { /* what is outside goes through the network again */
      sparse_permute(s, turns, pitch, most, &d);
      zero |= sparse_below(&d, &zeros) & ~inside;
      inside |= sparse_below(&d, &end);
    }
    bytes_of_bits(mask + i, zero);
  }
}

/* A byte for each of some rows of one column: 1 if the element is zero. Of the rows' digits and of the bytes there is
 * room for whole vectors. */
static void sparse_mask(const ic_sparse *s, const uint32_t *turns, size_t pitch, const uint32_t *left,
                        const uint32_t *right, size_t rows, uint8_t *mask) {
  const uint32_t longest = s->left_base > s->right_base ? s->left_base : s->right_base;
  if (longest <= 32)
    sparse_mask_of(s, turns, pitch, 32, left, right, rows, mask);
  else if (longest <= 64)
    sparse_mask_of(s, turns, pitch, 64, left, right, rows, mask);
  else if (longest <= 128)
    sparse_mask_of(s, turns, pitch, 128, left, right, rows, mask);
  else
    sparse_mask_of(s, turns, pitch, 0, left, right, rows, mask);
}
