/* SPDX-License-Identifier: MIT */
/*
 * Delayed sends. A message that waits for its time is a cell whose word says DELAYED: committed, of no group yet, owned by nobody.
 *
 *     send      OWNED(g) -> DELAYED(g)                      a store by the sender; commits the message. Then a timer is set
 *     due       DELAYED(g) -> COMMITTED(groups, g + 1)      anybody; the lane is chosen by now, anybody inserts it there (lane_insert)
 *               DELAYED(g) -> FREE(g + 1)                   anybody, where there is no group
 *     cancel    DELAYED(g) -> FREE(g + 1)                   cancel.c
 *
 * The generation rises each time, so no word DELAYED comes back, and what was read of one wait is never believed of another. Who dies before the store has sent nothing.
 * After it: the sweep sets the timer that is missing, makes COMMITTED what is due, inserts what is COMMITTED and in no lane, and tells receivers. Recovery frees
 * neither DELAYED nor COMMITTED cells.
 *
 * Until it is due the cell's position names the lane, with the tag of no publication near: what an earlier life left in the lane is not taken for its entry.
 *
 * When somebody must look at a cell is told by a timer (timers.h). Its one clock is boot time. How far the wall clock is ahead of it stands in one word, control.wall_ahead_ns, by which
 * everybody turns wall-clock times into timers: so equal times have equal timers, whoever is interrupted. The creator writes it; then whoever keeps house, or finds a wall-clock
 * timer over, compares it with the clocks, and if one was set, CASes it and sets those timers anew (schedule_follow_clock). Who dies between the two, and who
 * sets a timer by the old word meanwhile, leaves timers that are too early or too late. Too early does no harm: the wall clock itself is asked, and the
 * timer set again. Too late ones the sweep's walk lowers, as it sets those that are missing. A step that nobody noticed yet makes messages late by a tick at most.
 */
#ifndef RP_QUEUE_SCHEDULE_H
#define RP_QUEUE_SCHEDULE_H

#include "handle.h"

/* Is the time `t` of a message with these flags over? And when will it be, by the boot clock of the segment, as far as is known? */
bool schedule_is_over(const struct segment *s, uint32_t flags, uint64_t t);
uint64_t schedule_boot_ns(const struct segment *s, uint32_t flags, uint64_t t);

/* Does the message have a time? */
static inline bool schedule_asked(const struct segment *s, const struct rp_send_options *o) {
    return (o->delay_ns | o->at_ns | s->parameters.ttl_ns | (uint64_t)(o->ttl_ns != RP_TTL_POLICY)) != 0;
}

/* 0; -EINVAL for times that cannot be. */
int schedule_check(const struct rp_send_options *o);

/* Writes a message's times. -> its flags. */
uint32_t schedule_describe(const struct segment *s, struct extra *extra, const struct rp_send_options *o);

/* Sends an owned cell that is complete but for its word, with its time in its extra line, to `lane`. Cannot fail. */
void schedule_send(struct actor *a, uint32_t c, uint32_t lane);

/* Sets the cell's timer, unless it has an earlier one. `t`: of a message with these flags. With `announce`, sleepers learn of it if they must. */
void schedule_timer(struct actor *a, uint32_t c, uint32_t flags, uint64_t t, bool announce);

/*
 * The cell's word was `w`: if that is DELAYED, or it has a time to live, does what is due and sets the timer of what is not. -> things done. One who only mends
 * leaves what waits to its timer, which is there now: so it comes in the order of times.
 */
int schedule_look(struct actor *a, uint32_t c, uint64_t w, bool mend);

/* Takes a message back that waits: its word must be `w`, DELAYED. False: it is not any more. */
bool schedule_cancel(struct actor *a, uint32_t c, uint64_t w);

/*
 * Frees a cell whose message was never published, with this generation: groups take no part in it, and their words follow. The word must be `w`. False: it is not any more.
 */
bool schedule_end_unpublished(struct actor *a, uint32_t c, uint64_t w, uint64_t generation);

/* Durable queues: what was taken back, of this generation, is in the journal, and may go. */
void schedule_end_cancelled(struct actor *a, uint32_t c, uint64_t generation);

/* Looks at cells whose timers are over, oldest first, about `share` of them at most. -> things done. */
int schedule_pop(struct actor *a, uint32_t share);

/* The same for a share that does not take long, unless somebody else is at it. */
void schedule_pop_alone(struct actor *a);

/* If the wall clock was set since the last time (by 0.1 ms or more), sets the timers of what follows it. */
void schedule_follow_clock(struct actor *a);

/* May a timer be over, as a handle's clock, which is up to a kernel's tick late, has it? */
static inline bool schedule_near(const struct segment *s, uint64_t now_ms) {
    return (now_ms + COARSE_CLOCK_MS) * 1000000 >= load_relaxed(&s->control->next_timer_ns, hint);
}

#endif
