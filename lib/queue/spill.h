/* SPDX-License-Identifier: MIT */
/*
 * Spilling: what a queue does with messages for which it has no memory, if its overflow policy says so. States, who may change which word, and what a crash after each step
 * leaves: docs/spill-format.md. In short:
 *
 *     send      the payload is written into an extent that the sender owns; then one CAS of a slot of the lane's index commits it, for all groups at once
 *     refill    a receiver that finds its lane empty copies the next message into a cell (STAGED), and one CAS of its group's cursor moves it there;
 *               then anybody makes the cell COMMITTED and inserts it in its lane, as with a delayed message that is due
 *     order     a sender goes direct when every group's cursor is at the end of the lane's index, and what the last one names is in the lane. Else it spills
 *     space     an extent that nobody writes any more, and whose last message all groups have refilled, is free
 */
#ifndef RP_QUEUE_SPILL_H
#define RP_QUEUE_SPILL_H

#include "handle.h"
#include "requeue.h"
#include "spill_words.h"
#include "view.h"

/* For tests: what is spilled lies in the segment, so that its memory is all there is of a queue. */
extern bool spill_force_inside;

static inline bool spills(const struct segment *s) { return s->spill != NULL; }

static inline struct index_ring spill_ring(const struct segment *s, uint32_t lane) {
    a64 *slots = (a64 *)(void *)s->spill_area + ((size_t)lane << s->layout.spill_slot_shift);
    return ring_make(slots, &s->spill_ends[lane].tail, s->layout.spill_slot_shift);
}

/* A slot's entry is the place of a frame, in lines of the area, and then a 0: so its cell never is NO_CELL, which would be a slot that nobody needs. */
static inline uint64_t spill_place(uint64_t slot) { return bits(slot, 1, 35); }
static inline uint64_t spill_entry(uint64_t place) { return place << 1; }

/* Does what is spilled matter to this place: is its group active, or being made? */
bool spill_counts(const struct segment *s, unsigned group);

/* Positions below matter to no group any more; `end` if there is no group. `end` must have been the end of the lane's index, or before it, when this is called. */
uint64_t spill_lowest(const struct segment *s, uint32_t lane, uint64_t end);

/* Where the lane's index ends. False: it is damaged. */
bool spill_end(const struct segment *s, uint32_t lane, uint64_t *end);

/* ---- sending: spill_send.c ---- */

/* What a producer knows of the file. */
struct spill_sender {
    uint64_t extent_word; /* of the extent that is ours; 0: none is */
    uint32_t extent;
    uint64_t used;            /* bytes of it */
    uint64_t barren_until_ms; /* nothing was free: not again in that millisecond */
    struct spill_sender_lane {
        struct index_ring ring;
        uint64_t tail;     /* where to look for the end of the index */
        uint64_t told;     /* what the shared hint was told */
        uint64_t clear_at; /* when the index ended here, everything was refilled */
        uint64_t lowest;   /* see spill_lowest */
        uint64_t chunk;    /* slots of this part of the index are on disk; UINT64_MAX: of none that is known */
    } lanes[];
};

int spill_sender_open(struct rp_producer *p);
void spill_sender_close(struct rp_producer *p);

/* A message to send. */
struct spilling {
    struct rp_producer *producer;
    const void *data;
    size_t payload, content;
    const struct rp_send_options *options;
    uint64_t *id;
    bool wake;
    uint32_t cell; /* NO_CELL, or the caller's that holds the payload; when the message is sent otherwise it stays his */
    bool used;     /* ... or not */
    bool paused;   /* the last look found that */
    bool disk_full;
};

/* Sends directly or spills, and waits for room on disk as the timeout allows. 0; RP_FULL, RP_PAUSED, RP_CORRUPT, RP_GONE, -EINTR. */
int spill_send(struct spilling *x, int64_t timeout_ns);

/* Does the message have to wait for its time? Those take memory, and are not spilled. */
bool spill_waits(const struct rp_send_options *o);

/* ---- receiving: spill_refill.c ---- */

struct spill_reader {
    uint64_t seen;   /* the cursor, before we last looked at the lane */
    uint64_t helped; /* what this cursor names is in its lane; 0: none is known */
    uint32_t extent; /* of the last frame */
};

struct spill_reader *spill_reader_new(uint32_t lanes);

/* The group's lane was found empty. 0: look again; RP_EMPTY: nothing is spilled either, or there is no cell for it; RP_CORRUPT, RP_GONE with the detail set. */
int spill_refill(struct rp_consumer *c, uint32_t lane);

/* The lane may have something spilled for the group: a few loads. */
bool spill_promising(const struct rp_consumer *c);

/* What the cursor names becomes COMMITTED, and is inserted. IN: it is in its lane, or was; FULL, DAMAGED. */
enum requeue spill_help(struct actor *a, unsigned group, uint32_t lane, uint64_t cursor);

/* ---- space: spill_space.c ---- */

/* An extent becomes ours, and is on disk. False: there is none; *disk_full: or the disk is full. */
bool spill_extent_take(struct actor *a, struct spill_sender *x, bool *disk_full);
/* Ours, and we write no more. */
void spill_extent_seal(struct actor *a, struct spill_sender *x);
/* Frees the extent if it is sealed and nobody needs it. It stays on disk, until a sweep finds that too many do. */
bool spill_extent_free(struct actor *a, uint32_t e);
/* The same of a few, going round; of all. -> how many. */
int spill_sweep_extents(struct actor *a);
int spill_free_all(struct actor *a);
/* A part of the index is on disk from here on. False: it is not, and the disk full. */
bool spill_chunk(const struct actor *a, uint64_t offset);

/* ---- the rest of its life: spill.c ---- */

/* Whatever a sweep finds to do. -> things done. */
int spill_sweep(struct actor *a);
/* Of a dead process: what it wrote is sealed. -> things done. */
int spill_recover(struct actor *a, uint32_t dead);
/* A dead one's STAGED cell is committed, if its group's cursor named it. False: it did not. */
bool spill_recover_cell(struct actor *a, uint32_t c, uint64_t w);
/* A group is about to begin in this place: at the end. Then anything STAGED for the one before goes. */
void spill_group_begin(struct actor *a, unsigned group);
void spill_group_clear(struct actor *a, unsigned group, uint32_t c);
/* Drops what is spilled for the group. -> how many messages. */
uint64_t spill_purge(struct actor *a, unsigned group);
/* For who drains, when the pause is set. Has each sender been seen outside of a send, and is nothing spilled for any group? */
bool spill_is_drained(const struct segment *s);
/* Messages that are spilled for the group. */
uint64_t spill_count(const struct segment *s, unsigned group);

/* ---- the file: spill_file.c ---- */

struct shm_build;
/* Makes the file of a queue that is being made, and writes its path into the segment. *lock: keeps collectors away; to be closed when the queue can be seen. */
int spill_file_create(const char *name, const char *directory, const char *queue_path, struct shm_build *b, int *lock);
/* The queue can be seen, or never will be. `lock` may be -1. */
void spill_file_end(const struct shm_build *b, int lock, bool made);
/* Maps it, and says in which directory it is. RP_CORRUPT, RP_INCOMPATIBLE, -ENOENT, -EACCES with the detail set. */
int spill_file_attach(struct segment *s, bool read_only, char directory[SPILL_PATH_BYTES]);
void spill_file_detach(struct segment *s);
/* The path of the queue's spill file, before the queue is removed; "" if there is none. */
void spill_file_of(const char *queue_path, char path[SPILL_PATH_BYTES]);
int spill_file_remove(const char *path);
/* Removes files whose queues are certainly gone. -> how many; a negative result: also where that could not be told of some, and why. */
int spill_file_collect(const char *directory);
/* Bytes that it takes on disk. */
uint64_t spill_file_on_disk(const struct segment *s);
/* Blocks of the area on disk, or given back. False: the disk is full, or the file gone. */
bool spill_file_fill(const struct segment *s, uint64_t offset, uint64_t bytes);
void spill_file_punch(const struct segment *s, uint64_t offset, uint64_t bytes);

#endif
