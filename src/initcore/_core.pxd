"""What the package's other extensions take from the core, which is linked into this one alone."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from initcore._csrc cimport ic_array, ic_dtype, ic_prepared, ic_problem, ic_stream, ic_xla_fill_part

cdef void fill_buffer(const ic_stream *stream, uint64_t block, uint32_t *words) noexcept nogil
cdef void *xla_handler(ic_xla_fill_part others) noexcept nogil

cdef enum:
    MOST_PARAMS = 8

cdef int64_t describe_target(object out, int dist, object shard, ic_array *array) except -1
cdef ic_problem prepare_values(int dist, const double *values, ic_dtype dtype, ic_prepared *prepared) noexcept
cdef int draw_into(object out, ic_array *array, int64_t size, ic_prepared *prepared, object rng) except -1
