/* SPDX-License-Identifier: MIT */
#include "scenario.h"

const struct sim_program *const *const scenario_lists[] = {
    scenarios_pairs,
    scenarios_time,
    scenarios_death,
    scenarios_dead,
    scenarios_room,
    scenarios_wrap,
    scenarios_threads,
    scenarios_crowd,
    scenarios_keys,
    scenarios_levels,
    scenarios_shards,
    scenarios_bury,
    scenarios_overflow,
    scenarios_groups,
    scenarios_timers,
    scenarios_schedule,
    scenarios_leave,
    scenarios_operators,
    scenarios_forward,
    scenarios_key_groups,
    scenarios_wait_groups,
    scenarios_drops,
    scenarios_once,
    scenarios_headers,
    scenarios_flow,
    scenarios_identity,
    scenarios_onward,
    scenarios_seen,
    scenarios_event,
    scenarios_dump,
    scenarios_spill,
    scenarios_exchange,
    scenarios_durable,
    scenarios_durable_ids,
    scenarios_past,
    scenarios_ring,
    NULL,
};

struct rp_queue_options scenario_options(uint32_t capacity) {
    struct rp_queue_options o;
    witness_options(&o);
    o.capacity = capacity;
    o.lease_ns = LEASE_NS;
    o.backoff_ns = o.backoff_max_ns = 0;
    return o;
}

void scenario_preload(unsigned messages) {
    struct desk d;
    witness_open(&d);
    for (unsigned i = 0; i < messages; i++)
        witness_send(&d, 0);
    witness_close(&d);
}

void scenario_create(uint32_t capacity, unsigned messages) {
    struct rp_queue_options o = scenario_options(capacity);
    witness_create(&o, NULL);
    if (messages > 0)
        scenario_preload(messages);
}

void scenario_receive_and_ack(struct desk *d, unsigned times) {
    for (unsigned i = 0; i < times; i++)
        if (witness_receive(d, 0) == 0)
            witness_ack(d, 0);
}

uint64_t scenario_free_cells(struct desk *d) {
    struct rp_queue_stats s;
    rp_queue_stats(d->queue, &s);
    return s.free_cells;
}
