/* This is compiled once for each row of isa_table.h: IC_ISA is the name of the instruction set, IC_VEC its vocabulary.
 *
 * All that this file defines is static but one const struct, so that nothing compiled for a newer processor can be
 * linked in where an older one runs. */
#include <math.h>
#include <string.h>

#include "platform/compiler.h"
#include "platform/cpu.h"
#include "dtypes.h"
#include "kernels.h"
#include "dist/truncation.h"
#include "seed_sequence.h"

#include "kern/half.h"
#include IC_VEC

#include "kern/math.h"
#include "kern/philox.h"
#include "kern/rejected.h"
#include "kern/store.h"
#include "kern/turn.h"

static const ic_problem ic_no_problem = {0, NULL};
static ic_problem ic_problem_with(int param, const char *rule) { return (ic_problem){param, rule}; }

#include "kern/keys.h"
#define IC_BYTES
#include "kern/sparse.h"
#include "kern/sparse.h"
#include "kern/testing.h"
#include "kern/peak_ops.h"

#define IC_DIST_BODIES
#include "dist_table.h"

#define IC_DOUBLE
#include "kern/panel.h"
#include "kern/panel.h"

#define IC_PASTE2(a, b) a##b
#define IC_PASTE(a, b) IC_PASTE2(a, b)
#define IC_STRING2(a) #a
#define IC_STRING(a) IC_STRING2(a)

#define STEPS(n, wide) {[IC_F64] = (wide), [IC_F32] = (n), [IC_F16] = (n), [IC_BF16] = (n), [IC_U32] = (n)}
#define PANEL_OPS(real)       \
  {.gather = real##_gather,   \
   .apply_t = real##_apply_t, \
   .update = real##_update,   \
   .gram = real##_gram,       \
   .factorise = real##_factorise_rounded}
#define FILLS_WORDS(name) {[IC_U32] = name##_fill_u32}
#define FILLS_FLOATS(name) \
  {[IC_F64] = name##_fill_f64, [IC_F32] = name##_fill_f32, [IC_F16] = name##_fill_f16, [IC_BF16] = name##_fill_bf16}
#define STAMP_PREPARE(name)                                                         \
  static ic_problem name##_prepare_any(const double *values, ic_dtype d, void *p) { \
    _Static_assert(sizeof(name##_params) <= sizeof(ic_params), #name "_params");    \
    return name##_prepare(values, d, p);                                            \
  }
#define IC_DIST_ROW(id, name, fills, count, params) STAMP_PREPARE(name)
#include "dist_table.h"
#undef STAMP_PREPARE

_Static_assert(IC_MAX_STEP_BLOCKS >= IC_COUNTERS * IC_FLIGHT && IC_MAX_STEP_BLOCKS >= IC_COUNTERS * IC_FLIGHT_LIGHT &&
                   IC_MAX_STEP_BYTES >= IC_COUNTERS * IC_FLIGHT64_LIGHT * 32 && IC_FLIGHT64_LIGHT >= IC_FLIGHT64,
               "steps");
_Static_assert(IC_BUFFER_BLOCKS % (bits_GROUPS * IC_COUNTERS) == 0, "a buffer is whole steps");

const ic_kernels IC_PASTE(ic_kernels_, IC_ISA) = {
    .name = IC_STRING(IC_ISA),
    .features = IC_FEATURES,
    .step_blocks =
        {
#define IC_DIST_ROW(id, name, fills, count, params) \
  [id] = STEPS(name##_GROUPS * IC_COUNTERS, name##_GROUPS64 * IC_COUNTERS),
#include "dist_table.h"
        },
    .prepare =
        {
#define IC_DIST_ROW(id, name, fills, count, params) [id] = name##_prepare_any,
#include "dist_table.h"
        },
    .fill =
        {
#define IC_DIST_ROW(id, name, fills, count, params) [id] = FILLS_##fills(name),
#include "dist_table.h"
        },
    .panel = {[IC_F64] = PANEL_OPS(f64), [IC_F32] = PANEL_OPS(f32)},
    .fence = nt_fence,
    .turn_bytes = IC_LANES8,
    .turn = turn,
    .set_pattern = set_pattern,
    .philox4x32 = philox4x32_blocks,
    .normal_from_words_f32 = normal_from_words_f32,
    .normal_from_words_f64 = normal_from_words_f64,
    .keys_below = keys_below,
    .sparse_mask = sparse_mask,
    .sparse_clear = sparse_clear,
    .spin = spin,
};

#undef STEPS
#undef PANEL_OPS
#undef FILLS_WORDS
#undef FILLS_FLOATS
