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

struct question {
    struct actor *actor;
    const struct sought_id *id;
    struct id_entry entry;
    uint64_t head;
};

/* 0: unknown; RP_DUPLICATE; -EBUSY: not decided; RP_CORRUPT. */
static int ask(void *context) {
    struct question *q = context;
    const struct segment *s = q->actor->segment;
    switch (id_table_look(s, q->id, segment_now_ns(s), &q->entry, &q->head)) {
    case ID_UNKNOWN: return 0;
    case ID_KNOWN: return id_state(q->entry.word) == ID_PENDING && !MUTANT(dedup_believes_pending) ? -EBUSY : RP_DUPLICATE;
    default: return RP_CORRUPT;
    }
}

static bool always(void *context) {
    (void)context;
    return true;
}

/* Asks until it is decided, or the time is over. */
static int ask_patiently(struct question *q, int64_t timeout_ns) {
    struct actor *a = q->actor;
    int result = ask(q);
    if (result == -EBUSY && recover_the_dead(a) > 0)
        result = ask(q);
    if (result == -EBUSY) {
        struct wait w = {a, a->pool.free_event, always, ask, q, -EBUSY, timeout_ns};
        result = wait_for(&w);
    }
    if (result == RP_DUPLICATE)
        tally_add(&a->tally, COUNT_DUPLICATE, 1);
    const char *name = a->queue->name;
    return result == 0              ? 0
           : result == RP_DUPLICATE ? fail(result, "queue '%s': a message with this id was sent as number %llu", name,
                                           (unsigned long long)q->entry.message_id)
           : result == -EBUSY
               ? fail(result, "queue '%s': a message with this id is being sent by process %u of it", name, id_owner(q->entry.word))
           : result == RP_CORRUPT
               ? fail(result, "queue '%s': the chain of ids with hash %#llx is damaged", name, (unsigned long long)q->id->hash)
               : result;
}

int dedup_look(struct actor *a, const struct sought_id *x, int64_t timeout_ns, uint64_t *message_id) {
    struct question q = {.actor = a, .id = x};
    int result = ask_patiently(&q, timeout_ns);
    if (result == RP_DUPLICATE)
        *message_id = q.entry.message_id;
    return result;
}

/* ---- sending ---- */

int dedup_begin(struct actor *a, const struct sought_id *x, uint32_t c, int64_t timeout_ns, struct id_entry *entry,
                uint64_t *message_id) {
    const struct segment *s = a->segment;
    uint64_t now_ns = segment_now_ns(s);
    bool forgotten;
    if (!id_table_take(s, a->seat, now_ns, entry, &forgotten))
        return fail(RP_CORRUPT, "queue '%s': none of its %u places for ids is free", a->queue->name, s->layout.known_count);
    if (forgotten)
        tally_add(&a->tally, COUNT_FORGOTTEN, 1);
    id_table_fill(s, entry, x, now_ns + s->parameters.dedup_window_ns, message_word(s, c), segment_cell(s, c)->id);
    struct question q = {.actor = a, .id = x};
    for (;;) {
        int result = ask_patiently(&q, timeout_ns);
        if (result < 0) {
            if (result == RP_DUPLICATE)
                *message_id = q.entry.message_id;
            id_table_give_back(s, entry);
            return result;
        }
        if (id_table_link(s, entry, x, q.head))
            return 0;
    }
}

void dedup_end(struct actor *a, const struct id_entry *entry, bool sent) {
    const struct segment *s = a->segment;
    (void)id_table_decide(s, entry->index, entry->word, sent ? ID_COMMITTED : ID_ABORTED);
    if (!sent)
        id_table_drop(s, entry->index, id_word(ID_ABORTED, NOBODY, id_generation(entry->word)));
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
