/* SPDX-License-Identifier: MIT */
/* What was sent, from a journal, for people: rp_journal_reader_open. */
#include "durable_history.h"
#include "durable_record.h"
#include "error.h"
#include "kept.h"
#include <errno.h>
#include <ringpost/journal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rp_journal_reader {
    char path[JOURNAL_NAME_BYTES];
    struct durable_history *history;
    bool has_priorities;
    int failed; /* for good */
    unsigned char *headers;
    size_t headers_room;
};

RP_API int rp_journal_reader_open(const char *path, uint64_t from, rp_journal_reader **out) {
    struct kept kept; /* what it says of priorities is all that is wanted: without it they are not told */
    struct rp_journal_reader *r = path != NULL && out != NULL ? calloc(1, sizeof *r) : NULL;
    if (r == NULL)
        return path != NULL && out != NULL ? fail(-ENOMEM, "journal '%.120s': no memory to read it", path)
                                           : fail(-EINVAL, "rp_journal_reader_open: no path, or no place for the reader");
    struct journal_dir d;
    int result = journal_dir_open(path, NULL, &d);
    if (result == 0) {
        r->has_priorities = kept_read(&d, &kept) == 0 && kept.queue.options.priorities > 1;
        snprintf(r->path, sizeof r->path, "%.*s", (int)sizeof r->path - 1, d.path);
        journal_dir_close(&d);
        result = history_open(&r->history, path, NULL, from, false);
    }
    if (result < 0) {
        free(r);
        return result;
    }
    *out = r;
    return 0;
}

RP_API void rp_journal_reader_close(rp_journal_reader *r) {
    if (r == NULL)
        return;
    history_close(r->history);
    free(r->headers);
    free(r);
}

static int wrong(const struct rp_journal_reader *r, const struct journal_record *record, int result, const char *what) {
    return fail(result, "journal '%.100s': file %016llx, byte %llu, record of type %u, sequence %llu: %s", r->path,
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
    return 0;
}

RP_API int rp_journal_reader_next(rp_journal_reader *r, struct rp_journal_message *out) {
    struct journal_record record;
    struct history_gap gap;
    if (r == NULL || out == NULL)
        return fail(-EINVAL, "rp_journal_reader_next: no reader, or no place for the message");
    if (r->failed != 0)
        return r->failed;
    int result = history_next(r->history, &record, &gap);
    if (result == 0)
        return r->failed = give(r, &record, out);
    if (result == RP_LAPPED)
        *out = (struct rp_journal_message){.sequence = gap.from, .missing = gap.count};
    return result;
}
