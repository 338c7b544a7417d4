/* SPDX-License-Identifier: MIT */
/*
 * Groups that begin in the past of a durable queue. Until such a group has caught up, what was sent before comes to it out of the journal's files, and what is sent meanwhile, too: so a group that is far behind holds no memory.
 *
 *     group.fed      done:1 | generation of the group:7 | position:34 | cell:22
 *                    all messages of the journal ring below `position` were fed to the group, or are not for it; the last one went into `cell`
 *     group.told     the same: where the journal says itself what of those below the group still needs. Between the two it says what was settled
 *     journal_past   hold:44, in ms | groups that are of this kind:20
 *
 * Who gets what. Of a message at position t, which its sender meant for the groups that he saw, such a group is one if it is done, and t is not below the position where it was. Whoever moves the message decides so (catch_up_mask), and whoever
 * writes its record; all of them alike, since that position is chosen among those that nobody can have come to. So each message comes to the group once, in the order of the ring.
 *
 *     feed      a receiver of the group that finds nothing reads the next message below the point, copies it into a cell: STAGED(me, group), with its position beside it
 *               CAS fed: position and cell -> the next, this cell             this commits it. Two do it at once: one fails, and takes his cell back
 *               STAGED -> COMMITTED(NOBODY, group), and into its lane         anybody; before the next is fed, and before the group is done
 *     pass      CAS fed: further, and no cell                                 there is no message, or none that it gets: one that waited for its time comes by that, one that expired is over
 *     done      CAS fed: done                                                 by who has the writer's role, when the position is the point's: all is fed that was written, and all that is not written yet can say itself
 *                                                                             that it is for the group
 *
 * Done, and a stopped writer. He read the role's word after `fed`, so he had the role then, and `position` is where the point was in his time. Whoever took the role from him looks at `fed` before he moves the point, finds the same, and says done himself: whichever
 * CAS succeeds, it is the same position. So each writer has to do it whenever he finds it so, and does it before each batch.
 *
 * Under a stream of messages the point is never where the last look found it. A receiver that comes near then asks writers to hold back (`hold`, a lease), takes the role himself, feeds the rest, and is done.
 *
 * A crash leaves: a STAGED cell that `fed` names: recovery or a sweep commits it. One that it does not name: free. Of the machine: each batch says `told` and `fed` as they were after it read what was settled; so who brings the queue back reads what lies between
 * the two once more, takes from it what the journal says is settled, and goes on from `fed` (lib/replay/past.c). A snapshot says all that was fed and is not settled, and is when `told` moves; it is asked for when the group is done, and when the two are far apart.
 * Files from `told` on stay; and those with what such a group settled are needed until a snapshot says it again, like those with ids. A batch never says what a group settled without saying that there is one: it is begun anew if one was
 * made meanwhile.
 *
 * A reader reads no further than the point: what lies behind it may be a dead writer's, and he would not see that another writes over it. Files may go between the look for a start and the moment when the group is there; then it begins with what is left.
 * What a sync that failed has lost is written again if it lives for somebody; else it is gone, also for those who are behind. A group is at most 2^33 messages behind.
 */
#ifndef RP_QUEUE_CATCH_UP_H
#define RP_QUEUE_CATCH_UP_H

#include "durable.h"
#include "requeue.h"

/* ---- words ---- */

enum { FED_POSITION_BITS = 34, FED_GENERATION_BITS = 7 };
static inline uint64_t fed_word(bool done, uint64_t generation, uint64_t position, uint32_t cell) {
    return (uint64_t)done << 63 | bits(generation, 0, FED_GENERATION_BITS) << 56 | bits(position, 0, FED_POSITION_BITS) << 22 |
           cell;
}
static inline bool fed_done(uint64_t w) { return w >> 63; }
static inline uint64_t fed_generation(uint64_t w) { return bits(w, 56, FED_GENERATION_BITS); }
static inline uint32_t fed_cell(uint64_t w) { return (uint32_t)bits(w, 0, 22); }
/* `near`: a position not 2^33 away. */
static inline uint64_t fed_position(uint64_t w, uint64_t near) {
    return near +
           (uint64_t)((int64_t)((bits(w, 22, FED_POSITION_BITS) - near) << (64 - FED_POSITION_BITS)) >> (64 - FED_POSITION_BITS));
}
static inline bool fed_is_of(uint64_t w, uint64_t generation) {
    return fed_generation(w) == bits(generation, 0, FED_GENERATION_BITS);
}

static inline uint32_t past_groups(const struct segment *s) {
    return (uint32_t)load_acquire(&s->control->journal_past, active) & groups_possible(s);
}

/* ---- for all ---- */

/* The groups that get a message at position t of the ring, which its sender meant for `groups`. */
uint32_t catch_up_mask_of(const struct segment *s, uint32_t past, uint32_t groups, uint64_t t);
static inline uint32_t catch_up_mask(const struct segment *s, uint32_t groups, uint64_t t) {
    uint32_t past = past_groups(s);
    return likely(past == 0) ? groups : catch_up_mask_of(s, past, groups, t);
}

/* Those that are behind; and those of which the journal says something beside, because they are, or were not long ago. */
uint32_t catch_up_behind(const struct segment *s);
uint32_t catch_up_untold(const struct segment *s);

/* The point has moved: wakes a receiver of each that is behind. */
void catch_up_wake(const struct segment *s);

/* How many messages are to be fed to it still, at most. 0: it is no such group, or has caught up. */
uint64_t catch_up_left(const struct segment *s, unsigned group);

/* What `fed` names becomes COMMITTED, and is inserted: IN: it is in its lane, or was; FULL; DAMAGED. */
enum requeue catch_up_help(struct actor *a, unsigned group, uint64_t fed);

/* Cells that nobody brings on because who fed them is stopped. */
void catch_up_sweep(struct actor *a);
/* A dead one's STAGED cell is committed, if it was fed. False: it was not. */
bool catch_up_recover_cell(struct actor *a, uint32_t c, uint64_t w);

/* ---- a group's begin: who makes it is CREATING its place ---- */

/* `start`: the position with which it begins; NULL: as others do. Afterwards nobody is left who takes it for the group that was there before. */
void catch_up_begin(struct actor *a, unsigned group, const uint64_t *start);

/* The same in a segment that nobody sees yet, after durable_begin; sequences. */
void catch_up_adopt(const struct segment *s, unsigned group, uint64_t told, uint64_t fed, bool done);

/* The position of the first message that is there of those that were sent with at least this sequence, or at this time or later. 0; -ERANGE: there was none yet; why the journal cannot be read. */
int catch_up_find(struct actor *a, const struct rp_group_options *o, uint64_t *position);

/* ---- receiving ---- */

struct past;

/* Of a consumer whose group began in the past. NULL: no memory. */
struct past *past_new(void);
void past_free(struct past *p);

/* The group's lanes were found empty. 0: look again; RP_EMPTY: there is nothing to feed, nor a cell for it, or others are at it; RP_GONE, or why the journal cannot be read. */
int catch_up(struct rp_consumer *c);

/* There may be something to feed: a few loads. */
bool catch_up_promising(const struct rp_consumer *c);

/* ---- writing ---- */

/* How long writers hold back at most. */
enum { HOLD_MS = 100 };
/* Shall they, now? */
static inline bool catch_up_holds(const struct segment *s) {
    uint64_t until = load_relaxed(&s->control->journal_past, hint) >> MAX_GROUPS;
    if (likely(until == 0))
        return false;
    uint64_t now = segment_now_ms(s);
    return until > now && until - now <= HOLD_MS;
}
void catch_up_hold(const struct segment *s, uint64_t until_ms);

/* durable_writer.c: has the role, does it, and then writes. 0; 1: somebody else has the role; RP_NOT_DURABLE. */
int durable_alone(struct actor *a, void (*act)(void *), void *context);

#endif
