/* SPDX-License-Identifier: MIT */
#include "named.h"
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

void named_close(struct named *n) {
    free(n->all);
    free(n->slots);
    *n = (struct named){.count = 0};
}

/* There are twice as many slots as room: the empty one, or that of the id. */
static uint32_t *slot_of(const struct named *n, const unsigned char *id, size_t bytes) {
    const size_t mask = 2 * n->room - 1;
    for (size_t i = XXH3_64bits(id, bytes) & mask;; i = (i + 1) & mask) {
        const struct named_id *e = n->slots[i] != 0 ? &n->all[n->slots[i] - 1] : NULL;
        if (e == NULL || (e->bytes == bytes && memcmp(e->id, id, bytes) == 0))
            return &n->slots[i];
    }
}

static bool grow(struct named *n) {
    const size_t room = n->room == 0 ? 64 : 2 * n->room;
    struct named_id *all = room < UINT32_MAX ? realloc(n->all, room * sizeof *all) : NULL;
    if (all == NULL)
        return false;
    n->all = all;
    uint32_t *slots = calloc(2 * room, sizeof *slots);
    if (slots == NULL)
        return false;
    free(n->slots);
    n->slots = slots;
    n->room = room;
    for (uint32_t i = 0; i < n->count; i++)
        *slot_of(n, all[i].id, all[i].bytes) = i + 1;
    return true;
}

struct named_id *named_put(struct named *n, const struct record_id *r) {
    if (n->count == n->room && !grow(n))
        return NULL;
    uint32_t *slot = slot_of(n, r->id, r->bytes);
    if (*slot == 0) {
        n->all[n->count] = (struct named_id){.bytes = (uint32_t)r->bytes, .gone = true};
        memcpy(n->all[n->count].id, r->id, r->bytes);
        *slot = (uint32_t)++n->count;
    }
    return &n->all[*slot - 1];
}

static int by_time(const void *x, const void *y) {
    const struct named_id *a = x, *b = y;
    if (a->gone != b->gone)
        return a->gone ? 1 : -1;
    return (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
}

size_t named_sort(struct named *n) {
    size_t count = 0;
    if (n->count > 0)
        qsort(n->all, n->count, sizeof *n->all, by_time);
    while (count < n->count && !n->all[count].gone)
        count++;
    return count;
}
