/* SPDX-License-Identifier: MIT */
/*
 * Concurrency Kit's ring, bodies by value. Its typed interface is made by a macro for each size; a size in between takes the next larger one.
 */
#include "../vyukov.h"

#include "allocate.h"

#include <ck_ring.h>

#define SIZES(X) \
    X(8) X(16) X(24) X(32) X(48) X(56) X(64) X(96) X(128) X(256) X(512) X(1024) X(2048) X(4096) X(8192) X(16384) X(65536)

struct channel {
    alignas(LINE_PAIR) ck_ring_t ring;
    alignas(LINE_PAIR) unsigned char slots[];
};

struct end {
    struct channel *channel;
    uint32_t bytes;
    unsigned char *bodies;
    size_t (*put)(struct end *e, const unsigned char *bodies, size_t count);
    size_t (*get)(struct end *e, struct peer_message *messages, size_t count);
};

/* Reserve and commit spare a copy by memcpy, whose wide loads would stall on what the caller has just stored word by word (see vyukov_copy). */
#define DEFINE(N)                                                                                                           \
    struct body##N {                                                                                                        \
        uint64_t words[(N) / 8];                                                                                            \
    };                                                                                                                      \
    CK_RING_PROTOTYPE(body##N, body##N)                                                                                     \
    static size_t put_one_##N(struct end *e, const unsigned char *bodies, size_t count) {                                   \
        struct body##N *slots = (void *)e->channel->slots, *slot;                                                           \
        size_t done = 0;                                                                                                    \
        for (; done < count; done++) {                                                                                      \
            slot = ck_ring_enqueue_reserve_spsc_body##N(&e->channel->ring, slots);                                          \
            if (slot == NULL) {                                                                                             \
                break;                                                                                                      \
            }                                                                                                               \
            vyukov_copy(slot, bodies + done * e->bytes, e->bytes);                                                          \
            ck_ring_enqueue_commit_spsc(&e->channel->ring);                                                                 \
        }                                                                                                                   \
        return done;                                                                                                        \
    }                                                                                                                       \
    static size_t get_one_##N(struct end *e, struct peer_message *messages, size_t count) {                                 \
        struct body##N *bodies = (void *)e->bodies;                                                                         \
        size_t done = 0;                                                                                                    \
        while (done < count && ck_ring_dequeue_spsc_body##N(&e->channel->ring, (void *)e->channel->slots, bodies + done)) { \
            messages[done] = (struct peer_message){.data = bodies + done, .bytes = e->bytes};                               \
            done++;                                                                                                         \
        }                                                                                                                   \
        return done;                                                                                                        \
    }                                                                                                                       \
    static size_t put_many_##N(struct end *e, const unsigned char *bodies, size_t count) {                                  \
        struct body##N *slots = (void *)e->channel->slots, *slot;                                                           \
        size_t done = 0;                                                                                                    \
        for (; done < count; done++) {                                                                                      \
            unsigned ticket;                                                                                                \
            slot = ck_ring_enqueue_reserve_mpmc_body##N(&e->channel->ring, slots, &ticket);                                 \
            if (slot == NULL) {                                                                                             \
                break;                                                                                                      \
            }                                                                                                               \
            vyukov_copy(slot, bodies + done * e->bytes, e->bytes);                                                          \
            ck_ring_enqueue_commit_mpmc(&e->channel->ring, ticket);                                                         \
        }                                                                                                                   \
        return done;                                                                                                        \
    }                                                                                                                       \
    static size_t get_many_##N(struct end *e, struct peer_message *messages, size_t count) {                                \
        struct body##N *bodies = (void *)e->bodies;                                                                         \
        size_t done = 0;                                                                                                    \
        while (done < count && ck_ring_dequeue_mpmc_body##N(&e->channel->ring, (void *)e->channel->slots, bodies + done)) { \
            messages[done] = (struct peer_message){.data = bodies + done, .bytes = e->bytes};                               \
            done++;                                                                                                         \
        }                                                                                                                   \
        return done;                                                                                                        \
    }

SIZES(DEFINE)

static const struct size {
    uint32_t bytes;
    size_t (*put_one)(struct end *e, const unsigned char *bodies, size_t count);
    size_t (*get_one)(struct end *e, struct peer_message *messages, size_t count);
    size_t (*put_many)(struct end *e, const unsigned char *bodies, size_t count);
    size_t (*get_many)(struct end *e, struct peer_message *messages, size_t count);
} sizes[] = {
#define ROW(N) {N, put_one_##N, get_one_##N, put_many_##N, get_many_##N},
    SIZES(ROW)};

struct world {
    struct peer_setup setup;
    const struct size *size;
    struct channel *channels[2];
};

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    w.size = sizes;
    while (w.size->bytes < setup->bytes) {
        w.size++; /* bytes_max is the last */
    }
    for (uint32_t i = 0; i < setup->channels; i++) {
        w.channels[i] = crew_share(sizeof *w.channels[i] + (size_t)w.size->bytes * setup->capacity);
        ck_ring_init(&w.channels[i]->ring, setup->capacity);
    }
    return &w;
}

static struct end *attach(const struct world *w, uint32_t channel) {
    struct end *e = peer_allocate(sizeof *e);
    e->channel = w->channels[channel];
    e->bytes = w->setup.bytes;
    e->bodies = peer_allocate((size_t)w->size->bytes * w->setup.batch);
    return e;
}

static void *attach_spsc(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)producer;
    (void)index;
    const struct world *w = world;
    struct end *e = attach(w, channel);
    e->put = w->size->put_one;
    e->get = w->size->get_one;
    return e;
}

static void *attach_mpmc(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)producer;
    (void)index;
    const struct world *w = world;
    struct end *e = attach(w, channel);
    e->put = w->size->put_many;
    e->get = w->size->get_many;
    return e;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) { return ((struct end *)end)->put(end, bodies, count); }

static size_t get(void *end, struct peer_message *messages, size_t count) { return ((struct end *)end)->get(end, messages, count); }

static void detach(void *end) {
    free(((struct end *)end)->bodies);
    free(end);
}

static void destroy(void *world) { (void)world; }

const struct peer peer_ck_spsc = {
    .name = "ck-spsc",
    .setting = "Concurrency Kit's ck_ring, SPSC, by value, written in place",
    .kind = PEER_RING,
    .producers_max = 1,
    .consumers_max = 1,
    .bytes_max = 65536,
    .create = create,
    .attach = attach_spsc,
    .put = put,
    .get = get,
    .detach = detach,
    .destroy = destroy,
};

const struct peer peer_ck_mpmc = {
    .name = "ck-mpmc",
    .setting = "Concurrency Kit's ck_ring, MPMC, by value, written in place",
    .kind = PEER_RING,
    .bytes_max = 65536,
    .create = create,
    .attach = attach_mpmc,
    .put = put,
    .get = get,
    .detach = detach,
    .destroy = destroy,
};
