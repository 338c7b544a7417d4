/* SPDX-License-Identifier: MIT */
#include "stream_end.h"

#include "wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct end {
    int descriptor;
    uint32_t bytes;
    bool crowded;
    unsigned char *bodies;
};

void *stream_end_open(int descriptor, const struct peer_setup *setup) {
    struct end *e = malloc(sizeof *e);
    unsigned char *bodies = malloc((size_t)setup->bytes * setup->batch);
    if (e == NULL || bodies == NULL) {
        crew_fail("out of memory");
    }
    *e = (struct end){.descriptor = descriptor, .bytes = setup->bytes, .crowded = setup->crowded, .bodies = bodies};
    return e;
}

/* What read or write returned, as bytes; 0: it would have had to wait. */
static size_t moved(ssize_t result, const char *call) {
    if (result < 0 && errno != EAGAIN && errno != EINTR) {
        crew_fail("%s: %s", call, strerror(errno));
    }
    return result < 0 ? 0 : (size_t)result;
}

size_t stream_end_put(void *end, const unsigned char *bodies, size_t count) {
    struct end *e = end;
    size_t done = moved(write(e->descriptor, bodies, count * e->bytes), "write");
    uint32_t spins = 0;
    while (done % e->bytes != 0) {
        size_t more = moved(write(e->descriptor, bodies + done, e->bytes - done % e->bytes), "write");
        done += more;
        if (more == 0) {
            peer_wait(e->crowded, &spins);
        }
    }
    return done / e->bytes;
}

size_t stream_end_get(void *end, struct peer_message *messages, size_t count) {
    struct end *e = end;
    size_t done = moved(read(e->descriptor, e->bodies, count * e->bytes), "read");
    uint32_t spins = 0;
    while (done % e->bytes != 0) {
        size_t more = moved(read(e->descriptor, e->bodies + done, e->bytes - done % e->bytes), "read");
        done += more;
        if (more == 0) {
            peer_wait(e->crowded, &spins);
        }
    }
    for (size_t i = 0; i < done / e->bytes; i++) {
        messages[i] = (struct peer_message){.data = e->bodies + i * e->bytes, .bytes = e->bytes};
    }
    return done / e->bytes;
}

void stream_end_close(void *end) {
    free(((struct end *)end)->bodies);
    free(end);
}
