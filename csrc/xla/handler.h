/* A custom call of XLA that fills its result: one array for each key of a batch, or each the same shard of one. */
#ifndef IC_XLA_HANDLER_H
#define IC_XLA_HANDLER_H

#include "initcore.h"

/* What a call asks for that the core does not fill itself: the array of one key, in C order */
typedef struct {
  uint8_t *out;
  int ndim;
  const int64_t *local;       /* the shape of the memory at `out` */
  const int64_t *whole;       /* the shape of the global array */
  int64_t first[IC_MAX_DIMS]; /* where the shard begins in it */
  const uint32_t *words;      /* of the key */
  int64_t word_count;
  const char *law; /* what to draw, in a language of the caller's */
  size_t law_bytes;
} ic_xla_part;

/* Fills a part, or writes why it cannot to `error`; returns whether it could. */
typedef int (*ic_xla_fill_part)(const ic_xla_part *part, char *error, size_t error_bytes);

/* The handler, for XLA to call; `threads` says how many each call may use. */
void *ic_xla_handler(ic_xla_fill_part others, int (*threads)(void), uint64_t nontemporal_bytes);

#endif
