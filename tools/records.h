/* SPDX-License-Identifier: MIT */
/*
 * Cuts what comes from a descriptor into records. Reads only when it has no complete record left, so a record is never held back
 * while the next one is awaited, and never keeps more than one record and one read.
 */
#ifndef RINGPOST_TOOLS_RECORDS_H
#define RINGPOST_TOOLS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>

struct records {
    int fd;
    int separator; /* '\n', 0, or RECORDS_WHOLE */
    size_t most;   /* bytes a record may have; a longer one is cut off there, with `too_long` set */
    char *bytes;
    size_t room;
    size_t begin; /* the first byte not yet given out */
    size_t end;
    size_t searched; /* up to here there is no separator behind `begin` */
    bool at_end;     /* the descriptor has no more */
    bool too_long;
};

#define RECORDS_WHOLE (-1)

/* 0 or -ENOMEM. */
int records_init(struct records *r, int fd, int separator, size_t most);
void records_free(struct records *r);

/* The next record that is there already, without its separator; valid until records_fill. False: there is none. */
bool records_next(struct records *r, const char **record, size_t *bytes);

/* Reads more. 1: look again; 0: that was all; negative errno: it failed, -EINTR included. */
int records_fill(struct records *r);

#endif
