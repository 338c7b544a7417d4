/* SPDX-License-Identifier: MIT */
/* ringpost ring: what its verbs share. */
#ifndef RINGPOST_TOOLS_RING_H
#define RINGPOST_TOOLS_RING_H

#include "cli.h"

/* As cli_fail; a bad name or option is a usage error, and a ring without a free lane or seat is full. */
int ring_fail(int result, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum ring_access {
    RING_TO_LOOK, /* read-only */
    RING_TO_READ, /* read-only where writing is not allowed */
    RING_TO_WRITE
};
/* CLI_DONE, or the exit status after having said why not. */
int ring_open(const char *name, enum ring_access access, rp_ring **out);

/* Where reading begins, and how: flags that `read` and `record` have. */
struct ring_from {
    uint32_t from; /* enum rp_reader_from */
    uint64_t sequence;
};
bool ring_parse_from(const char *text, void *from); /* newest, oldest or a number */
#define RING_EXPECTS_FROM "newest, oldest or the number of a message"

/* CLI_DONE, or the exit status after having said why not. */
int ring_reader_open(rp_ring *ring, const struct ring_from *from, bool observe, rp_reader **out);

/* What the last RP_LAPPED was about. */
struct ring_loss {
    uint64_t count, first;
    uint32_t lane;
};
struct ring_loss ring_loss(const rp_reader *r);
void ring_say_loss(const struct ring_loss *l);

/* Writes all of it, also after a stop signal, as long as the descriptor takes it at once: what was read from a ring is nowhere else. `*written` is how much went out; 0 or negative errno. */
int ring_put(int fd, const void *bytes, size_t count, size_t *written);

/* "overwrite" or "gate" */
const char *ring_overflow_name(uint32_t overflow);

int ring_write(int argc, char **argv);
int ring_read(int argc, char **argv);
int ring_stat(int argc, char **argv);
int ring_ls(int argc, char **argv);
int ring_record(int argc, char **argv);
int ring_replay(int argc, char **argv);

#endif
