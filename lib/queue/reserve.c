/* SPDX-License-Identifier: MIT */
#include "reserve.h"

bool reserve_take(struct actor *a, unsigned group, uint32_t *cell) {
    const uint32_t count = a->segment->layout.reserve, first = group * count;
    if (pool_take(&a->pool, cell))
        return true;
    for (uint32_t i = 0; i < count; i++)
        if (pool_own(&a->pool, first + (i + a->seat) % count)) {
            *cell = first + (i + a->seat) % count;
            return true;
        }
    pool_flush(&a->pool);
    return pool_search(&a->pool, actor_now_ms(a), cell);
}
