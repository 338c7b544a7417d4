/* SPDX-License-Identifier: MIT */
/* Making, opening, closing, removing and listing exchanges; and keeping the compiled table up to date. */
#include "attached.h"
#include "error.h"
#include "fork.h"
#include "grace.h"
#include "options.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

RP_API void rp_exchange_options_init(struct rp_exchange_options *o, size_t size) {
    const struct rp_exchange_options defaults = {.size = sizeof defaults, .max_bindings = 1024, .mode = 0600};
    options_fill(o, size, &defaults, sizeof defaults);
}

/* "/dev/shm/ringpost-exchange.NAME", or the path itself. The rules of names are those of queues. */
static int exchange_path(const char *name, char path[SHM_PATH_MAX]) {
    static const char queue_prefix[] = "/dev/shm/ringpost.", prefix[] = "/dev/shm/ringpost-exchange.";
    char queue[SHM_PATH_MAX];
    int result = shm_path(name, queue);
    if (result < 0)
        return fail(result, "an exchange: %s", rp_error_detail());
    if (name[0] == '/') {
        strcpy(path, queue);
        return 0;
    }
    memcpy(path, prefix, sizeof prefix - 1);
    strcpy(path + sizeof prefix - 1, queue + sizeof queue_prefix - 1);
    return 0;
}

const char *exchange_queue_name(const char *queue) {
    static const char prefix[] = "/dev/shm/ringpost.";
    const char *name = strncmp(queue, prefix, sizeof prefix - 1) == 0 ? queue + sizeof prefix - 1 : "/";
    char path[SHM_PATH_MAX];
    return *name != '/' && shm_path(name, path) == 0 && strcmp(path, queue) == 0 ? name : queue;
}

int exchange_check(const struct rp_exchange *x) {
    if (x == NULL)
        return fail(-EINVAL, "no exchange");
    return *x->canary == 0 ? fail(RP_FORKED, "exchange '%.80s' was opened by the parent process", x->name) : 0;
}

/* ---- opening and closing ---- */

static void release(rp_exchange *x) {
    struct table *table = exchange_table(x);
    if (table != NULL)
        table_free(table, &x->numbers);
    free(x->numbers.free);
    if (x->memory != NULL)
        shm_unmap(x->memory, x->bytes);
    if (x->prober.path[0] != 0)
        prober_close(&x->prober);
    if (x->canary != NULL)
        fork_canary_destroy(x->canary);
    pthread_mutex_destroy(&x->mutex);
    pthread_mutex_destroy(&x->prober_mutex);
    free(x);
}

static int attach(rp_exchange *x, const struct shm_identity *only) {
    struct attach a;
    int result = attach_begin(x->path, x->read_only, &a);
    if (result < 0)
        return result;
    x->identity = a.identity;
    x->bytes = a.bytes;
    if (only != NULL && !shm_same(&a.identity, only))
        result = fail(-ENOENT, "it was removed as soon as it was made, and the name is another's now");
    else if (a.bytes < EXCHANGE_ENTRIES_AT)
        result = fail(RP_CORRUPT, "truncated: %llu bytes", (unsigned long long)a.bytes);
    else
        result = shm_map(a.fd, a.bytes, x->read_only, &x->memory);
    attach_end(&a);
    return result < 0 ? result : bindings_attach(&x->bindings, x->memory, x->bytes);
}

/* `only`: that very file; NULL: whatever has the name. */
static int attach_named(const char *name, const char *path, const struct shm_identity *only, bool read_only, rp_exchange **out) {
    rp_exchange *x = calloc(1, sizeof *x);
    if (x == NULL)
        return fail(-ENOMEM, "no memory for a handle of exchange '%.80s'", name);
    grace_prepare();
    pthread_mutex_init(&x->mutex, NULL);
    pthread_mutex_init(&x->prober_mutex, NULL);
    x->read_only = read_only;
    strcpy(x->path, path);
    memccpy(x->name, name, 0, sizeof x->name - 1);
    x->canary = fork_canary_create();
    int result = x->canary == NULL ? fail(-ENOMEM, "no memory to tell forked children apart") : attach(x, only);
    if (result < 0) {
        release(x);
        return fail(result, "exchange '%.80s': %s", name, rp_error_detail());
    }
    prober_init(&x->prober, path, &x->identity);
    *out = x;
    return 0;
}

RP_API int rp_exchange_open(const char *name, const struct rp_open_options *given, rp_exchange **out) {
    struct rp_open_options o;
    char path[SHM_PATH_MAX];
    rp_open_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_open_options");
    if (result < 0 || (result = exchange_path(name, path)) < 0)
        return result;
    if (out == NULL || o.read_only > 1)
        return fail(-EINVAL, "rp_exchange_open: %s", out == NULL ? "no place for the result" : "read_only is neither 0 nor 1");
    if (o.journal != NULL || o.reserved != 0)
        return fail(-EINVAL, "rp_exchange_open: only queues have a journal");
    return attach_named(name, path, NULL, o.read_only, out);
}

RP_API int rp_exchange_create(const char *name, const struct rp_exchange_options *given, rp_exchange **out) {
    struct rp_exchange_options o;
    char path[SHM_PATH_MAX], alternate[SHM_PATH_MAX];
    size_t bytes;
    rp_exchange_options_init(&o, sizeof o);
    int result = options_take(&o, sizeof o, given, "rp_exchange_options");
    if (result < 0 || (result = exchange_path(name, path)) < 0)
        return result;
    if (out == NULL || o.max_bindings < 1 || o.max_bindings > BINDINGS_MAX || o.unroutable > RP_UNROUTABLE_RETURN || o.mode > 0777)
        return fail(-EINVAL, "rp_exchange_create: no place for the result, max_bindings not 1 to %d, or unknown unroutable or mode",
                    BINDINGS_MAX);
    if (o.reserved != 0)
        return fail(-E2BIG, "rp_exchange_options: a reserved field is not 0");
    if (o.alternate != NULL &&
        ((result = binding_check_queue(o.alternate, &bytes)) < 0 || (result = shm_path(o.alternate, alternate)) < 0))
        return result;
    struct shm_build build;
    result = shm_create(path, bindings_bytes(o.max_bindings), o.mode, o.group, false, &build);
    if (result < 0)
        return result;
    bindings_initialise(build.memory, o.max_bindings, o.unroutable, o.alternate == NULL ? NULL : exchange_queue_name(o.alternate));
    struct shm_identity made;
    uint64_t size;
    result = shm_stat(build.fd, &made, &size);
    if (result >= 0)
        result = shm_publish(&build);
    shm_discard(&build);
    return result < 0 ? result : attach_named(name, path, &made, false, out);
}

RP_API int rp_exchange_close(rp_exchange *x) {
    if (x == NULL)
        return 0;
    int result = exchange_check(x);
    if (result < 0)
        return result;
    pthread_mutex_lock(&x->mutex);
    bool busy = x->publishers > 0;
    pthread_mutex_unlock(&x->mutex);
    if (busy)
        return fail(RP_IN_USE, "exchange '%.80s' still has open publishers", x->name);
    release(x);
    return 0;
}

RP_API int rp_exchange_unlink(const char *name) {
    char path[SHM_PATH_MAX];
    int result = exchange_path(name, path);
    return result < 0 ? result : shm_remove(path);
}

RP_API const char *rp_exchange_name(const rp_exchange *x) { return x == NULL ? "" : x->name; }

void exchange_notice_removal(struct rp_exchange *x) {
    if (pthread_mutex_trylock(&x->prober_mutex) != 0)
        return;
    if (liveness_file(&x->prober) == LIVENESS_GONE)
        store_relaxed(&x->gone, 1, hint);
    pthread_mutex_unlock(&x->prober_mutex);
}

/* ---- the compiled table ---- */

int exchange_refresh(struct rp_exchange *x, uint64_t wanted) {
    struct table *fresh = NULL;
    pthread_mutex_lock(&x->mutex);
    struct table *before = exchange_table(x);
    int result = 0;
    if (before == NULL || !version_reaches(before->version, wanted))
        result = table_compile(&x->bindings, &x->numbers, before, &fresh);
    if (fresh != NULL && !version_reaches(fresh->version, wanted)) { /* who asked again would never get it */
        table_free(fresh, &x->numbers);
        fresh = NULL;
        result = fail(RP_CORRUPT, "exchange '%.80s': the version of the bindings went back", x->name);
    }
    if (fresh != NULL)
        store_release(&x->table, (uint64_t)(uintptr_t)fresh, compiled);
    pthread_mutex_unlock(&x->mutex);
    if (fresh == NULL || before == NULL)
        return result;
    grace_wait(); /* it is ours alone now: nobody else took it away, and who still looks at it is waited for */
    pthread_mutex_lock(&x->mutex);
    table_free(before, &x->numbers);
    pthread_mutex_unlock(&x->mutex);
    return 0;
}

/* ---- looking ---- */

RP_API int rp_exchange_next(rp_exchange *x, uint32_t index, struct rp_binding *out) {
    int result = exchange_check(x);
    if (result < 0)
        return result;
    if (out == NULL)
        return fail(-EINVAL, "rp_exchange_next: no place for the result");
    struct bindings *b = &x->bindings;
    for (uint32_t i = index; i < b->header.max_bindings; i++) {
        struct binding found;
        result = bindings_read(b, i, bindings_version(b), &found);
        if (result < 0)
            return result;
        if (result == 0)
            continue;
        *out = (struct rp_binding){
            .index = i,
            .match = found.match,
            .header_count = found.header_count,
            .header_bytes = found.headers_bytes,
            .created_ns = found.created_wall_ns,
            .failed = counter_read(&b->entries[i].failed),
        };
        memcpy(out->pattern, found.text.pattern, sizeof out->pattern);
        memcpy(out->queue, found.text.queue, sizeof out->queue);
        memcpy(out->headers, found.text.headers, sizeof out->headers);
        return 0;
    }
    return RP_EMPTY;
}

RP_API int rp_exchange_stats(rp_exchange *x, struct rp_exchange_stats *out) {
    int result = exchange_check(x);
    if (result < 0)
        return result;
    if (out == NULL)
        return fail(-EINVAL, "rp_exchange_stats: no place for the result");
    struct bindings *b = &x->bindings;
    *out = (struct rp_exchange_stats){
        .version = bindings_version(b),
        .created_ns = b->header.created_wall_ns,
        .segment_bytes = x->bytes,
        .max_bindings = b->header.max_bindings,
        .unroutable_mode = b->header.unroutable,
    };
    memcpy(out->alternate_queue, b->header.alternate, sizeof out->alternate_queue);
    for (unsigned i = 0; i < EXCHANGE_COUNTER_LINES; i++) {
        const struct exchange_counters *c = &b->control->counters[i];
        out->published += counter_read(&c->published);
        out->routed += counter_read(&c->routed);
        out->duplicates += counter_read(&c->duplicates);
        out->failed += counter_read(&c->failed);
        out->unroutable += counter_read(&c->unroutable);
        out->alternate += counter_read(&c->alternate);
    }
    for (uint32_t i = 0; i < b->header.max_bindings; i++) {
        struct binding found;
        result = bindings_read(b, i, out->version, &found);
        if (result < 0)
            return result;
        out->bindings += (uint32_t)result;
    }
    pthread_mutex_lock(&x->mutex);
    out->attached_queues = x->numbers.attached;
    pthread_mutex_unlock(&x->mutex);
    return 0;
}
