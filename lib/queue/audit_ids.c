/* SPDX-License-Identifier: MIT */
/* The invariants of the ids that are kept, lib/ring/id_table.h. */
#include "audit.h"
#include "id_table.h"
#include "lookup.h"
#include <stdlib.h>

/* All words in one number: did anything move meanwhile? */
static uint64_t picture(const struct segment *s) {
    uint64_t sum = load_relaxed(&s->control->known_hand, hint);
    for (uint64_t i = 0; i < UINT64_C(1) << s->layout.known_shift; i++)
        sum = sum * 31 + load_acquire(&s->known_heads[i], known_link);
    for (uint32_t i = 0, n = id_table_used(s); i < n; i++)
        sum = sum * 31 + load_acquire(&s->known_ids[i].word, known_word) * 7 + load_acquire(&s->known_ids[i].next, known_link);
    return sum;
}

static void check_entry(struct check *k, uint32_t i, bool reached) {
    const struct known_id *e = &k->segment->known_ids[i];
    uint64_t w = load_acquire(&e->word, known_word), message = load_acquire(&e->message, known_id);
    enum id_state state = id_state(w);
    if (state > ID_ABORTED) {
        audit_violation(k, "id %u is in the unknown state %d", i, (int)state);
    } else if (state == ID_TAKEN || state == ID_PENDING) {
        if (!audit_seat_is_attached(k, id_owner(w)))
            audit_violation(k, "id %u is being sent by seat %u, which nobody has", i, id_owner(w));
        else if (!lookup_alive(k->queue, id_owner(w)))
            k->out->repairable++;
    } else if (id_owner(w) != NOBODY && w != 0) {
        audit_violation(k, "id %u is in state %d, and seat %u's", i, (int)state, id_owner(w));
    }
    if (state >= ID_PENDING && (id_bytes(message) == 0 || id_bytes(message) > KNOWN_ID_BYTES || id_kind(message) > ID_OF_WORK))
        audit_violation(k, "id %u is of kind %u and has %u bytes", i, id_kind(message), id_bytes(message));
    if (state != ID_COMMITTED)
        return;
    if (load_acquire(&e->until_ns, known_id) >> 63)
        audit_violation(k, "id %u was decided, and not for how long it is kept", i);
    if (!reached && !(load_acquire(&e->next, known_link) & ID_LINK_DROPPED))
        audit_violation(k, "id %u is in no chain", i);
}

/* Each link leads to an entry of this bucket, as it is now, in no other place. */
static void check_chain(struct check *k, uint64_t bucket, unsigned char *reached) {
    const struct segment *s = k->segment;
    for (uint64_t link = load_acquire(&s->known_heads[bucket], known_link); !id_link_ends(link);) {
        uint32_t i = id_link_next(link) - 1;
        if (i >= s->layout.known_count || reached[i]) {
            audit_violation(k, "the chain of ids %llu leads to entry %u, %s", (unsigned long long)bucket, i,
                            i >= s->layout.known_count ? "which is none" : "which is in a chain already");
            return;
        }
        const struct known_id *e = &s->known_ids[i];
        uint64_t w = load_acquire(&e->word, known_word);
        reached[i] = 1;
        if (id_state(w) < ID_PENDING || (id_generation(w) & 0xfffff) != id_link_tag(link) ||
            id_bucket(s, load_acquire(&e->hash, known_id)) != bucket) {
            audit_violation(k, "the chain of ids %llu leads to entry %u, which has become another's", (unsigned long long)bucket,
                            i);
            return;
        }
        link = load_acquire(&e->next, known_link);
    }
}

void audit_ids(struct check *k) {
    const struct segment *s = k->segment;
    unsigned char *reached = calloc(s->layout.known_count, 1);
    if (reached == NULL)
        return;
    struct rp_audit before = *k->out;
    uint64_t then = picture(s);
    for (uint64_t b = 0; b < UINT64_C(1) << s->layout.known_shift; b++)
        check_chain(k, b, reached);
    for (uint32_t i = 0, n = id_table_used(s); i < n; i++)
        check_entry(k, i, reached[i]);
    if (picture(s) != then) /* it moves: that says nothing */
        *k->out = before;
    free(reached);
}
