/* SPDX-License-Identifier: MIT */
/* Creating queues: from options to the parameters in the segment. options_queue.c has the way back. */
#include "contents.h"
#include "error.h"
#include "options.h"
#include "placing.h"
#include "shards.h"
#include "shm.h"
#include "spill.h"
#include <errno.h>

RP_API void rp_queue_options_init(struct rp_queue_options *o, size_t size) {
    const struct rp_queue_options defaults = {
        .size = sizeof defaults,
        .capacity = 4096,
        .message_bytes = 1024,
        .lease_ns = UINT64_C(30000000000),
        .max_deliveries = 5,
        .backoff_ns = UINT64_C(100000000),
        .backoff_max_ns = UINT64_C(30000000000),
        .backoff_factor = 2,
        .jitter = 0.2,
        .overflow = RP_OVERFLOW_REJECT,
        .max_groups = 4,
        .max_participants = 64,
        .max_producer_ids = 16,
        .mode = 0600,
        .prefault = 1,
        .priorities = 1,
        .sync = RP_SYNC_ALWAYS,
        .sync_interval_ns = UINT64_C(100000000),
        .journal_file_bytes = UINT64_C(64) << 20,
    };
    options_fill(o, size, &defaults, sizeof defaults);
}

static int permille(const char *what, double value, double low, double high, uint32_t *out) {
    if (!(value >= low && value <= high)) /* NaN is refused, too */
        return fail(-EINVAL, "%s is %g, allowed are %g to %g", what, value, low, high);
    *out = (uint32_t)(value * 1000 + 0.5);
    return 0;
}

static int parameters_from(const struct rp_queue_options *o, struct parameters *p) {
    *p = (struct parameters){
        .capacity = o->capacity,
        .message_bytes = o->message_bytes,
        .header_bytes = o->header_bytes,
        .max_groups = o->max_groups,
        .max_participants = o->max_participants,
        .lane_count = o->lanes > 0 ? o->lanes : o->priorities,
        .keyed = o->lanes > 0,
        .lane_capacity = o->lane_capacity,
        .ageing_ns = o->ageing_ns,
        .ttl_ns = o->ttl_ns,
        .expired = o->expired,
        .max_bytes = o->max_bytes,
        .dedup_window_ns = o->dedup_window_ns,
        .dedup_entries = o->dedup_entries,
        .producer_ids = o->max_producer_ids,
        .max_deliveries = o->max_deliveries,
        .dead_capacity = o->dead_capacity,
        .dead_overflow = o->dead_overflow,
        .overflow = o->overflow,
        .prefault = o->prefault,
        .mode = o->mode,
        .numa = o->numa,
        .numa_node = o->numa_node,
        .hugepages = o->hugepages,
        .lock_memory = o->lock_memory,
        .spill_bytes = o->spill_max_bytes,
        .sync = o->journal != NULL ? o->sync : 0,
        .sync_interval_ns = o->journal != NULL ? o->sync_interval_ns : 0,
        .journal_file_bytes = o->journal != NULL ? o->journal_file_bytes : 0,
        .retain_ns = o->journal != NULL ? o->retain_ns : 0,
        .retain_bytes = o->journal != NULL ? o->retain_bytes : 0,
        .lease_ns = o->lease_ns,
        .backoff_ns = o->backoff_ns,
        .backoff_max_ns = o->backoff_max_ns,
#ifdef RP_SIM
        .first_lap = sim_first_lap,
        .spill_inside = o->spill_max_bytes > 0,
#else
        .first_lap = 1,
        .spill_inside = o->spill_max_bytes > 0 && spill_force_inside,
#endif
    };
    if (p->dead_capacity == 0)
        p->dead_capacity = o->capacity / 4 > 0 ? o->capacity / 4 : 1;
    if (o->overflow == RP_OVERFLOW_SPILL ? o->spill_max_bytes == 0 || (o->spill_dir == NULL && !p->spill_inside)
                                         : o->spill_max_bytes > 0 || o->spill_dir != NULL)
        return fail(-EINVAL, "spill_dir and spill_max_bytes are for queues that spill, which need both");
    if (o->mode > 0777)
        return fail(-EINVAL, "mode is %#o, only permission bits are allowed", o->mode);
    if (o->priorities < 1 || o->priorities > MAX_PRIORITIES)
        return fail(-EINVAL, "priorities is %u, allowed are 1 to %d", o->priorities, MAX_PRIORITIES);
    if (o->lanes > 0 && o->priorities > 1)
        return fail(-EINVAL, "a queue has priorities or keyed lanes, not both");
    if (o->ageing_ns > 0 && o->priorities == 1)
        return fail(-EINVAL, "ageing_ns is for queues with priorities");
    if (o->lane_capacity > 0 && o->lanes == 0)
        return fail(-EINVAL, "lane_capacity is for queues with keyed lanes");
    if (p->dedup_window_ns > 0 && p->dedup_entries == 0) {
        uint64_t four = 4 * (uint64_t)o->capacity; /* and as many for consumers as for senders: seen.c */
        uint64_t both = 2 * (o->capacity + (uint64_t)CELLS_PER_PARTICIPANT * o->max_participants);
        p->dedup_entries = four < both ? both : four;
        p->dedup_entries = p->dedup_entries < 4000000 ? p->dedup_entries : 4000000;
    }
    if (o->strict > 1)
        return fail(-EINVAL, "strict is neither 0 nor 1");
    if (o->reserved != 0 || o->reserved2 != 0 || o->reserved3 != 0)
        return fail(-E2BIG, "rp_queue_options: a reserved field is not 0");
    int result = shards_parameters(o, p);
    if (result == 0)
        result = permille("backoff_factor", o->backoff_factor, 1, 100, &p->backoff_factor_permille);
    return result < 0 ? result : permille("jitter", o->jitter, 0, 1, &p->jitter_permille);
}

int queue_create(const char *name, const struct rp_queue_options *given, struct queue_contents *contents, rp_queue **out) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    char path[SHM_PATH_MAX];
    struct parameters parameters;
    struct layout layout;
    int result = options_take(&o, sizeof o, given, "rp_queue_options");
    if (result < 0 || (result = shm_path(name, path)) < 0 || (result = parameters_from(&o, &parameters)) < 0 ||
        (result = layout_compute(&parameters, &layout)) < 0)
        return result;
    if (out == NULL)
        return fail(-EINVAL, "rp_queue_create: no place for the result");
    struct shm_build build;
    struct placement where;
    result = placing_create(path, &o, &parameters, &layout, &build, &where);
    if (result < 0)
        return result;
    segment_initialise(build.memory, &parameters, &layout, "default");
    struct shm_identity made;
    uint64_t bytes;
    int lock = -1;
    result = placing_made(&build, &o, &layout, &where);
    if (result >= 0 && o.spill_dir != NULL && !parameters.spill_inside)
        result = spill_file_create(name, o.spill_dir, path, &build, &lock);
    if (result >= 0)
        result = shm_stat(build.fd, &made, &bytes);
    if (result >= 0 && contents != NULL)
        result = contents->fill(contents, build.memory, layout.bytes);
    if (result >= 0)
        result = shm_publish(&build);
    spill_file_end(&build, lock, result == 0);
    shm_discard(&build);
    return result < 0 ? result : queue_attach(name, path, &made, false, out);
}

RP_API int rp_queue_create(const char *name, const struct rp_queue_options *given, rp_queue **out) {
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_queue_options");
    if (result < 0)
        return result;
    if (o.journal == NULL)
        return queue_create(name, &o, NULL, out);
    return replay_create != NULL ? replay_create(name, &o, out) : fail(-ENOTSUP, "durable queues are not in this program");
}
