/* SPDX-License-Identifier: MIT */
/* The least that a message can be: a ring of one-line slots, a number and 56 bytes each, that one writes and one reads. Nothing else, and no safety. */
#include "allocate.h"
#include "peer.h"

#include <stdalign.h>
#include <stdatomic.h>

enum { LINE_WORDS = 7 };

struct line {
    alignas(CACHE_LINE) _Atomic uint64_t number; /* 0: never written */
    uint64_t words[LINE_WORDS];
};

struct lines {
    alignas(LINE_PAIR) _Atomic uint64_t read; /* so many */
    alignas(LINE_PAIR) struct line line[];
};

struct world {
    struct peer_setup setup;
    struct lines *lines[2];
};

struct end {
    struct lines *lines;
    uint64_t next, read_seen, mask;
    size_t words;
    uint64_t bodies[PEER_BATCH_MAX][LINE_WORDS];
};

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    for (uint32_t i = 0; i < setup->channels; i++) {
        w.lines[i] = crew_share(sizeof(struct lines) + setup->capacity * sizeof(struct line));
    }
    return &w;
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)producer;
    (void)index;
    const struct world *w = world;
    struct end *e = peer_allocate(sizeof *e);
    e->lines = w->lines[channel];
    e->mask = w->setup.capacity - 1;
    e->words = w->setup.bytes / 8;
    return e;
}

static inline void copy(uint64_t *to, const uint64_t *from, size_t words) {
    for (size_t i = 0; i < words; i++) {
        to[i] = from[i];
    }
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    const uint64_t *from = (const void *)bodies;
    size_t done = 0;
    for (; done < count; done++, from += e->words) {
        if (e->next - e->read_seen > e->mask) {
            e->read_seen = atomic_load_explicit(&e->lines->read, memory_order_acquire);
            if (e->next - e->read_seen > e->mask) {
                break;
            }
        }
        struct line *l = &e->lines->line[e->next & e->mask];
        copy(l->words, from, e->words);
        atomic_store_explicit(&l->number, ++e->next, memory_order_release);
    }
    return done;
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    size_t done = 0;
    for (; done < count; done++) {
        struct line *l = &e->lines->line[e->next & e->mask];
        if (atomic_load_explicit(&l->number, memory_order_acquire) != e->next + 1) {
            break;
        }
        copy(e->bodies[done], l->words, e->words);
        messages[done] = (struct peer_message){.data = e->bodies[done], .bytes = e->words * 8};
        e->next++;
    }
    if (done > 0) {
        atomic_store_explicit(&e->lines->read, e->next, memory_order_release);
    }
    return done;
}

static void destroy(void *world) { (void)world; }

const struct peer peer_one_line = {
    .name = "one-line",
    .setting = "hand-made: SPSC, a number and up to 56 bytes in a cache line, nothing else",
    .kind = PEER_RING,
    .producers_max = 1,
    .consumers_max = 1,
    .bytes_max = LINE_WORDS * 8,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .detach = free,
    .destroy = destroy,
};
