# cython: boundscheck=False, binding=False
"""Calls into csrc, without the GIL. Thin: formulas are elsewhere."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cimport numpy as cnp
import numpy as np

from initcore._arrays cimport (
    DeviceMemory as CDeviceMemory,
    Memory as CMemory,
    check,
    check_part,
    check_still,
    describe,
    describe_device,
    describe_memory,
    dtype_of,
)
from initcore._csrc cimport *
from initcore._draws cimport take_draw

from initcore._arrays import BFLOAT16_BITS, DEVICE_KINDS, MEMORY_KINDS, DeviceMemory, Memory, check_target
from initcore._draws import Draw, DrawCounter, DrawnKeys, KeyedStream, draw_of, prepare, resolve_by, take

cnp.import_array()

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

ic_init()
STREAM_VERSION = IC_STREAM_VERSION
ELEMENTS_PER_THREAD = IC_ELEMENTS_PER_THREAD
MOST_THREADS = IC_MAX_THREADS
CACHE_BYTES = ic_cache_bytes()
cdef uint64_t nontemporal_bytes = CACHE_BYTES  # arrays that large are written past the caches
#: Every distribution's row: its id, and the names of its parameters
DISTS = {ic_dist_name(i).decode(): (i, tuple(ic_dist_params(i).decode().split())) for i in range(ic_dist_count())}
cdef dict _dist_names = {row[0]: name for name, row in DISTS.items()}
#: Of a device's kernels, by dtype
cdef dict KERNEL_SUFFIXES = {IC_F64: "f64", IC_F32: "f32", IC_F16: "f16", IC_BF16: "bf16", IC_U32: "u32"}
cdef int max_threads = 1  # runtime.py sets it


cdef void fill_buffer(const ic_stream *stream, uint64_t block, uint32_t *words) noexcept nogil:
    ic_fill_buffer(stream, block, words)


cdef int thread_count() noexcept nogil:
    return ic_load(&max_threads)


cdef void *xla_handler(ic_xla_fill_part others) noexcept nogil:
    return ic_xla_handler(others, thread_count, nontemporal_bytes)


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
    HOLD_GIL_BELOW = 1 << 14  # elements: filling them takes about as long as giving the GIL up and taking it again


cdef int64_t describe_target(object out, int dist, object shard, ic_array *array) except -1:
    """Refuse what a distribution does not fill, and describe what it does; return the number of elements."""
    cdef int dtype
    if type(out) is CMemory:
        if shard is not None:
            raise TypeError("a Memory is no shard")
        return describe_memory(<CMemory>out, array)
    if type(out) is CDeviceMemory:
        refuse_dtype(out, dist, (<CDeviceMemory>out).kind)
        return describe_device(<CDeviceMemory>out, shard, array)
    check(out, shard)
    dtype = dtype_of(out)
    refuse_dtype(out, dist, dtype)
    array.dtype = <ic_dtype>dtype
    describe(out, shard, array)
    return cnp.PyArray_SIZE(out)


cdef int refuse_dtype(object out, int dist, int dtype) except -1:
    if dtype < 0 or not ic_dist_fills(dist, <ic_dtype>dtype):
        known = "uint32" if ic_dist_fills(dist, IC_U32) else "float64, float32, float16 or bfloat16"
        raise TypeError(f"{_dist_names[dist]} fills {known} arrays, not {out.dtype}")
    return 0


cdef ic_problem prepare_values(int dist, const double *values, ic_dtype dtype, ic_prepared *prepared) noexcept:
    return ic_prepare_once(dist, values, dtype, prepared)


cdef int prepare_params(object out, int dist, tuple params, ic_dtype dtype, ic_prepared *prepared) except -1:
    """Refuse what cannot be a distribution's parameters; prepare the others."""
    cdef double values[MOST_PARAMS]
    cdef ic_problem problem
    cdef int i
    for i in range(len(params)):
        values[i] = params[i]
    problem = prepare_values(dist, values, dtype, prepared)
    if problem.rule != NULL:
        name = DISTS[_dist_names[dist]][1][problem.param]
        raise ValueError(f"{name} {problem.rule.decode()} ({out.dtype}): {name}={params[problem.param]!r}")
    return 0


def fill(out, int dist, tuple params, rng, shard=None):
    """Fill `out`, or the shard of a larger array that it is, with a distribution of DISTS; return it."""
    cdef ic_array array
    cdef ic_prepared prepared
    cdef int64_t size = describe_target(out, dist, shard, &array)
    prepare_params(out, dist, params, array.dtype, &prepared)
    draw_into(out, &array, size, &prepared, rng)
    return out


cdef int draw_into(object out, ic_array *array, int64_t size, ic_prepared *prepared, object rng) except -1:
    """Fill what was described with what was prepared for it."""
    cdef ic_stream stream
    cdef ic_status status
    cdef Caller caller = None
    take_draw(rng, &stream)
    if type(out) is CDeviceMemory:
        return launch(<CDeviceMemory>out, array, prepared, &stream)
    if type(out) is not CMemory:
        check_still(<cnp.ndarray>out, array)
    elif size >= HOLD_GIL_BELOW:  # of other libraries, whose allocators leave pages of 4 KiB; NumPy's do not
        ic_want_huge_pages(array.data, <size_t>size * array.stride[array.ndim - 1])
    if size >= HOLD_GIL_BELOW:
        caller = Caller()
    cdef ic_options options = options_of(caller, nontemporal_bytes)
    if caller is None:
        status = ic_fill(array, prepared, &stream, &options)
    else:
        with nogil:
            status = ic_fill(array, prepared, &stream, &options)
    return finish(status, caller)


cdef int launch(CDeviceMemory out, ic_array *array, ic_prepared *prepared, ic_stream *stream) except -1:
    """Have a device fill its memory; it need not be done when this returns."""
    cdef ic_launch argument
    cdef ic_grid grid
    cdef int64_t i
    kernel = f"ic_{_dist_names[prepared.dist]}_{KERNEL_SUFFIXES[prepared.dtype]}"
    for i in range(ic_launch_count(array)):
        grid = ic_launch_of(array, prepared, stream, i, &argument)
        if out.most_attempts:
            argument.most_attempts = out.most_attempts
        groups, threads = (grid.groups[0], grid.groups[1]), (grid.threads[0], grid.threads[1])
        out.launch(kernel, groups, threads, (<char *>&argument)[:sizeof(argument)])
    return 0


@cython.boundscheck(True)
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
    check_part(out, shape, offset)
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


cdef int set_constant_past(cnp.ndarray out, bytes element, uint64_t nontemporal_from) except -1:
    cdef ic_array array
    cdef ic_status status
    cdef Caller caller = Caller() if cnp.PyArray_SIZE(out) >= HOLD_GIL_BELOW else None
    cdef ic_options options = options_of(caller, nontemporal_from)
    cdef size_t itemsize = <size_t>cnp.PyArray_ITEMSIZE(out)
    cdef const uint8_t *data = element
    describe(out, None, &array)
    if caller is None:
        status = ic_set_constant(&array, data, itemsize, &options)
    else:
        with nogil:
            status = ic_set_constant(&array, data, itemsize, &options)
    return finish(status, caller)


def set_constant(cnp.ndarray out, bytes element):
    """Set every element of an array, whatever its strides, to the same bytes."""
    if len(element) != cnp.PyArray_ITEMSIZE(out) or out.dtype.hasobject:
        raise ValueError(f"{len(element)} bytes are no element of {out.dtype}")
    set_constant_past(out, element, nontemporal_bytes)


def set_bytes(cnp.ndarray out, int value, bint nontemporal):
    """Set every byte of an array, past the caches or not: what memory can take from the threads in use."""
    set_constant_past(out, bytes([value]) * cnp.PyArray_ITEMSIZE(out), 0 if nontemporal else <uint64_t>-1)


def set_hadamard(cnp.ndarray out, bytes plus, bytes minus, uint64_t first_row, uint64_t first_column):
    """Set the elements of a block of a Hadamard matrix to those bytes where it has 1, and to others where it has -1."""
    cdef ic_array array
    cdef ic_status status
    cdef Caller caller = Caller()
    cdef ic_options options = options_of(caller, nontemporal_bytes)
    cdef Py_ssize_t itemsize = cnp.PyArray_ITEMSIZE(out)
    if cnp.PyArray_NDIM(out) != 2 or out.dtype.hasobject:
        raise ValueError("a Hadamard matrix has two axes, and numbers as they are")
    if not len(plus) == len(minus) == itemsize <= IC_MOST_ITEMSIZE:
        raise ValueError(f"{len(plus)} and {len(minus)} bytes are no elements of {out.dtype}")
    describe(out, None, &array)
    cdef ic_hadamard matrix = ic_hadamard(plus=plus, minus=minus, first_row=first_row, first_column=first_column)
    with nogil:
        status = ic_set_hadamard(&array, <size_t>itemsize, &matrix, &options)
    finish(status, caller)


def set_sparse_zeros(cnp.ndarray out, int64_t rows, int64_t zeros, uint32_t left_base, uint32_t right_base,
                     int64_t first_row, int half_rounds, cnp.ndarray words):
    """Set the elements of some columns to zero that are so; the last axis of `words` has the columns."""
    cdef ic_array array
    cdef ic_status status
    cdef Caller caller = Caller()
    cdef ic_options options = options_of(caller, nontemporal_bytes)
    cdef size_t itemsize = <size_t>cnp.PyArray_ITEMSIZE(out)
    if cnp.PyArray_NDIM(out) != 2 or cnp.PyArray_DIM(words, 1) != cnp.PyArray_DIM(out, 1):
        raise ValueError("words are of the columns of a matrix")
    describe(out, None, &array)
    cdef ic_sparse sparse = ic_sparse(
        rows=rows, zeros=zeros, left_base=left_base, right_base=right_base, first_row=first_row,
        column_count=<uint64_t>array.shape[1], half_rounds=half_rounds,
        words=<const uint32_t *>cnp.PyArray_DATA(words),
    )
    with nogil:
        status = ic_set_sparse_zeros(&array, itemsize, &sparse, &options)
    finish(status, caller)


def as_double(double x):
    """Return a real number, and no text, as a float."""
    return x


def truncated_moments(double mean, double std, double a, double b):
    """Return mean, std and three moments of a normal distribution truncated to [a, b]; std > 0 and a < b.

    The moments are the third, fourth and sixth ones of (x - mean) / std. All five are right to 2e-15 of themselves, the
    third of 1, however far out the bounds are.
    """
    cdef ic_moments moments = ic_truncated_moments(mean, std, a, b)
    return moments.mean, moments.std, moments.third, moments.fourth, moments.sixth


def truncated_std(double mean, double std, double a, double b):
    """Return the std of a normal distribution truncated to [a, b]; std > 0 and a < b."""
    return ic_truncated_moments(mean, std, a, b).std


def truncated_mass(double mean, double std, double a, double b):
    """Return the share of a normal distribution that lies in [a, b]; std > 0 and a < b."""
    return ic_truncated_mass(mean, std, a, b)


def truncated_quantile(double mean, double std, double a, double b, double u):
    """Return the value of a normal distribution truncated to [a, b] that a share `u` of it lies nearer the mean than.

    Where the mean lies between the bounds, the share lies below.
    """
    return ic_truncated_quantile(mean, std, a, b, u)


# The public functions are bound: they have signatures, at the cost of some nanoseconds a call


@cython.binding(True)
def set_num_threads(n):
    """Set how many threads a fill may use.

    Results never depend on it. A fill takes one thread for each :data:`ELEMENTS_PER_THREAD` elements, up to this many.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    TypeError, ValueError
        If `n` is not such an integer.

    Examples
    --------
    >>> import initcore
    >>> before = initcore.get_num_threads()
    >>> initcore.set_num_threads(1)
    >>> initcore.get_num_threads()
    1
    >>> initcore.set_num_threads(before)
    """
    global max_threads
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"the number of threads must be an int, not {type(n).__name__}")
    if not 1 <= n <= MOST_THREADS:
        raise ValueError(f"the number of threads must be from 1 to {MOST_THREADS}, got {n}")
    max_threads = n


@cython.binding(True)
def get_num_threads():
    """Return how many threads a fill may use; see :func:`set_num_threads`."""
    return max_threads


@cython.binding(True)
def isas():
    """Return the names of the instruction sets that this machine has and this build knows, fastest first."""
    return tuple(ic_isa_name(i).decode() for i in range(ic_isa_count()))


@cython.binding(True)
def isa():
    """Return the name of the instruction set in use; see :func:`use_isa`."""
    return ic_isa_name(ic_isa_current()).decode()


@cython.binding(True)
def use_isa(name):
    """Use an instruction set for all fills from now on.

    Results never depend on it. The environment variable ``INITCORE_ISA`` does the same at import.

    Parameters
    ----------
    name : str
        One of :func:`isas`.

    Raises
    ------
    ValueError
        If this machine or this build does not have it.

    Examples
    --------
    >>> import initcore
    >>> initcore.use_isa("scalar")
    >>> initcore.isa()
    'scalar'
    >>> initcore.use_isa(initcore.isas()[0])
    """
    known = isas()
    if name not in known:
        raise ValueError(f"unknown instruction set {name!r}: this machine and build have {', '.join(known)}")
    ic_isa_use(known.index(name))


# Parts of fills alone, for tests and benchmarks


def write_past_caches_from(uint64_t bytes=CACHE_BYTES):
    """Let arrays of so many bytes and more be written past the caches: a door for tests, whose arrays are small."""
    global nontemporal_bytes
    nontemporal_bytes = bytes


def limit_attempts(int most=256):
    """Let truncated normals refuse no more than so many proposals: a door for tests of what comes after."""
    ic_limit_attempts(most)


def round_in_software(bint whether):
    """Have bfloat16 rounded without the processor's instruction, or with it where there is one: a door for tests."""
    ic_round_in_software(whether)


def philox4x32_blocks(cnp.ndarray counters, cnp.ndarray keys, int rounds):
    """Return the blocks of counters (n, 4) and keys (n, 2), both of words in C order; see philox.py."""
    cdef cnp.ndarray out = np.empty_like(counters)
    cdef const uint32_t *c = <const uint32_t *>cnp.PyArray_DATA(counters)
    cdef const uint32_t *k = <const uint32_t *>cnp.PyArray_DATA(keys)
    cdef uint32_t *words = <uint32_t *>cnp.PyArray_DATA(out)
    cdef size_t n = <size_t>cnp.PyArray_DIM(counters, 0)
    with nogil:
        ic_philox4x32(c, k, rounds, n, words)
    return out


def normal_from_words(cnp.ndarray words):
    """Return the standard normals of given words, pair by pair: uint32 to float32, uint64 (top 53 bits) to float64."""
    cdef cnp.ndarray w = np.ascontiguousarray(words)
    cdef size_t pairs = <size_t>(w.size // 2)
    cdef cnp.ndarray out = np.empty_like(w, np.float32 if w.itemsize == 4 else np.float64)
    cdef void *source = cnp.PyArray_DATA(w)
    cdef void *target = cnp.PyArray_DATA(out)
    if w.itemsize == 4:
        with nogil:
            ic_normal_from_words_f32(<const uint32_t *>source, pairs, <float *>target)
    else:
        with nogil:
            ic_normal_from_words_f64(<const uint64_t *>source, pairs, <double *>target)
    return out


def keys_below(cnp.ndarray path, cnp.ndarray words):
    """Return the keys of paths of seed 0: all begin with the same words, and go on with a row of integers each."""
    cdef cnp.ndarray keys = np.empty((words.shape[0], 2), np.uint32)
    cdef ic_path above = ic_path_of(0, <const uint32_t *>cnp.PyArray_DATA(path), <size_t>cnp.PyArray_SIZE(path))
    cdef const uint32_t *integers = <const uint32_t *>cnp.PyArray_DATA(words)
    cdef size_t count = <size_t>cnp.PyArray_DIM(words, 0), parts = <size_t>cnp.PyArray_DIM(words, 1)
    cdef uint32_t *out = <uint32_t *>cnp.PyArray_DATA(keys)
    with nogil:
        ic_keys_below(&above, integers, parts, count, out)
    return keys


cdef dict _spins = {"fma_f32": IC_SPIN_FMA_F32, "fma_f64": IC_SPIN_FMA_F64, "integer": IC_SPIN_INTEGER}


def spin(kind, uint64_t rounds):
    """Do nothing but fused multiply-adds or Philox's operations on one thread; return how many they were.

    Each counts once for every number of a vector, a fused multiply-add twice. A tenth of a second has some 10^7 rounds.
    """
    cdef double end = 0
    cdef ic_spin of = _spins[kind]
    cdef uint64_t operations
    with nogil:
        operations = ic_spin_for(of, rounds, &end)
    return int(operations)
