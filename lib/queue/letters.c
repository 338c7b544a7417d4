/* SPDX-License-Identifier: MIT */
/* What people do with dead letters: choose, look, redrive, send to another queue, purge. */
#include "dead.h"
#include "durable.h"
#include "delivery.h"
#include "error.h"
#include "expiry.h"
#include "groups.h"
#include "headers.h"
#include "keyed.h"
#include "lane.h"
#include "listing.h"
#include "notes.h"
#include "options.h"
#include "pause.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

RP_API void rp_redrive_options_init(struct rp_redrive_options *o, size_t size) {
    const struct rp_redrive_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

/* ---- choosing ---- */

static bool has_key(const rp_queue *q, const struct found *f, const struct rp_redrive_options *o) {
    unsigned char key[KEY_BYTES];
    return lookup_key(q, f, key) == o->key_bytes && memcmp(key, o->key, o->key_bytes) == 0;
}

static bool has_header(const rp_queue *q, const struct found *f, const struct rp_redrive_options *o) {
    size_t room = f->headers_at + (size_t)f->headers;
    void *copy = f->headers > 0 ? malloc(room) : NULL;
    struct rp_headers headers = lookup_headers(q, f, copy, room);
    const char *value = rp_headers_get(&headers, o->header);
    bool has = value != NULL && (o->header_value == NULL || strcmp(value, o->header_value) == 0);
    free(copy);
    return has;
}

/* `letter` says what is known of `f`. One whose time of death is not known yet has no age; the next sweep writes it down. */
static bool chosen(const rp_queue *q, const struct found *f, const struct rp_dead_letter *letter,
                   const struct rp_redrive_options *o) {
    if ((o->id != 0 && f->id != o->id) || f->id <= o->after_id || (o->reasons != 0 && (letter->reason & o->reasons) == 0))
        return false;
    if (o->min_age_ns != 0 || o->max_age_ns != 0) {
        uint64_t now_ns = q->segment.created_wall_ns + segment_now_ms(&q->segment) * 1000000;
        uint64_t age_ns = now_ns > letter->last_failed_ns ? now_ns - letter->last_failed_ns : 0;
        if (letter->last_failed_ns == 0 || age_ns < o->min_age_ns || (o->max_age_ns != 0 && age_ns > o->max_age_ns))
            return false;
    }
    if (o->text != NULL && strstr(letter->text, o->text) == NULL)
        return false;
    return (o->key_bytes == 0 || has_key(q, f, o)) && (o->header == NULL || has_header(q, f, o));
}

/* Reads the notes of a dead letter and says whether it is one of those. */
static bool read_chosen(const rp_queue *q, unsigned group, const struct found *f, const struct rp_redrive_options *o,
                        struct rp_dead_letter *letter) {
    *letter = (struct rp_dead_letter){.id = f->id, .bytes = f->bytes, .sent_ns = f->sent_wall_ns};
    notes_read(&q->segment, group, f->cell, delivery_hold(f->delivery), letter);
    return chosen(q, f, letter, o);
}

static int take_options(struct rp_redrive_options *o, const struct rp_redrive_options *given) {
    rp_redrive_options_init(o, sizeof *o);
    int result = options_take(o, sizeof *o, given, "rp_redrive_options");
    if (result < 0)
        return result;
    if (o->key_bytes > KEY_BYTES || (o->key_bytes > 0 && o->key == NULL))
        return fail(-EINVAL, "rp_redrive_options: a key of %zu bytes", o->key_bytes);
    return 0;
}

RP_API int rp_dead_next(rp_queue *q, const char *group, const struct rp_redrive_options *which, uint64_t after_id,
                        struct rp_dead_letter *out, void *buffer, size_t capacity) {
    struct known_group g;
    int result = lookup_group(q, group, &g);
    if (result < 0)
        return result;
    struct rp_redrive_options o;
    result = take_options(&o, which);
    if (result < 0)
        return result;
    if (out == NULL || (buffer == NULL && capacity > 0))
        return fail(-EINVAL, "rp_dead_next: no place for the result");
    if (o.id != 0 && o.id <= after_id)
        return RP_EMPTY;
    uint64_t after = o.id != 0 ? o.id - 1 : after_id;
    struct found f;
    while (listing_next(q, &g, RP_STATE_DEAD, after, &f) && (o.id == 0 || f.id == o.id)) {
        if (read_chosen(q, g.index, &f, &o, out)) {
            out->headers = lookup_headers(q, &f, buffer, capacity);
            if (lookup_copy(q, g.index, &f, buffer, capacity))
                return 0;
        }
        after = f.id; /* not one of those, or it moved while it was read */
    }
    return RP_EMPTY;
}

RP_API int rp_dead_peek(rp_queue *q, const char *group, uint64_t after_id, struct rp_dead_letter *out, void *buffer,
                        size_t capacity) {
    return rp_dead_next(q, group, NULL, after_id, out, buffer, capacity);
}

/* ---- doing something with them ---- */

enum outcome {
    LETTER_DONE,
    LETTER_MOVED, /* the word is not what it was: look again */
    LETTER_HELD,  /* three processes still look at it, and no word but DEAD has room for them */
    LETTER_PAUSED /* the send side is paused, and to redrive is to send */
};

/* One dead letter back to READY. */
static enum outcome redrive(struct actor *a, unsigned group, const struct found *f) {
    uint64_t d = f->delivery;
    struct viewers v = viewers_of(d, true);
    if (v.count > 2)
        return LETTER_HELD;
    if (pause_stops_sends(a->segment))
        return LETTER_PAUSED;
    uint32_t before = delivery_hold(d);
    if (!MUTANT(redrive_keeps_counts) && !MUTANT(redrive_counts_late))
        notes_counts_anew(a->segment, group, f->cell, before);
    expiry_lift(a->segment, f->cell);
    uint32_t hold = hold_returned(before);
    uint64_t next = delivery_with(DELIVERY_RETURNED, &v, hold);
    if (a->segment->parameters.keyed)
        next = delivery_of_hold(DELIVERY_RETURNED, LEAVING, delivery_viewer1(next), delivery_viewer2(next), hold);
    struct dead_change change;
    dead_count_leave(a, group, &change);
    bool paused = pause_stops_sends(a->segment); /* again, now that our seat says that we are at it: drain relies on that */
    bool done = !paused && cas_seq_cst(delivery_at(a->segment, group, f->cell), &d, next, delivery);
    dead_count_left(a->segment, &change, done);
    if (paused)
        return LETTER_PAUSED;
    if (!done)
        return LETTER_MOVED;
    if (MUTANT(redrive_counts_late))
        notes_counts_write(a->segment, group, f->cell, hold, (struct counts){0, 0});
    durable_note(a->segment, f->cell);
    if (a->segment->parameters.keyed)
        keyed_leave(a->segment, group, f->cell);
    else
        ready_again(a->segment, group, f->cell);
    return LETTER_DONE;
}

static enum outcome purge(struct actor *a, unsigned group, const struct found *f) {
    return dead_drop(a, group, f->cell, f->delivery) ? LETTER_DONE : LETTER_MOVED;
}

enum verb { REDRIVE, FORWARD, PURGE };

struct task {
    rp_queue *queue;
    struct actor actor;
    struct known_group group;
    enum verb verb;
    struct rp_redrive_options which;
    void *copy; /* FORWARD: of payload and headers */
};

/* What travels with the letter, beside its headers and as far as the other queue has it: the key, or the priority. */
static void send_as(const struct task *t, const struct found *f, unsigned char *key, struct rp_send_options *o) {
    const struct segment *from = &t->queue->segment, *to = t->which.to->actor.segment;
    rp_send_options_init(o, sizeof *o);
    o->timeout_ns = 0;
    if (to->parameters.keyed) {
        o->key_bytes = lookup_key(t->queue, f, key);
        o->key = o->key_bytes > 0 ? key : NULL;
    } else if (segment_levels(from) > 1) {
        uint32_t priority = lane_of(from, f->cell), levels = segment_levels(to);
        o->priority = priority < levels ? priority : levels - 1;
    }
}

/*
 * The letter is sent, then dropped here: killed in between, it is there twice, and never nowhere. *outcome: MOVED when it changed while it was copied, and
 * nothing was sent. 0, or why it could not be sent.
 */
static int forward(struct task *t, const struct found *f, enum outcome *outcome) {
    unsigned char key[KEY_BYTES];
    struct rp_send_options o;
    const struct segment *to = t->which.to->actor.segment;
    if (queue_check(t->which.to->actor.queue) == 0 &&
        groups_active(to, groups_load(to)) == 0) /* it would take the letter, count it as unroutable, and that would be its end */
        return fail(-EINVAL, "queue '%s' has no group that would receive them", t->which.to->actor.queue->name);
    send_as(t, f, key, &o);
    struct rp_headers headers = lookup_headers(t->queue, f, t->copy, segment_room(&t->queue->segment));
    o.carry = &headers;
    *outcome = LETTER_MOVED;
    if (!lookup_copy(t->queue, t->group.index, f, t->copy, f->bytes) && !MUTANT(forward_moved))
        return 0;
    if (MUTANT(forward_drops_first) && purge(&t->actor, t->group.index, f) == LETTER_MOVED)
        return 0;
    int result = rp_send(t->which.to, t->copy, f->bytes, &o);
    if (result < 0)
        return result;
    struct found now = *f; /* a viewer may leave meanwhile; if another redrives or drops it, he does so to a letter that was sent */
    while (purge(&t->actor, t->group.index, &now) == LETTER_MOVED &&
           lookup_cell(t->queue, &t->group, f->cell, RP_STATE_DEAD, &now) && (now.id == f->id || MUTANT(forward_drops_any)))
        ;
    *outcome = LETTER_DONE;
    return 0;
}

/* Does it to the letter that was listed as `e`, if it is there and one of those. 1 done; 0 not; RP_IN_USE; or why it could not be sent. */
static int treat(struct task *t, const struct listed *e) {
    struct found f;
    struct rp_dead_letter letter;
    while (lookup_cell(t->queue, &t->group, e->cell, RP_STATE_DEAD, &f) && f.id == e->id) {
        if (!read_chosen(t->queue, t->group.index, &f, &t->which, &letter))
            return 0;
        enum outcome outcome = LETTER_DONE;
        int result = 0;
        if (t->which.dry_run)
            outcome = t->verb == REDRIVE && viewers_of(f.delivery, true).count > 2 ? LETTER_HELD : LETTER_DONE;
        else if (t->verb == FORWARD)
            result = forward(t, &f, &outcome);
        else
            outcome = t->verb == REDRIVE ? redrive(&t->actor, t->group.index, &f) : purge(&t->actor, t->group.index, &f);
        if (outcome == LETTER_PAUSED)
            result = fail(RP_PAUSED, "queue '%s': sending is paused, and so is redriving", t->queue->name);
        if (result < 0)
            return result;
        if (outcome != LETTER_MOVED)
            return outcome == LETTER_DONE ? 1 : RP_IN_USE;
    }
    return 0;
}

/* All that were dead when it began, in order of their ids: one that dies again meanwhile is not met twice. */
static int treat_all(struct task *t) {
    size_t count;
    struct listed *dead = listing_make(t->queue, &t->group, RP_STATE_DEAD, t->which.after_id, &count);
    if (dead == NULL)
        return fail(-ENOMEM, "no memory to list the dead letters");
    int done = 0, result = 0;
    for (size_t i = 0; i < count && (t->which.limit == 0 || (uint64_t)done < t->which.limit); i++) {
        if (t->which.id != 0 && dead[i].id != t->which.id)
            continue;
        result = treat(t, &dead[i]);
        if (result == 1) {
            done++;
            if (t->which.last_id != NULL)
                *t->which.last_id = dead[i].id;
        } else if (result == RP_IN_USE && t->which.id != 0)
            (void)fail(RP_IN_USE, "dead letter %llu: three processes still look at it", (unsigned long long)dead[i].id);
        else if (result < 0 && result != RP_IN_USE)
            break;
    }
    free(dead);
    if (done > 0)
        return done;
    if (result < 0 && (t->which.id != 0 || result != RP_IN_USE))
        return result;
    if (t->which.id != 0)
        return fail(-ENOENT, "queue '%s' has no such dead letter %llu", t->queue->name, (unsigned long long)t->which.id);
    return 0;
}

static int letters_do(rp_queue *q, const char *group, const struct rp_redrive_options *given, enum verb verb) {
    struct task t = {.queue = q, .verb = verb};
    int result = lookup_group(q, group, &t.group);
    if (result < 0)
        return result;
    if (q->read_only)
        return fail(-EROFS, "queue '%s' was opened read-only", q->name);
    result = take_options(&t.which, given);
    if (result < 0)
        return result;
    if (t.which.to != NULL) {
        if (verb == PURGE)
            return fail(-EINVAL, "rp_dead_purge: purged letters go nowhere");
        if (shm_same(&t.which.to->actor.queue->prober.identity, &q->prober.identity))
            return fail(-EINVAL, "queue '%s': its dead letters sent to itself would never end; redrive them", q->name);
        t.verb = FORWARD;
        t.copy = malloc(segment_room(&q->segment));
        if (t.copy == NULL)
            return fail(-ENOMEM, "no memory for a message");
    }
    actor_open(&t.actor, q);
    int done = treat_all(&t);
    if (done > 0 && !t.which.dry_run)
        tally_add(&t.actor.tally, t.verb == PURGE ? COUNT_PURGED : COUNT_REDRIVEN, (uint64_t)done);
    actor_close(&t.actor);
    free(t.copy);
    return done;
}

RP_API int rp_dead_redrive(rp_queue *q, const char *group, const struct rp_redrive_options *o) {
    return letters_do(q, group, o, REDRIVE);
}

RP_API int rp_dead_purge(rp_queue *q, const char *group, const struct rp_redrive_options *o) {
    return letters_do(q, group, o, PURGE);
}
