/* SPDX-License-Identifier: MIT */
#include "dedup.h"
#include "error.h"
#include "fanout.h"
#include "sweep.h"
#include "wait.h"
#include <errno.h>

static uint64_t message_word(const struct segment *s, uint32_t c) {
    return (uint64_t)c << GENERATION_BITS | cell_generation(load_relaxed(&segment_cell(s, c)->word, own));
}

/* ---- asking ---- */

int64_t once_patience(const struct once *x) {
    if (x->timeout_ns <= 0)
        return x->timeout_ns;
    uint64_t now_ns = clock_boot_ns();
    return now_ns < x->deadline_ns ? (int64_t)(x->deadline_ns - now_ns) : 0;
}

/* 0: unknown; RP_DUPLICATE; -EBUSY: not decided; RP_CORRUPT. */
static int look(void *context) {
    struct once *x = context;
    const struct segment *s = x->actor->segment;
    x->now_ns = coarse_clock_boot_ns(&x->actor->clock) - s->epoch_boot_ns;
    switch (id_table_look(s, &x->id, x->now_ns, &x->entry, &x->head)) {
    case ID_UNKNOWN: return 0;
    case ID_KNOWN: return id_state(x->entry.word) == ID_PENDING && !MUTANT(dedup_believes_pending) ? -EBUSY : RP_DUPLICATE;
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
    if (result == -EBUSY && recover_the_dead(a) > 0)
        result = look(x);
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
    if (!id_table_take(s, a->seat, x->now_ns, &mine, &forgotten))
        return fail(RP_CORRUPT, "queue '%s': none of its %u places for ids is free", a->queue->name, s->layout.known_count);
    if (forgotten)
        tally_add(&a->tally, COUNT_FORGOTTEN, 1);
    id_table_fill(s, &mine, &x->id, x->now_ns + s->parameters.dedup_window_ns, message_word(s, c), segment_cell(s, c)->id);
    while (!id_table_link(s, &mine, &x->id, x->head)) {
        int result = look_patiently(x, first);
        if (result < 0) {
            id_table_give_back(s, &mine);
            return result;
        }
    }
    x->entry = mine;
    return 0;
}

void dedup_end(struct once *x, bool sent) {
    const struct segment *s = x->actor->segment;
    id_table_decide_mine(s, &x->entry, sent ? ID_COMMITTED : ID_ABORTED);
    if (!sent)
        id_table_drop(s, x->entry.index, x->entry.word);
}

/* ---- recovery ---- */

/* Was the dead one's message sent? */
static bool sent(const struct segment *s, uint64_t message, uint32_t dead) {
    uint32_t c = (uint32_t)(message >> GENERATION_BITS);
    if (!segment_has_cell(s, c))
        return false;
    uint64_t w = load_acquire(&segment_cell(s, c)->word, cell_word), before = message & GENERATION_MASK;
    if (cell_generation(w) == before)
        return cell_state(w) == CELL_DELAYED || cell_state(w) == CELL_JOURNALED;
    if (cell_state(w) == CELL_PUBLISHED && cell_owner(w) == dead && cell_generation(w) == ((before + 1) & GENERATION_MASK))
        return fanout_committed(s, c, w);
    return true;
}

int dedup_recover(struct actor *a, uint32_t dead) {
    const struct segment *s = a->segment;
    int done = 0;
    for (uint32_t i = 0; i < s->layout.known_count; i++) {
        struct known_id *e = &s->known_ids[i];
        uint64_t w = load_acquire(&e->word, known_word);
        if (id_owner(w) != dead)
            continue;
        if (id_state(w) == ID_TAKEN) {
            id_table_give_back(s, &(struct id_entry){.index = i, .word = w});
            done++;
        } else if (id_state(w) == ID_PENDING) {
            enum id_state verdict = sent(s, load_acquire(&e->message, known_id), dead) ? ID_COMMITTED : ID_ABORTED;
            done += id_table_decide(s, i, w, verdict);
        }
    }
    return done;
}
