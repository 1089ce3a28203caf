/* Many threads that fill at once, each its own array over and over, while another changes the instruction set: for a
 * sanitizer, which cannot look into Python. Every array must come out as it did when nothing else ran. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initcore.h"
#include "platform/atomics.h"

enum { FILLERS = 8, ROUNDS = 6, SIDE = 700, MOST_BYTES = SIDE * SIDE * 8, NORMAL = 2 };

static int running = FILLERS, different = 0, polls = 0;
static int64_t draws = 0; /* one generator for all */

static int poll(void *context, double done) {
  if (done < 0 || done > 1) ic_store(&different, 1);
  ic_store(context, 1 + ic_load(context));
  return 0;
}

/* Rows, tiles, the other byte order, past the caches, or an orthogonal matrix, by number */
static ic_status fill(int number, uint32_t draw, uint8_t *out, int threads, int *polled) {
  const int64_t itemsize[] = {8, 4, 2, 2};
  const ic_dtype dtype = (ic_dtype)(number % 4);
  const ic_options options = {threads, number % 3 ? UINT64_MAX : 1, poll, polled};
  const ic_stream stream = {{(uint32_t)number, 7}, draw, 0};
  const int64_t size = itemsize[dtype], along = number % 2 ? size : SIDE * size,
                across = number % 2 ? SIDE * size : size;
  const double params[] = {0, 1};
  ic_array array = {.data = out, .dtype = dtype, .swapped = number % 5 == 4, .ndim = 2};
  if (number % 4 == 3) {
    const ic_matrices matrices = {.rows = SIDE / 4, .columns = SIDE / 4, .gain = 1};
    array.ndim = 3;
    array.shape[0] = 4, array.shape[1] = array.shape[2] = SIDE / 4;
    array.stride[0] = SIDE / 4 * (SIDE / 4) * size, array.stride[1] = SIDE / 4 * size, array.stride[2] = size;
    array.index_stride[0] = array.index_stride[1] = array.index_stride[2] = 1;
    return ic_orthogonal(&array, &matrices, &stream, &options);
  }
  array.shape[0] = array.shape[1] = SIDE;
  array.stride[0] = along, array.stride[1] = across;
  array.index_stride[0] = SIDE, array.index_stride[1] = 1;
  ic_prepared prepared;
  if (ic_prepare(NORMAL, params, dtype, &prepared).rule) return IC_INTERRUPTED;
  return ic_fill(&array, &prepared, &stream, &options);
}

static void *filler(void *argument) {
  const int number = *(const int *)argument;
  uint8_t *expected = calloc(1, MOST_BYTES), *out = calloc(1, MOST_BYTES);
  int polled = 0;
  if (!expected || !out) exit(3);
  for (int round = 0; round < ROUNDS; round++) {
    const uint32_t draw = (uint32_t)ic_claim(&draws);
    if (fill(number, draw, expected, 1, &polled) || fill(number, draw, out, 1 + round % 4, &polled)) exit(4);
    if (memcmp(expected, out, MOST_BYTES) != 0) ic_store(&different, 1);
  }
  if (polled) ic_store(&polls, 1);
  free(expected);
  free(out);
  __atomic_fetch_sub(&running, 1, __ATOMIC_ACQ_REL);
  return NULL;
}

int main(void) {
  pthread_t threads[FILLERS];
  int numbers[FILLERS];
  ic_init();
  for (int i = 0; i < FILLERS; i++) {
    numbers[i] = i;
    if (pthread_create(&threads[i], NULL, filler, &numbers[i]) != 0) return 2;
  }
  for (int i = 0; ic_load(&running) > 0; i++) ic_isa_use(i % ic_isa_count());
  for (int i = 0; i < FILLERS; i++) pthread_join(threads[i], NULL);
  printf("%d threads, %d fills each, draws %lld\n", FILLERS, 2 * ROUNDS, (long long)draws);
  return ic_load(&different) || draws != FILLERS * ROUNDS;
}
