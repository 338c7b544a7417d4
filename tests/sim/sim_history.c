/* SPDX-License-Identifier: MIT */
/*
 * durable_history.h over sim_journal.h. As the real one it has read whole batches before it gives what is in them, goes to the next file when there is one, and reads a file again from its begin when what follows there does not follow
 * what it has read: a dead writer's batch that another wrote over.
 */
#include "durable_history.h"
#include "durable_record.h"
#include "durable_store.h"
#include "error.h"
#include "journal_format.h"
#include "sim_journal.h"
#include <errno.h>

enum { HELD = 24, RECORD = 160 };

struct kept {
    uint64_t sequence;
    uint32_t bytes;
    uint16_t flags;
    unsigned char payload[RECORD];
};

struct durable_history {
    uint64_t from, given, ahead;
    uint64_t number;    /* of the file; 0: none */
    uint32_t read;      /* batches */
    uint64_t chain;     /* sum of them */
    uint32_t at, bytes; /* in this one: */
    unsigned char batch[JOURNAL_BATCH];
    struct kept held[HELD], waiting, last;
    unsigned held_count, held_given;
    bool giving, waits, follows;
    int then;
    struct history_gap gap;
    bool ends; /* behind this place: */
    uint64_t end_file, end_unit;
};

static const struct sim_journal_file *file(uint64_t number) {
    for (unsigned i = 0; i < JOURNAL_FILES; i++)
        if (sim_journal.files[i].number == number)
            return &sim_journal.files[i];
    return NULL;
}

/* The lowest file of at least this number; 0: there is none. */
static uint64_t first_from(uint64_t number) {
    uint64_t lowest = 0;
    for (unsigned i = 0; i < JOURNAL_FILES; i++) {
        uint64_t n = sim_journal.files[i].number;
        if (n >= number && n != 0 && (lowest == 0 || n < lowest))
            lowest = n;
    }
    return lowest;
}

static void begin_file(struct durable_history *h, uint64_t number, bool gap) {
    const struct sim_journal_file *f = file(number);
    h->number = number;
    h->read = h->at = h->bytes = 0;
    h->chain = 0;
    if (gap && f->first > h->ahead && h->ahead > 0) {
        h->gap = (struct history_gap){h->ahead, f->first - h->ahead};
        h->then = RP_LAPPED;
    }
    h->ahead = f->first > h->ahead ? f->first : h->ahead;
}

int history_open(struct durable_history **out, const char *path, const unsigned char *id, uint64_t from, bool follow) {
    struct durable_history *h = calloc(1, sizeof *h);
    (void)path;
    (void)id;
    if (h == NULL)
        return fail(-ENOMEM, "no memory");
    h->from = h->ahead = from;
    h->follows = follow;
    sim_platform_point(SIM_PURE, "open the journal to read it");
    uint64_t number = first_from(1);
    for (uint64_t n = number; n != 0 && (n == number || file(n)->first <= from); n = first_from(n + 1))
        number = n;
    if (number != 0)
        begin_file(h, number, true);
    sim_learn(number);
    *out = h;
    return 0;
}

void history_close(struct durable_history *h) { free(h); }

/* Files have no times here. */
uint64_t history_begin_of(const char *path, uint64_t time_ns) {
    (void)path;
    (void)time_ns;
    return 1;
}

void history_place(const struct durable_history *h, uint64_t *number, uint64_t *unit) {
    *number = h->number;
    *unit = STORE_HEAD_UNITS + h->read;
}

void history_until(struct durable_history *h, uint64_t number, uint64_t unit) {
    h->ends = true;
    h->end_file = number;
    h->end_unit = unit;
}

/* ---- batches ---- */

static uint64_t sum(uint64_t chain, const unsigned char *data, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++)
        chain = (chain ^ data[i]) * UINT64_C(0x100000001b3);
    return chain ^ bytes;
}

static uint64_t sum_of(const struct sim_journal_file *f, uint32_t batches) {
    uint64_t chain = 0;
    for (uint32_t i = 0; i < batches; i++)
        chain = sum(chain, f->data[i], f->written[i]);
    return chain;
}

/* The next batch, or file. 0; RP_EMPTY: there is none yet */
static int more(struct durable_history *h) {
    if (h->ends && (h->number > h->end_file || (h->number == h->end_file && STORE_HEAD_UNITS + h->read >= h->end_unit)))
        return RP_EMPTY;
    sim_platform_point(SIM_PURE, "read the journal");
    const struct sim_journal_file *f = file(h->number), *next = file(h->number + 1);
    uint32_t end = next != NULL ? next->previous_end - STORE_HEAD_UNITS : JOURNAL_WRITES;
    int result = 0;
    if (f ==
        NULL) { /* it was removed; what is read then is there as long as it is open, and here it is not: the next one there is */
        uint64_t later = first_from(h->number + 1);
        if (later != 0)
            begin_file(h, later, true);
        else
            result = RP_EMPTY;
    } else if (h->read > end || ((next != NULL || (h->read < end && f->written[h->read] != 0)) && sum_of(f, h->read) != h->chain)) {
        h->read = 0; /* again, until the same lead to the same place */
        h->chain = 0;
    } else if (h->read < end && f->written[h->read] != 0) {
        h->bytes = f->written[h->read];
        memcpy(h->batch, f->data[h->read], h->bytes);
        h->at = JOURNAL_BATCH_HEAD_BYTES;
        h->chain = sum(h->chain, h->batch, h->bytes);
        h->read++;
    } else if (next != NULL) {
        begin_file(h, h->number + 1, false);
    } else {
        uint64_t later = first_from(h->number + 1);
        if (later != 0)
            begin_file(h, later, h->given > 0 || h->from > 0);
        else
            result = RP_EMPTY;
    }
    sim_learn(h->number << 8 | h->read);
    sim_learn(h->chain ^ (uint64_t)(uint32_t)result << 32);
    return result;
}

/* ---- records ---- */

static bool keep(struct kept *k, uint64_t sequence, uint16_t flags, const unsigned char *payload, size_t bytes) {
    if (bytes > RECORD)
        sim_fail("a record of %zu bytes is too long for who reads the journal", bytes);
    k->sequence = sequence;
    k->flags = flags;
    k->bytes = (uint32_t)bytes;
    memcpy(k->payload, payload, bytes);
    return true;
}

static void hold(struct durable_history *h, uint64_t sequence, uint16_t flags, const unsigned char *payload, size_t bytes) {
    unsigned i = h->held_count;
    for (unsigned k = 0; k < h->held_count; k++)
        if (h->held[k].sequence == sequence)
            return;
    if (h->held_count++ == HELD)
        sim_fail("too many messages are held by who reads the journal");
    for (; i > 0 && h->held[i - 1].sequence > sequence; i--)
        h->held[i] = h->held[i - 1];
    (void)keep(&h->held[i], sequence, flags, payload, bytes);
}

static void take(struct durable_history *h) {
    const unsigned char *head = h->batch + h->at, *payload = head + JOURNAL_RECORD_HEAD_BYTES;
    const size_t bytes = get32(head + RECORD_BYTES);
    const uint16_t flags = get16(head + RECORD_FLAGS);
    const uint64_t sequence = get64(head + RECORD_SEQUENCE);
    struct record_groups g;
    h->at += (uint32_t)journal_record_bytes(bytes);
    switch (get16(head + RECORD_TYPE)) {
    case RECORD_GROUPS:
        if (!record_groups_read(payload, bytes, flags, &g))
            sim_fail("who reads the journal finds groups that cannot be");
        h->ahead = g.next_sequence > h->ahead ? g.next_sequence : h->ahead;
        break;
    case RECORD_SNAPSHOT: h->giving = h->giving || (flags == 1 && h->held_count > 0); break;
    case RECORD_MESSAGE:
        if (sequence <= h->given || sequence < h->from)
            break;
        if (sequence < h->ahead) {
            hold(h, sequence, flags, payload, bytes);
            break;
        }
        h->ahead = sequence + 1;
        h->waits = keep(&h->waiting, sequence, flags, payload, bytes);
        h->giving = h->held_count > 0;
    }
}

static int give(struct durable_history *h, const struct kept *k, struct journal_record *out) {
    h->last = *k;
    h->given = k->sequence;
    *out = (struct journal_record){.sequence = k->sequence,
                                   .payload = h->last.payload,
                                   .bytes = k->bytes,
                                   .type = RECORD_MESSAGE,
                                   .flags = k->flags,
                                   .file = h->number};
    return 0;
}

static bool next_held(struct durable_history *h, struct journal_record *out) {
    while (h->held_given < h->held_count) {
        const struct kept *k = &h->held[h->held_given++];
        if (k->sequence > h->given)
            return give(h, k, out) == 0;
    }
    h->held_count = h->held_given = 0;
    h->giving = false;
    return false;
}

int history_next(struct durable_history *h, struct journal_record *out, struct history_gap *gap) {
    for (;;) {
        if (h->giving && next_held(h, out))
            return 0;
        if (h->waits) {
            h->waits = false;
            return give(h, &h->waiting, out);
        }
        if (h->then != 0) {
            int result = h->then;
            *gap = h->gap;
            h->then = 0;
            return result;
        }
        if (h->at < h->bytes) {
            take(h);
            continue;
        }
        h->then = h->number != 0 ? more(h) : RP_EMPTY;
        if (h->then != 0 && !(h->then == RP_EMPTY && h->follows))
            h->giving = h->held_count > 0;
    }
}
