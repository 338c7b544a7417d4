/* SPDX-License-Identifier: MIT */
#include "stream_end.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct world {
    struct peer_setup setup;
    int pipes[2][2];
};

static bool can(const struct peer_setup *setup, char why[PEER_WHY_MAX]) {
    snprintf(why, PEER_WHY_MAX, "beyond %d bytes at once, what several write is mixed", PIPE_BUF);
    return setup->bytes * setup->batch <= PIPE_BUF || setup->producers + setup->consumers == 2;
}

static void *create(const struct peer_setup *setup) {
    static struct world w;
    w.setup = *setup;
    for (uint32_t i = 0; i < setup->channels; i++) {
        if (pipe2(w.pipes[i], O_NONBLOCK | O_CLOEXEC) != 0) {
            crew_fail("pipe2: %s", strerror(errno));
        }
        fcntl(w.pipes[i][1], F_SETPIPE_SZ, 1 << 20); /* as much as everybody may have */
    }
    return &w;
}

static void *attach(void *world, uint32_t channel, bool producer, uint32_t index) {
    (void)index;
    const struct world *w = world;
    return stream_end_open(w->pipes[channel][producer ? 1 : 0], &w->setup);
}

static void destroy(void *world) {
    const struct world *w = world;
    for (uint32_t i = 0; i < w->setup.channels; i++) {
        close(w->pipes[i][0]);
        close(w->pipes[i][1]);
    }
}

const struct peer peer_pipe = {
    .name = "pipe",
    .setting = "non-blocking, asked again and again; 1 MiB",
    .kind = PEER_KERNEL,
    .can = can,
    .create = create,
    .attach = attach,
    .put = stream_end_put,
    .get = stream_end_get,
    .detach = stream_end_close,
    .destroy = destroy,
};
