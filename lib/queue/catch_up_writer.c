/* SPDX-License-Identifier: MIT */
/* What who has the writer's role does for groups that began in the past. */
#include "catch_up.h"
#include "durable_role.h"

#ifdef RP_SIM
enum { UNTOLD_MOST = 2 };
#else
enum { UNTOLD_MOST = 1 << 16 }; /* messages that were fed since the last snapshot: about what a start reads again */
#endif

/* Done, if it has caught up. That we have the role is asked after both were read: so the point is where it is in our time (catch_up.h). */
static void end(const struct writer *x, unsigned g, uint64_t fed, uint64_t position) {
    const struct segment *s = x->actor->segment;
    if (fed_position(fed, position) != position || catch_up_help(x->actor, g, fed) != REQUEUE_IN)
        return;
    if (load_seq_cst(&s->control->journal_role, journal_role) != x->role && !MUTANT(past_ends_robbed))
        return;
    (void)cas_seq_cst(&s->groups[g].fed, &fed, fed | UINT64_C(1) << 63, cursor);
}

void writer_tend_past(struct writer *x) {
    const struct segment *s = x->actor->segment;
    const uint64_t position = point_position(x->point, load_acquire(&s->control->journal_moved, hints));
    uint32_t untold = catch_up_untold(s);
    bool snapshot = false;
    for (; untold != 0; untold &= untold - 1) {
        unsigned g = (unsigned)__builtin_ctz(untold);
        uint64_t fed = load_acquire(&s->groups[g].fed, cursor), told = load_acquire(&s->groups[g].told, cursor);
        if (!fed_is_of(fed, group_known(s, g).generation)) /* damage: no snapshot would end that */
            continue;
        if (!fed_done(fed))
            end(x, g, fed, position);
        fed = load_acquire(&s->groups[g].fed, cursor);
        uint64_t apart = fed_position(fed, position) - fed_position(told, position);
        snapshot = snapshot || (fed_done(fed) ? apart != 0 : apart > UNTOLD_MOST + 2 * (uint64_t)s->layout.cell_count);
    }
    if (snapshot && !snapshot_is_wanted(s))
        (void)snapshot_ask(s);
}

/* What was fed last may be STAGED still, and is no message for who looks at cells: it is brought on first. */
void writer_past_begins(struct writer *x) {
    const struct segment *s = x->actor->segment;
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        x->snapshot_told[g] = load_acquire(&s->groups[g].told, cursor);
        x->snapshot_fed[g] = load_acquire(&s->groups[g].fed, cursor);
        if (past_groups(s) >> g & 1 && !MUTANT(past_snapshot_staged))
            (void)catch_up_help(x->actor, g, x->snapshot_fed[g]);
    }
}

/* If the place is another's by now, or another's snapshot ended meanwhile, the word is another. */
void writer_past_told(const struct writer *x) {
    const struct segment *s = x->actor->segment;
    for (uint32_t rest = past_groups(s); rest != 0; rest &= rest - 1) {
        unsigned g = (unsigned)__builtin_ctz(rest);
        uint64_t before = x->snapshot_told[g], fed = x->snapshot_fed[g];
        if (fed_is_of(fed, group_known(s, g).generation))
            (void)cas_acq_rel(&s->groups[g].told, &before, fed_word(false, fed_generation(fed), fed_position(fed, 0), NO_CELL),
                              cursor);
    }
}

uint64_t writer_past_lowest(const struct segment *s, uint64_t sequence) {
    for (uint32_t rest = catch_up_untold(s); rest != 0; rest &= rest - 1) {
        uint64_t told = load_acquire(&s->groups[__builtin_ctz(rest)].told, cursor), position = sequence - s->control->journal_first;
        uint64_t at = durable_sequence(s, fed_position(told, position));
        sequence = (int64_t)(at - sequence) < 0 ? at : sequence;
    }
    return sequence;
}
