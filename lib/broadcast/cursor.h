/* SPDX-License-Identifier: MIT */
/* One lane, read from a position on by somebody who writes nothing. */
#ifndef RP_BROADCAST_CURSOR_H
#define RP_BROADCAST_CURSOR_H

#include "slot.h"
#include <ringpost/error.h>

#define NUMBER_UNKNOWN UINT64_MAX

struct cursor {
    unsigned char *slots;
    struct ring_lane *lane;
    uint64_t position; /* where a message begins, or will begin */
    uint64_t number;   /* of the message that is wanted next: those that are missing before the next one found were lost */
    bool sure;         /* the message at `position` has `number` if the bits of it that stand there say so */
    bool skips;        /* it was told to begin with `number`: what comes before is not wanted */
    bool damaged;      /* the lane is, and the reader was not told yet */
};

/* Is this the info word of the message that comes next? */
static ALWAYS_INLINE bool cursor_wants(const struct cursor *c, uint64_t info) {
    return ((info ^ c->number) & INFO_SEQUENCE) == 0 && c->sure;
}

/* At the beginning of lane `index`. */
void cursor_begin(const struct ring_view *v, struct cursor *c, uint32_t index);
/* The lane is damaged: from here on it is one where nothing is written, and whose position holds no writer back. */
void cursor_close(struct cursor *c);
/* Behind all messages that were complete before the call. RP_CORRUPT. */
int cursor_join_newest(const struct ring_view *v, struct cursor *c);
/* At the oldest message that is there. RP_CORRUPT. */
int cursor_join_oldest(const struct ring_view *v, struct cursor *c);

/* The next message: 0. RP_EMPTY: there is none; RP_LAPPED: so many were lost before the next; RP_TOO_BIG: it is longer than `capacity`, and stays; RP_CORRUPT. */
int cursor_read(const struct ring_view *v, struct cursor *c, void *buffer, size_t capacity, size_t *bytes, uint64_t *lost);

/* Would cursor_read say RP_EMPTY, and do nothing else? */
static ALWAYS_INLINE bool cursor_waits(const struct ring_view *v, const struct cursor *c) {
    uint64_t stamp = load_acquire(&slot_at(v, c->slots, c->position)->stamp, stamp);
    return stamp != c->position && stamp_position(stamp) <= c->position && !c->damaged;
}

/* The same as cursor_read if the message that is wanted is there, and takes one slot, and nobody overtakes us; else nothing has happened. */
static ALWAYS_INLINE bool cursor_try(const struct ring_view *v, struct cursor *c, void *buffer, size_t capacity, size_t *bytes) {
    uint64_t position = c->position;
    struct slot *s = slot_at(v, c->slots, position);
    if (load_acquire(&s->stamp, stamp) != position)
        return false;
    uint64_t info = load_relaxed(&s->info, recheck);
    size_t length = info_bytes(info);
    if (!likely(length <= v->single && length <= capacity && cursor_wants(c, info)))
        return false;
    payload_load(buffer, s->payload, length);
    if (!likely(slot_unmoved(s, position) || MUTANT(ring_copy_unchecked)))
        return false;
    *bytes = length;
    c->position = position + 1;
    c->number++;
    return true;
}

#endif
