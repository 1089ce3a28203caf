"""What the package's other extensions take from the core, which is linked into this one alone."""

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "initcore.h" nogil:
    enum: IC_BUFFER_BLOCKS
    ctypedef struct ic_stream:
        uint32_t key[2]
        uint32_t draw
        uint32_t plane

cdef void fill_buffer(const ic_stream *stream, uint64_t block, uint32_t *words) noexcept nogil
