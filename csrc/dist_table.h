/* Every distribution has a row. Ids are never used again.
 *
 *   IC_DIST_ROW(id, name, what it fills: WORDS or FLOATS, number of parameters, their names)
 *
 * A row needs dist/NAME.h, listed below, and golden rows in tests/helpers/golden.json; nothing else. */
#ifdef IC_DIST_ROW
IC_DIST_ROW(0, bits, WORDS, 0, "")
IC_DIST_ROW(1, uniform, FLOATS, 2, "a b")
IC_DIST_ROW(2, normal, FLOATS, 2, "mean std")
IC_DIST_ROW(3, trunc_normal, FLOATS, 4, "mean std a b")
#undef IC_DIST_ROW
#endif

#ifdef IC_DIST_BODIES
#include "dist/bits.h"
#include "dist/normal.h"
#include "dist/trunc_normal.h"
#include "dist/uniform.h"
#undef IC_DIST_BODIES
#endif
