/* SPDX-License-Identifier: MIT */
/* Taking back a message that nobody has received, by its id. */
#include "delivery.h"
#include "error.h"
#include "lane.h"
#include "lookup.h"
#include "schedule.h"
#include <errno.h>

/* Ends published message `id` for each group where nobody holds it. 0, RP_IN_USE, -ENOENT as rp_queue_cancel. */
static int cancel_published(struct actor *a, uint32_t c, uint64_t w, uint64_t id) {
    const struct segment *s = a->segment;
    bool cancelled = false, held = false;
    for (uint32_t pending = cell_pending(w); pending != 0; pending &= pending - 1) {
        unsigned g = (unsigned)__builtin_ctz(pending);
        if (g >= s->parameters.max_groups)
            break;
        for (;;) {
            uint64_t d = load_acquire(delivery_at(s, g, c), delivery);
            uint64_t now = load_acquire(&segment_cell(s, c)->word, cell_word);
            if (cell_generation(now) != cell_generation(w) || !cell_pends(now, g))
                break;
            /* Else its sender is not done with it; or it was refused, and these are the words of the next message. */
            bool committed = taken(d, now) || lane_committed(s, c, now);
            if (!MUTANT(cancel_uncommitted) && (!committed || lookup_id(s, c) != id))
                break;
            if (taken(d, now) && delivery_state(d) != DELIVERY_RETURNED && delivery_state(d) != DELIVERY_DELAYED) {
                held = held || delivery_state(d) == DELIVERY_LEASED;
                break;
            }
            if (delivery_drop_unheld(a, g, c, d)) {
                cancelled = true;
                break;
            }
            if (load_acquire(delivery_at(s, g, c), delivery) == d)
                break;
        }
    }
    return held ? RP_IN_USE : cancelled ? 0 : -ENOENT;
}

/* Cell c, if it holds message `id`. */
static int cancel_cell(struct actor *a, uint32_t c, uint64_t id) {
    a64 *word = &segment_cell(a->segment, c)->word;
    for (;;) {
        uint64_t w = load_acquire(word, cell_word);
        if (!cell_waits(w) && !cell_is_published(w))
            return -ENOENT;
        uint64_t there = lookup_id(a->segment, c);
        fence_acquire();
        if (cell_generation(load_acquire(word, cell_word)) != cell_generation(w))
            continue;
        if (there != id)
            return -ENOENT;
        if (cell_is_published(w))
            return cancel_published(a, c, w, id);
        if (schedule_cancel(a, c, w))
            return 0;
    }
}

static int cancel(struct actor *a, uint64_t id) {
    const struct segment *s = a->segment;
    uint32_t hint = field_read(&s->ids[id & (s->layout.id_count - 1)]), count = s->layout.cell_count;
    if (hint > 0 && hint <= count) {
        int result = cancel_cell(a, hint - 1, id);
        if (result != -ENOENT)
            return result;
    }
    for (uint32_t c = 0; c < count; c++) {
        int result = cancel_cell(a, c, id);
        if (result != -ENOENT)
            return result;
    }
    return -ENOENT;
}

RP_API int rp_queue_cancel(rp_queue *q, uint64_t id) {
    int result = queue_check(q);
    if (result < 0)
        return fail(result, "rp_queue_cancel");
    if (q->read_only)
        return fail(-EROFS, "queue '%s' was opened read-only", q->name);
    struct actor a;
    actor_open(&a, q);
    result = cancel(&a, id);
    if (result == 0)
        tally_add(&a.tally, COUNT_CANCELLED, 1);
    actor_close(&a);
    if (result == -ENOENT)
        return fail(-ENOENT, "queue '%s' has no message %llu that waits or is ready", q->name, (unsigned long long)id);
    return result == 0 ? 0 : fail(RP_IN_USE, "message %llu has been received", (unsigned long long)id);
}
