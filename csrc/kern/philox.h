/* Makes words by Philox4x32-10 (Salmon et al., SC'11), with several groups of counters in flight.
 *
 * A counter is (block low, block high, plane, draw). In a run of consecutive blocks only the low word
 * changes, so most of the first two rounds is the same for all and is done once, in scalar. */

#include "kern/schedule.h"

#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u

/* What the first two rounds make of the words that a run of blocks shares */
typedef struct {
  uint32_t x2, y0, y2, y3;
} philox_run;

/* One group of counters, after some rounds */
typedef struct {
  vctr c0, c1, c2, c3;
} philox_group;

static philox_run philox_shared(const philox_keys *keys, uint32_t block_high, uint32_t plane) {
  const uint64_t p1 = (uint64_t)PHILOX_M1 * plane;
  const uint64_t p0 = (uint64_t)PHILOX_M0 * ((uint32_t)(p1 >> 32) ^ block_high ^ keys->k0[0]);
  return IC_OF(philox_run){.x2 = keys->draw ^ keys->k1[0],
                           .y0 = (uint32_t)p1 ^ keys->k0[1],
                           .y2 = (uint32_t)(p0 >> 32) ^ keys->k1[1],
                           .y3 = (uint32_t)p0};
}

/* Rounds 0 and 1 of a run: `first` is M0 times the low counter words. The products serve every plane. */
IC_INLINE vprod philox_second_product(vprod first, const philox_run *run) {
  return ctr_mul(ctr_xor(prod_high(first), ctr_set1(run->x2)), ctr_set1(PHILOX_M1));
}
IC_INLINE philox_group philox_open_run(vprod first, vprod second, const philox_run *run) {
  return IC_OF(philox_group){.c0 = ctr_xor(prod_high(second), ctr_set1(run->y0)),
                             .c1 = prod_low(second),
                             .c2 = ctr_xor(prod_low(first), ctr_set1(run->y2)),
                             .c3 = ctr_set1(run->y3)};
}

IC_INLINE void philox_round_keyed(philox_group *g, vctr k0, vctr k1) {
  const vprod p0 = ctr_mul(g->c0, ctr_set1(PHILOX_M0)), p1 = ctr_mul(g->c2, ctr_set1(PHILOX_M1));
  g->c0 = ctr_xor3(prod_high(p1), g->c1, k0);
  g->c1 = prod_low(p1);
  g->c2 = ctr_xor3(prod_high(p0), g->c3, k1);
  g->c3 = prod_low(p0);
}
IC_INLINE void philox_round(philox_group *g, const philox_keys *keys, int r) {
  philox_round_keyed(g, ctr_set1(keys->k0[r]), ctr_set1(keys->k1[r]));
}

/* Rounds 0 and 1 of any counters */
IC_INLINE philox_group philox_open_any(vctr low, vctr high, uint32_t plane, const philox_keys *keys) {
  philox_group g = {.c0 = low, .c1 = high, .c2 = ctr_set1(plane), .c3 = ctr_set1(keys->draw)};
  philox_round(&g, keys, 0);
  philox_round(&g, keys, 1);
  return g;
}

/* The last round, its words gathered in pairs: (w0, w2) side by side in `even`, (w1, w3) in `odd` */
IC_INLINE void philox_close_pairs(const philox_group *g, const philox_keys *keys, vu32 *even, vu32 *odd) {
  const int r = PHILOX_ROUNDS - 1;
  const vprod p0 = ctr_mul(g->c0, ctr_set1(PHILOX_M0)), p1 = ctr_mul(g->c2, ctr_set1(PHILOX_M1));
  *even = u32_xor3(prod_pair_high(p1, p0), ctr_pair(g->c1, g->c3), u32_set1_pair(keys->k0[r], keys->k1[r]));
  *odd = prod_pair_low(p1, p0);
}

/* Which of its block's words an element takes, in the top bits of a block number, which is below 2^62: the second pair,
 * and the second word of the pair */
#define OF_SECOND_PAIR (1ull << 63)
#define OF_ODD_WORD (1ull << 62)
#define OF_PAIR (OF_SECOND_PAIR | OF_ODD_WORD)

/* The last round for one pair of words alone, in the low halves of 64-bit lanes; `high`: of the marked block numbers */
IC_INLINE void philox_close_pair(const philox_group *g, const philox_keys *keys, vctr high, vctr *even, vctr *odd) {
  const int r = PHILOX_ROUNDS - 1;
  const vprod p = ctr_mul(ctr_select(high, g->c0, g->c2), ctr_select(high, ctr_set1(PHILOX_M0), ctr_set1(PHILOX_M1)));
  const vctr key = ctr_select(high, ctr_set1(keys->k1[r]), ctr_set1(keys->k0[r]));
  *even = ctr_xor3(prod_high(p), ctr_select(high, g->c3, g->c1), key);
  *odd = prod_low(p);
}

/* A group's four 64-bit words, from its planes of high and low halves, both before the last round */
IC_INLINE void philox_close_join(philox_group high, philox_group low, const philox_keys *keys, vu64 q[4]) {
  philox_round(&high, keys, PHILOX_ROUNDS - 1);
  philox_round(&low, keys, PHILOX_ROUNDS - 1);
  q[0] = ctr_join(low.c0, high.c0);
  q[1] = ctr_join(low.c1, high.c1);
  q[2] = ctr_join(low.c2, high.c2);
  q[3] = ctr_join(low.c3, high.c3);
}

/* Rounds 0 and 1 of counters whose high words are those of a run */
IC_INLINE philox_group philox_open_near(vctr low, const philox_run *run) {
  const vprod first = ctr_mul(low, ctr_set1(PHILOX_M0));
  return philox_open_run(first, philox_second_product(first, run), run);
}

#define IC_LOW_PLANE 0x80000000u /* of the low halves of 64-bit draws */

/* Plane i of a draw that takes several from the first on; if `halves`, every other one is of low halves. */
IC_INLINE uint32_t philox_plane(uint32_t first, int i, int halves) {
  return halves ? (first + (uint32_t)i / 2) | (i % 2 ? IC_LOW_PLANE : 0) : first + (uint32_t)i;
}

/* Where a fill stands: in a run of consecutive blocks, or in a list. Up to four planes are drawn at once. */
typedef struct {
  vprod first; /* of a run: M0 times the low counter words */
  philox_run run[4];
  const uint64_t *list;
  uint64_t further; /* than the list says */
  int near;         /* the high words of all blocks are the same */
  uint32_t plane[4];
} philox_cursor;

/* Planes: `planes` from the first on, and, if `halves`, that of the low halves after each */
IC_INLINE philox_cursor philox_cursor_at(const philox_keys *keys, ic_blocks blocks, uint32_t first, int planes,
                                         int halves) {
  const uint32_t high = (uint32_t)((blocks.first + (blocks.list ? *blocks.list : 0)) >> 32);
  philox_cursor cursor = {.first = ctr_mul(ctr_lanes(blocks.first), ctr_set1(PHILOX_M0)),
                          .list = blocks.list,
                          .further = blocks.first,
                          .near = blocks.near};
  for (int i = 0; i < planes * (1 + halves); i++) {
    cursor.plane[i] = philox_plane(first, i, halves);
    cursor.run[i] = philox_shared(keys, high, cursor.plane[i]);
  }
  return cursor;
}

IC_INLINE void philox_cursor_advance(philox_cursor *cursor, uint32_t blocks, int listed) {
  if (listed)
    cursor->list += blocks;
  else
    cursor->first = prod_add(cursor->first, (uint64_t)PHILOX_M0 * blocks);
}

/* Group g of the cursor's batch after two rounds, in one of its planes */
IC_INLINE philox_group philox_open(const philox_cursor *cursor, const philox_keys *keys, int g, int plane, int listed) {
  if (listed) {
    vctr block_low, block_high;
    ctr_load(cursor->list + g * IC_COUNTERS, cursor->further, &block_low, &block_high);
    if (cursor->near) return philox_open_near(block_low, &cursor->run[plane]);
    return philox_open_any(block_low, block_high, cursor->plane[plane], keys);
  }
  const vprod first = g ? prod_add(cursor->first, (uint64_t)PHILOX_M0 * (uint32_t)(g * IC_COUNTERS)) : cursor->first;
  return philox_open_run(first, philox_second_product(first, &cursor->run[plane]), &cursor->run[plane]);
}

/* A group of elements that are drawn again, in each of up to four planes, and the words of its marked block numbers */
typedef struct {
  vctr low, high;
  philox_group plane[4];
} redraw_group;

/* Where these stand in their list; `near`: the high words of all blocks are the same. */
typedef struct {
  const uint64_t *blocks;
  int planes, near;
  philox_run run[4];
  uint32_t plane[4];
} redraw_cursor;

IC_INLINE redraw_cursor redraw_cursor_at(const philox_keys *keys, const uint64_t *blocks, uint32_t first, int planes,
                                         int halves, int near) {
  redraw_cursor cursor = {.blocks = blocks, .planes = planes * (1 + halves), .near = near};
  for (int w = 0; w < cursor.planes; w++) {
    cursor.plane[w] = philox_plane(first, w, halves);
    cursor.run[w] = philox_shared(keys, (uint32_t)((*blocks & ~OF_PAIR) >> 32), cursor.plane[w]);
  }
  return cursor;
}

/* Rounds 0 and 1 of the group so many groups further on */
IC_INLINE void redraw_open(redraw_group *g, const redraw_cursor *cursor, const philox_keys *keys, int further) {
  ctr_load(cursor->blocks + further * IC_COUNTERS, 0, &g->low, &g->high);
  const vctr unmarked = ctr_and(g->high, ctr_set1(~(uint32_t)(OF_PAIR >> 32)));
  for (int w = 0; w < cursor->planes; w++)
    g->plane[w] = cursor->near ? philox_open_near(g->low, &cursor->run[w])
                               : philox_open_any(g->low, unmarked, cursor->plane[w], keys);
}
IC_INLINE void redraw_round(redraw_group *g, const redraw_cursor *cursor, const philox_keys *keys, int r) {
  for (int w = 0; w < cursor->planes; w++) philox_round(&g->plane[w], keys, r);
}
