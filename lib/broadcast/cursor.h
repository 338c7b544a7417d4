/* SPDX-License-Identifier: MIT */
/* One lane, read from a position on by somebody who writes nothing. */
#ifndef RP_BROADCAST_CURSOR_H
#define RP_BROADCAST_CURSOR_H

#include "slot.h"
#include <errno.h>
#include <ringpost/error.h>

#define NUMBER_UNKNOWN UINT64_MAX

enum { OVERTAKEN_MOST = 64 }; /* steps of one read, beyond a lap of messages that are passed over */

struct cursor {
    unsigned char *slots;
    struct ring_lane *lane;
    uint64_t position; /* where a message begins, or will begin */
    uint64_t number;   /* of the message that is wanted next: those that are missing before the next one found were lost */
    bool sure;         /* the message at `position` has `number` if the bits of it that stand there say so */
    bool skips;        /* it was told to begin with `number`: what comes before is not wanted */
    bool damaged;      /* the lane is, and the reader was not told yet */
};

/* At the beginning of lane `index`. */
void cursor_begin(const struct ring_view *v, struct cursor *c, uint32_t index);
/* The lane is damaged: from here on it is one where nothing is written, and whose position holds no writer back. */
void cursor_close(struct cursor *c);
/* Behind all messages that were complete before the call. RP_CORRUPT. */
int cursor_join_newest(const struct ring_view *v, struct cursor *c);
/* At the oldest message that is there. RP_CORRUPT. */
int cursor_join_oldest(const struct ring_view *v, struct cursor *c);

/* What cursor_read does where there is no message at the position, or not the one that is wanted. -EAGAIN: look again. */
int cursor_miss(const struct ring_view *v, struct cursor *c, uint64_t stamp);
int cursor_renumber(const struct ring_view *v, struct cursor *c, uint64_t *lost);
int cursor_bad_size(const struct ring_view *v, struct cursor *c, size_t bytes);
/* The message, of `count` slots, was overtaken while it was copied. */
int cursor_torn(const struct ring_view *v, struct cursor *c, uint32_t count);
/* A message of several slots. */
void cursor_load(const struct ring_view *v, const struct cursor *c, void *buffer, size_t bytes);

/*
 * The next message: 0. RP_EMPTY: there is none; RP_LAPPED: so many were lost before the next; RP_TOO_BIG: it is longer than `capacity`, and stays; RP_CORRUPT.
 */
static ALWAYS_INLINE int cursor_read(const struct ring_view *v, struct cursor *c, void *buffer, size_t capacity, size_t *bytes,
                                     uint64_t *lost) {
    for (uint32_t steps = 0; steps < v->p.slots + OVERTAKEN_MOST; steps++) { /* or passing over what is not wanted */
        struct slot *s = slot_at(v, c->slots, c->position);
        uint64_t stamp = load_acquire(&s->stamp, stamp);
        int result;
        if (stamp != c->position) {
            if ((result = cursor_miss(v, c, stamp)) != -EAGAIN)
                return result;
            continue;
        }
        uint64_t info = load_relaxed(&s->info, recheck);
        if ((info & INFO_SEQUENCE) != (c->number & INFO_SEQUENCE) || !c->sure) {
            if ((result = cursor_renumber(v, c, lost)) != -EAGAIN)
                return result;
            continue;
        }
        *bytes = info_bytes(info);
        if (*bytes > capacity || *bytes > v->p.message_bytes) {
            if ((result = cursor_bad_size(v, c, *bytes)) != -EAGAIN)
                return result;
            continue;
        }
        uint32_t count = slots_for(v, *bytes);
        if (count == 1)
            payload_load(buffer, s->payload, *bytes);
        else
            cursor_load(v, c, buffer, *bytes);
        if (!slots_unmoved(v, c->slots, c->position, count) && !MUTANT(ring_copy_unchecked)) {
            if ((result = cursor_torn(v, c, count)) != -EAGAIN)
                return result;
            continue;
        }
        c->position += count;
        c->number++;
        return 0;
    }
    return RP_EMPTY; /* writers are faster than this reader's steps: he looks again */
}

#endif
