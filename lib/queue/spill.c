/* SPDX-License-Identifier: MIT */
/* What others do for spilled messages: groups that come and go, sweeps, recovery, purge, drain, counts. */
#include "spill.h"
#include "groups.h"
#include "lane.h"

bool spill_force_inside;

bool spill_counts(const struct segment *s, unsigned group) {
    /* A group that is made after this look begins at the end of that time. */
    bool coming = group_state(load_seq_cst(&s->groups[group].word, active)) == GROUP_CREATING && !MUTANT(spill_forgets_creating);
    return coming || groups_has(s, group);
}

uint64_t spill_lowest(const struct segment *s, uint32_t lane, uint64_t end) {
    bool any = false;
    uint64_t lowest = end;
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        if (!spill_counts(s, g))
            continue;
        uint64_t at = cursor_position(load_acquire(spill_cursor_at(s, g, lane), cursor), end);
        if (!any || (int64_t)(at - lowest) < 0)
            lowest = at;
        any = true;
    }
    return lowest;
}

bool spill_end(const struct segment *s, uint32_t lane, uint64_t *end) {
    const struct index_ring ring = spill_ring(s, lane);
    uint64_t slot;
    *end = load_acquire(ring.tail, hints);
    return ring_find(&ring, end, &slot, lane_never_live, NULL) == RING_FOUND;
}

/* ---- groups ---- */

static void go_to_end(struct actor *a, unsigned group, uint32_t lane, uint64_t *passed) {
    const struct segment *s = a->segment;
    a64 *word = spill_cursor_at(s, group, lane);
    uint64_t cursor = load_acquire(word, cursor), end;
    do {
        if (passed != NULL)
            (void)spill_help(a, group, lane, cursor);
        if (!spill_end(s, lane, &end))
            return;
    } while (!cas_seq_cst(word, &cursor, cursor_word(end, NO_CELL), cursor));
    int64_t gone = (int64_t)(end - cursor_position(cursor, end));
    if (passed != NULL && gone > 0)
        *passed += (uint64_t)gone;
}

void spill_group_begin(struct actor *a, unsigned group) {
    for (uint32_t lane = 0; spills(a->segment) && lane < a->segment->parameters.lane_count; lane++)
        go_to_end(a, group, lane, NULL);
}

void spill_group_clear(struct actor *a, unsigned group, uint32_t c) {
    a64 *word = &segment_cell(a->segment, c)->word;
    uint64_t w = load_acquire(word, cell_word);
    if (cell_state(w) != CELL_STAGED || cell_pending(w) != UINT32_C(1) << group || MUTANT(spill_group_keeps_staged))
        return;
    if (cas_seq_cst(word, &w, cell_word(CELL_FREE, NOBODY, 0, cell_generation(w)), cell_word))
        pool_freed(&a->pool, c);
}

uint64_t spill_purge(struct actor *a, unsigned group) {
    uint64_t passed = 0;
    for (uint32_t lane = 0; spills(a->segment) && lane < a->segment->parameters.lane_count; lane++)
        go_to_end(a, group, lane, &passed);
    if (passed > 0)
        (void)spill_free_all(a);
    return passed;
}

uint64_t spill_count(const struct segment *s, unsigned group) {
    uint64_t count = 0, end;
    for (uint32_t lane = 0; lane < s->parameters.lane_count; lane++) {
        uint64_t cursor = load_acquire(spill_cursor_at(s, group, lane), cursor);
        if (spill_end(s, lane, &end) && (int64_t)(end - cursor_position(cursor, end)) > 0)
            count += end - cursor_position(cursor, end);
    }
    return count;
}

/* ---- housekeeping ---- */

int spill_sweep(struct actor *a) {
    const struct segment *s = a->segment;
    for (uint32_t rest = groups_active(s, groups_load(s)); rest != 0; rest &= rest - 1)
        for (uint32_t lane = 0; lane < s->parameters.lane_count; lane++) {
            unsigned g = (unsigned)__builtin_ctz(rest);
            (void)spill_help(a, g, lane, load_acquire(spill_cursor_at(s, g, lane), cursor));
        }
    return spill_sweep_extents(a);
}

/*
 * The extent's owner is dead, and we hold his seat: nobody writes to it. What he announced and did not commit nobody has to wait for: the position may stay free until somebody finds an extent to fill it from.
 * Only a word that says something is written to: another may lie in a hole.
 */
static void settle_head(const struct segment *s, uint32_t e) {
    struct extent_head *head = extent_head(s, e);
    for (uint32_t lane = 0; lane < s->parameters.lane_count; lane++) {
        uint64_t last = load_acquire(&head->last[lane], extent_last), end;
        if (last != 0 && !MUTANT(spill_last_stays) && spill_end(s, lane, &end) && (int64_t)(last - end) > 0)
            store_release(&head->last[lane], end, extent_last);
    }
    if (load_acquire(&head->busy, spilling) != 0)
        store_release(&head->busy, 0, spilling);
}

int spill_recover(struct actor *a, uint32_t dead) {
    const struct segment *s = a->segment;
    int done = 0;
    for (uint32_t e = 0; spills(s) && e < s->layout.spill_extent_count; e++) {
        uint64_t w = load_acquire(&s->spill_extents[e], extent);
        if (extent_state(w) != EXTENT_OWNED || extent_owner(w) != dead)
            continue;
        settle_head(s, e);
        done += cas_acq_rel(&s->spill_extents[e], &w, extent_word(EXTENT_SEALED, NOBODY, extent_generation(w)), extent);
    }
    return done;
}

bool spill_recover_cell(struct actor *a, uint32_t c, uint64_t w) {
    const struct segment *s = a->segment;
    unsigned group = cell_pending(w) == 0 ? MAX_GROUPS : (unsigned)__builtin_ctz(cell_pending(w));
    uint32_t lane = lane_of(s, c);
    if (group >= s->parameters.max_groups || !lane_exists(s, lane))
        return false;
    /* Did the cursor's move succeed? If so, and somebody went on, the cell is STAGED no more. */
    uint64_t cursor = load_seq_cst(spill_cursor_at(s, group, lane), cursor);
    return cursor_cell(cursor) == c && !MUTANT(spill_recover_frees) && spill_help(a, group, lane, cursor) != REQUEUE_DAMAGED &&
           load_acquire(&segment_cell(s, c)->word, cell_word) != w;
}

/* ---- draining ---- */

bool spill_is_drained(const struct segment *s) {
    if (!spills(s))
        return true;
    for (uint32_t e = 0; e < s->layout.spill_extent_count; e++)
        if (extent_state(load_seq_cst(&s->spill_extents[e], extent)) == EXTENT_OWNED &&
            load_seq_cst(&extent_head(s, e)->busy, spilling) != 0 && !MUTANT(spill_drain_not_busy))
            return false;
    for (uint32_t rest = groups_active(s, groups_load(s)); rest != 0; rest &= rest - 1)
        if (spill_count(s, (unsigned)__builtin_ctz(rest)) != 0)
            return false;
    return true;
}
