/* SPDX-License-Identifier: MIT */
/* The writer's role, and who has it: durable.h. */
#ifndef RP_QUEUE_DURABLE_ROLE_H
#define RP_QUEUE_DURABLE_ROLE_H

#include "durable_batch.h"
#include "durable_store.h"

struct writer {
    struct actor *actor;
    struct durable_store *store;
    uint64_t role;  /* the word as we wrote it */
    uint64_t point; /* as we read or wrote it last */
    unsigned doublings;
    bool robbed; /* it was another's, who may be in the middle of a write: the point was sealed before we took it */
    bool broke;  /* a write failed since */
    bool wrote;  /* all that was there when a batch was begun */
    /* a snapshot that is being written */
    bool snapshot;
    uint32_t snapshot_next; /* cell, or id */
    uint64_t snapshot_file;
    uint64_t snapshot_asked; /* control.journal_snapshot as we made it when it began */
    uint64_t snapshot_fed[MAX_GROUPS], snapshot_told[MAX_GROUPS]; /* and the words of groups that began in the past: catch_up.h */
};

/* False: another has it. */
bool role_take_writer(struct writer *x);
/* Before each write: it is ours for a whole lease from now on. False: it is another's. */
bool role_renew(struct writer *x);
void role_leave(struct writer *x);

/*
 * Who lost the role and does not know it yet may still take marks of what was settled, and nobody sees them before he goes on. As long as there is such a one, what is marked is not all that is to be recorded.
 */
bool role_marks_may_be_taken(const struct segment *s);

/* ---- files: durable_files.c ---- */

/* The full number of the point's file. */
uint64_t writer_file(const struct segment *s, struct durable_point p);

/* Seals the point where it is; false: it moved, and the role is another's. */
bool writer_seal(struct writer *x, uint64_t point);

/* A sync failed: nobody knows what is on disk behind the last one that did not. Seals there, and asks for a snapshot: all that is live is written again. */
bool writer_seal_unsynced(struct writer *x, uint64_t point);

/*
 * The point is sealed: makes the next file, and the point its begin. 0; or why it cannot be made; NEXT_LOST: the role is another's; NEXT_UNSYNCED: what is before the seal is not all on disk, it is where that ends now, and a
 * snapshot is asked for.
 */
enum { NEXT_LOST = 1, NEXT_UNSYNCED = 2 };
int writer_next_file(struct writer *x, uint64_t sealed);

/* Files below are needed by nobody from now on. */
void writer_needs(const struct segment *s, uint64_t needed);

/* The first batch of the point's file is on disk: files that nobody needs go, and if too many stay, a snapshot is asked for. */
void writer_drop_files(struct writer *x, uint64_t point);

/* ---- groups that began in the past: catch_up_writer.c ---- */

/* Before each batch: those that have caught up are done. And all that was fed is to be said in a snapshot, if there is reason. */
void writer_tend_past(struct writer *x);

/* A snapshot begins, and ended. */
void writer_past_begins(struct writer *x);
void writer_past_told(const struct writer *x);

/* The lowest sequence that the files must still have for groups that are behind; `sequence`, if that is lower. */
uint64_t writer_past_lowest(const struct segment *s, uint64_t sequence);

#endif
