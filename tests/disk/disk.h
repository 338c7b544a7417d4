/* SPDX-License-Identifier: MIT */
/*
 * A disk that forgets: lib/platform/file.h over memory. What was not synced survives a loss of power as the disk likes: of each sector of 512 bytes any version since the last sync, or garbage; of each name whatever it meant
 * since its directory was synced; of a length the old or the new one. A write to a file that is open for direct writing is on disk when it returns; in it, anything may be. Syncing a file does not sync its name.
 *
 * There is one directory, DISK_PATH, which is made and may be lost like anything else.
 */
#ifndef DISK_DISK_H
#define DISK_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_PATH "/disk/journal"

enum { DISK_SECTOR_BYTES = 512, DISK_FILE_MAX_BYTES = 64 << 10 };

/* An empty disk; `seed`: of all that is random, also process_random(). Children that are forked afterwards share it, and the machine (machine.h); one of them runs at a time. */
void disk_reset(uint64_t seed);
uint64_t disk_random(void);
void disk_seed(uint64_t seed);
/* Files cannot be opened for direct writing; disk_reset ends that. */
void disk_refuse_direct(void);
/* Is the descriptor one of this disk's? */
bool disk_has(int fd);

/* Calls that change something, so far. At number `call` (from 1; 0: never) it ends: that call has no effect, or, if it writes, any part of it; and every call fails from then on until disk_on or disk_restart. */
void disk_end_at(uint64_t call);
/* The same, but ends only the process that makes that call: it is killed, with exit status DISK_KILLED; or stops (SIGSTOP) before the call, which is done when it goes on. */
enum disk_end { DISK_POWER, DISK_KILL, DISK_STOP };
enum { DISK_KILLED = 99 };
void disk_end_with(enum disk_end end, uint64_t call);
uint64_t disk_changes(void);
bool disk_is_off(void);
/* Power goes now. */
void disk_cut_power(void);
/* The process that made the calls was killed; others go on with what is there. Descriptors stay open. */
void disk_on(void);

enum disk_fate {
    DISK_FORGETS, /* all that was not synced */
    DISK_KEEPS,   /* everything */
    DISK_MIXES,   /* any version of each thing */
    DISK_GARBLES, /* and garbage */
    DISK_LAST,    /* of what was written to files since, the last only */
    DISK_FATES
};
/* Loss of power, and the next start: descriptors are gone. */
void disk_restart(enum disk_fate fate);
/* The same, and what survives is told by numbers: number i of `choices`, below the i-th of `*counts`; where there are fewer, 0, the old. -> how many there were to choose, at most `room`; `counts` is filled. */
size_t disk_restart_chosen(const unsigned *choices, size_t count, unsigned *counts, size_t room);

enum disk_fault { DISK_EIO, DISK_ENOSPC, DISK_EINTR, DISK_SHORT, DISK_FAULTS };
/* Call number `call` from now, of those that may fail so (all; SHORT: reads and writes), does, and so many in all; 0: none. */
void disk_fail_at(uint64_t call, enum disk_fault fault);
void disk_fail_for(uint64_t calls);
uint64_t disk_calls(void);
/* Calls of this process are no part of what is tried: they are not counted, and do not fail. */
void disk_look(bool looks);

/* The bytes of a file, as everybody sees them and as they are on disk; NULL: there is no such name. Changes made here are on disk at once if `durable`. */
unsigned char *disk_file(const char *name, size_t *bytes);
/* Makes them so on disk, too. */
void disk_settle(void);
/* A file of these bytes, on disk; NULL data: no such file. */
void disk_put(const char *name, const void *data, size_t bytes);
/* Makes a file shorter; gives one another name, which may be another file's. On disk. */
void disk_cut(const char *name, size_t bytes);
void disk_rename(const char *from, const char *to);
/* Calls `each` for each name. */
void disk_names(void (*each)(void *context, const char *name), void *context);

/* All of it, to return to. */
struct disk_copy;
struct disk_copy *disk_save(void);
void disk_load(const struct disk_copy *copy);
void disk_free(struct disk_copy *copy);
/* Is it as it was? */
bool disk_same(const struct disk_copy *copy);
/* Has `copy` each file of `other` that is a file of a journal, under any name? */
bool disk_contains(const struct disk_copy *copy, const struct disk_copy *other);

/* A seeded defect: MUTANT(name) is true for this name only; NULL: none. */
extern const char *disk_mutant;

#endif
