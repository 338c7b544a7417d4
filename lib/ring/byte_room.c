/* SPDX-License-Identifier: MIT */
#include "byte_room.h"
#include "eventcount.h"
#include <limits.h>

enum { ASKS = INT32_MIN }; /* in a cell's bytes: its owner asks for them, and nobody else knows whether he got them */

static void wake_senders(const struct segment *s) {
    const struct eventcount e = {.epoch = &s->control->free_sleepers.epoch, .tickets = &s->control->free_tickets};
    eventcount_wake(&e, INT_MAX);
}

/* `out` first: it only grows, so what is held may seem too much, never too little. */
static int64_t held(const struct segment *s, uint64_t *in, uint64_t *out) {
    *out = load_seq_cst(&s->control->bytes_out, bytes);
    *in = load_seq_cst(&s->control->bytes_in, bytes);
    return (int64_t)(*in - *out);
}

int64_t byte_room_held(const struct segment *s) {
    uint64_t in, out;
    return held(s, &in, &out);
}

static bool admit(const struct segment *s, uint64_t bytes) {
    uint64_t in, out;
    for (;;) {
        int64_t now = held(s, &in, &out);
        if (now > 0 && (uint64_t)now + bytes > s->parameters.max_bytes) {
            if (load_seq_cst(&s->control->bytes_out, bytes) == out)
                return false;
        } else if (MUTANT(bytes_not_compared)) {
            (void)fetch_add_seq_cst(&s->control->bytes_in, bytes, bytes);
            return true;
        } else if (cas_seq_cst(&s->control->bytes_in, &in, in + bytes, bytes)) {
            return true;
        }
    }
}

bool byte_room_take(const struct segment *s, uint32_t cell, uint64_t bytes) {
    volatile uint32_t *mark = &segment_cell(s, cell)->bytes;
    *mark = (uint32_t)bytes | ASKS;
    bool fits = bytes == 0 || admit(s, bytes);
    *mark = fits ? (uint32_t)bytes : 0;
    return fits;
}

/* The cell may be freed and its next owner write these bytes while we read them: then its word has moved, or they are counted roughly. */
__attribute__((no_sanitize("thread"))) uint64_t byte_room_in(const struct segment *s, uint32_t cell) {
    uint32_t bytes = *(const volatile uint32_t *)&segment_cell(s, cell)->bytes;
    return bytes <= segment_room(s) ? bytes : 0;
}

void byte_room_give_counted(const struct segment *s, uint64_t bytes) {
    (void)fetch_add_seq_cst(&s->control->bytes_out, bytes, bytes);
    if (!MUTANT(bytes_no_wake))
        wake_senders(s);
}

bool byte_room_change(const struct segment *s, uint32_t cell, uint64_t before, uint64_t bytes) {
    if (s->parameters.max_bytes == 0 || before == bytes)
        return true;
    if (bytes > before && !admit(s, bytes - before))
        return false;
    *(volatile uint32_t *)&segment_cell(s, cell)->bytes = (uint32_t)bytes;
    if (bytes < before)
        byte_room_give_counted(s, before - bytes);
    return true;
}

__attribute__((no_sanitize("thread"))) void byte_count_cell(const struct segment *s, uint32_t cell, struct byte_count *k) {
    uint32_t bytes = *(const volatile uint32_t *)&segment_cell(s, cell)->bytes, asked = bytes & ~(uint32_t)ASKS;
    if (asked > segment_room(s))
        return;
    if (bytes == asked)
        k->found += bytes;
    else
        k->asked += asked;
}

void byte_count_begin(const struct segment *s, struct byte_count *k) {
    k->found = k->asked = 0;
    (void)held(s, &k->in, &k->out);
}

int byte_count_end(const struct segment *s, const struct byte_count *k) {
    uint64_t in, out;
    int64_t counted = held(s, &in, &out), found = (int64_t)k->found, most = (int64_t)(k->found + k->asked);
    uint64_t moved = MUTANT(bytes_recount_all) ? 0 : in - k->in + (out - k->out);
    if (moved > INT64_MAX / 2)
        return 0; /* somebody mended damage meanwhile */
    /* From the very values that were judged: of two who count at once, one corrects. */
    if (counted > most + (int64_t)moved) {
        if (!cas_seq_cst(&s->control->bytes_out, &out, out + (uint64_t)(counted - most) - moved, bytes))
            return 0;
        wake_senders(s);
        return 1;
    }
    return counted < found - (int64_t)moved &&
           cas_seq_cst(&s->control->bytes_in, &in, in + (uint64_t)found - moved - (uint64_t)counted, bytes);
}
