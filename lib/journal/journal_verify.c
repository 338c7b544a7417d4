/* SPDX-License-Identifier: MIT */
#include "journal_verify.h"

#include "error.h"
#include "journal_format.h"
#include "journal_walk.h"

static void count_batch(struct journal_file_report *r, struct journal_scan *s) {
    struct journal_record m;
    for (r->batches++; journal_scan_record(s, &m); r->records++) {
        if (r->records == 0)
            r->first_sequence = m.sequence;
        r->last_sequence = m.sequence;
        r->payload_bytes += m.bytes;
    }
}

/* This file to its end. 0, or a negative result. */
static int report_file(struct journal_walk *w, struct journal_file_report *r) {
    int result;
    *r = (struct journal_file_report){.number = w->here.number,
                                      .bytes = w->here.open ? w->here.file.bytes : 0,
                                      .sealed = w->next.open,
                                      .kept = w->here.number < w->needed};
    while ((result = journal_walk_batch(w)) == JOURNAL_RECORD)
        count_batch(r, &w->scan);
    if (result < 0)
        return fail(result, "journal '%.120s': file %016llx: %s", w->d->path, (unsigned long long)r->number, rp_error_text(result));
    r->outcome = result == JOURNAL_WALK_FILE_ENDS ? JOURNAL_END : (enum journal_outcome)result;
    r->why = r->outcome == JOURNAL_END ? NULL : w->why;
    r->end = w->here.open ? w->scan.at.unit * JOURNAL_UNIT_BYTES : 0;
    if (r->outcome == JOURNAL_DAMAGED && w->here.open)
        return journal_scan_lost(&w->scan, &r->lost_batches, &r->lost_records);
    return 0;
}

int journal_verify(const struct journal_dir *d, int (*each)(void *context, const struct journal_file_report *file), void *context,
                   int *asked) {
    struct journal_walk w;
    int result = journal_walk_open(&w, d, JOURNAL_OLDEST), worst = JOURNAL_END;
    *asked = 0;
    if (result < 0)
        return result;
    while (result == 0 && *asked == 0 && w.here.number != 0) {
        struct journal_file_report r;
        result = report_file(&w, &r);
        if (result < 0)
            break;
        if ((int)r.outcome > worst)
            worst = (int)r.outcome;
        *asked = each(context, &r);
        result = journal_walk_next(&w);
    }
    journal_walk_close(&w);
    return result == 0 ? worst : result;
}
