/* SPDX-License-Identifier: MIT */
#include "allocate.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
    struct peer_setup setup;
    int sockets[2][2];
};

struct end {
    int socket;
    uint32_t bytes;
    struct mmsghdr *headers;
    struct iovec *places;
    unsigned char *bodies;
};

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    for (uint32_t i = 0; i < setup->channels; i++) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, w.sockets[i]) != 0) {
            crew_fail("socketpair: %s", strerror(errno));
        }
        int bytes = 1 << 20; /* the kernel takes what its limit allows */
        setsockopt(w.sockets[i][1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
    return &w;
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)index;
    const struct world *w = world;
    struct end *e = peer_allocate(sizeof *e);
    e->socket = w->sockets[channel][producer ? 1 : 0];
    e->bytes = w->setup.bytes;
    e->headers = peer_allocate(sizeof *e->headers * w->setup.batch);
    e->places = peer_allocate(sizeof *e->places * w->setup.batch);
    e->bodies = peer_allocate((size_t)e->bytes * w->setup.batch);
    for (uint32_t i = 0; i < w->setup.batch; i++) {
        e->places[i] = (struct iovec){.iov_base = e->bodies + (size_t)i * e->bytes, .iov_len = e->bytes};
        e->headers[i].msg_hdr = (struct msghdr){.msg_iov = &e->places[i], .msg_iovlen = 1};
    }
    return e;
}

/* What a call returned, 0 if it would have had to wait. */
static size_t moved(ssize_t result, const char *call) {
    if (result < 0 && errno != EAGAIN && errno != EINTR) {
        crew_fail("%s: %s", call, strerror(errno));
    }
    return result < 0 ? 0 : (size_t)result;
}

static size_t put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    if (count == 1) {
        return moved(send(e->socket, bodies, e->bytes, 0), "send") / e->bytes;
    }
    for (size_t i = 0; i < count; i++) {
        e->places[i].iov_base = (void *)(uintptr_t)(bodies + i * e->bytes);
    }
    return moved(sendmmsg(e->socket, e->headers, (unsigned)count, 0), "sendmmsg");
}

static size_t get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    if (count == 1) {
        size_t bytes = moved(recv(e->socket, e->bodies, e->bytes, 0), "recv");
        messages[0] = (struct peer_message){.data = e->bodies, .bytes = bytes};
        return bytes != 0;
    }
    size_t done = moved(recvmmsg(e->socket, e->headers, (unsigned)count, 0, NULL), "recvmmsg");
    for (size_t i = 0; i < done; i++) {
        messages[i] = (struct peer_message){.data = e->places[i].iov_base, .bytes = e->headers[i].msg_len};
    }
    return done;
}

static void detach(void *end) {
    struct end *e = end;
    free(e->headers);
    free(e->places);
    free(e->bodies);
    free(e);
}

static void destroy(void *world) {
    const struct world *w = world;
    for (uint32_t i = 0; i < w->setup.channels; i++) {
        close(w->sockets[i][0]);
        close(w->sockets[i][1]);
    }
}

const struct peer peer_unix_seqpacket = {
    .name = "unix-seqpacket",
    .setting = "non-blocking, asked again and again; one direction of a pair, all parties at the same two ends; batches by "
               "sendmmsg and recvmmsg",
    .kind = PEER_KERNEL,
    .survives_kill = true,
    .create = create,
    .attach = attach,
    .put = put,
    .get = get,
    .detach = detach,
    .destroy = destroy,
};
