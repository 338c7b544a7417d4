/* SPDX-License-Identifier: MIT */
/* From the journal's files into memory: what a receiver does whose group is in the past, and finds nothing. */
#include "catch_up.h"
#include "catch_up_cell.h"
#include "claim.h"
#include "durable_history.h"
#include "durable_role.h"
#include "error.h"
#include "lane.h"
#include "reserve.h"
#include "wait.h"
#include <errno.h>
#include <limits.h>
#include <ringpost/group.h>
#include <stdlib.h>

#ifdef RP_SIM
enum { AT_ONCE = 2, ENDS_MOST = 1 };
#else
enum { AT_ONCE = 32, ENDS_MOST = 8 };
#endif
enum {
    LOOKS = 3, /* at a journal in which something is missing that a snapshot will say */
    TRIES = 4, /* at the writer's role, each for at most */
    TRY_NS = 20000000
};

struct past {
    struct durable_history *history; /* NULL: not open */
    struct past_headers headers;
    uint64_t missing; /* of those before: their files are gone */
    bool has;         /* the message that was read last: */
    struct journal_record record;
    bool ended;      /* the group is done */
    uint64_t seen;   /* `fed`, before we last looked at the lanes */
    uint64_t helped; /* what this `fed` names is in its lane; 0: none is known */
    unsigned ends;   /* how often we had fed all that there was, and more had come when we came back */
};

struct past *past_new(void) {
    return calloc(1, sizeof(struct past));
}

static void leave_journal(struct past *p) {
    if (p->history == NULL)
        return;
    history_close(p->history);
    p->history = NULL;
    p->has = false;
}

void past_free(struct past *p) {
    if (p == NULL)
        return;
    leave_journal(p);
    free(p->headers.bytes);
    free(p);
}

struct feeding {
    struct rp_consumer *consumer;
    struct past *past;
    uint32_t cell; /* ours; NO_CELL: none */
    unsigned count, most;
    bool helped; /* what `fed` names came into its lane, perhaps after that was found empty */
    int why;     /* BROKEN */
};

enum step { STEP_DONE, STEP_AGAIN, STEP_END, STEP_NO_ROOM, STEP_LATER, STEP_BROKEN };

static a64 *fed_of(const struct rp_consumer *c) { return &c->actor.segment->groups[c->group].fed; }

/* ---- reading ---- */

/* Has the reader come to where the point was, file `number`? Else what it did not find may be there by now. */
static bool read_all(const struct segment *s, const struct past *p, uint64_t number, uint64_t point) {
    uint64_t file, unit;
    history_place(p->history, &file, &unit);
    if (MUTANT(past_end_believed))
        return true;
    /* A snapshot that is to be written may say again what a failed sync has lost. */
    return (file > number || (file == number && unit >= point_of(point).unit)) && !snapshot_is_wanted(s) &&
           load_acquire(&s->control->journal_point, journaled) == point;
}

/* The first message from position n on. DONE: p->record, at *q; END: there is none before `end`, where the point was; LATER; BROKEN. */
static enum step look_for(struct feeding *x, uint64_t n, uint64_t end, uint64_t point, uint64_t *q) {
    const struct segment *s = x->consumer->actor.segment;
    struct past *p = x->past;
    const uint64_t number = writer_file(s, point_of(point));
    history_until(p->history, number, point_of(point).unit);
    for (;;) {
        *q = p->record.sequence - s->control->journal_first;
        if (p->has && (int64_t)(*q - n) >= 0)
            return (int64_t)(*q - end) < 0 ? STEP_DONE : STEP_END;
        struct history_gap gap;
        int result = history_next(p->history, &p->record, &gap);
        p->has = result == 0;
        if (result == RP_EMPTY)
            return read_all(s, p, number, point) ? STEP_END : STEP_LATER;
        if (result == RP_LAPPED) {
            p->missing += gap.count;
        } else if (result < 0) {
            x->why = result;
            return STEP_BROKEN;
        }
    }
}

static int open_journal(struct rp_consumer *c, uint64_t sequence) {
    const struct journal_place *j = c->actor.segment->journal;
    return history_open(&c->past->history, j->path, j->id, sequence, true);
}

/* ---- one message ---- */

/* What was not there has been passed, by us. */
static void count_missing(struct feeding *x) {
    if (x->past->missing > 0)
        counter_add_shared(&x->consumer->actor.segment->groups[x->consumer->group].dropped, x->past->missing);
    x->past->missing = 0;
}

/* There is nothing for the group below `position`. False: another was faster. */
static bool pass(struct feeding *x, uint64_t fed, uint64_t position) {
    uint64_t next = fed_word(false, fed_generation(fed), position, NO_CELL);
    if (!cas_seq_cst(fed_of(x->consumer), &fed, next, cursor))
        return false;
    count_missing(x);
    return true;
}

/* What was settled gives its memory back when that is recorded. */
static bool take_cell(struct actor *a, unsigned group, uint32_t *cell) {
    if (reserve_take(a, group, cell))
        return true;
    return durable_drive(a) == DRIVE_IDLE && reserve_take(a, group, cell);
}

/* Its payload is there: the cell is STAGED, `fed` moves, the cell is COMMITTED. False: another was faster. */
static bool feed(struct feeding *x, uint64_t fed, uint64_t q, uint32_t lane) {
    struct rp_consumer *c = x->consumer;
    struct actor *a = &c->actor;
    const struct segment *s = a->segment;
    struct cell *cell = segment_cell(s, x->cell);
    struct extra *extra = segment_extra(s, x->cell);
    const uint64_t generation = cell_generation(load_relaxed(&cell->word, own));
    const uint32_t bit = UINT32_C(1) << c->group;
    store_release(&extra->journal, position_word(generation + 1, 0, q), journal);
    store_release(&cell->position, position_word(generation + 1 + 2048, lane, 0), position);
    uint64_t staged = cell_word(MUTANT(past_stage_owned) ? CELL_OWNED : CELL_STAGED, a->seat, bit, generation);
    store_seq_cst(&cell->word, staged, cell_word);
    uint64_t next = fed_word(false, fed_generation(fed), q + 1, x->cell), expected = fed;
    /* The word has little of the group's generation: who was stopped for very long does not get past the whole of it. */
    if (!claim_in_group(c) || !cas_seq_cst(fed_of(c), &expected, next, cursor)) {
        if (!cas_seq_cst(&cell->word, &staged, cell_word(CELL_OWNED, a->seat, 0, generation), cell_word))
            x->cell = NO_CELL; /* its group is gone, and who cleared its place took the cell */
        return false;
    }
    x->cell = NO_CELL;
    x->count++;
    count_missing(x);
    tally_add(&a->tally, COUNT_REFILLED, 1);
    if (catch_up_help(a, c->group, next) == REQUEUE_IN)
        x->past->helped = next;
    lane_announce(s, lane, bit, true);
    return true;
}

/* The message that was read, at position q, into a cell. */
static enum step put(struct feeding *x, uint64_t fed, uint64_t q) {
    struct rp_consumer *c = x->consumer;
    struct actor *a = &c->actor;
    const struct segment *s = a->segment;
    struct past *p = x->past;
    struct record_message m;
    uint32_t lane;
    if (!record_message_read(p->record.payload, p->record.bytes, &m)) {
        x->why =
            fail(RP_CORRUPT, "journal '%.100s': message %llu cannot be", s->journal->path, (unsigned long long)p->record.sequence);
        return STEP_BROKEN;
    }
    if (!past_message_counts(&m, clock_wall_ns())) {
        if (pass(x, fed, q + 1) && m.flags & RP_DUMP_EXPIRES && !(m.flags & (RP_DUMP_SCHEDULED | RP_DUMP_WAITING)))
            counter_add_shared(&s->groups[c->group].expired, 1);
        return STEP_AGAIN;
    }
    if (x->cell == NO_CELL) {
        if (!take_cell(a, c->group, &x->cell)) {
            x->cell = NO_CELL;
            return STEP_NO_ROOM;
        }
        /* Asked again now that the cell is ours: else it may be the very one into which this message went meanwhile, and was acked. */
        if (load_acquire(fed_of(c), cursor) != fed && !MUTANT(past_cell_late))
            return STEP_AGAIN;
    }
    int result = past_fill(s, a->queue->name, x->cell, &m, &p->headers, &lane);
    if (result == RP_FULL)
        return STEP_NO_ROOM;
    if (result == 0)
        return feed(x, fed, q, lane) ? STEP_DONE : STEP_AGAIN;
    /* The queue was made anew with less room for a message. Its files say that it was fed, until a snapshot says otherwise. */
    if (pass(x, fed, q + 1)) {
        counter_add_shared(&s->groups[c->group].dropped, 1);
        (void)snapshot_ask(s);
    }
    return STEP_AGAIN;
}

static enum step damaged(struct feeding *x, uint64_t fed) {
    const struct rp_consumer *c = x->consumer;
    x->why = fail(RP_CORRUPT, "queue '%s': what group %u was fed of the past is damaged: %016llx", c->actor.queue->name, c->group,
                  (unsigned long long)fed);
    return STEP_BROKEN;
}

static enum step step(struct feeding *x) {
    struct rp_consumer *c = x->consumer;
    const struct segment *s = c->actor.segment;
    uint64_t fed = load_acquire(fed_of(c), cursor), q;
    if (!fed_is_of(fed, c->group_generation) || !claim_in_group(x->consumer)) /* broken() tells which */
        return damaged(x, fed);
    if (fed != x->past->helped && !MUTANT(past_no_help)) {
        enum requeue helped = catch_up_help(&c->actor, c->group, fed);
        if (helped != REQUEUE_IN)
            return helped == REQUEUE_FULL ? STEP_NO_ROOM : damaged(x, fed);
        x->past->helped = fed;
        x->helped = true;
    }
    x->past->ended = fed_done(fed);
    uint64_t moved = load_acquire(&s->control->journal_moved, hints), point = load_acquire(&s->control->journal_point, journaled),
             end = point_position(point, moved), n = fed_position(fed, end);
    if (fed_done(fed) || (int64_t)(end - n) <= 0)
        return STEP_END;
    if (x->past->history == NULL && (x->why = open_journal(c, durable_sequence(s, n))) < 0)
        return STEP_BROKEN;
    enum step look = look_for(x, n, end, point, &q);
    if (look == STEP_DONE)
        return put(x, fed, q);
    if (look != STEP_END)
        return look;
    (void)pass(x, fed, end);
    return STEP_AGAIN;
}

static enum step go(struct feeding *x) {
    enum step last = STEP_DONE;
    for (unsigned looks = 0; x->count < x->most && (last <= STEP_AGAIN || (last == STEP_LATER && looks++ < LOOKS));) {
        last = step(x);
        if (last == STEP_LATER)
            (void)durable_drive(&x->consumer->actor);
    }
    if (x->cell != NO_CELL)
        pool_give_back(&x->consumer->actor.pool, x->cell);
    x->cell = NO_CELL;
    return last;
}

/* ---- the end ---- */

/* With the writer's role: nothing is added meanwhile. */
static void feed_rest(void *context) {
    struct feeding *x = context;
    x->most = UINT_MAX;
    (void)go(x);
}

/* Each time we had fed all, more had come. Who writes is asked to hold back for a moment. */
static void end_alone(struct feeding *x) {
    struct actor *a = &x->consumer->actor;
    const struct segment *s = a->segment;
    struct eventcount event = durable_event(s);
    catch_up_hold(s, segment_now_ms(s) + HOLD_MS);
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t prepared = eventcount_prepare(&event);
        if (durable_alone(a, feed_rest, x) != 1)
            break;
        (void)eventcount_sleep(&event, prepared, TRY_NS);
    }
    catch_up_hold(s, 0);
    eventcount_wake(&event, INT_MAX);
}

static int broken(const struct feeding *x) {
    if (!claim_in_group(x->consumer))
        return RP_GONE;
    leave_journal(x->past);
    return x->why;
}

int catch_up(struct rp_consumer *c) {
    struct past *p = c->past;
    struct feeding x = {.consumer = c, .past = p, .cell = NO_CELL, .most = AT_ONCE};
    const uint64_t before = p->seen;
    if (p->ended)
        return RP_EMPTY;
    enum step last = go(&x);
    if (last == STEP_END && x.count > 0 && !p->ended && ++p->ends > ENDS_MOST) {
        p->ends = 0;
        end_alone(&x);
    }
    p->seen = load_acquire(fed_of(c), cursor);
    if (p->ended)
        leave_journal(p);
    if (last == STEP_BROKEN && x.count == 0) /* else that comes when what was there has been received */
        return broken(&x);
    /* Was anything moved since before the lanes were found empty? Then it may be there. */
    bool moved = x.helped || p->seen != before;
    return x.count > 0 || (moved && !MUTANT(past_empty_one_look)) ? 0 : RP_EMPTY;
}

bool catch_up_promising(const struct rp_consumer *c) {
    const struct segment *s = c->actor.segment;
    const struct past *p = c->past;
    if (p->ended)
        return false;
    uint64_t fed = load_acquire(fed_of(c), cursor);
    return fed != p->seen || catch_up_left(s, c->group) > 0;
}

/* ---- where to begin ---- */

/* The sequence of the first message from `from` on, sent at this time or later; `next`, if it is not below that. Or why it cannot be told. */
static int find(const struct segment *s, uint64_t from, uint64_t time_ns, uint64_t next, uint64_t *found) {
    struct durable_history *h;
    struct journal_record r = {.sequence = next};
    struct record_message m;
    struct history_gap gap;
    int result = history_open(&h, s->journal->path, s->journal->id, from, false);
    if (result < 0)
        return result;
    do
        result = history_next(h, &r, &gap);
    while (result == RP_LAPPED ||
           (result == 0 && r.sequence < next && record_message_read(r.payload, r.bytes, &m) && m.sent_ns < time_ns));
    *found = result == 0 && r.sequence < next ? r.sequence : next;
    history_close(h);
    return result == RP_EMPTY ? 0 : result;
}

int catch_up_find(struct actor *a, const struct rp_group_options *o, uint64_t *position) {
    const struct segment *s = a->segment;
    const char *queue = a->queue->name;
    uint64_t moved = load_acquire(&s->control->journal_moved, hints),
             end = point_position(load_acquire(&s->control->journal_point, journaled), moved), first = 0;
    const uint64_t next = durable_sequence(s, end), time_ns = o->start == RP_START_TIME ? o->start_at : 0;
    if (o->start == RP_START_SEQUENCE && o->start_at > next)
        return fail(-ERANGE, "queue '%s': message %llu was not sent yet, the next is %llu", queue, (unsigned long long)o->start_at,
                    (unsigned long long)next);
    if (time_ns > clock_wall_ns())
        return fail(-ERANGE, "queue '%s': that time is to come", queue);
    uint64_t from = o->start == RP_START_SEQUENCE ? o->start_at
                    : o->start == RP_START_TIME   ? history_begin_of(s->journal->path, time_ns)
                                                  : 1;
    int result = find(s, from, time_ns, next, &first);
    *position = first - s->control->journal_first;
    if (result == 0 && next - first >= UINT64_C(1) << (FED_POSITION_BITS - 2))
        return fail(-ERANGE, "queue '%s': message %llu is too far in the past", queue, (unsigned long long)first);
    return result;
}
