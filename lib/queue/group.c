/* SPDX-License-Identifier: MIT */
/* Making, removing and listing consumer groups. The steps, and what a crash after each leaves: groups.h. */
#include "catch_up.h"
#include "dead_count.h"
#include "delivery.h"
#include "durable.h"
#include "error.h"
#include "fanout.h"
#include "groups.h"
#include "lookup.h"
#include "options.h"
#include "pause.h"
#include "spill.h"
#include <errno.h>
#include <string.h>

RP_API void rp_group_options_init(struct rp_group_options *o, size_t size) {
    const struct rp_group_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

static int check(const rp_queue *q, const char *group, const char *call) {
    int result = queue_check(q);
    if (result < 0)
        return fail(result, "%s: %s", call, result == RP_FORKED ? "the queue was opened by the parent process" : "no queue");
    if (group == NULL || !group_name_valid(group))
        return fail(-EINVAL, "%s: '%.80s' is no name for a group: 1 to 63 of [A-Za-z0-9._-]", call, group == NULL ? "" : group);
    return q->read_only ? fail(-EROFS, "queue '%s' was opened read-only", q->name) : 0;
}

/* ---- making ---- */

/* Takes an unused place; word and index of it. False: there is none. */
static bool take_place(struct actor *a, unsigned *group, uint64_t *word) {
    const struct segment *s = a->segment;
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        uint64_t w = load_acquire(&s->groups[g].word, active);
        uint64_t groups = groups_load(s);
        bool in_use = (groups_active(s, groups) | groups_draining(s, groups)) >> g & 1;
        if (group_state(w) != GROUP_UNUSED || in_use)
            continue;
        *word = group_word(GROUP_CREATING, a->seat, group_generation(w) + 1);
        if (cas_acq_rel(&s->groups[g].word, &w, *word, active)) {
            *group = g;
            return true;
        }
    }
    return false;
}

static void become(const struct segment *s, unsigned group, uint64_t word, enum group_state state) {
    (void)cas_acq_rel(&s->groups[group].word, &word, group_word(state, NOBODY, group_generation(word)), active);
}

static void describe(const struct segment *s, unsigned g, const char *name, const struct rp_group_options *o) {
    struct group *group = &s->groups[g];
    group_set_name(s, g, name);
    store_relaxed(&group->overflow, o->overflow, own);
    store_relaxed(&group->created_wall_ns, clock_wall_ns(), own);
    store_relaxed(&group->dropped, 0, own);
    store_relaxed(&group->expired, 0, own);
    dead_count_reset(s, g);
    pause_forget(s, g);
    for (uint32_t i = 0; i < s->parameters.lane_count; i++)
        hint_raise(&segment_lane_start(s, g, i)->lane_head, load_acquire(&s->lane_ends[i].tail, hints));
    struct ring_name names[RINGS_MAX];
    for (unsigned n = delivery_rings(s, g, names); n > 0; n--) {
        struct index_ring ring = delivery_ring(s, names[n - 1]);
        hint_raise(delivery_ring_head(s, names[n - 1]), load_acquire(ring.tail, hints));
    }
}

/*
 * Nothing of the group that had the place before may be taken for the new one's: neither messages of its last senders nor, where the place lay unused while
 * a cell went round 2^23 times, an incarnation that happens to be the next one's.
 */
static void clear_place(struct actor *a, unsigned g) {
    const struct segment *s = a->segment;
    for (uint32_t c = 0; c < s->layout.cell_count; c++) {
        spill_group_clear(a, g, c);
        if (!MUTANT(create_no_purge))
            (void)fanout_purge(a, g, c);
        uint64_t d = load_acquire(delivery_at(s, g, c), delivery);
        uint64_t generation = cell_generation(load_acquire(&segment_cell(s, c)->word, cell_word));
        uint32_t behind = ((uint32_t)generation - delivery_incarnation(d)) & 0x7fffff;
        if ((delivery_state(d) == DELIVERY_SETTLED || delivery_leaves(d)) && behind > 1)
            (void)cas_acq_rel(delivery_at(s, g, c), &d,
                              delivery_of_hold(DELIVERY_SETTLED, NOBODY, NOBODY, NOBODY, hold_make(generation - 1, 0)), delivery);
    }
}

/* The step with which the group begins. False: another one has the name. */
static bool begin(const struct segment *s, unsigned g, const char *name) {
    uint64_t groups = groups_load(s);
    for (;;) {
        if (groups_find_in(s, groups, name) >= 0 && !MUTANT(create_same_name)) {
            uint64_t now = groups_load(s);
            if (now == groups)
                return false;
            groups = now;
            continue;
        }
        store_release(&s->groups[g].since, (groups_version(groups) + 1) & GROUPS_VERSION_MASK, active);
        if (groups_change(s, &groups, groups_draining(s, groups), groups_active(s, groups) | UINT32_C(1) << g))
            return true;
    }
}

static int no_place(const rp_queue *q) {
    const struct segment *s = &q->segment;
    uint64_t groups = groups_load(s);
    return fail(-ENOSPC, "queue '%s': of its %u places for groups %d are taken, the others are being made or removed", q->name,
                s->parameters.max_groups, __builtin_popcount(groups_active(s, groups)));
}

/* `start`: NULL, or the position in the journal ring with which it begins. */
static int create(struct actor *a, const char *name, const struct rp_group_options *o, const uint64_t *start) {
    const struct segment *s = a->segment;
    unsigned g;
    uint64_t word;
    if (groups_find(s, name, NULL) >= 0)
        return -EEXIST;
    if (!take_place(a, &g, &word)) {
        (void)fanout_sweep(a);
        if (!take_place(a, &g, &word))
            return no_place(a->queue);
    }
    describe(s, g, name, o);
    spill_group_begin(a, g);
    if (durable(s))
        catch_up_begin(a, g, start);
    clear_place(a, g);
    bool began = begin(s, g, name);
    become(s, g, word, began ? GROUP_USED : GROUP_UNUSED);
    return began ? 0 : -EEXIST;
}

RP_API int rp_group_create(rp_queue *q, const char *group, const struct rp_group_options *given) {
    struct rp_group_options o;
    rp_group_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_group_options");
    if (result < 0 || (result = check(q, group, "rp_group_create")) < 0)
        return result;
    if (o.reserved != 0 || o.reserved32 != 0)
        return fail(-E2BIG, "rp_group_options: a reserved field is not 0");
    if (o.overflow > RP_GROUP_DEAD)
        return fail(-EINVAL, "rp_group_create: unknown overflow %u", o.overflow);
    if (spills(&q->segment) && o.overflow >= RP_GROUP_DROP_OLDEST)
        return fail(-ENOTSUP, "queue '%s' spills what has no memory, and its groups lose nothing", q->name);
    if (durable(&q->segment) && (o.overflow > RP_GROUP_BLOCK))
        return fail(-ENOTSUP, "queue '%s' has a journal: its groups cannot drop messages to make room", q->name);
    if (o.start > RP_START_TIME)
        return fail(-EINVAL, "rp_group_create: unknown start %u", o.start);
    if (o.start != RP_START_NEWEST && !durable(&q->segment))
        return fail(-ENOTSUP, "queue '%s' has no journal: what was sent before a group is made is not there for it", q->name);
    struct actor a;
    uint64_t start;
    actor_open(&a, q);
    if (o.start != RP_START_NEWEST)
        result = catch_up_find(&a, &o, &start);
    if (result == 0)
        result = create(&a, group, &o, o.start != RP_START_NEWEST ? &start : NULL);
    if (result == 0)
        result = durable_record_groups(&a);
    actor_close(&a);
    return result == -EEXIST ? fail(-EEXIST, "queue '%s' has a group '%s' already", q->name, group) : result;
}

/* ---- removing ---- */

/* The step with which the group ends. Its index, or -1. */
static int end(const struct segment *s, const char *name) {
    for (;;) {
        uint64_t groups = groups_load(s);
        int g = groups_find_in(s, groups, name);
        if (g < 0) {
            if (groups_load(s) == groups)
                return -1;
            continue;
        }
        uint64_t word = load_acquire(&s->groups[g].word, active);
        if (group_state(word) == GROUP_CREATING &&
            !MUTANT(remove_under_creator)) /* its creator did not get there yet: from here on nobody could tell */
            become(s, (unsigned)g, word, GROUP_USED);
        uint32_t bit = UINT32_C(1) << g;
        if (groups_change(s, &groups, groups_draining(s, groups) | bit, groups_active(s, groups) & ~bit))
            return g;
    }
}

RP_API int rp_group_remove(rp_queue *q, const char *group) {
    int result = check(q, group, "rp_group_remove");
    if (result < 0)
        return result;
    int g = end(&q->segment, group);
    if (g < 0)
        return fail(-ENOENT, "queue '%s' has no group '%s'", q->name, group);
    group_wake(&q->segment, (unsigned)g, INT32_MAX);
    struct actor a;
    actor_open(&a, q);
    (void)fanout_sweep(&a);
    result = durable_record_groups(&a);
    actor_close(&a);
    return result;
}

/* ---- listing ---- */

static void count(rp_queue *q, unsigned g, struct rp_group_info *out) {
    const struct segment *s = &q->segment;
    struct known_group known = group_known(s, g);
    for (uint32_t c = 0, n = cells_in_play(s); c < n; c++) {
        struct found f;
        if (!lookup_cell(q, &known, c, RP_STATE_ALL, &f)) {
            uint64_t d = load_acquire(delivery_at(s, g, c), delivery);
            out->lingering += delivery_state(d) == DELIVERY_LIMBO;
            continue;
        }
        out->ready += f.state == RP_STATE_READY;
        out->leased += f.state == RP_STATE_LEASED;
        out->delayed += f.state == RP_STATE_DELAYED;
        out->dead += f.state == RP_STATE_DEAD;
        if (f.state == RP_STATE_READY && (out->oldest_ready_ns == 0 || f.sent_wall_ns < out->oldest_ready_ns))
            out->oldest_ready_ns = f.sent_wall_ns;
    }
}

RP_API int rp_group_next(rp_queue *q, uint32_t index, struct rp_group_info *out) {
    int result = queue_check(q);
    if (result < 0 || out == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_group_next");
    const struct segment *s = &q->segment;
    for (unsigned g = index; g < s->parameters.max_groups; g++) {
        if (!groups_has(s, g))
            continue;
        const struct group *group = &s->groups[g];
        uint64_t tickets = load_seq_cst(&s->control->tickets[g], tickets);
        *out = (struct rp_group_info){
            .index = g,
            .overflow = (uint32_t)load_relaxed(&group->overflow, recheck),
            .created_ns = load_relaxed(&group->created_wall_ns, recheck),
            .waiting = (uint32_t)(tickets >> 32) - (uint32_t)tickets,
            .dropped = load_relaxed(&group->dropped, stat),
            .expired = load_relaxed(&group->expired, stat),
            .paused = pause_load(s) >> g & 1,
            .behind = durable(s) ? catch_up_left(s, g) : 0,
        };
        group_name(s, g, out->name);
        count(q, g, out);
        return 0;
    }
    return RP_EMPTY;
}
