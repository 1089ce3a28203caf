"""What csrc/initcore.h and csrc/platform/atomics.h declare."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "initcore.h" nogil:
    enum:
        IC_STREAM_VERSION
        IC_MAX_DIMS
        IC_MAX_THREADS
        IC_ELEMENTS_PER_THREAD
        IC_BUFFER_BLOCKS

    ctypedef enum ic_dtype:
        IC_F64
        IC_F32
        IC_F16
        IC_BF16
        IC_U32

    ctypedef enum ic_status:
        IC_OK
        IC_NO_MEMORY
        IC_INTERRUPTED

    ctypedef struct ic_stream:
        uint32_t key[2]
        uint32_t draw
        uint32_t plane

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

    ctypedef struct ic_prepared:
        int dist
        ic_dtype dtype

    ctypedef struct ic_matrices:
        int64_t rows, columns
        int64_t first_matrix, first_row, first_column
        double gain

    ctypedef struct ic_moments:
        double mean, std, third, fourth, sixth

    ctypedef struct ic_sparse:
        uint64_t rows, zeros
        uint32_t left_base, right_base
        uint64_t first_row, column_count
        int half_rounds
        const uint32_t *words

    ctypedef enum ic_spin:
        IC_SPIN_FMA_F32
        IC_SPIN_FMA_F64
        IC_SPIN_INTEGER

    void ic_init()
    int ic_dist_count()
    const char *ic_dist_name(int dist)
    const char *ic_dist_params(int dist)
    int ic_dist_fills(int dist, ic_dtype dtype)
    int ic_fits(double x, ic_dtype dtype)
    ic_problem ic_prepare_once(int dist, const double *params, ic_dtype dtype, ic_prepared *prepared)
    ic_status ic_fill(const ic_array *array, const ic_prepared *prepared, const ic_stream *stream,
                      const ic_options *options)
    void ic_fill_buffer(const ic_stream *stream, uint64_t block, uint32_t *words)
    ic_status ic_set_constant(const ic_array *array, const uint8_t *element, size_t itemsize,
                              const ic_options *options)
    enum:
        IC_MOST_ITEMSIZE

    ctypedef struct ic_hadamard:
        const uint8_t *plus
        const uint8_t *minus
        uint64_t first_row
        uint64_t first_column

    ic_status ic_set_hadamard(const ic_array *array, size_t itemsize, const ic_hadamard *matrix,
                              const ic_options *options)
    ic_status ic_orthogonal(const ic_array *array, const ic_matrices *matrices, const ic_stream *stream,
                            const ic_options *options)
    uint64_t ic_cache_bytes()
    double ic_truncated_mass(double mean, double std, double low, double high)
    ic_moments ic_truncated_moments(double mean, double std, double low, double high)
    double ic_truncated_quantile(double mean, double std, double low, double high, double u)
    ctypedef struct ic_path:
        pass

    ic_path ic_path_of(uint32_t seed, const uint32_t *words, size_t count)
    void ic_keys_below(const ic_path *path, const uint32_t *words, size_t parts, size_t count, uint32_t *keys)
    ic_status ic_set_sparse_zeros(const ic_array *array, size_t itemsize, const ic_sparse *sparse,
                                  const ic_options *options)
    int ic_isa_count()
    const char *ic_isa_name(int isa)
    int ic_isa_current()
    void ic_isa_use(int isa)
    uint64_t ic_spin_for(ic_spin kind, uint64_t rounds, double *end)
    void ic_limit_attempts(int most)
    void ic_round_in_software(int whether)
    void ic_philox4x32(const uint32_t *counters, const uint32_t *keys, int rounds, size_t n, uint32_t *out)
    void ic_normal_from_words_f32(const uint32_t *words, size_t pairs, float *out)
    void ic_normal_from_words_f64(const uint64_t *words, size_t pairs, double *out)

cdef extern from "platform/pages.h" nogil:
    void ic_want_huge_pages(void *memory, size_t bytes)

cdef extern from "gpu/launch.h" nogil:
    ctypedef struct ic_launch:
        uint32_t most_attempts

    ctypedef struct ic_grid:
        uint32_t groups[2]
        uint32_t threads[2]

    int64_t ic_launch_count(const ic_array *array)
    ic_grid ic_launch_of(const ic_array *array, const ic_prepared *prepared, const ic_stream *stream, int64_t number,
                         ic_launch *launch)

cdef extern from "xla/handler.h" nogil:
    ctypedef struct ic_xla_part:
        uint8_t *out
        int ndim
        const int64_t *local
        const int64_t *whole
        int64_t first[IC_MAX_DIMS]
        const uint32_t *words
        int64_t word_count
        const char *law
        size_t law_bytes

    ctypedef int (*ic_xla_fill_part)(const ic_xla_part *, char *, size_t) noexcept nogil
    void *ic_xla_handler(ic_xla_fill_part others, int (*threads)() noexcept nogil, uint64_t nontemporal_bytes)

cdef extern from "platform/atomics.h" nogil:
    int64_t ic_claim(int64_t *counter)
    int ic_load(const int *value)
    void ic_store(int *value, int to)
