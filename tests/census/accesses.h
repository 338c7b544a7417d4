/* SPDX-License-Identifier: MIT */
/* Put before every source of lib/memory, ring and queue: the code that ships, with a call before each access to a shared word. */
#ifndef CENSUS_ACCESSES_H
#define CENSUS_ACCESSES_H

#include "atomic.h"

/* `what` is "OPERATION LABEL". */
void census_access(const volatile void *word, const char *what);

#undef SIM_POINT
#define SIM_POINT(op, word, label, name) census_access((word), name " " #label),

#undef field_read
#define field_read(word) (census_access((word), "field_read field"), atomic_load_explicit((word), memory_order_relaxed))
#undef field_write
#define field_write(word, value) \
    (census_access((word), "field_write field"), atomic_store_explicit((word), (value), memory_order_relaxed))
#undef counter_add_owned
#define counter_add_owned(word, value)                   \
    (census_access((word), "counter_add_owned counter"), \
     atomic_store_explicit((word), atomic_load_explicit((word), memory_order_relaxed) + (value), memory_order_relaxed))
#undef counter_add_shared
#define counter_add_shared(word, value) \
    (census_access((word), "counter_add_shared counter"), (void)atomic_fetch_add_explicit((word), (value), memory_order_relaxed))

#endif
