/* SPDX-License-Identifier: MIT */
/*
 * The slots of a lane: a ring that one writes and any number read. Each slot is a seqlock whose version is the position that it holds, counted for ever (H.-J. Boehm, "Can seqlocks get along
 * with programming language memory models?", MSPC 2012), so a reader needs no word but those of the slot itself, and writes none.
 *
 *     stamp    busy:1 | continues:1 | position:62       0: never used. Positions begin with the number of slots
 *     info     bytes:30 | sequence:34                   of a message's first slot
 *
 * Only the lane's writer stores here. One slot at position p:
 *
 *     1 stamp := busy | p     2 release fence     3 payload, info     4 stamp := p (release)
 *
 * A reader at p: stamp is p (acquire): copies, acquire fence, stamp is still p: the message is whole. Should any word that it copied have been of a later position, the fences make it see that one's
 * busy stamp. If the stamp is of an earlier position, or busy with p, the message is not there yet. If it is of a later one, the reader was overtaken.
 *
 * A message of k slots has position p and takes p .. p + k - 1. The slots behind the first are written before it, each as above but with `continues` in the stamp; so where p is complete all are. A
 * reader looks at the stamps of all again, after it copied.
 *
 * What a writer that dies leaves: before step 4 of slot p nothing that anybody takes for a message: p is busy or of the last lap, and slots behind it say `continues`, which no message begins with.
 * A message of the last lap that began in p itself may have lost its other slots by then: who copied it finds their stamps to be later ones, and goes on behind it as one who was overtaken.
 * A stamp without it is stored once for each position, so it cannot be mistaken for another of the same number. Who has the lane next finds the end of the complete messages, from `newest` on, which
 * is stored after each message and may lag, and writes from there. Who sleeps between any two steps keeps his lane, since its lock is the kernel's; nobody else writes there.
 *
 * `newest` of the lane is where those begin to look who join, or were overtaken. It is the position of a message, never of a part.
 */
#ifndef RP_BROADCAST_SLOT_H
#define RP_BROADCAST_SLOT_H

#include "format.h"
#include <string.h>

#define STAMP_BUSY (UINT64_C(1) << 63)
#define STAMP_CONTINUES (UINT64_C(1) << 62)
#define STAMP_POSITION (STAMP_CONTINUES - 1)
#define INFO_SEQUENCE ((UINT64_C(1) << 34) - 1)

static inline uint64_t stamp_position(uint64_t stamp) { return stamp & STAMP_POSITION; }

_Static_assert(MESSAGE_MAX <= UINT64_MAX / (INFO_SEQUENCE + 1), "the info word has room for the length");
static inline uint64_t info_make(size_t bytes, uint64_t sequence) { return (uint64_t)bytes << 34 | (sequence & INFO_SEQUENCE); }
static inline size_t info_bytes(uint64_t info) { return (size_t)(info >> 34); }
/* The sequence number; `near` is one not 2^33 away. */
static inline uint64_t info_sequence(uint64_t info, uint64_t near) {
    return near + (uint64_t)((int64_t)((info - near) << 30) >> 30);
}

static inline struct slot *slot_at(const struct ring_view *v, unsigned char *slots, uint64_t position) {
    return (struct slot *)(void *)(slots + (position & v->mask) * v->slot_bytes);
}

/* How many slots a message takes. */
static inline uint32_t slots_for(const struct ring_view *v, size_t bytes) {
    return bytes <= v->room ? 1 : (uint32_t)((bytes + v->room - 1) / v->room);
}

/* ---- payload ---- */

/*
 * Payload is copied while others may write or read it: what they get counts only if the stamps say so afterwards. Short ones go word by word, as C wants it. For long ones that would be too slow:
 * memcpy, though the language knows no such thing; what it could do wrong to bytes that are in motion, tear them, the stamps notice as well.
 */
enum {
    WORD = sizeof(uint64_t),
#if defined(RP_SIM) || defined(FENCES_UNKNOWN)
    COPY_WORDS = MESSAGE_MAX /* the simulator and TSan shall see each word */
#else
    COPY_WORDS = 128
#endif
};

/* Where in a word the byte lies that is the i-th in memory. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_AT(i) (8 * (i))
#else
#define BYTE_AT(i) (56 - 8 * (i))
#endif

static ALWAYS_INLINE void word_store(a64 *to, const unsigned char *from, size_t i) {
    uint64_t word;
    memcpy(&word, from + i * WORD, WORD);
    store_relaxed(to + i, word, own);
}

static ALWAYS_INLINE void word_load(unsigned char *to, const a64 *from, size_t i) {
    uint64_t word = load_relaxed(from + i, recheck);
    memcpy(to + i * WORD, &word, WORD);
}

/* Calls `move(to, from, i)` for the words from `words` - 1, at most seven, down to 0: without a loop. */
#define WORDS_BELOW_EIGHT(words, move, to, from)  \
    switch (words) {                              \
    case 7: move(to, from, 6); /* fall through */ \
    case 6: move(to, from, 5); /* fall through */ \
    case 5: move(to, from, 4); /* fall through */ \
    case 4: move(to, from, 3); /* fall through */ \
    case 3: move(to, from, 2); /* fall through */ \
    case 2: move(to, from, 1); /* fall through */ \
    case 1: move(to, from, 0); /* fall through */ \
    default: break;                               \
    }

static ALWAYS_INLINE void payload_store(a64 *to, const void *from, size_t bytes) {
    const unsigned char *at = from;
    if (bytes > COPY_WORDS) {
        memcpy((void *)to, from, bytes);
        return;
    }
    for (; bytes >= 8 * WORD; bytes -= 8 * WORD, at += 8 * WORD, to += 8) {
        word_store(to, at, 7);
        WORDS_BELOW_EIGHT(7, word_store, to, at)
    }
    WORDS_BELOW_EIGHT(bytes / WORD, word_store, to, at)
    if (bytes % WORD > 0) {
        uint64_t word = 0;
        for (size_t i = 0; i < bytes % WORD; i++)
            word |= (uint64_t)at[bytes / WORD * WORD + i] << BYTE_AT(i);
        store_relaxed(to + bytes / WORD, word, own);
    }
}

static ALWAYS_INLINE void payload_load(void *to, const a64 *from, size_t bytes) {
    unsigned char *at = to;
    if (bytes > COPY_WORDS) {
        memcpy(to, (const void *)from, bytes);
        return;
    }
    for (; bytes >= 8 * WORD; bytes -= 8 * WORD, at += 8 * WORD, from += 8) {
        word_load(at, from, 7);
        WORDS_BELOW_EIGHT(7, word_load, at, from)
    }
    WORDS_BELOW_EIGHT(bytes / WORD, word_load, at, from)
    if (bytes % WORD > 0) {
        uint64_t word = load_relaxed(from + bytes / WORD, recheck);
        for (size_t i = 0; i < bytes % WORD; i++)
            at[bytes / WORD * WORD + i] = (unsigned char)(word >> BYTE_AT(i));
    }
}

/* ---- writing ---- */

static ALWAYS_INLINE void slot_begin(struct slot *s, uint64_t position) {
    if (!MUTANT(ring_not_busy))
        store_relaxed(&s->stamp, STAMP_BUSY | position, own);
    fence_release();
}

static ALWAYS_INLINE void slot_end(struct slot *s, uint64_t info, uint64_t stamp) {
    store_relaxed(&s->info, info, own);
    store_release(&s->stamp, stamp, stamp);
}

/* ---- reading ---- */

/* Does it hold what was at `position` when it was looked at first? After it was copied. */
static ALWAYS_INLINE bool slot_unmoved(const struct slot *s, uint64_t position) {
    fence_acquire();
    return load_relaxed(&s->stamp, recheck) == position;
}

/* Did none of `count` slots change since the first was found to hold a message at `position`? After they were copied. */
static ALWAYS_INLINE bool slots_unmoved(const struct ring_view *v, unsigned char *slots, uint64_t position, uint32_t count) {
    bool same = slot_unmoved(slot_at(v, slots, position), position);
    for (uint32_t i = 1; i < count && same && !MUTANT(ring_one_stamp); i++)
        same = load_relaxed(&slot_at(v, slots, position + i)->stamp, recheck) == (STAMP_CONTINUES | (position + i));
    return same;
}

#endif
