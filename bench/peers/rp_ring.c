/* SPDX-License-Identifier: MIT */
/* ringpost's broadcast ring: no acks, and where messages may be many at once the slowest reader holds the writer back. */
#include "allocate.h"
#include "bound.h"
#include "peer.h"

#include <ringpost/ringpost.h>

#include <stdio.h>

struct world {
    struct peer_setup setup;
    char names[2][CREW_NAME_MAX + 32];
    struct bound *bounds; /* of each channel, where nobody may be held back: rp_write has no way to refuse */
};

struct end {
    rp_ring *ring;
    rp_writer *writer; /* one of the two */
    rp_reader *reader;
    struct bound *bound;
    uint32_t bytes, capacity;
    int64_t timeout_ns;
    struct rp_write_item out[PEER_BATCH_MAX];
    struct rp_read_item in[PEER_BATCH_MAX];
    alignas(CACHE_LINE) unsigned char bodies[];
};

static const uint64_t gate_timeout_ns = 3600 * UINT64_C(1000000000); /* nobody is evicted: the trial ends first, and says so */

static bool can(const struct peer_setup *setup, char why[PEER_WHY_MAX]) {
    if (setup->broadcast || setup->consumers == 1) {
        return true;
    }
    snprintf(why, PEER_WHY_MAX, "every reader gets every message");
    return false;
}

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    w.bounds = setup->may_wait || setup->broadcast ? NULL : crew_share(2 * sizeof *w.bounds);
    struct rp_ring_options o;
    rp_ring_options_init(&o, sizeof o);
    o.slots = setup->capacity;
    o.message_bytes = setup->bytes;
    o.max_writers = setup->producers;
    o.max_readers = setup->consumers;
    o.overflow = RP_RING_GATE;
    o.gate_timeout_ns = gate_timeout_ns;
    for (uint32_t i = 0; i < setup->channels; i++) {
        char name[CREW_NAME_MAX];
        rp_ring *ring;
        crew_queue_name(name, i == 0 ? "0" : "1");
        snprintf(w.names[i], sizeof w.names[i], "/dev/shm/ringpost.%s", name); /* so that it is removed with the queues */
        crew_check(rp_ring_create(w.names[i], &o, &ring), "rp_ring_create");
        crew_check(rp_ring_close(ring), "rp_ring_close");
    }
    return &w;
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)index;
    const struct world *w = world;
    struct end *e = peer_allocate(sizeof *e + (size_t)w->setup.batch * w->setup.bytes);
    e->bytes = w->setup.bytes;
    e->capacity = w->setup.capacity;
    e->timeout_ns = w->setup.may_wait ? -1 : 0;
    e->bound = w->bounds != NULL ? &w->bounds[channel] : NULL;
    for (size_t i = 0; i < w->setup.batch; i++) {
        e->in[i] = (struct rp_read_item){.buffer = e->bodies + i * e->bytes, .capacity = e->bytes};
        e->out[i].bytes = e->bytes;
    }
    crew_check(rp_ring_open(w->names[channel], NULL, &e->ring), "rp_ring_open");
    if (producer) {
        crew_check(rp_writer_open(e->ring, NULL, &e->writer), "rp_writer_open");
    } else {
        crew_check(rp_reader_open(e->ring, NULL, &e->reader), "rp_reader_open");
    }
    return e;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    if (e->bound != NULL && (count = bound_claim(e->bound, e->capacity, count)) == 0) {
        return 0;
    }
    if (count == 1) {
        int result = rp_write(e->writer, bodies, e->bytes);
        if (result < 0) {
            crew_check(result, "rp_write");
        }
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        e->out[i].data = bodies + i * e->bytes;
    }
    return (size_t)crew_check(rp_write_batch(e->writer, e->out, (uint32_t)count), "rp_write_batch");
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    int result;
    if (count == 1) {
        result = rp_read(e->reader, e->bodies, e->bytes, &e->in[0].bytes, e->timeout_ns);
        result = result == 0 ? 1 : result;
    } else {
        result = rp_read_batch(e->reader, e->in, (uint32_t)count, e->timeout_ns);
    }
    if (result == RP_EMPTY) {
        return 0;
    }
    if (result < 0) {
        crew_check(result, "rp_read");
    }
    for (int i = 0; i < result; i++) {
        messages[i] = (struct peer_message){.data = e->in[i].buffer, .bytes = e->in[i].bytes};
    }
    if (e->bound != NULL) {
        bound_return(e->bound, (size_t)result);
    }
    return (size_t)result;
}

static void detach(void *end) {
    struct end *e = end;
    rp_writer_close(e->writer);
    rp_reader_close(e->reader);
    crew_check(rp_ring_close(e->ring), "rp_ring_close");
    free(e);
}

static void destroy(void *world) {
    const struct world *w = world;
    for (uint32_t i = 0; i < w->setup.channels; i++) {
        crew_check(rp_ring_unlink(w->names[i]), "rp_ring_unlink");
    }
}

const struct peer peer_rp_ring = {
    .name = "rp_ring",
    .setting = "ringpost's broadcast ring, gated: no acks; a lane for each writer, and the slowest reader holds them back",
    .kind = PEER_RING,
    .survives_kill = true,
    .broadcasts = true,
    .can = can,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .detach = detach,
    .destroy = destroy,
};
