/* Finds which elements of a sparse matrix are zero: those that a pseudorandom permutation of the rows, another one for
 * each column, puts first. Each element is found alone. Included for digits that are bytes (IC_BYTES), then for words.
 *
 * The permutation is a Feistel network on pairs (left, right) of digits of a mixed base just large enough for the rows.
 * Its round functions are words of the stream; what leaves the range of the rows goes through again. J. Black, P.
 * Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
 *
 * Lanes are rows of one column, so that they look up digits in the same tables, which registers hold if they are
 * bytes. */
#ifdef IC_BYTES
#define DIGIT uint8_t
#define VECTOR vu8
#define LANES IC_LANES8
#define OP(what) u8_##what
#else
#define DIGIT uint32_t
#define VECTOR vu32
#define LANES IC_LANES32
#define OP(what) u32_##what
#endif

_Static_assert(64 % LANES == 0, "a word of the mask is whole vectors");

typedef struct {
  VECTOR left, right;
} OP(digits);

IC_INLINE OP(digits) OP(digits_of)(const ic_sparse *s, uint64_t place) {
  return (OP(digits)){.left = OP(set1)((DIGIT)(place % s->left_base)),
                      .right = OP(set1)((DIGIT)(place / s->left_base))};
}

IC_INLINE OP(digits) OP(load_digits)(const DIGIT *left, const DIGIT *right) {
  return (OP(digits)){OP(load)(left), OP(load)(right)};
}

/* A bit for each lane whose place is not past another */
IC_INLINE uint64_t OP(at_most)(const OP(digits) * d, const OP(digits) * last) {
  return OP(pairs_at_most)(d->right, d->left, last->right, last->left);
}

/* A half round: one digit plus what the other digit chooses, modulo the base; `most` is a bound of both bases. */
IC_INLINE VECTOR OP(half_round)(VECTOR digit, VECTOR other, const DIGIT *turns, uint32_t base, uint32_t most) {
  const VECTOR turn = OP(look_up)(turns, most, other), bases = OP(set1)((DIGIT)base);
  const VECTOR sum = OP(add)(digit, turn), wrapped = OP(sub)(sum, bases);
#ifdef IC_BYTES
  if (most > 128) return u8_select_below(digit, u8_sub(bases, turn), sum, wrapped); /* sums may be over 255 */
#endif
  return OP(min)(sum, wrapped);
}

/* Two vectors, since half rounds wait for one another. Their digits are variables of their own: of arrays gcc keeps
 * them in memory. */
IC_INLINE void OP(permute)(const ic_sparse *s, const DIGIT *turns, size_t pitch, uint32_t most, OP(digits) * d) {
  VECTOR left = d[0].left, right = d[0].right, left2 = d[1].left, right2 = d[1].right;
  for (int r = 0; r < s->half_rounds; r += 2, turns += 2 * pitch) {
    left = OP(half_round)(left, right, turns, s->left_base, most);
    left2 = OP(half_round)(left2, right2, turns, s->left_base, most);
    right = OP(half_round)(right, left, turns + pitch, s->right_base, most);
    right2 = OP(half_round)(right2, left2, turns + pitch, s->right_base, most);
  }
  d[0] = (OP(digits)){left, right};
  d[1] = (OP(digits)){left2, right2};
}

/* What is outside goes through the network again: of all rows together, since in a vector one alone would cost as much.
 */
typedef struct {
  DIGIT left[IC_SPARSE_ROWS + 2 * LANES], right[IC_SPARSE_ROWS + 2 * LANES];
  uint16_t row[IC_SPARSE_ROWS];
  size_t count;
} OP(waiting);

IC_INLINE void OP(wait)(OP(waiting) * w, DIGIT left, DIGIT right, uint16_t row) {
  w->left[w->count] = left;
  w->right[w->count] = right;
  w->row[w->count++] = row;
}

IC_INLINE void OP(wait_for)(OP(waiting) * w, const OP(digits) * d, uint64_t outside, size_t first) {
  DIGIT left[LANES], right[LANES];
  OP(store)(left, d->left);
  OP(store)(right, d->right);
  for (; outside; outside &= outside - 1) {
    const unsigned lane = lowest_bit(outside);
    OP(wait)(w, left[lane], right[lane], (uint16_t)(first + lane));
  }
}

static void OP(permute_again)(const ic_sparse *s, const DIGIT *turns, size_t pitch, uint32_t most, OP(waiting) * w,
                              uint64_t *mask) {
  const OP(digits) last = OP(digits_of)(s, s->rows - 1), last_zero = OP(digits_of)(s, s->zeros - 1);
  while (w->count) {
    const size_t count = w->count;
    w->count = 0;
    for (size_t i = 0; i < 2 * LANES; i++) w->left[count + i] = w->left[0], w->right[count + i] = w->right[0];
    for (size_t i = 0; i < count; i += 2 * LANES) {
      OP(digits)
      d[2] = {OP(load_digits)(w->left + i, w->right + i), OP(load_digits)(w->left + i + LANES, w->right + i + LANES)};
      DIGIT left[2 * LANES], right[2 * LANES];
      uint64_t inside[2], zero[2];
      OP(permute)(s, turns, pitch, most, d);
      for (size_t v = 0; v < 2; v++) {
        OP(store)(left + v * LANES, d[v].left);
        OP(store)(right + v * LANES, d[v].right);
        inside[v] = OP(at_most)(&d[v], &last);
        zero[v] = OP(at_most)(&d[v], &last_zero);
      }
      for (size_t l = 0; l < 2 * LANES && i + l < count; l++) {
        const uint16_t row = w->row[i + l];
        mask[row / 64] |= (zero[l / LANES] >> l % LANES & 1) << row % 64;
        if (!(inside[l / LANES] >> l % LANES & 1)) OP(wait)(w, left[l], right[l], row);
      }
    }
  }
}

IC_INLINE void OP(mask_of)(const ic_sparse *s, const DIGIT *turns, size_t pitch, uint32_t most, const DIGIT *left,
                           const DIGIT *right, size_t rows, uint64_t *mask) {
  const OP(digits) last = OP(digits_of)(s, s->rows - 1), last_zero = OP(digits_of)(s, s->zeros - 1);
  const uint64_t all = ~(uint64_t)0 >> (64 - LANES);
  OP(waiting) waiting;
  waiting.count = 0;
  memset(mask, 0, IC_SPARSE_ROWS / 8);
  for (size_t i = 0; i < rows; i += 2 * LANES) {
    OP(digits) d[2] = {OP(load_digits)(left + i, right + i), OP(load_digits)(left + i + LANES, right + i + LANES)};
    OP(permute)(s, turns, pitch, most, d);
    for (size_t v = 0; v < 2; v++) {
      const size_t first = i + v * LANES;
      mask[first / 64] |= OP(at_most)(&d[v], &last_zero) << first % 64;
      const uint64_t outside = OP(at_most)(&d[v], &last) ^ all;
      if (IC_UNLIKELY(outside)) OP(wait_for)(&waiting, &d[v], outside, first);
    }
  }
  if (waiting.count) OP(permute_again)(s, turns, pitch, most, &waiting, mask);
}

#ifndef IC_BYTES
/* Up to IC_SPARSE_ROWS rows of one column, at least one of which is zero: a bit for each element that is. Digits and
 * tables of turns, `pitch` of them apart, are bytes if ic_sparse_in_bytes; there is room for whole vectors. */
static void sparse_mask(const ic_sparse *s, const void *turns, size_t pitch, const void *left, const void *right,
                        size_t rows, uint64_t *mask) {
  if (!ic_sparse_in_bytes(s))
    u32_mask_of(s, turns, pitch, 0, left, right, rows, mask);
  else if (pitch <= 16)
    u8_mask_of(s, turns, pitch, 16, left, right, rows, mask);
  else if (pitch <= 32)
    u8_mask_of(s, turns, pitch, 32, left, right, rows, mask);
  else if (pitch <= 64)
    u8_mask_of(s, turns, pitch, 64, left, right, rows, mask);
  else if (pitch <= 128)
    u8_mask_of(s, turns, pitch, 128, left, right, rows, mask);
  else
    u8_mask_of(s, turns, pitch, 256, left, right, rows, mask);
}

/* Those that are left over, without a branch that nobody can predict */
#define CLEAR_EACH(type)                                           \
  for (; j < count; j++) {                                         \
    type element;                                                  \
    memcpy(&element, out + j * sizeof element, sizeof element);    \
    element = (type)(element & ((type)(bits >> j & 1) - (type)1)); \
    memcpy(out + j * sizeof element, &element, sizeof element);    \
  }
#if IC_CLEAR_BYTES
#define CLEAR_VECTORS(type, clear)                                                       \
  for (; j + IC_CLEAR_BYTES / sizeof(type) <= count; j += IC_CLEAR_BYTES / sizeof(type)) \
    clear(out + j * sizeof(type), bits >> j);
#else
#define CLEAR_VECTORS(type, clear)
#endif

/* Sets those of up to 64 elements to zero whose bits are set; their size is 2, 4 or 8 bytes. */
static void sparse_clear(uint8_t *out, size_t itemsize, uint64_t bits, size_t count) {
  size_t j = 0;
  if (itemsize == 2) {
    CLEAR_VECTORS(uint16_t, u16_clear)
    CLEAR_EACH(uint16_t)
  } else if (itemsize == 4) {
    CLEAR_VECTORS(uint32_t, u32_clear)
    CLEAR_EACH(uint32_t)
  } else {
    CLEAR_VECTORS(uint64_t, u64_clear)
    CLEAR_EACH(uint64_t)
  }
}
#undef CLEAR_VECTORS
#undef CLEAR_EACH
#endif

#undef DIGIT
#undef VECTOR
#undef LANES
#undef OP
#undef IC_BYTES
