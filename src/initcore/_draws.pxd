from libc.stdint cimport int64_t, uint32_t

from initcore._csrc cimport ic_stream


cdef class KeyedStream:
    cdef uint32_t k0, k1
    cdef int known

    cdef int find_key(self) except -1


cdef class DrawCounter:
    cdef readonly KeyedStream stream
    cdef int64_t next_draw

    cdef int64_t take(self) except -1


cdef class Draw:
    cdef ic_stream stream


cdef class DrawnKeys(KeyedStream):
    cdef object draw
    cdef size_t address


cdef int take_draw(object rng, ic_stream *stream) except -1
