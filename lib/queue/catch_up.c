/* SPDX-License-Identifier: MIT */
/* Who gets what; what others do for those that are behind; and a group's begin. */
#include "catch_up.h"
#include "groups.h"
#include "lane.h"
#include "schedule.h"

static a64 *fed_at(const struct segment *s, unsigned group) { return &s->groups[group].fed; }

static uint64_t point_now(const struct segment *s) {
    uint64_t moved = load_acquire(&s->control->journal_moved, hints);
    return point_position(load_acquire(&s->control->journal_point, journaled), moved);
}

uint32_t catch_up_mask_of(const struct segment *s, uint32_t past, uint32_t groups, uint64_t t) {
    const uint32_t active = groups_active(s, groups_load(s));
    for (uint32_t rest = past; rest != 0; rest &= rest - 1) {
        uint64_t fed = load_acquire(fed_at(s, (unsigned)__builtin_ctz(rest)), cursor);
        bool gets = fed_done(fed) && (int64_t)(t - fed_position(fed, t)) >= 0 && active & rest & -rest;
        if (MUTANT(past_gets_all))
            gets = active & rest & -rest;
        if (MUTANT(past_as_sent) && fed_done(fed))
            continue;
        groups = gets ? groups | (rest & -rest) : groups & ~(rest & -rest);
    }
    return groups;
}

static uint32_t active_past(const struct segment *s) {
    uint32_t past = past_groups(s);
    return likely(past == 0) ? 0 : past & groups_active(s, groups_load(s));
}

uint32_t catch_up_behind(const struct segment *s) {
    uint32_t behind = 0;
    for (uint32_t rest = active_past(s); rest != 0; rest &= rest - 1)
        if (!fed_done(load_acquire(fed_at(s, (unsigned)__builtin_ctz(rest)), cursor)))
            behind |= rest & -rest;
    return behind;
}

uint32_t catch_up_untold(const struct segment *s) {
    uint32_t untold = 0;
    for (uint32_t rest = active_past(s); rest != 0; rest &= rest - 1) {
        unsigned g = (unsigned)__builtin_ctz(rest);
        uint64_t told = load_acquire(&s->groups[g].told, cursor), fed = load_acquire(fed_at(s, g), cursor);
        if (!fed_done(fed) || fed_position(told, 0) != fed_position(fed, 0))
            untold |= rest & -rest;
    }
    return untold;
}

void catch_up_wake(const struct segment *s) {
    for (uint32_t rest = catch_up_behind(s); rest != 0; rest &= rest - 1)
        group_wake(s, (unsigned)__builtin_ctz(rest), 1);
}

uint64_t catch_up_left(const struct segment *s, unsigned group) {
    if (!(active_past(s) >> group & 1))
        return 0;
    uint64_t fed = load_acquire(fed_at(s, group), cursor), end = point_now(s), at = fed_position(fed, end);
    return fed_done(fed) || (int64_t)(end - at) <= 0 ? 0 : end - at;
}

/* ---- cells on their way ---- */

/* Is it the message of this position that the cell has, under this generation? Its place in the ring says so: no other message has the same. */
static bool is_of(const struct segment *s, uint32_t c, uint64_t generation, uint64_t position) {
    return load_acquire(&segment_extra(s, c)->journal, journal) == position_word(generation, 0, position);
}

enum requeue catch_up_help(struct actor *a, unsigned group, uint64_t fed) {
    const struct segment *s = a->segment;
    const uint32_t c = fed_cell(fed);
    if (c == NO_CELL)
        return REQUEUE_IN;
    if (!segment_has_cell(s, c))
        return REQUEUE_DAMAGED;
    struct cell *cell = segment_cell(s, c);
    const uint64_t position = fed_position(fed, point_now(s)) - 1;
    /* The word, then what the cell says of its place: if the CAS succeeds they belong together, and the cell is the one that is named. */
    uint64_t w = load_acquire(&cell->word, cell_word);
    if (cell_state(w) == CELL_STAGED && cell_pending(w) == UINT32_C(1) << group &&
        (is_of(s, c, cell_generation(w) + 1, position) || MUTANT(past_help_any))) {
        uint32_t flags = field_read(&cell->flags);
        uint64_t expires = flags & CELL_EXPIRES ? field_read(&segment_extra(s, c)->expires_ns) : 0;
        uint64_t next = cell_word(CELL_COMMITTED, NOBODY, cell_pending(w), cell_generation(w) + 1);
        if (cas_seq_cst(&cell->word, &w, next, cell_word)) {
            w = next;
            if (flags & CELL_EXPIRES)
                schedule_timer(a, c, flags, expires, false);
        }
    }
    if (cell_state(w) != CELL_COMMITTED || !is_of(s, c, cell_generation(w), position) || MUTANT(past_help_no_insert))
        return REQUEUE_IN; /* it was settled, and the cell is another's by now */
    enum requeue in = lane_exists(s, lane_of(s, c)) ? lane_insert(s, c) : REQUEUE_DAMAGED;
    bool still = in == REQUEUE_IN || is_of(s, c, cell_generation(w), position);
    return in == REQUEUE_NOT_DUE || !still ? REQUEUE_IN : in;
}

void catch_up_sweep(struct actor *a) {
    const struct segment *s = a->segment;
    for (uint32_t rest = active_past(s); rest != 0; rest &= rest - 1) {
        unsigned g = (unsigned)__builtin_ctz(rest);
        (void)catch_up_help(a, g, load_acquire(fed_at(s, g), cursor));
    }
}

bool catch_up_recover_cell(struct actor *a, uint32_t c, uint64_t w) {
    const struct segment *s = a->segment;
    unsigned group = cell_pending(w) == 0 ? MAX_GROUPS : (unsigned)__builtin_ctz(cell_pending(w));
    if (group >= s->parameters.max_groups)
        return false;
    /* Did the CAS succeed? If so, and somebody went on, the cell is STAGED no more. */
    uint64_t fed = load_seq_cst(fed_at(s, group), cursor);
    return fed_cell(fed) == c && !MUTANT(past_recover_frees) && catch_up_help(a, group, fed) != REQUEUE_DAMAGED &&
           load_acquire(&segment_cell(s, c)->word, cell_word) != w;
}

/* ---- a group's begin ---- */

static void change_past(const struct segment *s, uint32_t set, uint32_t clear) {
    a64 *word = &s->control->journal_past;
    uint64_t w = load_acquire(word, active);
    while (!cas_seq_cst(word, &w, (w | set) & ~(uint64_t)clear, active)) {
    }
}

void catch_up_hold(const struct segment *s, uint64_t until_ms) {
    a64 *word = &s->control->journal_past;
    uint64_t w = load_acquire(word, active);
    while (!cas_seq_cst(word, &w, until_ms << MAX_GROUPS | bits(w, 0, MAX_GROUPS), active)) {
    }
}

/*
 * Whoever moves what is below the point has looked at the groups; from here on nobody does with what he saw before: all of that has been moved, and the next ones he finds behind a point that was moved after we touched it.
 */
static void move_all(struct actor *a) {
    a64 *point = &a->segment->control->journal_point;
    uint64_t w = load_acquire(point, journaled);
    while (!cas_acq_rel(point, &w, w, journaled)) {
    }
    if (!MUTANT(past_begins_unmoved))
        durable_move(a);
}

void catch_up_begin(struct actor *a, unsigned group, const uint64_t *start) {
    const struct segment *s = a->segment;
    const uint32_t bit = UINT32_C(1) << group;
    if (start == NULL && !(past_groups(s) & bit))
        return;
    /* Also where the new one is of the other kind: who fed the one before must not succeed any more. */
    const uint64_t generation = group_generation(load_acquire(&s->groups[group].word, active)),
                   anew = fed_word(false, generation, start != NULL ? *start : 0, NO_CELL);
    store_release(&s->groups[group].told, anew, cursor);
    if (!MUTANT(past_keeps_fed))
        store_seq_cst(fed_at(s, group), anew, cursor);
    change_past(s, start != NULL ? bit : 0, start != NULL ? 0 : bit);
    move_all(a);
}

void catch_up_adopt(const struct segment *s, unsigned group, uint64_t told, uint64_t fed, bool done) {
    const uint64_t first = s->control->journal_first, generation = group_generation(load_relaxed(&s->groups[group].word, init));
    store_relaxed(&s->groups[group].told, fed_word(false, generation, told - first, NO_CELL), init);
    store_relaxed(fed_at(s, group), fed_word(done, generation, fed - first, NO_CELL), init);
    uint64_t past = load_relaxed(&s->control->journal_past, init);
    store_relaxed(&s->control->journal_past, past | UINT32_C(1) << group, init);
}
