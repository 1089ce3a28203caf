/* Lists the elements whose values are outside of bounds. */

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
IC_INLINE unsigned lowest_bit(uint64_t bits) {
  unsigned long place;
  _BitScanForward64(&place, bits);
  return place;
}
#else
IC_INLINE unsigned lowest_bit(uint64_t bits) { return (unsigned)__builtin_ctzll(bits); }
#endif

IC_INLINE unsigned bit_count(uint32_t bits) {
#if defined(__POPCNT__) || defined(__ARM_NEON)
  return (unsigned)__builtin_popcount(bits);
#endif
  bits -= bits >> 1 & 0x55555555;
  bits = (bits & 0x33333333) + (bits >> 2 & 0x33333333);
  return ((bits + (bits >> 4)) & 0x0f0f0f0f) * 0x01010101u >> 24;
}

typedef struct {
  uint16_t *next; /* room for IC_SURE more than are listed */
  unsigned first; /* offset of the next group */
} offset_list;

enum { GROUP_BITS = 4 * IC_COUNTERS, GROUPS_A_WORD = 32 / GROUP_BITS };

/* Lists those of `count` elements whose bits are not set. IC_SURE are written without asking whether there are so many,
 * since processors cannot predict that; the next list overwrites what was too much. */
IC_INLINE void list_zeros(offset_list *list, uint32_t inside, int count) {
  uint64_t bits = ~inside & ~0u >> (32 - count);
  uint16_t *next = list->next;
  list->next += bit_count((uint32_t)bits);
  for (int i = 0; i < IC_SURE; i++, bits &= bits - 1) *next++ = (uint16_t)(list->first + lowest_bit(bits | 1ull << 32));
  for (; IC_UNLIKELY(bits); bits &= bits - 1) *next++ = (uint16_t)(list->first + lowest_bit(bits));
  list->first += (unsigned)count;
}

/* The offsets of some groups' elements that are not inside, 32 elements at a time. Made in the middle of the next
 * batch, whose vector work leaves the ports of integers idle: 0.1 ns an element on Zen 4 less than after it. */
IC_INLINE void list_outside(offset_list *list, const uint32_t *inside, int groups) {
  for (int g = 0; g < groups; g += GROUPS_A_WORD) {
    const int joined = groups - g < GROUPS_A_WORD ? groups - g : GROUPS_A_WORD;
    uint32_t word = 0;
    for (int i = 0; i < joined; i++) word |= inside[g + i] << i * GROUP_BITS;
    list_zeros(list, word, joined * GROUP_BITS);
  }
}

/* Elements that are drawn again. They come in batches of REDRAWN, of which the last one may be in part: there its last
 * element is repeated, so that all have blocks. */
enum { REDRAWN = GROUP_BITS };
typedef struct {
  const uint16_t *offset; /* where their values belong */
  const uint64_t *blocks; /* marked; see redraw.h */
  int count, near;        /* near: the high words of all blocks are the same */
  uint32_t *inside;       /* a bit for each element of a batch */
} redrawn;

/* Where the values and the bits of a batch have its element i, and which element is at a place */
#define REDRAWN_PLACE(i) (4 * ((i) % IC_COUNTERS) + (i) / IC_COUNTERS)
#define REDRAWN_AT(place) ((place) % 4 * IC_COUNTERS + (place) / 4)

/* Puts new values in place */
IC_INLINE void put_redrawn(const uint8_t *restrict values, const uint16_t *restrict offset, int count,
                           uint8_t *restrict out, size_t itemsize) {
#define PUT(i, place) memcpy(out + offset[i] * itemsize, values + (place) * itemsize, itemsize)
  if (count >= REDRAWN) {
    for (size_t group = 0; group < 4; group++)
      for (size_t c = 0; c < IC_COUNTERS; c++) PUT(group * IC_COUNTERS + c, 4 * c + group);
  } else {
    for (size_t i = 0; i < (size_t)count; i++) PUT(i, REDRAWN_PLACE(i));
  }
#undef PUT
}

/* Keeps the offsets of those elements of a batch whose values are outside: how many. */
IC_INLINE int keep_outside(const uint16_t *offset, int count, uint32_t inside, uint16_t *kept) {
  uint16_t batch[REDRAWN + IC_COUNTERS]; /* `kept` may be `offset` */
  uint64_t bits = ~inside & ~0u >> (32 - REDRAWN);
  memcpy(batch, offset, REDRAWN * sizeof *batch);
  if (count < REDRAWN)
    for (int i = count; i < REDRAWN; i++) bits &= ~(1ull << REDRAWN_PLACE(i));
  const int many = (int)bit_count((uint32_t)bits);
  for (int i = 0; i < IC_SURE; i++, bits &= bits - 1) *kept++ = batch[REDRAWN_AT(lowest_bit(bits | 1ull << REDRAWN))];
  for (; IC_UNLIKELY(bits); bits &= bits - 1) *kept++ = batch[REDRAWN_AT(lowest_bit(bits))];
  return many;
}
