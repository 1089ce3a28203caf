# cython: boundscheck=False, binding=False
"""Array checks, calls into csrc without the GIL, instruction sets and threads. Thin: formulas are elsewhere."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cimport numpy as cnp
import numpy as np

cnp.import_array()

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

cdef extern from "initcore.h" nogil:
    enum: IC_STREAM_VERSION, IC_MAX_DIMS, IC_MAX_THREADS, IC_ELEMENTS_PER_THREAD
    ctypedef enum ic_dtype:
        IC_F64, IC_F32, IC_F16, IC_BF16, IC_U32
    ctypedef enum ic_status:
        IC_OK, IC_NO_MEMORY, IC_INTERRUPTED
    ctypedef struct ic_problem:
        int param
        const char *rule
    ctypedef struct ic_array:
        uint8_t *data
        ic_dtype dtype
        int swapped
        int ndim
        int64_t shape[IC_MAX_DIMS]
        int64_t stride[IC_MAX_DIMS]
        int64_t index_stride[IC_MAX_DIMS]
        uint64_t first_index
    ctypedef struct ic_options:
        int threads
        uint64_t nontemporal_bytes
        int (*poll)(void *, double) noexcept nogil
        void *context
    void ic_init()
    int ic_dist_count()
    const char *ic_dist_name(int dist)
    const char *ic_dist_params(int dist)
    int ic_dist_param_count(int dist)
    int ic_dist_fills(int dist, ic_dtype dtype)
    ctypedef struct ic_prepared:
        pass
    ic_problem ic_prepare(int dist, const double *params, ic_dtype dtype, ic_prepared *prepared)
    ic_status ic_fill(const ic_array *array, const ic_prepared *prepared, const ic_stream *stream,
                      const ic_options *options)
    void ic_fill_buffer(const ic_stream *stream, uint64_t block, uint32_t *words)
    ic_status ic_set_constant(const ic_array *array, const uint8_t *element, size_t itemsize,
                              const ic_options *options)
    ctypedef struct ic_matrices:
        int64_t rows, columns
        int64_t first_matrix, first_row, first_column
        double gain
    ic_status ic_orthogonal(const ic_array *array, const ic_matrices *matrices, const ic_stream *stream,
                            const ic_options *options)
    uint64_t ic_cache_bytes()
    ctypedef struct ic_sparse:
        uint64_t rows, zeros
        uint32_t left_base, right_base
        uint64_t first_row, row_count, column_count
        int half_rounds
        const uint32_t *words
    void ic_sparse_mask(const ic_sparse *sparse, uint8_t *mask)
    int ic_isa_count()
    const char *ic_isa_name(int isa)
    int ic_isa_current()
    void ic_isa_use(int isa)
    ctypedef enum ic_spin:
        IC_SPIN_FMA_F32, IC_SPIN_FMA_F64, IC_SPIN_INTEGER
    uint64_t ic_spin_for(ic_spin kind, uint64_t rounds, double *end)
    void ic_philox4x32(const uint32_t *counters, const uint32_t *keys, int rounds, size_t n, uint32_t *out)
    void ic_normal_from_words_f32(const uint32_t *words, size_t pairs, float *out)
    void ic_normal_from_words_f64(const uint64_t *words, size_t pairs, double *out)

cdef extern from "dist/truncation.h" nogil:
    ctypedef struct ic_window:
        pass
    ic_window ic_window_of(double mean, double std, double low, double high)
    double ic_window_mass(const ic_window *window)
    double ic_window_std(const ic_window *window)
    double ic_window_quantile(const ic_window *window, double u)
    void ic_limit_attempts(int most)

cdef extern from "dtypes.h" nogil:
    int ic_fits(double x, ic_dtype dtype)

cdef extern from "platform/threads.h" nogil:
    int64_t ic_claim(int64_t *counter)
    int ic_load(const int *value)
    void ic_store(int *value, int to)

ic_init()
STREAM_VERSION = IC_STREAM_VERSION
ELEMENTS_PER_THREAD = IC_ELEMENTS_PER_THREAD
MOST_THREADS = IC_MAX_THREADS
CACHE_BYTES = ic_cache_bytes()
cdef uint64_t nontemporal_bytes = CACHE_BYTES  # arrays that large are written past the caches
#: Every distribution's row: its id, and the names of its parameters
DISTS = {ic_dist_name(i).decode(): (i, tuple(ic_dist_params(i).decode().split())) for i in range(ic_dist_count())}
cdef dict _dist_names = {row[0]: name for name, row in DISTS.items()}

#: bfloat16 for those who have no NumPy dtype of it
BFLOAT16_BITS = np.dtype([("bfloat16", np.uint16)])

cdef int max_threads = 1  # machine.py sets it
cdef object _resolve = None  # streams.resolve, which imports this module


# Streams

cdef class KeyedStream:
    """The key of a stream, worked out when it is first needed."""

    cdef uint32_t k0, k1
    cdef int known

    cdef int find_key(self) except -1:
        """Threads without a GIL may do so at once, and then write the same words."""
        if not ic_load(&self.known):
            self.k0, self.k1 = self._derive_key()
            ic_store(&self.known, 1)
        return 0

    @property
    def key(self):
        """The Philox key: two words."""
        self.find_key()
        return int(self.k0), int(self.k1)


cdef class DrawCounter:
    """A stream and the number of its next draw, which threads take one after the other."""

    cdef readonly KeyedStream stream
    cdef int64_t next_draw

    def _begin(self, KeyedStream stream, int64_t draw):
        self.stream = stream
        self.next_draw = draw

    @property
    def draw(self):
        """The number of the next draw."""
        return min(self.next_draw, 1 << 32)

    def _give_back(self, int64_t draw):
        """Take back the only draw that was taken since the next one was `draw`; others since then let it be."""
        if self.next_draw == draw + 1:
            self.next_draw = draw

    cdef int64_t take(self) except -1:
        cdef int64_t draw = ic_claim(&self.next_draw)
        if draw > 0xffffffff:
            self.next_draw = 1 << 32
            raise OverflowError("this Generator has made its 2**32 draws; use another seed or path")
        return draw


@cython.final
cdef class Draw:
    """One draw of a stream, for what takes more than one fill: as `rng`, it gives the same numbers each time."""

    cdef ic_stream stream

    def at_plane(self, uint32_t plane):
        """Return the draw's words that no value uses; planes with bit 30 set."""
        cdef Draw other = Draw()
        other.stream = self.stream
        other.stream.plane = plane
        return other

    def __reduce__(self):
        cdef ic_stream stream = self.stream
        return draw_of, (stream.key[0], stream.key[1], stream.plane, stream.draw)


def draw_of(uint32_t first, uint32_t second, uint32_t plane, uint32_t draw):
    """Return the draw of a key: what a pickled one is made of."""
    cdef Draw it = Draw()
    it.stream.key[0] = first
    it.stream.key[1] = second
    it.stream.plane = plane
    it.stream.draw = draw
    return it


cdef int take_draw(object rng, ic_stream *stream) except -1:
    """Write the draw that a fill with `rng` takes, taking it."""
    global _resolve
    cdef KeyedStream keyed
    if type(rng) is Draw:
        stream[0] = (<Draw>rng).stream
        return 0
    if not isinstance(rng, (KeyedStream, DrawCounter)):
        if _resolve is None:
            from initcore.streams import resolve
            _resolve = resolve
        rng = _resolve(rng)
    stream.plane = 0
    stream.draw = 0
    if isinstance(rng, KeyedStream):
        keyed = rng
        keyed.find_key()
    else:
        keyed = (<DrawCounter>rng).stream
        if keyed is None:
            raise ValueError(f"{type(rng).__name__} was made without its __init__: it has no stream")
        keyed.find_key()
        stream.draw = <uint32_t>(<DrawCounter>rng).take()
    stream.key[0] = keyed.k0
    stream.key[1] = keyed.k1
    return 0


def take(rng):
    """Return the draw that a fill with `rng` would take, taking it."""
    cdef Draw draw = Draw()
    take_draw(rng, &draw.stream)
    return draw


cdef void fill_buffer(const ic_stream *stream, uint64_t block, uint32_t *words) noexcept nogil:
    ic_fill_buffer(stream, block, words)


include "_memory.pxi"


# Arrays

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
    if cnp.PyArray_ISONESEGMENT(out) or out.size == 0:
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


cdef int check(object out, object shard) except -1:
    if not isinstance(out, np.ndarray):
        kind = type(out)
        hint = "; tensors are filled by initcore.torch" if kind.__module__.split(".")[0] == "torch" else ""
        raise TypeError(f"out must be a numpy.ndarray, not {kind.__module__}.{kind.__qualname__}{hint}")
    if shard is not None and not hasattr(shard, "global_shape"):
        raise TypeError(f"shard must be an initcore.Shard, not {shard!r} of type {type(shard).__name__}")
    if shard is not None and shard.shape != (<object>out).shape:
        raise ValueError(f"out has shape {out.shape}, but the shard {shard!r} has shape {shard.shape}")
    if not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
        raise ValueError("out is read-only")
    if overlaps(out):
        raise ValueError(f"out overlaps itself: its shape is {out.shape}, its strides are {out.strides}")
    return 0


def check_target(out, shard=None):
    """Refuse what cannot be written to, element by element; return the global shape."""
    if type(out) is Memory and shard is None:
        return out.shape
    check(out, shard)
    return (<object>out).shape if shard is None else shard.global_shape


cdef int describe(cnp.ndarray out, object shard, ic_array *array) except -1:
    """All but the dtype."""
    cdef int i, ndim = cnp.PyArray_NDIM(out)
    cdef int64_t stride = 1
    array.data = <uint8_t *>cnp.PyArray_DATA(out)
    array.swapped = not cnp.PyArray_ISNOTSWAPPED(out)
    array.ndim = ndim
    array.first_index = 0
    for i in range(ndim):
        array.shape[i] = cnp.PyArray_DIM(out, i)
        array.stride[i] = cnp.PyArray_STRIDE(out, i)
    if shard is None:
        for i in range(ndim - 1, -1, -1):
            array.index_stride[i] = stride
            stride *= array.shape[i]
    else:
        global_shape, offset = shard.global_shape, shard.offset
        for i in range(ndim - 1, -1, -1):
            array.index_stride[i] = stride
            array.first_index += <uint64_t>stride * <uint64_t>offset[i]
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


@cython.final
cdef class Caller:
    """Who is asked while the core is at work: signals, and whoever wants to know how far it is."""

    cdef object progress, raised


cdef int poll(void *context, double done) noexcept with gil:
    cdef Caller caller = <Caller>context
    try:
        PyErr_CheckSignals()
        if caller.progress is not None:
            caller.progress(done)
    except BaseException as error:
        caller.raised = error
        return 1
    return 0


cdef ic_options options_of(Caller caller, uint64_t nontemporal_from) noexcept:
    """Return how to run for a caller that is polled, or for None."""
    cdef ic_options options
    options.threads = max_threads
    options.nontemporal_bytes = nontemporal_from
    options.poll = NULL
    options.context = <void *>caller
    if caller is not None:
        options.poll = poll
    return options


cdef int finish(ic_status status, Caller caller) except -1:
    """Raise what came of a call of the core, if it did not come to its end."""
    if status == IC_NO_MEMORY:
        raise MemoryError("no memory to work in; out is untouched")
    if status == IC_INTERRUPTED:
        raise caller.raised
    return 0


cdef enum:
    MOST_PARAMS = 8
    HOLD_GIL_BELOW = 1 << 14  # elements: filling them takes about as long as giving the GIL up and taking it again


def fill(out, int dist, tuple params, rng, shard=None):
    """Fill `out`, or the shard of a larger array that it is, with a distribution of DISTS; return it."""
    cdef ic_array array
    cdef ic_prepared prepared
    cdef ic_status status
    cdef Caller caller = None
    cdef double values[MOST_PARAMS]
    cdef int i, dtype
    cdef int64_t size
    if type(out) is Memory:
        if shard is not None:
            raise TypeError("a Memory is no shard")
        size = describe_memory(<Memory>out, &array)
    else:
        check(out, shard)
        dtype = dtype_of(out)
        if dtype < 0 or not ic_dist_fills(dist, <ic_dtype>dtype):
            known = "uint32" if ic_dist_fills(dist, IC_U32) else "float64, float32, float16 or bfloat16"
            raise TypeError(f"{_dist_names[dist]} fills {known} arrays, not {out.dtype}")
        array.dtype = <ic_dtype>dtype
        describe(out, shard, &array)
        size = cnp.PyArray_SIZE(out)
    for i in range(len(params)):
        values[i] = params[i]
    cdef ic_problem problem = ic_prepare(dist, values, array.dtype, &prepared)
    if problem.rule != NULL:
        name = DISTS[_dist_names[dist]][1][problem.param]
        raise ValueError(f"{name} {problem.rule.decode()} ({out.dtype}): {name}={params[problem.param]!r}")
    cdef ic_stream stream
    take_draw(rng, &stream)
    if type(out) is not Memory:
        check_still(<cnp.ndarray>out, &array)
    cdef ic_options options = options_of(None, nontemporal_bytes)
    if size < HOLD_GIL_BELOW:
        status = ic_fill(&array, &prepared, &stream, &options)
    else:
        caller = Caller()
        options = options_of(caller, nontemporal_bytes)
        with nogil:
            status = ic_fill(&array, &prepared, &stream, &options)
    finish(status, caller)
    return out


def orthogonal(cnp.ndarray out, tuple shape, tuple offset, double gain, rng, progress):
    """Fill a stack of orthogonal matrices, or the part of it at `offset`; return it.

    Axes of `shape`, the whole, and of `out`, which check_target has passed: matrices, rows, columns (one or more).
    """
    cdef ic_array array
    cdef ic_matrices matrices
    cdef ic_status status
    cdef int i, ndim = cnp.PyArray_NDIM(out), dtype = dtype_of(out)
    cdef int64_t columns = 1
    if dtype < 0 or dtype == IC_U32:
        raise TypeError(f"orthogonal fills float64, float32, float16 or bfloat16 arrays, not {out.dtype}")
    array.dtype = <ic_dtype>dtype
    # no element of a column is larger than 1 but by its rounding errors
    if not ic_fits(gain * (1 + 1e-5), array.dtype):
        raise ValueError(f"gain must be finite, and its values in the dtype of the array ({out.dtype}): gain={gain!r}")
    describe(out, None, &array)
    matrices.first_column = 0
    for i in range(ndim - 1, 1, -1):
        array.index_stride[i] = columns
        matrices.first_column += columns * <int64_t>offset[i]
        columns *= <int64_t>shape[i]
    array.index_stride[0] = array.index_stride[1] = 1
    matrices.rows = shape[1]
    matrices.columns = columns
    matrices.first_matrix = offset[0]
    matrices.first_row = offset[1]
    matrices.gain = gain
    cdef ic_stream stream
    take_draw(rng, &stream)
    check_still(out, &array)
    cdef Caller caller = Caller()
    caller.progress = progress
    cdef ic_options options = options_of(caller, nontemporal_bytes)
    with nogil:
        status = ic_orthogonal(&array, &matrices, &stream, &options)
    finish(status, caller)
    if progress is not None:
        progress(1.0)
    return out


include "_doors.pxi"
include "_machine.pxi"
