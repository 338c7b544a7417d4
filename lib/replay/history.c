/* SPDX-License-Identifier: MIT */
/*
 * What was sent, from a journal: rp_journal_reader_open.
 *
 * New messages come in the order of their sequences. A file says with its head and its groups from which sequence on its messages are new; one with a lower sequence is said again, because a snapshot was written. Mostly it was
 * given already. Not after a sync that failed: then what the file before lost is said again, in no order. So those that were not given are held, and given in order when the snapshot ends, or something new, or nothing, comes.
 */
#include "durable_record.h"
#include "error.h"
#include "journal_history.h"
#include "kept.h"
#include <errno.h>
#include <ringpost/journal.h>
#include <stdlib.h>
#include <string.h>

struct rp_journal_reader {
    struct journal_dir dir;
    struct journal_history history;
    bool has_priorities;
    uint64_t from;               /* sequences below are not wanted */
    uint64_t given;              /* highest sequence that was given; 0: none */
    uint64_t ahead;              /* what is new has at least this one */
    struct journal_record *held; /* with copies of their payloads */
    size_t held_count, held_room, held_given;
    bool giving;                   /* those that are held; */
    bool waits;                    /* then comes */
    struct journal_record waiting; /* this one, or */
    int then;                      /* RP_LAPPED, or how it ends */
    uint64_t missing, missing_from;
    unsigned char *headers;
    size_t headers_room;
};

/* ---- opening ---- */

static void raise(uint64_t *to, uint64_t sequence) { *to = sequence > *to ? sequence : *to; }

/* Another file, which may begin behind what is wanted. */
static void begin_file(struct rp_journal_reader *r, bool gap) {
    const struct journal_file *f = &r->history.scan.file;
    if (gap && f->first_sequence > r->ahead && r->ahead > 0) {
        r->missing_from = r->ahead;
        r->missing = f->first_sequence - r->ahead;
        r->then = RP_LAPPED;
    }
    raise(&r->ahead, f->first_sequence);
}

RP_API int rp_journal_reader_open(const char *path, uint64_t from, rp_journal_reader **out) {
    struct kept kept; /* what it says of priorities is all that is wanted: without it they are not told */
    struct rp_journal_reader *r = path != NULL && out != NULL ? calloc(1, sizeof *r) : NULL;
    if (r == NULL)
        return path != NULL && out != NULL ? fail(-ENOMEM, "journal '%.120s': no memory to read it", path)
                                           : fail(-EINVAL, "rp_journal_reader_open: no path, or no place for the reader");
    r->from = r->ahead = from;
    int result = journal_dir_open(path, NULL, &r->dir);
    if (result < 0) {
        free(r);
        return result;
    }
    r->has_priorities = kept_read(&r->dir, &kept) == 0 && kept.queue.options.priorities > 1;
    result = journal_history_open(&r->history, &r->dir, from);
    if (result < 0) {
        journal_dir_close(&r->dir);
        free(r);
        return result;
    }
    if (r->history.open)
        begin_file(r, true);
    *out = r;
    return 0;
}

static void forget_held(struct rp_journal_reader *r) {
    for (size_t i = 0; i < r->held_count; i++)
        free((void *)(uintptr_t)r->held[i].payload);
    r->held_count = r->held_given = 0;
}

RP_API void rp_journal_reader_close(rp_journal_reader *r) {
    if (r == NULL)
        return;
    forget_held(r);
    journal_history_close(&r->history);
    journal_dir_close(&r->dir);
    free(r->held);
    free(r->headers);
    free(r);
}

/* ---- one message ---- */

static int wrong(const struct rp_journal_reader *r, const struct journal_record *record, int result, const char *what) {
    return fail(result, "journal '%.100s': file %016llx, byte %llu, record of type %u, sequence %llu: %s", r->dir.path,
                (unsigned long long)record->file, (unsigned long long)record->at, record->type,
                (unsigned long long)record->sequence, what);
}

static int give(struct rp_journal_reader *r, const struct journal_record *record, struct rp_journal_message *out) {
    struct record_message m;
    if (!record_message_read(record->payload, record->bytes, &m))
        return wrong(r, record, RP_CORRUPT, "no message can be like this");
    if (m.header_bytes > r->headers_room) {
        unsigned char *more = realloc(r->headers, m.header_bytes);
        if (more == NULL)
            return wrong(r, record, -ENOMEM, "no memory for its headers");
        r->headers = more;
        r->headers_room = m.header_bytes;
    }
    *out = (struct rp_journal_message){.sequence = record->sequence,
                                       .id = m.id,
                                       .sent_ns = m.sent_ns,
                                       .due_ns = m.flags & RP_DUMP_SCHEDULED ? m.due_ns : 0,
                                       .expires_ns = m.flags & RP_DUMP_EXPIRES && m.expires_ns != UINT64_MAX ? m.expires_ns : 0,
                                       .data = m.data,
                                       .bytes = m.bytes,
                                       .key = m.flags & RP_DUMP_KEYED ? m.key : NULL,
                                       .key_bytes = m.key_bytes,
                                       .priority = r->has_priorities ? m.lane : 0,
                                       .file = record->file,
                                       .at = record->at};
    if (m.header_bytes > 0) {
        memcpy(r->headers, m.headers, m.header_bytes);
        record_headers_read(r->headers, m.header_bytes);
        out->headers = (struct rp_headers){r->headers, m.header_bytes};
    }
    r->given = record->sequence;
    return 0;
}

/* ---- those that are said again ---- */

static int hold(struct rp_journal_reader *r, const struct journal_record *record) {
    if (r->held_count == r->held_room) {
        size_t room = r->held_room > 0 ? 2 * r->held_room : 64;
        struct journal_record *more = realloc(r->held, room * sizeof *more);
        if (more == NULL)
            return wrong(r, record, -ENOMEM, "no memory to keep it");
        r->held = more;
        r->held_room = room;
    }
    void *copy = malloc(record->bytes + 1);
    if (copy == NULL)
        return wrong(r, record, -ENOMEM, "no memory to keep it");
    memcpy(copy, record->payload, record->bytes);
    r->held[r->held_count] = *record;
    r->held[r->held_count++].payload = copy;
    return 0;
}

static int by_sequence(const void *x, const void *y) {
    uint64_t a = ((const struct journal_record *)x)->sequence, b = ((const struct journal_record *)y)->sequence;
    return (a > b) - (a < b);
}

static void give_held(struct rp_journal_reader *r) {
    r->giving = r->held_count > 0;
    if (r->giving)
        qsort(r->held, r->held_count, sizeof *r->held, by_sequence);
}

/* The next one that is held. 1: there is none */
static int next_held(struct rp_journal_reader *r, struct rp_journal_message *out) {
    while (r->held_given < r->held_count) {
        const struct journal_record *record = &r->held[r->held_given++];
        if (record->sequence > r->given) /* a snapshot that was begun anew says one twice */
            return give(r, record, out);
    }
    forget_held(r);
    r->giving = false;
    return 1;
}

/* ---- reading ---- */

/* Any record. 0; or why it cannot be read. */
static int take(struct rp_journal_reader *r, const struct journal_record *record) {
    struct record_groups g;
    if (record->type == RECORD_GROUPS) {
        if (!record_groups_read(record->payload, record->bytes, &g))
            return wrong(r, record, RP_CORRUPT, "its groups cannot be");
        raise(&r->ahead, g.next_sequence);
    } else if (record->type == RECORD_SNAPSHOT && record->flags == 1) {
        give_held(r);
    } else if (record->type == RECORD_MESSAGE) {
        if (record->flags != 0)
            return wrong(r, record, RP_INCOMPATIBLE, "this library does not know such a message");
        if (record->sequence <= r->given || record->sequence < r->from)
            return 0;
        if (record->sequence < r->ahead)
            return hold(r, record);
        r->ahead = record->sequence + 1;
        r->waiting = *record;
        r->waits = true;
        give_held(r);
    } /* what became of messages is for who brings the queue back */
    return 0;
}

static int more(struct rp_journal_reader *r) {
    struct journal_history *h = &r->history;
    int result = journal_history_batch(h);
    switch (result) {
    case JOURNAL_RECORD: return 0;
    case JOURNAL_HISTORY_FILE:
    case JOURNAL_HISTORY_GAP: begin_file(r, result == JOURNAL_HISTORY_GAP && (r->given > 0 || r->from > 0)); break;
    case JOURNAL_END:
    case JOURNAL_TORN: r->then = RP_EMPTY; break;
    case JOURNAL_DAMAGED: r->then = RP_CORRUPT; break;
    default: r->then = result;
    }
    if (r->then != 0)
        give_held(r);
    return 0;
}

/* What comes when there is nothing else. */
static int ends(struct rp_journal_reader *r, struct rp_journal_message *out) {
    const struct journal_history *h = &r->history;
    if (r->then == RP_LAPPED) {
        *out = (struct rp_journal_message){.sequence = r->missing_from, .missing = r->missing};
        r->then = 0;
        return RP_LAPPED;
    }
    if (r->then == RP_CORRUPT && h->why != NULL)
        return fail(RP_CORRUPT, "journal '%.80s': file %016llx is damaged at byte %llu, after sequence %llu: %s", r->dir.path,
                    (unsigned long long)h->file,
                    (unsigned long long)(h->open && h->file == h->scan.file.number ? h->scan.at.unit * JOURNAL_UNIT_BYTES : 0),
                    (unsigned long long)r->given, h->why);
    return r->then;
}

RP_API int rp_journal_reader_next(rp_journal_reader *r, struct rp_journal_message *out) {
    if (r == NULL || out == NULL)
        return fail(-EINVAL, "rp_journal_reader_next: no reader, or no place for the message");
    for (;;) {
        struct journal_record record;
        int result = r->giving ? next_held(r, out) : 1;
        if (result == 1 && r->waits) {
            r->waits = false;
            result = give(r, &r->waiting, out);
        }
        if (result == 1 && r->then != 0)
            return ends(r, out);
        if (result == 1)
            result = journal_scan_record(&r->history.scan, &record) ? take(r, &record) : more(r);
        else
            return result < 0 ? r->then = result : 0;
        if (result < 0)
            return r->then = result;
    }
}
