/* SPDX-License-Identifier: MIT */
/* Output whose fate is known: how many bytes the kernel took, and why not more. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool output_append(struct output *o, const void *data, size_t bytes) {
    if (bytes > o->room - o->length) {
        size_t room = o->room ? o->room : 8192;
        char *bigger;
        while (room - o->length < bytes)
            room *= 2;
        bigger = realloc(o->bytes, room);
        if (!bigger)
            return false;
        o->bytes = bigger;
        o->room = room;
    }
    if (bytes)
        memcpy(o->bytes + o->length, data, bytes);
    o->length += bytes;
    return true;
}

int output_flush(struct output *o, size_t *written) {
    size_t done = 0;
    int result = 0;
    while (done < o->length && result == 0) {
        ssize_t n;
        if (cli_stop_count() > (done == 0 ? 0 : 1)) {
            result = -EINTR;
            break;
        }
        n = write(o->fd, o->bytes + done, o->length - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = o->fd, .events = POLLOUT};
            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            result = -errno;
        }
    }
    o->length = 0;
    *written = done;
    return result;
}

void output_free(struct output *o) {
    free(o->bytes);
    o->bytes = NULL;
    o->length = o->room = 0;
}

bool output_reader_gone(int fd) {
    struct pollfd p = {.fd = fd, .events = 0};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLNVAL)) != 0;
}

int cli_finish(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno == EPIPE) {
        cli_error("nobody reads the output any more");
    } else {
        cli_error("writing the output: %s", strerror(errno));
    }
    return status == CLI_DONE ? CLI_FAILED : status;
}
