/* SPDX-License-Identifier: MIT */
/*
 * What became of the message that a dead sender was about to send. Who must not send twice writes down, while he owns the message's cell, which cell of which generation it is, publishes, and writes down
 * that he did. If he dies in between, the cell tells, for as long as recovery has not freed it:
 *
 *     of the generation that was written down     it was never published; but DELAYED or JOURNALED, which is as good as sent
 *     of the next one, PUBLISHED by the dead      the verdict about any such cell holds (fanout.h)
 *     anything else                               a later life, which it has only after it was committed
 *
 * The verdict is about the word that was read: where it says no, that must be there still; else the message was settled while it was looked at, and the cell may carry another one, of which the
 * verdict knows nothing.
 *
 * A send that fails is written down as failed before its cell is given back. Each recoverer asks about everything that the dead one wrote down before he touches a cell of his, and moves
 * what he decides by one CAS from a word that names the dead: so all who get through have seen the cell as the dead one left it, or as an equal verdict left it.
 */
#ifndef RP_QUEUE_VERDICT_H
#define RP_QUEUE_VERDICT_H

#include "segment.h"

/* The message in an owned cell, to be written down: cell:22 | its generation:30. */
static inline uint64_t message_word(const struct segment *s, uint32_t c) {
    return (uint64_t)c << GENERATION_BITS | cell_generation(load_relaxed(&segment_cell(s, c)->word, own));
}

/* The cell of a message that was written down, and its word now. False: it has none; a consumer's id, or one of an earlier life. */
static inline bool message_cell(const struct segment *s, uint64_t message, uint32_t *c, uint64_t *w) {
    uint64_t cell = message >> GENERATION_BITS;
    if (cell >= s->layout.cell_count)
        return false;
    *c = (uint32_t)cell;
    *w = load_acquire(&segment_cell(s, *c)->word, cell_word);
    return true;
}

/* With this word: it was not sent yet, or never will be. And: the cell carries it, sent. */
static inline bool message_is_to_come(uint64_t message, uint64_t w) { return cell_generation(w) == (message & GENERATION_MASK); }
static inline bool message_is(uint64_t message, uint64_t w) { return cell_generation(w) == ((message + 1) & GENERATION_MASK); }

/* Was it sent? Asked under proof of the sender's death. */
bool message_was_sent(const struct segment *s, uint64_t message, uint32_t dead);

#endif
