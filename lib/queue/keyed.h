/* SPDX-License-Identifier: MIT */
/*
 * Keyed lanes: messages of one key are received strictly in order, one at a time in each group, retries included.
 *
 * A message *holds* its lane for a group while it is untaken, LEASED, RETURNED or DELAYED there; it keeps its slot meanwhile, and never enters another ring. Only the
 * first entry that holds the lane may be claimed. SETTLED, LIMBO and DEAD are for good, and let the next one forward. So a claimer that walks from the head passes only what
 * can never hold again, and the CAS of the delivery word it stops at is all that it takes: the lane itself has no lock and no owner, and a
 * dead consumer's lane moves on with the word of the message that it held.
 *
 * Which lanes may have something to receive is told by bits. They are hints: whoever finds none set looks at all lanes before it
 * says that there is nothing, and a tick sets what was lost.
 */
#ifndef RP_QUEUE_KEYED_H
#define RP_QUEUE_KEYED_H

#include "handle.h"

enum keyed_entry {
    KEYED_PAST, /* does not hold the lane, and never will again */
    KEYED_HELD, /* holds it, and nobody can take it now */
    KEYED_READY /* holds it, and is to be taken */
};

/* What the entry `slot` at position h is to one group; `*d` receives the delivery word, `*hold` what a claim of it would hold. */
enum keyed_entry keyed_judge(const struct segment *s, unsigned group, uint32_t lane, uint64_t h, uint64_t slot, uint64_t *d,
                             uint32_t *hold);

/* Does the entry hold the lane for any group? */
bool keyed_holds(const struct segment *s, uint32_t lane, uint64_t h, uint64_t slot);

/* The lane may have something for the group. */
void keyed_ready(const struct segment *s, unsigned group, uint32_t lane);

/* It has not. Whoever says so looks at the lane once more afterwards. */
void keyed_unready(const struct segment *s, unsigned group, uint32_t lane);

/* Is any lane's bit set? */
bool keyed_promising(const struct segment *s, unsigned group);

/* Sets the bits of all lanes whose head is at an entry: what the dead took with them. */
void keyed_mend(const struct segment *s);

/* Where the cell's message is, to be read before it lets go of its lane. 0 in other queues. */
static inline uint64_t keyed_place(const struct segment *s, uint32_t c) {
    return s->parameters.keyed ? load_acquire(&segment_cell(s, c)->position, position) : 0;
}

/*
 * The cell's message has just let go of its lane for the group: the next one may come. `incarnation` is the message's, `place` is where it was. Tells receivers, and
 * senders that wait for a place.
 */
void keyed_released(const struct segment *s, unsigned group, uint32_t c, uint64_t incarnation, uint64_t place);

/*
 * A dead letter that was redriven cannot come back to where it was: its lane went on. Its word is RETURNED, marked as leaving, and passed by everybody; when no
 * viewer and no group but those where it is leaving needs the message as it is, one CAS of the cell's word makes it a new one (COMMITTED, the next generation,
 * for those groups), which anybody inserts at the lane's end. This does both, as far as it is time; sweeps come back. Of leaving words without viewers, the
 * cell's word decides what becomes of them: redriven here, or dropped by settling them.
 */
void keyed_leave(const struct segment *s, unsigned group, uint32_t c);

/* Which lane a key belongs to. */
uint32_t keyed_lane(const struct segment *s, const void *key, size_t bytes);

#endif
