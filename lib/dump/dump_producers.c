/* SPDX-License-Identifier: MIT */
#include "dump_producers.h"
#include "durable_ids.h"
#include "error.h"
#include "identity.h"
#include "lookup.h"
#include <errno.h>
#include <stdlib.h>

int dump_producers_open(struct dump_producers *x, const rp_queue *q) {
    x->all = calloc(q->segment.parameters.producer_ids + 1, sizeof *x->all);
    return x->all != NULL ? 0 : fail(-ENOMEM, "queue '%.80s': no memory for the ids of its producers", q->name);
}

void dump_producers_free(struct dump_producers *x) { free(x->all); }

/*
 * The send under way, whose message's id is in the cell before the place names the cell. What is read is of one send if the place says the same afterwards: also its last sequence, or this could be the send after
 * the one that was under way when that was read, and the one between would be lost.
 */
static bool read_under_way(const struct segment *s, const struct identity *e, struct dump_producer *out) {
    uint64_t last = out->id.sequence, next = load_acquire(&e->next, identity), message = load_acquire(&e->message, identity);
    uint64_t c = message >> GENERATION_BITS;
    out->next = next;
    if (next != last && c < s->layout.cell_count) {
        out->message_id = lookup_id(s, (uint32_t)c);
        if (dump_settled(s, message) && !MUTANT(dump_settled_unsent))
            out->id.sequence = next;
    }
    fence_acquire();
    bool same = load_acquire(&e->message, identity) == message && load_acquire(&e->next, identity) == next &&
                load_acquire(&e->last, identity) == last;
    return same || MUTANT(dump_sequence_once);
}

static bool read_place(const struct segment *s, const struct identity *e, struct dump_producer *out) {
    uint64_t words[PRODUCER_ID_BYTES / 8];
    for (;;) {
        uint64_t w = load_acquire(&e->word, identity_word);
        if (!identity_exists(w))
            return false;
        *out = (struct dump_producer){.next = 0};
        for (unsigned i = 0; i < PRODUCER_ID_BYTES / 8; i++)
            words[i] = load_acquire(&e->id[i], identity);
        memcpy(out->id.id, words, sizeof words);
        uint64_t bytes = load_acquire(&e->bytes, identity);
        out->id.id_bytes = bytes <= sizeof words ? (uint32_t)bytes : (uint32_t)sizeof words;
        out->id.made_ns = load_relaxed(&e->made_wall_ns, recheck);
        out->id.sequence = identity_sequence(e, w);
        if (identity_state(w) == IDENTITY_OWNED && !read_under_way(s, e, out))
            continue;
        if (durable(s)) /* what waits for the journal is not in the dump */
            out->id.sequence = ids_sequence_before(s, (uint32_t)(e - s->identities),
                                                   load_acquire(&s->control->journal_moved, hints), out->id.sequence);
        if (load_acquire(&e->word, identity_word) == w)
            return out->id.id_bytes > 0;
    }
}

void dump_producers_read(struct dump_producers *x, const struct segment *s) {
    x->count = 0;
    for (uint32_t i = 0; i < s->parameters.producer_ids; i++)
        x->count += read_place(s, &s->identities[i], &x->all[x->count]);
}

bool dump_producers_same(const struct dump_producers *a, const struct dump_producers *b) {
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct rp_producer_id *x = &a->all[i].id, *y = &b->all[i].id;
        if (x->sequence != y->sequence || x->id_bytes != y->id_bytes || memcmp(x->id, y->id, x->id_bytes) != 0)
            return false;
    }
    return true;
}
