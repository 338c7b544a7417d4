/* SPDX-License-Identifier: MIT */
/*
 * DPDK's rte_ring in plain shared memory, without DPDK's environment: rte_ring_init makes a ring wherever there is room. Bodies are its elements. Where the ring knows
 * its zero-copy interface (SP/SC and HTS), bodies are written in place, and a single consumer reads them in place too, giving them back with
 * its next call; MP/MC and RTS know only rte_ring_enqueue_burst_elem and its counterpart, which copy. RTS and HTS are for more threads than processors, as DPDK has it.
 */
#include "../vyukov.h"

#include "allocate.h"

#include <rte_ring.h>

struct world {
    struct peer_setup setup;
    struct rte_ring *rings[2];
};

struct end {
    struct rte_ring *ring;
    uint32_t bytes;
    unsigned held; /* elements that are read in place */
    unsigned char *bodies;
};

static void *create(const struct peer_setup *setup, unsigned flags) {
    static struct world w;
    w.setup = *setup;
    ssize_t bytes = rte_ring_get_memsize_elem(setup->bytes, setup->capacity);
    if (bytes < 0) {
        crew_fail("rte_ring_get_memsize_elem: %zd", bytes);
    }
    for (uint32_t i = 0; i < setup->channels; i++) {
        w.rings[i] = crew_share((size_t)bytes);
        int result = rte_ring_init(w.rings[i], "bench", setup->capacity, flags);
        if (result < 0) {
            crew_fail("rte_ring_init: %d", result);
        }
    }
    return &w;
}

static void *create_spsc(const struct peer_setup *setup) { return create(setup, RING_F_SP_ENQ | RING_F_SC_DEQ); }
static void *create_mpmc(const struct peer_setup *setup) { return create(setup, 0); }
static void *create_rts(const struct peer_setup *setup) { return create(setup, RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ); }
static void *create_hts(const struct peer_setup *setup) { return create(setup, RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ); }

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)producer;
    (void)index;
    const struct world *w = world;
    struct end *e = peer_allocate(sizeof *e);
    e->ring = w->rings[channel];
    e->bytes = w->setup.bytes;
    e->bodies = peer_allocate((size_t)w->setup.bytes * w->setup.batch);
    return e;
}

static void detach(void *end) {
    free(((struct end *)end)->bodies);
    free(end);
}

static void destroy(void *world) { (void)world; }

/* -- in place -- */

static size_t put_in_place(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    struct rte_ring_zc_data room;
    unsigned n = rte_ring_enqueue_zc_burst_elem_start(e->ring, e->bytes, (unsigned)count, &room, NULL);
    if (n > 0) {
        size_t first = (size_t)room.n1 * e->bytes;
        vyukov_copy(room.ptr1, bodies, first);
        if (room.n1 < n) {
            vyukov_copy(room.ptr2, bodies + first, (size_t)n * e->bytes - first);
        }
        rte_ring_enqueue_zc_elem_finish(e->ring, n);
    }
    return n;
}

static size_t get_in_place(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    struct rte_ring_zc_data there;
    if (e->held > 0) {
        rte_ring_dequeue_zc_elem_finish(e->ring, e->held);
        e->held = 0;
    }
    unsigned n = rte_ring_dequeue_zc_burst_elem_start(e->ring, e->bytes, (unsigned)count, &there, NULL);
    for (unsigned i = 0; i < n; i++) {
        const unsigned char *body = i < there.n1 ? (const unsigned char *)there.ptr1 + (size_t)i * e->bytes
                                                 : (const unsigned char *)there.ptr2 + (size_t)(i - there.n1) * e->bytes;
        messages[i] = (struct peer_message){.data = body, .bytes = e->bytes};
    }
    e->held = n;
    return n;
}

/* -- copied out -- */

static inline size_t hand_out(const struct end *e, struct peer_message *messages, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        messages[i] = (struct peer_message){.data = e->bodies + (size_t)i * e->bytes, .bytes = e->bytes};
    }
    return count;
}

static size_t put_mpmc(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    return rte_ring_mp_enqueue_burst_elem(e->ring, bodies, e->bytes, (unsigned)count, NULL);
}

static size_t get_mpmc(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    return hand_out(e, messages, rte_ring_mc_dequeue_burst_elem(e->ring, e->bodies, e->bytes, (unsigned)count, NULL));
}

static size_t put_rts(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    return rte_ring_mp_rts_enqueue_burst_elem(e->ring, bodies, e->bytes, (unsigned)count, NULL);
}

static size_t get_rts(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    return hand_out(e, messages, rte_ring_mc_rts_dequeue_burst_elem(e->ring, e->bodies, e->bytes, (unsigned)count, NULL));
}

/* Nobody else may take anything out between start and finish, so they lie close together. */
static size_t get_hts(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    return hand_out(e, messages, rte_ring_mc_hts_dequeue_burst_elem(e->ring, e->bodies, e->bytes, (unsigned)count, NULL));
}

const struct peer peer_rte_spsc = {
    .name = "rte-spsc",
    .setting = "DPDK's rte_ring, SP/SC, bodies as elements, zero-copy interface, bursts",
    .kind = PEER_RING,
    .producers_max = 1,
    .consumers_max = 1,
    .create = create_spsc,
    .attach = attach,
    .put = put_in_place,
    .get = get_in_place,
    .detach = detach,
    .destroy = destroy,
};

const struct peer peer_rte_mpmc = {
    .name = "rte-mpmc",
    .setting = "DPDK's rte_ring, MP/MC, bodies as elements, bursts",
    .kind = PEER_RING,
    .create = create_mpmc,
    .attach = attach,
    .put = put_mpmc,
    .get = get_mpmc,
    .detach = detach,
    .destroy = destroy,
};

const struct peer peer_rte_rts = {
    .name = "rte-rts",
    .setting = "DPDK's rte_ring, MP/MC with relaxed tails (RTS), bodies as elements, bursts",
    .kind = PEER_RING,
    .create = create_rts,
    .attach = attach,
    .put = put_rts,
    .get = get_rts,
    .detach = detach,
    .destroy = destroy,
};

const struct peer peer_rte_hts = {
    .name = "rte-hts",
    .setting = "DPDK's rte_ring, MP/MC with serialised heads (HTS), bodies as elements, written in place, bursts",
    .kind = PEER_RING,
    .create = create_hts,
    .attach = attach,
    .put = put_in_place,
    .get = get_hts,
    .detach = detach,
    .destroy = destroy,
};
