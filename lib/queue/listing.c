/* SPDX-License-Identifier: MIT */
#include "listing.h"
#include <stdlib.h>

void listing_open(struct listing *l) { pthread_mutex_init(&l->lock, NULL); }

void listing_close(struct listing *l) {
    free(l->all);
    pthread_mutex_destroy(&l->lock);
}

static int by_id(const void *a, const void *b) {
    uint64_t x = ((const struct listed *)a)->id, y = ((const struct listed *)b)->id;
    return (x > y) - (x < y);
}

struct listed *listing_make(const rp_queue *q, const struct known_group *group, unsigned states, uint64_t after_id, size_t *count) {
    size_t room = 64;
    struct listed *all = malloc(room * sizeof *all);
    *count = 0;
    for (uint32_t c = 0; all != NULL && c < q->segment.layout.cell_count; c++) {
        struct found f;
        if (!lookup_cell(q, group, c, states, &f) || f.id <= after_id)
            continue;
        if (*count == room) {
            struct listed *more = realloc(all, 2 * room * sizeof *all);
            if (more == NULL) {
                free(all);
                return NULL;
            }
            all = more;
            room *= 2;
        }
        all[(*count)++] = (struct listed){f.id, c};
    }
    if (all != NULL)
        qsort(all, *count, sizeof *all, by_id);
    return all;
}

/* Makes the list anew. It may be used for a tick, or for long enough that making lists takes a small part of the time. */
static bool renew(rp_queue *q, struct listing *l, const struct known_group *group, unsigned states, uint64_t after_id) {
    uint64_t start_ns = clock_boot_ns();
    free(l->all);
    l->all = listing_make(q, group, states, after_id, &l->count);
    l->next = 0;
    l->group = *group;
    l->states = states;
    uint64_t end_ns = clock_boot_ns(), tick_ns = TICK_MS * UINT64_C(1000000), took_ns = end_ns - start_ns;
    l->until_ns = end_ns + (20 * took_ns > tick_ns ? 20 * took_ns : tick_ns);
    return l->all != NULL && l->count > 0;
}

/* The next of the list that is still there. */
static bool take(const rp_queue *q, struct listing *l, uint64_t after_id, struct found *out) {
    while (l->next < l->count) {
        const struct listed *e = &l->all[l->next++];
        if (e->id > after_id && lookup_cell(q, &l->group, e->cell, l->states, out) && out->id == e->id)
            return true;
    }
    return false;
}

bool listing_next(rp_queue *q, const struct known_group *group, unsigned states, uint64_t after_id, struct found *out) {
    struct listing *l = &q->listing;
    pthread_mutex_lock(&l->lock);
    bool same = group->index == l->group.index && group->generation == l->group.generation && states == l->states;
    bool on = l->last_id != 0 && after_id == l->last_id && same, found = false;
    if (on && l->all != NULL && clock_boot_ns() < l->until_ns)
        found = take(q, l, after_id, out);
    if (on && !found && renew(q, l, group, states, after_id))
        found = take(q, l, after_id, out);
    if (!on || (!found && l->all == NULL)) { /* the first, or one by itself; or no memory for a list */
        free(l->all);
        l->all = NULL;
        l->group = *group;
        l->states = states;
        found = lookup_next(q, group, states, after_id, out);
    }
    l->last_id = found ? out->id : 0;
    pthread_mutex_unlock(&l->lock);
    return found;
}
