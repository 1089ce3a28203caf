/* Turns rows of four elements, as blocks are, into four columns.
 *
 * Rows come in groups, of as many as a vector has elements, one after the other in memory, but in another order: place
 * p of a group holds row 4 (p mod n) + p / n, where n is the number of rows that a vector holds, or if that is less
 * than 1, row p. So each 16 bytes of four vectors together hold what belongs together.
 *
 * Turns may be skewed, where rows begin at different places of their blocks: then element e of strip k is of column
 * 4 k + e less its row's phase, which is 0 to 3. The four columns that a strip completes, from 4 k - 3 on, take
 * elements of it and of three columns that are carried over from the strip before. */

enum { LINE_GROUPS = IC_LANES8 == 1 ? 1 : 64 / IC_LANES8 }; /* that make a cache line of each column */

#if IC_LANES8 == 1
IC_INLINE void turn_some(ic_turn *t, size_t groups, size_t itemsize, int skewed, int nontemporal) {
  uint8_t window[7 * 8]; /* three elements that were carried over, and four */
  const size_t phase = skewed ? (size_t)t->phase : 3;
  (void)groups, (void)nontemporal;
  if (skewed) {
    memcpy(window, t->carry, 3 * itemsize);
    memcpy(t->carry, t->rows + itemsize, 3 * itemsize);
    t->carry += 3 * itemsize, t->phase = (t->phase + t->phase_step) % 4;
  }
  memcpy(window + 3 * itemsize, t->rows, 4 * itemsize);
  t->rows += 4 * itemsize;
  for (size_t c = 0; c < 4; c++, t->column[c - 1] += itemsize)
    memcpy(t->column[c], window + (c + phase) * itemsize, itemsize);
}
#else
IC_INLINE void turn_u32(const vu8 v[4], vu8 c[4]) {
  const vu8 a = u8_zip(lo, 32, v[0], v[1]), b = u8_zip(hi, 32, v[0], v[1]);
  const vu8 d = u8_zip(lo, 32, v[2], v[3]), e = u8_zip(hi, 32, v[2], v[3]);
  c[0] = u8_zip(lo, 64, a, d), c[1] = u8_zip(hi, 64, a, d);
  c[2] = u8_zip(lo, 64, b, e), c[3] = u8_zip(hi, 64, b, e);
}
IC_INLINE void turn_u16(const vu8 v[4], vu8 c[4]) {
  const vu8 a = u8_zip(lo, 16, v[0], v[1]), b = u8_zip(hi, 16, v[0], v[1]);
  const vu8 d = u8_zip(lo, 16, v[2], v[3]), e = u8_zip(hi, 16, v[2], v[3]);
  const vu8 ad = u8_zip(lo, 32, a, d), ad2 = u8_zip(hi, 32, a, d), be = u8_zip(lo, 32, b, e),
            be2 = u8_zip(hi, 32, b, e);
  c[0] = u8_zip(lo, 64, ad, be), c[1] = u8_zip(hi, 64, ad, be);
  c[2] = u8_zip(lo, 64, ad2, be2), c[3] = u8_zip(hi, 64, ad2, be2);
}
IC_INLINE void turn_u64(const vu8 v[4], vu8 c[4]) {
#if IC_LANES8 == 16
  c[0] = u8_zip(lo, 64, v[0], v[2]), c[1] = u8_zip(hi, 64, v[0], v[2]);
  c[2] = u8_zip(lo, 64, v[1], v[3]), c[3] = u8_zip(hi, 64, v[1], v[3]);
#else
  const vu8 a = u8_zip(lo, 64, v[0], v[1]), b = u8_zip(lo, 64, v[2], v[3]);
  const vu8 d = u8_zip(hi, 64, v[0], v[1]), e = u8_zip(hi, 64, v[2], v[3]);
  c[0] = u8_even_pieces(a, b), c[2] = u8_odd_pieces(a, b);
  c[1] = u8_even_pieces(d, e), c[3] = u8_odd_pieces(d, e);
#endif
}
/* Each column is of the elements that its rows' phases say. */
IC_INLINE void turn_skew(ic_turn *t, vu8 c[4]) {
  const uint8_t *masks = t->masks + (5 - t->phase) % 4 * IC_LANES8;
  vu8 window[7];
  for (size_t k = 0; k < 3; k++) window[k] = u8_load(t->carry + k * IC_LANES8);
  for (size_t k = 0; k < 4; k++) window[3 + k] = c[k];
  for (size_t k = 0; k < 3; k++) u8_store(t->carry + k * IC_LANES8, c[1 + k]);
  for (size_t k = 0; k < 4; k++) {
    c[k] = window[k];
    for (size_t p = 1; p < 4; p++) c[k] = u8_select(u8_load(masks + (p - 1) * IC_LANES8), window[k + p], c[k]);
  }
  t->carry += 3 * IC_LANES8, t->phase = (t->phase + t->phase_step) % 4;
}
/* Some groups, at most a line of each column, which is then stored column by column: processors that stream join the
 * parts of few lines at a time */
IC_INLINE void turn_some(ic_turn *t, size_t groups, size_t itemsize, int skewed, int nontemporal) {
  vu8 turned[LINE_GROUPS][4];
  for (size_t i = 0; i < groups; i++, t->rows += 4 * IC_LANES8) {
    vu8 v[4];
    for (size_t k = 0; k < 4; k++) v[k] = u8_load(t->rows + k * IC_LANES8);
    switch (itemsize) {
      case 2: turn_u16(v, turned[i]); break;
      case 4: turn_u32(v, turned[i]); break;
      default: turn_u64(v, turned[i]);
    }
    if (skewed) turn_skew(t, turned[i]);
  }
  for (size_t k = 0; k < 4; k++)
    for (size_t i = 0; i < groups; i++, t->column[k] += IC_LANES8) bytes_store(t->column[k], turned[i][k], nontemporal);
}
#endif

/* Skewed turns are apart: their registers would be taken from the kernels in which others run */
#define STAMP_SKEWED(bits)                              \
  IC_APART static void turn_skewed_##bits(ic_turn *t) { \
    if (t->nontemporal)                                 \
      turn_some(t, LINE_GROUPS, bits / 8, 1, 1);        \
    else                                                \
      turn_some(t, 1, bits / 8, 1, 0);                  \
  }
STAMP_SKEWED(16)
STAMP_SKEWED(32)
STAMP_SKEWED(64)
#undef STAMP_SKEWED

/* So many groups, or up to a line more of what is streamed, or what is left */
IC_INLINE void turn_groups(ic_turns *turns, size_t groups, size_t itemsize) {
  for (size_t i = 0; i < groups && turns->count;) {
    ic_turn *t = turns->next;
    const size_t now = t->nontemporal ? LINE_GROUPS : 1;
    if (t->carry)
      itemsize == 2 ? turn_skewed_16(t) : itemsize == 4 ? turn_skewed_32(t) : turn_skewed_64(t);
    else if (t->nontemporal)
      turn_some(t, LINE_GROUPS, itemsize, 0, 1);
    else
      turn_some(t, 1, itemsize, 0, 0);
    i += now, t->groups -= now;
    if (t->groups == 0) turns->next++, turns->count--;
  }
}

static void turn(ic_turns *turns, size_t itemsize) {
  switch (itemsize) {
    case 2: turn_groups(turns, SIZE_MAX, 2); break;
    case 4: turn_groups(turns, SIZE_MAX, 4); break;
    default: turn_groups(turns, SIZE_MAX, 8);
  }
}
/* How a fill takes its blocks, if they are no run: from a list, and with turns beside it */
enum { LISTED = 1, TURNING = 2 };
/* Groups of rows that some blocks are */
#define TURNED_WITH(blocks, itemsize) (((blocks) * (itemsize) + IC_LANES8 - 1) / IC_LANES8)
