/* SPDX-License-Identifier: MIT */
/*
 * Making a durable queue, and bringing one back: the same, but for where the options come from. The journal is the queue's alone from before it is read until the queue has its name.
 *
 *     lock      nobody else brings it back; there is no queue of the name, which would go on writing; and nobody writes
 *     read      all of the journal; damage ends it, and nothing was changed
 *     fill      the new memory
 *     file      the next one, sealed where reading ended: what is written late to an earlier one never counts. A crash leaves one file more, in which nothing is, and which the next one takes
 *     options   if they are others than before
 *     publish   queue_create
 */
#include "bring_back.h"
#include "catch_up.h"
#include "contents.h"
#include "directory.h"
#include "durable.h"
#include "error.h"
#include "futex.h"
#include "journal_lock.h"
#include "kept.h"
#include "past.h"
#include "process.h"
#include "shm.h"
#include "wanted.h"
#include <errno.h>
#include <stdlib.h>

enum {
    NAP_NS = 5000000,
    NAPS_FOR_OTHERS = 6000, /* how long somebody else may take to bring the queue back */
    NAPS_FOR_WRITERS = 100  /* and who finds that he may not write, to say so no more */
};

struct replaying {
    struct queue_contents contents;
    char segment_path[SHM_PATH_MAX];
    char path[JOURNAL_NAME_BYTES];
    struct journal_dir dir; /* open, with the lock: */
    struct journal_lock lock;
    uint64_t life, life_before; /* 0: it has no number yet */
    bool sealed; /* there may be a next file, or the queue have its name: who had it before would write behind the seal */
    struct rp_queue_options options;
    struct kept kept; /* as it was made before */
    bool has_kept;
    struct fold fold;
    struct rebuild rebuild;
};

/* ---- the journal, alone ---- */

/* By what a journal knows its queue: however it is written, one queue has one name. */
static const char *name_of(const struct replaying *x) {
    static const char usual[] = "/dev/shm/ringpost.";
    size_t bytes = sizeof usual - 1;
    return strncmp(x->segment_path, usual, bytes) == 0 ? x->segment_path + bytes : x->segment_path;
}

static void nap(void) {
    a32 nobody = 0;
    (void)futex_wait(&nobody, 0, NAP_NS);
}

/* Whoever has the queue and did not write yet must not do so any more. */
static int begin_life(struct replaying *x) {
    int result = journal_life(&x->dir, &x->life_before);
    if (result < 0)
        return result; /* what it was is not known, and is not set again */
    x->life = process_random() | 1;
    return journal_set_life(&x->dir, x->life);
}

static int look_for_writers(const struct replaying *x) {
    int result, naps = 0;
    while ((result = journal_lock_is_written(&x->dir)) == 1 && naps++ < NAPS_FOR_WRITERS)
        nap();
    return result;
}

/* The order is that of journal_lock.h. -EEXIST: there is such a queue, now; RP_IN_USE. */
static int lock(struct replaying *x) {
    int result, naps = 0;
    while ((result = journal_lock_alone(&x->dir, &x->lock)) == -EAGAIN && naps++ < NAPS_FOR_OTHERS && !shm_exists(x->segment_path))
        nap();
    if (result < 0 && result != -EAGAIN)
        return result;
    if (shm_exists(x->segment_path))
        return fail(-EEXIST, "queue '%.80s' exists", name_of(x));
    if (result == -EAGAIN)
        return RP_IN_USE;
    if ((result = look_for_writers(x)) == 0 && (result = begin_life(x)) == 0)
        result = look_for_writers(x);
    return result == 1 ? fail(RP_IN_USE,
                              "journal '%.120s': processes write to it that have its queue open, elsewhere or since it was removed",
                              x->path)
                       : result;
}

static int open_journal(struct replaying *x, bool create) {
    int result = create ? directory_make(x->path, x->options.mode, x->options.group) : 0;
    if (result < 0)
        return result;
    result = create ? journal_dir_create(x->path, name_of(x), &x->dir) : journal_dir_open(x->path, name_of(x), &x->dir);
    if (result < 0) {
        x->dir.fd = -1;
        return result == -EEXIST ? RP_IN_USE : result;
    }
    if ((result = lock(x)) < 0)
        return result;
    result = kept_read(&x->dir, &x->kept);
    x->has_kept = result == 0;
    return result == -ENOENT && create ? 0 : result;
}

static void close_journal(struct replaying *x) {
    if (x->life != 0 && !x->sealed) /* nothing was changed: whoever had it goes on */
        (void)journal_set_life(&x->dir, x->life_before);
    fold_close(&x->fold);
    rebuild_free(&x->rebuild);
    journal_unlock(&x->lock);
    if (x->dir.fd >= 0)
        journal_dir_close(&x->dir);
}

/* ---- filling ---- */

/* Where reading ended is to be on disk before a file says so. */
static int seal(struct replaying *x, struct journal_file *last, struct journal_point *end) {
    int result = journal_file_open(&x->dir, x->fold.stop.end_file, JOURNAL_WRITE, last);
    if (result < 0)
        return result;
    *end = x->fold.stop.end;
    result = MUTANT(replay_end_unsynced) ? 0 : journal_file_sync(last, end);
    journal_file_close(last);
    return result;
}

/* An earlier life that wrote nothing left a new file. 1: that is it. */
static int is_new(struct replaying *x, struct journal_file *found) {
    const struct journal_stop *stop = &x->fold.stop;
    if (stop->end_file == 0 || stop->outcome != JOURNAL_END || stop->end.unit != JOURNAL_HEAD_BYTES / JOURNAL_UNIT_BYTES)
        return 0;
    int result = journal_file_open(&x->dir, stop->end_file, JOURNAL_WRITE, found);
    if (result < 0)
        return result;
    return found->bytes == x->options.journal_file_bytes && found->first_sequence == x->fold.next_sequence;
}

static int make_next(struct replaying *x, const struct segment *s, uint64_t needed, struct journal_file *made) {
    const bool first = x->fold.stop.end_file == 0;
    struct journal_file last;
    struct journal_point end;
    struct journal_file_options o = {.number = x->fold.stop.end_file + 1,
                                     .first_sequence = x->fold.next_sequence,
                                     .bytes = x->options.journal_file_bytes,
                                     .previous = first ? NULL : &end,
                                     .after = first ? NULL : &last,
                                     .needed = needed,
                                     .now_ns = s->created_wall_ns + segment_now_ns(s)};
    int result = first ? 0 : seal(x, &last, &end);
    if (result == 0)
        result = journal_file_create(&x->dir, &o, JOURNAL_WRITE, made);
    return result == -EEXIST ? RP_IN_USE : result;
}

static int next_file(struct replaying *x, const struct segment *s, uint64_t needed, struct journal_file *file,
                     struct journal_point *at) {
    struct journal_file found = {.fd = -1};
    int result = is_new(x, &found);
    if (result == 1) {
        *file = found;
    } else {
        if (found.fd >= 0)
            journal_file_close(&found);
        result = result < 0 ? result : make_next(x, s, needed, file);
    }
    if (result < 0)
        return result;
    *at = journal_file_begin(file);
    journal_file_close(file);
    (void)journal_dir_collect(&x->dir); /* what makers left that died */
    return 0;
}

/* The first file that this life needs, as lib/queue has it: no message that lives is in an earlier one, and in it is said what groups there are. */
static uint64_t needed_from(const struct replaying *x, struct live_message **all) {
    if (x->fold.stop.needed == 0)
        return 1; /* there is no file */
    const struct told *told = &x->fold.told;
    const uint64_t lowest = told->live.count > 0 ? all[0]->sequence : x->fold.next_sequence;
    uint64_t needed = x->fold.stop.needed;
    struct journal_file next;
    if (told->ids.count + told->producers.count > 0 || past_any(&x->fold))
        return needed; /* they may be said anywhere: durable_ids.h */
    while (needed < x->fold.file && journal_file_open(&x->dir, needed + 1, JOURNAL_READ, &next) == 0) {
        journal_file_close(&next);
        if (next.first_sequence > lowest)
            break;
        needed++;
    }
    return needed;
}

/* What is on disk is as the new queue wants it. */
static int settle_files(struct replaying *x, const struct segment *s, struct live_message **all) {
    struct journal_file file;
    struct journal_point at;
    struct kept now;
    uint64_t needed = needed_from(x, all);
    int result = kept_make(&now, name_of(x), s->created_wall_ns, &x->options);
    if (result == 0) {
        x->sealed = true;
        result = next_file(x, s, needed, &file, &at);
    }
    if (result == 0)
        result = kept_write(&x->dir, &now);
    if (result < 0)
        return result;
    durable_begin(s, x->path, x->dir.id, x->fold.next_sequence, file.number, (uint32_t)at.unit,
                  x->fold.oldest != 0 ? x->fold.oldest : file.number, needed, x->fold.into != &x->fold.told || past_any(&x->fold));
    for (uint32_t i = 0; i < x->fold.groups.count; i++) {
        const struct record_group *g = &x->fold.groups.groups[i];
        if (g->past != PAST_NONE)
            catch_up_adopt(s, g->index, g->told, g->fed, g->past == PAST_ENDED);
    }
    s->journal->life = x->life;
    for (size_t i = 0; i < x->fold.told.live.count; i++)
        if (all[i]->cell != NO_CELL)
            durable_adopt(s, all[i]->cell, all[i]->sequence);
    return 0;
}

/* As far as is known: times before it cannot be said. */
static uint64_t created_ns(const struct replaying *x) {
    uint64_t first = x->has_kept ? x->kept.queue.head.created_ns : UINT64_MAX;
    for (uint32_t i = 0; i < x->fold.groups.count; i++)
        first = x->fold.groups.groups[i].created_ns < first ? x->fold.groups.groups[i].created_ns : first;
    return first;
}

static int fill_segment(struct replaying *x, void *memory, uint64_t bytes) {
    struct segment *s = &x->rebuild.segment;
    struct live_message **all = live_all(&x->fold.told.live);
    if (all == NULL && x->fold.told.live.count > 0)
        return fail(-ENOMEM, "queue '%.80s': no memory to bring it back", name_of(x));
    x->rebuild.name = name_of(x);
    x->rebuild.source = "journal";
    x->rebuild.from = x->has_kept ? &x->kept.queue.options : &x->options;
    int result;
    if (x->fold.file == 0) /* it was never written to */
        result = segment_bind(s, memory, bytes, false);
    else
        result = bring_back(&x->rebuild, &x->fold, all, memory, bytes, created_ns(x));
    if (result == 0)
        result = settle_files(x, s, all);
    free(all);
    return result;
}

static int fill(struct queue_contents *c, void *memory, uint64_t bytes) {
    struct replaying *x = (struct replaying *)c; /* its first member */
    int result = x->dir.fd < 0 ? open_journal(x, true) : 0;
    if (result == 0)
        result = fold_journal(&x->fold, &x->dir);
    if (result == 0)
        result = past_read(&x->fold);
    if (result == 0)
        result = fill_segment(x, memory, bytes);
    return result;
}

/* ---- the calls ---- */

static int begin(struct replaying *x, const char *name, const char *journal) {
    *x = (struct replaying){.contents.fill = fill, .dir.fd = -1};
    int result = shm_path(name, x->segment_path);
    return result < 0 ? result : directory_path(journal, x->path, sizeof x->path);
}

static int create(struct replaying *x, const char *name, rp_queue **out) {
    x->options.journal = x->path;
    int result = wanted_check(&x->options);
    return result < 0 ? result : queue_create(name, &x->options, &x->contents, out);
}

int replay_create(const char *name, const struct rp_queue_options *o, rp_queue **out) {
    struct replaying x;
    int result = begin(&x, name, o->journal);
    if (result < 0)
        return result;
    x.options = *o;
    result = create(&x, name, out);
    close_journal(&x);
    return result;
}

int replay_open(const char *name, const char *journal, rp_queue **out) {
    struct replaying x;
    int result = begin(&x, name, journal);
    if (result < 0)
        return result;
    result = open_journal(&x, false);
    if (result == -ENOENT)
        result = fail(-ENOENT, "there is no queue '%.80s', and no journal of one in '%.120s'", name_of(&x), x.path);
    if (result == 0) {
        x.options = x.kept.queue.options;
        result = create(&x, name, out);
    }
    close_journal(&x);
    return result == -EEXIST ? rp_queue_open(name, NULL, out) : result; /* somebody was faster */
}
