/* SPDX-License-Identifier: MIT */
#include "fanout.h"
#include "catch_up.h"
#include "dead.h"
#include "delivery.h"
#include "durable.h"
#include "groups.h"
#include "lane.h"
#include <stdio.h>

bool fanout_committed(const struct segment *s, uint32_t c, uint64_t w) {
    if (cell_state(w) == CELL_COMMITTED || (!MUTANT(recover_no_verdict) && lane_holds(s, c, w)))
        return true;
    if (MUTANT(recover_slot_only) || MUTANT(recover_no_verdict))
        return false;
    for (uint32_t rest = cell_pending(w) & groups_possible(s); rest != 0; rest &= rest - 1) {
        if (taken(load_acquire(delivery_at(s, (unsigned)__builtin_ctz(rest), c), delivery), w))
            return true;
        if (MUTANT(recover_asks_one))
            return false;
    }
    return false;
}

/* Settles a delivery that nobody has taken. The caller read `d`, then `w`, and knows that the message is committed. */
static bool drop_untaken(struct actor *a, unsigned group, uint32_t c, uint64_t d, uint64_t w) {
    uint32_t hold = hold_make(cell_generation(w), 0);
    if (!delivery_finish(a, group, c, d, delivery_of_hold(DELIVERY_SETTLED, NOBODY, NOBODY, NOBODY, hold)))
        return false;
    tally_add(&a->tally, COUNT_PURGED, 1);
    return true;
}

/* Whoever moved it decided whether a group that began in the past gets it, and by other means: catch_up.h. */
static bool is_meant(const struct segment *s, unsigned group, uint32_t version) {
    const uint64_t groups = groups_load(s);
    bool by_place = durable(s) && past_groups(s) >> group & 1 && !MUTANT(past_stale);
    return by_place ? groups_active(s, groups) >> group & 1 : groups_same(s, groups, group, version);
}

static void drop_stale(struct actor *a, unsigned group, uint32_t c, uint64_t generation, uint32_t version) {
    const struct segment *s = a->segment;
    for (;;) {
        uint64_t d = load_acquire(delivery_at(s, group, c), delivery);
        uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
        if (!cell_pends(w, group) || cell_generation(w) != (generation & GENERATION_MASK) || taken(d, w) ||
            (is_meant(s, group, version) && !MUTANT(stale_drops_all)) || drop_untaken(a, group, c, d, w))
            return;
    }
}

void fanout_drop_stale(struct actor *a, uint32_t c, uint64_t generation, uint32_t version) {
    uint64_t w = load_acquire(&segment_cell(a->segment, c)->word, cell_word);
    for (unsigned g = 0; g < a->segment->parameters.max_groups; g++)
        if (cell_pends(w, g))
            drop_stale(a, g, c, generation, version);
}

/* Read by who has read the cell's word and will compare and swap one of its words: if it is another message's by now, that fails. */
uint32_t fanout_version(const struct segment *s, uint32_t c) { return field_read(&segment_cell(s, c)->flags) >> 8; }

enum fanout_purge fanout_purge(struct actor *a, unsigned group, uint32_t c) {
    const struct segment *s = a->segment;
    for (;;) {
        /* The delivery word, the cell word, the groups, in this order: who sleeps before the first CAS must not drop a new group's message. */
        uint64_t early = MUTANT(purge_active_first) ? groups_load(s) : 0;
        uint64_t d = load_acquire(delivery_at(s, group, c), delivery);
        uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
        uint64_t groups = MUTANT(purge_active_first) ? early : groups_load(s);
        if ((groups_active(s, groups) >> group & 1) || !cell_pends(w, group))
            return PURGE_NOTHING;
        if (!taken(d, w)) {
            if (!fanout_committed(s, c, w))
                return PURGE_NOT_YET;
            if (drop_untaken(a, group, c, d, w))
                return PURGE_DONE;
        } else if (delivery_state(d) == DELIVERY_SETTLED) {
            settle(a, group, c, delivery_incarnation(d));
            return PURGE_DONE;
        } else if (delivery_state(d) == DELIVERY_LIMBO) {
            return PURGE_NOTHING;
        } else if (delivery_leaves(d) && durable(s)) { /* the bit stays until it is recorded, and must not bring it to its lane's end meanwhile */
            if (delivery_finish(a, group, c, d, delivery_of_hold(DELIVERY_SETTLED, NOBODY, NOBODY, NOBODY, delivery_hold(d)))) {
                tally_add(&a->tally, COUNT_PURGED, 1);
                return PURGE_DONE;
            }
        } else if (taken_drop(a, group, c, d)) {
            tally_add(&a->tally, COUNT_PURGED, 1);
            return PURGE_DONE;
        }
        if (MUTANT(purge_no_retry)) /* somebody took it, or gave it back, in this moment: look again */
            return PURGE_DONE;
    }
}

/* Frees the places that belong to no group any more: the word first, then the groups, which may only have become fewer of that generation. */
static int free_places(const struct segment *s) {
    uint64_t groups = groups_load(s);
    int done = 0;
    for (uint32_t rest = groups_possible(s) & ~groups_active(s, groups) & ~groups_draining(s, groups); rest != 0;
         rest &= rest - 1) {
        unsigned g = (unsigned)__builtin_ctz(rest);
        uint64_t word = load_acquire(&s->groups[g].word, active);
        if (group_state(word) != GROUP_USED)
            continue;
        groups = groups_load(s);
        if (!((groups_active(s, groups) | groups_draining(s, groups)) >> g & 1))
            done += cas_acq_rel(&s->groups[g].word, &word, group_word(GROUP_UNUSED, NOBODY, group_generation(word)), active);
    }
    return done;
}

/* After a walk over all cells: takes the group off the draining ones, if it is the same as when the walk began. */
static int end_draining(const struct segment *s, unsigned group, uint64_t word) {
    uint64_t groups = groups_load(s);
    for (;;) {
        bool same = group_generation(load_acquire(&s->groups[group].word, active)) == group_generation(word);
        if (!same || !(groups_draining(s, groups) >> group & 1))
            return 0;
        if (groups_change(s, &groups, groups_draining(s, groups) & ~(UINT32_C(1) << group), groups_active(s, groups)))
            return 1;
    }
}

static int walk_draining(struct actor *a, uint32_t draining) {
    const struct segment *s = a->segment;
    /* A sender whose slot is not filled yet will see, when it has filled it, that the groups changed. Of the others we see the cells' words from now on. */
    for (uint64_t i = 0, n = (uint64_t)s->parameters.lane_count * s->layout.lane_slot_count; i < n; i++)
        (void)load_seq_cst(&s->lanes[i], slot);
    int done = 0;
    for (uint32_t c = 0; c < s->layout.cell_count; c++) {
        uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
        for (uint32_t rest = cell_is_published(w) ? cell_pending(w) & draining : 0; rest != 0; rest &= rest - 1)
            done += fanout_purge(a, (unsigned)__builtin_ctz(rest), c) == PURGE_DONE;
    }
    return done;
}

int fanout_sweep(struct actor *a) {
    const struct segment *s = a->segment;
    uint64_t words[MAX_GROUPS];
    uint32_t draining = groups_draining(s, load_seq_cst(&s->control->active, active));
    if (draining == 0)
        return free_places(s);
    for (unsigned g = 0; g < s->parameters.max_groups; g++)
        words[g] = load_acquire(&s->groups[g].word, active);
    /* Once more, after the words: else a word may be of a younger group, which is removed when our walk has passed its messages. */
    if (!MUTANT(draining_before_words))
        draining = groups_draining(s, load_seq_cst(&s->control->active, active));
    int done = MUTANT(reuse_before_walk) ? 0 : walk_draining(a, draining);
    for (uint32_t rest = draining; rest != 0; rest &= rest - 1) {
        unsigned g = (unsigned)__builtin_ctz(rest);
        done += end_draining(s, g, words[g]);
    }
    if (MUTANT(reuse_before_walk))
        done += walk_draining(a, draining);
    return done + free_places(s);
}

int fanout_recover(struct actor *a, uint32_t dead) {
    const struct segment *s = a->segment;
    int done = 0;
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        uint64_t word = load_acquire(&s->groups[g].word, active);
        if (group_state(word) != GROUP_CREATING || group_owner(word) != dead || MUTANT(recover_no_creator))
            continue;
        /* Once it was active, free_places finds out what became of it. */
        bool began = groups_has(s, g);
        uint64_t next = group_word(began ? GROUP_USED : GROUP_UNUSED, NOBODY, group_generation(word));
        done += cas_acq_rel(&s->groups[g].word, &word, next, active);
    }
    return done;
}

enum { ASKED_LANES_MAX = 64 }; /* a sender that polls must not spend its time on this */

void fanout_behind(const struct segment *s, char *out, size_t size) {
    uint64_t most = 0;
    unsigned furthest = 0;
    for (uint32_t rest = groups_active(s, groups_load(s)); rest != 0; rest &= rest - 1) {
        unsigned g = (unsigned)__builtin_ctz(rest);
        uint64_t behind = 0;
        for (uint32_t i = 0; i < s->parameters.lane_count && i < ASKED_LANES_MAX; i++) {
            int64_t lane = (int64_t)(load_acquire(&s->lane_ends[i].tail, hints) -
                                     load_acquire(&segment_lane_start(s, g, i)->lane_head, hints));
            behind += lane > 0 ? (uint64_t)lane : 0;
        }
        if (behind > most) {
            most = behind;
            furthest = g;
        }
    }
    char name[GROUP_NAME_BYTES];
    group_name(s, furthest, name);
    out[0] = '\0';
    if (most > 0 && s->parameters.lane_count <= ASKED_LANES_MAX)
        snprintf(out, size, "; group '%s' is behind by about %llu messages", name, (unsigned long long)most);
}
