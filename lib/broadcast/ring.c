/* SPDX-License-Identifier: MIT */
/* Making, opening, closing and removing broadcast rings. */
#include "broadcast.h"
#include "error.h"
#include "fork.h"
#include "options.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

RP_API void rp_ring_options_init(struct rp_ring_options *o, size_t size) {
    const struct rp_ring_options defaults = {
        .size = sizeof defaults,
        .slots = 1024,
        .message_bytes = 48,
        .max_writers = 8,
        .max_readers = 64,
        .mode = 0600,
        .prefault = 1,
        .gate_timeout_ns = UINT64_C(1000000000),
    };
    options_fill(o, size, &defaults, sizeof defaults);
}

/* "/dev/shm/ringpost-ring.NAME", or the path itself. The rules of names are those of queues. */
static int ring_path(const char *name, char path[SHM_PATH_MAX]) {
    static const char queue_prefix[] = "/dev/shm/ringpost.", prefix[] = "/dev/shm/ringpost-ring.";
    char queue[SHM_PATH_MAX];
    int result = shm_path(name, queue);
    if (result < 0)
        return fail(result, "a ring: %s", rp_error_detail());
    if (name[0] == '/') {
        strcpy(path, queue);
        return 0;
    }
    memcpy(path, prefix, sizeof prefix - 1);
    strcpy(path + sizeof prefix - 1, queue + sizeof queue_prefix - 1);
    return 0;
}

int ring_check(const struct rp_ring *ring) {
    if (ring == NULL)
        return fail(-EINVAL, "no ring");
    return ring_is_inherited(ring->canary) ? fail(RP_FORKED, "ring '%.80s' was opened by the parent process", ring->name) : 0;
}

/* ---- opening and closing ---- */

static void release(rp_ring *ring) {
    if (ring->memory != NULL)
        shm_unmap(ring->memory, ring->bytes);
    if (ring->prober.path[0] != 0)
        prober_close(&ring->prober);
    if (ring->canary != NULL)
        fork_canary_destroy(ring->canary);
    pthread_mutex_destroy(&ring->prober_mutex);
    free(ring);
}

static int attach(rp_ring *ring, const struct shm_identity *only) {
    struct attach a;
    int result = attach_begin(ring->path, ring->read_only, &a);
    if (result < 0)
        return result;
    ring->identity = a.identity;
    ring->bytes = a.bytes;
    if (only != NULL && !shm_same(&a.identity, only))
        result = fail(-ENOENT, "it was removed as soon as it was made, and the name is another's now");
    else if (a.bytes < RING_LANES_AT)
        result = fail(RP_CORRUPT, "truncated: %llu bytes", (unsigned long long)a.bytes);
    else
        result = shm_map(a.fd, a.bytes, ring->read_only, &ring->memory);
    attach_end(&a);
    return result < 0 ? result : ring_attach(&ring->view, ring->memory, ring->bytes, ring->read_only);
}

/* `only`: that very file; NULL: whatever has the name. */
static int attach_named(const char *name, const char *path, const struct shm_identity *only, bool read_only, rp_ring **out) {
    rp_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return fail(-ENOMEM, "no memory for a handle of ring '%.80s'", name);
    pthread_mutex_init(&ring->prober_mutex, NULL);
    ring->read_only = read_only;
    strcpy(ring->path, path);
    memccpy(ring->name, name, 0, sizeof ring->name - 1);
    ring->canary = fork_canary_create();
    int result = ring->canary == NULL ? fail(-ENOMEM, "no memory to tell forked children apart") : attach(ring, only);
    if (result < 0) {
        release(ring);
        return fail(result, "ring '%.80s': %s", name, rp_error_detail());
    }
    prober_init(&ring->prober, path, &ring->identity);
    *out = ring;
    return 0;
}

RP_API int rp_ring_open(const char *name, const struct rp_open_options *given, rp_ring **out) {
    struct rp_open_options o;
    char path[SHM_PATH_MAX];
    rp_open_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_open_options");
    if (result < 0 || (result = ring_path(name, path)) < 0)
        return result;
    if (out == NULL || o.read_only > 1)
        return fail(-EINVAL, "rp_ring_open: %s", out == NULL ? "no place for the result" : "read_only is neither 0 nor 1");
    if (o.journal != NULL || o.reserved != 0)
        return fail(-EINVAL, "rp_ring_open: only queues have a journal");
    result = attach_named(name, path, NULL, o.read_only, out);
    if (result == 0 && (*out)->view.p.prefault)
        shm_prefault((*out)->memory, (*out)->bytes, o.read_only);
    return result;
}

RP_API int rp_ring_create(const char *name, const struct rp_ring_options *given, rp_ring **out) {
    struct rp_ring_options o;
    char path[SHM_PATH_MAX];
    rp_ring_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_ring_options");
    if (result < 0 || (result = ring_path(name, path)) < 0)
        return result;
    if (out == NULL || o.mode > 0777 || (o.mode & 0600) != 0600) /* without these it could be made but not opened */
        return fail(-EINVAL, "rp_ring_create: %s",
                    out == NULL ? "no place for the result" : "mode is not 0600 and further permission bits");
    struct ring_parameters p = {
        .slots = o.slots,
        .slot_bytes = o.slot_bytes,
        .message_bytes = o.message_bytes,
        .max_writers = o.max_writers,
        .max_readers = o.max_readers,
        .overflow = o.overflow,
        .prefault = o.prefault,
        .gate_timeout_ns = o.gate_timeout_ns,
    };
    if ((result = ring_parameters_complete(&p)) < 0)
        return result;
    struct shm_build build;
    result = shm_create(path, ring_bytes(&p), o.mode, o.group, o.prefault, &build);
    if (result < 0)
        return result;
    ring_initialise(build.memory, &p);
    struct shm_identity made;
    uint64_t size;
    result = shm_stat(build.fd, &made, &size);
    if (result >= 0)
        result = shm_publish(&build);
    shm_discard(&build);
    if (result < 0 || (result = attach_named(name, path, &made, false, out)) < 0)
        return result;
    if (p.prefault)
        shm_prefault((*out)->memory, (*out)->bytes, false);
    return 0;
}

RP_API int rp_ring_close(rp_ring *ring) {
    if (ring == NULL)
        return 0;
    int result = ring_check(ring);
    if (result < 0)
        return result;
    if (load_relaxed(&ring->handles, own) > 0)
        return fail(RP_IN_USE, "ring '%.80s' still has open writers or readers", ring->name);
    release(ring);
    return 0;
}

/* Async-signal-safe: atomic additions and system calls. */
RP_API int rp_ring_interrupt(rp_ring *ring) {
    if (ring == NULL || ring_is_inherited(ring->canary))
        return ring == NULL ? -EINVAL : RP_FORKED;
    (void)fetch_add_seq_cst(&ring->interrupts, 1, interrupts);
    if (ring->read_only) /* its readers nap */
        return 0;
    struct eventcount everybody[] = {ring_sleepers(&ring->view), ring_waiting_writers(&ring->view)};
    for (unsigned i = 0; i < 2; i++)
        (void)eventcount_rouse(&everybody[i], INT_MAX);
    return 0;
}

RP_API const char *rp_ring_name(const rp_ring *ring) { return ring == NULL ? "" : ring->name; }

/* ---- removal ---- */

/* Tells those who are attached to a ring whose name is gone. */
static void tell_removal(rp_ring *ring) {
    if (!ring_notice_removal(ring))
        return;
    struct eventcount everybody[] = {ring_sleepers(&ring->view), ring_waiting_writers(&ring->view)};
    store_relaxed(&ring->view.control->removed, 1, hint);
    for (unsigned i = 0; i < 2; i++)
        eventcount_wake(&everybody[i], INT_MAX);
}

/* A path may lead to anything, also to a queue: 0, or what keeps it from being a ring. Damaged ones pass, so that they can be removed. */
static int begins_like_a_ring(const char *path) {
    struct attach a;
    uint64_t magic = 0;
    int result = attach_begin(path, true, &a);
    if (result < 0)
        return result;
    if (pread(a.fd, &magic, sizeof magic, 0) != sizeof magic || magic != RING_MAGIC)
        result = fail(RP_CORRUPT, "'%.80s' is not a ring, and is not removed", path);
    attach_end(&a);
    return result;
}

RP_API int rp_ring_unlink(const char *name) {
    char path[SHM_PATH_MAX];
    rp_ring *ring = NULL;
    int result = ring_path(name, path);
    if (result < 0)
        return result;
    if (name[0] == '/' && (result = begins_like_a_ring(path)) < 0)
        return result;
    (void)attach_named(name, path, NULL, false, &ring); /* who may not write, or finds it damaged, removes it without a word */
    result = shm_remove(path);
    if (ring == NULL)
        return result;
    tell_removal(ring);
    release(ring);
    return result;
}

bool ring_notice_removal(struct rp_ring *ring) {
    if (pthread_mutex_trylock(&ring->prober_mutex) == 0) {
        if (liveness_file(&ring->prober) == LIVENESS_GONE)
            store_relaxed(&ring->gone, 1, hint);
        pthread_mutex_unlock(&ring->prober_mutex);
    }
    return load_relaxed(&ring->gone, hint) != 0;
}
