/* SPDX-License-Identifier: MIT */
#include "stream_end.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
    struct peer_setup setup;
    int sockets[2][2];
};

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    for (uint32_t i = 0; i < setup->channels; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, w.sockets[i]) != 0) {
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
    return stream_end_open(w->sockets[channel][producer ? 1 : 0], &w->setup);
}

static void destroy(void *world) {
    const struct world *w = world;
    for (uint32_t i = 0; i < w->setup.channels; i++) {
        close(w->sockets[i][0]);
        close(w->sockets[i][1]);
    }
}

const struct peer peer_unix_stream = {
    .name = "unix-stream",
    .setting = "non-blocking, asked again and again; one direction of a pair",
    .kind = PEER_KERNEL,
    .producers_max = 1, /* a message that is cut would mix with others' */
    .consumers_max = 1,
    .create = create,
    .attach = attach,
    .put = stream_end_put,
    .get = stream_end_get,
    .detach = stream_end_close,
    .destroy = destroy,
};
