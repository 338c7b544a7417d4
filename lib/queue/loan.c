/* SPDX-License-Identifier: MIT */
#include "error.h"
#include "send.h"
#include "spill.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int keep_loan(struct rp_producer *p, uint32_t c) {
    if (p->loan_count == p->loan_room) {
        uint32_t *more = realloc(p->loans, 2 * (size_t)p->loan_room * sizeof *more);
        if (more == NULL)
            return fail(-ENOMEM, "no memory to remember another loan");
        p->loans = more;
        p->loan_room *= 2;
    }
    p->loans[p->loan_count++] = c;
    return 0;
}

RP_API int rp_loan(rp_producer *p, size_t bytes, struct rp_loan *out) {
    int result = send_check(p, bytes);
    if (result < 0)
        return result;
    if (out == NULL)
        return fail(-EINVAL, "rp_loan: no place for the result");
    uint32_t c;
    result = room_take(p, bytes, RP_TIMEOUT_POLICY, &c);
    if (result < 0)
        return result;
    result = keep_loan(p, c);
    if (result < 0) {
        pool_give_back(&p->actor.pool, c);
        return result;
    }
    *out = (struct rp_loan){.data = segment_cell(p->actor.segment, c)->payload, .bytes = bytes};
    out->reserved[0] = (uint64_t)(uintptr_t)p;
    out->reserved[1] = c;
    return 0;
}

/* The index of an open loan, or a negative result. */
static int64_t loan_of(struct rp_producer *p, const struct rp_loan *l) {
    int result = send_check(p, l == NULL ? 0 : l->bytes);
    if (result < 0)
        return result;
    if (l != NULL && l->reserved[0] == (uint64_t)(uintptr_t)p)
        for (uint32_t i = 0; i < p->loan_count; i++)
            if (p->loans[i] == l->reserved[1])
                return i;
    return fail(-EINVAL, "the loan is not open, or another producer's");
}

static void end_loan(struct rp_producer *p, int64_t index, struct rp_loan *l) {
    p->loans[index] = p->loans[--p->loan_count];
    memset(l, 0, sizeof *l);
}

RP_API int rp_commit(rp_producer *p, struct rp_loan *l, const struct rp_send_options *given) {
    struct rp_send_options copy;
    const struct rp_send_options *o;
    int64_t index = loan_of(p, l);
    if (index < 0)
        return (int)index;
    int result = send_options(p, given, &copy, &o);
    size_t content = l->bytes;
    if (result == 0 && (result = send_ask(p, o, o->id_out)) < 0)
        return durable_answer(p, result);
    if (result < 0 || (send_has_headers(o) && (result = send_measure(p, l->bytes, o, &content)) < 0))
        return result;
    uint32_t c = p->loans[index];
    if (p->spill != NULL && !spill_waits(o)) {
        struct spilling x = {p, l->data, l->bytes, content, o, o->id_out, true, .cell = c};
        result = spill_send(&x, o->timeout_ns);
        if (result == 0 && !x.used)
            pool_give_back(&p->actor.pool, c);
        if (result == 0)
            end_loan(p, index, l);
        return result;
    }
    result = room_change(p, c, content);
    if (result < 0)
        return result;
    struct once asked, *once = NULL;
    if (send_has_id(o)) {
        once = &asked;
        result = send_ask_once(p, once, o, o->timeout_ns, o->id_out);
        if (result < 0)
            return durable_answer(p, result);
    }
    result = send_cell(p, c, l->bytes, content, o, once, o->timeout_ns, o->id_out, true);
    if (result == 0)
        end_loan(p, index, l);
    return durable_answer(p, result);
}

RP_API int rp_abandon(rp_producer *p, struct rp_loan *l) {
    int64_t index = loan_of(p, l);
    if (index < 0)
        return (int)index;
    pool_give_back(&p->actor.pool, p->loans[index]);
    end_loan(p, index, l);
    return 0;
}
