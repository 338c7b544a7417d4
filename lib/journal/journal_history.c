/* SPDX-License-Identifier: MIT */
#include "journal_history.h"

#include "atomic.h"
#include "error.h"
#include "journal_format.h"

#include <errno.h>
#include <stdlib.h>

static int damaged(struct journal_history *h, uint64_t file, const char *why) {
    h->file = file;
    h->why = why;
    return JOURNAL_DAMAGED;
}

/* ---- which file ---- */

/* The first of these that may have `sequence`, or what comes after it. What cannot be opened was removed just now, or is damaged, which is said when it is its turn. */
static size_t find(const struct journal_dir *d, const uint64_t *numbers, size_t count, uint64_t sequence) {
    size_t low = 0, high = count;
    while (high - low > 1 && sequence != 0) {
        size_t middle = low + (high - low) / 2;
        struct journal_file f;
        int result = journal_file_open(d, numbers[middle], JOURNAL_READ, &f);
        if (result < 0 && result != -ENOENT)
            return low;
        if (result == 0)
            journal_file_close(&f);
        if (result == 0 && f.first_sequence > sequence)
            high = middle;
        else
            low = middle;
    }
    return low;
}

/* Opens the first file from number `from` on that may have `sequence`. -> 1; 0: there is none; JOURNAL_DAMAGED; or errno */
static int open_from(struct journal_history *h, uint64_t from, uint64_t sequence, struct journal_file *f) {
    for (;;) { /* until none is removed between the two looks: only the oldest ever are */
        uint64_t *numbers;
        const char *why;
        size_t count, first = 0;
        int result = journal_dir_list(h->d, &numbers, &count);
        if (result < 0)
            return result;
        while (first < count && numbers[first] < from)
            first++;
        if (first < count)
            first += find(h->d, numbers + first, count - first, sequence);
        uint64_t number = first < count ? numbers[first] : 0;
        free(numbers);
        if (number == 0)
            return 0;
        result = journal_file_open_why(h->d, number, JOURNAL_READ, f, &why);
        if (result == RP_CORRUPT)
            return damaged(h, number, why);
        if (result != -ENOENT)
            return result == 0 ? 1 : result;
    }
}

static void begin(struct journal_history *h, const struct journal_file *f) {
    journal_scan_begin(&h->scan, f, f->bytes / JOURNAL_UNIT_BYTES);
    h->open = true;
    h->doubt.unit = 0;
}

static void leave(struct journal_history *h) {
    if (h->open)
        journal_file_close(&h->scan.file);
    if (h->next_open)
        journal_file_close(&h->next);
    h->open = h->next_open = false;
}

int journal_history_open(struct journal_history *h, const struct journal_dir *d, uint64_t sequence) {
    struct journal_file f;
    *h = (struct journal_history){.d = d, .first = true};
    int result = open_from(h, 0, sequence, &f);
    if (result == 1)
        begin(h, &f);
    return result < 0 ? result : 0;
}

void journal_history_close(struct journal_history *h) {
    leave(h);
    journal_scan_free(&h->scan);
}

/* ---- from file to file ---- */

/* Is there a next file, which says how far this one counts? 1: there is, since now; 0; JOURNAL_DAMAGED; or errno */
static int look(struct journal_history *h) {
    const char *why;
    uint64_t number = h->scan.file.number + 1, units = h->scan.limit;
    if (h->next_open)
        return 0;
    int result = journal_file_open_why(h->d, number, JOURNAL_READ, &h->next, &why);
    if (result == -ENOENT)
        return 0;
    if (result < 0)
        return result == RP_CORRUPT ? damaged(h, number, why) : result;
    h->next_open = true;
    h->scan.limit = h->next.previous_end < units ? h->next.previous_end : units;
    return 1;
}

/*
 * Something is wrong where we are. The batches that led here may not count: who wrote them died before they did, and another has written over them. So the file is read again from its begin, until the same ones lead to the same
 * place; what is handed out twice so, its sequences tell. False: they do.
 */
static bool doubts(struct journal_history *h) {
    if (h->doubt.unit == h->scan.at.unit && h->doubt.chain == h->scan.at.chain)
        return false;
    h->doubt = h->scan.at;
    h->scan.at = journal_file_begin(&h->scan.file);
    h->scan.left = 0;
    h->scan.held = 0;
    return true;
}

static const char *wrong_end(const struct journal_history *h, int scanned) {
    const struct journal_point *at = &h->scan.at;
    return scanned == JOURNAL_SCAN_WRONG         ? h->scan.why
           : at->unit != h->next.previous_end    ? "the next file says that this one goes on"
           : at->chain != h->next.previous_chain ? "the next file follows another batch"
                                                 : NULL;
}

/* This file was read as far as it can be, and there is a next one. -EAGAIN: it is read again */
static int go_on(struct journal_history *h, int scanned) {
    const char *why = wrong_end(h, scanned);
    int unwritten = why != NULL && h->first ? journal_scan_unwritten(&h->scan) : 0;
    if (unwritten < 0)
        return unwritten;
    if (why != NULL && !unwritten)
        return doubts(h) ? -EAGAIN : damaged(h, h->scan.file.number, why);
    const struct journal_file next = h->next;
    h->next_open = false;
    leave(h);
    begin(h, &next);
    h->first = false;
    return unwritten ? JOURNAL_HISTORY_GAP : JOURNAL_HISTORY_FILE;
}

/* There was no next file. Are there later ones? `ends`: no; -EAGAIN: the next one has been made by now */
static int go_past(struct journal_history *h, int ends) {
    struct journal_file f;
    int result = open_from(h, h->scan.file.number + 1, 0, &f);
    if (result != 1)
        return result == 0 ? ends : result;
    if (f.number == h->scan.file.number + 1) {
        journal_file_close(&f);
        return -EAGAIN;
    }
    leave(h);
    begin(h, &f);
    h->first = false;
    return JOURNAL_HISTORY_GAP;
}

/* Nothing more can be read here, as far as is known. -EAGAIN: it is tried again */
static int at_end(struct journal_history *h, int scanned) {
    const char *why = h->scan.why;
    int ends = scanned == JOURNAL_SCAN_LIMIT ? JOURNAL_END : journal_scan_tail(&h->scan);
    h->scan.held = 0; /* what is in memory may be older than what comes next */
    if (ends < 0)
        return ends;
    if (ends != JOURNAL_END && doubts(h))
        return -EAGAIN;
    ends = go_past(h, ends);
    return ends == JOURNAL_DAMAGED && h->why == NULL ? damaged(h, h->scan.file.number, why) : ends;
}

int journal_history_batch(struct journal_history *h) {
    while (h->open && h->why == NULL) {
        const struct journal_point before = h->scan.at;
        int result = journal_scan_batch(&h->scan), looked = result < 0 ? 0 : look(h);
        if (result < 0 || looked < 0)
            return result < 0 ? result : looked;
        if (looked == 1 && (result != JOURNAL_SCAN_BATCH || h->scan.at.unit > h->scan.limit)) { /* again, as far as it counts */
            h->scan.at = before;
            h->scan.left = 0;
            h->scan.held = 0;
            continue;
        }
        if (result == JOURNAL_SCAN_BATCH) {
            h->why = NULL; /* of the next file, whose turn it is not yet */
            return JOURNAL_RECORD;
        }
        if (h->why != NULL)
            break;
        result = h->next_open ? go_on(h, result) : at_end(h, result);
        if (result != -EAGAIN)
            return result;
    }
    return h->why != NULL ? JOURNAL_DAMAGED : JOURNAL_END;
}
