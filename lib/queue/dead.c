/* SPDX-License-Identifier: MIT */
#include "dead.h"
#include "delivery.h"
#include "error.h"
#include "keyed.h"
#include "lookup.h"
#include "notes.h"
#include "options.h"
#include <errno.h>
#include <stdlib.h>

void dead_removed(const struct segment *s, unsigned group) {
    a64 *count = &s->groups[group].dead_count;
    uint64_t n = load_relaxed(count, hint);
    while (n > 0 && !cas_relaxed(count, &n, n - 1, hint)) {
    }
}

/* Counts the DEAD words themselves. */
static uint64_t count_dead(const struct segment *s, unsigned group) {
    uint64_t dead = 0;
    for (uint32_t c = 0, n = cells_in_play(s); c < n; c++)
        dead += delivery_state(load_acquire(delivery_at(s, group, c), delivery)) == DELIVERY_DEAD;
    return dead;
}

/* Finds the oldest death from *h on. False: there is none. */
static bool find_oldest(const struct segment *s, unsigned group, const struct index_ring *ring, uint64_t *h, uint32_t *cell,
                        uint64_t *d) {
    const struct ring_name deaths = {group, 0, RING_DEATHS};
    const a64 *head = delivery_ring_head(s, deaths);
    for (uint64_t steps = 16 * ring_slots(ring) + 4096; steps > 0; steps--) {
        uint64_t slot;
        enum ring_look_at look = ring_look(ring, head, h, &slot);
        if (look == RING_END || look == RING_BROKEN)
            return false;
        if (look == RING_PAST)
            continue;
        *cell = slot_cell(slot);
        if (requeue_counts(s, deaths, *h, slot, d))
            return true;
        ++*h;
    }
    return false;
}

enum { COUNTED_UP_TO_CELLS = 8192 }; /* beyond, the hint has to do: counting would take too long for each death */

static bool too_many(const struct segment *s, unsigned group) {
    uint64_t capacity = s->parameters.dead_capacity;
    return load_relaxed(&s->groups[group].dead_count, hint) > capacity &&
           (cells_in_play(s) > COUNTED_UP_TO_CELLS || count_dead(s, group) > capacity);
}

/*
 * The count is a hint, and may have been mended while its changer slept. So before a letter goes, the oldest is chosen with its word, then the words are counted, then
 * exactly that word is dropped: whoever else evicts aims at the same one, and one who slept in between fails.
 */
int dead_evict(struct actor *a, unsigned group) {
    const struct segment *s = a->segment;
    struct group *g = &s->groups[group];
    struct index_ring ring = delivery_ring(s, (struct ring_name){group, 0, RING_DEATHS});
    uint64_t h = load_acquire(&g->deaths_head, hints), d;
    uint32_t cell;
    int dropped = 0;
    while (load_relaxed(&g->dead_count, hint) > s->parameters.dead_capacity && find_oldest(s, group, &ring, &h, &cell, &d) &&
           (MUTANT(evict_by_hint) || too_many(s, group))) {
        if (!delivery_drop(a, group, cell, d))
            continue;
        dead_removed(s, group);
        tally_add(&a->tally, COUNT_DEAD_DROPPED, 1);
        dropped++;
    }
    hint_raise(&g->deaths_head, h);
    return dropped;
}

void dead_added(struct actor *a, unsigned group, uint32_t c) {
    struct group *g = &a->segment->groups[group];
    (void)requeue(a->segment, group, c);
    (void)fetch_add_relaxed(&g->dead_count, 1, hint);
    if (a->segment->parameters.dead_overflow == RP_DEAD_DROP_OLDEST)
        (void)dead_evict(a, group);
}

/* ---- public ---- */

RP_API void rp_redrive_options_init(struct rp_redrive_options *o, size_t size) {
    const struct rp_redrive_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

RP_API int rp_dead_peek(rp_queue *q, const char *group, uint64_t after_id, struct rp_dead_letter *out, void *buffer,
                        size_t capacity) {
    int g = lookup_group(q, group);
    if (g < 0)
        return g;
    if (out == NULL || (buffer == NULL && capacity > 0))
        return fail(-EINVAL, "rp_dead_peek: no place for the result");
    struct found found;
    while (lookup_next(q, (unsigned)g, RP_STATE_DEAD, after_id, &found)) {
        *out = (struct rp_dead_letter){0};
        notes_read(&q->segment, (unsigned)g, found.cell, delivery_hold(found.delivery), out);
        if (lookup_copy(q, (unsigned)g, &found, buffer, capacity)) {
            out->id = found.id;
            out->bytes = found.bytes;
            out->sent_ns = found.sent_wall_ns;
            return 0;
        }
    }
    return RP_EMPTY;
}

/* One dead letter back to READY with fresh counts. False: it moved, or three processes still look at it. */
static bool redrive(struct actor *a, unsigned group, uint32_t c, uint64_t d) {
    struct viewers v = viewers_of(d, true);
    if (v.count > 2)
        return false;
    uint32_t before = delivery_hold(d);
    if (!MUTANT(redrive_keeps_counts) && !MUTANT(redrive_counts_late))
        notes_counts_anew(a->segment, group, c, before);
    uint32_t hold = hold_returned(before);
    uint64_t next = delivery_with(DELIVERY_RETURNED, &v, hold);
    if (a->segment->parameters.keyed)
        next = delivery_of_hold(DELIVERY_RETURNED, LEAVING, delivery_viewer1(next), delivery_viewer2(next), hold);
    if (!cas_seq_cst(delivery_at(a->segment, group, c), &d, next, delivery))
        return false;
    if (MUTANT(redrive_counts_late))
        notes_counts_write(a->segment, group, c, hold, (struct counts){0, 0});
    dead_removed(a->segment, group);
    if (a->segment->parameters.keyed)
        keyed_leave(a->segment, group, c);
    else
        ready_again(a->segment, group, c);
    return true;
}

static bool purge_one(struct actor *a, unsigned group, uint32_t c, uint64_t d) {
    if (!delivery_drop(a, group, c, d))
        return false;
    dead_removed(a->segment, group);
    return true;
}

static bool matches(const struct rp_queue *q, unsigned group, const struct found *f, uint32_t reasons) {
    if (reasons == 0)
        return true;
    struct rp_dead_letter letter = {0};
    notes_read(&q->segment, group, f->cell, delivery_hold(f->delivery), &letter);
    return (letter.reason & reasons) != 0;
}

static bool is_dead(const struct rp_queue *q, unsigned group, uint64_t id) {
    struct found f;
    return lookup_next(q, group, RP_STATE_DEAD, id - 1, &f) && f.id == id;
}

enum dead_verb { DEAD_REDRIVE, DEAD_PURGE };

static int dead_do(rp_queue *q, const char *group, const struct rp_redrive_options *given, enum dead_verb verb) {
    int g = lookup_group(q, group);
    if (g < 0)
        return g;
    if (q->read_only)
        return fail(-EROFS, "queue '%s' was opened read-only", q->name);
    struct rp_redrive_options o;
    rp_redrive_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_redrive_options");
    if (result < 0)
        return result;
    size_t count;
    struct found *dead = lookup_all(q, (unsigned)g, RP_STATE_DEAD, &count); /* in order of ids */
    if (dead == NULL)
        return fail(-ENOMEM, "no memory to list the dead letters");
    struct actor actor;
    actor_open(&actor, q);
    int done = 0;
    for (size_t i = 0; i < count && (o.limit == 0 || (uint64_t)done < o.limit); i++) {
        const struct found *f = &dead[i];
        if ((o.id != 0 && f->id != o.id) || !matches(q, (unsigned)g, f, o.reasons))
            continue;
        done += o.dry_run || (verb == DEAD_REDRIVE ? redrive(&actor, (unsigned)g, f->cell, f->delivery)
                                                   : purge_one(&actor, (unsigned)g, f->cell, f->delivery));
    }
    if (!o.dry_run)
        tally_add(&actor.tally, verb == DEAD_REDRIVE ? COUNT_REDRIVEN : COUNT_PURGED, (uint64_t)done);
    actor_close(&actor);
    free(dead);
    if (o.id != 0 && done == 0)
        return is_dead(q, (unsigned)g, o.id)
                   ? fail(RP_IN_USE, "dead letter %llu: three processes still look at it", (unsigned long long)o.id)
                   : fail(-ENOENT, "queue '%s' has no dead letter %llu", q->name, (unsigned long long)o.id);
    return done;
}

RP_API int rp_dead_redrive(rp_queue *q, const char *group, const struct rp_redrive_options *o) {
    return dead_do(q, group, o, DEAD_REDRIVE);
}

RP_API int rp_dead_purge(rp_queue *q, const char *group, const struct rp_redrive_options *o) {
    return dead_do(q, group, o, DEAD_PURGE);
}
