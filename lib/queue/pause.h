/* SPDX-License-Identifier: MIT */
/*
 * Pausing. One word of the line that every call reads, and every change of it raises its number of changes:
 *
 *     control.paused   changes:42 | receive:1 | send:1 | groups whose receivers are paused:20
 *
 * Anybody changes it, by CAS. A crash before the CAS leaves nothing, after it a change that is complete, but for the wakes of a resume: who sleeps for it looks every tick.
 *
 * Send side. A sender takes its cell, then asks; if sending is paused he gives the cell back. Who drains sets the bit, then looks at the cells. Both are
 * sequentially consistent, so either the drainer sees the cell OWNED, and waits until it is free again, or the sender sees the bit. A cell that was seen
 * to hold nothing since the bit was set will hold no message until somebody resumes: so each needs to be seen so only once, however many senders come, take one and
 * give it back. A redrive makes a message of a dead letter, which does not count as held: it says in its seat that it is at it (dead_count.h), then asks; so the drainer must
 * see each seat once with nobody at it before he looks at the cells. If the word has changed meanwhile, he begins anew: somebody may have resumed, and paused again.
 *
 * Receive side. Asked before a message is claimed. Who asked before the pause may claim after it.
 *
 * A group's bit goes with the group's life: who makes a group clears the bit of its place, before the group begins, and raises the number of changes even if the bit is clear. Who
 * pauses a group reads the word, then looks the group up, then CASes: if the group was removed and its place made again in between, the CAS fails. Where the bit is as he wants it already, he
 * reads the word once more, for the same reason.
 */
#ifndef RP_QUEUE_PAUSE_H
#define RP_QUEUE_PAUSE_H

#include "handle.h"

#define PAUSED_SEND (UINT64_C(1) << MAX_GROUPS)
#define PAUSED_RECEIVE (UINT64_C(1) << (MAX_GROUPS + 1))
#define PAUSED_CHANGE (UINT64_C(1) << (MAX_GROUPS + 2))

static inline uint64_t pause_load(const struct segment *s) { return load_seq_cst(&s->control->paused, paused); }

static inline bool pause_stops_sends(const struct segment *s) { return pause_load(s) & PAUSED_SEND; }

/* What stops the receivers of a group. */
static inline uint64_t pause_mask(unsigned group) { return PAUSED_RECEIVE | UINT64_C(1) << group; }

static inline bool pause_stops_receives(const struct segment *s, uint64_t mask) { return pause_load(s) & mask; }

/* Pauses the send side, unless it is. -> the word that says so. */
uint64_t pause_sends(const struct segment *s);

/* A receive has met a pause: what was claimed ahead goes back, and time goes on. RP_PAUSED, or RP_GONE with the detail set. */
int pause_meet(struct rp_consumer *c);

/* A group is about to begin in this place; the caller is CREATING it. */
void pause_forget(const struct segment *s, unsigned group);

#endif
