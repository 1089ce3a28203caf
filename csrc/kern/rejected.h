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
