/* SPDX-License-Identifier: MIT */
/*
 * The cell pool. Whether a cell is free is said by its word alone; the bitmap of free cells is a hint that makes finding one fast. A process takes
 * up to eight candidates at a time from it (their words stay FREE, so if it stops or dies they are not lost: whoever finds
 * the bitmap empty looks at the words), and each becomes its own by one CAS, FREE -> OWNED.
 *
 * Bits are given back in batches. A sender that found nothing at all says so in `starved`, and from then on whoever frees a cell tells at
 * once: either the sender's look at the words, which comes after, sees the cell FREE, or the freer's look at `starved`, which comes after, sees the need.
 */
#ifndef RP_RING_POOL_H
#define RP_RING_POOL_H

#include "byte_room.h"
#include "eventcount.h"
#include "segment.h"

struct pool_ranges;

enum { POOL_BATCH = 8 };

/* One handle's dealings with the pool; used by one thread at a time. */
struct pool {
    const struct segment *segment;
    struct eventcount free_event;
    uint32_t seat;
    uint32_t cursor;        /* bitmap word looked at last */
    uint32_t search_cursor; /* where the look at all words goes on */
    uint32_t look_words;    /* of the bitmap, before pool_take gives up: all, or a few (pool_glance) */
    uint32_t candidate_count;
    uint32_t freed_count;
    uint32_t candidates[POOL_BATCH]; /* bits taken, words FREE when taken */
    uint32_t freed[POOL_BATCH];      /* words FREE, bits still to be set */
    uint64_t barren_ms;              /* when a look at all words found nothing: not again in that millisecond */
    struct pool_ranges *ranges;      /* in which order to look at the bitmap; NULL: as it comes */
};

/* What senders that wait for memory sleep on. */
static inline struct eventcount free_event(const struct segment *s) {
    return (struct eventcount){.epoch = &s->control->free_sleepers.epoch, .tickets = &s->control->free_tickets};
}

void pool_open(struct pool *p, const struct segment *s, uint32_t seat);

/* Gives candidates and bits back to the bitmap: before a sleep, and at the end. The look after it spares no word. */
void pool_flush(struct pool *p);

/* A candidate becomes ours. False: it is not free any more. */
static ALWAYS_INLINE bool pool_own(struct pool *p, uint32_t cell) {
    a64 *word = &segment_cell(p->segment, cell)->word;
    uint64_t w = load_relaxed(word, recheck);
    /* Sequentially consistent: a sender takes the cell, then asks whether sending is paused; who drains pauses it, then asks for the cell (queue/pause.h). */
    if (cell_state(w) != CELL_FREE || !cas_seq_cst(word, &w, cell_word(CELL_OWNED, p->seat, 0, cell_generation(w)), cell_word))
        return false;
    byte_room_own(p->segment, cell);
    return true;
}

static ALWAYS_INLINE void pool_prefetch(const struct pool *p, uint32_t cell) {
    const unsigned char *at = (const unsigned char *)segment_cell(p->segment, cell);
    prefetch_write(at);
    if (p->segment->layout.cell_stride > LINE)
        prefetch_write(at + LINE);
}

/* Tries the next candidate, of which there is one. */
static ALWAYS_INLINE bool pool_try(struct pool *p, uint32_t *cell) {
    *cell = p->candidates[--p->candidate_count];
    if (likely(p->candidate_count > 0))
        pool_prefetch(p, p->candidates[p->candidate_count - 1]);
    return pool_own(p, *cell);
}

bool pool_take_more(struct pool *p, uint32_t *cell);
/* Takes a cell that the bitmap knows: OWNED by `seat` from here on. False: it knows none. */
static ALWAYS_INLINE bool pool_take(struct pool *p, uint32_t *cell) {
    return likely(p->candidate_count > 0 && pool_try(p, cell)) || pool_take_more(p, cell);
}

enum { GLANCE_WORDS = 16 };
/*
 * For one who makes room by other means when none is at hand: until the bitmap yields something again, pool_take looks at a few words each time, and goes on with
 * the next ones. A full look at a bitmap of 65,536 cells costs more than a send.
 */
static inline void pool_glance(struct pool *p) { p->look_words = GLANCE_WORDS; }

/* Is a candidate at hand? */
static inline bool pool_ready(const struct pool *p) { return p->candidate_count > 0; }

/* The bitmap knows none: asks the words themselves, once per `now_ms`. False: there is none. */
bool pool_search(struct pool *p, uint64_t now_ms, uint32_t *cell);

/*
 * Is a batch of cells free where the last ones came from? For senders that spin on a full queue: one that takes each cell as it becomes free makes the
 * bitmap travel twice per message. A hint.
 */
bool pool_promising(const struct pool *p);

/* Sets the bits of what this handle freed. */
void pool_flush_freed(struct pool *p);

/* The cell's word has just become FREE, by a sequentially consistent CAS of this thread: spread the news. */
static ALWAYS_INLINE void pool_freed(struct pool *p, uint32_t cell) {
    p->freed[p->freed_count++] = cell;
    if (p->freed_count == POOL_BATCH || load_seq_cst(&p->segment->control->starved, starved) != 0)
        pool_flush_freed(p);
}

/* Gives an owned, unpublished cell back. */
void pool_give_back(struct pool *p, uint32_t cell);

#endif
