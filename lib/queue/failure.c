/* SPDX-License-Identifier: MIT */
/* What became of a message before it was handed out again. */
#include "error.h"
#include "notes.h"
#include "view.h"
#include <errno.h>
#include <string.h>

RP_API int rp_message_failure(rp_consumer *c, const struct rp_message *m, struct rp_last_failure *out) {
    int result = c == NULL ? -EINVAL : queue_check(c->actor.queue);
    if (result < 0)
        return fail(result, "rp_message_failure: no consumer of this process");
    const struct view *v = m == NULL || out == NULL ? NULL : view_of(c, m);
    if (v == NULL)
        return fail(-EINVAL, "the message was settled before, or was received by another consumer");
    struct rp_dead_letter known = {0};
    notes_read(c->actor.segment, c->group, load_relaxed(&v->cell, own) - 1, v->hold, &known);
    *out = (struct rp_last_failure){
        .kind = known.last_failure,
        .pid = known.pid,
        .failed_ns = known.last_failed_ns,
        .first_failed_ns = known.first_failed_ns,
    };
    _Static_assert(sizeof out->executable == sizeof known.executable && sizeof out->text == sizeof known.text, "the same");
    memcpy(out->executable, known.executable, sizeof out->executable);
    memcpy(out->text, known.text, sizeof out->text);
    return known.last_failure == RP_FAILURE_NONE ? RP_EMPTY : 0;
}
