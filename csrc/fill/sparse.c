/* Finds which elements of a sparse matrix are zero: those that a pseudorandom permutation of the rows, another one for
 * each column, puts first. Each element is found alone.
 *
 * The permutation is a Feistel network on pairs (left, right) of digits of a mixed base just large enough for the rows.
 * Its round functions are words of the stream; what leaves the range of the rows goes through again. J. Black, P.
 * Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002. */
#include "initcore.h"

typedef struct {
  uint32_t left, right;
} pair;

static uint32_t add_scaled(uint32_t digit, uint32_t word, uint32_t base) {
  const uint32_t sum = digit + (uint32_t)((uint64_t)word * base >> 32);
  return sum >= base ? sum - base : sum;
}

enum { LANES = 16 }; /* columns at a time, whose chains of loads overlap: 3 times as fast as one after the other */

/* One pass through the network for `lanes` columns, in place */
static void permute(const ic_sparse *s, const uint32_t *words, pair *p, uint64_t lanes) {
  for (int r = 0; r < s->half_rounds; r += 2) {
    for (uint64_t j = 0; j < lanes; j++)
      p[j].left = add_scaled(p[j].left, words[p[j].right * s->column_count + j], s->left_base);
    words += s->right_base * s->column_count;
    for (uint64_t j = 0; j < lanes; j++)
      p[j].right = add_scaled(p[j].right, words[p[j].left * s->column_count + j], s->right_base);
    words += s->left_base * s->column_count;
  }
}

static uint64_t place_of(const ic_sparse *s, pair p) { return (uint64_t)p.right * s->left_base + p.left; }

void ic_sparse_mask(const ic_sparse *s, uint8_t *mask) {
  for (uint64_t row = s->first_row; row < s->first_row + s->row_count; row++)
    for (uint64_t column = 0; column < s->column_count; column += LANES) {
      const uint64_t left = s->column_count - column, lanes = left < LANES ? left : LANES;
      const uint32_t *words = s->words + column;
      pair p[LANES];
      for (uint64_t j = 0; j < lanes; j++)
        p[j] = (pair){(uint32_t)(row % s->left_base), (uint32_t)(row / s->left_base)};
      permute(s, words, p, lanes);
      for (uint64_t j = 0; j < lanes; j++) {
        while (place_of(s, p[j]) >= s->rows) permute(s, words + j, &p[j], 1);
        *mask++ = place_of(s, p[j]) < s->zeros;
      }
    }
}
