"""What the package's other extensions take from the core, which is linked into this one alone."""

from libc.stdint cimport uint32_t, uint64_t

from initcore._csrc cimport ic_stream, ic_xla_fill_part

cdef void fill_buffer(const ic_stream *stream, uint64_t block, uint32_t *words) noexcept nogil
cdef void *xla_handler(ic_xla_fill_part others) noexcept nogil
