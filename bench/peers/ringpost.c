/* SPDX-License-Identifier: MIT */
/* ringpost's queue: acked, leased, redelivered. */
#include "peer.h"

#include <ringpost/ringpost.h>

#include <stdio.h>
#include <stdlib.h>

struct world {
    struct peer_setup setup;
    rp_queue *queues[2]; /* of whoever created them; a party opens its own */
    char names[2][CREW_NAME_MAX];
};

struct end {
    rp_queue *queue;
    rp_producer *producer; /* one of the two */
    rp_consumer *consumer;
    uint32_t bytes;
    int64_t timeout_ns;
    size_t held; /* messages received, not yet acked */
    struct rp_message messages[PEER_BATCH_MAX];
    struct rp_send_item items[PEER_BATCH_MAX];
};

enum { GROUP_MAX = 32 };

/* With setup.broadcast each consumer has a group of its own; the first has the one that every queue has. */
static void group_name(char name[GROUP_MAX], uint32_t index) { snprintf(name, GROUP_MAX, "reader-%u", index); }

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    struct rp_queue_options o;
    rp_queue_options_init(&o, sizeof o);
    o.capacity = setup->capacity;
    o.message_bytes = setup->bytes;
    o.overflow = setup->may_wait ? RP_OVERFLOW_BLOCK : RP_OVERFLOW_REJECT;
    if (setup->broadcast) {
        o.max_groups = setup->consumers > 4 ? setup->consumers : 4;
    }
    for (uint32_t i = 0; i < setup->channels; i++) {
        crew_queue_name(w.names[i], i == 0 ? "0" : "1");
        crew_check(rp_queue_create(w.names[i], &o, &w.queues[i]), "rp_queue_create");
        for (uint32_t g = 1; setup->broadcast && g < setup->consumers; g++) {
            char group[GROUP_MAX];
            group_name(group, g);
            crew_check(rp_group_create(w.queues[i], group, NULL), "rp_group_create");
        }
    }
    return &w;
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    const struct world *w = world;
    struct end *e = calloc(1, sizeof *e);
    if (e == NULL) {
        crew_fail("out of memory");
    }
    e->bytes = w->setup.bytes;
    e->timeout_ns = w->setup.may_wait ? -1 : 0;
    crew_check(rp_queue_open(w->names[channel], NULL, &e->queue), "rp_queue_open");
    if (producer) {
        crew_check(rp_producer_open(e->queue, NULL, &e->producer), "rp_producer_open");
        return e;
    }
    struct rp_consumer_options o;
    rp_consumer_options_init(&o, sizeof o);
    char group[GROUP_MAX];
    group_name(group, index);
    if (w->setup.broadcast && index > 0) {
        o.group = group;
    }
    crew_check(rp_consumer_open(e->queue, &o, &e->consumer), "rp_consumer_open");
    return e;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    int result;
    if (count == 1) {
        result = rp_send(e->producer, bodies, e->bytes, NULL);
        if (result >= 0) {
            return 1;
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            e->items[i].data = bodies + i * e->bytes;
            e->items[i].bytes = e->bytes;
        }
        result = rp_send_batch(e->producer, e->items, count);
    }
    return result == RP_FULL ? 0 : (size_t)crew_check(result, "rp_send");
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    int result = count == 1 ? rp_receive(e->consumer, e->messages, e->timeout_ns)
                            : rp_receive_batch(e->consumer, e->messages, count, e->timeout_ns);
    if (result == RP_EMPTY) {
        return 0;
    }
    crew_check(result, "rp_receive");
    e->held = count == 1 ? 1 : (size_t)result;
    for (size_t i = 0; i < e->held; i++) {
        const struct rp_message *m = &e->messages[i];
        messages[i] = (struct peer_message){.data = m->data, .bytes = m->bytes, .again = m->acquisitions != 1};
    }
    return e->held;
}

static void ack(void *end) {
    struct end *e = end;
    for (size_t i = 0; i < e->held; i++) {
        int result = rp_ack(e->consumer, &e->messages[i]);
        if (result < 0) {
            crew_check(result, "rp_ack");
        }
    }
    e->held = 0;
}

static void detach(void *end) {
    struct end *e = end;
    rp_producer_close(e->producer);
    rp_consumer_close(e->consumer);
    crew_check(rp_queue_close(e->queue), "rp_queue_close");
    free(e);
}

static void destroy(void *world) {
    struct world *w = world;
    for (uint32_t i = 0; i < w->setup.channels; i++) {
        crew_check(rp_queue_close(w->queues[i]), "rp_queue_close");
        crew_check(rp_queue_unlink(w->names[i]), "rp_queue_unlink");
    }
}

const struct peer peer_ringpost = {
    .name = "ringpost",
    .setting = "a queue with its defaults: acks, leases, redelivery; waits by its own means",
    .kind = PEER_RING,
    .acks = true,
    .survives_kill = true,
    .broadcasts = true,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .ack = ack,
    .detach = detach,
    .destroy = destroy,
};
