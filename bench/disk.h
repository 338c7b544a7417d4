/* SPDX-License-Identifier: MIT */
/*
 * What the disk itself can do, by the same system calls as a journal's: writes into a file that was written before, so that none changes metadata.
 */
#ifndef RP_BENCH_DISK_H
#define RP_BENCH_DISK_H

#include <stddef.h>
#include <stdint.h>

enum disk_how {
    DISK_DIRECT, /* past the page cache, on disk when it returns: O_DIRECT | O_DSYNC. Where the file system has no O_DIRECT, O_DSYNC alone */
    DISK_SYNC,     /* write, fdatasync */
    DISK_BUFFERED, /* write; fdatasync every 100 ms */
    DISK_HOWS
};

struct disk {
    int fds[DISK_HOWS];
    unsigned char *data;
    uint64_t bytes, at; /* of the file; where the next write goes */
    uint64_t synced_ns;
};

/* Ends the run if it cannot. The file has no name, and `bytes`, a multiple of 1 MiB. */
void disk_open(struct disk *d, const char *directory, uint64_t bytes);
void disk_close(struct disk *d);

/* What others wrote to this file system is on disk: it is not this measurement's. */
void disk_settle(const struct disk *d);

/* One write of `bytes`; -> what it took in ns. */
uint64_t disk_write_one(struct disk *d, enum disk_how how, size_t bytes);

/* Writes of `bytes` (4096 .. 1 MiB, a power of two) one after the other for so long; -> bytes per second. */
double disk_write(struct disk *d, enum disk_how how, size_t bytes, uint64_t ns);

#endif
