/* SPDX-License-Identifier: MIT */
/* Making files: under a private name, until every byte is on disk. */
#include "atomic.h"
#include "error.h"
#include "file.h"
#include "journal_format.h"

#include <errno.h>
#include <stdlib.h>

enum { ZERO_BYTES = 1 << 20 };

/* Written, not only reserved: the first write to a reserved block is a change of metadata, and as slow to sync as one. */
static int write_zeros(int fd, uint64_t bytes) {
    unsigned char *zeros = calloc(1, ZERO_BYTES);
    int result = zeros ? 0 : -ENOMEM;
    for (uint64_t at = 0; result == 0 && at < bytes;) {
        size_t step = bytes - at < ZERO_BYTES ? (size_t)(bytes - at) : ZERO_BYTES;
        result = journal_write_all(fd, zeros, step, at);
        at += step;
    }
    free(zeros);
    return result;
}

/* A file of zeros. -> descriptor, with its private name. Where syncs are few they need not be written: a change of metadata each is little then. */
static int make_file(const struct journal_dir *d, uint64_t bytes, enum journal_mode mode, char name[JOURNAL_NAME_MAX]) {
    journal_private_name(name);
    int fd = file_open(d->fd, name, FILE_CREATE);
    if (fd < 0)
        return journal_failed(d, fd, "create", name);
    int result;
    while ((result = file_reserve(fd, bytes)) == -EINTR)
        ;
    if (result == -EOPNOTSUPP || (result == 0 && mode == JOURNAL_DIRECT))
        result = write_zeros(fd, bytes);
    if (result == 0)
        return fd;
    file_close(fd);
    file_remove(d->fd, name);
    return journal_failed(d, result, "make", name);
}

/* The head of a spare file. */
static void spare_head(unsigned char head[JOURNAL_HEAD_BYTES], bool reused) {
    memset(head, 0, JOURNAL_HEAD_BYTES);
    if (reused)
        memcpy(head, JOURNAL_REUSED_MAGIC, JOURNAL_MAGIC_BYTES);
}

/* After a loss of power a file may have its old name again, beside the one that it got when it was taken. */
static bool is_spare(int fd, uint64_t bytes, bool *reused) {
    unsigned char head[JOURNAL_HEAD_BYTES], spare[JOURNAL_HEAD_BYTES];
    if (file_size(fd) != (int64_t)bytes || journal_read_all(fd, head, sizeof head, 0) < 0)
        return false;
    *reused = head[0] != 0;
    spare_head(spare, *reused);
    return memcmp(head, spare, sizeof head) == 0 || MUTANT(journal_spare_believed);
}

/* The spare, if there is one of this size: who renames it has it. -> descriptor; or -1 */
static int take_spare(const struct journal_dir *d, uint64_t bytes, char name[JOURNAL_NAME_MAX], bool *reused) {
    journal_private_name(name);
    if (file_rename(d->fd, JOURNAL_SPARE_NAME, name) < 0)
        return -1;
    int fd = file_open(d->fd, name, FILE_WRITE);
    if (fd >= 0 && is_spare(fd, bytes, reused))
        return fd;
    if (fd >= 0)
        file_close(fd);
    file_remove(d->fd, name);
    return -1;
}

static int write_head(const struct journal_dir *d, int fd, const struct journal_file_options *o, bool reused) {
    unsigned char head[JOURNAL_HEAD_BYTES] = {0};
    journal_head_begin(head, JOURNAL_FILE_MAGIC, d->id);
    put64(head + FILE_NUMBER, o->number);
    put64(head + FILE_FIRST_SEQUENCE, o->first_sequence);
    put64(head + FILE_PREVIOUS_END, o->previous ? o->previous->unit : 0);
    put64(head + FILE_PREVIOUS_CHAIN, o->previous ? o->previous->chain : 0);
    put64(head + FILE_BYTES, o->bytes);
    put64(head + FILE_NONCE, journal_random());
    put64(head + FILE_NEEDED, o->needed);
    put64(head + FILE_MADE, o->after != NULL && o->after->made_ns > o->now_ns ? o->after->made_ns : o->now_ns);
    put64(head + FILE_BYTES_BEFORE, o->after != NULL ? o->after->bytes_before + o->after->bytes : 0);
    put64(head + FILE_REUSED, reused);
    put64(head + FILE_CHECK, journal_check(head, FILE_CHECK, 0));
    int result = journal_write_all(fd, head, sizeof head, 0);
    return result < 0 || MUTANT(journal_head_unsynced) ? result : file_sync(fd);
}

static bool can_be(const struct journal_file_options *o) {
    return o->number > 0 && o->bytes >= JOURNAL_FILE_MIN_BYTES && o->bytes <= JOURNAL_FILE_MAX_BYTES &&
           o->bytes % JOURNAL_BLOCK_BYTES == 0 && o->needed <= o->number &&
           (o->previous == NULL || o->previous->unit >= JOURNAL_HEAD_UNITS);
}

int journal_file_create(const struct journal_dir *d, const struct journal_file_options *o, enum journal_mode mode,
                        struct journal_file *f) {
    char private[JOURNAL_NAME_MAX], name[JOURNAL_NAME_MAX];
    if (!can_be(o))
        return fail(-EINVAL, "journal '%.120s': no file can be number %llu, of %llu bytes, after unit %llu", d->path,
                    (unsigned long long)o->number, (unsigned long long)o->bytes,
                    (unsigned long long)(o->previous ? o->previous->unit : 0));
    bool reused = false;
    int fd = take_spare(d, o->bytes, private, &reused);
    if (fd < 0) {
        reused = false;
        fd = make_file(d, o->bytes, mode, private);
    }
    if (fd < 0)
        return fd;
    journal_file_name(o->number, name);
    int result = write_head(d, fd, o, reused);
    if (result < 0)
        journal_failed(d, result, "write", private);
    else if ((result = o->replaces ? file_rename(d->fd, private, name) : file_link(d->fd, private, name)) < 0)
        journal_failed(d, result, "name", name);
    file_close(fd);
    file_remove(d->fd, private);
    return result < 0 ? result : journal_file_open(d, o->number, mode, f); /* which syncs the name */
}

int journal_file_prepare(const struct journal_dir *d, uint64_t bytes, enum journal_mode mode) {
    int there = journal_look_for(d, JOURNAL_SPARE_NAME);
    if (there != -ENOENT)
        return there < 0 ? journal_failed(d, there, "open", JOURNAL_SPARE_NAME) : 0;
    char name[JOURNAL_NAME_MAX];
    int fd = make_file(d, bytes, mode, name);
    if (fd < 0)
        return fd;
    int result = file_sync(fd); /* here, and not where it is waited for */
    file_close(fd);
    if (result == 0)
        result = file_link(d->fd, name, JOURNAL_SPARE_NAME);
    file_remove(d->fd, name);
    return result < 0 && result != -EEXIST ? journal_failed(d, result, "prepare", JOURNAL_SPARE_NAME) : 0;
}

/* ---- and making them spare ---- */

/*
 * Under a private name. Who was stopped in a write to it may go on at any time: then it is left alone. Whoever was about to open it by its number finds, from here on, none; as long as it had that, nobody was to be
 * kept from it.
 */
static void make_spare(const struct journal_dir *d, const char *name, uint64_t bytes) {
    unsigned char head[JOURNAL_HEAD_BYTES];
    spare_head(head, true);
    int fd = file_open(d->fd, name, FILE_WRITE);
    if (fd < 0)
        return;
    int result = file_size(fd) != (int64_t)bytes ? -EINVAL : MUTANT(journal_reused_though_open) ? 0 : file_own(fd);
    if (result == 0)
        result = journal_write_all(fd, head, sizeof head, 0);
    file_close(fd);
    if (result == 0)
        (void)file_link(d->fd, name, JOURNAL_SPARE_NAME);
}

int journal_file_drop(const struct journal_dir *d, uint64_t number, uint64_t bytes) {
    char name[JOURNAL_NAME_MAX], private[JOURNAL_NAME_MAX];
    journal_file_name(number, name);
    journal_private_name(private);
    if (journal_look_for(d, JOURNAL_SPARE_NAME) != -ENOENT)
        return journal_dir_drop(d, number);
    int renamed = file_rename(d->fd, name, private);
    if (renamed < 0 && renamed != -ENOENT)
        return journal_failed(d, renamed, "rename", name);
    int result = file_sync(d->fd); /* or after a loss of power the file would have its name again, and not its head: who reads what is kept would find it damaged */
    if (result == 0 && renamed == 0)
        make_spare(d, private, bytes);
    file_remove(d->fd, private);
    return result < 0 ? journal_failed(d, result, "sync", NULL) : renamed;
}
