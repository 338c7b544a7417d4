/* SPDX-License-Identifier: MIT */
/* Option structs that can grow: `size` first, fields only ever appended, a non-zero tail that this library does not know is refused. */
#ifndef RP_QUEUE_OPTIONS_H
#define RP_QUEUE_OPTIONS_H

#include <stddef.h>

/* Fills a caller's struct of `size` bytes with defaults; what is beyond ours becomes zero. Does nothing with a size that cannot hold `size` itself. */
void options_fill(void *o, size_t size, const void *defaults, size_t known);

/* Takes the caller's values over the defaults in `into` (of `known` bytes). NULL: keeps them. -EINVAL, -E2BIG with the detail set. */
int options_take(void *into, size_t known, const void *given, const char *what);

/* Writes values into a caller's struct, as far as its `size`, which stays, says that there is room; what is beyond ours becomes zero. -EINVAL with the detail set: no size. */
int options_give(void *out, const void *values, size_t known, const char *what);

#endif
