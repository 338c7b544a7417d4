/* SPDX-License-Identifier: MIT */
#include "audit.h"
#include "durable.h"
#include "identity.h"
#include "lookup.h"

static bool same_id(const struct identity *a, const struct identity *b) {
    bool same = load_acquire(&a->bytes, identity) == load_acquire(&b->bytes, identity);
    for (unsigned i = 0; i < PRODUCER_ID_BYTES / 8 && same; i++)
        same = load_acquire(&a->id[i], identity) == load_acquire(&b->id[i], identity);
    return same;
}

/* Each place of a producer id: its owner is there, its id is one, and no other has it. */
static void check_identity(struct check *k, uint32_t place) {
    const struct segment *s = k->segment;
    const struct identity *e = &s->identities[place];
    uint64_t w = load_acquire(&e->word, identity_word), bytes = load_acquire(&e->bytes, identity);
    if (identity_state(w) > (durable(s) ? IDENTITY_LEAVING : IDENTITY_OWNED))
        audit_violation(k, "producer id %u is in the unknown state %d", place, (int)identity_state(w));
    else if (identity_is_owned(w) && !audit_seat_is_attached(k, identity_owner(w)))
        audit_violation(k, "producer id %u is owned by seat %u, which nobody has", place, identity_owner(w));
    else if (identity_is_owned(w) && !lookup_alive(k->queue, identity_owner(w)))
        k->out->repairable++;
    if (!identity_exists(w))
        return;
    if (bytes < 1 || bytes > PRODUCER_ID_BYTES)
        audit_violation(k, "producer id %u has %llu bytes", place, (unsigned long long)bytes);
    for (uint32_t i = 0; i < place; i++)
        if (identity_exists(load_acquire(&s->identities[i].word, identity_word)) && same_id(&s->identities[i], e))
            audit_violation(k, "producer ids %u and %u are the same", i, place);
}

void audit_identities(struct check *k) {
    const struct segment *s = k->segment;
    for (uint32_t i = 0; i < s->parameters.producer_ids; i++) {
        struct rp_audit before = *k->out;
        uint64_t w = load_acquire(&s->identities[i].word, identity_word), admitted = load_acquire(&s->control->admitted, admitted);
        check_identity(k, i);
        if (load_acquire(&s->identities[i].word, identity_word) != w || load_acquire(&s->control->admitted, admitted) != admitted)
            *k->out = before;
    }
}
