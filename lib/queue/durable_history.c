/* SPDX-License-Identifier: MIT */
#include "durable_history.h"
#include "durable_record.h"
#include "error.h"
#include "journal_history.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct durable_history {
    struct journal_dir dir;
    struct journal_history history;
    uint64_t from;               /* sequences below are not wanted */
    uint64_t given;              /* highest sequence that was given; 0: none */
    uint64_t ahead;              /* what is new has at least this one */
    struct journal_record *held; /* with copies of their payloads */
    size_t held_count, held_room, held_given;
    bool giving;                   /* those that are held; */
    bool waits;                    /* then comes */
    struct journal_record waiting; /* this one, or */
    int then;                      /* RP_LAPPED, or how it ends */
    bool follows;
    bool ends; /* behind this place: */
    uint64_t end_file, end_unit;
    struct history_gap gap;
};

static void raise(uint64_t *to, uint64_t sequence) { *to = sequence > *to ? sequence : *to; }

/* Another file, which may begin behind what is wanted. */
static void begin_file(struct durable_history *h, bool gap) {
    const struct journal_file *f = &h->history.scan.file;
    if (gap && f->first_sequence > h->ahead && h->ahead > 0) {
        h->gap = (struct history_gap){h->ahead, f->first_sequence - h->ahead};
        h->then = RP_LAPPED;
    }
    raise(&h->ahead, f->first_sequence);
}

int history_open(struct durable_history **out, const char *path, const unsigned char *id, uint64_t from, bool follow) {
    struct durable_history *h = calloc(1, sizeof *h);
    if (h == NULL)
        return fail(-ENOMEM, "journal '%.120s': no memory to read it", path);
    int result = journal_dir_open(path, NULL, &h->dir);
    if (result < 0) {
        free(h);
        return result;
    }
    h->follows = follow;
    h->from = h->ahead = from;
    result = id == NULL || memcmp(h->dir.id, id, sizeof h->dir.id) == 0
                 ? journal_history_open(&h->history, &h->dir, from)
                 : fail(-ESTALE, "journal '%.120s' is another one than when the queue was made", path);
    if (result < 0) {
        journal_dir_close(&h->dir);
        free(h);
        return result;
    }
    if (h->history.open)
        begin_file(h, true);
    *out = h;
    return 0;
}

static void forget_held(struct durable_history *h) {
    for (size_t i = 0; i < h->held_count; i++)
        free((void *)(uintptr_t)h->held[i].payload);
    h->held_count = h->held_given = 0;
}

void history_close(struct durable_history *h) {
    if (h == NULL)
        return;
    forget_held(h);
    journal_history_close(&h->history);
    journal_dir_close(&h->dir);
    free(h->held);
    free(h);
}

void history_place(const struct durable_history *h, uint64_t *file, uint64_t *unit) {
    *file = h->history.open ? h->history.scan.file.number : 0;
    *unit = h->history.scan.at.unit;
}

void history_until(struct durable_history *h, uint64_t file, uint64_t unit) {
    h->ends = true;
    h->end_file = file;
    h->end_unit = unit;
}

static bool at_its_end(const struct durable_history *h) {
    uint64_t file, unit;
    history_place(h, &file, &unit);
    return h->ends && (file > h->end_file || (file == h->end_file && unit >= h->end_unit));
}

static int wrong(const struct durable_history *h, const struct journal_record *record, int result, const char *what) {
    return fail(result, "journal '%.100s': file %016llx, byte %llu, record of type %u, sequence %llu: %s", h->dir.path,
                (unsigned long long)record->file, (unsigned long long)record->at, record->type,
                (unsigned long long)record->sequence, what);
}

static int give(struct durable_history *h, const struct journal_record *record, struct journal_record *out) {
    *out = *record;
    h->given = record->sequence;
    return 0;
}

/* ---- those that are said again ---- */

static int hold(struct durable_history *h, const struct journal_record *record) {
    if (h->held_count == h->held_room) {
        size_t room = h->held_room > 0 ? 2 * h->held_room : 64;
        struct journal_record *more = realloc(h->held, room * sizeof *more);
        if (more == NULL)
            return wrong(h, record, -ENOMEM, "no memory to keep it");
        h->held = more;
        h->held_room = room;
    }
    void *copy = malloc(record->bytes + 1);
    if (copy == NULL)
        return wrong(h, record, -ENOMEM, "no memory to keep it");
    memcpy(copy, record->payload, record->bytes);
    h->held[h->held_count] = *record;
    h->held[h->held_count++].payload = copy;
    return 0;
}

static int by_sequence(const void *x, const void *y) {
    uint64_t a = ((const struct journal_record *)x)->sequence, b = ((const struct journal_record *)y)->sequence;
    return (a > b) - (a < b);
}

static void give_held(struct durable_history *h) {
    h->giving = h->held_count > 0;
    if (h->giving)
        qsort(h->held, h->held_count, sizeof *h->held, by_sequence);
}

/* The next one that is held. 1: there is none */
static int next_held(struct durable_history *h, struct journal_record *out) {
    while (h->held_given < h->held_count) {
        const struct journal_record *record = &h->held[h->held_given++];
        if (record->sequence > h->given) /* a snapshot that was begun anew says one twice */
            return give(h, record, out);
    }
    forget_held(h);
    h->giving = false;
    return 1;
}

/* ---- reading ---- */

/* Any record. 0; or why it cannot be read. */
static int take(struct durable_history *h, const struct journal_record *record) {
    struct record_groups g;
    if (record->type == RECORD_GROUPS) {
        if (!record_groups_read(record->payload, record->bytes, record->flags, &g))
            return wrong(h, record, RP_CORRUPT, "its groups cannot be");
        raise(&h->ahead, g.next_sequence);
    } else if (record->type == RECORD_SNAPSHOT && record->flags == 1) {
        give_held(h);
    } else if (record->type == RECORD_MESSAGE) {
        if (record->flags > RECORD_MESSAGE_FOR_NOBODY)
            return wrong(h, record, RP_INCOMPATIBLE, "this library does not know such a message");
        if (record->sequence <= h->given || record->sequence < h->from)
            return 0;
        if (record->sequence < h->ahead)
            return hold(h, record);
        h->ahead = record->sequence + 1;
        h->waiting = *record;
        h->waits = true;
        give_held(h);
    } /* what became of messages is for who brings the queue back */
    return 0;
}

static int more(struct durable_history *h) {
    int result = at_its_end(h) ? JOURNAL_END : journal_history_batch(&h->history);
    switch (result) {
    case JOURNAL_RECORD: return 0;
    case JOURNAL_HISTORY_FILE:
    case JOURNAL_HISTORY_GAP: begin_file(h, result == JOURNAL_HISTORY_GAP && (h->given > 0 || h->from > 0)); break;
    case JOURNAL_END:
    case JOURNAL_TORN: h->then = RP_EMPTY; break;
    case JOURNAL_DAMAGED: h->then = RP_CORRUPT; break;
    default: h->then = result;
    }
    /* Who follows waits for the snapshot's end: what it says later may come before. */
    if (h->then != 0 && !(h->then == RP_EMPTY && h->follows))
        give_held(h);
    return 0;
}

/* What comes when there is nothing else. */
static int ends(struct durable_history *h, struct history_gap *gap) {
    const struct journal_history *x = &h->history;
    const int result = h->then;
    if (result == RP_LAPPED || (result == RP_EMPTY && h->follows))
        h->then = 0;
    if (result == RP_LAPPED)
        *gap = h->gap;
    if (result == RP_CORRUPT && x->why != NULL)
        return fail(RP_CORRUPT, "journal '%.80s': file %016llx is damaged at byte %llu, after sequence %llu: %s", h->dir.path,
                    (unsigned long long)x->file,
                    (unsigned long long)(x->open && x->file == x->scan.file.number ? x->scan.at.unit * JOURNAL_UNIT_BYTES : 0),
                    (unsigned long long)h->given, x->why);
    return result;
}

int history_next(struct durable_history *h, struct journal_record *out, struct history_gap *gap) {
    for (;;) {
        struct journal_record record;
        int result = h->giving ? next_held(h, out) : 1;
        if (result == 1 && h->waits) {
            h->waits = false;
            result = give(h, &h->waiting, out);
        }
        if (result == 1 && h->then != 0)
            return ends(h, gap);
        if (result == 0)
            return 0;
        result = journal_scan_record(&h->history.scan, &record) ? take(h, &record) : more(h);
        if (result < 0)
            return h->then = result;
    }
}

/* ---- where to begin ---- */

/* Each file says when it was made, by a clock that may have been set since. */
uint64_t history_begin_of(const char *path, uint64_t time_ns) {
    enum { CLOCKS_APART_NS = 1000000000 };
    uint64_t *numbers, sequence = 1;
    struct journal_dir d;
    size_t count;
    if (journal_dir_open(path, NULL, &d) < 0)
        return 1;
    if (journal_dir_list(&d, &numbers, &count) == 0) {
        for (size_t i = 0; i < count; i++) {
            struct journal_file f;
            if (journal_file_open(&d, numbers[i], JOURNAL_READ, &f) != 0)
                continue;
            journal_file_close(&f);
            if (f.made_ns + CLOCKS_APART_NS > time_ns)
                break;
            sequence = f.first_sequence;
        }
        free(numbers);
    }
    journal_dir_close(&d);
    return sequence;
}
