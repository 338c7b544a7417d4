/* SPDX-License-Identifier: MIT */
#include "pool_ranges.h"

enum { HOME_EVERY = 8 };

static uint32_t words_of(const struct pool_ranges *r, uint32_t i) { return r->range[i].end - r->range[i].first; }

static uint32_t go_to(struct pool_ranges *r, uint32_t i) {
    r->at = i;
    r->left = words_of(r, i);
    r->away = 0;
    return r->range[i].cursor;
}

void pool_ranges_open(struct pool_ranges *r, struct pool *p, const uint8_t order[SHARDS_MOST]) {
    const struct segment *s = p->segment;
    *r = (struct pool_ranges){.count = 0};
    for (uint32_t i = 0; i < s->parameters.numa_shards; i++) {
        struct cell_range cells = shard_cells(&s->parameters, &s->layout, order[i]);
        uint32_t first = cells.first / 64, end = (cells.end + 63) / 64;
        if (cells.first < cells.end) {
            r->range[r->count].first = first;
            r->range[r->count].end = end;
            r->range[r->count++].cursor = first + p->seat * CELLS_PER_PARTICIPANT / 64 % (end - first);
        }
    }
    p->cursor = go_to(r, 0);
    p->search_cursor = r->range[0].first * 64;
    p->ranges = r;
}

void pool_ranges_begin(struct pool *p) {
    struct pool_ranges *r = p->ranges;
    if (p->look_words < p->segment->layout.bitmap_words)
        return; /* a glance goes on where the last one ended */
    if (r->at != 0 && ++r->away >= HOME_EVERY)
        p->cursor = go_to(r, 0);
    else
        r->left = words_of(r, r->at); /* all of them, whatever the last refill has seen */
}

uint32_t pool_ranges_next(struct pool *p) {
    struct pool_ranges *r = p->ranges;
    uint32_t next = p->cursor + 1 < r->range[r->at].end ? p->cursor + 1 : r->range[r->at].first;
    r->range[r->at].cursor = next;
    return --r->left > 0 ? next : go_to(r, r->at + 1 < r->count ? r->at + 1 : 0);
}
