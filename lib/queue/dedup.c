/* SPDX-License-Identifier: MIT */
#include "dedup.h"
#include "error.h"
#include "sweep.h"
#include "verdict.h"
#include "wait.h"
#include <errno.h>

/* ---- asking ---- */

int64_t once_patience(const struct once *x) {
    if (x->timeout_ns <= 0)
        return x->timeout_ns;
    uint64_t now_ns = clock_boot_ns();
    return now_ns < x->deadline_ns ? (int64_t)(x->deadline_ns - now_ns) : 0;
}

/* Windows are counted by the coarse clock, and are longer by as much as it may be late. */
static uint64_t now_ns(struct actor *a) { return coarse_clock_boot_ns(&a->clock) - a->segment->epoch_boot_ns; }
uint64_t dedup_until_ns(struct actor *a) {
    return now_ns(a) + a->segment->parameters.dedup_window_ns + COARSE_CLOCK_MS * UINT64_C(1000000);
}

/* 0: unknown; RP_DUPLICATE; -EBUSY: not decided; RP_CORRUPT. */
static int look(void *context) {
    struct once *x = context;
    switch (id_table_look(x->actor->segment, &x->id, &x->entry, &x->head)) {
    case ID_UNKNOWN: return 0;
    case ID_KNOWN:
        if (id_state(x->entry.word) == ID_PENDING && !MUTANT(dedup_believes_pending))
            return -EBUSY;
        return now_ns(x->actor) < x->entry.until_ns ? RP_DUPLICATE : 0;
    default: return RP_CORRUPT;
    }
}

static bool always(void *context) {
    (void)context;
    return true;
}

static int explain(const struct once *x, int result) {
    const char *name = x->actor->queue->name;
    switch (result) {
    case RP_DUPLICATE:
        return fail(result, "queue '%s': a message with this id was sent as number %llu", name,
                    (unsigned long long)x->entry.message_id);
    case -EBUSY:
        return fail(result, "queue '%s': the participant in seat %u is sending a message with this id", name,
                    id_owner(x->entry.word));
    case RP_CORRUPT:
        return fail(result, "queue '%s': the chain of ids with hash %#llx is damaged", name, (unsigned long long)x->id.hash);
    default: return result;
    }
}

/* Looks until it is decided, or the time is over. */
static int look_patiently(struct once *x, uint64_t *first) {
    struct actor *a = x->actor;
    int result = look(x);
    if (result == 0)
        return 0;
    if (result == -EBUSY) { /* also when there was nothing to recover: another may just have done it */
        int done = recover_the_dead(a);
        if (done > 0 || !MUTANT(dedup_looks_if_done))
            result = look(x);
    }
    if (result == -EBUSY) {
        struct wait w = {a, a->pool.free_event, always, look, x, -EBUSY, once_patience(x)};
        result = wait_for(&w);
    }
    if (result == RP_DUPLICATE) {
        tally_add(&a->tally, COUNT_DUPLICATE, 1);
        if (first != NULL)
            *first = x->entry.message_id;
    }
    return explain(x, result);
}

int dedup_ask(struct once *x, struct actor *a, const void *id, size_t bytes, int64_t timeout_ns, uint64_t *first) {
    x->actor = a;
    x->timeout_ns = timeout_ns;
    x->deadline_ns = timeout_ns > 0 ? wait_deadline_ns(clock_boot_ns(), timeout_ns) : 0;
    sought_id_make(&x->id, id, bytes);
    return look_patiently(x, first);
}

/* ---- sending ---- */

int dedup_begin(struct once *x, uint32_t c, uint64_t *first) {
    struct actor *a = x->actor;
    const struct segment *s = a->segment;
    struct id_entry mine;
    bool forgotten;
    enum id_take taken = id_table_take(s, a->seat, now_ns(a), 0, &a->id_spare, &mine, &forgotten);
    if (taken == ID_TAKE_DAMAGED)
        return fail(RP_CORRUPT, "queue '%s': a chain of ids is damaged", a->queue->name);
    if (taken == ID_TAKE_NONE)
        return fail(RP_FULL, "queue '%s': all %u places for ids are held by sends under way", a->queue->name,
                    s->layout.known_count);
    if (forgotten)
        tally_add(&a->tally, COUNT_FORGOTTEN, 1);
    id_table_fill(s, &mine, &x->id, message_word(s, c), segment_cell(s, c)->id);
    while (!id_table_link(s, &mine, &x->id, x->head)) {
        int result = look_patiently(x, first);
        if (result < 0) {
            id_table_give_back(s, &mine);
            a->id_spare = (struct id_spare){mine.turn, true};
            return result;
        }
    }
    x->entry = mine;
    return 0;
}

void dedup_end(struct once *x, bool sent) {
    struct actor *a = x->actor;
    const struct segment *s = a->segment;
    struct id_entry *e = &x->entry;
    if (sent) {
        id_table_commit_mine(s, e, dedup_until_ns(a));
    } else {
        id_table_abort_mine(s, e);
        (void)id_table_drop(s, e->index, e->word);
        a->id_spare = (struct id_spare){e->turn, true};
    }
}

/* ---- recovery ---- */

int dedup_recover(struct actor *a, uint32_t dead) {
    const struct segment *s = a->segment;
    int done = 0;
    uint64_t used = load_relaxed(&s->control->known_hand, hint); /* memory that nobody has touched need not be there */
    for (uint32_t i = 0; i < s->layout.known_count && i < used; i++) {
        struct known_id *e = &s->known_ids[i];
        uint64_t w = load_acquire(&e->word, known_word);
        if (id_owner(w) != dead)
            continue;
        if (id_state(w) == ID_TAKEN) {
            id_table_give_back(s, &(struct id_entry){.index = i, .word = w});
            done++;
        } else if (id_state(w) == ID_PENDING) {
            bool was_sent = message_was_sent(s, id_message(load_acquire(&e->message, known_id)), dead);
            done += was_sent ? id_table_commit(s, i, w, dedup_until_ns(a)) : id_table_abort(s, i, w);
        }
    }
    return done;
}
