/* SPDX-License-Identifier: MIT */
/*
 * What one builds by hand: a ring in shared memory for the bodies (../vyukov.h) and an eventfd for those who sleep. Nobody rings for a consumer that is awake, and
 * each ring wakes one:
 *
 *   consumer: sleepers + 1, fence, looks again; something there: takes its entry back, or, if a producer was faster, the ring meant for it
 *   producer: push, fence, sleepers > 0: takes one entry off by CAS and writes 1 to the eventfd (a semaphore)
 *
 * One who is killed asleep leaves an entry, and a later wake-up goes to nobody: without recovery, like the ring itself.
 */
#include "../vyukov.h"

#include "allocate.h"
#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SPINS = 1000, SPINS_CROWDED = 2 * PEER_SPINS_BEFORE_YIELD, SLEEP_MS = 20 };

struct channel {
    struct vyukov *ring;
    alignas(LINE_PAIR) _Atomic uint32_t sleepers;
};

struct world {
    struct peer_setup setup;
    struct channel *channels; /* shared */
    int bells[2];
};

struct end {
    struct channel *channel;
    int bell;
    uint32_t bytes, spins;
    bool may_sleep, crowded;
    unsigned char *bodies;
};

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    w.channels = crew_share(sizeof *w.channels * 2);
    for (uint32_t i = 0; i < setup->channels; i++) {
        w.channels[i].ring = crew_share(vyukov_bytes(setup->capacity, setup->bytes));
        vyukov_init(w.channels[i].ring, setup->capacity, setup->bytes);
        w.bells[i] = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
        if (w.bells[i] < 0) {
            crew_fail("eventfd: %s", strerror(errno));
        }
    }
    return &w;
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)producer;
    (void)index;
    const struct world *w = world;
    struct end *e = peer_allocate(sizeof *e);
    *e = (struct end){.channel = &w->channels[channel],
                      .bell = w->bells[channel],
                      .bytes = w->setup.bytes,
                      .may_sleep = w->setup.may_wait,
                      .crowded = w->setup.crowded,
                      .bodies = peer_allocate((size_t)w->setup.bytes * w->setup.batch)};
    return e;
}

/* True: there was an entry, and it is ours to answer for now. */
static bool take_entry(struct channel *c) {
    uint32_t n = atomic_load_explicit(&c->sleepers, memory_order_relaxed);
    while (n > 0) {
        if (atomic_compare_exchange_weak_explicit(&c->sleepers, &n, n - 1, memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    size_t done = 0;
    while (done < count && vyukov_push(e->channel->ring, bodies + done * e->bytes, e->bytes)) {
        done++;
    }
    if (e->may_sleep && done > 0) {
        atomic_thread_fence(memory_order_seq_cst);
        uint64_t rings = 0;
        while (rings < done && take_entry(e->channel)) {
            rings++;
        }
        if (rings > 0 && write(e->bell, &rings, sizeof rings) < 0) {
            crew_fail("write to an eventfd: %s", strerror(errno));
        }
    }
    return done;
}

static size_t take(struct end *e, struct peer_message *messages, size_t count) {
    size_t done = 0;
    for (unsigned char *body = e->bodies; done < count && vyukov_pop(e->channel->ring, body, e->bytes); body += e->bytes) {
        messages[done++] = (struct peer_message){.data = body, .bytes = e->bytes};
    }
    return done;
}

static bool heard(struct end *e) {
    uint64_t one;
    return read(e->bell, &one, sizeof one) == sizeof one;
}

static size_t sleep_and_take(struct end *e, struct peer_message *messages, size_t count) {
    atomic_fetch_add_explicit(&e->channel->sleepers, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    size_t done = take(e, messages, count);
    struct pollfd bell = {.fd = e->bell, .events = POLLIN};
    bool woken = false;
    if (done == 0 && poll(&bell, 1, SLEEP_MS) > 0) {
        woken = heard(e); /* another may have been faster */
    }
    while (!woken && !take_entry(e->channel)) {
        poll(&bell, 1, SLEEP_MS); /* our entry is taken: the ring for it is on its way */
        woken = heard(e);
    }
    return done > 0 ? done : take(e, messages, count);
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    size_t done = take(e, messages, count);
    if (done > 0 || !e->may_sleep) {
        e->spins = 0;
        return done;
    }
    if (++e->spins < (e->crowded ? SPINS_CROWDED : SPINS)) {
        return 0; /* the caller pauses or yields */
    }
    e->spins = 0;
    return sleep_and_take(e, messages, count);
}

static void detach(void *end) {
    free(((struct end *)end)->bodies);
    free(end);
}

static void destroy(void *world) {
    const struct world *w = world;
    for (uint32_t i = 0; i < w->setup.channels; i++) {
        close(w->bells[i]);
    }
}

const struct peer peer_eventfd_shm = {
    .name = "eventfd-shm",
    .setting = "hand-made: the vyukov ring; who found it empty for a while sleeps on an eventfd, which is written only for those "
               "who sleep",
    .kind = PEER_RING,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .detach = detach,
    .destroy = destroy,
};
