/* SPDX-License-Identifier: MIT */
/* Looking at what is spilled, and the invariants of it. */
#include "audit.h"
#include "error.h"
#include "groups.h"
#include "lookup.h"
#include "spill.h"
#include <errno.h>
#include <ringpost/spill.h>
#include <string.h>

RP_API int rp_spill_stats(rp_queue *q, struct rp_spill_stats *out) {
    int result = queue_check(q);
    if (result < 0 || out == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_spill_stats");
    const struct segment *s = &q->segment;
    if (!spills(s))
        return fail(-ENOTSUP, "queue '%s' does not spill", q->name);
    *out = (struct rp_spill_stats){
        .max_bytes = s->parameters.spill_bytes,
        .extents = s->layout.spill_extent_count,
        .extent_bytes = s->layout.spill_extent_bytes,
        .spilled = counters_sum(s, COUNT_SPILLED),
        .refilled = counters_sum(s, COUNT_REFILLED),
        .full = counters_sum(s, COUNT_SPILL_FULL),
        .disk_full = counters_sum(s, COUNT_DISK_FULL),
    };
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        out->of_group[g] = groups_has(s, g) ? spill_count(s, g) : 0;
        out->messages = out->of_group[g] > out->messages ? out->of_group[g] : out->messages;
    }
    for (uint32_t e = 0; e < s->layout.spill_extent_count; e++)
        out->extents_free += extent_state(load_acquire(&s->spill_extents[e], extent)) <= EXTENT_READY;
    memcpy(out->path, s->spill->path, sizeof out->path);
    out->path[sizeof out->path - 1] = 0;
    out->disk_bytes = spill_file_on_disk(s);
    return 0;
}

static void audit_lane(struct check *k, uint32_t lane) {
    const struct segment *s = k->segment;
    uint64_t end;
    if (!spill_end(s, lane, &end)) {
        audit_violation(k, "the index of lane %u's spill has no end", lane);
        return;
    }
    for (unsigned g = 0; g < s->parameters.max_groups; g++) {
        uint64_t cursor = load_acquire(spill_cursor_at(s, g, lane), cursor), at = cursor_position(cursor, end), now;
        uint32_t c = cursor_cell(cursor);
        if (!(k->active >> g & 1) || !spill_end(s, lane, &now))
            continue;
        if ((int64_t)(now - at) < 0 || now - at > UINT64_C(1) << s->layout.spill_slot_shift)
            audit_violation(k, "group %u is at %llu in the spill of lane %u, which ends at %llu", g, (unsigned long long)at, lane,
                            (unsigned long long)now);
        if (c != NO_CELL && !segment_has_cell(s, c))
            audit_violation(k, "group %u refilled into cell %u of %u", g, c, s->layout.cell_count);
    }
}

/* What nobody writes to any more is needed up to the end of its lanes, and not beyond: else it would never be free. */
static void audit_sealed(struct check *k, uint32_t e, uint64_t w) {
    const struct segment *s = k->segment;
    for (uint32_t lane = 0; lane < s->parameters.lane_count; lane++) {
        uint64_t last = load_acquire(&extent_head(s, e)->last[lane], extent_last), end;
        if (last != 0 && spill_end(s, lane, &end) && (int64_t)(last - end) > 0 && load_acquire(&s->spill_extents[e], extent) == w)
            audit_violation(k, "extent %u is needed up to %llu in lane %u, which ends at %llu", e, (unsigned long long)last, lane,
                            (unsigned long long)end);
    }
}

void audit_spill(struct check *k) {
    const struct segment *s = k->segment;
    for (uint32_t lane = 0; lane < s->parameters.lane_count; lane++)
        audit_lane(k, lane);
    for (uint32_t e = 0; e < s->layout.spill_extent_count; e++) {
        uint64_t w = load_acquire(&s->spill_extents[e], extent);
        if (extent_state(w) == EXTENT_SEALED)
            audit_sealed(k, e, w);
        if (extent_state(w) != EXTENT_OWNED)
            continue;
        bool attached = audit_seat_is_attached(k, extent_owner(w)), same = load_acquire(&s->spill_extents[e], extent) == w;
        if (!attached && same)
            audit_violation(k, "extent %u is owned by seat %u, which nobody has", e, extent_owner(w));
        else if (same && !lookup_alive(k->queue, extent_owner(w)))
            k->out->repairable++;
    }
}
