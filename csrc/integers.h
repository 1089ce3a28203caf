/* Arithmetic of counts. */
#ifndef IC_INTEGERS_H
#define IC_INTEGERS_H

#include <stdint.h>

#include "platform/compiler.h"

IC_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }
IC_INLINE int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }
/* How many pieces of that length a whole has, the last of which may be shorter */
IC_INLINE int64_t pieces(int64_t whole, int64_t piece) { return (whole + piece - 1) / piece; }

#endif
