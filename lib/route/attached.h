/* SPDX-License-Identifier: MIT */
/* What a process keeps of an exchange in its own memory. */
#ifndef RP_ROUTE_ATTACHED_H
#define RP_ROUTE_ATTACHED_H

#include "bindings.h"
#include "liveness.h"
#include "table.h"
#include <pthread.h>

struct rp_exchange {
    struct bindings bindings;
    void *memory;
    uint64_t bytes;
    struct shm_identity identity;
    const volatile uint32_t *canary; /* 0 in a forked child */
    bool read_only;
    a32 gone;  /* the name was removed */
    a64 table; /* struct table *: replaced as a whole; read between grace_read_begin and grace_read_end */
    pthread_mutex_t
        mutex; /* compiling, targets, attachments. Nobody takes it while he reads a table, and nobody waits for readers under it */
    struct target_numbers numbers;
    uint32_t publishers;
    uint32_t next_line;
    pthread_mutex_t prober_mutex;
    struct prober prober;
    char path[SHM_PATH_MAX];
    char name[SHM_PATH_MAX];
};

/* Every public call begins here. `x` may be NULL. */
int exchange_check(const struct rp_exchange *x);

static inline struct table *exchange_table(struct rp_exchange *x) {
    return (struct table *)(uintptr_t)load_acquire(&x->table, compiled);
}

/* One way to write each queue, so that it is not two: its name, if the path is what its name stands for. */
const char *exchange_queue_name(const char *queue);

/* A table of the version `wanted` or a later one becomes the current one. 0; -ENOMEM, RP_CORRUPT. */
int exchange_refresh(struct rp_exchange *x, uint64_t wanted);

/* Is `version` not older than `wanted`? */
static inline bool version_reaches(uint64_t version, uint64_t wanted) { return version - wanted < UINT64_MAX / 2; }

/* Notices, about every tick, that the name was removed. */
void exchange_notice_removal(struct rp_exchange *x);

/*
 * The right to change bindings: an exclusive lock on a byte of the file, through a description of its own that lives as long as one page mapped through it. So the kernel frees
 * it with the process, after the last store it could have made, and no forked child keeps it. RP_GONE: the name was removed; -EBUSY: somebody else kept it until the timeout.
 */
struct change {
    void *pin;
    size_t bytes;
};
int change_begin(struct rp_exchange *x, int64_t timeout_ns, struct change *c);
void change_end(struct change *c);

#endif
