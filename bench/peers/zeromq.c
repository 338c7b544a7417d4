/* SPDX-License-Identifier: MIT */
/*
 * ZeroMQ over its Unix sockets, in the abstract namespace, so that no file remains. Each consumer binds a PULL socket, each producer connects a PUSH socket to all
 * of them; it goes round those that have room, so what one producer sends to one consumer stays in order.
 */
#include "allocate.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

enum { WAIT_MS = 20, RECONNECT_MS = 1 };

struct world {
    struct peer_setup setup;
    long pid;
};

struct end {
    void *context, *socket;
    uint32_t bytes;
    int flags;
    unsigned char *bodies;
};

static void check(int result, const char *call) {
    if (result < 0) {
        crew_fail("%s: %s", call, zmq_strerror(zmq_errno()));
    }
}

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w = (struct world){.setup = *setup, .pid = getpid()};
    return &w;
}

static void set(void *socket, int option, int value) {
    check(zmq_setsockopt(socket, option, &value, sizeof value), "zmq_setsockopt");
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    const struct world *w = world;
    const struct peer_setup *s = &w->setup;
    struct end *e = peer_allocate(sizeof *e);
    e->bytes = s->bytes;
    e->flags = s->may_wait ? 0 : ZMQ_DONTWAIT;
    e->bodies = peer_allocate((size_t)s->bytes * s->batch);
    e->context = zmq_ctx_new();
    e->socket = e->context != NULL ? zmq_socket(e->context, producer ? ZMQ_PUSH : ZMQ_PULL) : NULL;
    check(e->socket != NULL ? 0 : -1, "zmq_socket");
    /* One half of the messages may lie on each side; what the kernel holds comes on top. */
    set(e->socket, ZMQ_SNDHWM, (int)s->capacity / 2);
    set(e->socket, ZMQ_RCVHWM, (int)s->capacity / 2);
    set(e->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set(e->socket, ZMQ_RCVTIMEO, WAIT_MS);
    set(e->socket, ZMQ_SNDTIMEO, WAIT_MS);
    for (uint32_t consumer = 0; consumer < s->consumers; consumer++) {
        char address[96];
        snprintf(address, sizeof address, "ipc://@ringpost-bench-%ld-%u-%u", w->pid, channel, consumer);
        if (producer) {
            check(zmq_connect(e->socket, address), "zmq_connect");
        } else if (consumer == index) {
            check(zmq_bind(e->socket, address), "zmq_bind");
        }
    }
    return e;
}

static bool would_wait(const char *call) {
    if (errno != EAGAIN && errno != EINTR) {
        crew_fail("%s: %s", call, zmq_strerror(errno));
    }
    return true;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    size_t done = 0;
    while (done < count) {
        if (zmq_send(e->socket, bodies + done * e->bytes, e->bytes, done == 0 ? e->flags : ZMQ_DONTWAIT) < 0 &&
            would_wait("zmq_send")) {
            break;
        }
        done++;
    }
    return done;
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    size_t done = 0;
    while (done < count) {
        unsigned char *body = e->bodies + done * e->bytes;
        int bytes = zmq_recv(e->socket, body, e->bytes, done == 0 ? e->flags : ZMQ_DONTWAIT);
        if (bytes < 0 && would_wait("zmq_recv")) {
            break;
        }
        messages[done++] = (struct peer_message){.data = body, .bytes = (size_t)bytes};
    }
    return done;
}

static void detach(void *end) {
    struct end *e = end;
    zmq_close(e->socket);
    zmq_ctx_term(e->context);
    free(e->bodies);
    free(e);
}

static void destroy(void *world) { (void)world; }

const struct peer peer_zeromq = {
    .name = "zeromq",
    .setting = "PUSH to PULL over ipc, one I/O thread for each party; waits by its own means",
    .kind = PEER_KERNEL,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .detach = detach,
    .destroy = destroy,
    .scatters = true,
};
