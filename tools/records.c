/* SPDX-License-Identifier: MIT */
#include "records.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES ((size_t)256 * 1024)

int records_init(struct records *r, int fd, int separator, size_t most) {
    memset(r, 0, sizeof *r);
    r->fd = fd;
    r->separator = separator;
    r->most = most;
    r->room = READ_BYTES;
    r->bytes = malloc(r->room);
    return r->bytes ? 0 : -ENOMEM;
}

void records_free(struct records *r) {
    free(r->bytes);
    r->bytes = NULL;
}

static void give(struct records *r, size_t bytes, size_t separator_bytes, const char **record, size_t *record_bytes) {
    *record = r->bytes + r->begin;
    *record_bytes = bytes;
    r->begin += bytes + separator_bytes;
    r->searched = r->begin;
}

bool records_next(struct records *r, const char **record, size_t *bytes) {
    size_t held = r->end - r->begin;
    if (r->too_long)
        return false;
    if (r->separator != RECORDS_WHOLE) {
        const char *found = r->searched < r->end ? memchr(r->bytes + r->searched, r->separator, r->end - r->searched) : NULL;
        r->searched = r->end;
        if (found) {
            give(r, (size_t)(found - (r->bytes + r->begin)), 1, record, bytes);
            r->too_long = *bytes > r->most;
            return true;
        }
    }
    if (held > r->most || (r->at_end && held > 0)) {
        give(r, held, 0, record, bytes);
        r->too_long = held > r->most;
        return true;
    }
    return false;
}

/* Room for a read: moves what is left to the front, and grows when that is a long record's beginning. */
static int make_room(struct records *r) {
    size_t held = r->end - r->begin;
    if (r->begin > 0) {
        memmove(r->bytes, r->bytes + r->begin, held);
        r->searched -= r->begin;
        r->begin = 0;
        r->end = held;
    }
    if (r->room - r->end < READ_BYTES / 2) {
        char *bigger = realloc(r->bytes, r->room * 2);
        if (!bigger)
            return -ENOMEM;
        r->bytes = bigger;
        r->room *= 2;
    }
    return 0;
}

int records_fill(struct records *r) {
    ssize_t n;
    int result;
    if (r->at_end)
        return 0;
    result = make_room(r);
    if (result < 0)
        return result;
    n = read(r->fd, r->bytes + r->end, r->room - r->end);
    if (n < 0 && errno == EAGAIN) {
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        return poll(&p, 1, -1) < 0 ? -errno : 1;
    }
    if (n < 0)
        return -errno;
    if (n == 0)
        r->at_end = true;
    r->end += (size_t)n;
    return 1;
}
