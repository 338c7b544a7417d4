/* SPDX-License-Identifier: MIT */
/* Opening, closing and removing queues. */
#include "contents.h"
#include "durable_store.h"
#include "error.h"
#include "fork.h"
#include "futex.h"
#include "listing.h"
#include "options.h"
#include "placing.h"
#include "process.h"
#include "recover.h"
#include "roster.h"
#include "shm.h"
#include "spill.h"
#include "sweep.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

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
    if (q->memory != NULL) {
        spill_file_detach(&q->segment);
        shm_unmap(q->memory, q->segment.layout.bytes);
    }
    if (q->prober.path[0] != '\0')
        prober_close(&q->prober);
    if (q->canary != NULL)
        fork_canary_destroy(q->canary);
    pthread_mutex_destroy(&q->lock);
    pthread_mutex_destroy(&q->prober_lock);
    store_close(q->store);
    pthread_mutex_destroy(&q->store_lock);
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
        result = spill_file_attach(&q->segment, q->read_only, q->spill_dir);
        if (result == 0 && !q->read_only)
            result = roster_take(&q->segment, &attach, &q->seat);
    }
    attach_end(&attach);
    if (result == 0 && q->segment.parameters.prefault && !q->read_only)
        shm_prefault(q->memory, attach.bytes, false); /* takes long, so not while forks wait for us */
    if (result == 0 && !q->read_only)
        placing_attached(q);
    if (result == 0 && q->segment.journal != NULL)
        memccpy(q->journal, q->segment.journal->path, 0, sizeof q->journal - 1);
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
        if (q->memory != NULL) {
            spill_file_detach(&q->segment);
            shm_unmap(q->memory, q->segment.layout.bytes);
        }
        q->memory = NULL;
        if (!again)
            return result;
        a32 nobody = 0;
        (void)futex_wait(&nobody, 0, SEAT_NAP_NS);
    }
}

/* Is its journal still its own? What else may be wrong with it, who sends is told. Nothing stays open: who never writes keeps it from nobody. */
static bool has_journal(const struct segment *s) {
    struct durable_store *store;
    int result = s->parameters.sync != 0 ? store_open(s, &store) : -ENOENT;
    if (result == 0)
        store_close(store);
    return result != -ESTALE;
}

int queue_attach(const char *name, const char *path, const struct shm_identity *only, bool read_only, rp_queue **out) {
    rp_queue *q = calloc(1, sizeof *q);
    if (q == NULL)
        return fail(-ENOMEM, "no memory for a handle of queue '%s'", name);
    pthread_mutex_init(&q->lock, NULL);
    pthread_mutex_init(&q->prober_lock, NULL);
    pthread_mutex_init(&q->store_lock, NULL);
    listing_open(&q->listing);
    q->read_only = read_only;
    strncpy(q->name, name, sizeof q->name - 1);
    q->canary = fork_canary_create();
    int result = q->canary == NULL ? fail(-ENOMEM, "no memory to tell forked children apart") : attach(q, path, only);
    if (result == 0 && !read_only && !has_journal(&q->segment)) {
        roster_leave(&q->segment, q->seat);
        result = -ESTALE;
    }
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
    if (o.reserved != 0)
        return fail(-E2BIG, "rp_open_options: a reserved field is not 0");
    if (o.journal != NULL && o.read_only)
        return fail(-EINVAL, "rp_queue_open: who only reads brings no queue back from its journal");
    result = queue_attach(name, path, NULL, o.read_only, out);
    return result == -ENOENT && o.journal != NULL && replay_open != NULL ? replay_open(name, o.journal, out) : result;
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
    if (result < 0)
        return result;
    char spill[SPILL_PATH_BYTES];
    spill_file_of(path, spill);
    result = shm_remove(path);
    if (result == 0) /* if we are killed before it, `gc` finds it */
        (void)spill_file_remove(spill);
    return result;
}

RP_API const char *rp_queue_name(const rp_queue *q) { return q == NULL ? "" : q->name; }

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
