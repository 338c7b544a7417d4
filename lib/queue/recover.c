/* SPDX-License-Identifier: MIT */
#include "recover.h"
#include "catch_up.h"
#include "dedup.h"
#include "delivery.h"
#include "durable.h"
#include "fanout.h"
#include "identity.h"
#include "lane.h"
#include "lease.h"
#include "roster.h"
#include "spill.h"

/* A cell that the dead one owned or was publishing. */
static int recover_cell(struct actor *a, uint32_t c, uint32_t dead) {
    const struct segment *s = a->segment;
    a64 *word = &segment_cell(s, c)->word;
    uint64_t w = load_acquire(word, cell_word);
    if (cell_owner(w) != dead)
        return 0;
    if (cell_state(w) == CELL_PUBLISHED) {
        if (fanout_committed(s, c, w)) { /* then CAS the very word that was read */
            fanout_drop_stale(a, c, cell_generation(w), fanout_version(s, c));
            return 0;
        }
    } else if (cell_state(w) == CELL_STAGED) {
        if (spills(s) ? spill_recover_cell(a, c, w) : catch_up_recover_cell(a, c, w))
            return 1;
    } else if (cell_state(w) != CELL_OWNED) {
        return 0;
    }
    if (!cas_seq_cst(word, &w, cell_word(CELL_FREE, NOBODY, 0, cell_generation(w)), cell_word))
        return 0;
    pool_freed(&a->pool, c);
    return 1;
}

/* A message that the dead one held or looked at. */
static int recover_delivery(struct actor *a, unsigned group, uint32_t c, uint32_t dead) {
    a64 *word = delivery_at(a->segment, group, c);
    int done = 0;
    for (;;) {
        uint64_t d = load_acquire(word, delivery);
        if (delivery_state(d) == DELIVERY_LEASED && delivery_owner(d) == dead) {
            struct failure f = {.kind = RP_FAILURE_DEATH, .charge = true, .delay_ms = -1, .holder = dead};
            f.viewers = viewers_of(d, false);
            viewers_remove(&f.viewers, dead);
            if (delivery_fail(a, group, c, d, &f) == FAIL_DONE) {
                tally_add(&a->tally, COUNT_RECOVERED, 1);
                done++;
            }
        } else if (delivery_views(d, dead) && !MUTANT(recover_forgets_viewer)) {
            uint64_t next = without_viewer(d, dead);
            if (!cas_acq_rel(word, &d, next, delivery))
                continue;
            if (delivery_state(next) == DELIVERY_SETTLED)
                settle(a, group, c, delivery_incarnation(next));
            done++;
        } else {
            return done;
        }
    }
}

int recover(struct actor *a, uint32_t seat) {
    const struct segment *s = a->segment;
    struct death death;
    if (MUTANT(recover_without_lock))
        death = (struct death){0};
    else if (death_claim(&a->queue->prober, seat, &death) != 0)
        return 0;
    int done = 0;
    uint64_t w = load_acquire(&s->seats[seat].word, seat_word); /* under the lock: nobody can take the seat now */
    if (MUTANT(bury_first))
        w = roster_bury(s, seat, w) ? w + 1 : w;
    if (seat_state(w) == SEAT_ATTACHED) {
        if (!MUTANT(recover_ids_last))
            done += dedup_recover(a, seat); /* first: the cells tell what became of his messages */
        if (!MUTANT(identity_after_cells))
            done += identity_recover(a, seat);
        for (uint32_t c = 0; c < s->layout.cell_count; c++) {
            done += recover_cell(a, c, seat);
            for (unsigned g = 0; g < s->parameters.max_groups; g++)
                done += recover_delivery(a, g, c, seat);
        }
        if (MUTANT(recover_ids_last))
            done += dedup_recover(a, seat);
        if (MUTANT(identity_after_cells))
            done += identity_recover(a, seat);
        done += fanout_recover(a, seat);
        done += spill_recover(a, seat);
        done += durable_recover(a, seat);
        bells_recover(s, seat);
        pool_flush(&a->pool);
        if (roster_bury(s, seat, w)) {
            tally_add(&a->tally, COUNT_DEATHS, 1);
            done++;
        }
        (void)due_lower(s, segment_now_ms(s)); /* what it left half done is found by a walk: soon */
        /* A waiter that was killed after it was woken took the wake with it. */
        for (unsigned g = 0; g < s->parameters.max_groups; g++) {
            group_wake(s, g, INT32_MAX);
        }
        eventcount_wake(&a->pool.free_event, INT32_MAX);
    }
    if (!MUTANT(recover_without_lock))
        death_release(&death);
    return done;
}
