# cython: boundscheck=False, binding=False
"""Small tensors of torch: what the facade does for each of them, without Python's share of the time."""

cimport cython
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from initcore._arrays cimport Memory as CMemory
from initcore._csrc cimport IC_BF16, IC_F16, IC_F32, IC_F64

from initcore import _core, formulas
from initcore._arrays import Memory

# What DLPack 1.3 declares: a table of functions, of which one describes a tensor to whoever holds a reference to it

cdef enum:
    DLPACK_MAJOR = 1
    DL_CPU = 1
    DL_FLOAT = 2
    DL_BFLOAT = 4

cdef struct DLTensor:
    void *data
    int32_t device, device_number
    int32_t ndim
    uint8_t code, bits
    uint16_t lanes
    int64_t *shape
    int64_t *strides
    uint64_t byte_offset

ctypedef int (*describe_tensor)(void *tensor, DLTensor *out) except -1

cdef struct ExchangeTable:
    uint32_t major, minor
    void *table_before
    void *allocate
    void *export_tensor
    void *import_tensor
    describe_tensor describe
    void *stream


cdef describe_tensor description_by(table) except? NULL:
    """Return the function in the table that torch 2.10 and later have for C, or NULL."""
    if table is None:
        return NULL
    cdef ExchangeTable *functions = <ExchangeTable *>PyCapsule_GetPointer(table, "dlpack_exchange_api")
    return functions.describe if functions.major == DLPACK_MAJOR else NULL


cdef int kind_of(const DLTensor *it) noexcept:
    """The dtype's id, or -1."""
    if it.lanes != 1:
        return -1
    if it.code == DL_BFLOAT:
        return IC_BF16 if it.bits == 16 else -1
    if it.code != DL_FLOAT:
        return -1
    return IC_F32 if it.bits == 32 else IC_F64 if it.bits == 64 else IC_F16 if it.bits == 16 else -1


cdef bint is_contiguous(const DLTensor *it) noexcept:
    cdef int64_t size = 1
    cdef int i
    for i in range(it.ndim - 1, -1, -1):
        if it.shape[i] != 1 and it.strides[i] != size:
            return False
        size *= it.shape[i]
    return True


cdef object memory_described(const DLTensor *it):
    """Return the Memory of a tensor in C order on the CPU, and None for others."""
    cdef int kind = kind_of(it)
    if kind < 0 or it.data == NULL or it.device != DL_CPU or not is_contiguous(it):
        return None
    return Memory(<size_t>it.data + it.byte_offset, tuple([it.shape[i] for i in range(it.ndim)]), kind)


@cython.final
cdef class PlainTensors:
    """Finds the memory of plain tensors, and fills it.

    A tensor is plain if its type is one of two, its elements lie on the CPU in C order as they are, and nothing observes
    what is written to them. torch takes 0.05 us for each question; Python would add as much.

    Parameters
    ----------
    types : tuple of two types
        torch's classes of tensors and of parameters.
    kinds : dict
        What stands for each dtype in a Memory.
    table : capsule or None
        DLPack's table of functions for C, as torch 2.10 and later have it. It answers five questions at once.
    mode_count, transformation, trace : callable
        Tell which dispatch modes, function transformations and traces are active.
    written : callable
        Is told, by a list of one tensor, that it was written to.
    observed : callable
        Tells whether a mode observes what is called with a plain tensor.
    words : object
        The sources of keys of torch's default generator in this thread: its attribute ``of_default``, which nobody
        observes, and ``of_default_by_method``, which is faster.
    dists : dict
        From an initializer to its distribution, for those whose arguments are the distribution's parameters.
    names : dict
        From an initializer to the name of its formula, for those whose scale comes from the fans.
    """

    cdef object tensor, parameter, mode_count, transformation, trace, written, observed, words
    cdef public bint patched  # whether torch's method that draws words is another than its own
    cdef dict kinds, dists, names
    cdef describe_tensor describe

    def __cinit__(self, tuple types, dict kinds, table, mode_count, transformation, trace, written, observed, words,
                  dict dists, dict names):
        self.tensor, self.parameter = types
        self.kinds = kinds
        self.describe = description_by(table)
        self.mode_count, self.transformation, self.trace = mode_count, transformation, trace
        self.written, self.observed, self.words = written, observed, words
        self.dists, self.names = dists, names

    def memory_of(self, tensor):
        """Return the Memory of a plain tensor, and None for all others."""
        cdef DLTensor it
        if type(tensor) is not self.tensor and type(tensor) is not self.parameter:
            return None
        if not tensor.is_cpu or tensor.is_neg() or tensor.is_inference():
            return None
        if self.mode_count() or self.transformation() is not None or self.trace():
            return None
        try:
            if self.describe == NULL:
                return self.memory_asked(tensor)
            self.describe(<void *>tensor, &it)
        except RuntimeError:  # the tensor is sparse or nested, or has no storage for another reason
            return None
        return memory_described(&it)

    cdef object memory_asked(self, tensor):
        """Return the Memory of a tensor, from what torch's methods say."""
        kind = self.kinds.get(tensor.dtype)
        if kind is None or tensor.is_nested or not tensor.is_contiguous():
            return None
        address = tensor.data_ptr()
        return Memory(address, tensor.shape, kind) if address else None

    cdef object law_of(self, ours, CMemory memory, tuple args):
        """Return the distribution by which an initializer fills memory, or None if it must be asked itself."""
        name = self.names.get(ours)
        if name is None:
            return None
        for value in args:
            if type(value) not in formulas.LASTING:
                return None
        return formulas.of_shape(name, memory.sizes, *args)

    def fill(self, ours, tensor, tuple args, rng=None):
        """Fill a plain tensor by an initializer, and return whether it was filled.

        It is not if it is not plain, or if the initializer refuses the arguments, before anything is written. If `rng`
        is None, torch's default generator gives the key.
        """
        memory = self.memory_of(tensor)
        if memory is None:
            return False
        if rng is None:
            rng = self.words.of_default if self.patched or self.observed(tensor) else self.words.of_default_by_method
        dist = self.dists.get(ours)
        try:
            if dist is not None:
                _core.fill(memory, dist, args, rng)
            elif (law := self.law_of(ours, memory, args)) is not None:
                law.fill(memory, rng)
            else:
                ours(memory, *args, rng=rng)
        except (TypeError, ValueError):
            return False
        except BaseException:  # an interrupt can leave the tensor partly written
            self.written([tensor])
            raise
        self.written([tensor])
        return True
