/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "disk.h"
#include "crew.h"
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRITE_MOST = 1 << 20, BLOCK = 4096, SYNC_EVERY_NS = 100000000 };

static void check(int64_t result, const char *what) {
    if (result < 0)
        crew_fail("%s: %s", what, strerror(errno));
}

void disk_open(struct disk *d, const char *directory, uint64_t bytes) {
    char name[CREW_PATH_MAX];
    snprintf(name, sizeof name, "%s/baseline", directory);
    d->bytes = bytes;
    d->at = 0;
    d->data = aligned_alloc(BLOCK, WRITE_MOST);
    if (d->data == NULL)
        crew_fail("out of memory");
    memset(d->data, 'x', WRITE_MOST);
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    check(fd, name);
    for (uint64_t done = 0; done < bytes; done += WRITE_MOST)
        check(pwrite(fd, d->data, WRITE_MOST, (off_t)done), "write");
    check(fsync(fd), "fsync");
    d->fds[DISK_SYNC] = fd;
    d->fds[DISK_BUFFERED] = open(name, O_RDWR | O_CLOEXEC);
    d->fds[DISK_DIRECT] = open(name, O_RDWR | O_CLOEXEC | O_DIRECT | O_DSYNC);
    if (d->fds[DISK_DIRECT] < 0 && errno == EINVAL)
        d->fds[DISK_DIRECT] = open(name, O_RDWR | O_CLOEXEC | O_DSYNC);
    unlink(name);
    for (int how = 0; how < DISK_HOWS; how++)
        check(d->fds[how], name);
}

void disk_close(struct disk *d) {
    for (int how = 0; how < DISK_HOWS; how++)
        close(d->fds[how]);
    free(d->data);
}

void disk_settle(const struct disk *d) {
    check(syncfs(d->fds[DISK_SYNC]), "syncfs");
    crew_progress();
}

uint64_t disk_write_one(struct disk *d, enum disk_how how, size_t bytes) {
    uint64_t begin = clock_ns();
    bool again = d->at + bytes > d->bytes; /* what is there must have come to the disk: a journal's bytes all have to */
    d->at = again ? 0 : d->at;
    memcpy(d->data, &begin, sizeof begin); /* other bytes each time */
    check(pwrite(d->fds[how], d->data, bytes, (off_t)d->at) == (ssize_t)bytes ? 0 : -1, "write");
    if (how == DISK_SYNC || (how == DISK_BUFFERED && (again || begin - d->synced_ns > SYNC_EVERY_NS))) {
        check(fdatasync(d->fds[how]), "fdatasync");
        d->synced_ns = begin;
    }
    d->at += bytes;
    return clock_ns() - begin;
}

double disk_write(struct disk *d, enum disk_how how, size_t bytes, uint64_t ns) {
    const uint64_t begin = d->synced_ns = clock_ns();
    uint64_t now = begin, written = 0;
    for (; now - begin < ns; now = clock_ns(), written += bytes)
        disk_write_one(d, how, bytes);
    crew_progress();
    return (double)written / ((double)(now - begin) * 1e-9);
}
