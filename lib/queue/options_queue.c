/* SPDX-License-Identifier: MIT */
/* The options that a queue was made with, as its parameters have them. */
#include "error.h"
#include "handle.h"
#include "options.h"
#include <errno.h>

RP_API int rp_queue_options_get(rp_queue *q, struct rp_queue_options *out) {
    int result = queue_check(q);
    if (result < 0 || out == NULL)
        return fail(result < 0 ? result : -EINVAL, "rp_queue_options_get");
    const struct parameters *p = &q->segment.parameters;
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = p->capacity;
    o.message_bytes = p->message_bytes;
    o.header_bytes = p->header_bytes;
    o.lease_ns = p->lease_ns;
    o.max_deliveries = p->max_deliveries;
    o.backoff_ns = p->backoff_ns;
    o.backoff_max_ns = p->backoff_max_ns;
    o.backoff_factor = p->backoff_factor_permille / 1000.0;
    o.jitter = p->jitter_permille / 1000.0;
    o.dead_capacity = p->dead_capacity;
    o.dead_overflow = p->dead_overflow;
    o.overflow = p->overflow;
    o.max_groups = p->max_groups;
    o.max_participants = p->max_participants;
    o.prefault = p->prefault;
    o.priorities = segment_levels(&q->segment);
    o.ageing_ns = p->ageing_ns;
    o.lanes = p->keyed ? p->lane_count : 0;
    o.lane_capacity = p->lane_capacity;
    o.ttl_ns = p->ttl_ns;
    o.expired = p->expired;
    o.max_bytes = p->max_bytes;
    o.dedup_window_ns = p->dedup_window_ns;
    o.dedup_entries = (uint32_t)p->dedup_entries;
    o.max_producer_ids = (uint32_t)p->producer_ids;
    o.mode = p->mode;
    o.numa = p->numa;
    o.numa_node = p->numa_node;
    o.hugepages = p->hugepages;
    o.lock_memory = p->lock_memory;
    o.numa_shards = p->numa_shards;
    o.spill_max_bytes = p->spill_bytes;
    o.spill_dir = q->spill_dir[0] != 0 ? q->spill_dir : NULL;
    if (p->sync != 0) {
        o.journal = q->journal;
        o.sync = p->sync;
        o.sync_interval_ns = p->sync_interval_ns;
        o.journal_file_bytes = p->journal_file_bytes;
        o.retain_ns = p->retain_ns;
        o.retain_bytes = p->retain_bytes;
    }
    return options_give(out, &o, sizeof o, "rp_queue_options");
}
