from libc.stdint cimport int64_t

cimport numpy as cnp

from initcore._csrc cimport ic_array


cdef class Memory:
    cdef size_t address
    cdef object sizes  # a tuple, or of a class derived from it
    cdef int kind


cdef class DeviceMemory:
    cdef size_t address
    cdef tuple sizes, strides
    cdef int kind
    cdef object launch
    cdef int most_attempts


cdef int64_t describe_device(DeviceMemory out, object shard, ic_array *array) except -1
cdef int64_t describe_memory(Memory out, ic_array *array) except -1
cdef int dtype_of(cnp.ndarray out)
cdef int check(object out, object shard) except -1
cdef int describe(cnp.ndarray out, object shard, ic_array *array) except -1
cdef int check_still(cnp.ndarray out, const ic_array *array) except -1
cdef int check_part(object out, tuple shape, tuple offset) except -1
