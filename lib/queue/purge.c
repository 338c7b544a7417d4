/* SPDX-License-Identifier: MIT */
#include "dead.h"
#include "delivery.h"
#include "error.h"
#include "lookup.h"
#include "schedule.h"
#include "spill.h"
#include <errno.h>

RP_API int rp_queue_purge(rp_queue *q, const char *group, unsigned states) {
    struct known_group g;
    int result = lookup_group(q, group, &g);
    if (result < 0)
        return result;
    if (q->read_only)
        return fail(-EROFS, "queue '%s' was opened read-only", q->name);
    if (states == 0 || (states & ~(unsigned)RP_STATE_ALL) != 0)
        return fail(-EINVAL, "rp_queue_purge: unknown states %#x", states);
    struct actor a;
    actor_open(&a, q);
    uint64_t spilled = states & RP_STATE_READY ? spill_purge(&a, g.index) : 0;
    int purged = spilled < INT32_MAX / 2 ? (int)spilled : INT32_MAX / 2;
    for (uint32_t c = 0; c < q->segment.layout.cell_count; c++) {
        struct found f, tried = {.word = 0};
        while (lookup_cell(q, &g, c, states, &f) && (f.word != tried.word || f.delivery != tried.delivery)) {
            tried = f; /* a redriven letter of a durable queue cannot be dropped while it waits for other groups */
            bool done = cell_state(f.word) == CELL_DELAYED ? schedule_cancel(&a, c, f.word)
                        : taken(f.delivery, f.word)        ? taken_drop(&a, g.index, c, f.delivery)
                                                           : delivery_drop_unheld(&a, g.index, c, f.delivery);
            if (done) {
                purged++;
                break;
            }
        }
    }
    tally_add(&a.tally, COUNT_PURGED, (uint64_t)purged);
    actor_close(&a);
    return purged;
}
