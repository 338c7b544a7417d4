/* SPDX-License-Identifier: MIT */
/*
 * Durable queues. A message goes through the journal first: its cell is JOURNALED and has an entry in the journal ring; whoever has the writer's role writes what the ring holds as a batch, and one word, the point, says
 * how far the ring is in the journal. What lies below the point is brought into lanes, or to wait for its time, in the order of the ring, by anybody. So nobody receives what could vanish, and receiving knows nothing of it.
 *
 *     send      OWNED(me, g) -> JOURNALED(groups, g + 1)             a store by the sender; then its entry, which anybody may insert. The position of that entry is the message's sequence
 *     write     the batch is on disk (or handed to the kernel, as the queue asks), then point -> beyond it
 *     move      JOURNALED(groups, g + 1) -> COMMITTED(groups, g + 1)  anybody, below the point, in the order of the ring: the next only when this one is in its lane
 *               JOURNALED(0, g + 1) -> DELAYED(g + 1)                 one that was sent with a time
 *     settle    a delivery's word says SETTLED, and that is all. The cell is marked in the dirty bitmap; the writer records it, and after the point's CAS clears the group's bit. So a kill between
 *               the two leaves a message that is settled, and not free: any sweep marks it again
 *     cancel    DELAYED(NOBODY, g) -> DELAYED(LEAVING, g), marked; the writer records it, then DELAYED(LEAVING, g) -> FREE(g + 1)
 *
 * A sender that dies before its store has sent nothing. After it the message belongs to the queue: sweeps insert what has no entry, recovery frees no JOURNALED cell.
 *
 * The role is a lease that names its holder. Recovery of a dead holder takes it off him, and whoever comes next goes on in the same file: what the dead one wrote beyond the point is written over. A holder whose lease ended may
 * only be stopped, in the middle of a write that comes late: whoever takes the role from him seals the point first, and goes on in a new file, whose head says where the one before ends. The late write lies behind that, and
 * the CAS that would count it fails. Every new file is made under a sealed point, also when the old one is full, so all who make the same file agree on where the one before ends.
 *
 * What a crash at each step leaves, and who mends it: docs/durability.md.
 */
#ifndef RP_QUEUE_DURABLE_H
#define RP_QUEUE_DURABLE_H

#include "handle.h"

static inline bool durable(const struct segment *s) { return s->parameters.sync != 0; }

/* ---- the point ---- */

enum { POINT_FILE_BITS = 9, POINT_UNIT_BITS = 22 };

struct durable_point {
    bool sealed;
    uint32_t file;     /* low bits of its number */
    uint32_t unit;     /* where its durable part ends */
    uint32_t position; /* low bits of the position in the ring */
};
static inline uint64_t point_word(struct durable_point p) {
    return (uint64_t)p.sealed << 63 | (uint64_t)p.file << 54 | (uint64_t)p.unit << 32 | p.position;
}
static inline struct durable_point point_of(uint64_t word) {
    return (struct durable_point){word >> 63, (uint32_t)bits(word, 54, POINT_FILE_BITS), (uint32_t)bits(word, 32, POINT_UNIT_BITS),
                                  (uint32_t)word};
}
/* The position in such a word; `near` is one not 2^31 away. */
static inline uint64_t point_position(uint64_t word, uint64_t near) {
    return near + (uint64_t)(int64_t)(int32_t)((uint32_t)word - (uint32_t)near);
}

static inline struct index_ring durable_ring(const struct segment *s) {
    return ring_make(s->journal_slots, &s->control->journal_tail, s->layout.journal_slot_shift);
}
static inline struct eventcount durable_event(const struct segment *s) {
    return (struct eventcount){.epoch = &s->control->journal_sleepers.epoch, .tickets = &s->control->journal_tickets};
}

/* The position of the cell's message in the journal ring. */
static inline uint64_t durable_position(const struct segment *s, uint32_t c) {
    return position_of(load_acquire(&segment_extra(s, c)->journal, journal), load_acquire(&s->control->journal_tail, hints));
}
/* The sequence of the message at this position. */
static inline uint64_t durable_sequence(const struct segment *s, uint64_t position) { return s->control->journal_first + position; }

/* ---- creating: nobody sees the segment yet ---- */

/*
 * The journal begins, or goes on, with sequence `next` in file `number` at `unit`; the oldest file is `oldest`, and those below `needed` are needed by nobody. `snapshot`: one was begun, and is to be told anew before anything else.
 * `path`: of its directory, absolute, shorter than JOURNAL_NAME_BYTES; `id`: the journal's.
 */
void durable_begin(const struct segment *s, const char *path, const unsigned char id[16], uint64_t next, uint64_t number,
                   uint32_t unit, uint64_t oldest, uint64_t needed, bool snapshot);

/* The message in the cell has this sequence, which is in the journal. After durable_begin. */
void durable_adopt(const struct segment *s, uint32_t c, uint64_t sequence);

/* ---- sending ---- */

/* Sends an owned cell that is complete but for its flags, to `lane`. 0; RP_NOT_DURABLE with the detail set: the journal does not work, the cell is OWNED as before; RP_CORRUPT. */
int durable_send(struct rp_producer *p, uint32_t lane, uint32_t c, uint32_t flags);

/* RP_NOT_DURABLE, with what is wrong with the journal as the detail. */
int durable_refuse(const struct actor *a);

/* Enters the cell's message into the journal ring, if its word says that it should be there. Anybody, any number at once. True: it is there, at *position; else it went on, or the ring is damaged. */
bool durable_enter(const struct segment *s, uint32_t c, uint64_t *position);

/* Does the JOURNALED message of this generation lie in the ring, at *position? One may be written down that another's took, or that is of the cell's message before. */
bool durable_entered(const struct segment *s, uint32_t c, uint64_t generation, uint64_t *position);

/* The message that was written down (verdict.h) was sent by somebody, perhaps: this producer is told of it when it is as durable as if he had sent it. */
void durable_owe(struct rp_producer *p, uint64_t message);
/* The same of all that was sent before it, too. */
void durable_owe_all(struct rp_producer *p, uint64_t message);

/* Waits until all that this producer sent is durable, as the queue asks: RP_SYNC_ALWAYS. Else sees to it that it is on its way. 0, -EINTR, RP_GONE, RP_NOT_DURABLE. */
int durable_wait(struct rp_producer *p);

/* What a call that comes to `result` returns: if it says that something was sent, not before that is so. */
static inline int durable_answer(struct rp_producer *p, int result) {
    int waited = p->durable_owes && (result == 0 || result == RP_DUPLICATE) ? durable_wait(p) : 0;
    return waited < 0 ? waited : result;
}

/* What was sent so far is written, also if it need not be on disk; and this message, which a dead one may have sent. As durable_wait. */
int durable_write_all(struct actor *a, uint64_t message);

/* The same, whatever the queue asks for, and all that was marked before. */
int durable_flush(struct rp_producer *p);

/* ---- settling ---- */

/* Something is to be recorded of the message in cell c: a delivery was settled, or failed. Before the mark, it is in its words. */
void durable_mark(const struct segment *s, uint32_t c);

/* The same where the queue may not be durable, of what changed beside a settlement: a failure, a redrive, a time that came. */
static inline void durable_note(const struct segment *s, uint32_t c) {
    if (!likely(s->parameters.sync == 0))
        durable_mark(s, c);
}
/* The same, and waits until it is recorded, if the queue is durable. 0; RP_NOT_DURABLE: it is done, and will be recorded when the journal works again. */
int durable_record_groups(struct actor *a);

/* A producer id was removed, and its place has this word until that is recorded. As durable_wait. */
int durable_record_left(struct actor *a, const a64 *word, uint64_t leaving);

/* ---- moving on ---- */

/* Is the message in cell c with this word on its way from the journal ring to its lane, or before that? */
bool durable_waits(const struct segment *s, uint32_t c, uint64_t w);

/* Brings what lies below the point to where it goes. */
void durable_move(struct actor *a);

/* ---- writing: durable_writer.c ---- */

enum durable_drive {
    DRIVE_IDLE,   /* there was nothing to do, or it is done */
    DRIVE_BUSY,   /* somebody else has the role */
    DRIVE_FAILED, /* the journal does not work: control.journal_failed */
};

/* Opens the journal for this process, if it is not. False: it cannot be, or only lately could not. */
bool durable_open(struct actor *a);

/* What counts is on disk. 0; RP_NOT_DURABLE; or 1: somebody else has the role. */
int durable_sync(struct actor *a);

/* Writes what is to be written, if nobody else is at it, and moves on what is durable. */
enum durable_drive durable_drive(struct actor *a);

/* Another number whenever what is to be said of the groups may be another. And: was it said in the journal? */
uint64_t durable_groups_key(const struct segment *s);
static inline bool durable_said_groups(const struct segment *s) {
    return durable_groups_key(s) == load_acquire(&s->control->journal_groups, journaled);
}

/*
 * control.journal_snapshot: changes:63 | wanted:1. Who asks for a snapshot changes it, and so does who begins one; who has written one takes back what he began, and nothing else: he may have been stopped before, while it was asked
 * for again, or another is in the middle of one. What followed that without its end would be lost.
 */
static inline bool snapshot_is_wanted(const struct segment *s) { return load_seq_cst(&s->control->journal_snapshot, dirty) & 1; }
/* -> the word from now on */
static inline uint64_t snapshot_ask(const struct segment *s) {
    uint64_t w = load_seq_cst(&s->control->journal_snapshot, dirty), next;
    do
        next = ((w >> 1) + 1) << 1 | 1;
    while (!cas_seq_cst(&s->control->journal_snapshot, &w, next, dirty));
    return next;
}
static inline void snapshot_was_written(const struct segment *s, uint64_t asked) {
    if (MUTANT(durable_snapshot_ends_any))
        store_seq_cst(&s->control->journal_snapshot, 0, dirty);
    else
        (void)cas_seq_cst(&s->control->journal_snapshot, &asked, asked & ~UINT64_C(1), dirty);
}

/* Is there something to write? */
bool durable_unwritten(const struct segment *s);
/* Is there something that somebody may wait for? What was settled can wait: for the next batch, a tick, a flush, or who needs its memory. */
bool durable_urgent(const struct segment *s);

/* A dead one had the role: nobody has it now. -> things done. */
int durable_recover(struct actor *a, uint32_t dead);

#endif
