/* SPDX-License-Identifier: MIT */
/* The hand-made queue of ../vyukov.h. */
#include "../vyukov.h"

#include "peer.h"

#include <stdlib.h>

struct world {
    uint32_t bytes;
    struct vyukov *queues[2];
};

struct end {
    struct vyukov *queue;
    uint32_t bytes;
    unsigned char *bodies;
};

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.bytes = setup->bytes;
    for (uint32_t i = 0; i < setup->channels; i++) {
        w.queues[i] = crew_share(vyukov_bytes(setup->capacity, setup->bytes));
        vyukov_init(w.queues[i], setup->capacity, setup->bytes);
    }
    return &w;
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)producer;
    (void)index;
    const struct world *w = world;
    struct end *e = malloc(sizeof *e);
    unsigned char *bodies =
        aligned_alloc(CACHE_LINE, ((size_t)w->bytes * PEER_BATCH_MAX + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    if (e == NULL || bodies == NULL) {
        crew_fail("out of memory");
    }
    *e = (struct end){.queue = w->queues[channel], .bytes = w->bytes, .bodies = bodies};
    return e;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    size_t done = 0;
    while (done < count && vyukov_push(e->queue, bodies + done * e->bytes, e->bytes)) {
        done++;
    }
    return done;
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    size_t done = 0;
    for (unsigned char *body = e->bodies; done < count && vyukov_pop(e->queue, body, e->bytes); body += e->bytes) {
        messages[done++] = (struct peer_message){.data = body, .bytes = e->bytes};
    }
    return done;
}

static void detach(void *end) {
    free(((struct end *)end)->bodies);
    free(end);
}

static void destroy(void *world) { (void)world; }

const struct peer peer_vyukov = {
    .name = "vyukov",
    .setting = "Dmitry Vyukov's bounded MPMC queue, hand-made, by value",
    .kind = PEER_RING,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .detach = detach,
    .destroy = destroy,
};
