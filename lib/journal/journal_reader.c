/* SPDX-License-Identifier: MIT */
#include "journal_reader.h"

#include "error.h"
#include "journal_format.h"
#include "journal_walk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct journal_reader {
    struct journal_walk walk;
    struct journal_stop stop;
    int result; /* JOURNAL_RECORD: goes on */
};

int journal_reader_open(struct journal_reader **out, const struct journal_dir *d, uint64_t from) {
    struct journal_reader *r = calloc(1, sizeof *r);
    if (r == NULL)
        return fail(-ENOMEM, "journal '%.120s': no memory to read it", d->path);
    int result = journal_walk_open(&r->walk, d, from);
    if (result < 0) {
        free(r);
        return result;
    }
    r->stop.needed = r->walk.needed;
    *out = r;
    return 0;
}

void journal_reader_close(struct journal_reader *r) {
    if (r == NULL)
        return;
    journal_walk_close(&r->walk);
    free(r);
}

/* -> result */
static int stopped(struct journal_reader *r, int result) {
    static const char *const names[] = {"", "ends", "is torn", "is damaged"};
    const struct journal_walk *w = &r->walk;
    struct journal_stop *stop = &r->stop;
    r->result = result;
    if (result < 0)
        return fail(result, "journal '%.80s': file %016llx: %s", w->d->path, (unsigned long long)w->here.number,
                    rp_error_text(result));
    stop->outcome = (enum journal_outcome)result;
    stop->file = w->here.number;
    stop->at = w->here.open ? w->scan.at.unit * JOURNAL_UNIT_BYTES : 0;
    if (result == JOURNAL_END)
        return result;
    snprintf(stop->why, sizeof stop->why, "%s", w->why);
    return fail(result, "journal '%.80s': file %016llx %s at byte %llu, after sequence %llu: %s", w->d->path,
                (unsigned long long)stop->file, names[result], (unsigned long long)stop->at, (unsigned long long)stop->sequence,
                stop->why);
}

/* Makes the records of another batch the next ones. */
static void find_batch(struct journal_reader *r) {
    struct journal_walk *w = &r->walk;
    int result = journal_walk_batch(w);
    if (w->here.open) {
        r->stop.end_file = w->here.number;
        r->stop.end = w->scan.at;
    }
    if (result == JOURNAL_WALK_FILE_ENDS)
        r->result = journal_walk_next(w);
    else if (result != JOURNAL_RECORD)
        stopped(r, result);
}

int journal_reader_next(struct journal_reader *r, struct journal_record *out) {
    while (r->result == JOURNAL_RECORD) {
        if (journal_scan_record(&r->walk.scan, out)) {
            r->stop.records++;
            r->stop.sequence = out->sequence > r->stop.sequence ? out->sequence : r->stop.sequence;
            return JOURNAL_RECORD;
        }
        find_batch(r);
    }
    return r->result;
}

const struct journal_stop *journal_reader_stop(const struct journal_reader *r) { return &r->stop; }
