/* Does what lines of standard input ask of the core, and writes the bytes that it gave: no Python, so that it runs on a
 * machine that is emulated. tests/machines/calls.py writes the lines and knows the bytes.
 *
 * A line: fill|orthogonal|sparse, dtype, threads, two words of the key, plane, draw, bytes, place of the first element,
 * first index, axes, and for each its size, stride and index stride; then the distribution and its parameters, or the
 * rows and columns of a whole matrix, the first matrix, row and column, and the gain, or the bytes of an element, the
 * numbers of an ic_sparse, how many words it has, and the words. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initcore.h"

enum { MOST_PARAMS = 8, UNTOUCHED = 0xa5 };

static int is_big_endian(void) {
  const uint16_t one = 1;
  uint8_t first;
  memcpy(&first, &one, 1);
  return first == 0;
}

static int64_t integer(void) {
  int64_t value;
  if (scanf("%" SCNd64, &value) != 1) exit(3);
  return value;
}

static double number(void) {
  double value;
  if (scanf("%lf", &value) != 1) exit(3); /* hexadecimal, inf and all */
  return value;
}

static int read_array(ic_array *array, int64_t *bytes, uint8_t **memory, ic_stream *stream, ic_options *options) {
  *array = (ic_array){.dtype = (ic_dtype)integer(), .swapped = is_big_endian()};
  *options = (ic_options){.threads = (int)integer(), .nontemporal_bytes = 1 << 20};
  *stream = (ic_stream){.key = {(uint32_t)integer(), (uint32_t)integer()}};
  stream->plane = (uint32_t)integer();
  stream->draw = (uint32_t)integer();
  *bytes = integer();
  *memory = malloc((size_t)*bytes + 1);
  if (!*memory) return 0;
  memset(*memory, UNTOUCHED, (size_t)*bytes);
  array->data = *memory + integer();
  array->first_index = (uint64_t)integer();
  array->ndim = (int)integer();
  for (int i = 0; i < array->ndim; i++) {
    array->shape[i] = integer();
    array->stride[i] = integer();
    array->index_stride[i] = integer();
  }
  return 1;
}

static ic_status fill(const ic_array *array, const ic_stream *stream, const ic_options *options) {
  char name[64];
  double params[MOST_PARAMS];
  int dist = 0;
  if (scanf("%63s", name) != 1) exit(3);
  while (strcmp(ic_dist_name(dist), name) != 0)
    if (++dist == ic_dist_count()) exit(4);
  for (int i = 0; i < ic_dist_param_count(dist); i++) params[i] = number();
  ic_prepared prepared;
  if (ic_prepare(dist, params, array->dtype, &prepared).rule) exit(5);
  return ic_fill(array, &prepared, stream, options);
}

static ic_status orthogonal(const ic_array *array, const ic_stream *stream, const ic_options *options) {
  ic_matrices matrices = {.rows = integer()};
  matrices.columns = integer();
  matrices.first_matrix = integer();
  matrices.first_row = integer();
  matrices.first_column = integer();
  matrices.gain = number();
  return ic_orthogonal(array, &matrices, stream, options);
}

static ic_status sparse(const ic_array *array, const ic_options *options) {
  const size_t itemsize = (size_t)integer();
  ic_sparse zeros = {.rows = (uint64_t)integer(), .column_count = (uint64_t)array->shape[1]};
  zeros.zeros = (uint64_t)integer();
  zeros.left_base = (uint32_t)integer();
  zeros.right_base = (uint32_t)integer();
  zeros.first_row = (uint64_t)integer();
  zeros.half_rounds = (int)integer();
  const size_t count = (size_t)integer();
  uint32_t *words = malloc(count * sizeof *words + 1);
  if (!words) exit(6);
  for (size_t i = 0; i < count; i++) words[i] = (uint32_t)integer();
  zeros.words = words;
  const ic_status status = ic_set_sparse_zeros(array, itemsize, &zeros, options);
  free(words);
  return status;
}

int main(int count, char **arguments) {
  char kind[64];
  ic_init();
  if (count < 2) { /* which instruction sets there are */
    for (int isa = 0; isa < ic_isa_count(); isa++) puts(ic_isa_name(isa));
    return 0;
  }
  int isa = 0;
  while (strcmp(ic_isa_name(isa), arguments[1]) != 0)
    if (++isa == ic_isa_count()) return 2;
  ic_isa_use(isa);
  ic_round_in_software(count > 2); /* bfloat16, even where the processor could */
  while (scanf("%63s", kind) == 1) {
    ic_array array;
    ic_stream stream;
    ic_options options;
    uint8_t *memory;
    int64_t bytes;
    if (!read_array(&array, &bytes, &memory, &stream, &options)) return 6;
    const ic_status status = kind[0] == 'f'   ? fill(&array, &stream, &options)
                             : kind[0] == 'o' ? orthogonal(&array, &stream, &options)
                                              : sparse(&array, &options);
    if (status != IC_OK) return 7;
    fwrite(memory, 1, (size_t)bytes, stdout);
    free(memory);
  }
  return fflush(stdout) != 0;
}
