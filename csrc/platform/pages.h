/* Pages of memory that is about to be filled. */
#ifndef IC_PAGES_H
#define IC_PAGES_H

#include <stddef.h>

/* Asks the system for huge pages under memory that was just allocated, if it is large: the first touch of 4 KiB pages
 * takes longer than to fill them does. Memory that is there already stays as it is. */
void ic_want_huge_pages(void *memory, size_t bytes);

#endif
