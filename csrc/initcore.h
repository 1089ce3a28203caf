/* The C interface of initcore: what Cython reads.
 *
 * A fill writes to each element of an array the value that (key, draw, global index) gives it; see docs/stream.md.
 * Nothing here prints, aborts, or holds state but the chosen instruction set. */
#ifndef INITCORE_H
#define INITCORE_H

#include <stddef.h>
#include <stdint.h>

#define IC_STREAM_VERSION 1
#define IC_MAX_DIMS 64 /* NumPy's */
#define IC_MAX_THREADS 1024

typedef enum { IC_F64, IC_F32, IC_F16, IC_BF16, IC_U32, IC_N_DTYPES } ic_dtype;

typedef enum {
  IC_OK,
  IC_NO_MEMORY,   /* nothing was written */
  IC_INTERRUPTED, /* `poll` said so; the array is partly written */
} ic_status;

/* One stream and draw: every value is a function of these and of the element's index. */
typedef struct {
  uint32_t key[2];
  uint32_t draw;
  uint32_t plane; /* of the first attempt: 0, but for words apart from the values */
} ic_stream;

/* What is wrong with a distribution's parameters: `rule` is NULL if nothing is. */
typedef struct {
  int param;
  const char *rule;
} ic_problem;

/* A strided array, and where its elements lie in the global array. Strides are in bytes and may have any sign. */
typedef struct {
  uint8_t *data;
  ic_dtype dtype;
  int swapped; /* the other byte order */
  int ndim;
  int64_t shape[IC_MAX_DIMS];
  int64_t stride[IC_MAX_DIMS];
  int64_t index_stride[IC_MAX_DIMS]; /* elements of the global array, in its C order */
  uint64_t first_index;
} ic_array;

/* How to run: `poll` (or NULL) is called in the calling thread some ten times a second, with the share of the
 * work that is done, from 0 to 1; if it returns nonzero, the work stops. */
typedef struct {
  int threads;
  uint64_t nontemporal_bytes; /* arrays of this size and more are written past the caches */
  int (*poll)(void *context, double done);
  void *context;
} ic_options;

void ic_init(void); /* once, before anything else */

/* Distributions: rows of dist_table.h */
int ic_dist_count(void);
const char *ic_dist_name(int dist);
const char *ic_dist_params(int dist); /* names, separated by spaces */
int ic_dist_param_count(int dist);
int ic_dist_fills(int dist, ic_dtype dtype);

/* A distribution's parameters as its kernels want them; each distribution has its own view of the bytes. */
typedef struct {
  double bytes[18];
} ic_params;

/* A distribution that may fill arrays of a dtype */
typedef struct {
  int dist;
  ic_dtype dtype;
  ic_params params;
} ic_prepared;

int ic_fits(double x, ic_dtype dtype); /* finite, and still so after rounding */

/* If this finds no problem, arrays of the dtype can be filled with what it has prepared. */
ic_problem ic_prepare(int dist, const double *params, ic_dtype dtype, ic_prepared *prepared);
/* The same, but what takes long is kept for the next call with the same parameters. */
ic_problem ic_prepare_once(int dist, const double *params, ic_dtype dtype, ic_prepared *prepared);
ic_status ic_fill(const ic_array *array, const ic_prepared *prepared, const ic_stream *stream,
                  const ic_options *options);
/* Fills `count` arrays that are alike, each `bytes` after the one before it, with draw 0 of the streams whose keys are
 * keys[2 i] and [2 i + 1]. Those of a few elements cost less than by a call for each. */
ic_status ic_fill_each(const ic_array *first, size_t bytes, const ic_prepared *prepared, const uint32_t *keys,
                       size_t count, const ic_options *options);

/* The words of so many blocks from any block on, the last block being followed by the first: what a bit generator has
 * ready. A multiple of every kernel's step. */
#define IC_BUFFER_BLOCKS 384
void ic_fill_buffer(const ic_stream *stream, uint64_t block, uint32_t words[4 * IC_BUFFER_BLOCKS]);

/* Keys of many streams at once: section 1 of the stream contract. A path so far, which has taken in the words of a seed
 * below 2^32 and of some parts, four each; */
enum { IC_SEED_POOL = 4 };
typedef struct {
  uint32_t pool[IC_SEED_POOL];
  uint32_t factor; /* of the next step, whatever the words were */
} ic_path;

ic_path ic_path_of(uint32_t seed, const uint32_t *words, size_t count); /* count > 0 */
/* and the keys of `count` paths below it: path i goes on with the integers words[i * parts] to [i * parts + parts - 1],
 * and its key is keys[2 i] and [2 i + 1]. */
void ic_keys_below(const ic_path *path, const uint32_t *words, size_t parts, size_t count, uint32_t *keys);

/* The bytes of one element over and over: constants, and what memory can take. Of the array only data, shape and
 * strides count. */
ic_status ic_set_constant(const ic_array *array, const uint8_t *element, size_t itemsize, const ic_options *options);

/* A block of Sylvester's Hadamard matrix, whose elements are two, of IC_MOST_ITEMSIZE bytes at most. Of the array, the
 * block, only data, shape and strides count; it has two axes. */
enum { IC_MOST_ITEMSIZE = 64 };
typedef struct {
  const uint8_t *plus, *minus;
  uint64_t first_row, first_column;
} ic_hadamard;

ic_status ic_set_hadamard(const ic_array *array, size_t itemsize, const ic_hadamard *matrix, const ic_options *options);
uint64_t ic_cache_bytes(void); /* of the last level, or a guess */

/* Orthogonal matrices: section 6 of the stream contract. The axes of the array are: matrices, their rows, and their
 * columns, which may be several axes; its index strides count matrices, rows and columns. */
typedef struct {
  int64_t rows, columns; /* of each whole matrix */
  int64_t first_matrix, first_row, first_column;
  double gain; /* finite, and so are its values in the array's dtype */
} ic_matrices;

ic_status ic_orthogonal(const ic_array *array, const ic_matrices *matrices, const ic_stream *stream,
                        const ic_options *options);

/* A normal distribution whose values outside [low, high] are left out; std > 0 and low < high. From IEEE operations
 * alone, so that all machines have the same. */
typedef struct {
  double mean, std, third, fourth, sixth; /* the last three of (x - mean) / std */
} ic_moments;

double ic_truncated_mass(double mean, double std, double low, double high); /* what is not left out */
ic_moments ic_truncated_moments(double mean, double std, double low, double high);
/* What a share u of it lies nearer the mean than, or, if the mean lies between the bounds, below */
double ic_truncated_quantile(double mean, double std, double low, double high, double u);

/* Which elements of a block of a matrix are zero, so many in each column of the whole. The words of a half round are
 * those of right_base (even half rounds) or left_base (odd ones) rows of the block's columns, one after the other. */
typedef struct {
  uint64_t rows, zeros;
  uint32_t left_base, right_base; /* below 2^31, and left_base * right_base >= rows */
  uint64_t first_row, column_count;
  int half_rounds;       /* even */
  const uint32_t *words; /* fewer than 2^32 */
} ic_sparse;

/* Sets them to zero. Of the array, the block, only data, shape and strides count; it has two axes. */
ic_status ic_set_sparse_zeros(const ic_array *array, size_t itemsize, const ic_sparse *sparse,
                              const ic_options *options);

/* Instruction sets: rows of isa_table.h that this processor has, fastest first */
int ic_isa_count(void);
const char *ic_isa_name(int isa);
int ic_isa_current(void);
void ic_isa_use(int isa);

/* Elements below which a thread more does not pay: spawning and joining one costs what filling these does */
#define IC_ELEMENTS_PER_THREAD (1 << 17)

/* What this processor can start at most with the instruction set in use, on one thread: does so many rounds of one kind
 * of operation and nothing else, and returns how many operations on one number each that were. `end` is what they made.
 */
typedef enum { IC_SPIN_FMA_F32, IC_SPIN_FMA_F64, IC_SPIN_INTEGER } ic_spin;
uint64_t ic_spin_for(ic_spin kind, uint64_t rounds, double *end);

/* For tests: how many proposals of a truncated normal an element may refuse, 256 otherwise, which no other input comes
 * near; whether bfloat16 is rounded in software even where the processor could; Philox with any counter, key and number
 * of rounds, and normals of given words. */
void ic_limit_attempts(int most);
void ic_round_in_software(int whether);
void ic_philox4x32(const uint32_t *counters, const uint32_t *keys, int rounds, size_t n, uint32_t *out);
void ic_normal_from_words_f32(const uint32_t *words, size_t pairs, float *out);
void ic_normal_from_words_f64(const uint64_t *words, size_t pairs, double *out);

#endif
