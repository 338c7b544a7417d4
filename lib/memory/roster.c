/* SPDX-License-Identifier: MIT */
#include "roster.h"
#include "clock.h"
#include "counters.h"
#include "error.h"
#include "process.h"
#include <errno.h>
#include <string.h>

/* The more seats, the more cells: each process may keep a few out of circulation without taking them from the capacity. */
static void bring_cells_into_play(const struct segment *s, uint32_t seat) {
    uint64_t before = reserve_cells(&s->parameters, &s->layout) + s->parameters.capacity + (uint64_t)CELLS_PER_PARTICIPANT * seat;
    uint64_t wanted = before + CELLS_PER_PARTICIPANT;
    uint64_t now = load_relaxed(&s->control->cells_in_play, hint);
    while (now < wanted && !cas_relaxed(&s->control->cells_in_play, &now, wanted, hint)) {
    }
    for (uint64_t c = before; c < wanted; c++) /* a bit is a hint: setting it again, or for a cell in use, does no harm */
        (void)fetch_or_acq_rel(&s->bitmap[c / 64], UINT64_C(1) << (c % 64), free_bits);
}

static void describe(struct seat *seat) {
    union {
        char text[16];
        uint64_t words[2];
    } name;
    process_name(name.text);
    store_relaxed(&seat->name[0], name.words[0], own);
    store_relaxed(&seat->name[1], name.words[1], own);
    store_release(&seat->dead_changes, 0, dead_changes); /* what a dead one left */
    store_relaxed(&seat->locked_bytes, 0, stat);
    store_release(&seat->robbed, 0, journal_role);
    store_relaxed(&seat->pid, process_pid(), own);
    store_relaxed(&seat->attached_wall_ns, clock_wall_ns(), own);
}

int roster_take(const struct segment *s, struct attach *a, uint32_t *taken) {
    for (uint32_t i = 0; i < s->parameters.max_participants; i++) {
        struct seat *seat = &s->seats[i];
        if (seat_state(load_acquire(&seat->word, seat_word)) != SEAT_CLEAN && !MUTANT(seat_taken_dirty))
            continue;
        int result = attach_lock(a, i);
        if (result == -EAGAIN)
            continue;
        if (result < 0) /* no locks here at all: not a matter of seats */
            return result;
        uint64_t w = load_acquire(&seat->word, seat_word); /* again, now that no recoverer can be at work */
        if ((seat_state(w) == SEAT_CLEAN || MUTANT(seat_taken_dirty) || MUTANT(seat_one_look)) &&
            cas_acq_rel(&seat->word, &w, seat_word(SEAT_ATTACHED, seat_generation(w) + 1), seat_word)) {
            describe(seat);
            bring_cells_into_play(s, i);
            *taken = i;
            return 0;
        }
        attach_unlock(a, i);
    }
    return fail(RP_NO_SEAT, "all %u seats are taken", s->parameters.max_participants);
}

void roster_leave(const struct segment *s, uint32_t seat) {
    counters_fold(s, seat);
    uint64_t w = load_acquire(&s->seats[seat].word, seat_word);
    store_release(&s->seats[seat].word, seat_word(SEAT_CLEAN, seat_generation(w)), seat_word);
}

bool roster_bury(const struct segment *s, uint32_t seat, uint64_t word) {
    counters_fold(s, seat);
    return cas_acq_rel(&s->seats[seat].word, &word, seat_word(SEAT_CLEAN, seat_generation(word)), seat_word);
}
