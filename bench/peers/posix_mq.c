/* SPDX-License-Identifier: MIT */
#include "allocate.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <unistd.h>

struct world {
    struct peer_setup setup;
    mqd_t queues[2];
};

struct end {
    mqd_t queue;
    uint32_t bytes;
    unsigned char *bodies;
};

/* As many messages as the system's limits allow us: 10 by default, 65,536 with CAP_SYS_RESOURCE. -1: not even two. */
static mqd_t open_queue(const char *name, uint32_t capacity, uint32_t bytes) {
    for (long room = capacity; room >= 2; room = room > 10 && room < 20 ? 10 : room / 2) {
        struct mq_attr attributes = {.mq_maxmsg = room, .mq_msgsize = bytes};
        mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0600, &attributes);
        if (queue != (mqd_t)-1) {
            mq_unlink(name); /* children inherit the descriptor */
            return queue;
        }
        if (errno != EINVAL && errno != EMFILE && errno != ENOMEM) {
            break;
        }
    }
    return (mqd_t)-1;
}

static bool available(char why[PEER_WHY_MAX]) {
    char name[64];
    snprintf(name, sizeof name, "/ringpost-bench-%ld", (long)getpid());
    mqd_t queue = open_queue(name, 2, 8);
    if (queue == (mqd_t)-1) {
        snprintf(why, PEER_WHY_MAX, "mq_open: %s", strerror(errno));
        return false;
    }
    mq_close(queue);
    return true;
}

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    for (uint32_t i = 0; i < setup->channels; i++) {
        char name[64];
        snprintf(name, sizeof name, "/ringpost-bench-%ld-%u", (long)getpid(), i);
        w.queues[i] = open_queue(name, setup->capacity, setup->bytes);
        if (w.queues[i] == (mqd_t)-1) {
            crew_fail("mq_open: %s", strerror(errno));
        }
    }
    return &w;
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)producer;
    (void)index;
    const struct world *w = world;
    struct end *e = peer_allocate(sizeof *e);
    *e = (struct end){
        .queue = w->queues[channel], .bytes = w->setup.bytes, .bodies = peer_allocate((size_t)w->setup.bytes * w->setup.batch)};
    return e;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    for (size_t done = 0; done < count; done++) {
        if (mq_send(e->queue, (const char *)bodies + done * e->bytes, e->bytes, 0) != 0) {
            if (errno != EAGAIN && errno != EINTR) {
                crew_fail("mq_send: %s", strerror(errno));
            }
            return done;
        }
    }
    return count;
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    for (size_t done = 0; done < count; done++) {
        unsigned char *body = e->bodies + done * e->bytes;
        ssize_t bytes = mq_receive(e->queue, (char *)body, e->bytes, NULL);
        if (bytes < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                crew_fail("mq_receive: %s", strerror(errno));
            }
            return done;
        }
        messages[done] = (struct peer_message){.data = body, .bytes = (size_t)bytes};
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
        mq_close(w->queues[i]);
    }
}

const struct peer peer_posix_mq = {
    .name = "posix-mq",
    .setting = "non-blocking, asked again and again; as many messages as the system allows, up to the capacity asked for",
    .kind = PEER_KERNEL,
    .survives_kill = true,
    .bytes_max = 8192, /* what the kernel allows everybody */
    .available = available,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .detach = detach,
    .destroy = destroy,
};
