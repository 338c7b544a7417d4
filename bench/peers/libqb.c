/* SPDX-License-Identifier: MIT */
/* libqb's ring of chunks, between one writer and one reader. Its files have the names /dev/shm/qb-NAME-header and -data. */
#include "../vyukov.h"

#include "allocate.h"

#include <errno.h>
#include <qb/qbrb.h>
#include <stdio.h>
#include <unistd.h>

enum { CHUNK_OVERHEAD = 16 }; /* its header, and rounding */

struct world {
    struct peer_setup setup;
    qb_ringbuffer_t *rings[2];
};

struct end {
    qb_ringbuffer_t *ring;
    uint32_t bytes, held; /* chunks that are read in place: 0 or 1 */
    unsigned char *bodies;
};

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    for (uint32_t i = 0; i < setup->channels; i++) {
        char name[64], path[CREW_PATH_MAX];
        snprintf(name, sizeof name, "ringpost-bench-%ld-%u", (long)getpid(), i);
        static const char *const parts[] = {"header", "data"};
        for (int part = 0; part < 2; part++) {
            snprintf(path, sizeof path, "/dev/shm/qb-%s-%s", name, parts[part]);
            crew_file(path);
        }
        size_t bytes = (size_t)(setup->bytes + CHUNK_OVERHEAD) * setup->capacity;
        w.rings[i] = qb_rb_open(name, bytes, QB_RB_FLAG_CREATE | QB_RB_FLAG_SHARED_PROCESS | QB_RB_FLAG_NO_SEMAPHORE, 0);
        if (w.rings[i] == NULL) {
            crew_fail("qb_rb_open: %s", strerror(errno));
        }
    }
    return &w;
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)producer;
    (void)index;
    const struct world *w = world;
    struct end *e = peer_allocate(sizeof *e);
    e->ring = w->rings[channel]; /* mapped shared before the fork */
    e->bytes = w->setup.bytes;
    e->bodies = peer_allocate((size_t)w->setup.bytes * w->setup.batch);
    return e;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    for (size_t done = 0; done < count; done++) {
        void *chunk = qb_rb_chunk_alloc(e->ring, e->bytes);
        if (chunk == NULL) {
            return done;
        }
        vyukov_copy(chunk, bodies + done * e->bytes, e->bytes);
        qb_rb_chunk_commit(e->ring, e->bytes);
    }
    return count;
}

/* In place, if it is one and lies well. */
static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    if (e->held > 0) {
        qb_rb_chunk_reclaim(e->ring);
        e->held = 0;
    }
    for (size_t done = 0; done < count; done++) {
        void *chunk;
        ssize_t bytes = qb_rb_chunk_peek(e->ring, &chunk, 0);
        if (bytes <= 0) {
            return done;
        }
        messages[done] = (struct peer_message){.data = chunk, .bytes = (size_t)bytes};
        if (count == 1 && (uintptr_t)chunk % 8 == 0) {
            e->held = 1;
            return 1;
        }
        messages[done].data = memcpy(e->bodies + done * e->bytes, chunk, (size_t)bytes < e->bytes ? (size_t)bytes : e->bytes);
        qb_rb_chunk_reclaim(e->ring);
    }
    return count;
}

static void detach(void *end) {
    free(((struct end *)end)->bodies);
    free(end);
}

static void destroy(void *world) {
    const struct world *w = world;
    for (uint32_t i = 0; i < w->setup.channels; i++) {
        qb_rb_close(w->rings[i]); /* removes the files: it is the only one that was opened */
    }
}

const struct peer peer_libqb = {
    .name = "libqb",
    .setting =
        "libqb's ring of chunks without semaphores, asked again and again; written in place, single chunks also read in place",
    .kind = PEER_RING,
    .producers_max = 1,
    .consumers_max = 1,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .detach = detach,
    .destroy = destroy,
};
