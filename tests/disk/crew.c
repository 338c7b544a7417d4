/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include "error.h"
#include "journal_format.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECORD_MAX_BYTES = 300, ATTEMPTS = 4 };

void ledger_wrong(struct ledger *l, const char *format, ...) {
    if (l->wrong[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(l->wrong, sizeof l->wrong, format, arguments);
    va_end(arguments);
}

/* ---- records ---- */

static size_t payload_bytes(uint64_t sequence, uint32_t tag) {
    return 4 + (size_t)((sequence * 131 + tag * 17) % RECORD_MAX_BYTES);
}

static void fill(unsigned char *payload, size_t bytes, uint64_t sequence, uint32_t tag) {
    put32(payload, tag);
    for (size_t i = 4; i < bytes; i++)
        payload[i] = (unsigned char)(sequence * 7 + tag * 13 + i);
}

bool crew_add(struct journal_batch *b, uint64_t sequence, uint32_t tag, size_t bytes) {
    if (bytes == 0)
        bytes = payload_bytes(sequence, tag);
    unsigned char *payload = journal_batch_add(b, 3, (uint16_t)bytes, sequence, bytes);
    if (payload != NULL)
        fill(payload, bytes, sequence, tag);
    return payload != NULL;
}

static bool is_right(const struct journal_record *m, uint32_t tag) {
    unsigned char payload[4 + RECORD_MAX_BYTES];
    if (m->bytes > sizeof payload || m->bytes != m->flags || m->type != 3)
        return false;
    fill(payload, m->bytes, m->sequence, tag);
    return memcmp(payload, m->payload, m->bytes) == 0;
}

/* ---- reading ---- */

/* Reads and compares. -> how it ended; `*last`: sequence. */
static int read_all(const struct journal_dir *d, struct ledger *l, struct journal_stop *stop, uint64_t *last) {
    struct journal_reader *r;
    struct journal_record m;
    int result = journal_reader_open(&r, d, 0);
    if (result < 0)
        return result;
    *last = 0;
    while ((result = journal_reader_next(r, &m)) == JOURNAL_RECORD) {
        if (*last == 0 && m.sequence > l->first)
            ledger_wrong(l, "reading begins with %llu, not %llu", (unsigned long long)m.sequence, (unsigned long long)l->first);
        if (*last != 0 && m.sequence != *last + 1)
            ledger_wrong(l, "%llu comes after %llu", (unsigned long long)m.sequence, (unsigned long long)*last);
        if (m.sequence == 0 || m.sequence > l->added)
            ledger_wrong(l, "%llu was never written", (unsigned long long)m.sequence);
        else if (!is_right(&m, l->tag[m.sequence]))
            ledger_wrong(l, "%llu is not as it was written", (unsigned long long)m.sequence);
        *last = m.sequence;
    }
    *stop = *journal_reader_stop(r);
    journal_reader_close(r);
    return result;
}

/* The same after a start, or at the end: all that was committed must be there. */
static int read_committed(const struct journal_dir *d, struct ledger *l, struct journal_stop *stop, uint64_t *last) {
    int result = read_all(d, l, stop, last);
    if (disk_is_off() || result == -EIO || result == -ENOSPC)
        return result;
    if (result != JOURNAL_END && result != JOURNAL_TORN)
        ledger_wrong(l, "reading ends with %d: %s", result, rp_error_detail());
    else if (*last < l->committed && !(*last == 0 && l->first > l->committed))
        ledger_wrong(l, "%llu was committed, and %llu is the last that is there", (unsigned long long)l->committed,
                     (unsigned long long)*last);
    return result;
}

int ledger_check(struct ledger *l, bool whole) {
    struct journal_dir d;
    struct journal_stop stop;
    uint64_t last;
    int result = journal_dir_open(DISK_PATH, "q", &d);
    if (result < 0) {
        if (result != -ENOENT || l->made)
            ledger_wrong(l, "cannot be opened: %s", rp_error_detail());
        return result;
    }
    result = whole ? read_committed(&d, l, &stop, &last) : read_all(&d, l, &stop, &last);
    journal_dir_close(&d);
    return result;
}

int ledger_check_damaged(struct ledger *l, uint64_t *last) {
    struct journal_dir d;
    struct journal_stop stop;
    *last = 0;
    int result = journal_dir_open(DISK_PATH, "q", &d);
    if (result < 0)
        return result;
    result = read_all(&d, l, &stop, last);
    journal_dir_close(&d);
    return result;
}

/* ---- writing ---- */

static enum journal_mode mode_of(enum crew_habit habit) { return habit == CREW_DIRECT ? JOURNAL_DIRECT : JOURNAL_WRITE; }

static void committed(struct writer *w, struct ledger *l, uint64_t sequence) {
    w->durable = w->at;
    w->durable_sequence = sequence;
    if (sequence > l->committed)
        l->committed = sequence;
}

int crew_next_file(struct writer *w, struct ledger *l, enum crew_habit habit) {
    struct journal_point end = w->durable;
    struct journal_file_options o = {.number = w->file_open ? w->f.number + 1 : 1,
                                     .first_sequence = w->durable_sequence + 1,
                                     .bytes = CREW_FILE_BYTES,
                                     .previous = w->file_open ? &end : NULL,
                                     .after = w->file_open ? &w->f : NULL,
                                     .needed = w->needed};
    if (w->file_open)
        journal_file_close(&w->f);
    w->file_open = false;
    if (o.number < CREW_RECORDS_MAX)
        l->begins[o.number] = o.first_sequence;
    if (w->needed > 0 && l->begins[w->needed] > l->first)
        l->first = l->begins[w->needed]; /* what is before may be left out from now on */
    int result = -EIO;
    for (int i = 0; i < ATTEMPTS && result < 0 && !disk_is_off(); i++) {
        result = journal_file_create(&w->d, &o, mode_of(habit), &w->f);
        if (result == -EEXIST) /* a name that was given before something failed */
            result = journal_file_open(&w->d, o.number, mode_of(habit), &w->f);
    }
    if (result < 0)
        return result;
    w->file_open = true;
    w->at = w->durable = journal_file_begin(&w->f);
    return 0;
}

static int sync_file(struct writer *w, struct ledger *l, uint64_t sequence) {
    int result = journal_file_sync(&w->f, &w->at);
    if (result == 0)
        committed(w, l, sequence);
    return result;
}

/* Writes the sequences behind w->durable_sequence again, after something failed. */
static int write_up_to(struct writer *w, struct ledger *l, enum crew_habit habit, uint64_t from, uint64_t to);

static int start_again(struct writer *w, struct ledger *l, enum crew_habit habit, uint64_t to) {
    int result = crew_next_file(w, l, habit);
    return result < 0 ? result : write_up_to(w, l, habit, w->durable_sequence + 1, to);
}

static int write_up_to(struct writer *w, struct ledger *l, enum crew_habit habit, uint64_t from, uint64_t to) {
    while (from <= to) {
        uint64_t sequence = from;
        journal_batch_begin(&w->batch, w->buffer, CREW_ROOM);
        while (sequence <= to && crew_add(&w->batch, sequence, l->tag[sequence], 0))
            sequence++;
        w->under_way = true;
        int result = journal_file_write(&w->f, &w->at, &w->batch);
        w->under_way = result < 0 && result != RP_FULL;
        if (result == RP_FULL) {
            if (habit != CREW_DIRECT && (result = sync_file(w, l, from - 1)) < 0)
                return disk_is_off() ? result : start_again(w, l, habit, to);
            result = crew_next_file(w, l, habit);
            if (result < 0)
                return result;
            continue;
        }
        if (result == 0 && (habit != CREW_SYNCS_LATE || disk_random() % 4 == 0))
            result = sync_file(w, l, sequence - 1);
        if (result < 0)
            return disk_is_off() ? result : start_again(w, l, habit, to);
        from = sequence;
    }
    return 0;
}

static int write_some(struct writer *w, struct ledger *l, enum crew_habit habit, uint32_t life) {
    uint64_t from = l->added + 1, to = l->added + 1 + disk_random() % 8;
    if (to >= CREW_RECORDS_MAX)
        return 0;
    for (uint64_t sequence = from; sequence <= to; sequence++)
        l->tag[sequence] = life;
    l->added = to;
    return write_up_to(w, l, habit, from, to);
}

/* One file more is not needed, which the next file says; then it may go. */
static int drop_first(struct writer *w) {
    uint64_t *numbers;
    size_t count;
    if (w->needed < w->f.number && w->f.number < CREW_RECORDS_MAX)
        w->needed++;
    int result = journal_dir_list(&w->d, &numbers, &count);
    if (result < 0)
        return result;
    if (numbers[0] < w->f.needed)
        result = journal_file_drop(&w->d, numbers[0], CREW_FILE_BYTES);
    free(numbers);
    return result;
}

/* Reads what there is, makes sure that it is on disk, and goes on behind it. */
static int start(struct writer *w, struct ledger *l, enum crew_habit habit) {
    struct journal_stop stop;
    uint64_t last;
    int result = journal_dir_create(DISK_PATH, "q", &w->d);
    if (result < 0)
        return result;
    w->open = l->made = true;
    if (disk_random() % 2 == 0)
        (void)journal_dir_collect(&w->d);
    result = read_committed(&w->d, l, &stop, &last);
    if (result < 0 || l->wrong[0])
        return result < 0 ? result : -EBADMSG;
    if (last == 0) /* nothing, or the files that are left are empty */
        last = l->committed;
    w->durable_sequence = last;
    w->needed = stop.needed > 0 && stop.needed < CREW_RECORDS_MAX ? stop.needed : 1;
    if (stop.end_file != 0) {
        result = journal_file_open(&w->d, stop.end_file, mode_of(habit), &w->f);
        if (result < 0)
            return result;
        w->file_open = true;
        w->f.direct = false; /* what was read was perhaps not written directly */
        w->at = stop.end;
        result = journal_file_sync(&w->f, &w->at);
        if (result < 0)
            return result;
        w->durable = w->at;
    }
    l->added = l->committed = last;
    return crew_next_file(w, l, habit);
}

static int step(struct writer *w, struct ledger *l, enum crew_habit habit, uint32_t life) {
    switch (disk_random() % 12) {
    case 0: return sync_file(w, l, l->added);
    case 1: return journal_file_prepare(&w->d, CREW_FILE_BYTES, mode_of(habit));
    case 2: return drop_first(w);
    case 3: {
        int result = sync_file(w, l, l->added);
        return result < 0 ? result : crew_next_file(w, l, habit);
    }
    default: return write_some(w, l, habit, life);
    }
}

bool writer_live(struct writer *w, struct ledger *l, enum crew_habit habit, int steps) {
    *w = (struct writer){.buffer = aligned_alloc(JOURNAL_BLOCK_BYTES, CREW_ROOM)};
    if (w->buffer == NULL)
        abort();
    uint32_t life = ++l->next_tag;
    int result = start(w, l, habit);
    for (int i = 0; i < steps && result >= 0 && !l->wrong[0]; i++) {
        result = step(w, l, habit, life);
        if (result < 0 && !disk_is_off()) { /* a failed sync: nobody knows what is there */
            if (w->file_open)
                result = l->added > w->durable_sequence ? start_again(w, l, habit, l->added) : crew_next_file(w, l, habit);
        }
    }
    return result >= 0 && !disk_is_off() && !l->wrong[0];
}

void writer_haunt(struct writer *w, bool late) {
    if (w->file_open && w->batch.records > 0 && (late || w->under_way))
        (void)journal_file_write(&w->f, &w->at, &w->batch);
}

void writer_close(struct writer *w) {
    if (w->file_open)
        journal_file_close(&w->f);
    if (w->open)
        journal_dir_close(&w->d);
    free(w->buffer);
    *w = (struct writer){.open = false};
}
