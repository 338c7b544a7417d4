/* SPDX-License-Identifier: MIT */
#include "dead_count.h"
#include "roster.h"

/* epoch:12 | changes:28 | count:24, signed: it may be below 0 for a moment */
static uint64_t epoch_of(uint64_t n) { return bits(n, 52, 12); }
static int32_t count_of(uint64_t n) { return (int32_t)((uint32_t)n << 8) >> 8; }
static uint64_t count_word(uint64_t epoch, uint64_t changes, int64_t count) {
    return epoch << 52 | bits(changes, 0, 28) << 24 | ((uint64_t)count & 0xffffff);
}
/* The word after one more change. */
static uint64_t moved(uint64_t n, int delta) { return count_word(epoch_of(n), bits(n, 24, 28) + 1, count_of(n) + delta); }

static a64 *count_at(const struct segment *s, unsigned group) { return &s->groups[group].dead_count; }

static bool refuses(const struct segment *s) { return s->parameters.dead_overflow == RP_DEAD_REFUSE; }

uint64_t dead_count(const struct segment *s, unsigned group) {
    int32_t count = count_of(load_acquire(count_at(s, group), dead_count));
    return count > 0 ? (uint64_t)count : 0;
}

static void begin(const struct actor *a, unsigned group, struct dead_change *change) {
    *change = (struct dead_change){.seat = &a->segment->seats[a->seat].dead_changes, .group = group};
    (void)fetch_add_seq_cst(change->seat, 1, dead_changes);
}

static void end(const struct dead_change *change) { (void)fetch_add_seq_cst(change->seat, UINT64_MAX, dead_changes); }

/* The first step: the change is of the group that is there now. */
static void first(const struct segment *s, struct dead_change *change, int delta) {
    a64 *word = count_at(s, change->group);
    uint64_t n = load_acquire(word, dead_count);
    while (!cas_acq_rel(word, &n, moved(n, delta), dead_count)) {
    }
    change->epoch = epoch_of(n);
}

/* A step after the first. */
static void further(const struct segment *s, const struct dead_change *change, int delta) {
    a64 *word = count_at(s, change->group);
    uint64_t n = load_acquire(word, dead_count);
    while (epoch_of(n) == change->epoch && !cas_acq_rel(word, &n, moved(n, delta), dead_count)) {
    }
}

/* The first step, if the count is at least `low` and below `high`. */
static bool reserve(const struct segment *s, struct dead_change *change, int64_t low, int64_t high, int delta) {
    a64 *word = count_at(s, change->group);
    uint64_t n = load_acquire(word, dead_count);
    do {
        if (count_of(n) < low || count_of(n) >= high)
            return false;
    } while (!cas_acq_rel(word, &n, moved(n, delta), dead_count));
    change->epoch = epoch_of(n);
    return true;
}

bool dead_count_enter(const struct actor *a, unsigned group, struct dead_change *change) {
    const struct segment *s = a->segment;
    if (a->seat == NOBODY) {
        *change = (struct dead_change){.seat = NULL};
        return !refuses(s);
    }
    begin(a, group, change);
    if (!refuses(s) || MUTANT(refuse_counted_late)) {
        first(s, change, MUTANT(death_counted_first) ? 1 : 0);
    } else if (!reserve(s, change, INT32_MIN, s->parameters.dead_capacity, 1)) {
        end(change);
        return false;
    }
    return true;
}

void dead_count_entered(const struct segment *s, const struct dead_change *change, bool done) {
    if (change->seat == NULL)
        return;
    bool counted = (refuses(s) && !MUTANT(refuse_counted_late)) || MUTANT(death_counted_first);
    if (counted != done)
        further(s, change, done ? 1 : -1);
    end(change);
}

void dead_count_leave(const struct actor *a, unsigned group, struct dead_change *change) {
    begin(a, group, change);
    first(a->segment, change, refuses(a->segment) || MUTANT(leave_counted_late) ? 0 : -1);
}

void dead_count_left(const struct segment *s, const struct dead_change *change, bool done) {
    bool counted = !refuses(s) && !MUTANT(leave_counted_late);
    if (counted != done)
        further(s, change, done ? -1 : 1);
    end(change);
}

bool dead_count_evict(const struct actor *a, unsigned group, struct dead_change *change) {
    const struct segment *s = a->segment;
    if (a->seat == NOBODY || dead_count(s, group) <= s->parameters.dead_capacity) /* spares the seat's line */
        return false;
    begin(a, group, change);
    if (reserve(s, change, (int64_t)s->parameters.dead_capacity + 1, INT32_MAX, MUTANT(leave_counted_late) ? 0 : -1))
        return true;
    end(change);
    return false;
}

static bool somebody_changes(const struct segment *s) {
    for (uint32_t i = 0; i < s->parameters.max_participants; i++)
        if (load_acquire(&s->seats[i].dead_changes, dead_changes) != 0 &&
            seat_state(load_acquire(&s->seats[i].word, seat_word)) == SEAT_ATTACHED)
            return true;
    return false;
}

void dead_count_anew(const struct segment *s, unsigned group) {
    uint64_t n = load_acquire(count_at(s, group), dead_count);
    if (somebody_changes(s) && !MUTANT(recount_any_time))
        return;
    int64_t letters = 0;
    for (uint32_t c = 0, count = cells_in_play(s); c < count; c++)
        letters += delivery_state(load_acquire(delivery_at(s, group, c), delivery)) == DELIVERY_DEAD;
    (void)cas_acq_rel(count_at(s, group), &n, moved(n, (int)(letters - count_of(n))), dead_count);
}

void dead_count_reset(const struct segment *s, unsigned group) {
    uint64_t n = load_acquire(count_at(s, group), dead_count);
    while (!cas_acq_rel(count_at(s, group), &n, count_word(epoch_of(n) + 1, 0, 0), dead_count)) {
    }
}
