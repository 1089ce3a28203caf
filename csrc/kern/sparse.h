/* Finds which elements of a sparse matrix are zero: those that a pseudorandom permutation of the rows, another one for
 * each column, puts first. Each element is found alone.
 *
 * The permutation is a Feistel network on pairs (left, right) of digits of a mixed base just large enough for the rows.
 * Its round functions are words of the stream; what leaves the range of the rows goes through again. J. Black, P.
 * Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
 *
 * Lanes are columns side by side, whose chains of loads overlap. */

enum { SPARSE_LANES = IC_SPARSE_LANES };
#define EACH_LANE for (int l = 0; l < SPARSE_LANES; l++)

typedef struct {
  uint32_t left[SPARSE_LANES], right[SPARSE_LANES];
} sparse_pairs;

/* A half round: one digit plus a word, scaled to its base, that the other digit chooses */
IC_INLINE void sparse_half_round(uint32_t *digit, const uint32_t *other, const uint32_t *words, const uint32_t *lane,
                                 uint32_t columns, uint32_t base) {
  uint32_t word[SPARSE_LANES];
  EACH_LANE word[l] = words[other[l] * columns + lane[l]];
  EACH_LANE {
    const uint32_t sum = digit[l] + (uint32_t)((uint64_t)word[l] * base >> 32);
    digit[l] = sum >= base ? sum - base : sum;
  }
}

IC_INLINE void sparse_permute(const ic_sparse *s, const uint32_t *words, const uint32_t *lane, sparse_pairs *p) {
  const uint32_t columns = (uint32_t)s->column_count;
  for (int r = 0; r < s->half_rounds; r += 2) {
    sparse_half_round(p->left, p->right, words, lane, columns, s->left_base);
    words += s->right_base * s->column_count;
    sparse_half_round(p->right, p->left, words, lane, columns, s->right_base);
    words += s->left_base * s->column_count;
  }
}

IC_INLINE void sparse_places(const ic_sparse *s, const sparse_pairs *p, uint64_t *place) {
  EACH_LANE place[l] = (uint64_t)p->right[l] * s->left_base + p->left[l];
}

/* Takes the lanes that are outside of the range of the rows through the network again, until none is. */
IC_INLINE void sparse_stay_inside(const ic_sparse *s, const uint32_t *lane, sparse_pairs *pairs, uint64_t *place) {
  for (;;) {
    sparse_pairs again = *pairs;
    uint64_t other[SPARSE_LANES], outside = 0;
    EACH_LANE outside |= place[l] >= s->rows;
    if (!outside) return;
    sparse_permute(s, s->words, lane, &again);
    sparse_places(s, &again, other);
    EACH_LANE {
      const int stays = place[l] < s->rows;
      pairs->left[l] = stays ? pairs->left[l] : again.left[l];
      pairs->right[l] = stays ? pairs->right[l] : again.right[l];
      place[l] = stays ? place[l] : other[l];
    }
  }
}

/* A byte for each element of some rows of `lanes` columns, SPARSE_LANES bytes a row: 1 if the element is zero. Lanes
 * that are left over do what the last one does. */
static void sparse_mask(const ic_sparse *s, uint64_t row, uint64_t rows, uint32_t lanes, uint8_t *mask) {
  uint32_t lane[SPARSE_LANES];
  EACH_LANE lane[l] = (uint32_t)l < lanes ? (uint32_t)l : lanes - 1;
  for (; rows > 0; rows--, row++, mask += SPARSE_LANES) {
    sparse_pairs pairs;
    uint64_t place[SPARSE_LANES];
    EACH_LANE pairs.left[l] = (uint32_t)(row % s->left_base);
    EACH_LANE pairs.right[l] = (uint32_t)(row / s->left_base);
    sparse_permute(s, s->words, lane, &pairs);
    sparse_places(s, &pairs, place);
    sparse_stay_inside(s, lane, &pairs, place);
    EACH_LANE mask[l] = place[l] < s->zeros;
  }
}

#undef EACH_LANE
