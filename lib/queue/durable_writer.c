/* SPDX-License-Identifier: MIT */
/*
 * Rounds of a writer. Its steps, and what a death or stop after each leaves:
 *
 *     1 take the role                 the word names him: recovery of the dead frees it; of one whose lease ended it is taken over, with a seal
 *     2 seal, if the file is full, the role was taken over, or a write failed; make the next file; point -> its begin
 *                                     a sealed point: whoever has the role goes on here. If there is a file of that number, it is opened instead
 *     3 fill a batch                  marks may be lost with him: all is marked again
 *     4 write it (and sync)           bytes behind the point: written over, or behind the seal
 *     5 point -> behind it            all is in the journal; the rest is anybody's, or is done again
 *     6 move, wake, settle            moved by the next who comes by; waiters look again within a tick; settled words are marked again by a sweep
 *     7 give the role back, and look for what came meanwhile
 */
#include "catch_up.h"
#include "durable_role.h"
#include "error.h"
#include "sweep.h"
#include <errno.h>
#include <limits.h>

enum {
    ROUNDS = 64,   /* then it is others' turn */
    AGAIN_MS = 100 /* after a failure */
};

enum round {
    ROUND_AGAIN,
    ROUND_SEALED, /* what was to be written was not: again, into the next file */
    ROUND_DONE,   /* there is nothing more */
    ROUND_LOST,   /* the role is another's */
    ROUND_FAILED  /* and told to senders */
};

/* ---- failures ---- */

static void wake_waiters(const struct segment *s) {
    struct eventcount written = durable_event(s);
    if (!MUTANT(durable_wakes_nobody))
        eventcount_wake(&written, INT_MAX);
}

static enum round failed(const struct segment *s, int result) {
    uint64_t again = segment_now_ms(s) + AGAIN_MS;
    store_seq_cst(&s->control->journal_failed, (uint64_t)(uint16_t)-result << 48 | bits(again, 0, 48), dirty);
    wake_waiters(s);
    return ROUND_FAILED;
}

/* Is it too early to try again? */
static bool rests(const struct segment *s) {
    uint64_t w = load_relaxed(&s->control->journal_failed, hint), now = segment_now_ms(s), again = bits(w, 0, 48);
    return w != 0 && again > now && again - now <= AGAIN_MS;
}

/* What another process may well be able to do: it is told to nobody else, and nothing is sealed. */
static bool is_our_own(int result) {
    return result == -EMFILE || result == -ENFILE || result == -ENOMEM || result == -EACCES || result == -EPERM || result == -EFBIG;
}

static enum round own_failure(struct writer *x, int result) {
    struct rp_queue *q = x->actor->queue;
    batch_mark_all(x->actor->segment);
    q->store_tried_ms = segment_now_ms(x->actor->segment);
    store_relaxed(&q->store_failed, (uint32_t)-result, hint);
    store_close(q->store);
    q->store = NULL;
    return ROUND_FAILED;
}

/* What was not written is still in memory, and goes into the next file; if that fails, too, senders are told. */
static enum round write_failed(struct writer *x, uint64_t point, const struct batch *b, int result) {
    if (is_our_own(result))
        return own_failure(x, result);
    bool again = result == RP_FULL || !x->broke;
    x->broke = x->broke || result != RP_FULL;
    if (b != NULL &&
        result == RP_FULL) /* no more than it took: else, where all that can be said needs more than a file, it would never end */
        batch_mark_again(x->actor->segment, b);
    else if (!MUTANT(durable_failed_marks_die))
        batch_mark_all(x->actor->segment);
    if (!writer_seal(x, point))
        return ROUND_LOST;
    return again ? ROUND_SEALED : failed(x->actor->segment, result);
}

/* Moves the end of what counts back, but only from where we put it: it may be another's by now. */
static enum round sync_failed(struct writer *x, int result) {
    batch_mark_all(x->actor->segment);
    if (!writer_seal_unsynced(x, x->point))
        return ROUND_LOST;
    return failed(x->actor->segment, result);
}

/* ---- rounds ---- */

/* The batch is written and counts. */
static void count(struct writer *x, const struct batch *b) {
    struct actor *a = x->actor;
    const struct segment *s = a->segment;
    if (b->says_groups)
        store_release(&s->control->journal_groups, b->groups, journaled);
    if (load_relaxed(&s->control->journal_failed, hint) != 0)
        store_relaxed(&s->control->journal_failed, 0, hint);
    durable_move(a);
    wake_waiters(s);
    if (!MUTANT(past_wakes_nobody))
        catch_up_wake(s);
    batch_settle(a, b);
}

/* The role is another's, who marked all when he took it; since then the batch took marks that he does not know. */
static enum round lost(const struct segment *s) {
    if (!MUTANT(durable_lost_marks_die))
        batch_mark_all(s);
    return ROUND_LOST;
}

/* Writes a batch behind the point, and makes it count. */
static enum round write_round(struct writer *x, uint64_t point, const struct batch *b) {
    const struct segment *s = x->actor->segment;
    struct durable_point p = point_of(point);
    const bool begins = p.unit == STORE_HEAD_UNITS && b->records.records > 0;
    struct durable_point early = {.file = p.file, .unit = p.unit, .position = (uint32_t)b->end};
    if (MUTANT(durable_point_early) && cas_acq_rel(&s->control->journal_point, &point, point_word(early), journaled))
        point = point_word(early);
    if (b->records.records > 0) {
        if (!role_renew(x))
            return lost(s);
        int result = store_write(x->store, &p.unit);
        if (result < 0)
            return write_failed(x, point, b, result);
    }
    p.position = (uint32_t)b->end;
    if (MUTANT(durable_settles_first))
        batch_settle(x->actor, b);
    if (MUTANT(durable_point_blind))
        store_release(&s->control->journal_point, point_word(p), journaled);
    else if (!cas_acq_rel(&s->control->journal_point, &point, point_word(p), journaled))
        return lost(s);
    count(x, b);
    x->point = point_word(p);
    if (begins) /* it says what groups there are: only now older files may go. The first file of a life, too: else each life would leave one */
        writer_drop_files(x, x->point);
    return ROUND_AGAIN;
}

/*
 * sync interval: what counts is on disk no later than that, also when nothing more is written. control.journal_synced: when, in ms:33, and the file and unit of the point then: 31 bits. Another point has something behind it that is
 * not on disk. Who was stopped in here says of his own point only.
 */
enum { SYNCED_PLACE_BITS = POINT_FILE_BITS + POINT_UNIT_BITS, SYNCED_MS_BITS = 64 - SYNCED_PLACE_BITS };
static uint64_t synced_word(uint64_t now_ms, uint64_t point) {
    return now_ms << SYNCED_PLACE_BITS | bits(point, 32, SYNCED_PLACE_BITS);
}

static bool interval_is_over(const struct segment *s, uint64_t now_ms) {
    uint64_t last = load_relaxed(&s->control->journal_synced, hint) >> SYNCED_PLACE_BITS;
    return bits(now_ms - last, 0, SYNCED_MS_BITS) >= s->parameters.sync_interval_ns / 1000000;
}

static bool sync_is_due(const struct segment *s) {
    if (s->parameters.sync != RP_SYNC_INTERVAL || MUTANT(durable_sync_never_due))
        return false;
    uint64_t point = load_acquire(&s->control->journal_point, journaled), synced = load_relaxed(&s->control->journal_synced, hint);
    return bits(synced ^ point >> 32, 0, SYNCED_PLACE_BITS) != 0 && interval_is_over(s, segment_now_ms(s));
}

static enum round sync_now_and_then(struct writer *x) {
    const struct segment *s = x->actor->segment;
    uint64_t now = segment_now_ms(s);
    if (s->parameters.sync != RP_SYNC_INTERVAL || !interval_is_over(s, now))
        return ROUND_AGAIN;
    int result = store_sync(x->store);
    if (result < 0)
        return sync_failed(x, result);
    store_relaxed(&s->control->journal_synced, synced_word(now, x->point), hint);
    return ROUND_AGAIN;
}

/* All that is live, again: so that older files may go, or because nobody knows what is in them. Begun anew by whoever comes after a death. */
static enum round snapshot_round(struct writer *x, uint64_t point, uint64_t position, bool first) {
    struct actor *a = x->actor;
    const struct segment *s = a->segment;
    struct batch *b = store_batch(x->store);
    uint32_t next = x->snapshot ? x->snapshot_next : 0;
    if (!x->snapshot) {
        x->snapshot_asked = snapshot_ask(s);
        writer_past_begins(x);
    }
    bool ended = batch_fill_live(a, b, position, first, !x->snapshot, x->snapshot_fed, &next);
    enum round round = write_round(x, point, b);
    if (round != ROUND_AGAIN)
        return round;
    if (!x->snapshot)
        x->snapshot_file = writer_file(s, point_of(point));
    x->snapshot = true;
    x->snapshot_next = next;
    if (!ended)
        return ROUND_AGAIN;
    x->snapshot = false; /* it need not be on disk: nobody goes by it before the next file's head says so, and that is made when this one is */
    writer_past_told(x);
    snapshot_was_written(s, x->snapshot_asked);
    if (load_relaxed(&s->control->journal_needed, hint) < x->snapshot_file)
        writer_needs(s, x->snapshot_file);
    return ROUND_AGAIN;
}

static enum round unsealed_round(struct writer *x, uint64_t point) {
    struct actor *a = x->actor;
    const struct segment *s = a->segment;
    struct durable_point p = point_of(point);
    const bool first = p.unit == STORE_HEAD_UNITS;
    uint64_t position = point_position(point, load_acquire(&s->control->journal_moved, hints));
    int result = store_seek(x->store, writer_file(s, p), p.unit);
    if (result < 0)
        return write_failed(x, point, NULL, result);
    if (snapshot_is_wanted(s))
        return snapshot_round(x, point, position, first);
    if (x->wrote && !durable_urgent(s))
        return ROUND_DONE; /* what was only settled since goes with the next batch: or each send would wait for two writes */
    struct batch *b = store_batch(x->store);
    if (!batch_fill(a, b, position, first)) {
        enum round synced = sync_is_due(s) ? sync_now_and_then(x) : ROUND_AGAIN;
        return synced == ROUND_AGAIN ? ROUND_DONE : synced;
    }
    enum round round = write_round(x, point, b);
    x->wrote = round == ROUND_AGAIN && !b->more;
    return round == ROUND_AGAIN && !x->broke ? sync_now_and_then(x) : round;
}

static enum round go(struct writer *x) {
    const struct segment *s = x->actor->segment;
    const uint64_t point = x->point = load_acquire(&s->control->journal_point, journaled);
    durable_move(x->actor);
    writer_tend_past(x);
    if (x->robbed)
        batch_mark_all(s); /* what the other had taken to record, lest it waits for him: who flushes does not rely on it */
    x->robbed = false;
    if (!point_of(point).sealed)
        return unsealed_round(x, point);
    if (!role_renew(x))
        return ROUND_LOST;
    int result = writer_next_file(x, point);
    if (result == 0)
        return ROUND_AGAIN;
    if (result > 0 || load_seq_cst(&s->control->journal_point, journaled) != point)
        return result == NEXT_UNSYNCED ? failed(s, -EIO) : ROUND_LOST;
    return is_our_own(result) ? own_failure(x, result) : failed(s, result);
}

/* ---- who writes ---- */

/*
 * With the store's lock. What one process cannot open others perhaps can: it is told to nobody else. And one whose queue lost its name writes no more: the journal may have been brought back just before it was ours again.
 */
static int open_store(struct actor *a) {
    struct rp_queue *q = a->queue;
    uint64_t now = segment_now_ms(a->segment);
    uint32_t before = load_relaxed(&q->store_failed, hint);
    if (q->store != NULL)
        return 0;
    if (before != 0 && now - q->store_tried_ms < AGAIN_MS)
        return -(int)before;
    int result = store_open(a->segment, &q->store);
    if (result == 0 && !queue_has_name(q)) {
        store_close(q->store);
        q->store = NULL;
        result = RP_GONE;
    }
    q->store_tried_ms = now;
    store_relaxed(&q->store_failed, (uint32_t)-result, hint);
    return result;
}

bool durable_open(struct actor *a) {
    if (pthread_mutex_trylock(&a->queue->store_lock) != 0)
        return load_relaxed(&a->queue->store_failed, hint) == 0; /* another thread is at it */
    int result = open_store(a);
    pthread_mutex_unlock(&a->queue->store_lock);
    return result == 0;
}

/* With the store's lock. 0; 1: another has the role; or why it does not work. */
static int begin(struct writer *x, struct actor *a) {
    *x = (struct writer){.actor = a};
    int result = open_store(a);
    if (result < 0)
        return result;
    x->store = a->queue->store;
    return role_take_writer(x) ? 0 : 1;
}

/* Who came while we had the lock or the role may sleep for just that: to go on after our turn, or because there is nothing left to write, and so nobody else to wake him. Another holder wakes him himself. */
static void unlock(struct actor *a, bool another_has_the_role) {
    pthread_mutex_unlock(&a->queue->store_lock);
    if (!another_has_the_role && !MUTANT(durable_leaves_quietly))
        wake_waiters(a->segment);
}

static enum durable_drive drive(struct actor *a) {
    const struct segment *s = a->segment;
    enum round round = ROUND_DONE;
    for (unsigned rounds = 0; rounds < ROUNDS;) {
        struct writer x;
        int result = begin(&x, a);
        if (result != 0)
            return result < 0 ? DRIVE_FAILED : DRIVE_BUSY;
        do
            round = go(&x);
        while (round <= ROUND_SEALED && (x.snapshot || (rounds++ < ROUNDS && !catch_up_holds(s))));
        role_leave(&x);
        if (round != ROUND_DONE || MUTANT(durable_no_look) || !durable_urgent(s))
            break; /* else somebody entered something while we had the role, and left it to us */
    }
    return round == ROUND_FAILED ? DRIVE_FAILED : round == ROUND_LOST ? DRIVE_BUSY : DRIVE_IDLE;
}

enum durable_drive durable_drive(struct actor *a) {
    const struct segment *s = a->segment;
    if (!durable_unwritten(s) && !sync_is_due(s)) {
        durable_move(a);
        return DRIVE_IDLE;
    }
    if (rests(s))
        return DRIVE_FAILED;
    if (catch_up_holds(s))
        return DRIVE_BUSY;
    if (pthread_mutex_trylock(&a->queue->store_lock) != 0)
        return DRIVE_BUSY; /* another thread of this process is at it */
    enum durable_drive result = drive(a);
    unlock(a, result == DRIVE_BUSY);
    return result;
}

int durable_sync(struct actor *a) {
    struct rp_queue *q = a->queue;
    struct writer x;
    if (catch_up_holds(a->segment) || pthread_mutex_trylock(&q->store_lock) != 0)
        return 1;
    int result = begin(&x, a);
    if (result < 0)
        result = durable_refuse(a);
    if (result == 0) {
        enum round round;
        unsigned rounds = 0;
        if (role_marks_may_be_taken(a->segment))
            (void)snapshot_ask(a->segment); /* which goes by no marks */
        do
            round = go(&x);
        while (round <= ROUND_SEALED &&
               (x.snapshot || (!x.wrote && rounds++ < ROUNDS))); /* what comes meanwhile is not waited for */
        round = round <= ROUND_SEALED && x.wrote ? ROUND_DONE : round;
        if (round == ROUND_DONE && !MUTANT(durable_sync_robbed) && !role_renew(&x))
            round = ROUND_LOST; /* what we did not find marked is in the batch of whoever took the role */
        result = round == ROUND_DONE ? store_sync(x.store) : round == ROUND_FAILED ? durable_refuse(a) : 1;
        if (round == ROUND_DONE && result < 0) {
            (void)sync_failed(&x, result);
            result = durable_refuse(a);
        }
        role_leave(&x);
    }
    unlock(a, result == 1);
    return result;
}

int durable_alone(struct actor *a, void (*act)(void *), void *context) {
    struct writer x;
    if (pthread_mutex_trylock(&a->queue->store_lock) != 0)
        return 1;
    int result = begin(&x, a);
    if (result == 0) {
        act(context);
        (void)go(&x);
        role_leave(&x);
    }
    unlock(a, result == 1);
    return result < 0 ? RP_NOT_DURABLE : result;
}
