/* SPDX-License-Identifier: MIT */
#include "past.h"
#include "catch_up_cell.h"
#include "durable_history.h"
#include "error.h"
#include <errno.h>

bool past_any(const struct fold *f) {
    for (uint32_t i = 0; i < f->groups.count; i++)
        if (f->groups.groups[i].past != PAST_NONE)
            return true;
    return false;
}

/* The groups to which the message was fed, and that have not settled it. */
static uint32_t wanted(const struct fold *f, uint64_t sequence) {
    const struct live_message *aside = live_find(&f->aside, sequence);
    const uint32_t groups = fold_fed_to(f, sequence);
    return aside == NULL || MUTANT(past_settled_again) ? groups : groups & ~aside->pending;
}

static int put(struct fold *f, const struct journal_record *r) {
    struct record_message m;
    uint32_t groups = wanted(f, r->sequence);
    if (groups == 0 || !record_message_read(r->payload, r->bytes, &m) || !past_message_counts(&m, f->now_ns))
        return 0;
    struct live_message *live = live_find(&f->told.live, r->sequence);
    if (live == NULL) {
        if ((live = live_put(&f->told.live, r->sequence, r->payload, (uint32_t)r->bytes)) == NULL)
            return -ENOMEM;
        live->past = true;
    }
    live->pending |= groups;
    const struct live_message *aside = live_find(&f->aside, r->sequence);
    for (const struct live_delivery *d = aside != NULL ? aside->deliveries : NULL; d != NULL; d = d->next)
        if (groups >> d->group & 1 && live_deliver(live, d->group, d->record, d->bytes) < 0)
            return -ENOMEM;
    return 0;
}

/*
 * A file is damaged that is only kept: the queue starts all the same. A group that is behind goes on there, and whoever receives from it is told what is wrong; one that has caught up since loses what it was fed behind it.
 */
static void give_up_at(struct fold *f, uint64_t sequence) {
    for (uint32_t i = 0; i < f->groups.count; i++) {
        struct record_group *g = &f->groups.groups[i];
        if (g->past == PAST_NONE || g->fed <= sequence)
            continue;
        const uint64_t reached = g->told > sequence ? g->told : sequence;
        if (g->past == PAST_BEHIND)
            g->fed = reached;
        else
            g->dropped += g->fed - reached;
    }
}

/*
 * A group that is behind goes back to where it was fed nothing any more that it settled, or that failed, or is said to be live: from there on it is fed once more, instead of having all of it live at once, which may be more than there is memory
 * for, if most of it was passed.
 */
static void go_back(struct fold *f, struct record_group *g) {
    const struct live *const tables[] = {&f->aside, &f->told.live};
    uint64_t fed = g->told;
    for (size_t i = 0; i < 2; i++) {
        const struct live_message *m;
        for (size_t at = 0; (m = live_next(tables[i], &at)) != NULL; at++) {
            bool is_its = m->pending >> g->index & 1;
            for (const struct live_delivery *d = m->deliveries; d != NULL; d = d->next)
                is_its = is_its || d->group == g->index;
            if (is_its && m->sequence >= fed && m->sequence < g->fed)
                fed = m->sequence + 1;
        }
    }
    g->fed = fed;
}

int past_read(struct fold *f) {
    uint64_t from = UINT64_MAX, to = 0;
    struct durable_history *h;
    for (uint32_t i = 0; i < f->groups.count; i++) {
        struct record_group *g = &f->groups.groups[i];
        if (g->past == PAST_BEHIND)
            go_back(f, g);
        if (g->past == PAST_NONE || g->told == g->fed)
            continue;
        from = g->told < from ? g->told : from;
        to = g->fed > to ? g->fed : to;
    }
    if (from >= to)
        return 0;
    int result = history_open(&h, f->path, NULL, from, false);
    if (result < 0)
        return result;
    for (uint64_t reached = from;;) {
        struct journal_record r;
        struct history_gap gap;
        result = history_next(h, &r, &gap);
        if (result == RP_LAPPED) /* they went before the group was made */
            continue;
        if (result == RP_CORRUPT) {
            give_up_at(f, reached);
            result = 0;
            break;
        }
        if (result != 0 || r.sequence >= to)
            break;
        reached = r.sequence + 1;
        if (put(f, &r) < 0) {
            result = fail(-ENOMEM, "journal '%.100s': no memory for its messages", f->path);
            break;
        }
    }
    history_close(h);
    return result == RP_EMPTY ? 0 : result;
}
