/* Writes one element over and over to any strided array: for constants, and to find what memory can take. */
#include <string.h>

#include "integers.h"
#include "kernels.h"
#include "platform/compiler.h"
#include "platform/work.h"

enum {
  UNIT = 1 << 20, /* bytes that a thread takes at a time, about a tenth of a millisecond */
  LINE = 64,
  SHORTEST_IN_LINES = 16 * LINE /* bytes in one piece: below it the partial lines cost more than is won */
};

typedef struct {
  int64_t length, stride;
} axis;

typedef struct {
  uint8_t *data;
  int ndim; /* at least 1; the last axis has the least stride */
  axis axis[IC_MAX_DIMS + 1];
  int64_t size, unit; /* elements: all, and what a thread takes at a time */
  const uint8_t *element;
  size_t itemsize;
  int repeats; /* every eight bytes of the array are `pattern`, wherever an element begins */
  uint64_t pattern;
  int nontemporal;
  const ic_kernels *kernels;
} constant_task;

/* The order of the elements does not count: axes by their strides, all of them forward, as few as can be. */
static void look_at(constant_task *task, const ic_array *array) {
  axis sorted[IC_MAX_DIMS];
  int count = 0;
  task->data = array->data;
  task->size = 1;
  for (int i = 0; i < array->ndim; i++) {
    axis next = {array->shape[i], array->stride[i]};
    task->size *= next.length;
    if (next.length <= 1) continue;
    if (next.stride < 0) {
      task->data += next.stride * (next.length - 1);
      next.stride = -next.stride;
    }
    int at = count++;
    for (; at > 0 && sorted[at - 1].stride < next.stride; at--) sorted[at] = sorted[at - 1];
    sorted[at] = next;
  }
  task->ndim = 0;
  for (int i = 0; i < count; i++) {
    axis *last = task->ndim ? &task->axis[task->ndim - 1] : NULL;
    if (last && last->stride == sorted[i].stride * sorted[i].length)
      *last = (axis){last->length * sorted[i].length, sorted[i].stride};
    else
      task->axis[task->ndim++] = sorted[i];
  }
  if (task->ndim == 0) task->axis[task->ndim++] = (axis){1, (int64_t)task->itemsize};
}

static void find_pattern(constant_task *task) {
  uint8_t *const pattern = (uint8_t *)&task->pattern;
  for (size_t i = 0; i < sizeof task->pattern; i++) pattern[i] = task->element[i % task->itemsize];
  const int divides = task->itemsize <= 8 && 8 % task->itemsize == 0;
  task->repeats = 1;
  for (size_t i = 0; i < task->itemsize; i++)
    task->repeats &= divides || (task->element[i] == task->element[0] && pattern[i % 8] == pattern[0]);
}

static void set_few(uint8_t *out, size_t bytes, uint64_t pattern) {
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) memcpy(out + i, &pattern, 8);
  memcpy(out + i, &pattern, bytes - i);
}

static void set_bytes(const constant_task *task, uint8_t *out, size_t bytes) {
  const size_t head = (LINE - (uintptr_t)out % LINE) % LINE;
  uint64_t rotated;
  if (bytes < SHORTEST_IN_LINES) {
    set_few(out, bytes, task->pattern);
    return;
  }
  const uint64_t byte = task->pattern & 0xff;
  if (!task->nontemporal && task->pattern == byte * 0x0101010101010101u) {
    memset(out, (int)byte, bytes);
    return;
  }
  const size_t lines = (bytes - head) / LINE * LINE;
  for (size_t i = 0; i < 8; i++) ((uint8_t *)&rotated)[i] = ((const uint8_t *)&task->pattern)[(head + i) % 8];
  set_few(out, head, task->pattern);
  task->kernels->set_pattern(out + head, lines, rotated, task->nontemporal);
  set_few(out + head + lines, bytes - head - lines, rotated);
}

/* Loops of their own, that no choice is made for each element */
#define SCATTER_BYTES(size) \
  for (int64_t i = 0; i < count; i++) memcpy(out + i * stride, element, size)
static void scatter(const constant_task *task, uint8_t *out, int64_t stride, int64_t count) {
  IC_ALIGN(16) uint8_t element[16];
  if (task->itemsize <= 16) memcpy(element, task->element, task->itemsize);
  switch (task->itemsize) {
    case 1: SCATTER_BYTES(1); break;
    case 2: SCATTER_BYTES(2); break;
    case 4: SCATTER_BYTES(4); break;
    case 8: SCATTER_BYTES(8); break;
    case 16: SCATTER_BYTES(16); break;
    default:
      for (int64_t i = 0; i < count; i++) memcpy(out + i * stride, task->element, task->itemsize);
  }
}
#undef SCATTER_BYTES

/* Elements [first, first + count), row by row */
static void set_rows(const constant_task *task, int64_t first, int64_t count) {
  const int last = task->ndim - 1;
  const axis row = task->axis[last];
  const int together = task->repeats && row.stride == (int64_t)task->itemsize;
  int64_t place[IC_MAX_DIMS + 1], rest = first;
  uint8_t *out = task->data;
  for (int i = last; i >= 0; rest /= task->axis[i--].length) {
    place[i] = rest % task->axis[i].length;
    out += place[i] * task->axis[i].stride;
  }
  while (count > 0) {
    const int64_t left = row.length - place[last], now = left < count ? left : count;
    if (together)
      set_bytes(task, out, (size_t)now * task->itemsize);
    else
      scatter(task, out, row.stride, now);
    count -= now;
    out -= place[last] * row.stride;
    place[last] = 0;
    for (int i = last - 1; i >= 0; i--) {
      out += task->axis[i].stride;
      if (++place[i] < task->axis[i].length) break;
      place[i] = 0;
      out -= task->axis[i].length * task->axis[i].stride;
    }
  }
}

static void set_unit(void *context, int thread, int64_t unit) {
  const constant_task *task = context;
  const int64_t first = unit * task->unit;
  (void)thread;
  set_rows(task, first, at_most(task->unit, task->size - first));
}

ic_status ic_set_constant(const ic_array *array, const uint8_t *element, size_t itemsize, const ic_options *options) {
  constant_task task = {.element = element, .itemsize = itemsize, .kernels = ic_kernels_current()};
  if (itemsize == 0) return IC_OK;
  look_at(&task, array);
  if (task.size == 0) return IC_OK;
  find_pattern(&task);
  const int64_t bytes = task.size * (int64_t)itemsize;
  const int64_t wanted = 1 + bytes / (IC_ELEMENTS_PER_THREAD * 16); /* a constant costs a sixth of a normal */
  task.nontemporal = (uint64_t)bytes >= options->nontemporal_bytes;
  task.unit = itemsize < UNIT ? (int64_t)(UNIT / itemsize) : 1;
  ic_progress progress = ic_progress_begin(options);
  ic_work work = {.unit = set_unit,
                  .fence = task.kernels->fence,
                  .context = &task,
                  .units = pieces(task.size, task.unit),
                  .progress = &progress,
                  .calling = 1,
                  .share = 1};
  ic_work_run(&work, (int)at_most(wanted, options->threads));
  return ic_progress_end(&progress);
}
