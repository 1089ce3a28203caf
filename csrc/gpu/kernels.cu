/* All kernels of a device: one for each row of dist_table.h and dtype that it fills. The same headers that the
 * processor's kernels are made of; the build puts them, and this file, into one. */
#define IC_DEVICE
#include "platform/compiler.h"
#include "gpu/prelude.h"

#include "dtypes.h"
#include "dist/truncation.h"
#include "gpu/launch.h"
#include "kernels.h"

#include "vec/cuda.h"

#include "kern/math.h"
#include "kern/philox.h"
#include "kern/store.h"
#include "dist/truncation.c"
#include "gpu/place.h"

#define IC_DIST_BODIES
#include "dist_table.h"

#define STAMP_KERNEL(name, suffix)                                                \
  extern "C" __global__ void __launch_bounds__(IC_LAUNCH_THREADS, name##_AT_ONCE) \
      ic_##name##_##suffix(const __grid_constant__ ic_launch launch) {            \
    name##_rows_##suffix(&launch);                                                \
  }
#define STAMP_WORDS(name) STAMP_KERNEL(name, u32)
#define STAMP_FLOATS(name) \
  STAMP_KERNEL(name, f64) STAMP_KERNEL(name, f32) STAMP_KERNEL(name, f16) STAMP_KERNEL(name, bf16)
#define IC_DIST_ROW(id, name, fills, count, params) STAMP_##fills(name)
#include "dist_table.h"
