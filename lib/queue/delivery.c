/* SPDX-License-Identifier: MIT */
#include "delivery.h"
#include "byte_room.h"
#include "dead.h"
#include "durable.h"
#include "expiry.h"
#include "keyed.h"
#include "lane.h"
#include "lease.h"
#include "notes.h"

struct viewers viewers_of(uint64_t d, bool with_owner) {
    struct viewers v = {.count = 0};
    uint32_t named[3] = {delivery_viewer1(d), delivery_viewer2(d), with_owner ? delivery_owner(d) : NOBODY};
    for (unsigned i = 0; i < 3; i++) {
        bool known = named[i] == NOBODY;
        for (unsigned k = 0; k < v.count; k++)
            known = known || v.seats[k] == named[i];
        if (!known)
            v.seats[v.count++] = named[i];
    }
    return v;
}

void viewers_remove(struct viewers *v, uint32_t seat) {
    for (unsigned i = 0; i < v->count; i++)
        if (v->seats[i] == seat)
            v->seats[i--] = v->seats[--v->count];
}

uint64_t delivery_with(enum delivery_state state, const struct viewers *v, uint32_t hold) {
    if (state == DELIVERY_LIMBO && v->count == 0)
        state = DELIVERY_SETTLED;
    return delivery_of_hold(state, v->count > 2 ? v->seats[2] : NOBODY, v->count > 0 ? v->seats[0] : NOBODY,
                            v->count > 1 ? v->seats[1] : NOBODY, hold);
}

enum clear { CLEAR_NOT, CLEAR_DONE, CLEAR_LAST };

/* LAST: it was the last bit, and the cell is now in state `then`. */
static inline enum clear clear_bit(struct actor *a, unsigned group, uint32_t c, uint32_t incarnation, enum cell_state then) {
    const struct segment *s = a->segment;
    a64 *word = &segment_cell(s, c)->word;
    uint64_t w = load_acquire(word, cell_word);
    while (cell_pends(w, group) && (MUTANT(settle_no_incarnation) || (cell_generation(w) & 0x7fffff) == incarnation)) {
        uint64_t rest = cell_without_group(w, group);
        bool last = cell_pending(rest) == 0;
        uint64_t place = keyed_place(s, c), bytes = last ? byte_room_of(s, c) : 0;
        if (last)
            rest = cell_word(then, then == CELL_FREE ? NOBODY : a->seat, 0, cell_generation(w));
        if (cas_seq_cst(word, &w, rest, cell_word)) {
            if (last)
                byte_room_give(s, bytes);
            if (last && then == CELL_FREE)
                pool_freed(&a->pool, c);
            if (s->parameters.keyed)
                keyed_released(s, group, c, incarnation, place);
            return last ? CLEAR_LAST : CLEAR_DONE;
        }
    }
    return CLEAR_NOT;
}

static __attribute__((noinline)) bool settle_keyed(struct actor *a, unsigned group, uint32_t c, uint32_t incarnation) {
    const struct segment *s = a->segment;
    uint64_t place = keyed_place(s, c);
    if (s->parameters.max_bytes > 0 || !settle_last(a, segment_cell(s, c), group, c, incarnation))
        return clear_bit(a, group, c, incarnation, CELL_FREE) != CLEAR_NOT;
    keyed_released(s, group, c, incarnation, place);
    return true;
}

/* The bit stays until the writer has recorded it; a keyed lane goes on at once, since it looks at delivery words. */
static COLD bool settle_durable(struct actor *a, unsigned group, uint32_t c, uint32_t incarnation) {
    const struct segment *s = a->segment;
    uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word), place = keyed_place(s, c);
    if (!cell_pends(w, group) || (cell_generation(w) & 0x7fffff) != incarnation)
        return false;
    durable_mark(s, c);
    if (s->parameters.keyed)
        keyed_released(s, group, c, incarnation, place);
    return true;
}

bool settle_recorded(struct actor *a, unsigned group, uint32_t c, uint32_t incarnation) {
    return clear_bit(a, group, c, incarnation, CELL_FREE) != CLEAR_NOT;
}

bool settle(struct actor *a, unsigned group, uint32_t c, uint32_t incarnation) {
    if (a->segment->parameters.sync != 0 && !MUTANT(durable_settles_at_once))
        return settle_durable(a, group, c, incarnation);
    return a->segment->parameters.keyed ? settle_keyed(a, group, c, incarnation)
                                        : clear_bit(a, group, c, incarnation, CELL_FREE) != CLEAR_NOT;
}

bool settle_own(struct actor *a, unsigned group, uint32_t c, uint32_t incarnation) {
    if (a->segment->parameters.sync != 0) {
        (void)settle_durable(a, group, c, incarnation);
        return false;
    }
    if (clear_bit(a, group, c, incarnation, CELL_OWNED) != CLEAR_LAST)
        return false;
    byte_room_own(a->segment, c);
    return true;
}

enum fail_result delivery_fail(struct actor *a, unsigned group, uint32_t c, uint64_t d, const struct failure *f) {
    const struct parameters *p = &a->segment->parameters;
    uint32_t hold = delivery_hold(d);
    struct counts counts = notes_counts(a->segment, group, c, hold);
    uint32_t charged = counts.charged + f->charge;
    bool spent = f->charge && p->max_deliveries > 0 && charged >= p->max_deliveries;
    bool crowded = f->viewers.count > 2;
    bool late = f->reason == 0 && !spent && !crowded && expiry_over(a->segment, c);
    if (late && (p->expired == RP_EXPIRED_DROP || dead_refuses(a->segment, group))) {
        if (!delivery_finish(a, group, c, d, delivery_with(DELIVERY_LIMBO, &f->viewers, hold)))
            return FAIL_MOVED;
        expiry_count(a, group);
        return FAIL_DONE;
    }
    bool die = f->reason != 0 || spent || crowded || late;
    int64_t delay_ms = f->delay_ms >= 0 ? f->delay_ms : charged > 0 ? (int64_t)backoff_ms(p, charged, random_next(&a->random)) : 0;
    struct dead_change change;
    if (die && !dead_count_enter(a, group, &change)) {
        if (f->reason != 0 || crowded)
            return FAIL_REFUSED;
        die = false;
        delay_ms = (int64_t)duration_ms(p->backoff_max_ns);
    }
    enum delivery_state state = die ? DELIVERY_DEAD : delay_ms > 0 ? DELIVERY_DELAYED : DELIVERY_RETURNED;
    uint32_t next = state == DELIVERY_DELAYED ? hold_delayed(hold) : hold_returned(hold);
    uint64_t place = keyed_place(a->segment, c);
    if (!cas_seq_cst(delivery_at(a->segment, group, c), &d, delivery_with(state, &f->viewers, next), delivery)) {
        if (die)
            dead_count_entered(a->segment, &change, false);
        return FAIL_MOVED;
    }

    /* From here on all is hints, or is done by whoever meets the word. */
    uint64_t now = segment_now_ms(a->segment);
    if (state == DELIVERY_DELAYED)
        lease_delay(a, group, c, next, now + (uint64_t)delay_ms, true);
    notes_counts_write(a->segment, group, c, next, (struct counts){charged, counts.handed_out + 1});
    uint32_t reason = !die             ? 0
                      : f->reason != 0 ? f->reason
                      : spent          ? RP_DEAD_MAX_DELIVERIES
                      : late           ? RP_DEAD_EXPIRED
                                       : RP_DEAD_HELD;
    if (!f->charge && f->text == NULL && !die) /* given back, no harm done: the failure before it stays the last one */
        notes_carry(a->segment, group, c, hold, next, 0, 0);
    else
        notes_failure_write(a->segment, group, c, hold, next, now, f->kind, reason, f->holder);
    if (f->text != NULL)
        notes_text_write(a->segment, group, c, next, f->text);
    if (late)
        expiry_count(a, group);
    if (state == DELIVERY_RETURNED) {
        ready_again(a->segment, group, c);
    } else if (state == DELIVERY_DEAD) {
        tally_add(&a->tally, COUNT_DIED, 1);
        if (p->keyed)
            keyed_released(a->segment, group, c, hold_incarnation(hold), place);
        dead_added(a, group, c, &change);
    }
    durable_note(a->segment, c);
    return FAIL_DONE;
}

bool delivery_finish(struct actor *a, unsigned group, uint32_t c, uint64_t d, uint64_t next) {
    uint64_t place = keyed_place(a->segment, c);
    if (!cas_seq_cst(delivery_at(a->segment, group, c), &d, next, delivery))
        return false;
    if (delivery_state(next) == DELIVERY_SETTLED)
        settle(a, group, c, delivery_incarnation(next));
    else
        durable_note(a->segment, c);
    if (delivery_state(next) != DELIVERY_SETTLED && a->segment->parameters.keyed)
        keyed_released(a->segment, group, c, delivery_incarnation(next), place);
    return true;
}

enum fail_result delivery_bury(struct actor *a, unsigned group, uint32_t c, uint64_t d, enum rp_dead_reason reason) {
    const struct segment *s = a->segment;
    /* The delivery word, which the caller read, the cell word, the verdict, then the CAS: as in delivery_drop_unheld. */
    uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word);
    if (!cell_pends(w, group))
        return FAIL_MOVED;
    uint32_t before = hold_make(cell_generation(w), 0), hold = before;
    struct viewers v = {.count = 0};
    if (taken(d, w)) {
        if ((delivery_state(d) != DELIVERY_RETURNED && delivery_state(d) != DELIVERY_DELAYED) || delivery_leaves(d))
            return FAIL_MOVED; /* one that leaves its lane is moved by its cell word, as another message */
        before = delivery_hold(d);
        hold = hold_returned(before); /* another than that of the entry which it leaves behind */
        v = viewers_of(d, false);
    } else if (!MUTANT(bury_uncommitted) && !lane_committed(s, c, w)) {
        return FAIL_MOVED;
    }
    if (MUTANT(bury_forgets_viewers))
        v.count = 0;
    struct dead_change change;
    if (!dead_count_enter(a, group, &change))
        return FAIL_REFUSED;
    struct counts counts = notes_counts(s, group, c, before);
    uint64_t place = keyed_place(s, c);
    if (!cas_seq_cst(delivery_at(s, group, c), &d, delivery_with(DELIVERY_DEAD, &v, hold), delivery)) {
        dead_count_entered(s, &change, false);
        return FAIL_MOVED;
    }
    notes_counts_write(s, group, c, hold, counts);
    notes_carry(s, group, c, before, hold, segment_now_ms(s), reason);
    tally_add(&a->tally, COUNT_DIED, 1);
    if (s->parameters.keyed)
        keyed_released(s, group, c, hold_incarnation(hold), place);
    dead_added(a, group, c, &change);
    durable_note(s, c);
    return FAIL_DONE;
}

bool delivery_drop(struct actor *a, unsigned group, uint32_t c, uint64_t d) {
    enum delivery_state state = delivery_state(d);
    if (state == DELIVERY_SETTLED || state == DELIVERY_LIMBO)
        return false;
    struct viewers v = viewers_of(d, state == DELIVERY_LEASED || state == DELIVERY_DEAD);
    if (MUTANT(drop_forgets_viewers))
        v.count = 0;
    if (delivery_leaves(d) && v.count == 0) {
        if (!durable(a->segment))
            return settle(a, group, c, delivery_incarnation(d));
        /* There a bit stays until it is recorded, and so would not keep others from bringing it to its lane's end: as a message there it can be dropped. */
        keyed_leave(a->segment, group, c);
        return false;
    }
    uint64_t next = delivery_with(DELIVERY_LIMBO, &v, delivery_hold(d));
    return delivery_finish(a, group, c, d, next);
}

bool delivery_drop_unheld(struct actor *a, unsigned group, uint32_t c, uint64_t d) {
    /* The delivery word, the cell word, the verdict, then the CAS. A PUBLISHED cell that is not in its lane still belongs to its sender. */
    uint64_t w = load_acquire(&segment_cell(a->segment, c)->word, cell_word);
    if (!cell_pends(w, group))
        return false;
    if (taken(d, w))
        return (delivery_state(d) == DELIVERY_RETURNED || delivery_state(d) == DELIVERY_DELAYED) && delivery_drop(a, group, c, d);
    if (!MUTANT(drop_uncommitted) && !lane_committed(a->segment, c, w))
        return false;
    uint32_t hold = hold_make(cell_generation(w), 0);
    return delivery_finish(a, group, c, d, delivery_of_hold(DELIVERY_SETTLED, NOBODY, NOBODY, NOBODY, hold));
}
