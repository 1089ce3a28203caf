# cython: boundscheck=False, binding=False
"""Arrays that are filled: which are refused, and where their elements lie in memory and in the global array."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint64_t

cimport numpy as cnp
import numpy as np

from initcore._csrc cimport IC_BF16, IC_F16, IC_F32, IC_F64, IC_MAX_DIMS, IC_U32, ic_array, ic_dtype

cnp.import_array()

#: bfloat16 for those who have no NumPy dtype of it
BFLOAT16_BITS = np.dtype([("bfloat16", np.uint16)])

cdef tuple _shards = None  # the classes of shards, whose module imports nothing, but is there later


@cython.final
cdef class Memory:
    """Elements in C order and native byte order at an address that its maker vouches for.

    Fills take it for an array. To make one takes 0.1 us, an array of memory that NumPy does not know 1.3.
    """

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


#: The same of a DeviceMemory
DEVICE_KINDS = {**MEMORY_KINDS, "uint32": IC_U32}


@cython.final
cdef class DeviceMemory:
    """Elements in the memory of a device, at an address that its maker vouches for; no two share any of it.

    Fills take it for an array, or for a shard of one, and call ``launch(kernel, groups, threads, argument)`` with what a
    kernel of kernels.cu takes: its name, the numbers of groups and of threads, along rows and across them, and the bytes
    of its argument. Strides are in bytes. `most_attempts`, if not 0, is how many proposals of a truncated normal an
    element may refuse.
    """

    def __cinit__(self, size_t address, tuple sizes, tuple strides, int kind, launch, int most_attempts=0):
        if len(sizes) > IC_MAX_DIMS or len(strides) != len(sizes):
            raise ValueError(f"not a shape and its strides: {sizes}, {strides}")
        self.address = address
        self.sizes = sizes
        self.strides = strides
        self.kind = kind
        self.launch = launch
        self.most_attempts = most_attempts

    @property
    def shape(self):
        return self.sizes

    @property
    def dtype(self):
        return next(name for name, kind in DEVICE_KINDS.items() if kind == self.kind)


@cython.boundscheck(True)
cdef int64_t describe_device(DeviceMemory out, object shard, ic_array *array) except -1:
    """Describe the part of the whole that it is; return the number of elements."""
    cdef int i, ndim = len(out.sizes)
    cdef int64_t count = 1
    check_shard(out, shard)
    array.data = <uint8_t *>out.address
    array.dtype = <ic_dtype>out.kind
    array.swapped = 0
    array.ndim = ndim
    for i in range(ndim):
        array.shape[i] = out.sizes[i]
        array.stride[i] = out.strides[i]
        count *= array.shape[i]
    describe_indices(shard, array)
    return count


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


cdef int dtype_of(cnp.ndarray out):
    """The dtype's id, or -1."""
    cdef int number = cnp.PyArray_TYPE(out)
    if number == cnp.NPY_FLOAT32:
        return IC_F32
    if number == cnp.NPY_FLOAT64:
        return IC_F64
    if number == cnp.NPY_FLOAT16:
        return IC_F16
    if number == cnp.NPY_UINT32:
        return IC_U32
    if number > cnp.NPY_VOID and out.dtype.name == "bfloat16":
        return IC_BF16
    if number == cnp.NPY_VOID and out.dtype == BFLOAT16_BITS:
        return IC_BF16
    return -1


cdef bint overlaps(cnp.ndarray out) except -1:
    """Whether two elements share memory, or whether it would take too long to tell.

    With the axes in the order of their strides: if each strides over all that those before it span, none do.
    """
    if out.size == 0:
        return False
    axes = sorted((abs(out.strides[i]), out.shape[i]) for i in range(out.ndim) if out.shape[i] > 1)
    span = out.itemsize
    for stride, length in axes:
        if stride < span:
            break
        span += stride * (length - 1)
    else:
        return False
    if axes[0][0] == 0 or out.size > 1 << 24:
        return True
    offsets = np.zeros(1, np.int64)
    for stride, length in axes:
        offsets = np.add.outer(offsets, np.arange(length) * stride).reshape(-1)
    offsets.sort()
    return bool((np.diff(offsets) < out.itemsize).any())


cdef bint is_shard(object it) except -1:
    """Whether it is a Shard, whose attributes are what its maker checked: those of another class may change."""
    global _shards
    if _shards is None:
        from initcore.shards import FlatShard, Shard
        _shards = Shard, FlatShard
    return type(it) in _shards


#: By the library of what is given as an array: what to do instead
cdef dict _hints = {
    "torch": "; give tensor.detach().numpy(), which shares its memory, or use initcore.torch",
    "jax": "; arrays of JAX cannot be changed, and initcore.jax makes new ones",
    "keras": "; initcore.keras has initializers of variables",
    "tensorflow": "; initcore.keras has initializers of variables",
}
_hints["jaxlib"] = _hints["jax"]
_hints["builtins"] = "; numpy.empty(shape, numpy.float32) makes an array, or the function without _ at its end does"


cdef int check_shard(object out, object shard) except -1:
    if shard is not None and not is_shard(shard):
        raise TypeError(f"shard must be an initcore.Shard, not {shard!r} of type {type(shard).__name__}")
    if shard is not None and shard.shape != out.shape:
        raise ValueError(f"out has shape {out.shape}, but the shard {shard!r} has shape {shard.shape}")
    return 0


cdef int check(object out, object shard) except -1:
    if not isinstance(out, cnp.ndarray):
        kind = type(out)
        hint = _hints.get(kind.__module__.split(".")[0], "")
        raise TypeError(f"out must be a numpy.ndarray, not {kind.__module__}.{kind.__qualname__}{hint}")
    check_shard(out, shard)
    if not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
        raise ValueError("out is read-only")
    if not cnp.PyArray_ISONESEGMENT(<cnp.ndarray>out) and overlaps(out):
        raise ValueError(f"out overlaps itself: its shape is {out.shape}, its strides are {out.strides}")
    return 0


def check_target(out, shard=None):
    """Refuse what cannot be written to, element by element; return the global shape."""
    if type(out) is Memory and shard is None:
        return out.shape
    if type(out) is DeviceMemory:
        check_shard(out, shard)
    else:
        check(out, shard)
    return (<object>out).shape if shard is None else shard.global_shape


@cython.boundscheck(True)
cdef int describe(cnp.ndarray out, object shard, ic_array *array) except -1:
    """All but the dtype."""
    cdef int i, ndim = cnp.PyArray_NDIM(out)
    array.data = <uint8_t *>cnp.PyArray_DATA(out)
    array.swapped = not cnp.PyArray_ISNOTSWAPPED(out)
    array.ndim = ndim
    for i in range(ndim):
        array.shape[i] = cnp.PyArray_DIM(out, i)
        array.stride[i] = cnp.PyArray_STRIDE(out, i)
    return describe_indices(shard, array)


@cython.boundscheck(True)
cdef int describe_indices(object shard, ic_array *array) except -1:
    """Where elements lie in the global array. Of a FlatShard's whole, which may have fewer axes, nothing is needed."""
    cdef int i, ndim = array.ndim
    cdef int64_t stride = 1
    array.first_index = 0
    if shard is None:
        for i in range(ndim - 1, -1, -1):
            array.index_stride[i] = stride
            stride *= array.shape[i]
    else:
        global_shape, offset = shard.global_shape, shard.offset
        for i in range(ndim - 1, -1, -1):
            array.index_stride[i] = stride
            array.first_index += <uint64_t>stride * <uint64_t>offset[i]
            if i > 0:
                stride *= <int64_t>global_shape[i]
    return 0


cdef int check_still(cnp.ndarray out, const ic_array *array) except -1:
    """Refuse an array that is another than the one described: what was called since has resized it."""
    cdef int i
    cdef bint same = cnp.PyArray_DATA(out) == <void *>array.data and cnp.PyArray_NDIM(out) == array.ndim
    for i in range(array.ndim if same else 0):
        same = same and cnp.PyArray_DIM(out, i) == array.shape[i] and cnp.PyArray_STRIDE(out, i) == array.stride[i]
    if not same:
        raise ValueError("out was resized by one of the other arguments while they were read; nothing was written")
    return 0


cdef int check_part(object out, tuple shape, tuple offset) except -1:
    """Refuse what is no part of the whole: the core reads what no row or column outside it has."""
    cdef tuple here = tuple([cnp.PyArray_DIM(<cnp.ndarray>out, i) for i in range(cnp.PyArray_NDIM(<cnp.ndarray>out))])
    whole = 1
    for size, start, count in zip(shape, offset, here, strict=True):
        whole *= size
        if not 0 <= start <= size - count:
            raise ValueError(f"an array of shape {here} at {offset} is no part of one of shape {shape}")
    if whole >= 1 << 63:
        raise ValueError(f"an array has at most 2**63 - 1 elements, but the shape is {shape}")
    return 0
