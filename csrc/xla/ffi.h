/* The part of XLA's foreign function interface that a handler of custom calls needs: the layout of what XLA passes.
 *
 * Source: xla/ffi/api/c_api.h of OpenXLA, API versions 0.1 (jaxlib 0.6) to 0.3 (jaxlib 0.10). Each change of this
 * layout changes the major version; what is added comes behind all this, and changes the minor one. */
#ifndef IC_XLA_FFI_H
#define IC_XLA_FFI_H

#include <stddef.h>
#include <stdint.h>

enum { XLA_FFI_MAJOR = 0 };

enum { XLA_FFI_EXTENSION_METADATA = 1, XLA_FFI_BUFFER = 1 };
typedef enum { XLA_FFI_ATTR_ARRAY = 1, XLA_FFI_ATTR_SCALAR = 3, XLA_FFI_ATTR_STRING = 4 } xla_ffi_attr_type;
typedef enum {
  XLA_FFI_S32 = 4,
  XLA_FFI_S64 = 5,
  XLA_FFI_U32 = 8,
  XLA_FFI_F16 = 10,
  XLA_FFI_F32 = 11,
  XLA_FFI_F64 = 12,
  XLA_FFI_C64 = 15,
  XLA_FFI_BF16 = 16,
  XLA_FFI_C128 = 18
} xla_ffi_dtype;
typedef enum { XLA_FFI_INVALID_ARGUMENT = 3, XLA_FFI_RESOURCE_EXHAUSTED = 8, XLA_FFI_INTERNAL = 13 } xla_ffi_error_code;

typedef struct xla_ffi_extension {
  size_t struct_size;
  int type;
  struct xla_ffi_extension *next;
} xla_ffi_extension;

typedef struct {
  size_t struct_size;
  xla_ffi_extension *extensions;
  int major, minor;
} xla_ffi_version;

typedef struct {
  size_t struct_size;
  xla_ffi_version version;
  uint32_t traits;
} xla_ffi_metadata;

typedef struct {
  xla_ffi_extension base;
  xla_ffi_metadata *metadata;
} xla_ffi_metadata_extension;

typedef struct xla_ffi_error xla_ffi_error;

typedef struct {
  size_t struct_size;
  xla_ffi_extension *extensions;
  const char *message;
  xla_ffi_error_code code;
} xla_ffi_error_args;

/* The functions of XLA that handlers may call; this is the first one. */
typedef struct {
  size_t struct_size;
  xla_ffi_extension *extensions;
  xla_ffi_version version;
  const void *internal;
  xla_ffi_error *(*create_error)(xla_ffi_error_args *args);
} xla_ffi_api;

typedef struct {
  size_t struct_size;
  xla_ffi_extension *extensions;
  int dtype;
  void *data;
  int64_t rank;
  const int64_t *dims;
} xla_ffi_buffer;

typedef struct {
  size_t struct_size;
  xla_ffi_extension *extensions;
  int64_t size;
  const int *types;
  xla_ffi_buffer **buffers;
} xla_ffi_buffers;

typedef struct {
  const char *start;
  size_t bytes;
} xla_ffi_text; /* no zero follows it */

typedef struct {
  int dtype;
  size_t size;
  const void *data;
} xla_ffi_array;

typedef struct {
  size_t struct_size;
  xla_ffi_extension *extensions;
  int64_t size;
  const int *types;
  xla_ffi_text **names;
  void **values;
} xla_ffi_attrs;

typedef struct {
  size_t struct_size;
  xla_ffi_extension *extensions;
  const xla_ffi_api *api;
  void *context;
  int stage;
  xla_ffi_buffers args, results;
  xla_ffi_attrs attrs;
} xla_ffi_call;

#endif
