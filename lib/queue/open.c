/* SPDX-License-Identifier: MIT */
/* Creating, opening, closing and removing queues. */
#include "contents.h"
#include "error.h"
#include "fork.h"
#include "futex.h"
#include "listing.h"
#include "options.h"
#include "placing.h"
#include "process.h"
#include "recover.h"
#include "roster.h"
#include "shards.h"
#include "shm.h"
#include "sweep.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

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
    };
    options_fill(o, size, &defaults, sizeof defaults);
}

RP_API void rp_open_options_init(struct rp_open_options *o, size_t size) {
    const struct rp_open_options defaults = {.size = sizeof defaults};
    options_fill(o, size, &defaults, sizeof defaults);
}

/* ---- actors ---- */

void actor_open(struct actor *a, struct rp_queue *q) {
    *a = (struct actor){.queue = q, .segment = &q->segment, .seat = q->seat, .tally_line = COUNTER_LINES};
    a->interrupts_seen = load_relaxed(&q->interrupts, own);
    a->random = process_random() | 1;
    a->alone = spin_budget_ns() == 0;
    pool_open(&a->pool, a->segment, a->seat);
    timers_open(&a->timers, &a->segment->control->next_timer_ns, a->segment->timers, a->segment->layout.cell_count);
    if (a->seat == NOBODY) {
        a->tally.line = q->segment.control->totals;
        return;
    }
    pthread_mutex_lock(&q->lock);
    for (uint32_t i = 0; i + 1 < COUNTER_LINES && a->tally_line == COUNTER_LINES; i++)
        if (!(q->tally_lines >> i & 1))
            a->tally_line = i;
    if (a->tally_line != COUNTER_LINES)
        q->tally_lines |= 1u << a->tally_line;
    pthread_mutex_unlock(&q->lock);
    a->tally.owned = a->tally_line != COUNTER_LINES;
    a->tally.line = q->segment.seats[a->seat].counters[a->tally.owned ? a->tally_line : COUNTER_LINES - 1];
}

void actor_close(struct actor *a) {
    pool_flush(&a->pool);
    if (!a->tally.owned)
        return;
    pthread_mutex_lock(&a->queue->lock);
    a->queue->tally_lines &= ~(1u << a->tally_line);
    pthread_mutex_unlock(&a->queue->lock);
}

/* ---- opening ---- */

enum { SEAT_ATTEMPTS = 50, SEAT_NAP_NS = 2 * TICK_MS * 1000000 / SEAT_ATTEMPTS };

static void release(rp_queue *q) {
    if (q->memory != NULL)
        shm_unmap(q->memory, q->segment.layout.bytes);
    if (q->prober.path[0] != '\0')
        prober_close(&q->prober);
    if (q->canary != NULL)
        fork_canary_destroy(q->canary);
    pthread_mutex_destroy(&q->lock);
    pthread_mutex_destroy(&q->prober_lock);
    listing_close(&q->listing);
    free(q);
}

/* One attempt: maps the segment through a description of its own and takes a seat with that description's lock. */
static int attach_once(rp_queue *q, const char *path, const struct shm_identity *only) {
    struct attach attach;
    int result = attach_begin(path, q->read_only, &attach);
    if (result < 0)
        return result;
    void *memory = NULL;
    q->segment.layout.bytes = attach.bytes;
    if (only != NULL && !shm_same(&attach.identity, only))
        result = fail(-ENOENT, "it was removed as soon as it was made, and the name is another's now");
    else
        result = attach.bytes < 4096
                     ? fail(RP_CORRUPT, "truncated: %llu bytes, a header has 4096", (unsigned long long)attach.bytes)
                     : shm_map(attach.fd, attach.bytes, q->read_only, &memory);
    if (result == 0) {
        q->memory = memory;
        result = segment_bind(&q->segment, memory, attach.bytes, q->read_only);
        q->segment.layout.bytes = attach.bytes;
    }
    if (result == 0) {
        if (q->prober.path[0] != '\0')
            prober_close(&q->prober);
        prober_init(&q->prober, path, &attach.identity);
        q->segment.path = q->prober.path;
        q->segment.inode = attach.identity.inode;
        q->seat = NOBODY;
        if (!q->read_only)
            result = roster_take(&q->segment, &attach, &q->seat);
    }
    attach_end(&attach);
    if (result == 0 && q->segment.parameters.prefault && !q->read_only)
        shm_prefault(q->memory, attach.bytes, false); /* takes long, so not while forks wait for us */
    if (result == 0 && !q->read_only)
        placing_attached(q);
    return result;
}

/* All seats taken: some may be of the dead. Recovers those, acting as nobody. -> how many things were mended. */
static int make_seats(rp_queue *q) {
    struct actor a;
    actor_open(&a, q);
    int mended = recover_the_dead(&a);
    actor_close(&a);
    return mended;
}

/* Is there a dead one whose seat somebody else is clearing just now? */
static bool seats_to_come(rp_queue *q) {
    for (uint32_t i = 0; i < q->segment.parameters.max_participants; i++) {
        uint64_t w = load_acquire(&q->segment.seats[i].word, seat_word);
        if (seat_state(w) == SEAT_CLEAN || liveness_probe(&q->prober, i) == LIVENESS_DEAD)
            return true;
    }
    return false;
}

static int attach(rp_queue *q, const char *path, const struct shm_identity *only) {
    for (int attempts = SEAT_ATTEMPTS;; attempts--) { /* not for ever: who clears a seat may be stopped */
        int result = attach_once(q, path, only);
        if (result == 0)
            return 0;
        bool again = result == RP_NO_SEAT && (make_seats(q) > 0 || seats_to_come(q)) && attempts > 0;
        if (q->memory != NULL)
            shm_unmap(q->memory, q->segment.layout.bytes);
        q->memory = NULL;
        if (!again)
            return result;
        a32 nobody = 0;
        (void)futex_wait(&nobody, 0, SEAT_NAP_NS);
    }
}

/* `only`: that very file; NULL: whatever has the name. */
static int attach_named(const char *name, const char *path, const struct shm_identity *only, bool read_only, rp_queue **out) {
    rp_queue *q = calloc(1, sizeof *q);
    if (q == NULL)
        return fail(-ENOMEM, "no memory for a handle of queue '%s'", name);
    pthread_mutex_init(&q->lock, NULL);
    pthread_mutex_init(&q->prober_lock, NULL);
    listing_open(&q->listing);
    q->read_only = read_only;
    strncpy(q->name, name, sizeof q->name - 1);
    q->canary = fork_canary_create();
    int result = q->canary == NULL ? fail(-ENOMEM, "no memory to tell forked children apart") : attach(q, path, only);
    if (result < 0) {
        release(q);
        return fail(result, "queue '%.80s': %s", name, rp_error_detail());
    }
    *out = q;
    return 0;
}

RP_API int rp_queue_open(const char *name, const struct rp_open_options *given, rp_queue **out) {
    struct rp_open_options o;
    rp_open_options_init(&o, sizeof o);
    char path[SHM_PATH_MAX];
    int result = options_take(&o, sizeof o, given, "rp_open_options");
    if (result < 0 || (result = shm_path(name, path)) < 0)
        return result;
    if (out == NULL || o.read_only > 1)
        return fail(-EINVAL, "rp_queue_open: %s", out == NULL ? "no place for the result" : "read_only is neither 0 nor 1");
    return attach_named(name, path, NULL, o.read_only, out);
}

/* ---- creating ---- */

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
        .lease_ns = o->lease_ns,
        .backoff_ns = o->backoff_ns,
        .backoff_max_ns = o->backoff_max_ns,
#ifdef RP_SIM
        .first_lap = sim_first_lap,
#else
        .first_lap = 1,
#endif
    };
    if (p->dead_capacity == 0)
        p->dead_capacity = o->capacity / 4 > 0 ? o->capacity / 4 : 1;
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
    if (o->reserved != 0 || o->reserved2 != 0)
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
    result = placing_made(&build, &o, &layout, &where);
    if (result >= 0)
        result = shm_stat(build.fd, &made, &bytes);
    if (result >= 0 && contents != NULL)
        result = contents->fill(contents, build.memory, layout.bytes);
    if (result >= 0)
        result = shm_publish(&build);
    shm_discard(&build);
    return result < 0 ? result : attach_named(name, path, &made, false, out);
}

RP_API int rp_queue_create(const char *name, const struct rp_queue_options *given, rp_queue **out) {
    return queue_create(name, given, NULL, out);
}

/* ---- the rest of a queue's life ---- */

RP_API int rp_queue_close(rp_queue *q) {
    if (q == NULL)
        return 0;
    int result = queue_check(q);
    if (result < 0)
        return fail(result, "queue '%s' was opened by the parent process", q->name);
    pthread_mutex_lock(&q->lock);
    bool busy = q->producers != NULL || q->consumers != NULL;
    pthread_mutex_unlock(&q->lock);
    if (busy)
        return fail(RP_IN_USE, "queue '%s' still has open producers or consumers", q->name);
    if (!q->read_only)
        roster_leave(&q->segment, q->seat);
    release(q);
    return 0;
}

RP_API int rp_queue_unlink(const char *name) {
    char path[SHM_PATH_MAX];
    int result = shm_path(name, path);
    return result < 0 ? result : shm_remove(path);
}

RP_API const char *rp_queue_name(const rp_queue *q) { return q == NULL ? "" : q->name; }

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
    return options_give(out, &o, sizeof o, "rp_queue_options");
}

/* Async-signal-safe: two atomic additions and system calls. */
RP_API int rp_queue_interrupt(rp_queue *q) {
    int result = queue_check(q);
    if (result < 0)
        return result;
    (void)fetch_add_seq_cst(&q->interrupts, 1, interrupts);
    if (q->read_only)
        return 0;
    for (unsigned g = 0; g < q->segment.parameters.max_groups; g++) {
        a32 *epoch = &q->segment.control->sleepers[g].epoch;
        (void)fetch_add_seq_cst(epoch, 1, epoch);
        (void)futex_wake(epoch, INT_MAX);
    }
    a32 *const others[] = {&q->segment.control->free_sleepers.epoch, &q->segment.control->keeper_sleepers.epoch};
    for (unsigned i = 0; i < 2; i++) {
        (void)fetch_add_seq_cst(others[i], 1, epoch);
        (void)futex_wake(others[i], INT_MAX);
    }
    bells_interrupt(&q->segment, q->seat);
    return 0;
}
