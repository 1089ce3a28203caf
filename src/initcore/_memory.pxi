# For callers whose memory is not NumPy's, and whose keys come from elsewhere: what costs them a tenth of an array


@cython.final
cdef class Memory:
    """Elements in C order and native byte order at an address that its maker vouches for.

    Fills take it for an array. To make one takes 0.1 us, an array of memory that NumPy does not know 1.3.
    """

    cdef size_t address
    cdef object sizes  # a tuple, or of a class derived from it
    cdef int kind

    def __cinit__(self, size_t address, sizes, int kind):
        if not isinstance(sizes, tuple) or len(sizes) > IC_MAX_DIMS:
            raise ValueError(f"not a shape: {sizes}")
        self.address = address
        self.sizes = sizes
        self.kind = kind

    @property
    def shape(self):
        return tuple(self.sizes)

    @property
    def dtype(self):
        return next(name for name, kind in MEMORY_KINDS.items() if kind == self.kind)


#: What stands for a dtype when a Memory is made
MEMORY_KINDS = {"float64": IC_F64, "float32": IC_F32, "float16": IC_F16, "bfloat16": IC_BF16}


cdef int64_t describe_memory(Memory out, ic_array *array) except -1:
    """Describe all of it; return the number of elements."""
    cdef int i, ndim = len(out.sizes)
    cdef int64_t count = 1, itemsize = 8 if out.kind == IC_F64 else 4 if out.kind == IC_F32 else 2
    array.data = <uint8_t *>out.address
    array.dtype = <ic_dtype>out.kind
    array.swapped = 0
    array.ndim = ndim
    array.first_index = 0
    for i in range(ndim - 1, -1, -1):
        array.shape[i] = (<tuple>out.sizes)[i]
        array.stride[i] = count * itemsize
        array.index_stride[i] = count
        count *= array.shape[i]
    return count


@cython.final
cdef class DrawnKeys(KeyedStream):
    """A source that has another key for each fill: two words of memory, which `draw` writes when it is called.

    It is called when a fill has found nothing to refuse.
    """

    cdef object draw
    cdef size_t address

    def __cinit__(self, draw, size_t address):
        self.draw = draw
        self.address = address

    cdef int find_key(self) except -1:
        self.draw()
        self.k0 = (<uint32_t *>self.address)[0]
        self.k1 = (<uint32_t *>self.address)[1]
        return 0
