/* SPDX-License-Identifier: MIT */
#include "atomic.h"
#include "clock.h"
#include "error.h"
#include "file.h"
#include "journal_format.h"
#include "journal_verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what is to be done ---- */

static int read_to_stop(const struct journal_dir *d, struct journal_stop *stop) {
    struct journal_reader *r;
    struct journal_record m;
    int result = journal_reader_open(&r, d, 0);
    if (result < 0)
        return result;
    while ((result = journal_reader_next(r, &m)) == JOURNAL_RECORD)
        ;
    *stop = *journal_reader_stop(r);
    journal_reader_close(r);
    return result;
}

static int add_lost(void *context, const struct journal_file_report *file) {
    struct journal_repair_report *out = context;
    bool behind = file->number > out->stop.end_file;
    if (file->kept)
        return 0; /* it is not damaged for who starts, and not touched */
    out->lost_batches += file->lost_batches + (behind ? file->batches : 0);
    out->lost_records += file->lost_records + (behind ? file->records : 0);
    return 0;
}

/* ---- doing it ---- */

/* A second name, which nothing had before. */
static int name_aside(const struct journal_dir *d, const char *name, uint64_t number) {
    enum { ATTEMPTS = 1000 };
    char aside[JOURNAL_NAME_MAX];
    int result = -EEXIST;
    for (int i = 1; result == -EEXIST && i < ATTEMPTS; i++) {
        int bytes = snprintf(aside, sizeof aside, "%016llx.damaged", (unsigned long long)number);
        if (i > 1)
            snprintf(aside + bytes, sizeof aside - (size_t)bytes, ".%d", i);
        result = file_link(d->fd, name, aside);
    }
    return result < 0 ? journal_failed(d, result, "give another name to", name) : 0;
}

static int synced(const struct journal_dir *d) {
    int result = file_sync(d->fd);
    return result < 0 ? journal_failed(d, result, "sync", NULL) : 0;
}

/* Each step is on disk before the next one. */
static int put_aside(const struct journal_dir *d, uint64_t number) {
    char name[JOURNAL_NAME_MAX];
    journal_file_name(number, name);
    int result = name_aside(d, name, number);
    if (result == 0)
        result = synced(d);
    if (result == 0 && (result = file_remove(d->fd, name)) < 0)
        (void)journal_failed(d, result, "put aside", name);
    return result < 0 ? result : synced(d);
}

/* The next file says how far this one counts. `behind`: there is one of that number, whose place it takes in one step. */
static int seal(const struct journal_dir *d, const struct journal_stop *stop, bool behind) {
    char name[JOURNAL_NAME_MAX];
    struct journal_file f, next;
    struct journal_point end = stop->end;
    journal_file_name(stop->end_file, name);
    int result = stop->file == stop->end_file ? name_aside(d, name, stop->end_file) : 0;
    journal_file_name(stop->end_file + 1, name);
    if (result == 0 && behind)
        result = name_aside(d, name, stop->end_file + 1);
    if (result == 0)
        result = synced(d);
    if (result == 0)
        result = journal_file_open(d, stop->end_file, JOURNAL_WRITE, &f);
    if (result < 0)
        return result;
    /* Not the last record's: many have none, and are of messages before. A file with one above what the next file says would be taken for one that nobody needs. */
    const struct journal_file_options o = {.number = stop->end_file + 1,
                                           .first_sequence =
                                               stop->sequence < f.first_sequence ? f.first_sequence : stop->sequence + 1,
                                           .bytes = f.bytes,
                                           .previous = &end,
                                           .after = &f,
                                           .needed = stop->needed,
                                           .now_ns = clock_wall_ns(),
                                           .replaces = behind};
    result = journal_file_sync(&f, &end);
    journal_file_close(&f);
    if (result == 0)
        result = journal_file_create(d, &o, JOURNAL_WRITE, &next);
    if (result == 0)
        journal_file_close(&next);
    return result;
}

/* First the seal, then what is behind it, upwards: the last file goes last, as it says which ones are needed. */
static int give_up(const struct journal_dir *d, const struct journal_stop *stop, const uint64_t *numbers, size_t count) {
    uint64_t stays = stop->end_file;
    int result = 0;
    if (stays != 0) {
        bool behind = false;
        for (size_t i = 0; i < count; i++)
            behind = behind || numbers[i] == stop->end_file + 1;
        result = seal(d, stop, behind);
        stays++;
    }
    for (size_t i = 0; result == 0 && i < count; i++)
        if (numbers[i] > stays)
            result = put_aside(d, numbers[i]);
    return result;
}

int journal_repair(const struct journal_dir *d, bool dry_run, struct journal_repair_report *out) {
    *out = (struct journal_repair_report){.files_aside = 0};
    int outcome = read_to_stop(d, &out->stop);
    if (outcome != JOURNAL_DAMAGED)
        return outcome;
    uint64_t *numbers;
    size_t count;
    int asked;
    int result = journal_verify(d, add_lost, out, &asked);
    if (result >= 0)
        result = journal_dir_list(d, &numbers, &count);
    if (result < 0)
        return result;
    for (size_t i = 0; i < count; i++)
        out->files_aside += numbers[i] > out->stop.end_file;
    result = dry_run ? 0 : give_up(d, &out->stop, numbers, count);
    free(numbers);
    return result < 0 ? result : JOURNAL_DAMAGED;
}
