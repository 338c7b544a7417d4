/* SPDX-License-Identifier: MIT */
#include "durable_store.h"
#include "clock.h"
#include "durable_record.h"
#include "error.h"
#include "journal_file.h"
#include "journal_format.h"
#include "journal_lock.h"
#include "journal_scan.h"
#include <errno.h>
#include <stdlib.h>

enum { STORE_BATCH_BYTES = 512 << 10, STATE_BYTES = 8 << 10 };
_Static_assert((int)STORE_HEAD_UNITS == (int)JOURNAL_HEAD_UNITS, "where a file's first batch goes");
_Static_assert(sizeof(((struct journal_place *)0)->id) == JOURNAL_ID_BYTES, "the id of a journal");

struct durable_store {
    const struct segment *segment;
    struct journal_dir dir;
    struct journal_lock lock;
    bool open; /* file */
    struct journal_file file;
    struct journal_point at;
    unsigned char *buffer;
    size_t room;
    struct batch batch;
};

static enum journal_mode mode_of(const struct segment *s) {
    return s->parameters.sync == RP_SYNC_ALWAYS ? JOURNAL_DIRECT : JOURNAL_WRITE;
}

/* Any message fits, with what is said of groups and of it in all of them; and two batches into any file: wanted_check saw to it that one is large enough. */
static size_t room_for(const struct segment *s) {
    size_t largest = (size_t)segment_room(s) + KEY_BYTES + RECORD_MESSAGE_BYTES + STATE_BYTES;
    size_t room = largest > STORE_BATCH_BYTES / 2 ? largest + STORE_BATCH_BYTES / 2 : STORE_BATCH_BYTES;
    size_t most = (s->parameters.journal_file_bytes - JOURNAL_HEAD_BYTES) / 2;
    return (room < most ? room : most) / JOURNAL_BLOCK_BYTES * JOURNAL_BLOCK_BYTES;
}

/* Is it the journal of this life of the queue? After it was said that this process writes. */
static int check_life(const struct segment *s, struct durable_store *st) {
    uint64_t life;
    int result = journal_life(&st->dir, &life);
    if (result == 0 && life != s->journal->life && !MUTANT(store_other_life))
        result = fail(-ESTALE, "journal '%.120s' was taken over: its queue was brought back elsewhere, or again", s->journal->path);
    if (result < 0)
        journal_unlock(&st->lock);
    return result;
}

/* Says that this process writes to it: journal_lock.h. Whether the queue still has its name is looked at afterwards. */
static int take_journal(const struct segment *s, struct durable_store *st) {
    if (memchr(s->journal->path, 0, sizeof s->journal->path) == NULL)
        return fail(RP_CORRUPT, "the journal's path has no end");
    int result = journal_dir_open(s->journal->path, NULL, &st->dir);
    if (result < 0)
        return result;
    if (memcmp(st->dir.id, s->journal->id, sizeof st->dir.id) != 0)
        result = fail(-ESTALE, "journal '%.120s' is another one than when the queue was made", s->journal->path);
    else
        result = journal_lock_writing(&st->dir, &st->lock);
    if (result == 0)
        result = check_life(s, st);
    if (result < 0)
        journal_dir_close(&st->dir);
    return result;
}

int store_open(const struct segment *s, struct durable_store **out) {
    struct durable_store *st = calloc(1, sizeof *st);
    if (st == NULL)
        return fail(-ENOMEM, "no memory for the journal");
    st->segment = s;
    st->room = room_for(s);
    st->buffer = aligned_alloc(JOURNAL_BLOCK_BYTES, st->room);
    int result = st->buffer == NULL ? fail(-ENOMEM, "no memory for the journal") : take_journal(s, st);
    if (result < 0) {
        free(st->buffer);
        free(st);
        return result;
    }
    *out = st;
    return 0;
}

void store_close(struct durable_store *st) {
    if (st == NULL)
        return;
    if (st->open)
        journal_file_close(&st->file);
    journal_unlock(&st->lock);
    journal_dir_close(&st->dir);
    free(st->buffer);
    free(st);
}

struct batch *store_batch(struct durable_store *st) {
    journal_batch_begin(&st->batch.records, st->buffer, st->room);
    return &st->batch;
}

/* ---- what is handed from writer to writer, beside the point ---- */

static struct journal_handover *handover(const struct segment *s, uint64_t number, uint64_t unit) {
    return &s->journal->handovers[(number + unit / 8) % JOURNAL_HANDOVERS];
}
static uint64_t handover_key(uint64_t number, uint64_t unit) { return number << POINT_UNIT_BITS | unit; }

static uint64_t handover_check(uint64_t key, const struct journal_point *at) {
    uint64_t words[] = {key, at->ordinal, at->chain, at->durable};
    return journal_check(words, sizeof words, 0);
}

/* Before the point says so. One who was stopped in here may destroy another's: then that is found, and the file read. */
static void hand_over(struct durable_store *st) {
    struct journal_handover *h = handover(st->segment, st->file.number, st->at.unit);
    uint64_t key = handover_key(st->file.number, st->at.unit);
    store_relaxed(&h->key, key, recheck);
    const struct journal_point at = {st->at.unit, st->at.ordinal + MUTANT(store_handover_wrong), st->at.chain, st->at.durable};
    store_relaxed(&h->ordinal, at.ordinal, recheck);
    store_relaxed(&h->chain, at.chain, recheck);
    store_relaxed(&h->durable, at.durable, recheck);
    store_relaxed(&h->check, handover_check(key, &at), recheck);
}

static bool take_over(struct durable_store *st, uint64_t unit) {
    struct journal_handover *h = handover(st->segment, st->file.number, unit);
    struct journal_point at = {unit, load_relaxed(&h->ordinal, recheck), load_relaxed(&h->chain, recheck),
                               load_relaxed(&h->durable, recheck)};
    uint64_t key = handover_key(st->file.number, unit);
    if (load_relaxed(&h->key, recheck) != key || load_relaxed(&h->check, recheck) != handover_check(key, &at))
        return false;
    st->at = at;
    return true;
}

/* Reads the file up to there. */
static int find(struct durable_store *st, uint64_t unit) {
    struct journal_scan scan = {.buffer = NULL};
    int result = JOURNAL_SCAN_BATCH;
    journal_scan_begin(&scan, &st->file, unit);
    while (scan.at.unit < unit && result == JOURNAL_SCAN_BATCH)
        result = journal_scan_batch(&scan);
    st->at = scan.at;
    journal_scan_free(&scan);
    if (result < 0)
        return result;
    return st->at.unit == unit ? 0
                               : fail(RP_CORRUPT, "journal file %llx: no batch ends at unit %llu",
                                      (unsigned long long)st->file.number, (unsigned long long)unit);
}

/* ---- files ---- */

static void leave_file(struct durable_store *st) {
    if (st->open)
        journal_file_close(&st->file);
    st->open = false;
}

int store_seek(struct durable_store *st, uint64_t number, uint32_t unit) {
    if (st->open && st->file.number == number && st->at.unit == unit)
        return 0;
    if (!st->open || st->file.number != number) {
        leave_file(st);
        int result = journal_file_open(&st->dir, number, mode_of(st->segment), &st->file);
        if (result < 0)
            return result;
        st->open = true;
    }
    st->at = journal_file_begin(&st->file);
    if (st->at.unit == unit || take_over(st, unit))
        return 0;
    int result = find(st, unit);
    if (result < 0)
        leave_file(st);
    return result;
}

int store_write(struct durable_store *st, uint32_t *unit) {
    struct journal_point at = st->at;
    int result = journal_file_write(&st->file, &at, &st->batch.records);
    if (result == 0 && st->segment->parameters.sync == RP_SYNC_ALWAYS && !st->file.direct && !MUTANT(store_write_unsynced))
        result = journal_file_sync(&st->file, &at);
    if (result < 0)
        return result;
    st->at = at;
    *unit = (uint32_t)at.unit;
    hand_over(st);
    return 0;
}

int store_sync(struct durable_store *st) {
    int result = journal_file_sync(&st->file, &st->at);
    if (result == 0)
        hand_over(st);
    return result;
}

uint32_t store_durable_unit(const struct durable_store *st) {
    if (MUTANT(store_all_durable))
        return (uint32_t)st->at.unit;
    uint64_t unit = st->at.durable > STORE_HEAD_UNITS ? st->at.durable : STORE_HEAD_UNITS;
    return (uint32_t)unit;
}

/*
 * The time by which files age: the wall clock when this life of the queue began, and what has passed since by a clock that nobody sets. So a clock that is set while the queue lives makes no file older; and that a file never
 * says an earlier time than the one before it is seen to when it is made.
 */
static uint64_t life_ns(const struct segment *s) { return s->created_wall_ns + segment_now_ns(s); }

uint64_t store_said(const struct durable_store *st) { return st->file.needed; }

int store_next(struct durable_store *st, uint64_t sequence, uint64_t needed) {
    const uint64_t number = st->file.number;
    struct journal_point end = st->at;
    struct journal_file_options o = {.number = number + 1,
                                     .first_sequence = sequence,
                                     .bytes = st->segment->parameters.journal_file_bytes,
                                     .previous = &end,
                                     .after = &st->file,
                                     .needed = needed,
                                     .now_ns = life_ns(st->segment)};
    struct journal_file next;
    enum journal_mode mode = mode_of(st->segment);
    int result = journal_file_create(&st->dir, &o, mode, &next);
    /* Its maker may have synced more than we know of, before a sync failed; never less. */
    if (result == -EEXIST && (result = journal_file_open(&st->dir, number + 1, mode, &next)) == 0 &&
        (next.previous_end < end.unit || (next.previous_end == end.unit && next.previous_chain != end.chain))) {
        result = fail(RP_CORRUPT, "journal file %llx: it says that the one before ends at unit %llu, but that ends at %llu",
                      (unsigned long long)(number + 1), (unsigned long long)next.previous_end, (unsigned long long)end.unit);
        journal_file_close(&next);
    }
    if (result < 0)
        return result;
    leave_file(st);
    st->file = next;
    st->open = true;
    st->at = journal_file_begin(&st->file);
    return 0;
}

void store_unmake(struct durable_store *st, uint64_t number) { (void)journal_dir_drop(&st->dir, number); }

/* ---- files that go ---- */

/* What the head says of the first file from `number` on that has one, up to ours. */
static struct journal_file head_from(const struct durable_store *st, uint64_t number) {
    struct journal_file f;
    for (; number < st->file.number; number++)
        if (journal_file_open(&st->dir, number, JOURNAL_READ, &f) == 0) {
            journal_file_close(&f);
            return f;
        }
    return st->file;
}

uint64_t store_first(const struct durable_store *st, uint64_t from, uint64_t to, uint64_t sequence) {
    while (from < to) {
        const struct journal_file next = head_from(st, from + 1);
        if ((int64_t)(next.first_sequence - sequence) > MUTANT(store_drops_too_far))
            break;
        from = next.number < to ? next.number : to;
    }
    return from;
}

uint64_t store_needed(struct durable_store *st, uint64_t needed, uint64_t number, uint64_t lowest) {
    return store_first(st, needed, number, lowest);
}

/* May the file go whose bytes, and all behind it that nobody needs, are `bytes`, and whose last record was written before `made_ns`? */
static bool may_go(const struct durable_store *st, uint64_t made_ns, uint64_t bytes) {
    const struct parameters *p = &st->segment->parameters;
    const uint64_t now = life_ns(st->segment), age = now > made_ns ? now - made_ns : 0;
    return (p->retain_ns == 0 && p->retain_bytes == 0) || (p->retain_ns > 0 && age > p->retain_ns) ||
           (p->retain_bytes > 0 && bytes > p->retain_bytes);
}

uint64_t store_drop(struct durable_store *st, uint64_t oldest, uint64_t needed) {
    const struct parameters *p = &st->segment->parameters;
    if (oldest == 0 || oldest >= needed)
        return oldest;
    const uint64_t end = head_from(st, needed).bytes_before;
    struct journal_file here = head_from(st, oldest), next = head_from(st, oldest + 1);
    while (oldest < needed && may_go(st, next.made_ns, end > here.bytes_before ? end - here.bytes_before : 0)) {
        int result = here.number == oldest || next.number == oldest + 1 ? journal_file_drop(&st->dir, oldest, p->journal_file_bytes)
                                                                        : -ENOENT;
        if (result < 0 && result != -ENOENT)
            break;
        oldest++;
        here = next;
        if (next.number == oldest)
            next = head_from(st, oldest + 1);
    }
    return oldest;
}
