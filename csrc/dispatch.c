/* Chooses the instruction set that is in use, and passes on to it what needs nothing else of the core. */
#include "kernels.h"
#include "platform/atomics.h"
#include "platform/cpu.h"

static const ic_kernels *const built[] = {
#define IC_ISA_ROW(name) &ic_kernels_##name,
#include "isa_table.h"
};

enum { BUILT = sizeof built / sizeof *built };

static const ic_kernels *usable[BUILT]; /* here, fastest first */
static int usable_count = 0;
static int current = 0;
static int most_attempts = 256;

void ic_init(void) {
  const uint32_t features = ic_cpu_features();
  ic_fma_in_hardware = (features & IC_HAS_AVX2) != 0;
  ic_bf16_in_hardware = (features & IC_HAS_BF16) != 0;
  usable_count = 0;
  for (int i = 0; i < BUILT; i++)
    if ((built[i]->features & features) == built[i]->features) usable[usable_count++] = built[i];
}

int ic_isa_count(void) { return usable_count; }
const char *ic_isa_name(int isa) { return usable[isa]->name; }
int ic_isa_current(void) { return ic_load(&current); }
void ic_isa_use(int isa) { ic_store(&current, isa); }
int ic_most_attempts(void) { return ic_load(&most_attempts); }
void ic_round_in_software(int whether) { ic_bf16_in_hardware = !whether && (ic_cpu_features() & IC_HAS_BF16) != 0; }
void ic_limit_attempts(int most) { ic_store(&most_attempts, most); }
const ic_kernels *ic_kernels_current(void) { return usable[ic_load(&current)]; }

#define IC_DIST_ROW(id, name, fills, count, params) {#name, params, count},
static const struct {
  const char *name, *params;
  int param_count;
} dists[] = {
#include "dist_table.h"
};

int ic_dist_count(void) { return IC_N_DISTS; }
const char *ic_dist_name(int dist) { return dists[dist].name; }
const char *ic_dist_params(int dist) { return dists[dist].params; }
int ic_dist_param_count(int dist) { return dists[dist].param_count; }
int ic_dist_fills(int dist, ic_dtype dtype) { return ic_kernels_current()->fill[dist][dtype] != NULL; }

uint64_t ic_spin_for(ic_spin kind, uint64_t rounds, double *end) {
  return ic_kernels_current()->spin(kind, rounds, end);
}
void ic_philox4x32(const uint32_t *counters, const uint32_t *keys, int rounds, size_t n, uint32_t *out) {
  ic_kernels_current()->philox4x32(counters, keys, rounds, n, out);
}
void ic_normal_from_words_f32(const uint32_t *words, size_t pairs, float *out) {
  ic_kernels_current()->normal_from_words_f32(words, pairs, out);
}
void ic_normal_from_words_f64(const uint64_t *words, size_t pairs, double *out) {
  ic_kernels_current()->normal_from_words_f64(words, pairs, out);
}
