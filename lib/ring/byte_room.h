/* SPDX-License-Identifier: MIT */
/*
 * The bound on bytes of payloads and headers (max_bytes). Queues without one pay a branch for it.
 *
 * What is held is `bytes_in` - `bytes_out`: two counters that only grow, so that senders and receivers have a line each. What they count is said by the cells: each that is not
 * FREE holds `bytes` bytes, a loan, too.
 *
 *     take    owned cell: bytes := n, asking;  in += n by CAS if that fits;  bytes := n or 0        dies in between: n too many in the counters, or nothing
 *     give    the word becomes FREE, by whoever clears the last bit;  out += n                      dies in between: n too many
 *
 * Recovery frees the cells of the dead and leaves the counters alone. So deaths leave too much in the counters, never too little: the bound holds, with less room inside. The sweep
 * counts anew: what it meets in the cells, give or take what moved meanwhile and what is being asked for, is the truth; what the counters say beyond
 * that is wrong for certain, and is taken off; what they say too little is added. Only one who stops between the two steps of a give while somebody counts, and goes on
 * after it, makes the counters say too little: by his message, until the next count. Hence the bound that is kept: max_bytes, and one message for each process
 * that is interrupted right there by a count.
 *
 * Whoever needs bytes sleeps on the same eventcount as those who need cells. `starved` plays no part here: who gives adds to `bytes_out` and then looks at the tickets; who waits
 * draws a ticket and then looks at `bytes_out`; all of it sequentially consistent. So either the waiter's last look finds the bytes, or the giver finds the ticket. All
 * sleepers are woken, since one may need more than was given, and another less.
 */
#ifndef RP_RING_BYTE_ROOM_H
#define RP_RING_BYTE_ROOM_H

#include "segment.h"

/* Bytes that the counters say are held; negative only where they are damaged. */
int64_t byte_room_held(const struct segment *s);

/* Takes `bytes` for the owned cell. False: they do not fit, and the cell holds none. */
bool byte_room_take(const struct segment *s, uint32_t cell, uint64_t bytes);

/* The bytes of a cell that is not FREE, as far as anybody can tell who does not own it. */
uint64_t byte_room_in(const struct segment *s, uint32_t cell);

/* Those that the cell holds of max_bytes: 0 where nothing is counted. */
static inline uint64_t byte_room_of(const struct segment *s, uint32_t cell) {
    return s->parameters.max_bytes > 0 ? byte_room_in(s, cell) : 0;
}

/* The cell has just become ours, and holds nothing yet. */
static inline void byte_room_own(const struct segment *s, uint32_t cell) {
    if (s->parameters.max_bytes > 0)
        *(volatile uint32_t *)&segment_cell(s, cell)->bytes = 0;
}

/* Would they fit now? A hint. */
static inline bool byte_room_fits(const struct segment *s, uint64_t bytes) {
    int64_t now = (int64_t)(load_relaxed(&s->control->bytes_in, hint) - load_relaxed(&s->control->bytes_out, hint));
    return now <= 0 || (uint64_t)now + bytes <= s->parameters.max_bytes;
}

/* How many have to go before `bytes` fit. A hint; 0 where nothing is counted. */
static inline uint64_t byte_room_missing(const struct segment *s, uint64_t bytes) {
    int64_t held = s->parameters.max_bytes > 0 ? byte_room_held(s) : 0;
    uint64_t wanted = (held > 0 ? (uint64_t)held : 0) + bytes;
    return s->parameters.max_bytes > 0 && wanted > s->parameters.max_bytes ? wanted - s->parameters.max_bytes : 0;
}

void byte_room_give_counted(const struct segment *s, uint64_t bytes);
/* The cell that held `bytes` has just become FREE, or another's, by this thread. */
static inline void byte_room_give(const struct segment *s, uint64_t bytes) {
    if (s->parameters.max_bytes > 0 && bytes > 0)
        byte_room_give_counted(s, bytes);
}

/* The owner of a cell that holds `held` bytes needs `bytes`. False: more than before, and they do not fit. */
bool byte_room_change(const struct segment *s, uint32_t cell, uint64_t held, uint64_t bytes);

/* A count of all cells: what the counters said before it. */
struct byte_count {
    uint64_t in, out;
    uint64_t found, asked; /* in the cells: for certain, and perhaps */
};
void byte_count_begin(const struct segment *s, struct byte_count *k);
/* A cell that is not FREE. */
void byte_count_cell(const struct segment *s, uint32_t cell, struct byte_count *k);
/* -> 1 when the counters were wrong for certain, and are mended. */
int byte_count_end(const struct segment *s, const struct byte_count *k);

#endif
