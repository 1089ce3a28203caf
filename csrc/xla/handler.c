#include "xla/handler.h"

#include <stdio.h>
#include <string.h>

#include "dtypes.h"
#include "integers.h"
#include "platform/atomics.h"
#include "platform/pages.h"
#include "platform/work.h"
#include "xla/ffi.h"

enum {
  MOST_KEYS_PER_UNIT = 256,
  UNITS_PER_THREAD = 4,
  ELEMENTS_PER_KEY = 512 /* to find a key takes as long as so many elements do */
};

static ic_xla_fill_part fill_other;
static int (*thread_count)(void);
static uint64_t nontemporal_from;

/* A call, read. Operands are the words of keys (*batch, words) and, of a shard, its place in the grid of shards (ndim).
 */
typedef struct {
  int dist; /* or -1: `law` says what to draw */
  ic_prepared prepared;
  int parts;        /* numbers that are side by side in one element: the two of a complex one */
  size_t part_size; /* bytes */
  int64_t keys, words_per_key, words_in_path;
  const uint32_t *words;
  const uint32_t *path; /* words of the path above a key's own, or NULL: the words are a Philox key */
  ic_xla_part part;
  int64_t filled[IC_MAX_DIMS]; /* of the local shape, what lies in the global array */
  size_t itemsize, bytes;      /* of an element, and of each key's array */
  ic_problem problem;
} xla_fill;

static int is_named(const xla_ffi_text *text, const char *name) {
  return text->bytes == strlen(name) && memcmp(text->start, name, text->bytes) == 0;
}

static const void *attribute(const xla_ffi_attrs *attrs, const char *name, xla_ffi_attr_type type) {
  for (int64_t i = 0; i < attrs->size; i++)
    if (attrs->types[i] == (int)type && is_named(attrs->names[i], name)) return attrs->values[i];
  return NULL;
}

static const xla_ffi_array *array_attribute(const xla_ffi_attrs *attrs, const char *name, xla_ffi_dtype dtype) {
  const xla_ffi_array *array = attribute(attrs, name, XLA_FFI_ATTR_ARRAY);
  return array && (array->dtype == (int)dtype || array->size == 0) ? array : NULL;
}

static const struct {
  xla_ffi_dtype dtype;
  ic_dtype part;
  int parts;
} dtypes[] = {{XLA_FFI_F64, IC_F64, 1},   {XLA_FFI_F32, IC_F32, 1}, {XLA_FFI_F16, IC_F16, 1},
              {XLA_FFI_BF16, IC_BF16, 1}, {XLA_FFI_C64, IC_F32, 2}, {XLA_FFI_C128, IC_F64, 2}};

/* What to draw: a distribution of the core, or a law of others */
static int read_law(xla_fill *fill, const xla_ffi_attrs *attrs, int dtype) {
  const xla_ffi_text *dist = attribute(attrs, "dist", XLA_FFI_ATTR_STRING);
  const xla_ffi_text *law = attribute(attrs, "law", XLA_FFI_ATTR_STRING);
  const xla_ffi_array *params = array_attribute(attrs, "params", XLA_FFI_F64);
  if (!dist || !law || !params) return 0;
  fill->part.law = law->start;
  fill->part.law_bytes = law->bytes;
  fill->dist = -1;
  if (dist->bytes == 0) return 1;
  for (int i = 0; i < ic_dist_count(); i++)
    if (is_named(dist, ic_dist_name(i))) fill->dist = i;
  if (fill->dist < 0 || (int)params->size != ic_dist_param_count(fill->dist)) return 0;
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    if ((int)dtypes[i].dtype != dtype || !ic_dist_fills(fill->dist, dtypes[i].part)) continue;
    fill->problem = ic_prepare(fill->dist, params->data, dtypes[i].part, &fill->prepared);
    fill->parts = dtypes[i].parts;
    fill->part_size = ic_itemsize(dtypes[i].part);
    return fill->itemsize == fill->part_size * (size_t)fill->parts; /* or the arrays of keys would overlap */
  }
  return 0;
}

static int64_t product(const int64_t *sizes, int64_t count) {
  int64_t all = 1;
  for (int64_t i = 0; i < count; i++) all *= sizes[i];
  return all;
}

/* Which part of the global array the result is for each key */
static int read_shapes(xla_fill *fill, const xla_ffi_call *call) {
  const xla_ffi_array *whole = array_attribute(&call->attrs, "shape", XLA_FFI_S64);
  const xla_ffi_array *item = array_attribute(&call->attrs, "itemsize", XLA_FFI_S64);
  const xla_ffi_buffer *words = call->args.buffers[0], *out = call->results.buffers[0];
  const int64_t batch_axes = words->rank - 1;
  if (!whole || !item || item->size != 1 || words->dtype != XLA_FFI_U32) return 0;
  if (batch_axes < 0 || out->rank != batch_axes + (int64_t)whole->size || whole->size >= IC_MAX_DIMS) return 0;
  ic_xla_part *part = &fill->part;
  part->ndim = (int)whole->size;
  part->whole = whole->data;
  part->local = out->dims + batch_axes;
  part->out = out->data;
  part->word_count = fill->words_per_key = words->dims[batch_axes];
  fill->words = words->data;
  fill->keys = product(words->dims, batch_axes);
  fill->itemsize = (size_t)*(const int64_t *)item->data;
  fill->bytes = (size_t)product(part->local, part->ndim) * fill->itemsize;
  return fill->keys == product(out->dims, batch_axes);
}

/* Where the part begins, and how much of it lies in the global array: the last part of an axis may be cut short */
static int read_places(xla_fill *fill, const xla_ffi_call *call) {
  const xla_ffi_buffer *places = call->args.size > 1 ? call->args.buffers[1] : NULL;
  ic_xla_part *part = &fill->part;
  if (places && (places->dtype != XLA_FFI_S32 || places->rank != 1 || places->dims[0] != part->ndim)) return 0;
  for (int i = 0; i < part->ndim; i++) {
    part->first[i] = places ? ((const int32_t *)places->data)[i] * part->local[i] : 0;
    fill->filled[i] = at_least(0, at_most(part->local[i], part->whole[i] - part->first[i]));
  }
  return 1;
}

static int read_call(xla_fill *fill, const xla_ffi_call *call) {
  const xla_ffi_array *path = array_attribute(&call->attrs, "path", XLA_FFI_U32);
  if (call->args.size < 1 || call->args.size > 2 || call->results.size != 1 || !path) return 0;
  if (!read_shapes(fill, call) || !read_places(fill, call)) return 0;
  fill->path = path->size ? path->data : NULL;
  fill->words_in_path = (int64_t)path->size;
  if (!path->size && fill->words_per_key != 2) return 0;
  return read_law(fill, &call->attrs, call->results.buffers[0]->dtype);
}

/* The array of the first key; others follow it in memory. */
static ic_array array_of(const xla_fill *fill) {
  const ic_xla_part *part = &fill->part;
  ic_array array = {.data = part->out, .dtype = fill->prepared.dtype, .ndim = part->ndim};
  int64_t stride = (int64_t)fill->part_size, index_stride = 1;
  if (fill->parts > 1) array.shape[array.ndim++] = fill->parts;
  for (int i = array.ndim - 1; i >= 0; i--) {
    const int is_axis = i < part->ndim;
    if (is_axis) array.shape[i] = fill->filled[i];
    array.stride[i] = stride;
    array.index_stride[i] = index_stride;
    if (is_axis) array.first_index += (uint64_t)(index_stride * part->first[i]);
    stride *= is_axis ? part->local[i] : fill->parts;
    index_stride *= is_axis ? part->whole[i] : fill->parts;
  }
  return array;
}

typedef struct {
  const xla_fill *fill;
  ic_array array;
  ic_path path;
  ic_options options;
  int64_t keys_per_unit;
  int no_memory;
} key_task;

/* Some keys, one after the other, each with the threads of the options */
static ic_status fill_keys(const key_task *task, int64_t unit) {
  const xla_fill *fill = task->fill;
  const int64_t first = unit * task->keys_per_unit, count = at_most(task->keys_per_unit, fill->keys - first);
  uint32_t keys[2 * MOST_KEYS_PER_UNIT];
  const uint32_t *words = fill->words + first * fill->words_per_key;
  if (fill->path)
    ic_keys_below(&task->path, words, (size_t)fill->words_per_key, (size_t)count, keys);
  else
    memcpy(keys, words, (size_t)count * 2 * sizeof *keys);
  ic_array array = task->array;
  array.data += (size_t)first * fill->bytes;
  return ic_fill_each(&array, fill->bytes, &fill->prepared, keys, (size_t)count, &task->options);
}

static void fill_unit(void *context, int thread, int64_t unit) {
  key_task *task = context;
  (void)thread;
  if (fill_keys(task, unit) != IC_OK) ic_store(&task->no_memory, 1); /* the only thing that can go wrong */
}

/* Threads share the keys, unless the arrays are so large that they share each. */
static ic_status fill_all(const xla_fill *fill) {
  key_task task = {.fill = fill, .array = array_of(fill), .options = {.threads = thread_count()}};
  task.options.nontemporal_bytes = nontemporal_from;
  if (fill->path) task.path = ic_path_of(0, fill->path, (size_t)fill->words_in_path);
  const int64_t size = product(task.array.shape, task.array.ndim), work_size = fill->keys * (size + ELEMENTS_PER_KEY);
  const int sharing = fill->keys > 1 && size < IC_ELEMENTS_PER_THREAD;
  const int64_t threads = sharing ? at_least(1, at_most(task.options.threads, work_size / IC_ELEMENTS_PER_THREAD)) : 1;
  task.keys_per_unit = at_least(1, at_most(MOST_KEYS_PER_UNIT, fill->keys / (threads * UNITS_PER_THREAD)));
  if (sharing) task.options.threads = 1;
  ic_progress progress = ic_progress_begin(&task.options);
  ic_work work = {.unit = fill_unit,
                  .context = &task,
                  .units = pieces(fill->keys, task.keys_per_unit),
                  .progress = &progress,
                  .share = 1};
  ic_work_run(&work, (int)threads);
  (void)ic_progress_end(&progress);
  return task.no_memory ? IC_NO_MEMORY : IC_OK;
}

static xla_ffi_error *failure(const xla_ffi_call *call, xla_ffi_error_code code, const char *message) {
  xla_ffi_error_args args = {.struct_size = sizeof args, .message = message, .code = code};
  return call->api->create_error(&args);
}

static xla_ffi_error *fill_by_others(const xla_ffi_call *call, const xla_fill *fill) {
  ic_xla_part part = fill->part;
  char error[512];
  for (int64_t i = 0; i < fill->keys; i++) {
    part.words = fill->words + i * fill->words_per_key;
    part.out = fill->part.out + (size_t)i * fill->bytes;
    if (!fill_other(&part, error, sizeof error)) return failure(call, XLA_FFI_INTERNAL, error);
  }
  return NULL;
}

/* XLA asks for the handler's version by an extension of a call, before any other call, and refuses another major
 * version than its own. Every minor version of it will do. */
static int tells_version(const xla_ffi_call *call) {
  if (!call->extensions || call->extensions->type != XLA_FFI_EXTENSION_METADATA) return 0;
  xla_ffi_metadata *metadata = ((xla_ffi_metadata_extension *)(void *)call->extensions)->metadata;
  metadata->version.major = XLA_FFI_MAJOR;
  metadata->version.minor = call->api->version.minor;
  metadata->traits = 0;
  return 1;
}

static xla_ffi_error *handle(const xla_ffi_call *call) {
  if (tells_version(call)) return NULL;
  xla_fill fill = {.parts = 1};
  if (!read_call(&fill, call))
    return failure(call, XLA_FFI_INVALID_ARGUMENT,
                   "initcore: a custom call has operands or attributes of another version");
  if (fill.problem.rule) {
    char text[256];
    (void)snprintf(text, sizeof text, "initcore: of the parameters of %s (%s), number %d %s", ic_dist_name(fill.dist),
                   ic_dist_params(fill.dist), fill.problem.param + 1, fill.problem.rule);
    return failure(call, XLA_FFI_INVALID_ARGUMENT, text);
  }
  if (fill.keys == 0 || fill.bytes == 0) return NULL;
  ic_want_huge_pages(fill.part.out, (size_t)fill.keys * fill.bytes);
  if (fill.dist < 0) return fill_by_others(call, &fill);
  if (fill_all(&fill) != IC_OK) return failure(call, XLA_FFI_RESOURCE_EXHAUSTED, "initcore: no memory to work in");
  return NULL;
}

void *ic_xla_handler(ic_xla_fill_part others, int (*threads)(void), uint64_t nontemporal_bytes) {
  fill_other = others;
  thread_count = threads;
  nontemporal_from = nontemporal_bytes;
  union {
    xla_ffi_error *(*function)(const xla_ffi_call *);
    void *pointer;
  } handler = {.function = handle};
  return handler.pointer;
}
