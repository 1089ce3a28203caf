/* A fill cuts an array, whole or a shard, into runs of blocks, which threads share. */
#include <stdlib.h>
#include <string.h>

#include "dtypes.h"
#include "fill/columns.h"
#include "fill/tiles.h"
#include "integers.h"
#include "platform/arena.h"
#include "platform/work.h"

enum {
  SMALLEST_UNIT = 1 << 16, /* elements that a thread takes at a time, */
  LARGEST_UNIT = 1 << 22,  /* some units for each thread where there are enough elements */
  UNITS_PER_THREAD = 16,
  SHORTEST_RUN = 1024 /* rows below it go through tiles, which waste no part of a step; see docs/performance.md */
};
typedef struct {
  ic_job job;
  ic_view view;
  uint8_t *data;
  uint64_t first_index;
  /* Both NULL if the last axis is in one piece, in memory and in the global index */
  const ic_tiling *tiling;
  ic_column_tiling *columns;
  int nontemporal;
  int64_t total, unit; /* elements or tiles: all, and what a thread takes at a time */
  uint8_t *workspaces;
  size_t workspace_bytes; /* of each thread */
} fill_task;

/* Whole steps. A run must not let the low word of its counters wrap: the step in which it would is made from a list. */
static void fill_steps(const ic_job *job, uint8_t *out, uint64_t block, int64_t steps, int nontemporal) {
  const uint64_t step_blocks = (uint64_t)job->step / 4;
  const size_t step_bytes = (size_t)job->step * ic_itemsize(job->dtype);
  while (steps > 0) {
    const uint64_t before_wrap = ((uint64_t)1 << 32) - (block & 0xffffffffu);
    int64_t now = at_most(steps, (int64_t)(before_wrap / step_blocks));
    if (now > 0) {
      job->kernel(job->params, &job->stream, (ic_blocks){.first = block}, (size_t)now, out, nontemporal);
    } else {
      uint64_t list[IC_MAX_STEP_BLOCKS];
      for (uint64_t i = 0; i < step_blocks; i++) list[i] = block + i;
      job->kernel(job->params, &job->stream, (ic_blocks){.list = list}, 1, out, 0);
      now = 1;
    }
    steps -= now;
    block += (uint64_t)now * step_blocks;
    out += (size_t)now * step_bytes;
  }
}

/* Up to a step and a cache line of elements, which need not begin or end with a block */
static void fill_edge(const ic_job *job, uint8_t *out, uint64_t index, int64_t count) {
  IC_ALIGN(64) uint8_t scratch[2 * IC_MAX_STEP_BYTES + 128];
  const size_t itemsize = ic_itemsize(job->dtype);
  const int64_t phase = (int64_t)(index % 4);
  if (count == 0) return;
  fill_steps(job, scratch, index / 4, (phase + count + job->step - 1) / job->step, 0);
  memcpy(out, scratch + (size_t)phase * itemsize, (size_t)count * itemsize);
}

/* Elements up to a block that begins a cache line, or -1 if none does */
static int64_t before_line(const uint8_t *out, uint64_t index, size_t itemsize) {
  for (size_t head = (4 - index % 4) % 4; head * itemsize < 64 + 4 * itemsize; head += 4)
    if (((uintptr_t)out + head * itemsize) % 64 == 0) return (int64_t)head;
  return -1;
}

static void fill_run(const ic_job *job, uint8_t *out, uint64_t index, int64_t count, int nontemporal) {
  const size_t itemsize = ic_itemsize(job->dtype);
  if ((int64_t)(index % 4) + count <= job->step) {
    fill_edge(job, out, index, count);
    return;
  }
  const int64_t line = before_line(out, index, itemsize);
  const int64_t head = at_most(line < 0 ? (int64_t)((4 - index % 4) % 4) : line, count);
  const int64_t steps = (count - head) / job->step, body = steps * job->step;
  const uint64_t after_head = index + (uint64_t)head;
  fill_edge(job, out, index, head);
  fill_steps(job, out + (size_t)head * itemsize, after_head / 4, steps, nontemporal && line >= 0);
  fill_edge(job, out + (size_t)(head + body) * itemsize, after_head + (uint64_t)body, count - head - body);
}

/* Elements [first, first + count) of the view, in its own C order, row by row */
static void fill_rows(const fill_task *task, int64_t first, int64_t count) {
  const ic_view *view = &task->view;
  const ic_axis row = view->axis[view->ndim - 1];
  while (count > 0) {
    int64_t rows = first / row.length, offset = first % row.length * row.stride;
    uint64_t index = task->first_index + (uint64_t)(first % row.length);
    const int64_t now = at_most(count, row.length - first % row.length);
    for (int i = view->ndim - 2; i >= 0; rows /= view->axis[i--].length) {
      offset += rows % view->axis[i].length * view->axis[i].stride;
      index += (uint64_t)(rows % view->axis[i].length * view->axis[i].index_stride);
    }
    fill_run(&task->job, task->data + offset, index, now, task->nontemporal);
    first += now;
    count -= now;
  }
}

static void fill_unit(void *context, int thread, int64_t unit) {
  const fill_task *task = context;
  const int64_t first = unit * task->unit, count = at_most(task->unit, task->total - first);
  uint8_t *workspace = task->workspaces + (size_t)thread * task->workspace_bytes;
  if (task->columns)
    ic_fill_columns(&task->job, task->columns, first, count, workspace);
  else if (task->tiling)
    ic_fill_tiles(&task->job, task->tiling, first, count, workspace);
  else
    fill_rows(task, first, count);
}

/* Rows that are one piece, and long enough to be worth a start and an end of their own */
static int is_rows(const ic_view *view, const ic_array *array) {
  const ic_axis row = view->axis[view->ndim - 1];
  return !array->swapped && row.stride == (int64_t)ic_itemsize(array->dtype) && row.index_stride == 1 &&
         (row.length >= SHORTEST_RUN || view->ndim == 1);
}

/* One run that is filled in less time than it takes to share it out */
static int is_small_run(const ic_view *view, const ic_array *array) {
  return view->ndim == 1 && view->size < SHORTEST_RUN && is_rows(view, array);
}

ic_problem ic_prepare(int dist, const double *params, ic_dtype dtype, ic_prepared *prepared) {
  const ic_float_mode mode = ic_float_mode_default();
  prepared->dist = dist;
  prepared->dtype = dtype;
  const ic_problem problem = ic_kernels_current()->prepare[dist](params, dtype, &prepared->params);
  ic_float_mode_restore(mode);
  return problem;
}

/* Fills the whole array by some threads, each of which has its workspace. */
static ic_status fill_with(fill_task *task, int threads, const ic_options *options) {
  void *allocated = NULL;
  if (task->workspace_bytes) {
    const size_t bytes = (size_t)threads * task->workspace_bytes;
    task->workspaces = ic_allocate(bytes + (task->columns ? ic_column_table_bytes(task->columns) : 0), &allocated);
    if (!allocated) return IC_NO_MEMORY;
    if (task->columns) ic_make_column_tables(task->columns, ic_itemsize(task->job.dtype), task->workspaces + bytes);
  }
  ic_progress progress = ic_progress_begin(options);
  ic_work work = {.unit = fill_unit,
                  .fence = task->nontemporal ? task->job.kernels->fence : NULL,
                  .context = task,
                  .units = pieces(task->total, task->unit),
                  .progress = &progress,
                  .calling = 1,
                  .share = 1};
  ic_work_run(&work, threads);
  free(allocated);
  return ic_progress_end(&progress);
}

static ic_job job_of(const ic_prepared *prepared, const ic_stream *stream) {
  const ic_kernels *kernels = ic_kernels_current();
  return (ic_job){.kernels = kernels,
                  .kernel = kernels->fill[prepared->dist][prepared->dtype],
                  .params = &prepared->params,
                  .stream = *stream,
                  .dtype = prepared->dtype,
                  .step = 4 * (int64_t)kernels->step_blocks[prepared->dist][prepared->dtype]};
}

ic_status ic_fill(const ic_array *array, const ic_prepared *prepared, const ic_stream *stream,
                  const ic_options *options) {
  const ic_dtype dtype = prepared->dtype;
  fill_task task;
  task.job = job_of(prepared, stream);
  ic_view_of(array, &task.view);
  if (is_small_run(&task.view, array)) {
    const ic_float_mode mode = ic_float_mode_default();
    fill_run(&task.job, array->data, array->first_index, task.view.size, 0);
    ic_float_mode_restore(mode);
    return IC_OK;
  }
  task.data = array->data;
  task.first_index = array->first_index;
  task.tiling = NULL;
  task.columns = NULL;
  task.workspaces = NULL;
  task.workspace_bytes = 0;
  const int64_t size = task.view.size, wanted = at_least(1, size / IC_ELEMENTS_PER_THREAD);
  const int threads = (int)at_most(at_most(options->threads, IC_MAX_THREADS), wanted);
  if (size == 0) return IC_OK;

  ic_tiling tiling;
  ic_column_tiling columns;
  task.total = size;
  task.unit = at_most(at_least(size / threads / UNITS_PER_THREAD, SMALLEST_UNIT), LARGEST_UNIT);
  task.nontemporal = (uint64_t)size * ic_itemsize(dtype) >= options->nontemporal_bytes;
  if (!is_rows(&task.view, array)) {
    int64_t tile_size;
    if (ic_tile_columns(&task.job, &task.view, array, task.nontemporal, &columns)) {
      task.columns = &columns;
      task.total = columns.tiles;
      task.workspace_bytes = ic_column_workspace(&columns, ic_itemsize(dtype));
      tile_size = 4 * columns.rows * columns.strips;
    } else {
      tiling = ic_tile(&task.view, array, task.nontemporal);
      task.tiling = &tiling;
      task.total = tiling.tiles;
      task.workspace_bytes = ic_tile_workspace(&tiling);
      tile_size = tiling.rows * tiling.columns;
    }
    task.unit = at_least(1, task.unit / at_least(1, tile_size));
  }
  return fill_with(&task, threads, options);
}

ic_status ic_fill_each(const ic_array *first, size_t bytes, const ic_prepared *prepared, const uint32_t *keys,
                       size_t count, const ic_options *options) {
  ic_view view;
  ic_view_of(first, &view);
  const int small = is_small_run(&view, first);
  ic_stream stream = {{0}, 0, 0};
  ic_job job = job_of(prepared, &stream);
  ic_array array = *first;
  ic_status status = IC_OK;
  const ic_float_mode mode = ic_float_mode_default();
  for (size_t i = 0; i < count && status == IC_OK; i++, array.data += bytes) {
    stream.key[0] = job.stream.key[0] = keys[2 * i];
    stream.key[1] = job.stream.key[1] = keys[2 * i + 1];
    if (small)
      fill_run(&job, array.data, array.first_index, view.size, 0);
    else
      status = ic_fill(&array, prepared, &stream, options);
  }
  ic_float_mode_restore(mode);
  return status;
}

void ic_fill_buffer(const ic_stream *stream, uint64_t block, uint32_t words[4 * IC_BUFFER_BLOCKS]) {
  static const ic_params none = {{0}};
  const ic_kernels *kernels = ic_kernels_current();
  const int64_t step_blocks = kernels->step_blocks[IC_DIST_bits][IC_U32];
  const ic_job job = {.kernels = kernels,
                      .kernel = kernels->fill[IC_DIST_bits][IC_U32],
                      .params = &none,
                      .stream = *stream,
                      .dtype = IC_U32,
                      .step = 4 * step_blocks};
  fill_steps(&job, (uint8_t *)words, block, IC_BUFFER_BLOCKS / step_blocks, 0);
}
