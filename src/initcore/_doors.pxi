# Into the core, for orthogonal and sparse matrices, constants, truncated distributions and tests


def as_double(double x):
    """Return a real number, and no text, as a float."""
    return x


def prepare(rng):
    """Return `rng` as a source whose key is found: what may call its methods is then behind us."""
    global _resolve
    if type(rng) is Draw:
        return rng
    if not isinstance(rng, (KeyedStream, DrawCounter)):
        if _resolve is None:
            from initcore.streams import resolve
            _resolve = resolve
        rng = _resolve(rng)
    keyed = rng if isinstance(rng, KeyedStream) else (<DrawCounter>rng).stream
    if keyed is not None and not isinstance(keyed, DrawnKeys):
        (<KeyedStream>keyed).find_key()
    return rng


def sparse_mask(int64_t rows, int64_t zeros, uint32_t left_base, uint32_t right_base, int64_t first_row,
                int64_t row_count, int half_rounds, cnp.ndarray words):
    """Which elements of some rows are zero; the last axis of `words` has the columns. See csrc/fill/sparse.c."""
    cdef int64_t columns = cnp.PyArray_DIM(words, cnp.PyArray_NDIM(words) - 1)
    cdef cnp.ndarray mask = np.empty((row_count, columns), np.bool_)
    cdef uint8_t *data = <uint8_t *>cnp.PyArray_DATA(mask)
    cdef ic_sparse sparse = ic_sparse(
        rows=rows, zeros=zeros, left_base=left_base, right_base=right_base, first_row=first_row, row_count=row_count,
        column_count=columns, half_rounds=half_rounds, words=<const uint32_t *>cnp.PyArray_DATA(words),
    )
    with nogil:
        ic_sparse_mask(&sparse, data)
    return mask


def truncated_std(double mean, double std, double a, double b):
    """Return the std of a normal distribution truncated to [a, b]; std > 0 and a < b."""
    cdef ic_window window = ic_window_of(mean, std, a, b)
    return ic_window_std(&window)


def truncated_mass(double mean, double std, double a, double b):
    """Return the share of a normal distribution that lies in [a, b]; std > 0 and a < b."""
    cdef ic_window window = ic_window_of(mean, std, a, b)
    return ic_window_mass(&window)


def truncated_quantile(double mean, double std, double a, double b, double u):
    """Return the value of a normal distribution truncated to [a, b] that a share `u` of it lies nearer the mean than.

    Where the mean lies between the bounds, the share lies below.
    """
    cdef ic_window window = ic_window_of(mean, std, a, b)
    return ic_window_quantile(&window, u)


def limit_attempts(int most=256):
    """Let truncated normals refuse no more than so many proposals: a door for tests of what comes after."""
    ic_limit_attempts(most)


def words_of(values):
    """Return integers as uint32."""
    given = np.asarray(values)
    if given.dtype == np.uint32:
        return given
    if given.size and given.dtype.kind not in "iuO":
        raise TypeError(f"words must be integers, not {given.dtype}")
    if given.size and not (0 <= given.min() and given.max() <= 0xffffffff):
        raise OverflowError(f"words must be from 0 to 2**32 - 1, got {given.min()} and {given.max()}")
    return given.astype(np.uint32)


def philox4x32(counter, key, int rounds=10):
    """Return Philox4x32 blocks: the bits under everything else, for any counter and key.

    Parameters
    ----------
    counter : array_like of uint32, shape (..., 4)
    key : array_like of uint32, shape (..., 2)
        Leading axes broadcast against those of `counter`.
    rounds : int
        From 0 to 64; the streams use 10.

    Returns
    -------
    ndarray of uint32, shape (..., 4)

    Raises
    ------
    ValueError
        If a last axis has another length, `rounds` is out of range or the leading axes do not broadcast.
    TypeError, OverflowError
        If a word is not an integer, or does not fit in 32 bits.

    Notes
    -----
    J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.

    Examples
    --------
    >>> import initcore
    >>> [hex(word) for word in initcore.philox4x32([0, 0, 0, 0], [0, 0])]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    counters, keys = words_of(counter), words_of(key)
    if counters.shape[-1:] != (4,) or keys.shape[-1:] != (2,):
        raise ValueError(f"a counter has 4 words and a key 2, but the shapes are {counters.shape} and {keys.shape}")
    if not 0 <= rounds <= 64:
        raise ValueError(f"rounds must be from 0 to 64, got {rounds}")
    leading = np.broadcast_shapes(counters.shape[:-1], keys.shape[:-1])
    cdef cnp.ndarray c = np.ascontiguousarray(np.broadcast_to(counters, (*leading, 4)))
    cdef cnp.ndarray k = np.ascontiguousarray(np.broadcast_to(keys, (*leading, 2)))
    cdef cnp.ndarray out = np.empty((*leading, 4), np.uint32)
    cdef uint32_t *c_data = <uint32_t *>cnp.PyArray_DATA(c)
    cdef uint32_t *k_data = <uint32_t *>cnp.PyArray_DATA(k)
    cdef uint32_t *out_data = <uint32_t *>cnp.PyArray_DATA(out)
    cdef size_t n = <size_t>(out.size // 4)
    with nogil:
        ic_philox4x32(c_data, k_data, rounds, n, out_data)
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
