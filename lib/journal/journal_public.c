/* SPDX-License-Identifier: MIT */
/* The calls of ringpost/journal.h. */
#include "error.h"
#include "journal_format.h"
#include "journal_lock.h"
#include "journal_verify.h"
#include <errno.h>
#include <ringpost/error.h>
#include <ringpost/journal.h>

#include <stdio.h>

_Static_assert((int)RP_JOURNAL_WHOLE == (int)JOURNAL_END && (int)RP_JOURNAL_TORN == (int)JOURNAL_TORN &&
                   (int)RP_JOURNAL_DAMAGED == (int)JOURNAL_DAMAGED,
               "a state is an outcome");

struct visit {
    rp_journal_each each;
    void *context;
    struct rp_journal_summary summary;
};

static int visit_file(void *context, const struct journal_file_report *r) {
    struct visit *v = context;
    struct rp_journal_file file = {.number = r->number,
                                   .bytes = r->bytes,
                                   .batches = r->batches,
                                   .records = r->records,
                                   .first_sequence = r->first_sequence,
                                   .last_sequence = r->last_sequence,
                                   .payload_bytes = r->payload_bytes,
                                   .end = r->end,
                                   .lost_records = r->lost_records,
                                   .state = (uint32_t)r->outcome,
                                   .sealed = r->sealed,
                                   .kept = r->kept};
    snprintf(file.why, sizeof file.why, "%s", r->why ? r->why : "");
    v->summary.files++;
    v->summary.bytes += r->bytes;
    v->summary.records += r->records;
    v->summary.payload_bytes += r->payload_bytes;
    v->summary.lost_records += r->lost_records;
    v->summary.kept_files += r->kept;
    v->summary.kept_bytes += r->kept ? r->bytes : 0;
    return v->each ? v->each(v->context, &file) : 0;
}

int rp_journal_verify(const char *path, rp_journal_each each, void *context, struct rp_journal_summary *out) {
    struct journal_dir d;
    struct visit v = {.each = each, .context = context};
    int result = journal_dir_open(path, NULL, &d), asked = 0;
    if (result < 0)
        return result;
    result = journal_verify(&d, visit_file, &v, &asked);
    snprintf(v.summary.queue, sizeof v.summary.queue, "%.255s", d.queue);
    journal_dir_close(&d);
    if (result < 0 || asked != 0)
        return asked != 0 ? asked : result;
    v.summary.state = (uint32_t)result;
    if (out != NULL)
        *out = v.summary;
    return 0;
}

static int nobody_writes(const struct journal_dir *d) {
    int result = journal_lock_is_written(d);
    return result == 1 ? fail(RP_IN_USE, "journal '%.120s': processes of queue '%.80s' write to it", d->path, d->queue) : result;
}

/* A queue that is in memory, here or elsewhere, and whose processes did not write yet, would go on behind the seal: its life is over (journal_lock.h). */
static int end_life(const struct journal_dir *d) {
    uint64_t before;
    int result = journal_life(d, &before);
    if (result == 0)
        result = journal_set_life(d, journal_random() | 1);
    if (result == 0 && (result = nobody_writes(d)) < 0)
        (void)journal_set_life(d, before);
    return result;
}

/* Who would go on in files that are not there any more, or brings the queue back from them, comes first. */
static int repair_alone(const struct journal_dir *d, struct journal_repair_report *r) {
    struct journal_lock lock;
    int result = journal_lock_alone(d, &lock);
    if (result < 0)
        return result == -EAGAIN ? RP_IN_USE : result;
    result = nobody_writes(d);
    if (result == 0)
        result = journal_repair(d, true, r);
    if (result == JOURNAL_DAMAGED && (result = end_life(d)) == 0)
        result = journal_repair(d, false, r);
    journal_unlock(&lock);
    return result;
}

int rp_journal_repair(const char *path, int dry_run, struct rp_journal_repair *out) {
    struct journal_dir d;
    struct journal_repair_report r;
    int result = journal_dir_open(path, NULL, &d);
    if (result < 0)
        return result;
    result = dry_run ? journal_repair(&d, true, &r) : repair_alone(&d, &r);
    journal_dir_close(&d);
    if (result < 0)
        return result;
    if (out != NULL) {
        *out = (struct rp_journal_repair){.state = (uint32_t)result,
                                          .files_aside = (uint32_t)r.files_aside,
                                          .file = r.stop.file,
                                          .at = r.stop.at,
                                          .records = r.stop.records,
                                          .last_sequence = r.stop.sequence,
                                          .lost_records = r.lost_records};
        snprintf(out->why, sizeof out->why, "%.127s", r.stop.why);
    }
    return 0;
}
