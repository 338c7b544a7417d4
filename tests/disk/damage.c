/* SPDX-License-Identifier: MIT */
/* What was on disk changes by itself, or by somebody. */
#include "error.h"
#include "journal_format.h"
#include "journal_verify.h"
#include "scenarios.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- damage ---- */

/* A journal of some files, all of it on disk; the last batch says so of those before. */
static void make_journal(struct ledger *l, enum crew_habit habit) {
    struct writer w;
    (void)writer_live(&w, l, habit, 30);
    if (w.file_open && journal_file_sync(&w.f, &w.at) == 0) {
        l->committed = l->added;
        journal_batch_begin(&w.batch, w.buffer, CREW_ROOM);
        if (journal_file_write(&w.f, &w.at, &w.batch) == RP_FULL) {
            w.durable = w.at;
            w.durable_sequence = l->added;
            (void)crew_next_file(&w, l, habit);
        }
    }
    writer_close(&w);
    disk_settle();
}

struct names {
    char all[64][64];
    int count;
};
static void take_name(void *context, const char *name) {
    struct names *n = context;
    if (journal_file_number(name) != 0)
        snprintf(n->all[n->count++], sizeof n->all[0], "%s", name);
}
static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static void list_files(struct names *n) {
    n->count = 0;
    disk_names(take_name, n);
    qsort(n->all, (size_t)n->count, sizeof n->all[0], by_text);
}

enum { FLIP, ZERO, GARBAGE, SWAP, CUT, REMOVE, HARMS };

/* Harms a file that is there. */
static void harm(const char *name, int how) {
    size_t bytes;
    unsigned char *data = disk_file(name, &bytes);
    size_t sectors = bytes / DISK_SECTOR_BYTES, one = disk_random() % sectors, other = disk_random() % sectors;
    unsigned char *a = data + one * DISK_SECTOR_BYTES, *b = data + other * DISK_SECTOR_BYTES, kept[DISK_SECTOR_BYTES];
    switch (how) {
    case FLIP: a[disk_random() % (disk_random() % 2 ? 100 : DISK_SECTOR_BYTES)] ^= (unsigned char)(1 << disk_random() % 8); break;
    case ZERO: memset(a, 0, DISK_SECTOR_BYTES); break;
    case GARBAGE:
        for (size_t i = 0; i < DISK_SECTOR_BYTES; i++)
            a[i] = (unsigned char)disk_random();
        break;
    case SWAP:
        memcpy(kept, a, sizeof kept);
        memcpy(a, b, sizeof kept);
        memcpy(b, kept, sizeof kept);
        break;
    case CUT: disk_cut(name, disk_random() % bytes); break;
    default: disk_put(name, NULL, 0);
    }
    disk_settle();
}

/* Who can open a file is told the truth about it. */
static void check_heads(struct ledger *l) {
    struct journal_dir d;
    struct names n;
    if (journal_dir_open(DISK_PATH, "q", &d) < 0)
        return;
    list_files(&n);
    for (int i = 0; i < n.count; i++) {
        struct journal_file f;
        uint64_t number = journal_file_number(n.all[i]);
        if (journal_file_open(&d, number, JOURNAL_READ, &f) < 0)
            continue;
        if (f.first_sequence != l->begins[number])
            ledger_wrong(l, "the head of file %llu is not what was written", (unsigned long long)number);
        journal_file_close(&f);
    }
    journal_dir_close(&d);
}

static int count_damaged(void *context, const struct journal_file_report *file) {
    *(uint64_t *)context += file->outcome == JOURNAL_DAMAGED && !file->kept;
    return 0;
}

/* Whatever was a file before is there, under some name. */
static bool is_kept(struct disk_copy *before) {
    struct disk_copy *after = disk_save();
    bool kept = disk_contains(after, before);
    disk_free(after);
    return kept;
}

static void repair(struct ledger *l, uint64_t last) {
    struct journal_dir d;
    struct journal_repair_report report;
    struct disk_copy *before = disk_save();
    uint64_t damaged = 0, after;
    if (journal_dir_open(DISK_PATH, "q", &d) < 0) {
        disk_free(before);
        return;
    }
    int asked, verified = journal_verify(&d, count_damaged, &damaged, &asked);
    int result = journal_repair(&d, true, &report);
    if (verified >= 0 && (damaged > 0) != (result == JOURNAL_DAMAGED))
        ledger_wrong(l, "verify says %d, repair %d", verified, result);
    if (!disk_same(before))
        ledger_wrong(l, "a dry run changed something");
    if (result == JOURNAL_DAMAGED) {
        disk_end_at(disk_random() % 40); /* it is ended in the middle, perhaps, and power lost */
        result = journal_repair(&d, false, &report);
        if (disk_is_off()) {
            disk_restart((enum disk_fate)(disk_random() % DISK_FATES));
            if (!is_kept(before))
                ledger_wrong(l, "an ended repair lost a file");
            if (journal_dir_open(DISK_PATH, "q", &d) == 0)
                result = journal_repair(&d, false, &report);
        }
        disk_end_at(0);
        if (result < 0)
            ledger_wrong(l, "repair: %s", rp_error_detail());
        disk_restart(DISK_FORGETS);
        if (!is_kept(before))
            ledger_wrong(l, "a repair lost a file");
        result = ledger_check_damaged(l, &after);
        if (result != JOURNAL_END && result != JOURNAL_TORN)
            ledger_wrong(l, "a repaired journal is %d: %s", result, rp_error_detail());
        if (after != last)
            ledger_wrong(l, "a repair made %llu records of %llu", (unsigned long long)after, (unsigned long long)last);
    } else {
        journal_dir_close(&d);
    }
    disk_free(before);
}

uint64_t scenario_damage(uint64_t seed, struct ledger *l) {
    enum { ROUNDS = 200 };
    ledger_begin(l);
    disk_reset(seed);
    make_journal(l, seed % 2 ? CREW_SYNCS : CREW_SYNCS_LATE);
    struct disk_copy *whole = disk_save();
    uint64_t looks = 0;
    for (; looks < ROUNDS && !l->wrong[0]; looks++) {
        struct names n;
        uint64_t last;
        disk_load(whole);
        list_files(&n);
        int which = (int)(disk_random() % (unsigned)n.count), how = (int)(disk_random() % HARMS);
        if (how == REMOVE && which == n.count - 1) /* a journal without its last file is one */
            how = FLIP;
        bool twice = how == SWAP && which == n.count - 1; /* also the batch that says that the other was on disk, perhaps */
        harm(n.all[which], how);
        int result = ledger_check_damaged(l, &last);
        bool gone = last == 0 && l->first > l->committed; /* nothing is in the files that are needed */
        if (result >= 0 && result != JOURNAL_DAMAGED && last < l->committed && !twice && !gone)
            ledger_wrong(l, "file %d was harmed (%d), %llu of %llu are there, and reading says %d", which, how,
                         (unsigned long long)last, (unsigned long long)l->committed, result);
        check_heads(l);
        if (!l->wrong[0])
            repair(l, last);
    }
    disk_free(whole);
    return looks;
}

/* ---- forgery ---- */

static void seal_batch(unsigned char *head, uint64_t nonce, bool body) {
    if (body)
        put64(head + BATCH_BODY,
              journal_check(head + JOURNAL_BATCH_HEAD_BYTES, (size_t)get64(head + BATCH_BYTES) - JOURNAL_BATCH_HEAD_BYTES, nonce));
    put64(head + BATCH_CHECK, journal_check(head, BATCH_CHECK, nonce));
}

/* A writer with one batch of two records, at *unit. */
static void two_records(struct writer *w, struct ledger *l, uint64_t *unit) {
    uint32_t tag = ++l->next_tag;
    *unit = w->at.unit;
    journal_batch_begin(&w->batch, w->buffer, CREW_ROOM);
    for (int i = 0; i < 2; i++) {
        uint64_t sequence = ++l->added;
        l->tag[sequence] = tag;
        crew_add(&w->batch, sequence, tag, 64);
    }
    if (journal_file_write(&w->f, &w->at, &w->batch) < 0 || journal_file_sync(&w->f, &w->at) < 0)
        abort();
    w->durable = w->at;
    w->durable_sequence = l->added;
}

static void begin(struct writer *w, struct ledger *l, uint64_t seed) {
    ledger_begin(l);
    disk_reset(seed);
    (void)writer_live(w, l, CREW_SYNCS, 0);
    if (!w->file_open)
        abort();
}

static unsigned char *file_at(uint64_t number, uint64_t unit) {
    char name[JOURNAL_NAME_MAX];
    size_t bytes;
    journal_file_name(number, name);
    return disk_file(name, &bytes) + unit * JOURNAL_UNIT_BYTES;
}

/* Two records of the last batch change places, or one changes and the batch's checks are made right. */
static void forge_records(uint64_t seed, struct ledger *l, bool swap) {
    struct writer w;
    uint64_t unit, last;
    begin(&w, l, seed);
    two_records(&w, l, &unit);
    unsigned char *head = file_at(w.f.number, unit), *first = head + JOURNAL_BATCH_HEAD_BYTES;
    size_t bytes = ((size_t)get64(head + BATCH_BYTES) - JOURNAL_BATCH_HEAD_BYTES) / 2;
    for (size_t i = 0; swap && i < bytes; i++) {
        unsigned char kept = first[i];
        first[i] = first[bytes + i];
        first[bytes + i] = kept;
    }
    if (!swap) {
        first[JOURNAL_RECORD_HEAD_BYTES + disk_random() % 60] ^= 1;
        seal_batch(head, w.f.nonce, true);
    }
    (void)ledger_check_damaged(l, &last);
    writer_close(&w);
}

/* What one future of a journal wrote gets behind what another did. */
static void forge_batch(uint64_t seed, struct ledger *l) {
    struct writer w;
    uint64_t unit, next, last;
    unsigned char kept[4096];
    begin(&w, l, seed);
    two_records(&w, l, &unit);
    struct journal_point fork = w.at;
    uint64_t sequence = l->added;
    two_records(&w, l, &unit);
    two_records(&w, l, &next);
    size_t bytes = (size_t)(w.at.unit - next) * JOURNAL_UNIT_BYTES;
    memcpy(kept, file_at(w.f.number, next), bytes);
    w.at = fork;
    l->added = sequence;
    two_records(&w, l, &unit);
    memcpy(file_at(w.f.number, next), kept, bytes);
    (void)ledger_check_damaged(l, &last);
    writer_close(&w);
}

/* The same with the next file. */
static void forge_file(uint64_t seed, struct ledger *l) {
    struct writer w;
    struct journal_file next;
    uint64_t unit, last;
    begin(&w, l, seed);
    struct journal_point fork = w.at;
    uint64_t sequence = l->added;
    two_records(&w, l, &unit);
    struct journal_file_options o = {
        .number = w.f.number + 1, .first_sequence = l->added + 1, .bytes = CREW_FILE_BYTES, .previous = &w.at};
    if (journal_file_create(&w.d, &o, JOURNAL_WRITE, &next) < 0)
        abort();
    journal_file_close(&next);
    w.at = fork;
    l->added = sequence;
    two_records(&w, l, &unit);
    l->committed = l->added;
    if (ledger_check_damaged(l, &last) != JOURNAL_DAMAGED)
        ledger_wrong(l, "a file that follows another batch passes for the next one");
    writer_close(&w);
}

/* The last two batches are not on disk, as far as anybody was told; the first is gone, and the second says by damage that it may not be. */
static void forge_durable(uint64_t seed, struct ledger *l) {
    struct writer w;
    uint64_t unit, next, last;
    begin(&w, l, seed);
    two_records(&w, l, &unit);
    w.at.durable = unit;
    two_records(&w, l, &next);
    memset(file_at(w.f.number, unit), 0, JOURNAL_UNIT_BYTES);
    put64(file_at(w.f.number, next) + BATCH_DURABLE, next);
    if (ledger_check_damaged(l, &last) == JOURNAL_DAMAGED)
        ledger_wrong(l, "a damaged head is believed");
    writer_close(&w);
}

uint64_t scenario_forge(uint64_t seed, struct ledger *l) {
    void (*const forgeries[])(uint64_t, struct ledger *) = {forge_batch, forge_file, forge_durable};
    forge_records(seed, l, true);
    if (!l->wrong[0])
        forge_records(seed, l, false);
    for (int i = 0; i < 3 && !l->wrong[0]; i++)
        forgeries[i](seed, l);
    return 5;
}
