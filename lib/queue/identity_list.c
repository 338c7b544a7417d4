/* SPDX-License-Identifier: MIT */
/* Producer ids as others see them: asking, listing, removing. */
#include "durable.h"
#include "error.h"
#include "identity.h"
#include "lookup.h"
#include "sweep.h"
#include <errno.h>
#include <string.h>

RP_API int rp_producer_sequence(rp_producer *p, uint64_t *last) {
    int result = p == NULL ? -EINVAL : queue_check(p->actor.queue);
    if (result < 0 || last == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_producer_sequence: no producer of this process, or no place for the result");
    if (p->identity == NULL)
        return fail(-EINVAL, "the producer of queue '%s' was opened without an id", p->actor.queue->name);
    result = durable_answer(p, 0);
    if (result == 0)
        *last = p->sequence;
    return result;
}

static bool describe(rp_queue *q, const struct identity *e, struct rp_producer_id *out) {
    const struct segment *s = &q->segment;
    uint64_t w = load_acquire(&e->word, identity_word), words[PRODUCER_ID_BYTES / 8];
    if (!identity_exists(w))
        return false;
    for (unsigned i = 0; i < PRODUCER_ID_BYTES / 8; i++)
        words[i] = load_acquire(&e->id[i], identity);
    uint64_t bytes = load_acquire(&e->bytes, identity);
    _Static_assert(sizeof words == sizeof out->id, "the same");
    memcpy(out->id, words, sizeof words);
    out->id_bytes = bytes <= sizeof words ? (uint32_t)bytes : (uint32_t)sizeof words;
    out->sequence = identity_sequence(e, w);
    out->made_ns = load_relaxed(&e->made_wall_ns, recheck);
    uint32_t owner = identity_owner(w);
    if (identity_is_owned(w) && owner < s->parameters.max_participants) {
        out->pid = (uint32_t)load_relaxed(&s->seats[owner].pid, recheck);
        out->alive = lookup_alive(q, owner);
    }
    return load_acquire(&e->word, identity_word) == w;
}

RP_API int rp_producer_id_next(rp_queue *q, uint32_t index, struct rp_producer_id *out) {
    int result = queue_check(q);
    if (result < 0 || out == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_producer_id_next");
    for (; index < q->segment.parameters.producer_ids; index++) {
        const struct identity *e = &q->segment.identities[index];
        for (unsigned tries = 0; tries < 4; tries++) { /* one that changes hands all the time is left out */
            *out = (struct rp_producer_id){.index = index};
            if (describe(q, e, out))
                return 0;
        }
    }
    return RP_EMPTY;
}

/* It is KEPT with this word. 0: it is removed; 1: it has become another's; or why it cannot be. What was sent under it counts first: until then the journal needs its name. */
static int leave(struct actor *a, struct identity *e, uint64_t w) {
    const bool recorded = durable(a->segment);
    uint64_t gone = identity_word(recorded && !MUTANT(durable_leaves_at_once) ? IDENTITY_LEAVING : IDENTITY_UNUSED, NOBODY, false,
                                  identity_generation(w));
    int result = recorded && !MUTANT(durable_leaves_unwritten) ? durable_write_all(a, load_acquire(&e->message, identity)) : 0;
    if (result < 0)
        return result;
    if (!cas_acq_rel(&e->word, &w, gone, identity_word))
        return 1;
    return recorded && !MUTANT(durable_leaves_at_once) ? durable_record_left(a, &e->word, gone) : 0;
}

static int remove_id(struct actor *a, const struct producer_name *x) {
    const struct segment *s = a->segment;
    uint64_t w, admitted, relieved = 0;
    for (;;) {
        int64_t place = identity_find(s, x, &w, &admitted);
        if (place < 0)
            return fail(-ENOENT, "queue '%s' has no such producer id", a->queue->name);
        if (identity_state(w) == IDENTITY_KEPT) {
            int result = leave(a, &s->identities[place], w);
            if (result <= 0)
                return result;
        } else if (w == relieved) { /* still the same after the dead were recovered */
            return fail(RP_IN_USE, "queue '%s': a producer with this id is open", a->queue->name);
        } else {
            (void)recover_the_dead(a);
            relieved = w;
        }
    }
}

RP_API int rp_producer_id_remove(rp_queue *q, const void *id, size_t id_bytes) {
    struct producer_name x;
    int result = queue_check(q);
    if (result < 0)
        return fail(result, "rp_producer_id_remove");
    if ((result = producer_name_make(&x, id, id_bytes)) < 0)
        return result;
    if (q->read_only)
        return fail(-EROFS, "queue '%s' was opened read-only", q->name);
    struct actor a;
    actor_open(&a, q);
    result = remove_id(&a, &x);
    actor_close(&a);
    return result;
}
