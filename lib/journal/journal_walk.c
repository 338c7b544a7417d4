/* SPDX-License-Identifier: MIT */
#include "journal_walk.h"

#include "atomic.h"
#include "error.h"
#include "journal_format.h"

#include <errno.h>
#include <stdlib.h>

/* Opens the file behind w->next. What is wrong with its bytes is found when it is its turn. */
static int look_ahead(struct journal_walk *w) {
    struct journal_step *next = &w->next;
    *next = (struct journal_step){.number = 0};
    if (w->next_index == w->count)
        return 0;
    next->number = w->numbers[w->next_index];
    const bool gap = w->expected != 0 && next->number != w->expected;
    if (gap && next->number > w->needed && !MUTANT(journal_gap_unseen)) { /* all that are missing count as one */
        w->expected = next->number--;
        next->why = "the file is missing";
        return 0;
    }
    next->behind_gap = gap;
    w->next_index++;
    w->expected = next->number + 1;
    int result = journal_file_open_why(w->d, next->number, JOURNAL_READ, &next->file, &next->why);
    next->open = result == 0;
    return result == RP_CORRUPT ? 0 : result;
}

/* Does the next file say how far this one counts? */
static bool sealed(const struct journal_walk *w) { return w->next.open && !w->next.behind_gap; }

static uint64_t limit(const struct journal_walk *w) {
    uint64_t units = w->here.file.bytes / JOURNAL_UNIT_BYTES;
    return sealed(w) && w->next.file.previous_end < units && !MUTANT(journal_seal_ignored) ? w->next.file.previous_end : units;
}

int journal_walk_next(struct journal_walk *w) {
    if (w->here.open)
        journal_file_close(&w->scan.file);
    w->here = w->next;
    int result = look_ahead(w);
    if (w->here.open)
        journal_scan_begin(&w->scan, &w->here.file, limit(w));
    return result;
}

/*
 * The first file that is needed. The last one says it: that was so when it was made, and nothing else is removed as long as it is the last. If it cannot be read, another one has said it, and more may be gone by now. 0: there is
 * no file; or errno
 */
static int find_needed(struct journal_walk *w) {
    struct journal_file f;
    const char *why;
    int result = RP_CORRUPT;
    size_t i = w->count;
    while (i > 0 && (result == RP_CORRUPT || result == RP_INCOMPATIBLE || result == -ENOENT))
        result = journal_file_open_why(w->d, w->numbers[--i], JOURNAL_READ, &f, &why);
    if (result == 0)
        journal_file_close(&f);
    else if (result != RP_CORRUPT && result != RP_INCOMPATIBLE && result != -ENOENT)
        return result;
    w->needed = result == 0 ? f.needed : 0;
    if (w->count > 0 && (i + 1 < w->count || w->needed == 0)) {
        size_t first = 0;
        while (first + 1 < w->count && w->numbers[first] < w->needed)
            first++;
        w->needed = w->numbers[first];
    }
    return 0;
}

static bool has(const struct journal_walk *w, uint64_t number) {
    size_t i = 0;
    while (i < w->count && w->numbers[i] != number)
        i++;
    return i < w->count;
}

int journal_walk_open(struct journal_walk *w, const struct journal_dir *d, uint64_t from) {
    *w = (struct journal_walk){.d = d};
    int result = journal_dir_list(d, &w->numbers, &w->count);
    if (result < 0)
        return result;
    result = find_needed(w);
    if (result == 0 && from != 0 && from != JOURNAL_OLDEST && !has(w, from))
        result = fail(-ENOENT, "journal '%.120s' has no file %016llx", d->path, (unsigned long long)from);
    w->expected = from == 0 || from == JOURNAL_OLDEST ? w->needed : from;
    if (from == JOURNAL_OLDEST && w->count > 0 && w->numbers[0] < w->needed)
        w->expected = w->numbers[0];
    while (w->next_index < w->count && w->numbers[w->next_index] < w->expected)
        w->next_index++;
    if (result == 0)
        result = look_ahead(w);
    if (result == 0)
        result = journal_walk_next(w);
    if (result < 0)
        journal_walk_close(w);
    return result;
}

void journal_walk_close(struct journal_walk *w) {
    if (w->here.open)
        journal_file_close(&w->scan.file);
    if (w->next.open)
        journal_file_close(&w->next.file);
    journal_scan_free(&w->scan);
    free(w->numbers);
}

static int damaged(struct journal_walk *w, const char *why) {
    w->why = why;
    return JOURNAL_DAMAGED;
}

/* The file was read as far as it may count. */
static int at_limit(struct journal_walk *w) {
    if (w->next.number == 0)
        return JOURNAL_END;
    if (!sealed(w))
        return JOURNAL_WALK_FILE_ENDS;
    if (w->next.file.previous_end != w->scan.at.unit)
        return damaged(w, "the next file says that this one goes on");
    if (w->next.file.previous_chain != w->scan.at.chain && !MUTANT(journal_files_unchained))
        return damaged(w, "the next file follows another batch");
    return JOURNAL_WALK_FILE_ENDS;
}

int journal_walk_batch(struct journal_walk *w) {
    if (!w->here.open)
        return w->here.number ? damaged(w, w->here.why) : JOURNAL_END;
    int result = journal_scan_batch(&w->scan);
    if (result == JOURNAL_SCAN_LIMIT)
        return at_limit(w);
    if (result != JOURNAL_SCAN_WRONG)
        return result;
    w->why = w->scan.why;
    if (w->next.number == 0)
        return journal_scan_tail(&w->scan);
    if (w->here.number < w->needed && (result = journal_scan_unwritten(&w->scan)) != 0)
        return result < 0 ? result : JOURNAL_WALK_FILE_ENDS;
    return sealed(w) ? JOURNAL_DAMAGED : JOURNAL_WALK_FILE_ENDS; /* how far it counts, the next one would have to say */
}
