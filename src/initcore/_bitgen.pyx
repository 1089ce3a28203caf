# cython: boundscheck=False, binding=False
"""The C half of initcore.numpy: a buffer of a stream's words, and the functions through which numpy.random takes them.

The functions are called by whoever holds the bit generator's lock, without the GIL; they cannot fail.
"""

from libc.stdint cimport uint32_t, uint64_t

from numpy.random cimport BitGenerator

from initcore._core cimport fill_buffer
from initcore._csrc cimport IC_BUFFER_BLOCKS, ic_stream

cdef enum:
    BUFFER_WORDS = 4 * IC_BUFFER_BLOCKS

cdef struct Source:
    uint32_t buffer[BUFFER_WORDS]
    uint32_t taken  # of its words
    uint64_t next_block  # the one after those in the buffer
    ic_stream stream


cdef void refill(Source *source) noexcept nogil:
    fill_buffer(&source.stream, source.next_block, source.buffer)
    source.next_block += IC_BUFFER_BLOCKS
    source.taken = 0


cdef uint32_t next_uint32(void *state) noexcept nogil:
    cdef Source *source = <Source *>state
    if source.taken == BUFFER_WORDS:
        refill(source)
    source.taken += 1
    return source.buffer[source.taken - 1]


cdef uint64_t next_raw(void *state) noexcept nogil:
    return next_uint32(state)


cdef uint64_t next_uint64(void *state) noexcept nogil:
    """Two words, the low one first."""
    cdef Source *source = <Source *>state
    cdef uint64_t low
    if source.taken <= BUFFER_WORDS - 2:  # both at hand
        source.taken += 2
        return source.buffer[source.taken - 2] | <uint64_t>source.buffer[source.taken - 1] << 32
    low = next_uint32(state)
    return low | <uint64_t>next_uint32(state) << 32


cdef double next_double(void *state) noexcept nogil:
    return <double>(next_uint64(state) >> 11) * (1.0 / 9007199254740992.0)  # 2**-53


cdef class WordSource(BitGenerator):
    """A bit generator over the words of one stream, plane and draw; to be placed before the first is taken."""

    cdef Source source

    def __init__(self, seed_seq):
        BitGenerator.__init__(self, 0 if seed_seq is None else seed_seq)
        self._seed_seq = seed_seq  # None: a key of its own, so that nothing can be spawned
        self.source.taken = BUFFER_WORDS
        self._bitgen.state = &self.source
        self._bitgen.next_raw = next_raw
        self._bitgen.next_uint32 = next_uint32
        self._bitgen.next_uint64 = next_uint64
        self._bitgen.next_double = next_double

    def _place(self, key, uint32_t plane, uint32_t draw, uint64_t block, uint32_t word):
        """Go to a word, 0 to 3, of a block; with the lock held."""
        self.source.stream.key[0], self.source.stream.key[1] = key
        self.source.stream.plane = plane
        self.source.stream.draw = draw
        self.source.next_block = block
        self.source.taken = BUFFER_WORDS
        if word > 0:
            refill(&self.source)
            self.source.taken = word

    def _where(self):
        """Return the key, and the plane, draw, block and word of the next word; with the lock held."""
        cdef Source *source = &self.source
        cdef uint64_t block = source.next_block - (BUFFER_WORDS - source.taken + 3) // 4
        key = source.stream.key[0], source.stream.key[1]
        return key, source.stream.plane, source.stream.draw, block, source.taken % 4
