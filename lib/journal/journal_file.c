/* SPDX-License-Identifier: MIT */
#include "journal_file.h"

#include "atomic.h"
#include "error.h"
#include "file.h"
#include "journal_format.h"

#include <errno.h>

/* ---- opening ---- */

static const char *wrong_fields(const struct journal_dir *d, const struct journal_file *f, const unsigned char *head) {
    if (memcmp(head + HEAD_ID, d->id, sizeof d->id) != 0)
        return "it is of another journal";
    if (get64(head + FILE_NUMBER) != f->number)
        return "its number is not that of its name";
    if (f->number == 0 || f->number == UINT64_MAX)
        return "no file can have this number: there is none behind it";
    if (f->bytes < JOURNAL_FILE_MIN_BYTES || f->bytes > JOURNAL_FILE_MAX_BYTES || f->bytes % JOURNAL_BLOCK_BYTES != 0)
        return "no file can have the size that its head says";
    if (f->previous_end > JOURNAL_FILE_MAX_BYTES / JOURNAL_UNIT_BYTES ||
        (f->previous_end != 0 && f->previous_end < JOURNAL_HEAD_UNITS))
        return "no file can end where its head says that the one before does";
    if (f->needed > f->number)
        return "it says that only files behind it are needed";
    return NULL;
}

/* Reads the head of a file that is open, and checks it. */
static int read_head(const struct journal_dir *d, struct journal_file *f, const char **why) {
    unsigned char head[JOURNAL_HEAD_BYTES];
    int64_t size = file_size(f->fd);
    int result = size < 0 ? (int)size : journal_read_all(f->fd, head, sizeof head, 0);
    bool newer = false;
    *why = NULL;
    if (result == -ENODATA)
        *why = "it is shorter than a head";
    else if (result < 0)
        return result;
    else
        *why = journal_head_check(head, sizeof head, JOURNAL_FILE_MAGIC, &newer);
    if (*why == NULL) {
        f->bytes = get64(head + FILE_BYTES);
        f->first_sequence = get64(head + FILE_FIRST_SEQUENCE);
        f->previous_end = get64(head + FILE_PREVIOUS_END);
        f->previous_chain = get64(head + FILE_PREVIOUS_CHAIN);
        f->nonce = get64(head + FILE_NONCE);
        f->needed = get64(head + FILE_NEEDED);
        f->made_ns = get64(head + FILE_MADE);
        f->bytes_before = get64(head + FILE_BYTES_BEFORE);
        f->check = get64(head + FILE_CHECK);
        f->reused = get64(head + FILE_REUSED) != 0;
        *why = wrong_fields(d, f, head);
        if (*why == NULL && (uint64_t)size < f->bytes)
            *why = "it is shorter than its head says";
    }
    return *why == NULL ? 0 : newer ? RP_INCOMPATIBLE : RP_CORRUPT;
}

/* Who found the name just before it was taken away gets -EAGAIN while the file becomes the spare one, or what is in it then: journal_file_drop. Either way there is no such file. */
static int open_named(const struct journal_dir *d, const char *name) {
    int fd = file_open(d->fd, name, FILE_READ);
    return fd == -EAGAIN ? file_open(d->fd, name, FILE_READ) : fd;
}

static int open_mode(const struct journal_dir *d, const char *name, enum journal_mode mode, bool *direct) {
    int fd = -EINVAL;
    *direct = mode == JOURNAL_DIRECT;
    if (*direct)
        fd = file_open(d->fd, name, FILE_WRITE | FILE_DIRECT);
    if (fd == -EINVAL) {
        *direct = false;
        fd = file_open(d->fd, name, FILE_WRITE);
    }
    return fd;
}

int journal_file_open(const struct journal_dir *d, uint64_t number, enum journal_mode mode, struct journal_file *f) {
    const char *why;
    return journal_file_open_why(d, number, mode, f, &why);
}

int journal_file_open_why(const struct journal_dir *d, uint64_t number, enum journal_mode mode, struct journal_file *f,
                          const char **why) {
    char name[JOURNAL_NAME_MAX];
    journal_file_name(number, name);
    *f = (struct journal_file){.number = number};
    *why = NULL;
    f->fd = open_named(d, name);
    if (f->fd < 0)
        return journal_failed(d, f->fd, "open", name);
    int result = read_head(d, f, why);
    if (result < 0 && journal_look_for(d, name) == -ENOENT) {
        *why = NULL;
        file_close(f->fd);
        return journal_failed(d, -ENOENT, "open", name);
    }
    if (result < 0) {
        file_close(f->fd);
        return *why ? fail(result, "journal '%.120s': %s: %s", d->path, name, *why) : journal_failed(d, result, "read", name);
    }
    if (mode == JOURNAL_READ)
        return 0;
    /* The head was read through the page cache: O_DIRECT wants memory of its own kind. And before that is closed, so that the file stays what it is. */
    int reading = f->fd;
    f->fd = open_mode(d, name, mode, &f->direct);
    file_close(reading);
    if (f->fd < 0)
        return journal_failed(d, f->fd, "open", name);
    if (!MUTANT(journal_name_unsynced) && (result = file_sync(d->fd)) < 0) {
        journal_file_close(f);
        return journal_failed(d, result, "sync", NULL);
    }
    return 0;
}

void journal_file_close(struct journal_file *f) {
    file_close(f->fd);
    f->fd = -1;
}

/* ---- writing ---- */

struct journal_point journal_file_begin(const struct journal_file *f) {
    return (struct journal_point){JOURNAL_HEAD_UNITS, 0, f->check, JOURNAL_HEAD_UNITS};
}

uint64_t journal_file_room(const struct journal_file *f, const struct journal_point *at) {
    uint64_t units = f->bytes / JOURNAL_UNIT_BYTES;
    return at->unit >= JOURNAL_HEAD_UNITS && at->unit < units ? (units - at->unit) * JOURNAL_UNIT_BYTES : 0;
}

int journal_file_write(struct journal_file *f, struct journal_point *at, struct journal_batch *b) {
    size_t multiple = f->direct ? JOURNAL_BLOCK_BYTES : JOURNAL_UNIT_BYTES;
    size_t whole = (b->bytes + multiple - 1) / multiple * multiple;
    if (at->unit < JOURNAL_HEAD_UNITS || at->durable > at->unit || at->unit * JOURNAL_UNIT_BYTES % multiple != 0)
        return fail(-EINVAL, "journal file %llx: no batch can begin at unit %llu", (unsigned long long)f->number,
                    (unsigned long long)at->unit);
    if (whole > journal_file_room(f, at))
        return RP_FULL;
    struct journal_point next = *at;
    if (f->direct)
        next.durable = at->unit;
    if (MUTANT(journal_durable_ahead))
        next.durable = at->unit;
    whole = journal_batch_end(b, f, &next, multiple);
    int result = journal_write_all(f->fd, b->data, whole, at->unit * JOURNAL_UNIT_BYTES);
    if (result < 0)
        return fail(result, "journal file %llx: write %zu bytes at %llu: %s", (unsigned long long)f->number, whole,
                    (unsigned long long)(at->unit * JOURNAL_UNIT_BYTES), rp_error_text(result));
    next.unit += journal_units(whole);
    next.ordinal++;
    next.chain = get64(b->data + BATCH_CHECK);
    if (f->direct)
        next.durable = next.unit;
    *at = next;
    return 0;
}

int journal_file_sync(struct journal_file *f, struct journal_point *at) {
    int result = f->direct || MUTANT(journal_sync_skipped) ? 0 : file_sync_data(f->fd);
    if (result < 0 && !MUTANT(journal_sync_error_ignored))
        return fail(result, "journal file %llx: sync: %s", (unsigned long long)f->number, rp_error_text(result));
    at->durable = at->unit;
    return 0;
}
